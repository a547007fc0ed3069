/*
 * O_ASYNC: which files have it, whose signals they send, and which. What they tell: sigio_files.c.
 */
#include "sigio.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* ---- the flag ---- */

TEST(pipes_sockets_and_terminals_have_the_flag)
{
	int p[2], s[2], m, t, fds[8], n = 0;

	make_pipe(p);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	MUST(openpty(&m, &t, NULL, NULL, NULL));
	fds[n++] = p[0];
	fds[n++] = p[1];
	fds[n++] = s[0];
	fds[n++] = m;
	fds[n++] = t;
	fds[n++] = MUST(inotify_init1(0));
	fds[n++] = MUST(open("/dev/urandom", O_RDONLY));
	for (int i = 0; i < n; i++) {
		EXPECT(!is_async(fds[i]));
		set_async(fds[i], true);
		EXPECT(is_async(fds[i]));
		set_async(fds[i], true);
		set_async(fds[i], false);
		EXPECT(!is_async(fds[i]));
	}
	for (int i = 0; i < n; i++) {
		int on = 1;

		MUST(ioctl(fds[i], FIOASYNC, &on));
		EXPECT(is_async(fds[i]));
		MUST(ioctl(fds[i], FIOASYNC, &on));
		on = 0;
		MUST(ioctl(fds[i], FIOASYNC, &on));
		EXPECT(!is_async(fds[i]));
	}
}

TEST(other_files_ignore_the_flag_and_refuse_the_ioctl)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fds[12], n = 0, on = 1, off = 0;
	sigset_t set;

	t_cd_tmpdir();
	sigemptyset(&set);
	fds[n++] = MUST(open("file", O_RDWR | O_CREAT, 0600));
	fds[n++] = MUST(open(".", O_RDONLY | O_DIRECTORY));
	fds[n++] = MUST(open("/dev/null", O_RDWR));
	fds[n++] = MUST(open("/dev/zero", O_RDWR));
	fds[n++] = MUST(open("/proc/self/stat", O_RDONLY));
	fds[n++] = MUST(eventfd(0, 0));
	fds[n++] = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	fds[n++] = MUST(epoll_create1(0));
	fds[n++] = MUST(signalfd(-1, &set, 0));
	fds[n++] = MUST(memfd_create("m", 0));
	fds[n++] = MUST((int)syscall(SYS_pidfd_open, getpid(), 0));
	MUST(epoll_ctl(fds[7], EPOLL_CTL_ADD, fds[5], &ev));
	for (int i = 0; i < n; i++) {
		set_async(fds[i], true);
		EXPECT(!is_async(fds[i]));
		EXPECT_ERR(ioctl(fds[i], FIOASYNC, &on), ENOTTY);
		EXPECT_EQ(ioctl(fds[i], FIOASYNC, &off), 0);
		EXPECT_EQ(fcntl(fds[i], F_SETOWN, getpid()), 0);
		EXPECT_EQ(fcntl(fds[i], F_GETOWN), getpid());
	}
}

/* It is nobody's business then: nothing is sent, and nothing takes it away. */
TEST(open_with_the_flag_only_shows_it)
{
	int on = 1, off = 0, fd, w;

	t_cd_tmpdir();
	t_block(SIGIO);
	fd = MUST(open("file", O_RDWR | O_CREAT | O_ASYNC, 0600));
	EXPECT(is_async(fd));
	set_async(fd, false);
	EXPECT(is_async(fd));
	EXPECT_EQ(ioctl(fd, FIOASYNC, &on), 0);
	EXPECT_ERR(ioctl(fd, FIOASYNC, &off), ENOTTY);
	MUST(mkfifo("fifo", 0600));
	fd = MUST(open("fifo", O_RDONLY | O_NONBLOCK | O_ASYNC));
	w = MUST(open("fifo", O_WRONLY));
	MUST(fcntl(fd, F_SETOWN, getpid()));
	set_async(fd, true);
	put(w);
	EXPECT(!pending(SIGIO));
	set_async(fd, false);
	EXPECT(is_async(fd));
	MUST(close(fd));
}

