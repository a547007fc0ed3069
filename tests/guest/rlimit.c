/* Resource limits: reading, setting, inheriting, enforcing. */
#include "t.h"

#include <pthread.h>

static struct rlimit get(int what)
{
	struct rlimit lim;

	MUST(getrlimit(what, &lim));
	return lim;
}

TEST(soft_limit_can_go_up_to_the_hard_one)
{
	struct rlimit lim = {100, 200};

	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = 200;
	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = 50;
	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	CHECK(get(RLIMIT_NOFILE).rlim_cur == 50 && get(RLIMIT_NOFILE).rlim_max == 200);
	lim.rlim_cur = 201;
	CHECK_ERR(setrlimit(RLIMIT_NOFILE, &lim), EINVAL);
}

TEST(ordinary_user_cannot_raise_the_hard_limit)
{
	struct rlimit lim = {100, 200};

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_max = 201;
	CHECK_ERR(setrlimit(RLIMIT_NOFILE, &lim), EPERM);
	lim.rlim_max = 150;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

TEST(every_resource_can_be_read)
{
	struct rlimit lim;

	for (int i = 0; i < 16; i++) {
		CHECK_EQ(getrlimit(i, &lim), 0);
		CHECK(lim.rlim_cur <= lim.rlim_max);
	}
	CHECK_ERR(getrlimit(16, &lim), EINVAL);
}

HELPER(nofile)
{
	struct rlimit lim;

	return getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur == 77 ? 0 : 1;
}

TEST(limits_survive_fork_and_exec)
{
	struct rlimit lim = {77, 80};

	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("nofile")), 0);
}

TEST(prlimit_reads_the_old_and_sets_the_new)
{
	struct rlimit new = {60, 70}, old;

	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 200}));
	MUST(prlimit(0, RLIMIT_NOFILE, &new, &old));
	CHECK(old.rlim_cur == 100 && old.rlim_max == 200);
	MUST(prlimit(getpid(), RLIMIT_NOFILE, NULL, &old));
	CHECK(old.rlim_cur == 60 && old.rlim_max == 70);
}

TEST(prlimit_of_a_child)
{
	struct rlimit new = {33, 44};
	struct t_gate go = t_gate();
	pid_t pid = SPAWN({
		t_gate_pass(&go);
		CHECK(get(RLIMIT_NOFILE).rlim_cur == 33 && get(RLIMIT_NOFILE).rlim_max == 44);
	});

	MUST(prlimit(pid, RLIMIT_NOFILE, &new, NULL));
	t_gate_open(&go);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_ERR(prlimit(INT_MAX, RLIMIT_NOFILE, NULL, &new), ESRCH);
}

TEST(prlimit_of_another_users_process_is_eperm)
{
	struct rlimit lim;

	if (!t_is_root())
		SKIP("needs root to have a process of another user");
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(prlimit(pid, RLIMIT_NOFILE, NULL, &lim), EPERM);
		     }),
		     0);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(open_files_above_a_lowered_limit_stay_open)
{
	int fd = MUST(dup2(0, 90));

	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){20, 1000}));
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK_ERR(fcntl(0, F_DUPFD, 20), EINVAL);
	CHECK_ERR(dup2(0, 20), EBADF);
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){200, 1000}));
	CHECK_EQ(dup2(0, 100), 100);
}

static __attribute__((noinline)) int depth_of_stack(int n)
{
	volatile char page[4096];

	page[0] = (char)n;
	return n == 0 ? page[0] : depth_of_stack(n - 1) + page[0];
}

TEST(stack_limit_can_be_raised_while_running)
{
	struct rlimit lim = get(RLIMIT_STACK);

	lim.rlim_cur = 4 << 20;
	MUST(setrlimit(RLIMIT_STACK, &lim));
	CHECK_KILLED(IN_CHILD(_exit(depth_of_stack(1500) & 1)), SIGSEGV);
	lim.rlim_cur = 16 << 20;
	if (lim.rlim_max >= lim.rlim_cur) {
		MUST(setrlimit(RLIMIT_STACK, &lim));
		CHECK(WIFEXITED(IN_CHILD(_exit(depth_of_stack(1500) & 1))));
	}
}

