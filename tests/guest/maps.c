/* /proc/self/maps: what it shows of mappings, their merging and splitting. */
#include "t.h"

#include <pthread.h>
#include <sys/prctl.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

struct area {
	unsigned long start, end, offset;
	char perms[8], path[256];
	unsigned int major, minor;
	unsigned long inode;
};

/* The area that holds the address; false if there is none. */
static bool find(const volatile void *addr, struct area *a)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f)) {
		int at = 0;

		line[strcspn(line, "\n")] = 0;
		CHECK(sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &a->start, &a->end, a->perms,
			     &a->offset, &a->major, &a->minor, &a->inode, &at) >= 7);
		snprintf(a->path, sizeof(a->path), "%s", line + at);
		found = (unsigned long)addr >= a->start && (unsigned long)addr < a->end;
	}
	fclose(f);
	return found;
}

/* n pages with a hole on either side, so that nothing merges with them. */
static char *island(size_t n)
{
	char *p = MUST(mmap(NULL, (n + 2) * PAGE, RW, ANON, -1, 0));

	MUST(munmap(p, PAGE));
	MUST(munmap(p + (n + 1) * PAGE, PAGE));
	return p + PAGE;
}

TEST(anonymous_mapping_shows_its_range_and_permissions)
{
	char *p = island(3);
	struct area a;

	CHECK(find(p, &a));
	CHECK_EQ(a.start, (unsigned long)p);
	CHECK_EQ(a.end, (unsigned long)p + 3 * PAGE);
	CHECK_STR(a.perms, "rw-p");
	CHECK(a.offset == 0 && a.inode == 0 && a.major == 0 && a.minor == 0);
	CHECK_STR(a.path, "");
	MUST(munmap(p, 3 * PAGE));
	CHECK(!find(p, &a));
}

TEST(every_permission_shows)
{
	static const struct {
		int prot;
		const char *text;
	} t[] = {{PROT_NONE, "---p"},
		 {PROT_READ, "r--p"},
		 {PROT_WRITE, "-w-p"},
		 {PROT_EXEC, "--xp"},
		 {PROT_READ | PROT_EXEC, "r-xp"},
		 {RW | PROT_EXEC, "rwxp"}};
	char *p = island(1);
	struct area a;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		MUST(mprotect(p, PAGE, t[i].prot));
		CHECK(find(p, &a));
		CHECK_STR(a.perms, t[i].text);
	}
}

TEST(protection_change_splits_and_merges)
{
	char *p = island(5);
	struct area a;

	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	CHECK(find(p, &a) && a.end == (unsigned long)p + 2 * PAGE);
	CHECK(find(p + 2 * PAGE, &a) && a.end == (unsigned long)p + 3 * PAGE);
	CHECK_STR(a.perms, "r--p");
	CHECK(find(p + 4 * PAGE, &a) && a.start == (unsigned long)p + 3 * PAGE);
	MUST(mprotect(p + 2 * PAGE, PAGE, RW));
	CHECK(find(p, &a) && a.end == (unsigned long)p + 5 * PAGE);
}

TEST(adjacent_anonymous_mappings_merge)
{
	char *p = island(3);
	struct area a;

	MUST(munmap(p + PAGE, PAGE));
	CHECK(find(p, &a) && a.end == (unsigned long)p + PAGE);
	MUST(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	CHECK(find(p, &a));
	CHECK_EQ(a.end, (unsigned long)p + 3 * PAGE);
}

TEST(file_mapping_shows_path_offset_and_inode)
{
	char path[128];
	struct stat st;
	struct area a;
	char *p;
	int fd;

	t_cd_tmpdir();
	t_write_file("mapped file", "text");
	fd = MUST(open("mapped file", O_RDWR));
	MUST(ftruncate(fd, 3 * PAGE));
	MUST(fstat(fd, &st));
	p = MUST(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE));
	CHECK(find(p, &a));
	snprintf(path, sizeof(path), "%s/mapped file", t_tmpdir());
	CHECK_STR(a.path, path);
	CHECK_EQ(a.offset, PAGE);
	CHECK_EQ(a.inode, st.st_ino);
	CHECK_STR(a.perms, "r--p");
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK(find(p, &a));
	CHECK_STR(a.perms, "rw-s");
}

TEST(removed_file_shows_as_deleted)
{
	char path[128];
	struct area a;
	char *p;
	int fd;

	t_cd_tmpdir();
	t_write_file("gone", "text");
	fd = MUST(open("gone", O_RDONLY));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	MUST(unlink("gone"));
	CHECK(find(p, &a));
	snprintf(path, sizeof(path), "%s/gone (deleted)", t_tmpdir());
	CHECK_STR(a.path, path);
}

