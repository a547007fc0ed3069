/*
 * Pipes and fifos.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static int fd[2];

static void new_pipe(int flags)
{
	MUST(pipe2(fd, flags));
}

TEST(bytes_come_out_in_order)
{
	char buf[16] = "";

	new_pipe(0);
	CHECK_EQ(write(fd[1], "abc", 3), 3);
	CHECK_EQ(write(fd[1], "def", 3), 3);
	CHECK_EQ(read(fd[0], buf, 4), 4);
	CHECK_STR(buf, "abcd");
	CHECK_EQ(read(fd[0], buf, 16), 2);
}

TEST(flags_of_pipe2_show)
{
	new_pipe(O_CLOEXEC | O_NONBLOCK);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(fcntl(fd[i], F_GETFD), FD_CLOEXEC);
		CHECK_EQ(fcntl(fd[i], F_GETFL) & ~0100000, O_NONBLOCK | (i ? O_WRONLY : O_RDONLY));
	}
}

TEST(end_of_file_after_the_last_writer)
{
	char c;
	int copy;

	new_pipe(0);
	copy = MUST(dup(fd[1]));
	CHECK_EQ(write(fd[1], "x", 1), 1);
	MUST(close(fd[1]));
	CHECK_EQ(read(fd[0], &c, 1), 1);
	MUST(fcntl(fd[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN); /* the copy is still open */
	MUST(close(copy));
	CHECK_EQ(read(fd[0], &c, 1), 0);
}

