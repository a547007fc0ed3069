/*
 * Storms around what ends: processes that are read, executed and killed in the middle of
 * everything, descriptors, terminals; very many timers.
 * test: cpus=1,2,4,4m,16 quick=no
 */
#include "t.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* ---- /proc, exec, kill ---- */

static void *forever(void *arg)
{
	for (;;)
		sched_yield();
	return arg;
}

HELPER(again)
{
	int n = atoi(argv[1]);
	char left[16];
	pthread_t thread;

	if (n == 0)
		return 7;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread, NULL, forever, NULL), 0);
	snprintf(left, sizeof(left), "%d", n - 1);
	T_EXEC_HELPER("again", left);
	return 98;
}

static bool gone(int err)
{
	return err == ENOENT || err == ESRCH || err == EACCES || err == EPERM || err == EIO;
}

static void read_all_of(pid_t pid)
{
	static const char *const files[] = {"stat",    "status", "maps",   "smaps", "cmdline",
					    "environ", "statm",	 "limits", "wchan", "syscall",
					    "comm",    "task",	 "fd"};
	static const char *const links[] = {"exe", "cwd", "root", "fd/0"};
	char path[64], buf[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			CHECK(gone(errno));
			continue;
		}
		do
			n = i < 11 ? read(fd, buf, sizeof(buf))
				   : syscall(SYS_getdents64, fd, buf, sizeof(buf));
		while (n > 0);
		CHECK(n == 0 || gone(errno));
		MUST(close(fd));
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
		CHECK(readlink(path, buf, sizeof(buf)) > 0 || gone(errno));
	}
}

struct target {
	volatile pid_t pid;
	volatile int end;
};

static void read_until_the_end(const struct target *s)
{
	while (!s->end)
		read_all_of(s->pid ? s->pid : getpid());
}

TEST(proc_is_read_while_processes_execute_and_end)
{
	struct target *s = t_shared(sizeof(*s));
	pid_t reader[3];

	for (int i = 0; i < 3; i++)
		reader[i] = SPAWN(read_until_the_end(s));
	for (int i = 0; i < 20; i++) {
		int status;

		s->pid = SPAWN(T_EXEC_HELPER("again", "5"));
		if (i % 2) {
			usleep((useconds_t)(i * 400));
			kill(s->pid, SIGKILL);
		}
		status = t_wait(s->pid);
		CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7) ||
		      (i % 2 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	}
	s->end = 1;
	for (int i = 0; i < 3; i++)
		CHECK_EXITED(t_wait(reader[i]), 0);
}

/* ---- the end, in the middle of everything ---- */

static int in_pipe[2], in_ep, in_word;

static void *in_a_pipe(void *arg)
{
	char c = 0;

	for (;;)
		if ((arg ? write(in_pipe[1], &c, 1) : read(in_pipe[0], &c, 1)) < 0)
			sched_yield();
	return NULL;
}

static void *in_a_futex(void *arg)
{
	for (;;)
		syscall(SYS_futex, &in_word, arg ? FUTEX_WAIT_PRIVATE : FUTEX_WAKE_PRIVATE,
			arg ? 0 : 1, NULL, NULL, 0);
	return NULL;
}

static void *in_a_fork(void *arg)
{
	for (;;) {
		pid_t pid = (pid_t)syscall(SYS_fork);

		if (pid == 0 && arg)
			execl("/bin/true", "true", NULL);
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return NULL;
}

static void *in_mmap(void *arg)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p != MAP_FAILED) {
			*p = 1;
			munmap(p, 1 << 16);
		}
	}
	return arg;
}

static void *in_epoll(void *arg)
{
	struct epoll_event ev = {.events = EPOLLIN};

	for (;;) {
		int fd = eventfd(1, EFD_CLOEXEC);

		epoll_ctl(in_ep, EPOLL_CTL_ADD, fd, &ev);
		epoll_wait(in_ep, &ev, 1, 1);
		close(fd);
	}
	return arg;
}

static void *in_sockets(void *arg)
{
	for (;;) {
		char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec iov = {&byte, 1};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		int sp[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp))
			continue;
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET,
						      SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &sp[1], sizeof(int));
		sendmsg(sp[0], &m, 0); /* in flight to itself */
		close(sp[0]);
		close(sp[1]);
	}
	return arg;
}

