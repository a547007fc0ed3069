/* Timers of a process: timer_create and setitimer, alarm. */
#include "t.h"

#include <pthread.h>
#include <sys/time.h>

static volatile sig_atomic_t fired;
static volatile siginfo_t info;

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	info = *si;
	fired++;
}

/* Waits until the handler has run n times. */
static void wait_fired(int n)
{
	sigset_t all, old;

	sigfillset(&all);
	MUST(sigprocmask(SIG_BLOCK, &all, &old));
	while (fired < n)
		sigsuspend(&old);
	MUST(sigprocmask(SIG_SETMASK, &old, NULL));
}

static timer_t new_timer(clockid_t clock, int sig, int value)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
	timer_t t;

	ev.sigev_value.sival_int = value;
	MUST(timer_create(clock, &ev, &t));
	return t;
}

static void set(timer_t t, int flags, long first_ms, long every_ms)
{
	struct itimerspec its = {{every_ms / 1000, every_ms % 1000 * 1000000},
				 {first_ms / 1000, first_ms % 1000 * 1000000}};

	MUST(timer_settime(t, flags, &its, NULL));
}

TEST(timer_fires_once_with_its_value)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 4711);
	struct itimerspec left;

	t_handle_info(SIGUSR1, note);
	set(t, 0, 10, 0);
	wait_fired(1);
	CHECK_EQ(info.si_code, SI_TIMER);
	CHECK_EQ(info.si_value.sival_int, 4711);
	CHECK_EQ(info.si_signo, SIGUSR1);
	MUST(timer_gettime(t, &left));
	CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
	MUST(timer_delete(t));
}

TEST(timer_is_not_early)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);
	long long start = t_now_ms();

	t_handle_info(SIGUSR1, note);
	set(t, 0, 40, 0);
	wait_fired(1);
	CHECK(t_now_ms() - start >= 39);
}

TEST(interval_timer_fires_again_and_again)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);

	t_handle_info(SIGUSR1, note);
	set(t, 0, 2, 2);
	wait_fired(5);
	set(t, 0, 0, 0);
}

TEST(timer_can_be_disarmed)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);
	struct itimerspec its = {{0, 0}, {1000, 0}}, old;

	t_handle_info(SIGUSR1, note);
	MUST(timer_settime(t, 0, &its, NULL));
	its.it_value.tv_sec = 0;
	MUST(timer_settime(t, 0, &its, &old));
	CHECK(old.it_value.tv_sec >= 900 && old.it_value.tv_sec <= 1000);
	MUST(timer_gettime(t, &old));
	CHECK_EQ(old.it_value.tv_sec, 0);
	CHECK_EQ(fired, 0);
}

TEST(timer_remaining_time_goes_down)
{
	timer_t t = new_timer(CLOCK_REALTIME, SIGUSR1, 0);
	struct itimerspec a, b;

	set(t, 0, 100000, 7000);
	MUST(timer_gettime(t, &a));
	CHECK(a.it_value.tv_sec <= 100 && a.it_value.tv_sec >= 90);
	CHECK(a.it_interval.tv_sec == 7 && a.it_interval.tv_nsec == 0);
	t_sleep_ms(5);
	MUST(timer_gettime(t, &b));
	CHECK(b.it_value.tv_sec * 1000000000L + b.it_value.tv_nsec <
	      a.it_value.tv_sec * 1000000000L + a.it_value.tv_nsec);
}

TEST(absolute_timer_in_the_past_fires_at_once)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);

	t_handle_info(SIGUSR1, note);
	set(t, TIMER_ABSTIME, 1, 0);
	wait_fired(1);
}

TEST(overruns_are_counted)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);
	sigset_t set_usr1;
	siginfo_t si;

	t_block(SIGUSR1);
	sigemptyset(&set_usr1);
	sigaddset(&set_usr1, SIGUSR1);
	set(t, 0, 1, 1);
	t_sleep_ms(40);
	CHECK_EQ(sigwaitinfo(&set_usr1, &si), SIGUSR1);
	CHECK(si.si_overrun >= 10);
	CHECK(timer_getoverrun(t) >= 10);
}

TEST(timer_without_a_signal_can_be_polled)
{
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	struct itimerspec left;
	timer_t t;

	MUST(timer_create(CLOCK_MONOTONIC, &ev, &t));
	set(t, 0, 100000, 0);
	MUST(timer_gettime(t, &left));
	CHECK(left.it_value.tv_sec >= 90);
	set(t, 0, 1, 0);
	do
		MUST(timer_gettime(t, &left));
	while (left.it_value.tv_nsec);
}

