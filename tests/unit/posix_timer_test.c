/*
 * Timers of processes: expiry, overruns, what settime and delete leave behind, interval timers, CPU
 * time.
 * objects: kernel/time/[a-z]*.o kernel/signal/sigqueue.o kernel/signal/sighand.o kernel/signal/send.o kernel/signal/stop.o kernel/task/cred.o smp/[a-z]*.o os/alloc.o os/fault.o os/clock.o os/log.o os/panic.o os/slice.o os/stack.o os/symbols.o os/thread.o
 */
#include "cputime.h"
#include "engine.h"
#include "kernel/signal/signal_priv.h"
#include "kernel/time/cputimer.h"
#include "kernel/time/timer_ids.h"
#include "syscall_protos.h"
#include "task_util.h"
#include <sys/time.h>
#include <time.h>

const struct engine_ops *engine;
static struct thread_group *tg;

struct task *find_task(pid_t tid)
{
	return tid == tg->leader->tid ? task_get(tg->leader) : NULL;
}
struct thread_group *find_process(pid_t pid)
{
	return NULL;
}

#define U(p) ((uaddr_t)(p))

/* Every case runs as the code of a task, which handles (but blocks) all signals it is about. */
static void (*body)(void);

static void body_main(void *arg)
{
	int i;

	for (i = 0; i < NSIG; i++)
		tg->sighand->action[i].handler = 0x1000;
	current->blocked = ~SIG_UNBLOCKABLE;
	body();
	posix_timers_exit(tg);
	itimers_exit(tg);
	must_eq(current->cred->user->sigpending, 0);
	kthread_exit();
}

static void start_body(void)
{
	itimers_init(tg);
	start_task(make_task(tg), body_main, NULL);
}

static struct itimerspec spec(long value_us, long interval_us)
{
	return (struct itimerspec){
		.it_value = {value_us / 1000000, value_us % 1000000 * 1000},
		.it_interval = {interval_us / 1000000, interval_us % 1000000 * 1000},
	};
}

/* The timer's id; signo 0: the default event. */
static int make_timer(int clock, int signo, int notify)
{
	struct sigevent ev = {.sigev_notify = notify, .sigev_signo = signo};
	int id = -1;
	long err;

	ev._sigev_un._tid = current->tid;
	ev.sigev_value.sival_int = 5;
	err = sys_timer_create(clock, signo ? U(&ev) : 0, U(&id));
	return err ? (int)err : id;
}

static void set(int id, int flags, struct itimerspec its)
{
	must_eq(sys_timer_settime(id, flags, U(&its), 0), 0);
}

static int taken(siginfo_t *si)
{
	return dequeue_signal(current, ~0ul, si);
}

/* Waits for one, two seconds at most. */
static int taken_soon(siginfo_t *si)
{
	int sig = 0;

	for (int i = 0; i < 200 && !sig; i++) {
		sig = taken(si);
		if (!sig)
			sleep_us(10000);
	}
	return sig;
}

static void once(void)
{
	int id = make_timer(CLOCK_MONOTONIC, 0, 0),
	    none = make_timer(CLOCK_MONOTONIC, 40, SIGEV_NONE);
	struct itimerspec its;
	siginfo_t si;

	must(id >= 0 && none >= 0 && id != none);
	set(none, 0, spec(1000, 0));
	set(id, 0, spec(300000, 0));
	must_eq(sys_timer_gettime(id, U(&its)), 0);
	must(its.it_value.tv_nsec > 0 && its.it_value.tv_nsec <= 300000000);
	must_eq(taken(&si), 0);
	must_eq(taken_soon(&si), SIGALRM);
	must_eq(si.si_code, SI_TIMER);
	must_eq(si.si_timerid, id);
	must_eq(si.si_value.sival_int, id);
	must_eq(si.si_overrun, 0);
	must_eq(taken(&si), 0);
	must_eq(sys_timer_gettime(id, U(&its)), 0);
	must(!its.it_value.tv_sec && !its.it_value.tv_nsec);
	/* A moment that is over already. */
	set(id, TIMER_ABSTIME, spec(1, 0));
	must_eq(taken_soon(&si), SIGALRM);
	must_eq(sys_timer_gettime(none, U(&its)), 0);
	must(!its.it_value.tv_sec && !its.it_value.tv_nsec);
	must_eq(sys_timer_delete(id), 0);
	must_eq(sys_timer_delete(id), -EINVAL);
}