static void busy_with_everything(int how)
{
	static void *(*const what[])(void *) = {in_a_pipe, in_a_futex, in_a_fork,
						in_mmap,   in_epoll,   in_sockets};
	pthread_t thread;

	MUST(pipe2(in_pipe, O_CLOEXEC));
	in_ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	for (size_t i = 0; i < 6; i++)
		for (int k = 0; k < 2; k++)
			CHECK_EQ(pthread_create(&thread, NULL, what[i], k ? &thread : NULL), 0);
	usleep(500 * (useconds_t)how);
	switch (how % 4) {
	case 0:
		_exit(3);
	case 1:
		raise(SIGKILL);
		break;
	case 2:
		execl("/bin/sh", "sh", "-c", "exit 3", NULL);
		_exit(98);
	default:
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)NULL = 0;
	}
}

/* All that it and its children had open is closed then: the other end of a pipe says so. */
TEST(process_ends_in_the_middle_of_everything)
{
	for (int i = 0; i < 24; i++) {
		int out[2], status;
		char c;
		pid_t pid;

		MUST(pipe(out));
		pid = SPAWN(MUST(close(out[0])); busy_with_everything(i));
		MUST(close(out[1]));
		status = t_wait(pid);
		if (i % 2 == 0)
			CHECK_EXITED(status, 3);
		else
			CHECK_KILLED(status, i % 4 == 1 ? SIGKILL : SIGSEGV);
		CHECK_EQ(read(out[0], &c, 1), 0);
		MUST(close(out[0]));
	}
}

/* ---- descriptors ---- */

static int hot, fd_end; /* atomic */

static void *use_hot(void *arg)
{
	struct pollfd p = {.events = POLLIN};
	char c;

	while (!__atomic_load_n(&fd_end, __ATOMIC_RELAXED)) {
		int fd = __atomic_load_n(&hot, __ATOMIC_RELAXED);

		if (arg) {
			CHECK(read(fd, &c, 1) >= 0 || errno == EBADF);
			continue;
		}
		p.fd = fd;
		poll(&p, 1, 1);
		CHECK_EXITED(IN_CHILD(_exit(0)), 0); /* copies the table */
	}
	return NULL;
}

TEST(descriptors_close_under_those_that_block_in_them)
{
	pthread_t thread[4];

	MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	hot = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	for (intptr_t i = 0; i < 4; i++) /* the first one polls and forks */
		CHECK_EQ(pthread_create(&thread[i], NULL, use_hot, (void *)i), 0);
	for (int i = 0; i < 300; i++) {
		int p[2], high = 400 + i; /* the table grows under them */

		MUST(pipe2(p, O_CLOEXEC));
		MUST(dup3(p[0], high, O_CLOEXEC));
		__atomic_store_n(&hot, high, __ATOMIC_RELAXED);
		sched_yield();
		MUST(syscall(SYS_close_range, high, high, 0));
		MUST(close(p[0]));
		CHECK(write(p[1], "xxxxxxxx", 8) == 8 || errno == EPIPE);
		MUST(close(p[1])); /* who still reads meets the end of it */
	}
	__atomic_store_n(&fd_end, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* ---- terminals ---- */

static void read_terminal(int s)
{
	char c;

	errno = 0;
	while (read(s, &c, 1) > 0 || errno == EINTR)
		errno = 0;
}

static void write_terminal(int s)
{
	while (write(s, "some text\n", 10) >= 0 || errno == EINTR)
		;
}

/* A session whose jobs are at the terminal when that, or the session's leader, goes. */
static void session(int s, int how)
{
	MUST(setsid());
	CHECK(ioctl(s, TIOCSCTTY, 0) == 0 || errno == EIO); /* it has gone already */
	(void)SPAWN(MUST(setpgid(0, 0)); read_terminal(s));
	(void)SPAWN(write_terminal(s));
	if (how % 4 == 1 && t_is_root())
		vhangup();
	if (how % 4 == 2)
		ioctl(s, TIOCNOTTY);
	if (how % 4 == 3)
		_exit(0);
	pause();
}

TEST(sessions_lose_their_terminals_in_the_middle_of_it)
{
	for (int i = 0; i < 40; i++) {
		int m, s, out[2], status;
		pid_t pid;
		char c;

		MUST(pipe(out));
		MUST(openpty(&m, &s, NULL, NULL, NULL));
		pid = SPAWN(MUST(close(m)); MUST(close(out[0])); session(s, i));
		MUST(close(s));
		MUST(close(out[1]));
		CHECK(write(m, "\003line\n", 6) > 0 || errno == EIO);
		usleep((useconds_t)(i * 100));
		MUST(close(m));
		kill(pid, SIGKILL);
		status = t_wait(pid);
		CHECK(WIFEXITED(status) || WIFSIGNALED(status));
		CHECK_EQ(read(out[0], &c, 1), 0); /* nobody of that session is left */
		MUST(close(out[0]));
	}
}

/* ---- timers ---- */

#define TIMERS 10000

TEST(ten_thousand_timers_all_expire_once)
{
	static unsigned char seen[TIMERS];
	static timer_t id[TIMERS];
	struct rlimit lim;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	sigset_t rt;
	siginfo_t si;

	/* It is for all of the user's processes, so for others like this one, too. */
	MUST(getrlimit(RLIMIT_SIGPENDING, &lim));
	if (lim.rlim_max < 8 * TIMERS)
		lim.rlim_max = 8 * TIMERS;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_SIGPENDING, &lim))
		SKIP("needs a higher limit of queued signals");
	t_block(SIGRTMIN);
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	for (int i = 0; i < TIMERS; i++) {
		ev.sigev_value.sival_int = i;
		MUST(timer_create(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ev, &id[i]));
	}
	for (int i = 0; i < TIMERS; i++) {
		struct itimerspec its = {.it_value.tv_nsec = 1000000 * (1 + i % 500)};

		MUST(timer_settime(id[i], 0, &its, NULL));
	}
	for (int i = 0; i < TIMERS; i++) {
		CHECK_EQ(sigwaitinfo(&rt, &si), SIGRTMIN);
		CHECK_EQ(seen[si.si_value.sival_int]++, 0);
	}
	for (int i = 0; i < TIMERS; i += 2)
		MUST(timer_delete(id[i])); /* the rest goes with the process */
}

