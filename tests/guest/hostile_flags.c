/* Flags and commands that nobody knows: an error, never a guess. */
#include "hostile.h"

#include <asm/prctl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#define ODD 0x40000000 /* a bit that none of these calls uses */

TEST(descriptor_makers_refuse_unknown_flags)
{
	unsigned long set = 0;
	int fd[2];

	EXPECT_ERR(SYS(pipe2, fd, ODD), EINVAL);
	EXPECT_ERR(SYS(eventfd2, 0, ODD), EINVAL);
	EXPECT_ERR(SYS(signalfd4, -1, &set, 8, ODD), EINVAL);
	EXPECT_ERR(SYS(timerfd_create, CLOCK_MONOTONIC, ODD), EINVAL);
	EXPECT_ERR(SYS(timerfd_create, 99, 0), EINVAL);
	EXPECT_ERR(SYS(epoll_create1, ODD), EINVAL);
	EXPECT_ERR(SYS(inotify_init1, ODD), EINVAL);
	EXPECT_ERR(SYS(memfd_create, "x", ODD), EINVAL);
	EXPECT_ERR(SYS(pidfd_open, getpid(), ODD), EINVAL);
	EXPECT_ERR(SYS(dup3, 0, 9, ODD), EINVAL);
	EXPECT_ERR(SYS(dup3, 0, 0, 0), EINVAL);
	EXPECT_ERR(SYS(close_range, 3, 4, ODD), EINVAL);
	EXPECT_ERR(SYS(close_range, 4, 3, 0), EINVAL);
}

TEST(open_ignores_unknown_flags_but_openat2_does_not)
{
	struct open_how how = {.flags = O_RDONLY | ODD};

	CHECK_EQ(close(MUST((int)SYS(openat, AT_FDCWD, "/", O_RDONLY | ODD))), 0);
	CHECK_ERR(SYS(openat2, AT_FDCWD, "/", &how, sizeof(how)), EINVAL);
	how = (struct open_how){.flags = O_RDONLY, .mode = 0600};
	CHECK_ERR(SYS(openat2, AT_FDCWD, "/", &how, sizeof(how)), EINVAL);
	how = (struct open_how){.flags = O_RDONLY, .resolve = 1ul << 40};
	CHECK_ERR(SYS(openat2, AT_FDCWD, "/", &how, sizeof(how)), EINVAL);
	how = (struct open_how){.flags = O_CREAT, .mode = 0100000};
	CHECK_ERR(SYS(openat2, AT_FDCWD, "/", &how, sizeof(how)), EINVAL);
}

TEST(at_calls_refuse_unknown_flags)
{
	struct statx sx;
	struct stat st;

	EXPECT_ERR(SYS(newfstatat, AT_FDCWD, "/", &st, ODD), EINVAL);
	EXPECT_ERR(SYS(statx, AT_FDCWD, "/", ODD, STATX_BASIC_STATS, &sx), EINVAL);
	EXPECT_ERR(SYS(statx, AT_FDCWD, "/", AT_STATX_SYNC_TYPE, STATX_BASIC_STATS, &sx), EINVAL);
	EXPECT_ERR(SYS(statx, AT_FDCWD, "/", 0, STATX__RESERVED, &sx), EINVAL);
	EXPECT_ERR(SYS(unlinkat, AT_FDCWD, "/nothing", ODD), EINVAL);
	EXPECT_ERR(SYS(linkat, AT_FDCWD, "/a", AT_FDCWD, "/b", ODD), EINVAL);
	EXPECT_ERR(SYS(fchownat, AT_FDCWD, "/", -1, -1, ODD), EINVAL);
	EXPECT_ERR(SYS(utimensat, AT_FDCWD, "/", NULL, ODD), EINVAL);
	EXPECT_ERR(SYS(renameat2, AT_FDCWD, "/a", AT_FDCWD, "/b", ODD), EINVAL);
	EXPECT_ERR(SYS(renameat2, AT_FDCWD, "/a", AT_FDCWD, "/b", 1 | 2), EINVAL);
	EXPECT_ERR(SYS(faccessat2, AT_FDCWD, "/", R_OK, ODD), EINVAL);
	EXPECT_ERR(SYS(execveat, AT_FDCWD, "/bin/true", NULL, NULL, ODD), EINVAL);
}