static void overruns(void)
{
	int id = make_timer(CLOCK_REALTIME, 40, SIGEV_SIGNAL), i, n = 0;
	ktime_t start = ktime_mono(), last = start;
	siginfo_t si;

	set(id, 0, spec(1000, 1000));
	for (i = 0; i < 5; i++) {
		sleep_us(10500);
		last = ktime_mono();
		must_eq(taken(&si), 40);
		must_eq(si.si_value.sival_int, 5);
		must_eq(sys_timer_getoverrun(id), si.si_overrun);
		n += 1 + si.si_overrun;
	}
	must((u64)n <= (ktime_mono() - start) / NSEC_PER_MSEC + 1);
	must((u64)n + 3 >= (last - start) / NSEC_PER_MSEC);
}

static void what_is_left(void)
{
	int id = make_timer(CLOCK_MONOTONIC, 41, SIGEV_THREAD_ID), i;
	struct itimerspec old, off;
	siginfo_t si;

	/* A signal of the old setting goes with it. */
	set(id, 0, spec(1000, 0));
	sleep_us(10000);
	must(current->pending.set & sig_bit(41));
	set(id, 0, spec(5000000, 7000000));
	must(!(current->pending.set & sig_bit(41)));
	off = spec(0, 0);
	must_eq(sys_timer_settime(id, 0, U(&off), U(&old)), 0);
	must(old.it_interval.tv_sec == 7 && old.it_value.tv_sec >= 4);
	set(id, 0, spec(1000, 0));
	sleep_us(10000);
	must_eq(sys_timer_delete(id), 0);
	must_eq(taken(&si), 0);
	/* Limits and nonsense. */
	tg->rlim[RLIMIT_SIGPENDING].rlim_cur = 3;
	for (i = 0; i < 3; i++)
		must(make_timer(CLOCK_MONOTONIC, 41, SIGEV_SIGNAL) >= 0);
	must_eq(make_timer(CLOCK_MONOTONIC, 41, SIGEV_SIGNAL), -EAGAIN);
	must_eq(make_timer(99, 41, SIGEV_SIGNAL), -EINVAL);
	must_eq(make_timer(CLOCK_MONOTONIC_COARSE, 41, SIGEV_SIGNAL), -EOPNOTSUPP);
	must_eq(make_timer(CLOCK_MONOTONIC, 65, SIGEV_SIGNAL), -EINVAL);
	must_eq(make_timer(CLOCK_MONOTONIC, 41, 77), -EINVAL);
	must_eq(sys_timer_create(CLOCK_MONOTONIC, 0, 8), -EAGAIN);
	must_eq(sys_timer_settime(0, 0, 0, 0), -EINVAL);
	old.it_value.tv_nsec = 1000000000;
	must_eq(sys_timer_settime(1, 0, U(&old), 0), -EINVAL);
	must_eq(sys_timer_getoverrun(77), -EINVAL);
}

static void ignored(void)
{
	int id = make_timer(CLOCK_MONOTONIC, 42, SIGEV_SIGNAL);
	siginfo_t si;

	current->blocked = 0;
	tg->sighand->action[42 - 1].handler = SIG_HANDLER_IGN;
	set(id, 0, spec(1000, 1000));
	sleep_us(20000);
	must_eq(taken(&si), 0);
	/* It still runs when somebody begins to listen. */
	tg->sighand->action[42 - 1].handler = 0x1000;
	sleep_us(50000);
	must_eq(taken(&si), 42);
	/* Dropped from the queue because it is ignored again: the same. */
	sleep_us(20000);
	spin_lock(&tg->siglock);
	signals_drop_locked(tg, sig_bit(42));
	spin_unlock(&tg->siglock);
	sleep_us(50000);
	must_eq(taken(&si), 42);
}

