/* Bad pointers in the calls about tasks, identities, limits, signals and time. */
#include "hostile.h"

#include <asm/prctl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>

static pid_t dead_child(void)
{
	pid_t pid = SPAWN();

	MUST(waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT));
	return pid;
}

static char mine[8];
static const struct iovec good = {mine, sizeof(mine)};

/* ---- tasks ---- */
BAD_OUT(wait4_with_bad_status, SYS(wait4, dead_child(), p, 0, NULL))
BAD_OUT(wait4_with_bad_rusage, ({
		int status;
		SYS(wait4, dead_child(), &status, 0, p);
	}))
BAD_OUT(waitid_with_bad_info, SYS(waitid, P_PID, dead_child(), p, WEXITED, NULL))
BAD_IN(clone3_with_bad_arguments, SYS(clone3, p, 88))
BAD_OUT(clone_with_bad_pidfd_word, SYS(clone, CLONE_PIDFD | SIGCHLD, NULL, p, NULL, NULL))
BAD_IN(execve_with_bad_argv, SYS(execve, "/bin/true", p, NULL))
BAD_IN(execve_with_bad_envp, ({
	       char *argv[] = {"true", NULL};
	       SYS(execve, "/bin/true", argv, p);
       }))
BAD_IN(execve_with_bad_argument_string, ({
	       char *argv[] = {"true", p, NULL};
	       SYS(execve, "/bin/true", argv, NULL);
       }))
BAD_IN(process_vm_readv_with_bad_local_vector, SYS(process_vm_readv, getpid(), p, 1, &good, 1, 0))
BAD_IN(process_vm_readv_with_bad_remote_vector, SYS(process_vm_readv, getpid(), &good, 1, p, 1, 0))
BAD_STREAM(process_vm_readv_to_bad_memory, , ({
		   struct iovec bad = {p, 8};
		   SYS(process_vm_readv, getpid(), &bad, 1, &good, 1, 0);
	   }))
BAD_WORD(process_vm_readv_from_bad_memory, , ({
		 struct iovec bad = {p, 8};
		 SYS(process_vm_readv, getpid(), &good, 1, &bad, 1, 0);
	 }))
BAD_WORD(process_vm_writev_from_bad_memory, , ({
		 struct iovec bad = {p, 8};
		 SYS(process_vm_writev, getpid(), &bad, 1, &good, 1, 0);
	 }))
BAD_STREAM(process_vm_writev_to_bad_memory, , ({
		   struct iovec bad = {p, 8};
		   SYS(process_vm_writev, getpid(), &good, 1, &bad, 1, 0);
	   }))
BAD_OUT(getrusage_to_bad_buffer, SYS(getrusage, RUSAGE_SELF, p))
BAD_OUT(times_to_bad_buffer, SYS(times, p))
BAD_OUT(getrlimit_to_bad_buffer, SYS(getrlimit, RLIMIT_NOFILE, p))
BAD_IN(setrlimit_from_bad_buffer, SYS(setrlimit, RLIMIT_NOFILE, p))
BAD_OUT(prlimit64_to_bad_buffer, SYS(prlimit64, 0, RLIMIT_NOFILE, NULL, p))
BAD_IN(prlimit64_from_bad_buffer, SYS(prlimit64, 0, RLIMIT_NOFILE, p, NULL))
BAD_OUT(uname_to_bad_buffer, SYS(uname, p))
BAD_OUT(sysinfo_to_bad_buffer, SYS(sysinfo, p))
BAD_OUT(getcpu_to_bad_word, SYS(getcpu, p, NULL, NULL))
BAD_STREAM(getrandom_to_bad_buffer, , SYS(getrandom, p, 16, 0))
BAD_OUT(getresuid_to_bad_word, ({
		uid_t u;
		SYS(getresuid, &u, p, &u);
	}))
BAD_OUT(getresgid_to_bad_word, ({
		gid_t g;
		SYS(getresgid, p, &g, &g);
	}))
BAD_OUT(capget_to_bad_data, ({
		struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
		SYS(capget, &h, p);
	}))
BAD_IN(capset_from_bad_data, ({
	       struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	       SYS(capset, &h, p);
       }))
