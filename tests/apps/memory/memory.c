/* Runs in a guest of 256 MiB. Sums leave some MiB for the programs themselves. */
#include "t.h"

#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/un.h>

#define MIB (1UL << 20)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* A row of /proc/meminfo in KiB. */
static long meminfo(const char *name)
{
	const char *at = strstr(t_read_file("/proc/meminfo"), name);

	CHECK(at);
	return atol(at + strlen(name) + 1);
}

static char *map(size_t mib, int prot, int flags)
{
	return mmap(NULL, mib * MIB, prot, flags, -1, 0);
}

/* How many MiB can be mapped, 8 at a time. */
static size_t map_all(int flags)
{
	size_t n = 0;

	while (n < 4096 && map(8, RW, flags) != MAP_FAILED)
		n += 8;
	return n;
}

static bool nearly_all(size_t mib)
{
	return mib > 240 && mib <= 256;
}

TEST(total_is_what_was_given)
{
	struct sysinfo si;

	CHECK_EQ(meminfo("MemTotal:"), 256 << 10);
	CHECK_EQ(meminfo("CommitLimit:"), 256 << 10);
	MUST(sysinfo(&si));
	CHECK_EQ(si.totalram * si.mem_unit, 256 * MIB);
	CHECK_STR(t_read_file("/proc/sys/vm/overcommit_memory"), "2\n");
	CHECK_STR(t_read_file("/proc/sys/vm/overcommit_ratio"), "100\n");
}

TEST(one_mapping_beyond_it_fails)
{
	CHECK(map(257, RW, ANON) == MAP_FAILED && errno == ENOMEM);
	CHECK(map(200, RW, ANON) != MAP_FAILED);
}

TEST(mappings_add_up)
{
	CHECK(nearly_all(map_all(ANON)));
	CHECK_EQ(errno, ENOMEM);
}

TEST(no_reserve_counts_as_well)
{
	CHECK(nearly_all(map_all(ANON | MAP_NORESERVE)));
}

TEST(shared_memory_counts)
{
	CHECK(nearly_all(map_all(MAP_SHARED | MAP_ANONYMOUS)));
}

