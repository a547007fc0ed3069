/* clone3: the arguments in a structure, and what only it can do. */
#include "t.h"

#include <linux/sched.h>

static long do_clone3(struct clone_args *args)
{
	return syscall(SYS_clone3, args, sizeof(*args));
}

TEST(clone3_forks)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	long pid = do_clone3(&args);

	if (pid == 0)
		_exit(5);
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 5);
}

TEST(clone3_first_version_of_the_structure_works)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, 64);

	if (pid == 0)
		_exit(6);
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 6);
}

TEST(clone3_gives_pidfd_and_tids)
{
	int fd = -1;
	pid_t parent_tid = 0;
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
				  .exit_signal = SIGCHLD,
				  .pidfd = (uintptr_t)&fd,
				  .parent_tid = (uintptr_t)&parent_tid};
	long pid = do_clone3(&args);
	siginfo_t si;

	if (pid == 0)
		_exit(7);
	CHECK(pid > 0);
	CHECK_EQ(parent_tid, pid);
	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	CHECK_EQ(si.si_status, 7);
}

TEST(clone3_pidfd_may_be_combined_with_parent_settid_unlike_clone)
{
	pid_t word = 0;

	CHECK_ERR(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, &word, NULL,
			  NULL),
		  EINVAL);
}

TEST(pidfd_and_tid_in_the_same_place_are_einval)
{
	int word;
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
				  .exit_signal = SIGCHLD,
				  .pidfd = (uintptr_t)&word,
				  .parent_tid = (uintptr_t)&word};
	long pid = do_clone3(&args);

	if (pid == 0)
		_exit(0);
	CHECK_EQ(pid, -1);
	CHECK_EQ(errno, EINVAL);
}

TEST(cgroup_without_its_flag_is_ignored)
{
	struct clone_args args = {.exit_signal = SIGCHLD, .cgroup = 4711};
	long pid = do_clone3(&args);

	if (pid == 0)
		_exit(5);
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 5);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(clear_sighand_resets_handlers_but_not_ignored_signals)
{
	struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	long pid;

	t_handle(SIGUSR1, nothing);
	signal(SIGUSR2, SIG_IGN);
	pid = do_clone3(&args);
	if (pid == 0) {
		struct sigaction one, two;

		sigaction(SIGUSR1, NULL, &one);
		sigaction(SIGUSR2, NULL, &two);
		_exit(one.sa_handler == SIG_DFL && two.sa_handler == SIG_IGN ? 0 : 1);
	}
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 0);
}

TEST(clear_sighand_with_shared_handlers_is_einval)
{
	struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM,
				  .exit_signal = SIGCHLD};

	CHECK_ERR(do_clone3(&args), EINVAL);
}

TEST(thread_with_an_exit_signal_is_einval)
{
	struct clone_args args = {.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM,
				  .exit_signal = SIGCHLD};

	CHECK_ERR(do_clone3(&args), EINVAL);
}

TEST(clone3_takes_a_stack_by_its_lowest_address)
{
	char *stack =
		MUST(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	static struct clone_args args;
	long pid, sp;

	args = (struct clone_args){
		.exit_signal = SIGCHLD, .stack = (uintptr_t)stack, .stack_size = 65536};
	/* In the child: exit(rsp == stack + size ? 8 : 9), without using that stack. */
	__asm__ volatile("mov %[top], %%r8; mov $435, %%eax; syscall; test %%eax, %%eax; jnz 1f\n"
			 "mov $9, %%edi; mov $8, %%ecx; cmp %%r8, %%rsp; cmove %%ecx, %%edi\n"
			 "mov $231, %%eax; syscall; hlt; 1:"
			 : "=a"(pid), "=&d"(sp)
			 : [top] "r"(stack + 65536), "D"(&args), "S"(sizeof(args))
			 : "rcx", "r8", "r11", "memory");
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 8);
}
