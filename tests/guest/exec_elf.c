/* Execution of ELF images made by hand: good ones of each kind, and broken and hostile ones. */
#include "t.h"

#include <elf.h>

extern char **environ;

/* The code of the images: works at any address and touches no memory. */
static const unsigned char exit_42[] = {
	0xbf, 42,   0, 0, 0, /* mov $42, %edi */
	0xb8, 0xe7, 0, 0, 0, /* mov $231, %eax (exit_group) */
	0x0f, 0x05,	     /* syscall */
};

#define CODE_AT 512ul

/* One page: ELF header, program headers, code. */
struct image {
	union {
		char raw[4096];
		struct {
			Elf64_Ehdr eh;
			Elf64_Phdr ph[4];
		};
	};
};

static struct image image_of(unsigned short type, unsigned long base)
{
	struct image img;

	memset(&img, 0, sizeof(img));
	memcpy(img.eh.e_ident, ELFMAG, SELFMAG);
	img.eh.e_ident[EI_CLASS] = ELFCLASS64;
	img.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	img.eh.e_ident[EI_VERSION] = EV_CURRENT;
	img.eh.e_type = type;
	img.eh.e_machine = EM_X86_64;
	img.eh.e_version = EV_CURRENT;
	img.eh.e_entry = base + CODE_AT;
	img.eh.e_phoff = offsetof(struct image, ph);
	img.eh.e_ehsize = sizeof(Elf64_Ehdr);
	img.eh.e_phentsize = sizeof(Elf64_Phdr);
	img.eh.e_phnum = 1;
	img.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_flags = PF_R | PF_X,
				 .p_vaddr = base,
				 .p_filesz = 4096,
				 .p_memsz = 4096,
				 .p_align = 4096};
	memcpy(img.raw + CODE_AT, exit_42, sizeof(exit_42));
	return img;
}