TEST(timer_for_one_thread)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	timer_t t;

	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	t_handle_info(SIGUSR1, note);
	MUST(timer_create(CLOCK_MONOTONIC, &ev, &t));
	set(t, 0, 5, 0);
	wait_fired(1);
	ev._sigev_un._tid = INT_MAX;
	CHECK_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
}

static void run(union sigval v)
{
	__atomic_store_n((int *)v.sival_ptr, 1, __ATOMIC_SEQ_CST);
}

TEST(timer_that_starts_a_thread)
{
	volatile int done = 0;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = run};
	timer_t t;

	ev.sigev_value.sival_ptr = (void *)&done;
	MUST(timer_create(CLOCK_MONOTONIC, &ev, &t));
	set(t, 0, 5, 0);
	while (!done)
		usleep(500);
	MUST(timer_delete(t));
}

static long long process_cpu_ms(void)
{
	struct timespec ts;

	MUST(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

TEST(cpu_time_timer_fires_while_computing)
{
	timer_t t = new_timer(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1, 0);
	long long start = process_cpu_ms();

	t_handle_info(SIGUSR1, note);
	set(t, 0, 30, 0);
	t_sleep_ms(50);
	/* Sleeping takes no processor time; a call that the host holds up does. */
	CHECK(!fired || process_cpu_ms() - start >= 30);
	while (!fired)
		;
}

TEST(timers_are_not_inherited_by_fork)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);
	struct itimerspec left;

	set(t, 0, 100000, 0);
	CHECK_EXITED(IN_CHILD(CHECK_ERR(timer_gettime(t, &left), EINVAL)), 0);
	MUST(timer_gettime(t, &left));
}

TEST(fifty_timers_all_fire)
{
	static int seen[50];
	sigset_t rt;
	siginfo_t si;

	t_block(SIGRTMIN);
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	for (int i = 0; i < 50; i++)
		set(new_timer(CLOCK_MONOTONIC, SIGRTMIN, i), 0, 1 + i % 10, 0);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(sigwaitinfo(&rt, &si), SIGRTMIN);
		CHECK_EQ(seen[si.si_value.sival_int]++, 0);
	}
}

TEST(deleted_timer_is_gone)
{
	timer_t t = new_timer(CLOCK_MONOTONIC, SIGUSR1, 0);
	struct itimerspec its;

	MUST(timer_delete(t));
	CHECK_ERR(timer_gettime(t, &its), EINVAL);
	CHECK_ERR(timer_delete(t), EINVAL);
}

/* The kernel's id, which the library may wrap. -1: failed. */
static int raw_timer(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	int id;

	return syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) ? -1 : id;
}

TEST(ids_go_up_and_are_not_used_again_at_once)
{
	struct itimerspec its;
	int first = raw_timer(), n = 0, last = first;

	CHECK(first >= 0);
	/* Fewer if the limit for signals says so. */
	for (int id; n < 2000 && (id = raw_timer()) >= 0; n++, last = id)
		CHECK_EQ(id, last + 1);
	CHECK(n > 0);
	MUST((int)syscall(SYS_timer_delete, last));
	MUST((int)syscall(SYS_timer_delete, first));
	CHECK_EQ(raw_timer(), last + 1);
	CHECK_ERR((int)syscall(SYS_timer_gettime, last, &its), EINVAL);
	CHECK_ERR((int)syscall(SYS_timer_gettime, first, &its), EINVAL);
	CHECK_ERR((int)syscall(SYS_timer_gettime, -1, &its), EINVAL);
	for (int id = first + 1; id < last; id++)
		MUST((int)syscall(SYS_timer_gettime, id, &its));
	MUST((int)syscall(SYS_timer_gettime, last + 1, &its));
}

TEST(alarm_fires)
{
	long long start = t_now_ms();

	t_handle_info(SIGALRM, note);
	alarm(1);
	wait_fired(1);
	CHECK(t_now_ms() - start >= 999);
	CHECK_EQ(info.si_code, SI_KERNEL);
}

TEST(alarm_tells_what_was_left)
{
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(50), 100);
	CHECK_EQ(alarm(0), 50);
	CHECK_EQ(alarm(0), 0);
}