static struct itimerval val(long value_us, long interval_us)
{
	return (struct itimerval){
		.it_value = {value_us / 1000000, value_us % 1000000},
		.it_interval = {interval_us / 1000000, interval_us % 1000000},
	};
}

static void interval_timers(void)
{
	struct itimerval its = val(2000, 3000), old;
	siginfo_t si;
	int i;

	must_eq(sys_setitimer(ITIMER_REAL, U(&its), 0), 0);
	for (i = 0; i < 3; i++) {
		sleep_us(20000);
		must_eq(taken(&si), SIGALRM);
		must_eq(si.si_code, SI_KERNEL);
	}
	its = val(0, 0);
	must_eq(sys_setitimer(ITIMER_REAL, U(&its), U(&old)), 0);
	must(old.it_interval.tv_usec == 3000 && old.it_value.tv_usec <= 3000);
	sleep_us(10000);
	must_eq(taken(&si), 0);
	must_eq(sys_alarm(100), 0);
	must_eq(sys_alarm(0), 100);
	must_eq(sys_getitimer(ITIMER_REAL, U(&old)), 0);
	must(!old.it_value.tv_sec && !old.it_value.tv_usec);
	must_eq(sys_getitimer(3, U(&old)), -EINVAL);
	its = val(0, 1000000);
	its.it_value.tv_usec = 1000000;
	must_eq(sys_setitimer(ITIMER_REAL, U(&its), 0), -EINVAL);
}

static bool rests(void)
{
	bool resting;

	spin_lock(&tg->siglock);
	resting = tg->cpu_timers->resting;
	spin_unlock(&tg->siglock);
	return resting;
}

