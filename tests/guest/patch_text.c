/*
 * Hot system-call sites in text that is changed, moved or mapped anew, in shared text and in
 * generated code. See patch.h.
 */
#include "patch.h"
#include <elf.h>
#include <sys/time.h>
#include <ucontext.h>

SITE_A(a_getpid, 39);
SITE_A(a_getppid, 110);
SITE_B(b_call);
SITE_A(a_getuid, 102);

static char *page_of(const void *p)
{
	return (char *)((unsigned long)p & ~4095ul);
}

static void heat_all(const char *image)
{
	heat(IN(image, a_getpid), 0, getpid());
	heat(IN(image, a_getppid), 0, getppid());
	heat(IN(image, b_call), SYS_getpid, getpid());
	heat(IN(image, b_call), SYS_getppid, getppid());
}

/* The bytes of a function and its padding, from the file. */
static void original(const void *fn, unsigned char code[FUNCTION_SIZE])
{
	int fd = open_self();

	CHECK_EQ(pread(fd, code, FUNCTION_SIZE, (off_t)offset_of(fn)), FUNCTION_SIZE);
	MUST(close(fd));
}

static void check_original(const char *image, const void *fn, size_t n)
{
	unsigned char code[FUNCTION_SIZE];

	original(fn, code);
	CHECK(!memcmp(IN(image, fn), code, n));
}

#define A_SIZE 8
#define B_SIZE 3

TEST(text_made_writable_holds_what_was_linked)
{
	char *image = private_image(), *page = page_of(IN(image, a_getpid));
	int number;

	heat_all(image);
	MUST(mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC));
	check_original(image, a_getpid, A_SIZE);
	check_original(image, a_getppid, A_SIZE);
	check_original(image, b_call, B_SIZE);
	heat_all(image);
	check_original(image, a_getpid, A_SIZE);
	number = SYS_getppid;
	memcpy(IN(image, a_getpid) + 1, &number, 4);
	heat(IN(image, a_getpid), 0, getppid());
	MUST(mprotect(page, 8192, PROT_READ | PROT_EXEC));
	heat(IN(image, a_getpid), 0, getppid());
	CHECK(!memcmp(IN(image, a_getpid) + 1, &number, 4));
	heat(IN(image, b_call), SYS_getpid, getpid());
}

/*
 * Who reads another's memory by the kernel gets what was linked: a function, and the padding behind
 * it.
 */
static void check_read(pid_t pid, const void *fn)
{
	unsigned char code[FUNCTION_SIZE], got[FUNCTION_SIZE];
	struct iovec local = {got, sizeof(got)}, remote = {(void *)fn, sizeof(got)};
	char path[40];
	int fd;

	original(fn, code);
	CHECK_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), FUNCTION_SIZE);
	CHECK(!memcmp(got, code, sizeof(code)));
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = MUST(open(path, O_RDONLY));
	for (int i = 0; i < FUNCTION_SIZE; i++) {
		CHECK_EQ(pread(fd, got, 1, (off_t)((unsigned long)fn + i)), 1);
		CHECK_EQ(got[0], code[i]);
	}
	MUST(close(fd));
}

TEST(others_read_what_was_linked)
{
	pid_t pid;
	int up[2];

	heat((void *)a_getpid, 0, getpid());
	heat((void *)b_call, SYS_getppid, getppid());
	check_read(getpid(), (void *)a_getpid);
	check_read(getpid(), (void *)b_call);
	MUST(pipe(up));
	pid = t_spawn();
	if (!pid) {
		heat((void *)a_getuid, 0, getuid());
		MUST(write(up[1], "x", 1));
		pause();
		_exit(0);
	}
	MUST(read(up[0], &(char){0}, 1));
	check_read(pid, (void *)a_getuid);
	check_read(pid, (void *)b_call);
	MUST(kill(pid, SIGKILL));
	CHECK_EQ(t_wait(pid), SIGKILL);
}

TEST(text_made_unexecutable_and_back_works)
{
	char *image = private_image();

	for (int i = 0; i < 3; i++) {
		heat_all(image);
		MUST(mprotect(image, image_size(), PROT_READ));
		check_original(image, a_getpid, A_SIZE);
		check_original(image, b_call, B_SIZE);
		MUST(mprotect(image, image_size(), PROT_NONE));
		MUST(mprotect(image, image_size(), PROT_READ | PROT_EXEC));
	}
}