TEST(real_interval_timer_fires_again_and_again)
{
	struct itimerval it = {{0, 2000}, {0, 2000}};

	t_handle_info(SIGALRM, note);
	MUST(setitimer(ITIMER_REAL, &it, NULL));
	wait_fired(5);
	it = (struct itimerval){{0, 0}, {0, 0}};
	MUST(setitimer(ITIMER_REAL, &it, NULL));
}

TEST(itimer_reports_its_value_and_the_old_one)
{
	struct itimerval it = {{5, 0}, {200, 0}}, old;

	MUST(setitimer(ITIMER_REAL, &it, NULL));
	MUST(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_interval.tv_sec == 5);
	CHECK(old.it_value.tv_sec >= 190 && old.it_value.tv_sec <= 200);
	it = (struct itimerval){{0, 0}, {0, 0}};
	MUST(setitimer(ITIMER_REAL, &it, &old));
	CHECK(old.it_value.tv_sec >= 190);
	MUST(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
}

TEST(virtual_and_profiling_timers_fire_while_computing)
{
	struct itimerval it = {{0, 0}, {0, 20000}};

	t_handle_info(SIGVTALRM, note);
	MUST(setitimer(ITIMER_VIRTUAL, &it, NULL));
	while (!fired)
		;
	CHECK_EQ(info.si_signo, SIGVTALRM);
	t_handle_info(SIGPROF, note);
	fired = 0;
	MUST(setitimer(ITIMER_PROF, &it, NULL));
	while (!fired)
		;
	CHECK_EQ(info.si_signo, SIGPROF);
}

static void *compute(void *arg)
{
	while (!fired)
		;
	return arg;
}

/* What four threads use until a timer of a second comes, which was set while there was one. */
static long long used_until_fired(void)
{
	struct itimerval it = {{0, 0}, {1, 0}};
	long long start = process_cpu_ms(), used;
	pthread_t thread[3];

	fired = 0;
	MUST(setitimer(ITIMER_PROF, &it, NULL));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, compute, NULL), 0);
	compute(NULL);
	used = process_cpu_ms() - start;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	return used;
}

/*
 * Of however many threads: the group's clock goes as much faster. A machine may be late, but not
 * each time.
 */
TEST(profiling_timer_sees_threads_that_start_later)
{
	long long used = INT64_MAX;

	t_handle_info(SIGPROF, note);
	for (int i = 0; i < 5 && used >= 1600; i++)
		used = used_until_fired();
	CHECK(used < 1600);
}

#define N_CPU_TIMERS 1000

static timer_t *many_cpu_timers(void)
{
	static timer_t t[N_CPU_TIMERS];

	for (int i = 0; i < N_CPU_TIMERS; i++)
		t[i] = new_timer(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1, i);
	return t;
}

static void set_all(const timer_t *t)
{
	const struct itimerspec its = {{0, 1}, {0, 1}};

	for (int i = 0; i < N_CPU_TIMERS; i++)
		MUST(timer_settime(t[i], 0, &its, NULL));
}

static void *rest(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* The clock of a process is the sum of its threads' times, those that rest among them. */
static void start_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 60; i++)
		CHECK_EQ(pthread_create(&thread, NULL, rest, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, compute, NULL), 0);
}

/* All start again at once, whenever they expire unseen. */
TEST(thousands_of_ignored_cpu_timers_leave_time_for_work)
{
	timer_t *t = many_cpu_timers();
	struct itimerspec left;

	MUST(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
	set_all(t);
	start_threads();
	for (int i = 0; i < 100; i++) {
		t_sleep_ms(1);
		MUST(timer_gettime(t[i], &left));
	}
}

TEST(itimer_microseconds_out_of_range_are_einval)
{
	struct itimerval it = {{0, 0}, {0, 1000000}};

	CHECK_ERR(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	it.it_value.tv_usec = -1;
	CHECK_ERR(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
}

TEST(cpu_limit_raises_sigxcpu_and_then_kills)
{
	pid_t pid = SPAWN({
		struct rlimit lim = {1, 2};
		t_handle_info(SIGXCPU, note);
		MUST(setrlimit(RLIMIT_CPU, &lim));
		while (!fired)
			;
		raise(SIGKILL); /* waiting for the second second would take too long */
	});

	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(cpu_limit_is_inherited_by_fork)
{
	MUST(setrlimit(RLIMIT_CPU, &(struct rlimit){1, 20}));
	CHECK_KILLED(IN_CHILD({
			     alarm(40);
			     for (;;)
				     ;
		     }),
		     SIGXCPU);
}