TEST(access_modes_out_of_range_are_einval)
{
	EXPECT_ERR(SYS(access, "/", 8), EINVAL);
	EXPECT_ERR(SYS(access, "/", -1), EINVAL);
	EXPECT_ERR(SYS(faccessat, AT_FDCWD, "/", 0x100), EINVAL);
}

TEST(file_calls_refuse_unknown_commands)
{
	struct iovec iov = {"x", 1};
	int fd = text_file();

	EXPECT_ERR(SYS(lseek, fd, 0, 99), EINVAL);
	EXPECT_ERR(SYS(lseek, fd, 0, -1), EINVAL);
	EXPECT_ERR(SYS(fcntl, fd, 9999, 0), EINVAL);
	EXPECT_ERR(SYS(fcntl, fd, -1, 0), EINVAL);
	EXPECT_ERR(SYS(ioctl, fd, 0x12345678, 0), ENOTTY);
	EXPECT_ERR(SYS(flock, fd, 0x100), EINVAL);
	EXPECT_ERR(SYS(flock, fd, 0), EINVAL);
	EXPECT_ERR(SYS(fallocate, fd, ODD, 0, 1), EOPNOTSUPP);
	EXPECT_ERR(SYS(preadv2, fd, &iov, 1, 0, 0, ODD), EOPNOTSUPP);
	EXPECT_ERR(SYS(pwritev2, fd, &iov, 1, 0, 0, ODD), EOPNOTSUPP);
	EXPECT_ERR(SYS(sync_file_range, fd, 0, 0, ODD), EINVAL);
	EXPECT_ERR(SYS(fadvise64, fd, 0, 0, 99), EINVAL);
}

TEST(lock_types_out_of_range_are_einval)
{
	struct flock lock = {.l_type = 99, .l_whence = SEEK_SET};
	int fd = text_file();

	EXPECT_ERR(SYS(fcntl, fd, F_SETLK, &lock), EINVAL);
	EXPECT_ERR(SYS(fcntl, fd, F_GETLK, &lock), EINVAL);
	lock.l_type = F_WRLCK;
	lock.l_whence = 77;
	EXPECT_ERR(SYS(fcntl, fd, F_SETLK, &lock), EINVAL);
	lock.l_whence = SEEK_SET;
	lock.l_start = -5;
	EXPECT_ERR(SYS(fcntl, fd, F_SETLK, &lock), EINVAL);
	lock.l_start = LONG_MAX;
	lock.l_len = LONG_MAX;
	EXPECT_ERR(SYS(fcntl, fd, F_SETLK, &lock), EOVERFLOW);
}