static void save(const struct image *img, size_t size)
{
	int fd;

	t_cd_tmpdir();
	unlink("prog");
	fd = MUST(open("prog", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
	CHECK(write(fd, img, size) == (ssize_t)size);
	MUST(close(fd));
}

static int run(const struct image *img)
{
	save(img, sizeof(*img));
	return IN_CHILD({
		execl("./prog", "prog", NULL);
		_exit(errno == ENOEXEC ? 100 : errno == ENOMEM ? 101 : errno);
	});
}

#define EXEC_FAILS(img, err)                                                                       \
	do {                                                                                       \
		save(img, sizeof(*(img)));                                                         \
		EXPECT_ERR(execl("./prog", "prog", NULL), err);                                    \
	} while (0)

TEST(static_program_at_a_fixed_address_runs)
{
	struct image img = image_of(ET_EXEC, 0x400000);

	CHECK_EXITED(run(&img), 42);
}

TEST(static_position_independent_program_runs)
{
	struct image img = image_of(ET_DYN, 0);

	CHECK_EXITED(run(&img), 42);
}

TEST(fixed_program_at_unusual_addresses_runs)
{
	static const unsigned long base[] = {0x10000, 0x7f0000000, 0x100000000000ul};

	for (size_t i = 0; i < sizeof(base) / sizeof(*base); i++) {
		struct image img = image_of(ET_EXEC, base[i]);

		CHECK_EXITED(run(&img), 42);
	}
}

TEST(memory_behind_the_file_is_zero)
{
	/* cmpb $0, 4096+base; sete dil... : exit(value of the last byte of memory) */
	static const unsigned char code[] = {
		0x0f, 0xb6, 0x3c, 0x25, 0xff, 0x2f, 0x40, 0x00, /* movzbl 0x402fff, %edi */
		0xb8, 0xe7, 0,	  0,	0,			/* mov $231, %eax */
		0x0f, 0x05,
	};
	struct image img = image_of(ET_EXEC, 0x400000);

	img.ph[0].p_flags |= PF_W;
	img.ph[0].p_memsz = 3 * 4096;
	memcpy(img.raw + CODE_AT, code, sizeof(code));
	CHECK_EXITED(run(&img), 0);
}

TEST(rest_of_the_last_file_page_is_cleared)
{
	/* The file has 0xee behind p_filesz; the program must see zero there. */
	static const unsigned char code[] = {
		0x0f, 0xb6, 0x3c, 0x25, 0x00, 0x08, 0x40, 0x00, /* movzbl 0x400800, %edi */
		0xb8, 0xe7, 0,	  0,	0,			/* mov $231, %eax */
		0x0f, 0x05,
	};
	struct image img = image_of(ET_EXEC, 0x400000);

	memset(img.raw + 2048, 0xee, 2048);
	img.ph[0].p_flags |= PF_W;
	img.ph[0].p_filesz = 2048;
	img.ph[0].p_memsz = 4096;
	memcpy(img.raw + CODE_AT, code, sizeof(code));
	CHECK_EXITED(run(&img), 0);
}

TEST(code_without_execute_permission_is_sigsegv)
{
	struct image img = image_of(ET_EXEC, 0x400000);

	img.ph[0].p_flags = PF_R | PF_W;
	img.ph[1] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
	img.eh.e_phnum = 2;
	CHECK_KILLED(run(&img), SIGSEGV);
}

TEST(write_to_read_only_segment_is_sigsegv)
{
	static const unsigned char code[] = {0xc6, 0x04, 0x25, 0,
					     0,	   0x40, 0,    1}; /* movb $1, 0x400000 */
	struct image img = image_of(ET_EXEC, 0x400000);

	memcpy(img.raw + CODE_AT, code, sizeof(code));
	CHECK_KILLED(run(&img), SIGSEGV);
}

TEST(entry_outside_of_the_program_is_sigsegv)
{
	static const unsigned long entry[] = {0, 0x500000, 0x7fffffffe000ul};

	for (size_t i = 0; i < sizeof(entry) / sizeof(*entry); i++) {
		struct image img = image_of(ET_EXEC, 0x400000);

		img.eh.e_entry = entry[i];
		CHECK_KILLED(run(&img), SIGSEGV);
	}
}

TEST(headers_of_another_kind_are_enoexec)
{
	struct image good = image_of(ET_EXEC, 0x400000), img;

	img = good;
	img.eh.e_ident[0] = 0;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.eh.e_machine = EM_AARCH64;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.eh.e_type = ET_REL;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.eh.e_type = ET_CORE;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.eh.e_phentsize = 1;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.eh.e_phnum = 0;
	EXEC_FAILS(&img, ENOEXEC);
}

TEST(truncated_images_are_enoexec)
{
	static const size_t sizes[] = {1, 3, 4, 16, 63, 64, 100, 119};
	struct image img = image_of(ET_EXEC, 0x400000);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		save(&img, sizes[i]);
		EXPECT(execl("./prog", "prog", NULL) == -1);
		/* The header is complete but its program headers are not: any refusal will do. */
		if (sizes[i] < 64)
			EXPECT_EQ(errno, ENOEXEC);
		else
			EXPECT(errno == ENOEXEC || errno == EIO);
	}
}

TEST(program_headers_outside_of_the_file_are_refused)
{
	struct image img = image_of(ET_EXEC, 0x400000);

	img.eh.e_phoff = 1ul << 40;
	save(&img, sizeof(img));
	EXPECT(execl("./prog", "prog", NULL) == -1);
	img.eh.e_phoff = -1ul;
	save(&img, sizeof(img));
	EXPECT(execl("./prog", "prog", NULL) == -1);
}

/* The image is refused or its process dies by a signal; nothing else may happen. */
static void expect_refused(const char *what, const struct image *img)
{
	int status = run(img);

	t_context = what;
	EXPECT(WIFSIGNALED(status) || WEXITSTATUS(status) != 42);
}

TEST(segments_that_lie_about_their_size_never_run)
{
	struct image good = image_of(ET_EXEC, 0x400000), img;

	img = good;
	img.ph[0].p_memsz = 100;
	expect_refused("memory smaller than the file", &img);
	img = good;
	img.ph[0].p_memsz = -1ul;
	expect_refused("size of everything", &img);
	img = good;
	img.ph[0].p_memsz = 1ul << 47;
	expect_refused("size of user space", &img);
	img = good;
	img.ph[0].p_vaddr = 0xffff800000000000ul;
	expect_refused("kernel address", &img);
	img = good;
	img.ph[0].p_vaddr = 0x7ffffffff000ul;
	expect_refused("end of user space", &img);
	img = good;
	img.ph[0].p_vaddr = -4096ul;
	expect_refused("address that wraps around", &img);
	img = good;
	img.ph[0].p_offset = 1;
	expect_refused("offset that does not fit the address", &img);
	img = good;
	img.ph[0].p_filesz = -1ul;
	img.ph[0].p_memsz = -1ul;
	expect_refused("file size of everything", &img);
}

TEST(missing_program_interpreter_is_enoent)
{
	struct image img = image_of(ET_EXEC, 0x400000);

	strcpy(img.raw + 1024, "/no/such/ld.so");
	img.ph[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 1024, .p_filesz = 15};
	img.eh.e_phnum = 2;
	EXEC_FAILS(&img, ENOENT);
}

TEST(absurd_program_interpreters_are_refused)
{
	struct image good = image_of(ET_EXEC, 0x400000), img;

	strcpy(good.raw + 1024, "/bin/sh");
	good.ph[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 1024, .p_filesz = 8};
	good.eh.e_phnum = 2;
	img = good;
	img.ph[1].p_filesz = 7; /* without its zero */
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.ph[1].p_filesz = 1;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	img.ph[1].p_filesz = PATH_MAX + 1;
	EXEC_FAILS(&img, ENOEXEC);
	img = good;
	strcpy(img.raw + 1024, "/tmp");
	img.ph[1].p_filesz = 5;
	EXEC_FAILS(&img, EACCES);
}

TEST(running_program_cannot_be_written)
{
	/* 1: xor %edi, %edi; mov $34, %eax (pause); syscall; jmp 1b */
	static const unsigned char spin[] = {0x31, 0xff, 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf5};
	struct image img = image_of(ET_EXEC, 0x400000);
	struct t_gate gate = t_gate();
	pid_t pid;
	char c;

	memcpy(img.raw + CODE_AT, spin, sizeof(spin));
	save(&img, sizeof(img));
	pid = SPAWN(execl("./prog", "prog", NULL));
	MUST(close(gate.fd[1]));
	CHECK_EQ(read(gate.fd[0], &c, 1), 0); /* closed by the exec */
	t_wait_state(pid, 'S');
	EXPECT_ERR(open("prog", O_WRONLY), ETXTBSY);
	EXPECT_ERR(open("prog", O_RDWR), ETXTBSY);
	EXPECT_ERR(open("prog", O_RDONLY | O_TRUNC), ETXTBSY);
	EXPECT_ERR(truncate("prog", 0), ETXTBSY);
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK_EQ(close(MUST(open("prog", O_WRONLY))), 0);
}

TEST(program_open_for_writing_cannot_be_executed)
{
	struct image img = image_of(ET_EXEC, 0x400000);
	int fd;

	save(&img, sizeof(img));
	fd = MUST(open("prog", O_RDWR | O_CLOEXEC));
	EXPECT_ERR(execl("./prog", "prog", NULL), ETXTBSY);
	MUST(close(fd));
	CHECK_EXITED(run(&img), 42);
}

TEST(removed_program_runs_through_its_descriptor)
{
	struct image img = image_of(ET_EXEC, 0x400000);
	char *argv[] = {"x", NULL};
	int fd;

	save(&img, sizeof(img));
	fd = MUST(open("prog", O_PATH | O_CLOEXEC));
	MUST(unlink("prog"));
	CHECK_EXITED(IN_CHILD({
			     syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
			     _exit(98);
		     }),
		     42);
}

TEST(program_in_a_memfd_runs)
{
	struct image img = image_of(ET_DYN, 0);
	int fd = MUST(memfd_create("program", MFD_CLOEXEC)), ro;
	char *argv[] = {"x", NULL}, path[64];

	CHECK_EQ(write(fd, &img, sizeof(img)), (ssize_t)sizeof(img));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = MUST(open(path, O_RDONLY | O_CLOEXEC));
	MUST(close(fd));
	CHECK_EXITED(IN_CHILD({
			     syscall(SYS_execveat, ro, "", argv, environ, AT_EMPTY_PATH);
			     _exit(98);
		     }),
		     42);
}