TEST(infinite_limits_are_all_ones)
{
	struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};

	CHECK_EQ(RLIM_INFINITY, ~0ul);
	if (get(RLIMIT_FSIZE).rlim_max == RLIM_INFINITY)
		CHECK_EQ(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

TEST(limits_file_in_proc_agrees)
{
	const char *line;
	unsigned long soft, hard;

	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){123, 456}));
	line = strstr(t_read_file("/proc/self/limits"), "Max open files");
	CHECK(line);
	CHECK_EQ(sscanf(line, "Max open files %lu %lu files", &soft, &hard), 2);
	CHECK(soft == 123 && hard == 456);
}

TEST(data_limit_counts_private_writable_mappings)
{
	CHECK_EXITED(IN_CHILD({
			     MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){64 << 20, 64 << 20}));
			     CHECK_ERR(mmap(NULL, 100 << 20, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				       ENOMEM);
			     char *p = MUST(mmap(NULL, 100 << 20, PROT_READ,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

			     CHECK_ERR(mprotect(p, 100 << 20, PROT_READ | PROT_WRITE), ENOMEM);
			     MUST(mprotect(p, 10 << 20, PROT_READ | PROT_WRITE));
			     MUST(mprotect(p, 10 << 20, PROT_READ | PROT_WRITE | PROT_EXEC));
			     MUST(mmap(NULL, 100 << 20, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		     }),
		     0);
}

TEST(locked_memory_limit_is_for_ordinary_users)
{
	char *p = MUST(
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){65536, 65536}));
	CHECK_ERR(mlock(p, 1 << 20), ENOMEM);
	CHECK_EQ(mlock(p, 4096), 0);
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}));
	CHECK_ERR(mlock(p + 8192, 4096), EPERM);
}

static char *memory(size_t size, int flags)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

TEST(pages_are_what_counts_as_locked_and_only_once)
{
	char *p = MUST(memory(1 << 20, 0));

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){65536 + 2048, 65536 + 2048}));
	CHECK_ERR(mlock(p, 65537), ENOMEM);
	CHECK_EQ(mlock(p, 65536), 0);
	CHECK_EQ(mlock(p, 65536), 0);
	CHECK_ERR(mlock(p + 32768, 65536), ENOMEM);
	CHECK_EQ(munlock(p, 32768), 0);
	CHECK_EQ(mlock(p + 32768, 65536), 0);
}

TEST(mapping_of_locked_memory_respects_its_limit)
{
	t_become_ordinary();
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){65536, 65536}));
	CHECK_ERR(memory(65537, MAP_LOCKED), EAGAIN);
	MUST(memory(65536, MAP_LOCKED));
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}));
	CHECK_ERR(memory(4096, MAP_LOCKED), EPERM);
}

TEST(root_locks_more_than_the_limit)
{
	char *p = MUST(memory(1 << 20, 0));

	if (!t_may(CAP_IPC_LOCK))
		SKIP("needs CAP_IPC_LOCK");
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){4096, 4096}));
	CHECK_EQ(mlock(p, 16384), 0);
	MUST(memory(16384, MAP_LOCKED));
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}));
	CHECK_EQ(mlock(p + 65536, 4096), 0);
}

/* So many bytes more, and no more, may be mapped. */
static void limit_address_space(size_t more)
{
	unsigned long pages;

	CHECK_EQ(sscanf(t_read_file("/proc/self/statm"), "%lu", &pages), 1);
	more += pages * 4096;
	MUST(setrlimit(RLIMIT_AS, &(struct rlimit){more, more}));
}

TEST(what_a_mapping_replaces_does_not_count)
{
	char *p = MUST(memory(64 << 20, 0));

	limit_address_space(8 << 20);
	CHECK_ERR(memory(64 << 20, 0), ENOMEM);
	CHECK(mmap(p, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
}

TEST(memory_that_grows_down_respects_the_address_space_limit)
{
	char *room = MUST(memory(64 << 20, 0)), *end = room + (64 << 20);

	MUST(munmap(room, 64 << 20));
	CHECK(mmap(end - 4096, 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == end - 4096);
	CHECK_EXITED(IN_CHILD(end[-(4 << 20)] = 1), 0);
	limit_address_space(1 << 20);
	end[-(512 << 10)] = 1;
	CHECK_KILLED(IN_CHILD(end[-(4 << 20)] = 1), SIGSEGV);
}

static volatile char initialised[2 << 20] = {1};

TEST(data_limit_counts_the_heap_and_what_the_program_brought)
{
	char *now = sbrk(0);

	CHECK(initialised[0]);
	MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){3 << 20, 64 << 20}));
	CHECK_ERR(brk(now + (2 << 20)), ENOMEM);
	MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){64 << 20, 64 << 20}));
	CHECK_EQ(brk(now + (2 << 20)), 0);
}

