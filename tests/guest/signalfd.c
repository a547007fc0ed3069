/* signalfd. */
#include "t.h"

#include <poll.h>
#include <sys/signalfd.h>

static int fd_of(int sig, int flags)
{
	sigset_t set;

	t_block(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	return MUST(signalfd(-1, &set, flags));
}

TEST(pending_signal_can_be_read)
{
	int fd = fd_of(SIGUSR1, 0);
	struct signalfd_siginfo si;
	sigset_t pending;

	raise(SIGUSR1);
	CHECK_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
	CHECK_EQ(si.ssi_signo, SIGUSR1);
	CHECK_EQ(si.ssi_code, SI_TKILL);
	CHECK_EQ((pid_t)si.ssi_pid, getpid());
	CHECK_EQ(si.ssi_uid, getuid());
	MUST(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
}

TEST(queued_values_are_told)
{
	int fd = fd_of(SIGRTMIN, 0);
	struct signalfd_siginfo si[3];

	for (int i = 0; i < 3; i++)
		MUST(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 100 + i}));
	CHECK_EQ(read(fd, si, sizeof(si)), (ssize_t)sizeof(si)); /* several at once */
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(si[i].ssi_int, 100 + i);
		CHECK_EQ(si[i].ssi_code, SI_QUEUE);
	}
}

TEST(child_status_is_told)
{
	int fd = fd_of(SIGCHLD, 0);
	struct signalfd_siginfo si;
	pid_t pid = SPAWN(_exit(6));

	CHECK_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
	CHECK_EQ((pid_t)si.ssi_pid, pid);
	CHECK_EQ(si.ssi_status, 6);
	CHECK_EQ(si.ssi_code, CLD_EXITED);
	CHECK_EXITED(t_wait(pid), 6);
}

TEST(empty_read_is_eagain_or_blocks)
{
	int fd = fd_of(SIGUSR1, SFD_NONBLOCK);
	struct signalfd_siginfo si;
	pid_t pid;

	CHECK_ERR(read(fd, &si, sizeof(si)), EAGAIN);
	CHECK_ERR(read(fd, &si, sizeof(si) - 1), EINVAL);
	MUST(fcntl(fd, F_SETFL, 0));
	pid = SPAWN({
		CHECK_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
		CHECK_EQ((pid_t)si.ssi_pid, getppid());
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(poll_is_ready_when_a_signal_is_pending)
{
	int fd = fd_of(SIGUSR1, 0);
	struct pollfd p = {fd, POLLIN, 0};

	CHECK_EQ(poll(&p, 1, 0), 0);
	raise(SIGUSR1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
}

TEST(poll_is_woken_by_a_signal)
{
	int fd = fd_of(SIGUSR1, 0);
	pid_t pid = SPAWN({
		struct pollfd p = {fd, POLLIN, 0};
		CHECK_EQ(poll(&p, 1, -1), 1);
	});

	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(mask_can_be_changed)
{
	int fd = fd_of(SIGUSR1, SFD_NONBLOCK);
	struct signalfd_siginfo si;
	sigset_t set;

	t_block(SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	raise(SIGUSR1);
	CHECK_ERR(read(fd, &si, sizeof(si)), EAGAIN);
	raise(SIGUSR2);
	CHECK_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
	CHECK_EQ(si.ssi_signo, SIGUSR2);
}

TEST(descriptor_reads_the_signals_of_whoever_reads)
{
	int fd = fd_of(SIGUSR1, SFD_NONBLOCK);
	struct signalfd_siginfo si;

	raise(SIGUSR1);
	CHECK_EXITED(IN_CHILD({
			     CHECK_ERR(read(fd, &si, sizeof(si)), EAGAIN);
			     raise(SIGUSR1);
			     CHECK_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
			     CHECK_EQ((pid_t)si.ssi_pid, getpid());
		     }),
		     0);
	CHECK_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
}

TEST(kill_and_stop_are_silently_left_out)
{
	sigset_t set;

	sigfillset(&set);
	MUST(signalfd(-1, &set, 0));
}