TEST(processes_add_up)
{
	struct t_gate mapped = t_gate(), end = t_gate();
	pid_t pid[2];

	for (int i = 0; i < 2; i++)
		pid[i] = SPAWN({
			CHECK(map(100, RW, ANON) != MAP_FAILED);
			t_gate_open(&mapped);
			t_gate_pass(&end);
		});
	for (int i = 0; i < 2; i++)
		t_gate_pass(&mapped);
	CHECK(map(100, RW, ANON) == MAP_FAILED && errno == ENOMEM);
	t_gate_open(&end);
	t_gate_open(&end);
	for (int i = 0; i < 2; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	CHECK(map(200, RW, ANON) != MAP_FAILED); /* what ended processes had is there again */
}

TEST(unmapped_memory_is_there_again)
{
	for (int i = 0; i < 20; i++) {
		char *p = map(200, RW, ANON);

		CHECK(p != MAP_FAILED);
		MUST(munmap(p + 50 * MIB, 20 * MIB));
		MUST(munmap(p, 200 * MIB));
	}
}

TEST(mapping_over_a_mapping_counts_once)
{
	char *p = map(200, RW, ANON);

	CHECK(p != MAP_FAILED);
	CHECK(mmap(p, 200 * MIB, RW, ANON | MAP_FIXED, -1, 0) == p);
	CHECK(map(100, RW, ANON) == MAP_FAILED);
}

TEST(what_cannot_be_written_is_free)
{
	char *p = map(4096, PROT_NONE, ANON);
	int fd = MUST(open("/bin/sh", O_RDONLY));

	CHECK(p != MAP_FAILED && map(4096, PROT_READ, ANON) != MAP_FAILED);
	for (int i = 0; i < 64; i++)
		CHECK(mmap(NULL, 64 * MIB, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	CHECK_ERR(mprotect(p, 300 * MIB, RW), ENOMEM);
	MUST(mprotect(p, 100 * MIB, RW));
	MUST(mprotect(p + 100 * MIB, 100 * MIB, RW));
	CHECK_ERR(mprotect(p, 300 * MIB, RW), ENOMEM);
	/* It may have been written by now. */
	MUST(mprotect(p, 200 * MIB, PROT_READ));
	CHECK(map(100, RW, ANON) == MAP_FAILED && errno == ENOMEM);
	MUST(mprotect(p, 200 * MIB, RW));
}

TEST(private_file_mappings_count_when_writable)
{
	int fd = MUST(open("/bin/sh", O_RDONLY));

	CHECK(mmap(NULL, 300 * MIB, RW, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mmap(NULL, 200 * MIB, RW, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

TEST(heap_stops_growing)
{
	char *start = sbrk(0);

	CHECK(sbrk(200 * MIB) == start);
	CHECK(sbrk(100 * MIB) == (void *)-1 && errno == ENOMEM);
	CHECK(sbrk(-(intptr_t)(200 * MIB)) != (void *)-1);
	CHECK(sbrk(100 * MIB) == start);
}

TEST(mremap_stops_growing)
{
	char *p = map(100, RW, ANON);

	CHECK(p != MAP_FAILED);
	CHECK(mremap(p, 100 * MIB, 300 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	p = mremap(p, 100 * MIB, 200 * MIB, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	p = mremap(p, 200 * MIB, 10 * MIB, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK(map(200, RW, ANON) != MAP_FAILED);
}

TEST(fork_needs_as_much_again)
{
	char *p = map(150, RW, ANON);
	pid_t pid;

	CHECK(p != MAP_FAILED);
	pid = fork();
	if (!pid)
		_exit(0);
	CHECK_EQ(pid, -1);
	CHECK_EQ(errno, ENOMEM);
	MUST(munmap(p, 60 * MIB));
	CHECK_EXITED(IN_CHILD(CHECK(map(150, RW, ANON) == MAP_FAILED)), 0);
	CHECK(map(100, RW, ANON) != MAP_FAILED);
}

TEST(vfork_and_exec_need_only_what_the_program_does)
{
	CHECK(map(150, RW, ANON) != MAP_FAILED);
	pid_t pid = vfork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(exec_gives_the_old_memory_back)
{
	CHECK_EXITED(IN_CHILD({
			     CHECK(map(200, RW, ANON) != MAP_FAILED);
			     execl("/bin/true", "true", NULL);
			     _exit(98);
		     }),
		     0);
	CHECK(map(200, RW, ANON) != MAP_FAILED);
}

/* Writes up to so many MiB; how many there was room for. */
static long fill(int fd, long mib)
{
	static char block[64 << 10];
	long total = 0;
	ssize_t n = 1;

	while (total < mib << 20 && n > 0) {
		n = write(fd, block, sizeof(block));
		total += n > 0 ? n : 0;
	}
	return total >> 20;
}

TEST(files_in_memory_count)
{
	int fd = MUST(memfd_create("f", 0));

	CHECK_EQ(fill(fd, 100), 100);
	CHECK(map(200, RW, ANON) == MAP_FAILED && errno == ENOMEM);
	CHECK(nearly_all((size_t)fill(fd, 1000) + 100));
	CHECK_EQ(errno, ENOSPC);
	MUST(ftruncate(fd, 0));
	CHECK(map(200, RW, ANON) != MAP_FAILED);
}

TEST(file_systems_in_memory_have_half_of_it)
{
	int fd = MUST(open("/dev/shm/half", O_RDWR | O_CREAT, 0600));

	MUST(unlink("/dev/shm/half"));
	CHECK_EQ(fill(fd, 1000), 128);
	CHECK_EQ(errno, ENOSPC);
	MUST(close(fd));
	CHECK(map(200, RW, ANON) != MAP_FAILED);
}

/* Files have a part of it. An accept that finds no file leaves the connection in the queue. */
TEST(accept_without_a_file_loses_no_connection)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	const struct rlimit lim = {1 << 16, 1 << 16};
	int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	int fd, last = -1;
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	char byte;

	MUST(bind(l, (void *)&any, sizeof(any.sun_family)));
	MUST(listen(l, 1));
	MUST(getsockname(l, (void *)&a, &len));
	MUST(connect(c, (void *)&a, len));
	CHECK_EQ(write(c, "x", 1), 1);
	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	CHECK_EQ(errno, ENFILE);
	CHECK_ERR(accept(l, NULL, NULL), ENFILE);
	MUST(close(last));
	fd = MUST(accept(l, NULL, NULL));
	CHECK_EQ(read(fd, &byte, 1), 1);
}

TEST(promises_are_told)
{
	long before = meminfo("Committed_AS:");
	char *p = map(64, RW, ANON);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(meminfo("Committed_AS:") - before, 64 << 10);
	MUST(munmap(p, 32 * MIB));
	CHECK_EQ(meminfo("Committed_AS:") - before, 32 << 10);
	CHECK(map(16, RW, MAP_SHARED | MAP_ANONYMOUS) != MAP_FAILED);
	CHECK_EQ(meminfo("Committed_AS:") - before, 48 << 10);
	CHECK_EXITED(IN_CHILD(CHECK(meminfo("Committed_AS:") - before >= 80 << 10)), 0);
	CHECK_EQ(meminfo("Committed_AS:") - before, 48 << 10);
}

TEST(shared_memory_is_told)
{
	long before = meminfo("Shmem:");
	int fd = MUST(memfd_create("f", 0));

	CHECK_EQ(fill(fd, 20), 20);
	CHECK(labs(meminfo("Shmem:") - before - (20 << 10)) <= 1024);
	MUST(close(fd));
	CHECK_EQ(meminfo("Shmem:"), before);
}

/* Whoever comes last to what is left finds that it is left once. */
TEST(processes_race_for_the_last_of_it)
{
	struct t_gate start = t_gate(), full = t_gate(), end = t_gate();
	volatile long *got = mmap(NULL, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[8];
	long sum = 0;

	CHECK(got != MAP_FAILED);
	for (int i = 0; i < 8; i++)
		pid[i] = SPAWN({
			t_gate_pass(&start);
			while (map(1, RW, ANON) != MAP_FAILED)
				got[i]++;
			t_gate_open(&full);
			t_gate_pass(&end);
		});
	for (int i = 0; i < 8; i++)
		t_gate_open(&start);
	for (int i = 0; i < 8; i++)
		t_gate_pass(&full);
	for (int i = 0; i < 8; i++)
		sum += got[i];
	CHECK(sum > 220 && sum <= 256);
	for (int i = 0; i < 8; i++)
		t_gate_open(&end);
	for (int i = 0; i < 8; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	CHECK(map(200, RW, ANON) != MAP_FAILED);
}
