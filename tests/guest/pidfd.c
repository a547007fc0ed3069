/* pidfd_open, pidfd_send_signal, waiting and polling. */
#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

TEST(pidfd_is_close_on_exec)
{
	int fd = MUST(pidfd_open(getpid(), 0));

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(signal_through_a_pidfd)
{
	pid_t pid = SPAWN(pause());
	int fd = MUST(pidfd_open(pid, 0));

	CHECK_EQ(pidfd_send_signal(fd, 0, NULL, 0), 0);
	CHECK_EQ(pidfd_send_signal(fd, SIGTERM, NULL, 0), 0);
	CHECK_KILLED(t_wait(pid), SIGTERM);
	CHECK_ERR(pidfd_send_signal(fd, 0, NULL, 0), ESRCH);
}

TEST(signal_with_a_value)
{
	siginfo_t si = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE}, got;
	int fd = MUST(pidfd_open(getpid(), 0));
	sigset_t set;

	t_block(SIGRTMIN);
	si.si_value.sival_int = 99;
	CHECK_EQ(pidfd_send_signal(fd, SIGRTMIN, &si, 0), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	CHECK_EQ(sigwaitinfo(&set, &got), SIGRTMIN);
	CHECK_EQ(got.si_value.sival_int, 99);
	CHECK_ERR(pidfd_send_signal(fd, SIGUSR1, &si, 0), EINVAL); /* another number in the info */
}

TEST(poll_tells_when_the_process_has_ended)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));
	int fd = MUST(pidfd_open(pid, 0));
	struct pollfd p = {fd, POLLIN, 0};

	CHECK_EQ(poll(&p, 1, 0), 0);
	t_gate_open(&end);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents & POLLIN, POLLIN);
	CHECK_EQ(t_state(pid, pid), 'Z'); /* it still has to be waited for */
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(poll(&p, 1, 0), 1);
}

TEST(epoll_tells_when_one_of_many_has_ended)
{
	struct t_gate end[5];
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = MUST(epoll_create1(0));
	pid_t pid[5];

	for (int i = 0; i < 5; i++) {
		end[i] = t_gate();
		pid[i] = SPAWN(t_gate_pass(&end[i]));
		ev.data.u32 = (uint32_t)i;
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, MUST(pidfd_open(pid[i], 0)), &ev));
	}
	t_gate_open(&end[3]);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EQ(ev.data.u32, 3);
	for (int i = 0; i < 5; i++) {
		if (i != 3)
			t_gate_open(&end[i]);
		CHECK_EXITED(t_wait(pid[i]), 0);
	}
}

TEST(waitid_by_pidfd)
{
	pid_t pid = SPAWN(_exit(23)), other = SPAWN(_exit(1));
	int fd = MUST(pidfd_open(pid, 0));
	siginfo_t si;

	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, 23);
	CHECK_ERR(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), ECHILD);
	CHECK_EXITED(t_wait(other), 1);
}

TEST(waitid_by_a_nonblocking_pidfd_is_eagain)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));
	int fd = MUST(pidfd_open(pid, PIDFD_NONBLOCK));
	siginfo_t si;

	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_ERR(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), EAGAIN);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(pidfd_errors)
{
	pid_t pid = SPAWN();

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_ERR(pidfd_open(pid, 0), ESRCH);
	CHECK_ERR(pidfd_open(-1, 0), EINVAL);
	CHECK_ERR(pidfd_open(0, 0), EINVAL);
	CHECK_ERR(read(MUST(pidfd_open(getpid(), 0)), &pid, 1), EINVAL);
}

