/*
 * fork: what a child shares with its parent, what it copies, and what it does not get.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <pthread.h>
#include <sys/times.h>

TEST(fork_gives_the_child_a_new_pid_and_its_parent)
{
	pid_t *seen = t_shared(4096), me = getpid();
	pid_t pid = SPAWN({
		seen[0] = getpid();
		seen[1] = getppid();
		seen[2] = (pid_t)syscall(SYS_gettid);
	});

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(seen[0], pid);
	CHECK_EQ(seen[1], me);
	CHECK_EQ(seen[2], pid);
	CHECK(pid != me);
}

TEST(private_memory_of_child_and_parent_are_apart)
{
	static volatile int word = 1;
	volatile int on_stack = 1, *heap = malloc(sizeof(int));
	struct t_gate changed = t_gate(), go = t_gate();

	*heap = 1;
	pid_t pid = SPAWN({
		word = on_stack = *heap = 2;
		t_gate_open(&changed);
		t_gate_pass(&go);
		CHECK(word == 2 && on_stack == 2 && *heap == 2);
	});
	t_gate_pass(&changed);
	CHECK(word == 1 && on_stack == 1 && *heap == 1);
	word = on_stack = *heap = 3;
	t_gate_open(&go);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(shared_memory_is_one_after_fork)
{
	volatile int *word = t_shared(4096);

	CHECK_EXITED(IN_CHILD(*word = 42), 0);
	CHECK_EQ(*word, 42);
}

TEST(file_position_is_shared_after_fork)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	CHECK_EXITED(IN_CHILD(CHECK(write(fd, "child", 5) == 5)), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(write(fd, "parent", 6), 6);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 11);
}

TEST(closing_in_the_child_leaves_the_parents_descriptor_open)
{
	int fd = MUST(dup(0));

	CHECK_EXITED(IN_CHILD(MUST(close(fd))), 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK_EXITED(IN_CHILD(CHECK(fcntl(fd, F_GETFD) >= 0)), 0);
}

TEST(descriptor_flags_are_copied_by_fork)
{
	int fd = MUST(open("/dev/null", O_RDWR | O_CLOEXEC));

	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
			     MUST(fcntl(fd, F_SETFD, 0));
		     }),
		     0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(child_starts_without_pending_signals_and_alarms)
{
	t_block(SIGUSR1);
	raise(SIGUSR1);
	alarm(100);
	CHECK_EXITED(IN_CHILD({
			     sigset_t set;
			     MUST(sigpending(&set));
			     CHECK(!sigismember(&set, SIGUSR1));
			     CHECK_EQ(alarm(0), 0);
		     }),
		     0);
	CHECK(alarm(0) > 0);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(signal_mask_and_handlers_are_inherited)
{
	t_block(SIGUSR2);
	t_handle(SIGUSR1, nothing);
	signal(SIGHUP, SIG_IGN);
	CHECK_EXITED(IN_CHILD({
			     struct sigaction sa;
			     sigset_t set;
			     MUST(sigprocmask(SIG_BLOCK, NULL, &set));
			     CHECK(sigismember(&set, SIGUSR2));
			     MUST(sigaction(SIGUSR1, NULL, &sa));
			     CHECK(sa.sa_handler == nothing);
			     MUST(sigaction(SIGHUP, NULL, &sa));
			     CHECK(sa.sa_handler == SIG_IGN);
			     signal(SIGHUP, SIG_DFL);
		     }),
		     0);
	CHECK(signal(SIGHUP, SIG_DFL) == SIG_IGN);
}

TEST(cwd_and_umask_are_copied_by_fork)
{
	char cwd[64];

	t_cd_tmpdir();
	umask(027);
	CHECK_EXITED(IN_CHILD({
			     CHECK(getcwd(cwd, sizeof(cwd)));
			     CHECK_STR(cwd, t_tmpdir());
			     CHECK_EQ(umask(0), 027);
			     MUST(chdir("/"));
		     }),
		     0);
	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK_STR(cwd, t_tmpdir());
	CHECK_EQ(umask(022), 027);
}

TEST(group_session_and_limits_are_inherited)
{
	struct rlimit lim = {100, 200}, got;
	pid_t pgrp = getpgrp(), sid = getsid(0);

	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(getpgrp(), pgrp);
			     CHECK_EQ(getsid(0), sid);
			     MUST(getrlimit(RLIMIT_NOFILE, &got));
			     CHECK(got.rlim_cur == 100 && got.rlim_max == 200);
		     }),
		     0);
}

TEST(times_of_children_start_at_zero)
{
	CHECK_EXITED(IN_CHILD(for (volatile int i = 0; i < 30000000; i++)), 0);
	CHECK_EXITED(IN_CHILD({
			     struct tms t;
			     CHECK(times(&t) != -1);
			     CHECK_EQ(t.tms_cutime, 0);
			     CHECK_EQ(t.tms_cstime, 0);
		     }),
		     0);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int count_tasks(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

TEST(only_the_calling_thread_lives_in_the_child)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
	CHECK_EQ(count_tasks(), 4);
	CHECK_EXITED(IN_CHILD(CHECK_EQ(count_tasks(), 1)), 0);
}

static void *fork_in_thread(void *arg)
{
	volatile int mine = 7;

	CHECK_EXITED(IN_CHILD({
			     CHECK(mine == 7);
			     CHECK_EQ(syscall(SYS_gettid), getpid());
		     }),
		     0);
	return arg;
}

TEST(thread_that_is_not_the_leader_can_fork)
{
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, fork_in_thread, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(two_hundred_children_all_report)
{
	pid_t pid[200];

	for (int i = 0; i < 200; i++)
		pid[i] = SPAWN(_exit(i));
	for (int i = 0; i < 200; i++)
		CHECK_EXITED(t_wait(pid[i]), i);
	CHECK_ERR(wait(NULL), ECHILD);
}

static int descend(int depth)
{
	int status;

	if (depth == 0)
		return 0;
	status = IN_CHILD(_exit(descend(depth - 1) + 1));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

TEST(forks_nest_thirty_deep)
{
	CHECK_EQ(descend(30), 30);
}

TEST(process_limit_of_an_ordinary_user_stops_fork)
{
	struct rlimit lim = {1, 1};

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_NPROC, &lim));
	CHECK_ERR(fork(), EAGAIN);
}

TEST(floating_point_control_is_inherited)
{
	unsigned int mxcsr = 0x1f80 | 0x6000; /* round towards zero */
	unsigned short cw = 0x0f7f;

	__asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(mxcsr), "m"(cw));
	CHECK_EXITED(IN_CHILD({
			     unsigned int m;
			     unsigned short c;
			     __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(m), "=m"(c));
			     CHECK_EQ(m & 0x6000, 0x6000);
			     CHECK_EQ(c, cw);
		     }),
		     0);
}

TEST(vector_registers_survive_fork_in_both)
{
	unsigned long long in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2];
	long pid;

	__asm__ volatile("movdqu %2, %%xmm9; mov $57, %%eax; syscall; movdqu %%xmm9, %1"
			 : "=a"(pid), "=m"(out)
			 : "m"(in)
			 : "rcx", "r11", "xmm9", "memory");
	if (pid == 0)
		_exit(memcmp(in, out, sizeof(in)) ? 1 : 0);
	CHECK(pid > 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_EXITED(t_wait((pid_t)pid), 0);
}
