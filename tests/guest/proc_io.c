/* /proc/PID/io: what calls have read and written. */
#include "t.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

struct io {
	long long rchar, wchar, syscr, syscw;
};

/* By one pread(), which isn't in it: the next text has it. What that read is added to *read. */
static struct io take(int fd, long long *read_too)
{
	struct io io;
	char buf[512];
	ssize_t n = MUST(pread(fd, buf, sizeof(buf) - 1, 0));

	buf[n] = 0;
	CHECK_EQ(sscanf(buf, "rchar: %lld\nwchar: %lld\nsyscr: %lld\nsyscw: %lld\nread_bytes: ",
			&io.rchar, &io.wchar, &io.syscr, &io.syscw),
		 4);
	CHECK(strstr(buf, "\nread_bytes: ") && strstr(buf, "\nwrite_bytes: ") &&
	      strstr(buf, "\ncancelled_write_bytes: "));
	if (read_too)
		*read_too += n;
	return io;
}

/* What came in between, but for the first of the two reads of the counts. */
#define BETWEEN(fd, ...)                                                                           \
	({                                                                                         \
		long long mine_ = 0;                                                               \
		struct io a_ = take(fd, &mine_), b_;                                               \
                                                                                                   \
		__VA_ARGS__;                                                                       \
		b_ = take(fd, NULL);                                                               \
		(struct io){b_.rchar - a_.rchar - mine_, b_.wchar - a_.wchar,                      \
			    b_.syscr - a_.syscr - 1, b_.syscw - a_.syscw};                         \
	})

static int file_of(const char *name, size_t size)
{
	int fd = MUST(open(name, O_RDWR | O_CREAT, 0600));
	char buf[4096] = "";

	CHECK_EQ(write(fd, buf, size), (ssize_t)size);
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

TEST(bytes_and_calls_are_counted)
{
	int fd = MUST(open("/proc/self/io", O_RDONLY)), f;
	char buf[100];
	struct iovec v[2] = {{buf, 10}, {buf, 20}};
	struct stat st;
	struct io io;

	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0400);
	t_cd_tmpdir();
	f = file_of("f", 250);
	io = BETWEEN(fd, {
		CHECK_EQ(read(f, buf, 100), 100);
		CHECK_EQ(read(f, buf, 100), 100);
		CHECK_EQ(read(f, buf, 100), 50);
		CHECK_EQ(read(f, buf, 100), 0);
		CHECK_EQ(preadv(f, v, 2, 0), 30);
		CHECK_EQ(write(f, buf, 100), 100);
		CHECK_EQ(pwrite(f, buf, 7, 0), 7);
		CHECK_EQ(writev(f, v, 2), 30);
	});
	CHECK_EQ(io.rchar, 280);
	CHECK_EQ(io.syscr, 5);
	CHECK_EQ(io.wchar, 137);
	CHECK_EQ(io.syscw, 3);
}

TEST(calls_that_fail_are_counted_once_there_is_a_file)
{
	int fd = MUST(open("/proc/self/io", O_RDONLY)), p[2];
	struct iovec v = {&fd, 1};
	char c;
	struct io io;

	MUST(pipe2(p, O_NONBLOCK));
	io = BETWEEN(fd, {
		CHECK_ERR(read(p[0], &c, 1), EAGAIN);
		CHECK_ERR(read(-1, &c, 1), EBADF);
		CHECK_ERR(write(p[0], &c, 1), EBADF);
		CHECK_ERR(writev(-1, &v, 1), EBADF); /* vectors count in any case */
	});
	CHECK_EQ(io.rchar, 0);
	CHECK_EQ(io.syscr, 1);
	CHECK_EQ(io.wchar, 0);
	CHECK_EQ(io.syscw, 1);
}

TEST(copies_are_read_and_written)
{
	int fd = MUST(open("/proc/self/io", O_RDONLY)), f, g;
	struct io io;

	t_cd_tmpdir();
	f = file_of("f", 3000);
	g = file_of("g", 1);
	io = BETWEEN(fd, {
		CHECK_EQ(sendfile(g, f, NULL, 1000), 1000);
		CHECK_EQ(copy_file_range(f, NULL, g, NULL, 500, 0), 500);
	});
	CHECK_EQ(io.rchar, 1500);
	CHECK_EQ(io.syscr, 2);
	CHECK_EQ(io.wchar, 1500);
	CHECK_EQ(io.syscw, 2);
}

static void *write_70(void *fd)
{
	char buf[70] = "";

	CHECK_EQ(write(*(int *)fd, buf, 70), 70);
	return NULL;
}

TEST(threads_count_for_their_process)
{
	int fd = MUST(open("/proc/self/io", O_RDONLY)), own, f;
	struct io io, io_own;
	pthread_t thread;

	own = MUST(open("/proc/thread-self/io", O_RDONLY));
	t_cd_tmpdir();
	f = file_of("f", 1);
	io = BETWEEN(fd, {
		CHECK_EQ(pthread_create(&thread, NULL, write_70, &f), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	});
	CHECK_EQ(io.wchar, 70);
	CHECK_EQ(io.syscw, 1);
	io_own = BETWEEN(own, {
		CHECK_EQ(pthread_create(&thread, NULL, write_70, &f), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		write_70(&f);
	});
	CHECK_EQ(io_own.wchar, 70);
	CHECK_EQ(io_own.syscw, 1);
}

TEST(children_count_when_they_are_waited_for)
{
	int fd = MUST(open("/proc/self/io", O_RDONLY)), f;
	struct io io;
	pid_t pid;

	t_cd_tmpdir();
	f = file_of("f", 1);
	io = BETWEEN(fd, {
		pid = SPAWN(write_70(&f));
		t_wait_state(pid, 'Z');
	});
	CHECK_EQ(io.wchar, 0);
	io = BETWEEN(fd, CHECK_EXITED(t_wait(pid), 0));
	CHECK_EQ(io.wchar, 70);
	CHECK_EQ(io.syscw, 1);
}

TEST(only_who_may_trace_sees_it)
{
	struct t_gate closed = t_gate(), end = t_gate();
	char path[64];
	pid_t pid;

	t_become_ordinary();
	MUST(prctl(PR_SET_DUMPABLE, 1));
	pid = SPAWN({
		MUST(prctl(PR_SET_DUMPABLE, 0));
		t_gate_open(&closed);
		t_gate_pass(&end);
	});
	t_gate_pass(&closed);
	snprintf(path, sizeof(path), "/proc/%d/io", pid);
	CHECK_ERR(open(path, O_RDONLY), EACCES);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}
