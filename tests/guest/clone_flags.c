/* clone: each flag shares one thing; without it, the thing is copied. */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

#define STACK (64 << 10)

static void *stack_top(void)
{
	char *stack =
		MUST(mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	return stack + STACK;
}

static volatile int word;

static int set_word(void *arg)
{
	(void)arg;
	word = 5;
	return 1;
}

TEST(clone_vm_shares_memory)
{
	pid_t pid = MUST(clone(set_word, stack_top(), CLONE_VM | SIGCHLD, NULL));

	CHECK_EXITED(t_wait(pid), 1);
	CHECK_EQ(word, 5);
}

TEST(clone_without_vm_copies_memory)
{
	pid_t pid = MUST(clone(set_word, stack_top(), SIGCHLD, NULL));

	CHECK_EXITED(t_wait(pid), 1);
	CHECK_EQ(word, 0);
}

static int map_page(void *arg)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(char **)arg = p;
	*p = 'm';
	return 0;
}

TEST(clone_vm_shares_mappings_made_later)
{
	char *p = NULL;
	pid_t pid = MUST(clone(map_page, stack_top(), CLONE_VM | SIGCHLD, &p));

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(*p, 'm');
	MUST(munmap(p, 4096));
}

static int open_descriptor(void *arg)
{
	*(int *)arg = open("/dev/null", O_RDWR);
	return 0;
}

TEST(clone_files_shares_the_descriptor_table)
{
	int *fd = t_shared(4096);
	pid_t pid = MUST(clone(open_descriptor, stack_top(), CLONE_FILES | SIGCHLD, fd));

	CHECK_EXITED(t_wait(pid), 0);
	CHECK(fcntl(*fd, F_GETFD) >= 0);
	pid = MUST(clone(open_descriptor, stack_top(), SIGCHLD, fd));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_ERR(fcntl(*fd, F_GETFD), EBADF);
}

static int change_dir(void *arg)
{
	(void)arg;
	umask(0123);
	return chdir("/tmp");
}

TEST(clone_fs_shares_cwd_and_umask)
{
	char cwd[64];
	pid_t pid;

	MUST(chdir("/"));
	pid = MUST(clone(change_dir, stack_top(), SIGCHLD, NULL));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_STR(getcwd(cwd, sizeof(cwd)), "/");
	pid = MUST(clone(change_dir, stack_top(), CLONE_FS | SIGCHLD, NULL));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_STR(getcwd(cwd, sizeof(cwd)), "/tmp");
	CHECK_EQ(umask(022), 0123);
}

static int ignore_usr1(void *arg)
{
	(void)arg;
	signal(SIGUSR1, SIG_IGN);
	return 0;
}

