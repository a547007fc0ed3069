/* Clocks and sleeping. */
#include "t.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/times.h>

static long long ns_of(struct timespec ts)
{
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long read_clock(clockid_t id)
{
	struct timespec ts;

	MUST(clock_gettime(id, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ns_of(ts);
}

static long long read_clock_by_call(clockid_t id)
{
	struct timespec ts;

	MUST(syscall(SYS_clock_gettime, id, &ts));
	return ns_of(ts);
}

TEST(monotonic_clocks_never_go_back)
{
	static const clockid_t ids[] = {CLOCK_MONOTONIC,	  CLOCK_MONOTONIC_RAW,
					CLOCK_BOOTTIME,		  CLOCK_MONOTONIC_COARSE,
					CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};

	for (size_t k = 0; k < sizeof(ids) / sizeof(*ids); k++) {
		long long last = read_clock(ids[k]);

		for (int i = 0; i < 3000; i++) {
			long long now = read_clock(ids[k]);

			CHECK(now >= last);
			last = now;
		}
	}
}

TEST(library_and_system_call_agree)
{
	static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	for (size_t k = 0; k < 3; k++) {
		long long a = read_clock(ids[k]), b = read_clock_by_call(ids[k]),
			  c = read_clock(ids[k]);

		CHECK(a <= b && b <= c);
	}
}

TEST(all_ways_to_read_the_time_of_day_agree)
{
	struct timeval tv;
	long long a = read_clock(CLOCK_REALTIME), c;
	time_t t;

	MUST(gettimeofday(&tv, NULL));
	c = read_clock(CLOCK_REALTIME);
	CHECK(tv.tv_sec * 1000000LL + tv.tv_usec >= a / 1000);
	CHECK(tv.tv_sec * 1000000LL + tv.tv_usec <= c / 1000);
	t = time(NULL);
	CHECK(t >= a / 1000000000 - 1 && t <= read_clock(CLOCK_REALTIME) / 1000000000);
	t = (time_t)syscall(SYS_time, NULL);
	CHECK(t >= a / 1000000000 - 1 && t <= read_clock(CLOCK_REALTIME) / 1000000000);
	CHECK(t > 1700000000);
}

static bool coarse_clock_is_close_behind(void)
{
	long long fine = read_clock(CLOCK_MONOTONIC), coarse = read_clock(CLOCK_MONOTONIC_COARSE);

	CHECK(coarse <= read_clock(CLOCK_MONOTONIC));
	return coarse >= fine - 100000000;
}

/* The core that keeps the time may be stopped for a while, though this one isn't. */
TEST(coarse_clocks_are_close_behind)
{
	bool close = coarse_clock_is_close_behind();

	for (int i = 0; i < 20 && !close; i++) {
		t_sleep_ms(100);
		close = coarse_clock_is_close_behind();
	}
	CHECK(close);
}

TEST(resolution_of_precise_clocks_is_one_nanosecond)
{
	struct timespec ts;

	MUST(clock_getres(CLOCK_MONOTONIC, &ts));
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 1);
	MUST(clock_getres(CLOCK_REALTIME, &ts));
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 1);
	MUST(clock_getres(CLOCK_PROCESS_CPUTIME_ID, &ts));
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 1);
}

TEST(nanosleep_sleeps_at_least_as_long)
{
	static const long ns[] = {1, 1000, 1000000, 20000000};

	for (size_t i = 0; i < 4; i++) {
		struct timespec ts = {0, ns[i]};
		long long start = read_clock(CLOCK_MONOTONIC);

		MUST(nanosleep(&ts, NULL));
		CHECK(read_clock(CLOCK_MONOTONIC) - start >= ns[i]);
	}
}

TEST(sleep_of_nothing_returns_at_once)
{
	struct timespec ts = {0, 0};

	for (int i = 0; i < 100; i++)
		MUST(nanosleep(&ts, NULL));
	CHECK_EQ(usleep(0), 0);
}

TEST(absolute_sleep_ends_at_its_time)
{
	static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};

	for (size_t k = 0; k < 3; k++) {
		long long end = read_clock(ids[k]) + 15000000;
		struct timespec ts = {end / 1000000000, end % 1000000000};

		CHECK_EQ(clock_nanosleep(ids[k], TIMER_ABSTIME, &ts, NULL), 0);
		CHECK(read_clock(ids[k]) >= end);
		/* Once more: that time has passed. */
		CHECK_EQ(clock_nanosleep(ids[k], TIMER_ABSTIME, &ts, NULL), 0);
	}
}

