/* getrusage and what it counts. */
#include "t.h"

#include <pthread.h>
#include <sys/time.h>

static long long us(struct timeval tv)
{
	return tv.tv_sec * 1000000LL + tv.tv_usec;
}

static long long used(int who)
{
	struct rusage ru;

	MUST(getrusage(who, &ru));
	return us(ru.ru_utime) + us(ru.ru_stime);
}

static void burn(int ms)
{
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
}

TEST(own_time_grows_with_work)
{
	long long before = used(RUSAGE_SELF);

	burn(50);
	CHECK(used(RUSAGE_SELF) - before >= 30000);
}

TEST(time_of_children_counts_once_they_are_waited_for)
{
	struct t_gate done = t_gate();
	pid_t pid = SPAWN({
		burn(50);
		t_gate_open(&done);
	});

	t_gate_pass(&done);
	t_wait_state(pid, 'Z');
	CHECK_EQ(used(RUSAGE_CHILDREN), 0);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK(used(RUSAGE_CHILDREN) >= 30000);
}

TEST(time_of_grandchildren_counts_too)
{
	CHECK_EXITED(IN_CHILD(CHECK_EXITED(IN_CHILD(burn(50)), 0)), 0);
	CHECK(used(RUSAGE_CHILDREN) >= 30000);
}

TEST(time_of_ignored_children_does_not_count)
{
	signal(SIGCHLD, SIG_IGN);
	SPAWN(burn(30));
	CHECK_ERR(wait(NULL), ECHILD);
	CHECK_EQ(used(RUSAGE_CHILDREN), 0);
}

static void *burn_in_thread(void *arg)
{
	burn(50);
	CHECK(used(RUSAGE_THREAD) >= 30000);
	return arg;
}

/* A call is charged what the clock says: on a busy machine that may be long once. */
TEST(time_of_threads_counts_for_the_process)
{
	long long mine = 30000;

	for (int i = 0; i < 20 && mine >= 30000; i++) {
		long long before = used(RUSAGE_THREAD), all = used(RUSAGE_SELF);
		pthread_t thread;

		CHECK_EQ(pthread_create(&thread, NULL, burn_in_thread, NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		mine = used(RUSAGE_THREAD) - before;
		CHECK(used(RUSAGE_SELF) - all >= 30000);
	}
	CHECK(mine < 30000);
}

TEST(largest_size_is_told_in_kilobytes)
{
	struct rusage ru;
	size_t n = 32 << 20;
	char *p = malloc(n);

	memset(p, 1, n);
	MUST(getrusage(RUSAGE_SELF, &ru));
	CHECK(ru.ru_maxrss >= 32 << 10 && ru.ru_maxrss < 1 << 20);
	free(p);
}

/* Touches mib MiB, a fault for each page, in the current process. */
static void touch(size_t mib)
{
	size_t n = mib << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	madvise(p, n, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1;
	munmap(p, n);
}

TEST(faults_and_memory_of_a_child_are_told_when_it_is_reaped)
{
	for (int i = 0; i < 20; i++) { /* at once, however fast it was */
		pid_t pid = SPAWN(touch(8));
		struct rusage ru;

		MUST(wait4(pid, NULL, 0, &ru));
		CHECK(ru.ru_minflt >= 2048 && ru.ru_minflt < 6000);
		CHECK(ru.ru_maxrss >= 8 << 10 && ru.ru_maxrss < 200 << 10);
	}
}

static void grandchildren(void)
{
	for (int i = 0; i < 3; i++)
		CHECK_EXITED(t_wait(SPAWN(touch(8))), 0);
}

TEST(faults_of_grandchildren_are_inherited)
{
	struct rusage before, after;

	MUST(getrusage(RUSAGE_CHILDREN, &before));
	CHECK_EXITED(t_wait(SPAWN(grandchildren())), 0);
	MUST(getrusage(RUSAGE_CHILDREN, &after));
	CHECK(after.ru_minflt - before.ru_minflt >= 3 * 2048);
	CHECK(after.ru_maxrss >= 8 << 10);
}

/* A call that is held up until its time is over doesn't sleep. */
TEST(blocking_counts_as_voluntary_switch)
{
	long switches = 0;

	for (int i = 0; i < 20 && switches < 10; i++) {
		struct rusage a, b;

		MUST(getrusage(RUSAGE_THREAD, &a));
		for (int k = 0; k < 10; k++)
			t_sleep_ms(1);
		MUST(getrusage(RUSAGE_THREAD, &b));
		switches = b.ru_nvcsw - a.ru_nvcsw;
	}
	CHECK(switches >= 10);
}