TEST(clone_sighand_shares_handlers)
{
	pid_t pid = MUST(clone(ignore_usr1, stack_top(), CLONE_VM | SIGCHLD, NULL));

	CHECK_EXITED(t_wait(pid), 0);
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_DFL);
	pid = MUST(clone(ignore_usr1, stack_top(), CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
}

static int report_parent(void *arg)
{
	*(pid_t *)arg = getppid();
	return 7;
}

TEST(clone_parent_makes_a_sibling)
{
	pid_t *ppid = t_shared(4096), *sibling = ppid + 1;

	CHECK_EXITED(IN_CHILD({
			     *sibling = MUST(clone(report_parent, stack_top(),
						   CLONE_PARENT | SIGCHLD, ppid));
			     CHECK_ERR(waitpid(*sibling, NULL, 0), ECHILD);
		     }),
		     0);
	CHECK_EXITED(t_wait(*sibling), 7);
	CHECK_EQ(*ppid, getpid());
}

static int return_zero(void *arg)
{
	(void)arg;
	return 0;
}

TEST(parent_settid_is_written_before_clone_returns)
{
	pid_t tid = 0;
	pid_t pid =
		MUST(clone(return_zero, stack_top(), CLONE_PARENT_SETTID | SIGCHLD, NULL, &tid));

	CHECK_EQ(tid, pid);
	CHECK_EXITED(t_wait(pid), 0);
}

static pid_t child_tid;

static int compare_tid(void *arg)
{
	(void)arg;
	return child_tid == getpid() ? 0 : 1;
}

TEST(child_settid_is_written_in_the_childs_memory)
{
	pid_t pid = MUST(clone(compare_tid, stack_top(), CLONE_CHILD_SETTID | SIGCHLD, NULL, NULL,
			       NULL, &child_tid));

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(child_tid, 0); /* the parent's copy */
}

TEST(child_cleartid_clears_and_wakes)
{
	static volatile pid_t tid = 1;
	pid_t pid = MUST(clone(return_zero, stack_top(), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
			       NULL, NULL, NULL, &tid));

	while (tid == 1)
		syscall(SYS_futex, &tid, FUTEX_WAIT, 1, NULL, NULL, 0);
	CHECK_EQ(tid, 0);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(clone_pidfd_gives_a_descriptor_of_the_child)
{
	int fd = -1;
	siginfo_t si;
	pid_t pid = MUST(clone(return_zero, stack_top(), CLONE_PIDFD | SIGCHLD, NULL, &fd));

	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	CHECK_EQ(si.si_pid, pid);
}

static int set_and_exit(void *arg)
{
	t_sleep_ms(20);
	*(volatile int *)arg = 9;
	return 0;
}

TEST(clone_vfork_waits_for_the_child)
{
	volatile int *done = t_shared(4096);
	pid_t pid = MUST(clone(set_and_exit, stack_top(), CLONE_VFORK | SIGCHLD, (void *)done));

	CHECK_EQ(*done, 9);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(exit_signal_is_what_the_clone_says)
{
	siginfo_t si;
	sigset_t set;
	pid_t pid;

	t_block(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pid = MUST(clone(return_zero, stack_top(), SIGUSR1, NULL));
	CHECK_EQ(sigwaitinfo(&set, &si), SIGUSR1);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(waitpid(pid, NULL, __WALL), pid);
}

TEST(exit_signal_that_is_no_signal_is_taken_and_not_sent)
{
	for (int sig = 65; sig < 256; sig += 95) {
		pid_t pid = (pid_t)MUST(syscall(SYS_clone, sig, NULL, NULL, NULL, NULL));
		int status;

		if (!pid)
			_exit(3);
		CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
		CHECK_EXITED(status, 3);
	}
}

TEST(clone_io_and_sysvsem_are_taken)
{
	pid_t pid = MUST(clone(return_zero, stack_top(), CLONE_IO | SIGCHLD, NULL));

	CHECK_EXITED(t_wait(pid), 0);
}

static int exit_thread(void *arg)
{
	(void)arg;
	syscall(SYS_exit, 3);
	return 0;
}

TEST(thread_is_no_child_and_sends_no_signal)
{
	static volatile pid_t tid = 1;
	sigset_t set;
	int flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID;

	t_block(SIGCHLD);
	MUST(clone(exit_thread, stack_top(), flags, NULL, NULL, NULL, &tid));
	while (tid == 1)
		syscall(SYS_futex, &tid, FUTEX_WAIT, 1, NULL, NULL, 0);
	CHECK_ERR(waitpid(-1, NULL, __WALL), ECHILD);
	MUST(sigpending(&set));
	CHECK(!sigismember(&set, SIGCHLD));
}

TEST(clone_with_a_stack_in_a_hole_kills_only_the_child)
{
	char *hole = MUST(mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	long pid;

	/* The child returns from the call on that stack and pushes. */
	__asm__ volatile("mov $56, %%eax; syscall; test %%eax, %%eax; jnz 1f; push %%rax; 1:"
			 : "=a"(pid)
			 : "D"((long)SIGCHLD), "S"(hole + 2 * 4096), "d"(0)
			 : "rcx", "r11", "memory");
	CHECK(pid > 0);
	CHECK_KILLED(t_wait((pid_t)pid), SIGSEGV);
}

static long fork_with_tls(unsigned long tls)
{
	long pid = syscall(SYS_clone, CLONE_SETTLS | SIGCHLD, NULL, NULL, NULL, tls);

	if (!pid)
		syscall(SYS_exit_group, 0);
	return pid;
}

TEST(thread_pointer_beyond_user_memory_is_eperm)
{
	CHECK_ERR(fork_with_tls((1ul << 47) - 4096), EPERM);
	CHECK_ERR(fork_with_tls(1ul << 47), EPERM);
	CHECK_ERR(fork_with_tls(~0ul), EPERM);
}