TEST(bad_arguments)
{
	struct f_owner_ex ex = {.type = 3, .pid = getpid()};
	int p[2], path, who = 1;

	make_pipe(p);
	path = MUST(open("/", O_PATH));
	EXPECT_ERR(fcntl(path, F_SETFL, O_ASYNC), EBADF);
	EXPECT_ERR(fcntl(path, F_SETOWN, getpid()), EBADF);
	EXPECT_ERR(fcntl(path, F_SETSIG, RT), EBADF);
	EXPECT_ERR(ioctl(path, FIOASYNC, &who), EBADF);
	EXPECT_ERR(fcntl(99, F_SETFL, O_ASYNC), EBADF);
	EXPECT_ERR(ioctl(p[0], FIOASYNC, (void *)1), EFAULT);
	EXPECT_ERR(ioctl(p[0], FIOASYNC, NULL), EFAULT);
	EXPECT_ERR(fcntl(p[0], F_SETSIG, 65), EINVAL);
	EXPECT_ERR(fcntl(p[0], F_SETSIG, -1), EINVAL);
	EXPECT_EQ(fcntl(p[0], F_SETSIG, 64), 0);
	EXPECT_EQ(fcntl(p[0], F_GETSIG), 64);
	EXPECT_ERR(fcntl(p[0], F_SETOWN, INT_MIN), EINVAL);
	EXPECT_ERR(fcntl(p[0], F_SETOWN, INT_MAX), ESRCH);
	EXPECT_ERR(fcntl(p[0], F_SETOWN, -INT_MAX), ESRCH);
	EXPECT_ERR(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	ex.type = -1;
	EXPECT_ERR(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	ex.type = F_OWNER_PID;
	ex.pid = -1;
	EXPECT_ERR(fcntl(p[0], F_SETOWN_EX, &ex), ESRCH);
	EXPECT_ERR(fcntl(p[0], F_SETOWN_EX, (void *)1), EFAULT);
	EXPECT_ERR(fcntl(p[0], F_GETOWN_EX, (void *)1), EFAULT);
	EXPECT_ERR(ioctl(p[0], FIOSETOWN, &who), ENOTTY);
	EXPECT_ERR(ioctl(p[0], FIOGETOWN, &who), ENOTTY);
}

/* ---- owners ---- */

TEST(owner_is_told_as_it_was_set)
{
	struct f_owner_ex ex = {.type = 77, .pid = 77};
	int p[2];
	pid_t child;

	make_pipe(p);
	EXPECT_EQ(fcntl(p[0], F_GETOWN), 0);
	MUST(fcntl(p[0], F_GETOWN_EX, &ex));
	EXPECT_EQ(ex.type, F_OWNER_TID);
	EXPECT_EQ(ex.pid, 0);
	MUST(fcntl(p[0], F_SETOWN, -getpgrp()));
	MUST(fcntl(p[0], F_GETOWN_EX, &ex));
	EXPECT_EQ(ex.type, F_OWNER_PGRP);
	EXPECT_EQ(ex.pid, getpgrp());
	ex = (struct f_owner_ex){.type = F_OWNER_TID, .pid = gettid()};
	MUST(fcntl(p[0], F_SETOWN_EX, &ex));
	EXPECT_EQ(fcntl(p[0], F_GETOWN), gettid());
	MUST(fcntl(p[0], F_SETOWN, 0));
	EXPECT_EQ(fcntl(p[0], F_GETOWN), 0);
	child = SPAWN(pause());
	MUST(fcntl(p[0], F_SETOWN, child));
	EXPECT_EQ(fcntl(p[0], F_GETOWN), child);
	MUST(kill(child, SIGKILL));
	t_wait_state(child, 'Z');
	EXPECT_EQ(fcntl(p[0], F_GETOWN), child);
	t_wait(child);
	EXPECT_EQ(fcntl(p[0], F_GETOWN), 0);
	MUST(fcntl(p[0], F_GETOWN_EX, &ex));
	EXPECT_EQ(ex.type, F_OWNER_PID);
	EXPECT_EQ(ex.pid, 0);
	set_async(p[0], true);
	put(p[1]);
}

TEST(without_owner_nothing_is_sent)
{
	int p[2];

	make_pipe(p);
	t_block(SIGIO);
	set_async(p[0], true);
	put(p[1]);
	EXPECT(!pending(SIGIO));
	MUST(fcntl(p[0], F_SETOWN, getpid()));
	put(p[1]);
	EXPECT(pending(SIGIO));
	MUST(fcntl(p[0], F_SETOWN, 0));
	put(p[1]);
	EXPECT(!pending(SIGIO));
}

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	handled = sig;
}

TEST(handler_has_run_when_the_write_returns)
{
	int p[2];

	make_pipe(p);
	t_handle(SIGIO, on_signal);
	MUST(fcntl(p[0], F_SETOWN, getpid()));
	set_async(p[0], true);
	for (int i = 0; i < 1000; i++) {
		handled = 0;
		put(p[1]);
		CHECK_EQ(handled, SIGIO);
		get(p[0]);
	}
}

static struct t_gate gate;
static pid_t thread_tid;

static void *wait_for_rt(void *arg)
{
	thread_tid = gettid();
	t_gate_open(&gate);
	EXPECT(waited(RT));
	return arg;
}

TEST(thread_is_signalled_alone)
{
	struct f_owner_ex ex = {.type = F_OWNER_TID};
	pthread_t th;
	int p[2];

	make_pipe(p);
	gate = t_gate();
	watch(p[0], RT);
	CHECK_EQ(pthread_create(&th, NULL, wait_for_rt, NULL), 0);
	t_gate_pass(&gate);
	ex.pid = thread_tid;
	MUST(fcntl(p[0], F_SETOWN_EX, &ex));
	put(p[1]);
	EXPECT(!pending(RT));
	pthread_join(th, NULL);
	while (tgkill(getpid(), thread_tid, 0) == 0) /* who joins may be earlier */
		sched_yield();
	put(p[1]); /* nobody any more */
	EXPECT(!pending(RT));
	EXPECT_EQ(fcntl(p[0], F_GETOWN), 0);
}

static void member(const struct t_gate *ready, pid_t pgrp)
{
	t_block(SIGIO);
	MUST(setpgid(0, pgrp));
	t_gate_open(ready);
	CHECK(waited(SIGIO));
	EXPECT_EQ(si.si_code, SI_KERNEL);
	EXPECT_EQ(si.si_pid, 0);
}

TEST(every_process_of_a_group_is_signalled)
{
	struct t_gate ready = t_gate();
	pid_t a, b;
	int p[2];

	make_pipe(p);
	t_block(SIGIO);
	a = SPAWN(member(&ready, 0));
	t_gate_pass(&ready);
	b = SPAWN(member(&ready, a));
	t_gate_pass(&ready);
	MUST(fcntl(p[0], F_SETOWN, -a));
	set_async(p[0], true);
	put(p[1]);
	CHECK_EXITED(t_wait(a), 0);
	CHECK_EXITED(t_wait(b), 0);
	EXPECT(!pending(SIGIO));
	EXPECT_EQ(fcntl(p[0], F_GETOWN), 0);
}

/* Who set the owner must be allowed to signal it, as whom it was then. */
TEST(ids_of_who_set_the_owner_count)
{
	pid_t me = getpid(), child;
	struct t_gate go = t_gate(), done = t_gate();
	int p[2];

	if (!t_is_root())
		SKIP("not root");
	make_pipe(p);
	watch(p[0], 0);
	child = SPAWN({
		t_become_ordinary();
		put(p[1]);
		t_gate_open(&done);
		t_gate_pass(&go);
		MUST(fcntl(p[0], F_SETOWN, me));
		put(p[1]);
	});
	t_gate_pass(&done);
	EXPECT(pending(SIGIO)); /* set by us, though another wrote */
	t_gate_open(&go);
	CHECK_EXITED(t_wait(child), 0);
	EXPECT(!pending(SIGIO));
	put(p[1]);
	EXPECT(!pending(SIGIO));
	EXPECT_EQ(fcntl(p[0], F_GETOWN), me);
	MUST(fcntl(p[0], F_SETOWN, me));
	put(p[1]);
	EXPECT(pending(SIGIO));
}

/* ---- which signal ---- */

TEST(chosen_signal_tells_what_and_where)
{
	int p[2];

	make_pipe(p);
	watch(p[0], RT);
	put(p[1]);
	EXPECT_SENT(p[0], POLL_IN, IN_BAND);
	MUST(fcntl(p[0], F_SETSIG, SIGIO));
	put(p[1]);
	CHECK(pending(SIGIO));
	EXPECT_EQ(si.si_code, POLL_IN);
	EXPECT_EQ(si.si_fd, p[0]);
	t_block(SIGCHLD);
	MUST(fcntl(p[0], F_SETSIG, SIGCHLD));
	put(p[1]);
	CHECK(pending(SIGCHLD));
	EXPECT_EQ(si.si_code, SI_SIGIO);
	EXPECT_EQ(si.si_fd, p[0]);
	t_block(SIGUSR1);
	MUST(fcntl(p[0], F_SETSIG, SIGUSR1));
	put(p[1]);
	CHECK(pending(SIGUSR1));
	EXPECT_EQ(si.si_code, POLL_IN);
	MUST(fcntl(p[0], F_SETSIG, 0));
	put(p[1]);
	CHECK(pending(SIGIO));
	EXPECT_EQ(si.si_code, SI_KERNEL);
	EXPECT(!pending(RT));
}

TEST(full_queue_makes_it_sigio)
{
	const struct rlimit none = {0, 0};
	int p[2];

	make_pipe(p);
	watch(p[0], RT);
	MUST(setrlimit(RLIMIT_SIGPENDING, &none));
	put(p[1]);
	EXPECT(!pending(RT));
	CHECK(pending(SIGIO));
	EXPECT_EQ(si.si_code, SI_KERNEL);
}

TEST(signalfd_shows_it)
{
	struct signalfd_siginfo ssi;
	sigset_t set;
	int p[2], sfd;

	make_pipe(p);
	watch(p[0], RT);
	sigemptyset(&set);
	sigaddset(&set, RT);
	sfd = MUST(signalfd(-1, &set, SFD_NONBLOCK));
	put(p[1]);
	CHECK_EQ(read(sfd, &ssi, sizeof(ssi)), (int)sizeof(ssi));
	EXPECT_EQ(ssi.ssi_signo, RT);
	EXPECT_EQ(ssi.ssi_code, POLL_IN);
	EXPECT_EQ(ssi.ssi_fd, p[0]);
	EXPECT_EQ(ssi.ssi_band, IN_BAND);
}

/* ---- one file, many descriptors ---- */

TEST(descriptor_is_the_one_that_switched_it_on)
{
	int p[2], d, on = 1;

	make_pipe(p);
	watch(p[0], RT);
	d = MUST(dup(p[0]));
	EXPECT(is_async(d));
	set_async(d, true); /* no change */
	MUST(ioctl(d, FIOASYNC, &on));
	put(p[1]);
	EXPECT_SENT(p[0], POLL_IN, IN_BAND);
	set_async(d, false);
	EXPECT(!is_async(p[0]));
	set_async(d, true);
	put(p[1]);
	EXPECT_SENT(d, POLL_IN, IN_BAND);
	MUST(close(d)); /* its number stays */
	put(p[1]);
	EXPECT_SENT(d, POLL_IN, IN_BAND);
	MUST(close(p[0]));
	EXPECT(!pending(RT));
}

TEST(forked_and_passed_files_go_on)
{
	struct t_gate done = t_gate();
	int p[2];
	pid_t child;

	make_pipe(p);
	watch(p[0], RT);
	child = SPAWN({
		t_gate_pass(&done);
		set_async(p[0], false);
	});
	MUST(close(p[0]));
	put(p[1]);
	CHECK(pending(RT));
	t_gate_open(&done);
	CHECK_EXITED(t_wait(child), 0);
	EXPECT(!pending(RT));
}

/* ---- many ---- */

TEST(hundreds_of_files_on_one_fifo)
{
	int fd[900], w;

	t_cd_tmpdir();
	t_block(RT);
	MUST(mkfifo("fifo", 0600));
	for (int i = 0; i < 900; i++) {
		fd[i] = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
		watch(fd[i], RT);
	}
	w = MUST(open("fifo", O_WRONLY));
	put(w);
	EXPECT_EQ(count(RT, POLL_IN), 900);
	for (int i = 0; i < 900; i += 2)
		MUST(close(fd[i]));
	for (int i = 1; i < 900; i += 4)
		set_async(fd[i], false);
	put(w);
	EXPECT_EQ(count(RT, POLL_IN), 225);
}