/* A call is charged what the clock says: on a busy machine that may be long once. */
TEST(processor_time_counts_work_but_not_sleep)
{
	long long a, b = 0, counted = 25000000;

	for (int i = 0; i < 3 && counted >= 25000000; i++) {
		struct timespec ts = {0, 30000000};

		a = read_clock(CLOCK_PROCESS_CPUTIME_ID);
		MUST(nanosleep(&ts, NULL));
		b = read_clock(CLOCK_PROCESS_CPUTIME_ID);
		counted = b - a;
	}
	CHECK(counted < 25000000);
	while (read_clock(CLOCK_PROCESS_CPUTIME_ID) - b < 20000000)
		;
}

static void *burn(void *arg)
{
	long long start = read_clock(CLOCK_THREAD_CPUTIME_ID);

	while (read_clock(CLOCK_THREAD_CPUTIME_ID) - start < 100000000)
		;
	return arg;
}

TEST(thread_clock_is_that_of_one_thread)
{
	long long mine = 75000000;

	for (int i = 0; i < 3 && mine >= 75000000; i++) {
		long long before = read_clock(CLOCK_THREAD_CPUTIME_ID);
		long long all = read_clock(CLOCK_PROCESS_CPUTIME_ID);
		pthread_t thread;

		CHECK_EQ(pthread_create(&thread, NULL, burn, NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		mine = read_clock(CLOCK_THREAD_CPUTIME_ID) - before;
		CHECK(read_clock(CLOCK_PROCESS_CPUTIME_ID) - all >= 95000000);
	}
	CHECK(mine < 75000000);
}

TEST(clock_of_another_process_can_be_read)
{
	struct t_gate ready = t_gate(), end = t_gate();
	struct timespec ts;
	clockid_t id;
	pid_t pid = SPAWN({
		burn(NULL);
		t_gate_open(&ready);
		t_gate_pass(&end);
	});

	t_gate_pass(&ready);
	CHECK_EQ(clock_getcpuclockid(pid, &id), 0);
	MUST(clock_gettime(id, &ts));
	CHECK(ns_of(ts) >= 19000000);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(clock_getcpuclockid(pid, &id), ESRCH);
}

TEST(times_counts_own_and_childrens_work)
{
	struct tms t;
	clock_t start = times(&t);

	CHECK(start != (clock_t)-1);
	CHECK_EXITED(IN_CHILD(burn(NULL); burn(NULL); burn(NULL)), 0);
	CHECK(times(&t) >= start);
	CHECK(t.tms_cutime + t.tms_cstime >= 3);
	CHECK_EQ(sysconf(_SC_CLK_TCK), 100);
}

TEST(boot_time_is_not_behind_monotonic_time)
{
	long long mono = read_clock(CLOCK_MONOTONIC);

	CHECK(read_clock(CLOCK_BOOTTIME) >= mono);
}

TEST(setting_the_clock_needs_a_privilege)
{
	struct timespec ts = {1000000000, 0};
	struct timeval tv = {1000000000, 0};

	CHECK_ERR(clock_settime(CLOCK_MONOTONIC, &ts), EINVAL);
	t_become_ordinary();
	CHECK_ERR(clock_settime(CLOCK_REALTIME, &ts), EPERM);
	CHECK_ERR(settimeofday(&tv, NULL), EPERM);
}

TEST(vdso_is_mapped_and_is_an_elf_image)
{
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);

	CHECK(vdso != NULL);
	CHECK(!memcmp(vdso, "\177ELF", 4));
}

TEST(two_processes_see_the_same_clock)
{
	long long *seen = t_shared(4096), before = read_clock(CLOCK_MONOTONIC);

	CHECK_EXITED(IN_CHILD(*seen = read_clock(CLOCK_MONOTONIC)), 0);
	CHECK(*seen >= before && *seen <= read_clock(CLOCK_MONOTONIC));
}

HELPER(print_clock)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return dprintf(atoi(argv[1]), "%lld", ns_of(ts)) > 0 ? 0 : 1;
}

TEST(clock_goes_on_across_exec)
{
	long long before = read_clock(CLOCK_MONOTONIC), seen;
	char arg[16], text[32] = "";
	int fd[2];

	MUST(pipe(fd));
	snprintf(arg, sizeof(arg), "%d", fd[1]);
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("print_clock", arg)), 0);
	CHECK(read(fd[0], text, sizeof(text) - 1) > 0);
	seen = atoll(text);
	CHECK(seen >= before && seen <= read_clock(CLOCK_MONOTONIC));
}