BAD_IN(capget_with_bad_header, SYS(capget, p, NULL))
BAD_IN(prctl_set_name_from_bad_string, SYS(prctl, PR_SET_NAME, p))
BAD_OUT(prctl_get_name_to_bad_buffer, SYS(prctl, PR_GET_NAME, p))
BAD_OUT(prctl_get_pdeathsig_to_bad_word, SYS(prctl, PR_GET_PDEATHSIG, p))
BAD_OUT(prctl_get_subreaper_to_bad_word, SYS(prctl, PR_GET_CHILD_SUBREAPER, p))
BAD_OUT(arch_prctl_get_fs_to_bad_word, SYS(arch_prctl, ARCH_GET_FS, p))
BAD_OUT(sched_getaffinity_to_bad_mask, SYS(sched_getaffinity, 0, 128, p))
BAD_IN(sched_setaffinity_from_bad_mask, SYS(sched_setaffinity, 0, 128, p))
BAD_OUT(sched_getparam_to_bad_buffer, SYS(sched_getparam, 0, p))
BAD_IN(sched_setscheduler_from_bad_buffer, SYS(sched_setscheduler, 0, SCHED_OTHER, p))
BAD_OUT(get_robust_list_to_bad_word, ({
		size_t len;
		SYS(get_robust_list, 0, p, &len);
	}))

/* ---- signals ---- */
BAD_IN(rt_sigaction_from_bad_buffer, SYS(rt_sigaction, SIGUSR1, p, NULL, 8))
BAD_OUT(rt_sigaction_to_bad_buffer, SYS(rt_sigaction, SIGUSR1, NULL, p, 8))
BAD_IN(rt_sigprocmask_from_bad_set, SYS(rt_sigprocmask, SIG_BLOCK, p, NULL, 8))
BAD_OUT(rt_sigprocmask_to_bad_set, SYS(rt_sigprocmask, SIG_BLOCK, NULL, p, 8))
BAD_OUT(rt_sigpending_to_bad_set, SYS(rt_sigpending, p, 8))
BAD_IN(rt_sigsuspend_with_bad_set, SYS(rt_sigsuspend, p, 8))
BAD_IN(rt_sigtimedwait_with_bad_set, SYS(rt_sigtimedwait, p, NULL, NULL, 8))
BAD_IN(rt_sigtimedwait_with_bad_timeout, ({
	       unsigned long set = 1ul << (SIGUSR1 - 1);
	       SYS(rt_sigtimedwait, &set, NULL, p, 8);
       }))
BAD_OUT_WITH(rt_sigtimedwait_to_bad_info, t_block(SIGUSR1), ({
		     unsigned long set = 1ul << (SIGUSR1 - 1);
		     raise(SIGUSR1);
		     SYS(rt_sigtimedwait, &set, p, NULL, 8);
	     }))
BAD_IN(rt_sigqueueinfo_from_bad_info, SYS(rt_sigqueueinfo, getpid(), SIGUSR1, p))
BAD_IN(sigaltstack_from_bad_buffer, SYS(sigaltstack, p, NULL))
BAD_OUT(sigaltstack_to_bad_buffer, SYS(sigaltstack, NULL, p))
BAD_IN(signalfd4_with_bad_mask, SYS(signalfd4, -1, p, 8, 0))

/* ---- time ---- */
BAD_OUT(clock_gettime_to_bad_buffer, SYS(clock_gettime, CLOCK_MONOTONIC, p))
BAD_OUT(clock_getres_to_bad_buffer, SYS(clock_getres, CLOCK_MONOTONIC, p))
BAD_OUT(gettimeofday_to_bad_buffer, SYS(gettimeofday, p, NULL))
BAD_OUT(time_to_bad_word, SYS(time, p))
BAD_IN(nanosleep_with_bad_request, SYS(nanosleep, p, NULL))
BAD_IN(clock_nanosleep_with_bad_request, SYS(clock_nanosleep, CLOCK_MONOTONIC, 0, p, NULL))
BAD_OUT(getitimer_to_bad_buffer, SYS(getitimer, ITIMER_REAL, p))
BAD_IN(setitimer_from_bad_buffer, SYS(setitimer, ITIMER_REAL, p, NULL))
BAD_IN(timer_create_with_bad_sigevent, ({
	       int id;
	       SYS(timer_create, CLOCK_MONOTONIC, p, &id);
       }))