static void cpu_time(void)
{
	struct itimerval its = val(50000, 0), old; /* longer than a host takes the core away */
	struct timespec a, b;
	siginfo_t si;
	int id;

	must_eq(sys_clock_gettime(CLOCK_PROCESS_CPUTIME_ID, U(&a)), 0);
	must_eq(sys_setitimer(ITIMER_PROF, U(&its), 0), 0);
	/* It rests when two checks, 50 ms apart, have found the same. */
	for (int i = 0; i < 20 && !rests(); i++)
		sleep_us(250000);
	must_eq(taken(&si), 0); /* asleep: no time passes, and the check rests */
	must(rests() && (current->work & WORK_CPUTIMER));
	cpu_timers_resume(current); /* as on the way back to the guest */
	burn_us(70000);
	sleep_us(1);
	must_eq(taken(&si), SIGPROF);
	must_eq(sys_getitimer(ITIMER_PROF, U(&old)), 0);
	must(!old.it_value.tv_usec);
	must_eq(sys_clock_gettime(CLOCK_PROCESS_CPUTIME_ID, U(&b)), 0);
	must((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 70000000);
	/* All of it in the kernel. */
	its = val(5000, 0);
	must_eq(sys_setitimer(ITIMER_VIRTUAL, U(&its), 0), 0);
	id = make_timer(CLOCK_THREAD_CPUTIME_ID, 43, SIGEV_SIGNAL);
	must(id >= 0);
	set(id, 0, spec(3000, 3000));
	burn_us(10000);
	sleep_us(1);
	must_eq(taken(&si), 43);
	must_eq(taken(&si), 0);
	must(!tg->group_exit);
	/* A second is not used up here: only that the limit is noticed. */
	spin_lock(&tg->siglock);
	tg->rlim[RLIMIT_CPU].rlim_cur = 3;
	must_eq(cpu_limit_changed_locked(tg), 0);
	spin_unlock(&tg->siglock);
}

#define MANY 3000

static void many(void)
{
	struct itimerspec its;
	int i;

	for (i = 0; i < MANY; i++)
		must_eq(make_timer(CLOCK_MONOTONIC, 41, SIGEV_NONE), i);
	for (i = 0; i < MANY; i += 2)
		must_eq(sys_timer_delete(i), 0);
	for (i = 0; i < MANY; i++)
		set(i | 1, 0, spec(1000000 + (i | 1), 0));
	for (i = 0; i < MANY; i++) {
		must_eq(sys_timer_gettime(i, U(&its)), i % 2 ? 0 : -EINVAL);
		must_eq(sys_timer_delete(i & ~1), -EINVAL);
	}
	/* Not the ids that have become free. */
	must_eq(make_timer(CLOCK_MONOTONIC, 41, SIGEV_NONE), MANY);
	must_eq(sys_timer_gettime(-1, U(&its)), -EINVAL);
	must_eq(sys_timer_gettime(MANY + 1, U(&its)), -EINVAL);
	/* Those that are left go with the group. */
}

static void (*const cases[])(void) = {once,	overruns, what_is_left, ignored, interval_timers,
				      cpu_time, many};

START_TEST(timers)
{
	tg = make_group();
	body = cases[_i / 3];
	with_cpus(cpu_counts[_i % 3], start_body);
	free_group(tg);
}
END_TEST

/* ---- the table of ids ---- */

static u32 longest_chain(const struct timer_ids *t)
{
	u32 longest = 0;

	for (u32 i = 0; i < 1u << t->bits; i++) {
		u32 n = 0;

		for (struct timer_id *id = t->buckets[i]; id; id = id->next)
			n++;
		longest = max(longest, n);
	}
	return longest;
}

START_TEST(ids_start_anew_behind_the_last_and_skip_those_in_use)
{
	struct timer_id n[6];
	struct timer_ids t;

	timer_ids_init(&t);
	for (int i = 0; i < 3; i++)
		timer_ids_add(&t, &n[i]);
	timer_ids_remove(&t, &n[1]);
	t.next_id = INT32_MAX - 1;
	for (int i = 3; i < 6; i++)
		timer_ids_add(&t, &n[i]);
	ck_assert_int_eq(n[3].id, INT32_MAX - 1);
	ck_assert_int_eq(n[4].id, INT32_MAX);
	ck_assert_int_eq(n[5].id, 1);
	timer_ids_add(&t, &n[1]);
	ck_assert_int_eq(n[1].id, 3);
	ck_assert_ptr_eq(timer_ids_find(&t, INT32_MAX), &n[4]);
	ck_assert_ptr_eq(timer_ids_find(&t, 0), &n[0]);
	ck_assert_ptr_null(timer_ids_find(&t, 4));
	ck_assert_ptr_null(timer_ids_find(&t, INT32_MIN));
	timer_ids_destroy(&t);
}
END_TEST

/* Of each `strides[_i]` timers one stays: there is no pattern that makes long chains. */
static const int strides[] = {1, 2, 3, 8, 64, 1000};

START_TEST(chains_stay_short)
{
	enum { N = 4096 };
	static struct timer_id kept[N], other;
	struct timer_ids t;

	timer_ids_init(&t);
	for (int i = 0; i < N; i++) {
		timer_ids_add(&t, &kept[i]);
		for (int k = 1; k < strides[_i]; k++) {
			timer_ids_add(&t, &other);
			timer_ids_remove(&t, &other);
		}
	}
	ck_assert_uint_eq(t.nr, N);
	ck_assert_uint_le(longest_chain(&t), 8);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(kept[i].id, i * strides[_i]);
		ck_assert_ptr_eq(timer_ids_find(&t, kept[i].id), &kept[i]);
	}
	for (int i = 0; i < N; i++)
		timer_ids_remove(&t, &kept[i]);
	ck_assert_uint_eq(longest_chain(&t), 0);
	timer_ids_destroy(&t);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timers");

	tcase_add_loop_test(tc, timers, 0, 3 * (int)ARRAY_SIZE(cases));
	tcase_add_test(tc, ids_start_anew_behind_the_last_and_skip_those_in_use);
	tcase_add_loop_test(tc, chains_stay_short, 0, (int)ARRAY_SIZE(strides));
	return run_suite(tc, "timers");
}