TEST(text_unmapped_and_mapped_again_works)
{
	char *image = private_image();

	for (int i = 0; i < 3; i++) {
		int fd = open_self();

		heat_all(image);
		MUST(munmap(image, image_size()));
		CHECK(map_image(image, MAP_PRIVATE | MAP_FIXED, fd) == image);
		check_original(image, a_getpid, FUNCTION_SIZE);
		check_original(image, b_call, FUNCTION_SIZE);
		heat_all(image);
		CHECK(map_image(image, MAP_PRIVATE | MAP_FIXED, fd) == image);
		check_original(image, a_getpid, FUNCTION_SIZE);
		check_original(image, b_call, FUNCTION_SIZE);
		MUST(close(fd));
	}
	heat_all(image);
}

TEST(text_moved_works_in_its_new_place)
{
	char *image = private_image(), *room, *moved, *page;

	heat_all(image);
	room = MUST(mmap(NULL, image_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	moved = MUST(
		mremap(image, image_size(), image_size(), MREMAP_MAYMOVE | MREMAP_FIXED, room));
	check_original(moved, a_getpid, A_SIZE);
	check_original(moved, b_call, B_SIZE);
	heat_all(moved);
	/* One page of it only, while it is hot. */
	page = page_of(IN(moved, a_getpid));
	room = MUST(mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	MUST(mremap(page, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, room));
	heat(room + (IN(moved, a_getpid) - page), 0, getpid());
	heat(room + (IN(moved, b_call) - page), SYS_getppid, getppid());
	CHECK_ERR(msync(page, 8192, MS_ASYNC), ENOMEM);
}

TEST(text_discarded_is_read_anew)
{
	char *image = private_image();

	for (int i = 0; i < 3; i++) {
		heat_all(image);
		MUST(madvise(image, image_size(), MADV_DONTNEED));
		check_original(image, a_getpid, A_SIZE);
		check_original(image, b_call, FUNCTION_SIZE);
		heat_all(image);
	}
}

TEST(padding_unmapped_leaves_calls_working)
{
	/* The call lies at the end of one page, its function's padding in the next. */
	char *image = private_image(), *next;
	extern const char at_page_end[];

	for (int i = 0; i < HOT; i++)
		CHECK_EQ(call0(IN(image, at_page_end), SYS_getpid), getpid());
	next = page_of(IN(image, at_page_end)) + 4096;
	MUST(munmap(next, 4096));
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(call0(IN(image, at_page_end), SYS_getpid), getpid());
}
__asm__(".text\n.p2align 12\n.skip 4096 - 3, 0xcc\n"
	".type at_page_end, @function\nat_page_end:\n.cfi_startproc\nsyscall\nret\n"
	".cfi_endproc\n.size at_page_end, . - at_page_end\n"
	".skip 32, 0x90\n"
	".type behind_page_end, @function\nbehind_page_end:\n.cfi_startproc\nret\n.cfi_endproc\n"
	".size behind_page_end, . - behind_page_end\n.p2align 12\n");

TEST(data_next_to_a_hot_call_stays_writable)
{
	char *image = private_image(), *next;
	extern const char at_page_end[];

	next = page_of(IN(image, at_page_end)) + 4096;
	MUST(mprotect(next, 4096, PROT_READ | PROT_WRITE));
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(call0(IN(image, at_page_end), SYS_getpid), getpid());
	memset(next, 1, 4096);
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(call0(IN(image, at_page_end), SYS_getpid), getpid());
	CHECK_EQ(next[0], 1);
	CHECK_EQ(next[31], 1);
}

/* ---- other code in the same place ---- */

static char *loop;
static volatile int hits, strays;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	greg_t *g = ((ucontext_t *)ctx)->uc_mcontext.gregs;
	long at = g[REG_RIP] - (long)loop;

	if (at < -4096 || at > 4096) /* not there yet, or back already */
		return;
	/* Once it has been told to end, it is on its way to the ret. */
	if (at != 0 && at != 2 && !(at == 4 && g[REG_RAX]))
		strays++;
	if (++hits >= 50 || strays)
		g[REG_RAX] = 1;
}

/* `shift` bytes before the padding begins a loop in which signals arrive. */
static void loop_over_padding(int shift)
{
	static const unsigned char code[] = {0x85, 0xc0, 0x74, 0xfc,
					     0xc3}; /* 1: test %eax, %eax; je 1b; ret */
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
	char *image = private_image(), *page;

	heat_all(image);
	loop = IN(image, b_call) + B_SIZE - shift;
	page = page_of(loop);
	CHECK(mmap(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	memcpy(loop, code, sizeof(code));
	hits = 0;
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	CHECK_EQ(call0(loop, 0), 1);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	CHECK_EQ(strays, 0);
	CHECK(hits >= 50);
}

TEST(other_code_where_padding_was_is_left_alone)
{
	t_handle_info(SIGALRM, on_signal);
	loop_over_padding(0);
	loop_over_padding(2); /* which of the loop's two instructions it is that signals find is up
				 to the machine */
}

/* Text between the heap's start and the break goes with it; what comes there next is left alone. */
TEST(text_that_the_break_passed_is_forgotten)
{
	size_t size = image_size();
	char *heap, *image, *seen = malloc(size);
	int fd = open_self();

	CHECK(seen);
	heap = sbrk(0);
	heap += -(unsigned long)heap & 4095; /* a page's start */
	CHECK_EQ(brk(heap + size), 0);
	image = map_image(heap, MAP_PRIVATE | MAP_FIXED, fd);
	heat_all(image);
	memcpy(seen, image, size); /* as it is patched, if it is */
	CHECK_EQ(brk(heap), 0);
	CHECK_EQ(brk(heap + size), 0);
	memcpy(heap, seen, size);
	MUST(mprotect(heap, size, PROT_READ));
	CHECK(!memcmp(heap, seen, size));
	MUST(close(fd));
	free(seen);
}

TEST(generated_code_over_text_works)
{
	char *image = private_image(), *page = page_of(IN(image, a_getpid));
	unsigned char code[FUNCTION_SIZE];
	int number = SYS_getppid;

	heat_all(image);
	original(a_getpid, code);
	memcpy(code + 1, &number, sizeof(number));
	CHECK(mmap(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	memcpy(IN(image, a_getpid), code, sizeof(code));
	heat(IN(image, a_getpid), 0, getppid());
	CHECK(!memcmp(IN(image, a_getpid), code, sizeof(code)));
	number = SYS_getpid;
	memcpy(IN(image, a_getpid) + 1, &number, sizeof(number));
	heat(IN(image, a_getpid), 0, getpid());
}

/* ---- mappings that aren't the program's ---- */

/* Unmaps all that /proc/self/maps calls by that name; how many they were. */
static int unmap_named(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end, from[8], to[8];
	char line[512], *at;
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		at = strchr(line, '[');
		if (!at || strncmp(at, name, strlen(name)) || n == 8)
			continue;
		CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
		from[n] = start;
		to[n++] = end;
	}
	fclose(f);
	for (int i = 0; i < n; i++)
		MUST(munmap((void *)from[i], to[i] - from[i]));
	return n;
}

/* Heddle's jumps lead through a mapping that is named after it; the host has none. */
TEST(calls_work_when_all_that_is_foreign_is_unmapped)
{
	char *image = private_image();

	for (int i = 0; i < 4; i++) {
		heat_all(image);
		heat(a_getpid, 0, getpid());
		heat(b_call, SYS_getppid, getppid());
		(void)unmap_named("[heddle]");
		heat_all(image);
		heat(a_getpid, 0, getpid());
		heat(b_call, SYS_getppid, getppid());
		CHECK_EXITED(IN_CHILD({
				     heat_all(image);
				     (void)unmap_named("[heddle]");
				     heat_all(private_image());
				     heat_all(image);
				     CHECK_EXITED(IN_CHILD(heat_all(image)), 0);
			     }),
			     0);
		image = private_image();
	}
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(syscall(SYS_getpid), getpid());
}

/* Where that mapping is, the last one, and its bytes. 0: there is none. */
static unsigned long find_foreign(unsigned long *size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end, found = 0;
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[heddle]") && sscanf(line, "%lx-%lx", &start, &end) == 2) {
			found = start;
			*size = end - start;
		}
	fclose(f);
	return found;
}

static void *room(unsigned long size)
{
	return MUST(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

TEST(first_page_of_what_is_foreign_unmapped_leaves_calls_working)
{
	char *image = private_image();
	unsigned long size, found;

	heat_all(image);
	found = find_foreign(&size);
	if (found) {
		CHECK_ERR(mprotect((void *)found, 4096, PROT_READ | PROT_WRITE), EACCES);
		heat_all(image);
		MUST(mprotect((void *)found, 4096, PROT_NONE));
		heat_all(image);
		MUST(munmap((void *)found, 4096));
	}
	heat_all(image);
	CHECK_EXITED(IN_CHILD(heat_all(image)), 0);
}

TEST(foreign_mapping_can_be_moved)
{
	char *image = private_image();
	unsigned long size, found;

	heat_all(image);
	found = find_foreign(&size);
	if (found)
		(void)mremap((void *)found, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room(size));
	heat_all(image);
	CHECK_EXITED(IN_CHILD(heat_all(image)), 0);
}

static bool is_mapped(unsigned long addr)
{
	unsigned char vec;

	return mincore((void *)addr, 4096, &vec) == 0;
}

/* A child has nothing of what was its parent's, if that isn't whole. */
static void lose_a_part(bool move)
{
	char *image = private_image();
	unsigned long at, size;

	heat_all(image);
	at = find_foreign(&size);
	if (!at)
		return;
	CHECK_ERR(madvise((void *)at, size, MADV_DOFORK), EINVAL);
	if (move)
		at = (unsigned long)MUST(
			mremap((void *)at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room(size)));
	else
		MUST(munmap((void *)at, 4096));
	CHECK(is_mapped(at + 4096));
	CHECK_EXITED(IN_CHILD(CHECK(!is_mapped(at + 4096))), 0);
	heat_all(image);
}

TEST(children_have_nothing_of_what_is_left_of_a_foreign_mapping)
{
	lose_a_part(false);
}

TEST(children_have_nothing_of_a_foreign_mapping_that_was_moved)
{
	lose_a_part(true);
}

/* ---- what isn't changed at all ---- */

static char *copy_self(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/image", t_tmpdir());
	t_copy_self(path);
	return path;
}

static void check_file(const char *path, const void *fn)
{
	unsigned char code[FUNCTION_SIZE], now[FUNCTION_SIZE];
	int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));

	original(fn, code);
	CHECK_EQ(pread(fd, now, sizeof(now), (off_t)offset_of(fn)), sizeof(now));
	MUST(close(fd));
	CHECK(!memcmp(code, now, sizeof(now)));
}

static void check_kept(const char *path, const char *image)
{
	check_original(image, a_getpid, FUNCTION_SIZE);
	check_original(image, a_getppid, FUNCTION_SIZE);
	check_original(image, b_call, FUNCTION_SIZE);
	check_file(path, a_getpid);
	check_file(path, a_getppid);
	check_file(path, b_call);
}

TEST(shared_text_stays_as_it_is)
{
	char *path = copy_self(), *image;
	int fd = MUST(open(path, O_RDWR | O_CLOEXEC));

	image = map_image(NULL, MAP_SHARED, fd);
	heat_all(image);
	check_kept(path, image);
	MUST(close(fd));
	fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
	image = map_image(NULL, MAP_SHARED, fd);
	heat_all(image);
	check_kept(path, image);
}

TEST(private_text_leaves_the_file_as_it_is)
{
	char *path = copy_self(), *image;
	int fd = MUST(open(path, O_RDWR | O_CLOEXEC));

	image = map_image(NULL, MAP_PRIVATE, fd);
	heat_all(image);
	check_file(path, a_getpid);
	check_file(path, b_call);
	/* Somebody else's view of it, too. */
	check_original(map_image(NULL, MAP_SHARED, fd), a_getpid, FUNCTION_SIZE);
	check_original(map_image(NULL, MAP_PRIVATE, fd), b_call, FUNCTION_SIZE);
}

TEST(writable_text_stays_as_it_is)
{
	char *path = copy_self(), *image;
	int fd = MUST(open(path, O_RDWR | O_CLOEXEC));

	image = MUST(
		mmap(NULL, image_size(), PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0));
	heat_all(image);
	check_kept(path, image);
	MUST(mprotect(image, image_size(), PROT_READ | PROT_EXEC));
	heat_all(image);
	check_kept(path, image);
}

TEST(generated_code_stays_as_it_is)
{
	char *jit = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	unsigned char code[FUNCTION_SIZE];

	original(a_getpid, code);
	memcpy(jit, code, sizeof(code));
	heat(jit, 0, getpid());
	CHECK(!memcmp(jit, code, sizeof(code)));
	MUST(mprotect(jit, 4096, PROT_READ | PROT_EXEC));
	heat(jit, 0, getpid());
	CHECK(!memcmp(jit, code, sizeof(code)));
}

TEST(file_that_is_written_while_its_text_is_hot_keeps_its_contents)
{
	char *path = copy_self(), *image;
	unsigned char code[FUNCTION_SIZE];
	int fd = MUST(open(path, O_RDWR | O_CLOEXEC));

	image = map_image(NULL, MAP_PRIVATE, fd);
	heat_all(image);
	original(a_getpid, code);
	CHECK_EQ(pwrite(fd, code, sizeof(code), (off_t)offset_of(a_getpid)), sizeof(code));
	heat_all(image);
	check_file(path, a_getpid);
	MUST(ftruncate(fd,
		       0)); /* what of it is private stays, the rest is gone: no more calls there */
	heat(a_getpid, 0, getpid());
	CHECK_EXITED(IN_CHILD(heat(a_getpid, 0, getpid())), 0);
	MUST(munmap(image, image_size()));
}

TEST(text_of_a_file_that_was_cut_and_grew_again_is_zero)
{
	static const char zeros[FUNCTION_SIZE];
	char *path = copy_self(), *image;
	size_t size = image_size();
	int fd = MUST(open(path, O_RDWR | O_CLOEXEC));

	image = map_image(NULL, MAP_PRIVATE, fd);
	heat_all(image);
	MUST(ftruncate(fd, 0));
	MUST(ftruncate(fd, (off_t)size));
	CHECK(!memcmp(IN(image, a_getpid), zeros, sizeof(zeros)));
	/* What was there isn't put back. */
	MUST(mprotect(image, size, PROT_READ | PROT_WRITE));
	CHECK(!memcmp(IN(image, a_getpid), zeros, sizeof(zeros)));
	CHECK(!memcmp(IN(image, b_call), zeros, sizeof(zeros)));
	MUST(munmap(image, size));
}

/* ---- headers that lie ---- */

/* Whatever the table of functions says: the calls are made. A static program may have none. */
TEST(broken_headers_do_no_harm)
{
	static const int sizes[] = {0, 1, 12, 60, 1000, 8192};
	size_t at[5];
	const Elf64_Ehdr *eh = (const void *)__ehdr_start;
	const Elf64_Phdr *ph = (const void *)(__ehdr_start + eh->e_phoff);
	size_t hdr = 0;

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			hdr = ph[i].p_offset;
	at[0] = 0;
	at[1] = eh->e_phoff;
	at[2] = hdr;
	at[3] = hdr + 8;
	at[4] = hdr + 12;
	for (int b = 0; b < (hdr ? 5 : 2); b++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++)
			for (int fill = 0; fill < 256; fill += 85) {
				char *image = private_image(), *first = page_of(image + at[b]);
				size_t len = (size_t)sizes[k] + 8192;

				/*
				 * The headers become memory that may say anything; text stays what
				 * it is.
				 */
				if (first + len > page_of(IN(image, a_getpid)) &&
				    first < page_of(IN(image, a_getpid)))
					len = (size_t)(page_of(IN(image, a_getpid)) - first);
				MUST(mprotect(first, len, PROT_READ | PROT_WRITE));
				memset(image + at[b], fill,
				       (size_t)sizes[k] < len ? (size_t)sizes[k] : len / 2);
				heat_all(image);
				MUST(munmap(image, image_size()));
			}
}