BAD_OUT(timer_create_to_bad_id, SYS(timer_create, CLOCK_MONOTONIC, NULL, p))
BAD_IN_WITH(timer_settime_from_bad_value, int id;
	    MUST(SYS(timer_create, CLOCK_MONOTONIC, NULL, &id)), SYS(timer_settime, id, 0, p, NULL))
BAD_OUT_WITH(timer_gettime_to_bad_value, int id;
	     MUST(SYS(timer_create, CLOCK_MONOTONIC, NULL, &id)), SYS(timer_gettime, id, p))
BAD_IN_WITH(timerfd_settime_from_bad_value, int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0)),
	    SYS(timerfd_settime, fd, 0, p, NULL))
BAD_OUT_WITH(timerfd_gettime_to_bad_value, int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0)),
	     SYS(timerfd_gettime, fd, p))

/* ---- what must not be looked at ---- */
TEST(pointers_that_mean_none_are_not_touched)
{
	EXPECT_EQ(SYS(rt_sigaction, SIGUSR1, NULL, NULL, 8), 0);
	EXPECT_EQ(SYS(rt_sigprocmask, SIG_BLOCK, NULL, NULL, 8), 0);
	EXPECT_EQ(SYS(sigaltstack, NULL, NULL), 0);
	EXPECT_EQ(SYS(clock_getres, CLOCK_MONOTONIC, NULL), 0);
	EXPECT_EQ(SYS(prlimit64, 0, RLIMIT_NOFILE, NULL, NULL), 0);
	EXPECT_EQ(SYS(getcpu, NULL, NULL, NULL), 0);
	EXPECT(SYS(time, NULL) > 0);
	EXPECT(SYS(times, NULL) != -1);
	EXPECT_EQ(SYS(wait4, dead_child(), NULL, 0, NULL) > 0, 1);
}

TEST(child_with_a_bad_status_pointer_is_reaped_all_the_same)
{
	pid_t pid = dead_child();

	CHECK_ERR(SYS(wait4, pid, 8ul, 0, NULL), EFAULT);
	CHECK_ERR(SYS(wait4, pid, NULL, 0, NULL), ECHILD);
}

TEST(bad_parent_tid_word_does_not_stop_a_clone)
{
	long pid = SYS(clone, CLONE_PARENT_SETTID | SIGCHLD, NULL, 8ul, NULL, NULL);

	if (pid == 0)
		_exit(5);
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 5);
}

TEST(bad_clear_tid_word_does_not_stop_an_exit)
{
	CHECK_EXITED(IN_CHILD({
			     SYS(set_tid_address, 8ul);
			     _exit(6);
		     }),
		     6);
	CHECK_EXITED(IN_CHILD({
			     SYS(set_tid_address, 0xffff800000000000ul);
			     _exit(7);
		     }),
		     7);
}

TEST(bad_robust_list_does_not_stop_an_exit)
{
	static const unsigned long heads[] = {8, 0x7fffffffe000, 0x800000000000, -4096ul};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		CHECK_EXITED(IN_CHILD({
				     MUST(SYS(set_robust_list, heads[i], 24));
				     _exit(8);
			     }),
			     8);
}

TEST(robust_list_that_is_a_loop_does_not_stop_an_exit)
{
	CHECK_EXITED(IN_CHILD({
			     struct {
				     void *next;
				     long off;
				     void *pending;
			     } head, node = {&node, 0, NULL};
			     head.next = &node;
			     head.off = 64;
			     head.pending = NULL;
			     MUST(SYS(set_robust_list, &head, 24));
			     _exit(9);
		     }),
		     9);
}

TEST(sigreturn_from_a_bad_stack_is_sigsegv)
{
	static const unsigned long stacks[] = {8, 0x7fffffffe000, 0x800000000000, -4096ul};

	for (size_t i = 0; i < sizeof(stacks) / sizeof(*stacks); i++)
		CHECK_KILLED(
			IN_CHILD({
				__asm__ volatile(
					"mov %0, %%rsp; mov $15, %%eax; syscall" ::"r"(stacks[i])
					: "memory");
			}),
			SIGSEGV);
}

TEST(sigreturn_from_a_frame_of_garbage_is_death_by_signal)
{
	CHECK_KILLED(IN_CHILD({
			     static char junk[8192] __attribute__((aligned(64)));
			     memset(junk, 0x41, sizeof(junk));
			     __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" ::"r"(junk)
					      : "memory");
		     }),
		     SIGSEGV);
}
