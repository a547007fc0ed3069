/* /proc/PID/mem: memory by its addresses, whose it is, and who may. */
#include "t.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGE 4096UL

static char place[64] = "parent";

static int open_mem(pid_t pid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, flags);
}

static off_t at(const void *p)
{
	return (off_t)p;
}

static char *pages(size_t n)
{
	return MUST(
		mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

TEST(own_memory_is_a_file)
{
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	struct stat st;
	char buf[64];

	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(pread(fd, buf, 7, at(place)), 7);
	CHECK_STR(buf, "parent");
	CHECK_EQ(pwrite(fd, "self", 5, at(place)), 5);
	CHECK_STR(place, "self");
}

TEST(positions_are_addresses)
{
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	char buf[8] = "";

	strcpy(place, "abcdefgh");
	CHECK_EQ(lseek(fd, at(place), SEEK_SET), at(place));
	CHECK_EQ(read(fd, buf, 3), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), at(place + 3));
	CHECK_EQ(write(fd, "XY", 2), 2);
	CHECK_EQ(lseek(fd, -5, SEEK_CUR), at(place));
	CHECK_STR(buf, "abc");
	CHECK_STR(place, "abcXYfgh");
	CHECK_ERR(lseek(fd, 0, SEEK_END), EINVAL);
	CHECK_ERR(lseek(fd, 0, SEEK_DATA), EINVAL);
	CHECK_ERR(pread(fd, buf, 1, -4096), EINVAL);
}

TEST(addresses_of_the_kernel_can_be_sought_but_not_read)
{
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	off_t high = (off_t)0xffff888000000000;
	char buf[8];

	CHECK_EQ(lseek(fd, high, SEEK_SET), high);
	CHECK_ERR(read(fd, buf, 1), EIO);
	CHECK_ERR(write(fd, buf, 1), EIO);
	CHECK_EQ(lseek(fd, -4096, SEEK_SET), -4096);
	CHECK_ERR(read(fd, pages(1), 4096), EOVERFLOW);
}

TEST(what_isnt_mapped_is_eio)
{
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	char *p = pages(4), *buf = pages(4);

	memset(p, 'x', 4 * PAGE);
	MUST(munmap(p + 2 * PAGE, PAGE));
	CHECK_EQ(pread(fd, buf, 4 * PAGE, at(p)), 2 * PAGE);
	CHECK(buf[2 * PAGE - 1] == 'x' && !buf[2 * PAGE]);
	CHECK_EQ(pwrite(fd, buf, 100, at(p + 2 * PAGE - 3)), 3);
	CHECK_ERR(pread(fd, buf, 1, at(p + 2 * PAGE)), EIO);
	CHECK_ERR(pwrite(fd, buf, 1, at(p + 2 * PAGE)), EIO);
	CHECK_ERR(pread(fd, buf, 1, 0), EIO);
	CHECK_EQ(pread(fd, buf, 0, 0), 0);
	CHECK_EQ(pwrite(fd, buf, 0, 0), 0);
}

TEST(bad_buffers_are_efault)
{
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	char *p = pages(2), *from = pages(2);

	MUST(munmap(p + PAGE, PAGE));
	CHECK_ERR(pread(fd, p + PAGE, 1, at(place)), EFAULT);
	CHECK_ERR(pwrite(fd, p + PAGE, 1, at(place)), EFAULT);
	CHECK_ERR(pread(fd, p, 2 * PAGE, at(from)), EFAULT); /* whatever came before */
}

TEST(it_may_be_read_over_itself)
{
	int fd = MUST(open("/proc/self/mem", O_RDONLY));
	char want[64];

	for (int i = 0; i < 64; i++)
		place[i] = (char)i;
	memcpy(want, place, 64);
	memmove(want + 3, want, 50);
	MUST(lseek(fd, at(place), SEEK_SET));
	CHECK_EQ(read(fd, place + 3, 50), 50);
	CHECK(!memcmp(place, want, 64));
}

TEST(large_transfers_come_whole)
{
	const size_t size = (1 << 20) + 4099;
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	char *from = pages(300), *to = pages(300);

	for (size_t i = 0; i < size; i++)
		from[i] = (char)(i * 7 + i / 4096);
	CHECK_EQ(pread(fd, to + 5, size, at(from + 3)), (ssize_t)size);
	CHECK(!memcmp(to + 5, from + 3, size));
	memset(to, 0, size);
	CHECK_EQ(pwrite(fd, from + 3, size, at(to + 1)), (ssize_t)size);
	CHECK(!memcmp(to + 1, from + 3, size));
}

TEST(limits_of_file_sizes_dont_count)
{
	struct rlimit lim = {1, 1};
	int fd = MUST(open("/proc/self/mem", O_RDWR));

	MUST(setrlimit(RLIMIT_FSIZE, &lim));
	CHECK_EQ(pwrite(fd, "new", 4, at(place)), 4);
	CHECK_STR(place, "new");
}

/* ---- whose it is ---- */

TEST(memory_of_a_child_is_read_and_written)
{
	struct t_gate ready = t_gate(), go = t_gate();
	char buf[8] = "";
	pid_t pid = SPAWN({
		strcpy(place, "child");
		t_gate_open(&ready);
		t_gate_pass(&go);
		CHECK_STR(place, "told");
	});
	int fd;

	t_gate_pass(&ready);
	fd = MUST(open_mem(pid, O_RDWR));
	CHECK_EQ(pread(fd, buf, 6, at(place)), 6);
	CHECK_STR(buf, "child");
	CHECK_EQ(pwrite(fd, "told", 5, at(place)), 5);
	CHECK_STR(place, "parent");
	t_gate_open(&go);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(pread(fd, buf, 6, at(place)), 0);
	CHECK_EQ(pwrite(fd, buf, 6, at(place)), 0);
}

TEST(a_file_of_the_parent_stays_so_in_the_child)
{
	int fd = MUST(open("/proc/self/mem", O_RDONLY));

	CHECK_EXITED(IN_CHILD({
			     char buf[8];

			     strcpy(place, "child");
			     CHECK_EQ(pread(fd, buf, 7, at(place)), 7);
			     CHECK_STR(buf, "parent");
		     }),
		     0);
}

/* Says by one descriptor that it runs, and ends when another says so. */
HELPER(stay)
{
	char c;

	return write(atoi(argv[1]), "g", 1) == 1 && read(atoi(argv[2]), &c, 1) == 1 ? 0 : 1;
}

TEST(an_exec_takes_the_memory_away)
{
	struct t_gate before = t_gate(), go = t_gate(), after = t_gate(), end = t_gate();
	char out[12], in[12], buf[8];
	pid_t pid;
	int fd;

	snprintf(out, sizeof(out), "%d", after.fd[1]);
	snprintf(in, sizeof(in), "%d", end.fd[0]);
	MUST(fcntl(after.fd[1], F_SETFD, 0));
	MUST(fcntl(end.fd[0], F_SETFD, 0));
	pid = SPAWN({
		t_gate_open(&before);
		t_gate_pass(&go);
		T_EXEC_HELPER("stay", out, in);
	});
	t_gate_pass(&before);
	fd = MUST(open_mem(pid, O_RDONLY));
	CHECK_EQ(pread(fd, buf, 6, at(place)), 6);
	t_gate_open(&go);
	t_gate_pass(&after);
	CHECK_EQ(pread(fd, buf, 6, at(place)), 0);
	MUST(close(fd));
	fd = MUST(open_mem(pid, O_RDONLY)); /* the new one's */
	CHECK_ERR(pread(fd, buf, 6, 0), EIO);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(pread(fd, buf, 6, 0), 0);
}

/* ---- who may ---- */

TEST(who_opened_it_may_go_on)
{
	struct t_gate go = t_gate(), closed = t_gate(), end = t_gate();
	char buf[4];
	pid_t pid;
	int fd;

	t_become_ordinary();
	MUST(prctl(PR_SET_DUMPABLE, 1));
	pid = SPAWN({
		t_gate_pass(&go);
		MUST(prctl(PR_SET_DUMPABLE, 0));
		t_gate_open(&closed);
		t_gate_pass(&end);
	});
	fd = MUST(open_mem(pid, O_RDWR));
	t_gate_open(&go);
	t_gate_pass(&closed);
	CHECK_EQ(pread(fd, buf, 1, at(place)), 1);
	CHECK_ERR(open_mem(pid, O_RDONLY), EACCES);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(memory_of_another_user_is_closed)
{
	pid_t root = getpid();

	if (!t_is_root())
		SKIP("needs root to have a process of another user");
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(open_mem(root, O_RDONLY), EACCES);
		     }),
		     0);
}

/* ---- processes that change meanwhile ---- */

HELPER(end)
{
	return 0;
}

/*
 * Opened at any time, and read until there is nothing: of the first program, of the second, or
 * while one becomes the other. A zombie can't be opened, or, before Linux 6.16, has nothing.
 */
TEST(reading_goes_on_while_they_execute_and_end)
{
	char *buf = pages(64);

	for (int i = 0; i < 30; i++) {
		pid_t pid = SPAWN(T_EXEC_HELPER("end"));
		ssize_t n;
		int fd;

		while ((fd = open_mem(pid, O_RDONLY)) >= 0) {
			do
				n = pread(fd, buf, 64 * PAGE, at(place));
			while (n > 0);
			CHECK(n == 0 || errno == EIO);
			MUST(close(fd));
			if (t_state(pid, pid) == 'Z')
				break;
		}
		CHECK(fd >= 0 || errno == ESRCH);
		CHECK_EXITED(t_wait(pid), 0);
	}
}