TEST(clone_refuses_combinations_that_make_no_sense)
{
	EXPECT_ERR(SYS(clone, CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
	EXPECT_ERR(SYS(clone, CLONE_THREAD | CLONE_VM, NULL, NULL, NULL, NULL), EINVAL);
	EXPECT_ERR(SYS(clone, CLONE_THREAD | CLONE_SIGHAND, NULL, NULL, NULL, NULL), EINVAL);
	EXPECT_ERR(SYS(clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
}

TEST(clone3_refuses_unknown_flags_and_signals)
{
	unsigned long args[11] = {[0] = 1ul << 60};

	EXPECT_ERR(SYS(clone3, args, sizeof(args)), EINVAL);
	args[0] = 0;
	args[4] = 65; /* exit_signal */
	EXPECT_ERR(SYS(clone3, args, sizeof(args)), EINVAL);
	args[4] = SIGCHLD;
	args[5] = 0x1000; /* stack without stack_size */
	EXPECT_ERR(SYS(clone3, args, sizeof(args)), EINVAL);
	args[5] = 0;
	args[6] = 0x1000; /* stack_size without stack */
	EXPECT_ERR(SYS(clone3, args, sizeof(args)), EINVAL);
}

TEST(wait_calls_refuse_unknown_options)
{
	siginfo_t si;
	int status;

	EXPECT_ERR(SYS(wait4, -1, &status, 0x40, NULL), EINVAL);
	EXPECT_ERR(SYS(waitid, P_ALL, 0, &si, 0, NULL), EINVAL);
	EXPECT_ERR(SYS(waitid, P_ALL, 0, &si, WEXITED | 0x40, NULL), EINVAL);
	EXPECT_ERR(SYS(waitid, 77, 0, &si, WEXITED, NULL), EINVAL);
	EXPECT_ERR(SYS(waitid, P_PID, 0, &si, WEXITED, NULL), EINVAL);
	EXPECT_ERR(SYS(waitid, P_PIDFD, -1, &si, WEXITED, NULL), EINVAL);
}

TEST(signal_numbers_out_of_range_are_einval)
{
	static const int bad[] = {-1, 65, 1000, INT_MAX, INT_MIN};
	struct sigaction sa = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_ERR(SYS(kill, getpid(), bad[i]), EINVAL);
		EXPECT_ERR(SYS(tgkill, getpid(), getpid(), bad[i]), EINVAL);
		EXPECT_ERR(SYS(rt_sigaction, bad[i], NULL, NULL, 8), EINVAL);
	}
	EXPECT_ERR(SYS(rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	EXPECT_ERR(SYS(rt_sigaction, SIGKILL, &sa, NULL, 8), EINVAL);
	EXPECT_ERR(SYS(rt_sigaction, SIGSTOP, &sa, NULL, 8), EINVAL);
	EXPECT_EQ(SYS(kill, getpid(), 0), 0);
}

TEST(signal_calls_refuse_unknown_commands)
{
	unsigned long set = 0;
	stack_t ss = {.ss_sp = &set, .ss_size = 1 << 16, .ss_flags = 0x100};

	EXPECT_ERR(SYS(rt_sigprocmask, 99, &set, NULL, 8), EINVAL);
	EXPECT_ERR(SYS(sigaltstack, &ss, NULL), EINVAL);
	ss.ss_flags = 0;
	ss.ss_size = 100;
	EXPECT_ERR(SYS(sigaltstack, &ss, NULL), ENOMEM);
	EXPECT_ERR(SYS(tgkill, -1, getpid(), 0), EINVAL);
	EXPECT_ERR(SYS(tgkill, getpid(), -1, 0), EINVAL);
	EXPECT_ERR(SYS(tkill, 0, SIGUSR1), EINVAL);
}

TEST(futex_refuses_unknown_commands)
{
	int word = 0;

	EXPECT_ERR(SYS(futex, &word, 77, 0, NULL, NULL, 0), ENOSYS);
	EXPECT_ERR(SYS(futex, &word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0), ENOSYS);
}

TEST(clocks_that_do_not_exist_are_einval)
{
	struct timespec ts = {0, 0};
	int id;

	EXPECT_ERR(SYS(clock_gettime, 99, &ts), EINVAL);
	EXPECT_ERR(SYS(clock_getres, 99, &ts), EINVAL);
	EXPECT_ERR(SYS(clock_nanosleep, 99, 0, &ts, NULL), EINVAL);
	EXPECT_ERR(SYS(timer_create, 99, NULL, &id), EINVAL);
	EXPECT_ERR(SYS(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EOPNOTSUPP);
}

TEST(timers_that_do_not_exist_are_einval)
{
	struct itimerspec its = {{0, 0}, {0, 0}};

	EXPECT_ERR(SYS(timer_settime, 12345, 0, &its, NULL), EINVAL);
	EXPECT_ERR(SYS(timer_gettime, -1, &its), EINVAL);
	EXPECT_ERR(SYS(timer_delete, INT_MAX), EINVAL);
	EXPECT_ERR(SYS(timer_getoverrun, 77), EINVAL);
	EXPECT_ERR(SYS(getitimer, 3, &its), EINVAL);
	EXPECT_ERR(SYS(setitimer, -1, &its, NULL), EINVAL);
}

TEST(sockets_of_unknown_kinds_are_refused)
{
	int fd[2];

	EXPECT_ERR(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT_ERR(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT_ERR(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	EXPECT_ERR(socket(AF_UNIX, 15, 0), EINVAL);
	EXPECT_ERR(socket(AF_UNIX, SOCK_STREAM | 0x10000, 0), EINVAL);
	EXPECT_ERR(socket(AF_UNIX, SOCK_STREAM, 77), EPROTONOSUPPORT);
	EXPECT_ERR(socketpair(AF_UNIX, SOCK_STREAM | 0x10000, 0, fd), EINVAL);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	EXPECT_ERR(shutdown(fd[0], 3), EINVAL);
	EXPECT_ERR(SYS(accept4, fd[0], NULL, NULL, 0x10000), EINVAL);
	EXPECT_ERR(setsockopt(fd[0], SOL_SOCKET, 9999, fd, sizeof(int)), ENOPROTOOPT);
	EXPECT_ERR(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, fd, 3), EINVAL);
}

TEST(epoll_ctl_refuses_unknown_operations)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));

	EXPECT_ERR(epoll_ctl(ep, 99, fd, &ev), EINVAL);
	EXPECT_ERR(epoll_ctl(ep, 0, fd, &ev), EINVAL);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), EINVAL);
}

TEST(prctl_refuses_unknown_commands)
{
	EXPECT_ERR(prctl(99999, 0, 0, 0, 0), EINVAL);
	EXPECT_ERR(prctl(-1, 0, 0, 0, 0), EINVAL);
	EXPECT_ERR(prctl(PR_SET_PDEATHSIG, 65, 0, 0, 0), EINVAL);
	EXPECT_ERR(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0), EINVAL);
	EXPECT_ERR(prctl(PR_SET_DUMPABLE, 77, 0, 0, 0), EINVAL);
	EXPECT_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	EXPECT_ERR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	EXPECT_ERR(prctl(PR_SET_SECUREBITS, 0x10000, 0, 0, 0), EPERM);
	EXPECT_ERR(prctl(PR_CAPBSET_READ, 999, 0, 0, 0), EINVAL);
	EXPECT_ERR(SYS(arch_prctl, 0x7777, 0), EINVAL);
}

TEST(resources_that_do_not_exist_are_einval)
{
	struct rlimit lim = {10, 5};
	struct rusage ru;

	EXPECT_ERR(SYS(getrlimit, 16, &lim), EINVAL);
	EXPECT_ERR(SYS(getrlimit, -1, &lim), EINVAL);
	EXPECT_ERR(SYS(prlimit64, 0, 99, NULL, &lim), EINVAL);
	EXPECT_ERR(SYS(getrusage, 77, &ru), EINVAL);
	lim = (struct rlimit){10, 5};
	EXPECT_ERR(SYS(setrlimit, RLIMIT_NOFILE, &lim), EINVAL);
}

TEST(priorities_and_policies_out_of_range_are_einval)
{
	struct sched_param param = {.sched_priority = 1};

	EXPECT_ERR(SYS(getpriority, 7, 0), EINVAL);
	EXPECT_ERR(SYS(setpriority, 7, 0, 0), EINVAL);
	EXPECT_ERR(SYS(sched_setscheduler, 0, 77, &param), EINVAL);
	EXPECT_ERR(SYS(sched_setscheduler, 0, SCHED_OTHER, &param), EINVAL);
	param.sched_priority = 0;
	EXPECT_ERR(SYS(sched_setscheduler, 0, SCHED_FIFO, &param), EINVAL);
	EXPECT_ERR(SYS(sched_setscheduler, -1, SCHED_OTHER, &param), EINVAL);
	EXPECT_ERR(SYS(sched_get_priority_max, 77), EINVAL);
	EXPECT_ERR(SYS(sched_get_priority_min, -1), EINVAL);
}

TEST(getrandom_refuses_unknown_flags)
{
	char buf[8];

	EXPECT_ERR(SYS(getrandom, buf, 8, 0x100), EINVAL);
	EXPECT_ERR(SYS(getrandom, buf, 8, GRND_RANDOM | GRND_INSECURE), EINVAL);
}

TEST(system_calls_that_do_not_exist_are_enosys)
{
	static const long nr[] = {1000, 5000, 100000, INT_MAX, -2, -1, 0x40000000l + 39};

	for (size_t i = 0; i < sizeof(nr) / sizeof(*nr); i++) {
		long r;

		__asm__ volatile("syscall" : "=a"(r) : "a"(nr[i]) : "rcx", "r11", "memory");
		EXPECT_EQ(r, -ENOSYS);
	}
}

TEST(upper_half_of_the_call_number_is_ignored)
{
	long r, nr = SYS_getpid | 1l << 32;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr) : "rcx", "r11", "memory");
	CHECK_EQ(r, getpid());
}
