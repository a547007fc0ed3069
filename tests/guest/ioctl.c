/* ioctl on files, pipes and terminals; unknown requests. */
#include "t.h"

#include <linux/fs.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

TEST(fionbio_switches_nonblocking)
{
	int fd[2], on = 1;
	char c;

	MUST(pipe(fd));
	MUST(ioctl(fd[0], FIONBIO, &on));
	CHECK_EQ(fcntl(fd[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
	on = 0;
	MUST(ioctl(fd[0], FIONBIO, &on));
	CHECK_EQ(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0);
}

TEST(fioclex_switches_close_on_exec)
{
	int fd = MUST(dup(0));

	MUST(ioctl(fd, FIOCLEX));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	MUST(ioctl(fd, FIONCLEX));
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
}

TEST(fionread_of_a_file_is_the_rest)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600)), n = -1;

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	MUST(lseek(fd, 4, SEEK_SET));
	MUST(ioctl(fd, FIONREAD, &n));
	CHECK_EQ(n, 6);
}

TEST(terminal_requests_elsewhere_are_enotty)
{
	struct winsize w;
	struct termios t;
	int fd[2], n;

	MUST(pipe(fd));
	CHECK_ERR(ioctl(fd[0], TIOCGWINSZ, &w), ENOTTY);
	CHECK_ERR(ioctl(fd[0], TCGETS, &t), ENOTTY);
	CHECK_ERR(ioctl(fd[0], TIOCGPGRP, &n), ENOTTY);
	CHECK_ERR(ioctl(MUST(open("/tmp", O_RDONLY)), TCGETS, &t), ENOTTY);
	CHECK_ERR(ioctl(MUST(open("/dev/null", O_RDONLY)), TCGETS, &t), ENOTTY);
	CHECK_ERR(ioctl(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), TCGETS, &t), ENOTTY);
	CHECK(!isatty(fd[0]) && errno == ENOTTY);
}

TEST(unknown_requests_are_enotty)
{
	int m, s;

	MUST(openpty(&m, &s, NULL, NULL, NULL));
	CHECK_ERR(ioctl(s, 0x12345678, 0), ENOTTY);
	CHECK_ERR(ioctl(m, 0x12345678, 0), ENOTTY);
	CHECK_ERR(ioctl(MUST(open("/dev/zero", O_RDONLY)), 0x12345678, 0), ENOTTY);
}

TEST(pty_number_and_lock)
{
	int m = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY)), n = -1, lock = -1;
	char name[64];

	MUST(ioctl(m, TIOCGPTN, &n));
	CHECK_EQ(ptsname_r(m, name, sizeof(name)), 0);
	CHECK_EQ(atoi(name + strlen("/dev/pts/")), n);
	MUST(ioctl(m, TIOCGPTLCK, &lock));
	CHECK_EQ(lock, 1);
	lock = 0;
	MUST(ioctl(m, TIOCSPTLCK, &lock));
	MUST(ioctl(m, TIOCGPTLCK, &lock));
	CHECK_EQ(lock, 0);
}

TEST(pty_peer_can_be_opened_without_its_name)
{
	int m, s, peer;
	char c;

	MUST(openpty(&m, &s, NULL, NULL, NULL));
	peer = MUST(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	CHECK_EQ(write(peer, "x", 1), 1);
	CHECK_EQ(read(m, &c, 1), 1);
	CHECK_EQ(c, 'x');
}

TEST(exclusive_terminal_is_refused_to_ordinary_users_only)
{
	char name[64];
	int m, s, on = 9;

	MUST(openpty(&m, &s, name, NULL, NULL));
	MUST(chmod(name, 0666));
	MUST(ioctl(s, TIOCEXCL));
	MUST(ioctl(s, TIOCGEXCL, &on));
	CHECK_EQ(on, 1);
	if (t_is_root())
		CHECK_EQ(close(MUST(open(name, O_RDWR | O_NOCTTY))), 0);
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EBUSY);
		     }),
		     0);
	MUST(ioctl(s, TIOCNXCL));
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     MUST(open(name, O_RDWR | O_NOCTTY));
		     }),
		     0);
}

TEST(exclusive_use_of_the_master_is_not_that_of_the_slave)
{
	int m, s, on = 9;

	MUST(openpty(&m, &s, NULL, NULL, NULL));
	MUST(ioctl(m, TIOCEXCL));
	MUST(ioctl(m, TIOCGEXCL, &on));
	CHECK_EQ(on, 1);
	MUST(ioctl(s, TIOCGEXCL, &on));
	CHECK_EQ(on, 0);
	MUST(ioctl(m, TIOCNXCL));
	MUST(ioctl(m, TIOCGEXCL, &on));
	CHECK_EQ(on, 0);
}

TEST(output_queue_of_a_terminal_is_empty_when_read)
{
	int m, s, n = -1;

	MUST(openpty(&m, &s, NULL, NULL, NULL));
	MUST(ioctl(s, TIOCOUTQ, &n));
	CHECK_EQ(n, 0);
}

TEST(window_size_starts_at_zero)
{
	struct winsize w = {1, 1, 1, 1};
	int m, s;

	MUST(openpty(&m, &s, NULL, NULL, NULL));
	MUST(ioctl(s, TIOCGWINSZ, &w));
	CHECK(w.ws_row == 0 && w.ws_col == 0);
}