TEST(memfd_mapping_shows_its_name)
{
	int fd = MUST(memfd_create("my-name", 0));
	struct area a;
	char *p;

	MUST(ftruncate(fd, PAGE));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	CHECK(find(p, &a));
	CHECK_STR(a.path, "/memfd:my-name (deleted)");
	CHECK_STR(a.perms, "r--s");
}

TEST(stack_heap_vdso_and_program_are_named)
{
	char local, *heap = malloc(10), exe[256] = "";
	struct area a;

	CHECK(find(&local, &a));
	CHECK_STR(a.path, "[stack]");
	CHECK_STR(a.perms, "rw-p");
	MUST((char *)sbrk(PAGE));
	CHECK(find((char *)sbrk(0) - 1, &a));
	CHECK_STR(a.path, "[heap]");
	MUST(readlink("/proc/self/exe", exe, sizeof(exe) - 1));
	CHECK(find((void *)find, &a));
	CHECK_STR(a.path, exe);
	CHECK_STR(a.perms, "r-xp");
	free(heap);
	CHECK(strstr(t_read_file("/proc/self/maps"), "[vdso]"));
}

TEST(lines_are_sorted_and_do_not_overlap)
{
	unsigned long last = 0, start, end;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
		CHECK(start >= last && end > start);
		CHECK(start % PAGE == 0 && end % PAGE == 0);
		last = end;
	}
	fclose(f);
}

TEST(nothing_above_user_space_but_the_vsyscall_page_shows)
{
	unsigned long start, end;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
		CHECK(end <= 0x7ffffffff000ul || strstr(line, "[vsyscall]"));
	}
	fclose(f);
}

TEST(stack_grows_in_the_list)
{
	volatile char *p = (volatile char *)__builtin_frame_address(0) - 600 * 1024;
	struct area a;

	for (volatile char *q = __builtin_frame_address(0); q > p; q -= PAGE / 2)
		*(q - 256) = 0;
	CHECK(find(p + PAGE, &a));
	CHECK_STR(a.path, "[stack]");
}

TEST(long_list_can_be_read_in_small_pieces)
{
	static char whole[256 << 10], pieces[256 << 10];
	size_t n = 0, got;
	ssize_t r;
	int fd;

	for (int i = 0; i < 300; i++)
		MUST(mmap(NULL, PAGE, i % 2 ? RW : PROT_READ, ANON, -1, 0));
	fd = MUST(open("/proc/self/maps", O_RDONLY));
	for (got = 0; (r = read(fd, whole + got, sizeof(whole) - got)) > 0;)
		got += (size_t)r;
	MUST(lseek(fd, 0, SEEK_SET));
	while ((r = read(fd, pieces + n, 100)) > 0)
		n += (size_t)r;
	CHECK_EQ(n, got);
	CHECK(!memcmp(whole, pieces, n));
}

#define ENTRIES 1000

/* NULL if it is whole. */
static void *read_smaps(void *arg)
{
	for (int i = 0; i < 3; i++) {
		FILE *f = fopen("/proc/self/smaps", "r");
		int sizes = 0, ends = 0;
		char line[512];

		CHECK(f);
		while (fgets(line, sizeof(line), f)) {
			sizes += !strncmp(line, "Size:", 5);
			ends += !strncmp(line, "VmFlags:", 8);
		}
		fclose(f);
		if (sizes < ENTRIES || ends != sizes)
			return arg;
	}
	return NULL;
}

TEST(smaps_is_whole_for_several_who_read_at_once)
{
	pthread_t thread[4];
	void *bad;

	for (int i = 0; i < ENTRIES; i++)
		MUST(mmap(NULL, PAGE, i % 2 ? RW : PROT_READ, ANON, -1, 0));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, read_smaps, "bad"), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(pthread_join(thread[i], &bad), 0);
		CHECK(!bad);
	}
}

TEST(maps_of_a_child_can_be_read)
{
	char path[64], want[64];
	char *p = island(1);
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	snprintf(want, sizeof(want), "%lx-%lx rw-p", (unsigned long)p, (unsigned long)p + PAGE);
	CHECK(strstr(t_read_file(path), want));
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(addresses_are_randomised)
{
	unsigned long *seen = t_shared(4096);
	int different = 0;

	/* A forked child has our layout; only a new program gets another one. */
	for (int i = 0; i < 4; i++) {
		int fd[2];
		char arg[16], text[32] = "";

		MUST(pipe(fd));
		snprintf(arg, sizeof(arg), "%d", fd[1]);
		CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("stack_address", arg)), 0);
		CHECK(read(fd[0], text, sizeof(text) - 1) > 0);
		seen[i] = strtoul(text, NULL, 16);
		different += i > 0 && seen[i] != seen[0];
	}
	CHECK(different > 0);
}

HELPER(stack_address)
{
	char local;

	return dprintf(atoi(argv[1]), "%lx", (unsigned long)&local) > 0 ? 0 : 1;
}