TEST(pidfd_of_a_zombie_is_ready)
{
	pid_t pid = SPAWN();
	struct pollfd p;

	t_wait_state(pid, 'Z');
	p = (struct pollfd){MUST(pidfd_open(pid, 0)), POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

static volatile pid_t tid;
static struct t_gate ready, end;

static void *stay(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	t_gate_pass(&end);
	return arg;
}

TEST(pidfd_of_a_process_waits_for_its_last_thread)
{
	struct pollfd p;
	pid_t pid;

	end = t_gate();
	pid = SPAWN({
		pthread_t thread;
		ready = t_gate();
		CHECK_EQ(pthread_create(&thread, NULL, stay, NULL), 0);
		t_gate_pass(&ready);
		syscall(SYS_exit, 0);
	});
	p = (struct pollfd){MUST(pidfd_open(pid, 0)), POLLIN, 0};
	t_wait_state(pid, 'Z');
	CHECK_EQ(poll(&p, 1, 0), 0);
	t_gate_open(&end);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK(WIFEXITED(t_wait(pid)));
}

TEST(pidfd_getfd_takes_a_descriptor)
{
	int fd[2], pidfd, copy;
	struct t_gate finish = t_gate();
	pid_t pid;
	char c;

	MUST(pipe(fd));
	pid = SPAWN({
		MUST(dup2(fd[1], 50));
		t_gate_open(&finish);
		pause();
	});
	t_gate_pass(&finish);
	pidfd = MUST(pidfd_open(pid, 0));
	copy = pidfd_getfd(pidfd, 50, 0);
	if (copy < 0 && (errno == EPERM || errno == ENOSYS)) {
		MUST(kill(pid, SIGKILL));
		return; /* a host may forbid it */
	}
	CHECK(copy >= 0);
	CHECK_EQ(write(copy, "x", 1), 1);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_ERR(pidfd_getfd(pidfd, 51, 0), EBADF);
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

static void getfd_by_dumpable(void)
{
	int fd, go[2], done[2];
	pid_t pid;
	char c;

	MUST(prctl(PR_SET_DUMPABLE, 0));
	MUST(pipe(go));
	MUST(pipe(done));
	pid = SPAWN({
		MUST(read(go[0], &c, 1));
		MUST(prctl(PR_SET_DUMPABLE, 1));
		MUST(write(done[1], "", 1));
		pause();
	});
	fd = MUST(pidfd_open(pid, 0));
	CHECK_ERR(pidfd_getfd(fd, go[0], 0), EPERM);
	MUST(write(go[1], "", 1));
	MUST(read(done[0], &c, 1));
	MUST(pidfd_getfd(fd, go[0], 0));
	kill(pid, SIGKILL);
	t_wait(pid);
}

TEST(process_that_is_not_dumpable_keeps_its_descriptors)
{
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     getfd_by_dumpable();
		     }),
		     0);
}

/* What a process has open goes when its memory has gone already: nobody may take it in between. */
static void take_from_the_dying(void)
{
	const size_t size = 8 << 20;

	for (int i = 0; i < 60; i++) {
		struct t_gate ready = t_gate();
		int secret = MUST(open("/dev/null", O_RDONLY)), fd;
		siginfo_t si = {0};
		pid_t pid = SPAWN({
			void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			CHECK(p != MAP_FAILED);
			memset(p, 1, size);
			MUST(prctl(PR_SET_DUMPABLE, 0));
			t_gate_open(&ready);
			_exit(0);
		});

		t_gate_pass(&ready);
		fd = MUST(pidfd_open(pid, 0));
		while (!si.si_pid) {
			CHECK(pidfd_getfd(fd, secret, 0) < 0);
			CHECK(errno == EPERM || errno == ESRCH || errno == EBADF);
			MUST(waitid(P_PID, pid, &si, WEXITED | WNOHANG | WNOWAIT));
		}
		CHECK_EXITED(t_wait(pid), 0);
		MUST(close(fd));
		MUST(close(secret));
	}
}

TEST(dying_process_that_is_not_dumpable_keeps_its_descriptors)
{
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     take_from_the_dying();
		     }),
		     0);
}

static int take_from_parent(void *pidfd)
{
	syscall(SYS_setresuid, 65534, 65534, 65534);
	return pidfd_getfd(*(int *)pidfd, 0, 0) < 0 && errno == EPERM ? 0 : 1;
}

TEST(having_the_memory_is_no_right_to_the_descriptors)
{
	static char stack[1 << 14] __attribute__((aligned(16)));
	int fd;

	if (!t_is_root())
		SKIP("needs root");
	fd = MUST(pidfd_open(getpid(), 0));
	CHECK_EXITED(t_wait(MUST(clone(take_from_parent, stack + sizeof(stack), CLONE_VM | SIGCHLD,
				       &fd))),
		     0);
}

TEST(directory_in_proc_is_no_pidfd_any_more)
{
	int fd = MUST(open("/proc/self/status", O_RDONLY));

	CHECK_ERR(pidfd_send_signal(fd, 0, NULL, 0), EBADF);
}