/* By far the most that there is below "infinite": sums with it must not wrap. */
TEST(cpu_limit_of_ages_does_nothing)
{
	volatile unsigned long n = 0;

	for (rlim_t limit = RLIM_INFINITY - 1; limit > 1ul << 30; limit /= 2) {
		MUST(setrlimit(RLIMIT_CPU, &(struct rlimit){limit, RLIM_INFINITY}));
		for (int i = 0; i < 100000; i++)
			n++;
	}
	CHECK_EXITED(IN_CHILD(_exit(0)), 0);
}

/* Its time is over: there is nothing to be limited, and nobody whom a timer could tell. */
TEST(cpu_limit_of_an_ended_process_does_nothing)
{
	struct rlimit lim = {1, 2};

	for (int i = 0; i < 200; i++) {
		pid_t pid = SPAWN(_exit(0));
		siginfo_t si;

		MUST(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
		MUST(prlimit(pid, RLIMIT_CPU, &lim, NULL));
		CHECK_EXITED(t_wait(pid), 0);
	}
	/* Past the time at which they would be looked after. */
	for (long long end = t_now_ms() + 1200; t_now_ms() < end;)
		CHECK_EXITED(IN_CHILD(_exit(0)), 0);
}

TEST(clock_of_an_ended_process_stands)
{
	struct timespec ts = {0, 1};
	pid_t pid = SPAWN(_exit(0));
	clockid_t clock;
	siginfo_t si;

	MUST(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	CHECK_EQ(clock_getcpuclockid(pid, &clock), 0);
	signal(SIGALRM, SIG_DFL);
	ts.tv_sec = 100;
	CHECK_KILLED(IN_CHILD({
			     alarm(1);
			     clock_nanosleep(clock, TIMER_ABSTIME, &ts, NULL);
		     }),
		     SIGALRM);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(stack_limit_bounds_the_arguments)
{
	char *text = malloc(100001), *argv[5] = {"x", text, text, NULL};

	memset(text, 'a', 100000);
	text[100000] = 0;
	CHECK_EXITED(IN_CHILD({
			     MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){512 << 10, 8 << 20}));
			     CHECK_ERR(execv("/bin/true", argv), E2BIG);
			     argv[2] = NULL;
			     execv("/bin/true", argv);
			     _exit(98);
		     }),
		     0);
}

static void *give_back(void *arg)
{
	return arg;
}

TEST(process_limit_counts_threads)
{
	pthread_t thread;

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_NPROC, &(struct rlimit){1, 1}));
	CHECK_EQ(pthread_create(&thread, NULL, give_back, NULL), EAGAIN);
}

static volatile bool limits_done;

static void *change_limits(void *arg)
{
	static const int which[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_NPROC,
				    RLIMIT_SIGPENDING};
	struct rlimit old[5];

	for (int i = 0; i < 5; i++)
		MUST(getrlimit(which[i], &old[i]));
	for (int i = 0; !limits_done; i++) {
		struct rlimit limit = old[i % 5];

		if (limit.rlim_cur > 1UL << 40)
			limit.rlim_cur = 1UL << (40 + i % 3);
		setrlimit(which[i % 5], &limit);
	}
	for (int i = 0; i < 5; i++)
		MUST(setrlimit(which[i], &old[i]));
	return NULL;
}

TEST(limits_change_while_others_live_by_them)
{
	pthread_t changer;

	CHECK_EQ(pthread_create(&changer, NULL, change_limits, NULL), 0);
	for (int i = 0; i < 100; i++) {
		void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		CHECK(p != MAP_FAILED);
		MUST(munmap(p, 1 << 20));
		if (i % 10 == 0)
			CHECK_EXITED(IN_CHILD({ _exit(0); }), 0);
	}
	limits_done = true;
	CHECK_EQ(pthread_join(changer, NULL), 0);
}