TEST(ten_thousand_timer_descriptors_in_one_epoll)
{
	struct rlimit lim = {TIMERS + 100, TIMERS + 100};
	int ep = MUST(epoll_create1(0)), left = TIMERS;
	struct epoll_event ev[64];

	if (setrlimit(RLIMIT_NOFILE, &lim))
		SKIP("needs a higher limit of descriptors");
	for (int i = 0; i < TIMERS; i++) {
		struct itimerspec its = {.it_value.tv_nsec = 1000000 * (1 + i % 500)};
		int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));

		ev[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev[0]));
		MUST(timerfd_settime(fd, 0, &its, NULL));
	}
	while (left) {
		int n = MUST(epoll_wait(ep, ev, 64, -1));

		for (int i = 0; i < n; i++, left--) {
			uint64_t times;

			CHECK(read(ev[i].data.fd, &times, 8) == 8 && times == 1);
			MUST(close(ev[i].data.fd));
		}
	}
}

/* ---- many to one to many ---- */

#define SOURCES 8
#define WORDS 200

static int fan_ep, fan_sum, fan_left = SOURCES; /* atomic, but for the first */

static void *fan_out(void *arg)
{
	struct epoll_event ev;
	unsigned char buf[64];

	while (__atomic_load_n(&fan_left, __ATOMIC_SEQ_CST) > 0) {
		ssize_t n;
		int sum = 0;

		if (epoll_wait(fan_ep, &ev, 1, 20) != 1)
			continue;
		while ((n = read(ev.data.fd, buf, sizeof(buf))) > 0)
			for (ssize_t i = 0; i < n; i++)
				sum += buf[i];
		__atomic_add_fetch(&fan_sum, sum, __ATOMIC_SEQ_CST);
		if (n == 0) {
			MUST(close(ev.data.fd));
			__atomic_sub_fetch(&fan_left, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		CHECK_EQ(errno, EAGAIN);
		ev.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
		MUST(epoll_ctl(fan_ep, EPOLL_CTL_MOD, ev.data.fd, &ev));
	}
	return arg;
}

static void fan_in(int fd)
{
	for (int k = 0; k < WORDS; k++)
		CHECK_EQ(write(fd, "\1\2\3", 3), 3);
}

TEST(pipes_and_sockets_of_many_processes_meet_in_one_epoll)
{
	pthread_t thread[4];
	pid_t pid[SOURCES];

	fan_ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	for (int i = 0; i < SOURCES; i++) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLET | EPOLLONESHOT};
		int p[2];

		if (i % 2)
			MUST(pipe2(p, O_CLOEXEC));
		else
			MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p));
		pid[i] = SPAWN(fan_in(p[1]));
		MUST(close(p[1]));
		MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
		ev.data.fd = p[0];
		MUST(epoll_ctl(fan_ep, EPOLL_CTL_ADD, p[0], &ev));
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, fan_out, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < SOURCES; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	CHECK_EQ(fan_sum, SOURCES * WORDS * 6);
}