TEST(blocked_reader_is_woken_by_data_and_by_the_end)
{
	pid_t pid;

	new_pipe(0);
	pid = SPAWN({
		char c;
		MUST(close(fd[1]));
		CHECK_EQ(read(fd[0], &c, 1), 1);
		CHECK_EQ(read(fd[0], &c, 1), 0);
	});
	t_wait_state(pid, 'S');
	CHECK_EQ(write(fd[1], "x", 1), 1);
	t_wait_state(pid, 'S');
	MUST(close(fd[1]));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(capacity_is_64_kib)
{
	char buf[4096] = "";
	int n = 0;

	new_pipe(O_NONBLOCK);
	CHECK_EQ(fcntl(fd[0], F_GETPIPE_SZ), 65536);
	while (write(fd[1], buf, sizeof(buf)) == sizeof(buf))
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(n, 16);
	CHECK_EQ(read(fd[0], buf, 4096), 4096);
	CHECK_EQ(write(fd[1], buf, 4096), 4096);
}

TEST(capacity_can_be_changed)
{
	char buf[4096] = "";

	new_pipe(O_NONBLOCK);
	CHECK_EQ(fcntl(fd[1], F_SETPIPE_SZ, 4096), 4096);
	CHECK_EQ(fcntl(fd[0], F_GETPIPE_SZ), 4096);
	CHECK_EQ(write(fd[1], buf, 4096), 4096);
	CHECK_ERR(write(fd[1], buf, 1), EAGAIN);
	CHECK_EQ(fcntl(fd[1], F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(write(fd[1], buf, 4096), 4096);
	CHECK_ERR(fcntl(fd[1], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK_ERR(fcntl(fd[1], F_SETPIPE_SZ, -1), EINVAL);
}

TEST(small_write_is_all_or_nothing)
{
	char buf[4096] = "";

	new_pipe(O_NONBLOCK);
	MUST(fcntl(fd[1], F_SETPIPE_SZ, 8192));
	CHECK_EQ(write(fd[1], buf, 4096), 4096);
	CHECK_EQ(write(fd[1], buf, 100), 100);
	/* PIPE_BUF bytes do not fit: none is written. */
	CHECK_ERR(write(fd[1], buf, 4096), EAGAIN);
	CHECK_EQ(read(fd[0], buf, 4096), 4096);
	CHECK_EQ(write(fd[1], buf, 4096), 4096);
}

TEST(large_nonblocking_write_is_cut)
{
	static char buf[100000];

	new_pipe(O_NONBLOCK);
	CHECK_EQ(write(fd[1], buf, sizeof(buf)), 65536);
}

TEST(blocked_writer_goes_on_when_there_is_room)
{
	static char buf[200000];
	size_t got = 0;
	pid_t pid;

	new_pipe(0);
	pid = SPAWN({
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (char)(i % 251);
		CHECK_EQ(write(fd[1], buf, sizeof(buf)), (ssize_t)sizeof(buf));
	});
	MUST(close(fd[1]));
	while (1) {
		unsigned char piece[7001];
		ssize_t n = read(fd[0], piece, sizeof(piece));

		CHECK(n >= 0);
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			CHECK_EQ(piece[i], (got + (size_t)i) % 251);
		got += (size_t)n;
	}
	CHECK_EQ(got, sizeof(buf));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(atomic_writes_of_many_writers_are_not_mixed)
{
	char line[512];
	pid_t pid[4];

	new_pipe(0);
	for (int w = 0; w < 4; w++)
		pid[w] = SPAWN({
			memset(line, 'a' + w, sizeof(line));
			for (int i = 0; i < 200; i++)
				CHECK_EQ(write(fd[1], line, sizeof(line)), 512);
		});
	MUST(close(fd[1]));
	for (int i = 0; i < 800; i++) {
		size_t have = 0;

		while (have < sizeof(line)) {
			ssize_t n = read(fd[0], line + have, sizeof(line) - have);

			CHECK(n > 0);
			have += (size_t)n;
		}
		for (size_t k = 1; k < sizeof(line); k++)
			CHECK_EQ(line[k], line[0]);
	}
	for (int w = 0; w < 4; w++)
		CHECK_EXITED(t_wait(pid[w]), 0);
}

TEST(fionread_counts_what_is_there)
{
	int n = -1;

	new_pipe(0);
	MUST(ioctl(fd[0], FIONREAD, &n));
	CHECK_EQ(n, 0);
	CHECK_EQ(write(fd[1], "12345", 5), 5);
	MUST(ioctl(fd[0], FIONREAD, &n));
	CHECK_EQ(n, 5);
	MUST(ioctl(fd[1], FIONREAD, &n));
	CHECK_EQ(n, 5);
}

TEST(poll_of_both_ends)
{
	static char buf[65536];
	struct pollfd p[2];

	new_pipe(0);
	p[0] = (struct pollfd){fd[0], POLLIN, 0};
	p[1] = (struct pollfd){fd[1], POLLOUT, 0};
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK(p[0].revents == 0 && p[1].revents == POLLOUT);
	CHECK_EQ(write(fd[1], buf, sizeof(buf)), 65536);
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK(p[0].revents == POLLIN && p[1].revents == 0);
	CHECK_EQ(read(fd[0], buf, sizeof(buf)), 65536);
	MUST(close(fd[0]));
	p[0].fd = -1;
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK_EQ(p[1].revents, POLLOUT | POLLERR);
	new_pipe(0);
	MUST(close(fd[1]));
	p[0] = (struct pollfd){fd[0], POLLIN, 0};
	CHECK_EQ(poll(p, 1, 0), 1);
	CHECK_EQ(p[0].revents, POLLHUP);
}

TEST(packet_mode_keeps_writes_apart)
{
	char buf[16];

	new_pipe(O_DIRECT);
	CHECK_EQ(write(fd[1], "abcdef", 6), 6);
	CHECK_EQ(write(fd[1], "gh", 2), 2);
	CHECK_EQ(read(fd[0], buf, 3), 3); /* the rest of the packet is dropped */
	CHECK_EQ(read(fd[0], buf, 16), 2);
	CHECK(!memcmp(buf, "gh", 2));
}

TEST(vectors_through_a_pipe)
{
	struct iovec out[3] = {{"one", 3}, {"", 0}, {"two", 3}};
	char a[2], b[8] = "";
	struct iovec in[2] = {{a, 2}, {b, 8}};

	new_pipe(0);
	CHECK_EQ(writev(fd[1], out, 3), 6);
	CHECK_EQ(readv(fd[0], in, 2), 6);
	CHECK_STR(b, "etwo");
}

TEST(pipe_can_be_opened_again_through_proc)
{
	char path[64], c;
	int w;

	new_pipe(0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[0]);
	w = MUST(open(path, O_WRONLY));
	CHECK_EQ(write(w, "x", 1), 1);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	MUST(close(fd[1]));
	MUST(fcntl(fd[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN); /* still a writer */
}

TEST(ping_pong_between_processes)
{
	int back[2];
	char c = 'x';
	pid_t pid;

	new_pipe(0);
	MUST(pipe(back));
	pid = SPAWN(for (int i = 0; i < 1000; i++) {
		CHECK(read(fd[0], &c, 1) == 1);
		CHECK(write(back[1], &c, 1) == 1);
	});
	for (int i = 0; i < 1000; i++) {
		CHECK(write(fd[1], &c, 1) == 1);
		CHECK(read(back[0], &c, 1) == 1);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

/* ---- fifos ---- */

TEST(fifo_joins_reader_and_writer)
{
	pid_t pid;
	char buf[8] = "";
	int r;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	pid = SPAWN(CHECK_EQ(write(MUST(open("fifo", O_WRONLY)), "hello", 5), 5));
	r = MUST(open("fifo", O_RDONLY));
	CHECK_EQ(read(r, buf, 8), 5);
	CHECK_STR(buf, "hello");
	CHECK_EQ(read(r, buf, 8), 0);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(fifo_open_waits_for_the_other_side)
{
	pid_t pid;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	pid = SPAWN(MUST(open("fifo", O_RDONLY)));
	t_wait_state(pid, 'S');
	MUST(open("fifo", O_WRONLY));
	CHECK_EXITED(t_wait(pid), 0);
	pid = SPAWN({
		signal(SIGPIPE, SIG_IGN);
		MUST(open("fifo", O_WRONLY));
	});
	t_wait_state(pid, 'S');
	MUST(open("fifo", O_RDONLY));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(fifo_nonblocking_open)
{
	char c;
	int r;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	CHECK_ERR(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	r = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
	CHECK_EQ(read(r, &c, 1), 0); /* nobody has opened it for writing yet */
	MUST(open("fifo", O_WRONLY | O_NONBLOCK));
	CHECK_ERR(read(r, &c, 1), EAGAIN);
}

TEST(fifo_opened_for_both_never_blocks)
{
	int f;
	char c;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	f = MUST(open("fifo", O_RDWR));
	CHECK_EQ(write(f, "x", 1), 1);
	CHECK_EQ(read(f, &c, 1), 1);
}

TEST(fifo_is_empty_after_everybody_has_closed_it)
{
	int f;
	char c;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	f = MUST(open("fifo", O_RDWR));
	CHECK_EQ(write(f, "x", 1), 1);
	MUST(close(f));
	f = MUST(open("fifo", O_RDWR | O_NONBLOCK));
	CHECK_ERR(read(f, &c, 1), EAGAIN);
}

TEST(fifo_keeps_working_after_its_removal)
{
	int r, w;
	char c;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	r = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
	w = MUST(open("fifo", O_WRONLY));
	MUST(unlink("fifo"));
	CHECK_EQ(write(w, "x", 1), 1);
	CHECK_EQ(read(r, &c, 1), 1);
}
