/*
 * test: quick=no
 * Programs, and interpreters, whose parts would lie in the stub area, or beyond the guest's: the
 * keeper maps what exec says, and obeys no filter. Each part carries what would kill the kernel if
 * it got there: code for the stub's text, orders for the control page.
 */
#include "attack.h"
#include <elf.h>
#include <sys/personality.h>

#define PIE_BASE 0x555555554000 /* of a program with an interpreter, without randomisation */
#define PART_SIZE (2 * PAGE)
#define INTERP "/lib64/ld-linux-x86-64.so.2"
#define TASK_SIZE 0x7fffbff00000

struct image {
	Elf64_Ehdr e;
	Elf64_Phdr p[4];
	char interp[64];
	uint8_t rest[4096 - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr) - 64];
	uint8_t part[PART_SIZE];
};

/* kill(the kernel, SIGKILL) by whoever comes along. Its number stands in the control page. */
static void put_code(uint8_t *to)
{
	static const uint8_t code[] = {
		0x48, 0xbf,	0x0c, 0,    1,
		0xc0, 0xff,	0x7f, 0,    0, /* mov $STUB_CTL + 12, %rdi */
		0x8b, 0x3f,		       /* mov (%rdi), %edi */
		0xbe, SIGKILL,	0,    0,    0, /* mov $SIGKILL, %esi */
		0xb8, SYS_kill, 0,    0,    0, /* mov $SYS_kill, %eax */
		0x0f, 0x05,	0xeb, 0xfe,    /* syscall; jmp . */
	};

	memset(to, 0x90, PART_SIZE);
	memcpy(to + PART_SIZE - sizeof(code), code, sizeof(code));
}

/* The same by orders to the keeper, as stub/layout.h has them. */
static void put_orders(uint8_t *to)
{
	memset(to, 0, PART_SIZE);
	*(uint32_t *)(to + CTL_NOPS) = 40;
	for (int i = 0; i < 40; i++) {
		uint64_t *op = (uint64_t *)(to + CTL_OPS + i * OP_SIZE);

		op[0] = SYS_kill;
		op[1] = *(uint32_t *)(STUB_CTL + CTL_KERNEL_PID);
		op[2] = SIGKILL;
		op[OP_FLAGS / 8] = OPF_IGNORE;
	}
}

static void fill(struct image *im, int type, bool interp, uint64_t part_vaddr, uint64_t part_size)
{
	int n = 0;

	memset(im, 0, offsetof(struct image, part));
	memcpy(im->e.e_ident, "\177ELF\2\1\1", 7);
	im->e.e_type = type;
	im->e.e_machine = EM_X86_64;
	im->e.e_version = 1;
	im->e.e_phoff = offsetof(struct image, p);
	im->e.e_ehsize = sizeof(im->e);
	im->e.e_phentsize = sizeof(im->p[0]);
	strcpy(im->interp, INTERP);
	if (interp)
		im->p[n++] = (Elf64_Phdr){.p_type = PT_INTERP,
					  .p_flags = PF_R,
					  .p_offset = offsetof(struct image, interp),
					  .p_filesz = sizeof(INTERP),
					  .p_memsz = sizeof(INTERP),
					  .p_align = 1};
	im->p[n++] = (Elf64_Phdr){.p_type = PT_LOAD,
				  .p_flags = PF_R | PF_W,
				  .p_vaddr = type == ET_EXEC ? 0x400000 : 0,
				  .p_filesz = PAGE,
				  .p_memsz = PAGE,
				  .p_align = PAGE};
	im->p[n++] = (Elf64_Phdr){.p_type = PT_LOAD,
				  .p_flags = PF_R | PF_X,
				  .p_offset = offsetof(struct image, part),
				  .p_vaddr = part_vaddr,
				  .p_filesz = PART_SIZE,
				  .p_memsz = part_size,
				  .p_align = PAGE};
	im->e.e_phnum = n;
}

static void put_file(const char *name, const void *data, size_t size)
{
	int fd = MUST(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0755));

	CHECK_EQ(write(fd, data, size), (ssize_t)size);
	close(fd);
}

/*
 * Whether the host would map it there or not: the program can't have run, so it has ended by a
 * signal, or was refused.
 */
static void run(const char *name)
{
	int status = IN_CHILD({
		personality(ADDR_NO_RANDOMIZE);
		execl(name, name, NULL);
		_exit(99);
	});

	CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 99);
}

static const uint64_t places[] = {
	STUB_TEXT,
	STUB_CTL,
	STUB_CTL - PAGE,
	STUB_SLOTS,
	STUB_SLOTS + PAGE,
	STUB_SLOTS + SLOT_SIZE,
	STUB_END - PART_SIZE,
	STUB_VDSO_AREA,
	TASK_SIZE - PAGE,
	TASK_SIZE,
	0x7fffffffe000,
};
#define NPLACES (sizeof(places) / sizeof(places[0]))

static struct image image __attribute__((aligned(16)));

static void try_all(int type, bool interp, uint64_t bias)
{
	t_cd_tmpdir();
	for (size_t i = 0; i < NPLACES; i++) {
		bool ctl = places[i] <= STUB_CTL && STUB_CTL < places[i] + PART_SIZE;

		fill(&image, type, interp, places[i] - bias, PART_SIZE);
		if (ctl)
			put_orders(image.part + (STUB_CTL - places[i]));
		else
			put_code(image.part);
		put_file("image", &image, sizeof(image));
		run("./image");
	}
}

TEST(programs_with_an_interpreter)
{
	try_all(ET_DYN, true, PIE_BASE);
}

TEST(programs_without_one)
{
	try_all(ET_DYN, false, 0);
	try_all(ET_DYN, false, 0x7fff00000000);
}

TEST(programs_at_fixed_places)
{
	try_all(ET_EXEC, true, 0);
	try_all(ET_EXEC, false, 0);
}

/* One part from below to beyond the stub: what isn't in the file is zero, nobody's memory. */
TEST(a_part_that_covers_everything)
{
	const uint64_t starts[] = {PAGE, 0x100000000, STUB_TEXT - PIE_BASE - PART_SIZE};

	t_cd_tmpdir();
	put_code(image.part);
	for (size_t i = 0; i < 3; i++)
		for (uint64_t end = STUB_TEXT; end < 0x800000000000; end += STUB_END - STUB_BASE) {
			fill(&image, ET_DYN, true, starts[i], end - PIE_BASE - starts[i]);
			put_file("image", &image, sizeof(image));
			run("./image");
		}
}

/* The interpreter is a file like any other. */
TEST(interpreters)
{
	static struct image program;
	char path[sizeof(program.interp)];

	t_cd_tmpdir();
	CHECK(getcwd(path, sizeof(path) - 8));
	strcat(path, "/interp");
	for (size_t i = 0; i < NPLACES; i++)
		for (int fixed = 0; fixed < 2; fixed++) {
			fill(&image, fixed ? ET_EXEC : ET_DYN, false, places[i], PART_SIZE);
			put_code(image.part);
			put_file("interp", &image, sizeof(image));
			fill(&program, ET_DYN, true, 0x10000, PART_SIZE);
			strcpy(program.interp, path);
			program.p[0].p_filesz = program.p[0].p_memsz = strlen(path) + 1;
			put_file("image", &program, sizeof(program));
			run("./image");
		}
}
