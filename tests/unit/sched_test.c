/*
 * The scheduler at work: fairness, sleeping and waking, balancing, policies, affinity.
 * test: serial=yes quick=no
 */
#include "smp_util.h"
#include "../../smp/smp.h"
#include <sched.h>
#include <string.h>

/* ---- kthreads ---- */

static int counter;

static void count_once(long arg)
{
	__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
}

static void start_many(void)
{
	int i;

	for (i = 0; i < 2000; i++)
		spawn(count_once, i);
}

START_TEST(every_started_kthread_runs_once)
{
	counter = 0;
	with_cpus(cpu_counts[_i], start_many);
	ck_assert_int_eq(counter, 2000);
}
END_TEST

static u64 yields[4];
static bool stop;

static void yield_until_stopped(long i)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		burn_us(20);
		yields[i]++;
		sched_yield_cpu();
	}
}

static void yielders(void)
{
	long i;

	stop = false;
	memset(yields, 0, sizeof(yields));
	for (i = 0; i < 4; i++)
		spawn(yield_until_stopped, i);
	sleep_us(200000);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

static bool all_advance(void)
{
	int i;

	for (i = 0; i < 4; i++)
		if (yields[i] <= 50)
			return false;
	return true;
}

START_TEST(yielding_kthreads_all_advance)
{
	with_cpus_until(cpu_counts[_i], yielders, all_advance);
	ck_assert(all_advance());
}
END_TEST

/* As a guest that only computes: back through sched_return_to_guest() each 50 us. */
static u64 work_done[3];

static void compute(long i)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		sched_return_to_guest();
		burn_us(50);
		sched_enter_kernel();
		work_done[i] += 50;
	}
}

static void nice_pair(void)
{
	struct test_thread *t = tt_make("nice", &tt_ops, compute, 1);

	stop = false;
	memset(work_done, 0, sizeof(work_done));
	spawn(compute, 0);
	sched_set_policy(&t->kt, SCHED_OTHER, 0, 5); /* weight 335 against 1024 */
	kthread_start(&t->kt);
	sleep_us(600000);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

static bool follows_nice(void)
{
	return work_done[0] * 10 > work_done[1] * 22 && work_done[0] * 10 < work_done[1] * 42;
}

START_TEST(cpu_time_follows_nice)
{
	with_cpus_until(1, nice_pair, follows_nice);
	ck_assert_msg(follows_nice(), "%lu to %lu", work_done[0], work_done[1]);
}
END_TEST

static void fifo_then_stop(long arg)
{
	burn_us(30000);
	work_done[2] = work_done[0];
}

static void fifo_over_fair(void)
{
	struct test_thread *t = tt_make("fifo", &tt_ops, fifo_then_stop, 0);
	u64 before;

	stop = false;
	memset(work_done, 0, sizeof(work_done));
	sched_set_policy(&t->kt, SCHED_FIFO, 10, 0);
	spawn(compute, 0);
	sleep_us(20000);
	before = work_done[0];
	kthread_start(&t->kt);
	sleep_us(60000);
	must(work_done[2] >= before);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

START_TEST(fifo_preempts_fair)
{
	with_cpus(1, fifo_over_fair);
	ck_assert_uint_gt(work_done[2], 0);
}
END_TEST

/* Real-time, and computes for as long as it may; if nobody stops it, for ten seconds. */
static bool hog_was_stopped;

static void hog(long i)
{
	ktime_t end = ktime_mono() + 10 * NSEC_PER_SEC;

	while (!(hog_was_stopped = __atomic_load_n(&stop, __ATOMIC_SEQ_CST)) &&
	       ktime_mono() < end) {
		sched_return_to_guest();
		burn_us(50);
		sched_enter_kernel();
		work_done[i] += 50;
	}
}

/* Who starts it is a fair one too, and is woken in the middle of what the hog has. */
static void hog_and_fair(void)
{
	struct test_thread *t = tt_make("hog", &tt_ops, hog, 1);

	stop = false;
	memset(work_done, 0, sizeof(work_done));
	sched_set_policy(&t->kt, SCHED_FIFO, 10, 0);
	kthread_start(&t->kt);
	spawn(compute, 0);
	sleep_us(1500000);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

START_TEST(fair_ones_run_beside_a_real_time_hog)
{
	with_cpus(1, hog_and_fair);
	ck_assert(hog_was_stopped);
	ck_assert_uint_gt(work_done[0], 0);
	ck_assert_uint_gt(work_done[1], 4 * work_done[0]);
}
END_TEST

/* ---- balancing ---- */

static u64 seen_cpus;

static int migrations;

static void test_migrate_out(struct kthread *kt)
{
	must_eq(this_cpu()->id, kt->cpu);
	must(current_kthread() != kt);
	__atomic_fetch_add(&migrations, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&kt->bound, 0, __ATOMIC_RELEASE);
}

static const struct kthread_ops bound_ops = {
	.dead = tt_dead,
	.signal_pending = tt_signal_pending,
	.migrate_out = test_migrate_out,
};

static void bound_compute(long i)
{
	struct kthread *kt = current_kthread();

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		sched_return_to_guest();
		__atomic_store_n(&kt->bound, 1, __ATOMIC_RELEASE);
		burn_us(50);
		sched_enter_kernel();
		__atomic_fetch_or(&seen_cpus, 1ULL << this_cpu()->id, __ATOMIC_RELAXED);
		__atomic_fetch_add(&work_done[i], 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&kt->bound, 0, __ATOMIC_RELEASE);
}

/* All on CPU 0 at first, bound there; then allowed everywhere. */
static void crowd_on_one_cpu(void)
{
	struct test_thread *t[3];
	int i;

	stop = false;
	seen_cpus = 0;
	migrations = 0;
	memset(work_done, 0, sizeof(work_done));
	sched_set_affinity(current_kthread(), 1);
	sleep_us(1);
	for (i = 0; i < 3; i++) {
		t[i] = tt_make("bound", &bound_ops, bound_compute, i);
		sched_set_affinity(&t[i]->kt, 1);
		kthread_start(&t[i]->kt);
	}
	sleep_us(30000);
	must_eq(seen_cpus, 1);
	for (i = 0; i < 3; i++)
		sched_set_affinity(&t[i]->kt, UINT64_MAX);
	/* The host may be busy: at most ten seconds, mostly one round. */
	for (i = 0; i < 100; i++) {
		sleep_us(100000);
		if (nr_cpus == 1 || __atomic_load_n(&seen_cpus, __ATOMIC_RELAXED) != 1)
			break;
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

START_TEST(bound_kthreads_spread_to_idle_cpus)
{
	with_cpus(cpu_counts[_i], crowd_on_one_cpu);
	if (cpu_counts[_i] > 1) {
		ck_assert_uint_ne(seen_cpus, 1);
		ck_assert_int_gt(migrations, 0);
	}
}
END_TEST

static void moved_by_affinity(void)
{
	struct test_thread *t = tt_make("bound", &bound_ops, bound_compute, 0);
	int cpu, round, n;

	stop = false;
	kthread_start(&t->kt);
	for (round = 0; round < 50; round++) {
		cpu = round % nr_cpus;
		sched_set_affinity(&t->kt, 1ULL << cpu);
		/* The host may be busy: at most 20 seconds, mostly one round. */
		for (n = 0; n < 20000 && __atomic_load_n(&t->kt.cpu, __ATOMIC_ACQUIRE) != cpu; n++)
			sleep_us(1000);
		must(n < 20000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

START_TEST(affinity_moves_a_running_kthread)
{
	with_cpus(cpu_counts[_i], moved_by_affinity);
}
END_TEST

static u32 asked, told, told_cpu; /* atomic */

static void tell_cpu(long arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		u32 n = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);

		__atomic_store_n(&told_cpu, this_cpu()->id, __ATOMIC_SEQ_CST);
		__atomic_store_n(&told, n, __ATOMIC_SEQ_CST);
		sched_return_to_guest();
		burn_us(20);
		sched_enter_kernel();
	}
}

static void wait_until_moved(void)
{
	struct test_thread *t = tt_make("teller", &tt_ops, tell_cpu, 0);
	u32 round;

	stop = false;
	asked = told = 0;
	kthread_start(&t->kt);
	for (round = 1; round <= 300; round++) {
		int cpu = round % nr_cpus;

		sched_set_affinity(&t->kt, 1ULL << cpu);
		must_eq(sched_wait_affinity(&t->kt), 0);
		__atomic_store_n(&asked, round, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&told, __ATOMIC_SEQ_CST) != round)
			sched_yield_cpu();
		must_eq((int)__atomic_load_n(&told_cpu, __ATOMIC_SEQ_CST), cpu);
		sched_set_affinity(current_kthread(), 1ULL << cpu);
		must_eq(sched_wait_affinity(current_kthread()), 0);
		must_eq(this_cpu()->id, cpu);
		sched_set_affinity(current_kthread(), UINT64_MAX);
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

START_TEST(affinity_can_be_waited_for)
{
	with_cpus(cpu_counts[_i], wait_until_moved);
}
END_TEST

static bool spinning, released; /* atomic */

static void spin_in_kernel(long arg)
{
	(void)arg;
	__atomic_store_n(&spinning, true, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&released, __ATOMIC_SEQ_CST))
		__builtin_ia32_pause();
	cond_resched();
	must_eq(this_cpu()->id, 0);
}

static void release(long arg)
{
	(void)arg;
	__atomic_store_n(&released, true, __ATOMIC_SEQ_CST);
}

static void allow_everywhere(long arg)
{
	sched_set_affinity((struct kthread *)arg, UINT64_MAX);
}

static void start_on_first(void (*fn)(long), long arg)
{
	struct test_thread *t = tt_make("helper", &tt_ops, fn, arg);

	sched_set_affinity(&t->kt, 1);
	kthread_start(&t->kt);
}

/* The target stays on CPU 1 until somebody on CPU 0 lets go of it, which is when we sleep there. */
static void wait_for_one_that_stays(void)
{
	struct test_thread *t = tt_make("stays", &tt_ops, spin_in_kernel, 0);

	spinning = released = false;
	t->keep = true;
	sched_set_affinity(current_kthread(), 1);
	must_eq(sched_wait_affinity(current_kthread()), 0);
	sched_set_affinity(&t->kt, 2);
	kthread_start(&t->kt);
	while (!__atomic_load_n(&spinning, __ATOMIC_SEQ_CST))
		sched_yield_cpu();
	sched_set_affinity(&t->kt, 1);
	/* A fatal signal. */
	__atomic_store_n(&tt_first->signalled, true, __ATOMIC_SEQ_CST);
	must_eq(sched_wait_affinity(&t->kt), -ERESTARTSYS);
	__atomic_store_n(&tt_first->signalled, false, __ATOMIC_SEQ_CST);
	must(__atomic_load_n(&t->kt.on_cpu, __ATOMIC_SEQ_CST));
	/* It may stay after all. */
	start_on_first(allow_everywhere, (long)&t->kt);
	must_eq(sched_wait_affinity(&t->kt), 0);
	must(__atomic_load_n(&t->kt.on_cpu, __ATOMIC_SEQ_CST));
	/* It goes. */
	sched_set_affinity(&t->kt, 1);
	start_on_first(release, 0);
	must_eq(sched_wait_affinity(&t->kt), 0);
	must(__atomic_load_n(&released, __ATOMIC_SEQ_CST));
	join_all();
	kfree(t);
}

START_TEST(who_waits_for_affinity_can_be_killed_or_told_otherwise)
{
	with_cpus(2, wait_for_one_that_stays);
}
END_TEST

/*
 * The hog on CPU 0, another one that computes and this one on CPU 1; `fair` may leave CPU 0 once it
 * waits there.
 */
static void crowd_behind_a_hog(void)
{
	struct test_thread *t = tt_make("hog", &tt_ops, hog, 1);
	struct test_thread *there_too = tt_make("there", &tt_ops, compute, 2);
	struct test_thread *fair = tt_make("fair", &tt_ops, compute, 0);
	int i;

	stop = false;
	memset(work_done, 0, sizeof(work_done));
	sched_set_affinity(current_kthread(), 2);
	sleep_us(1);
	sched_set_policy(&t->kt, SCHED_FIFO, 10, 0);
	sched_set_affinity(&t->kt, 1);
	sched_set_affinity(&there_too->kt, 2);
	sched_set_affinity(&fair->kt, 1);
	kthread_start(&t->kt);
	kthread_start(&there_too->kt);
	kthread_start(&fair->kt);
	sleep_us(10000);
	sched_set_affinity(&fair->kt, 3);
	/* The host may be busy: at most five seconds, mostly one round. */
	for (i = 0; i < 500 && __atomic_load_n(&fair->kt.cpu, __ATOMIC_ACQUIRE) != 1; i++)
		sleep_us(10000);
	must(i < 500);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

START_TEST(a_fair_one_leaves_a_real_time_hog)
{
	with_cpus(2, crowd_behind_a_hog);
	ck_assert(hog_was_stopped);
}
END_TEST

/* Two that take turns stay together; others idle and are not woken for it. */
static struct wait_queue turn_queue;
static int turn;

static void take_turns(long me)
{
	struct wait_opts o = {.state = KT_UNINTERRUPTIBLE};
	int i, err;

	for (i = 0; i < 20000; i++) {
		err = wait_event_expr(&turn_queue, __atomic_load_n(&turn, __ATOMIC_SEQ_CST) == me,
				      &o);
		must_eq(err, 0);
		__atomic_store_n(&turn, !me, __ATOMIC_SEQ_CST);
		wake_up_all(&turn_queue);
	}
}

static u64 pong_ns;

static void ping_pong(void)
{
	struct test_thread *a, *b;
	ktime_t t0 = ktime_mono();

	wait_queue_init(&turn_queue);
	turn = 0;
	a = tt_make("ping", &tt_ops, take_turns, 0);
	b = tt_make("pong", &tt_ops, take_turns, 1);
	sched_set_affinity(&a->kt, 1);
	sched_set_affinity(&b->kt, 1);
	kthread_start(&a->kt);
	kthread_start(&b->kt);
	sched_set_affinity(&a->kt, UINT64_MAX);
	sched_set_affinity(&b->kt, UINT64_MAX);
	join_all();
	pong_ns = (ktime_mono() - t0) / 40000;
}

START_TEST(ping_pong_stays_on_one_cpu)
{
	u64 moves = 0;
	int i;

	with_cpus(cpu_counts[_i], ping_pong);
	for (i = 0; i < nr_cpus; i++)
		moves += cpus[i].stat.migrations + cpus[i].stat.steals;
	ck_assert_uint_lt(moves, 50);
}
END_TEST

/* ---- a CPU that spins for its guest ---- */

#define GIVEN 300

static long given, taken;	    /* atomic */
static int calls_between, burst_us; /* of the giver, of the taker */
static int taken_on[2];		    /* by CPU */
static bool giver_sleeps;	    /* or it computes until the other has run */
static struct wait_queue give_queue, take_queue;

static void taker(long arg)
{
	struct wait_opts o = {.state = KT_UNINTERRUPTIBLE};

	(void)arg;
	for (long i = 1; i <= GIVEN; i++) {
		must(!wait_event_expr(&give_queue, __atomic_load_n(&given, __ATOMIC_SEQ_CST) >= i,
				      &o));
		taken_on[this_cpu()->id]++;
		burn_us(burst_us);
		sched_enter_kernel();
		__atomic_store_n(&taken, i, __ATOMIC_SEQ_CST);
		wake_up_all(&take_queue);
	}
}

static void giver(long arg)
{
	struct wait_opts o = {.state = KT_UNINTERRUPTIBLE};

	(void)arg;
	for (long i = 1; i <= GIVEN; i++) {
		__atomic_store_n(&this_cpu()->spins, 1, __ATOMIC_RELAXED);
		this_cpu()->stat.spun += calls_between;
		__atomic_store_n(&given, i, __ATOMIC_SEQ_CST);
		wake_up_all(&give_queue);
		while (!giver_sleeps && __atomic_load_n(&taken, __ATOMIC_SEQ_CST) < i) {
			sched_return_to_guest();
			burn_us(20);
			sched_enter_kernel();
		}
		must(!wait_event_expr(&take_queue, __atomic_load_n(&taken, __ATOMIC_SEQ_CST) >= i,
				      &o));
	}
	__atomic_store_n(&this_cpu()->spins, 0, __ATOMIC_RELAXED);
}

static void give_and_take(void)
{
	struct test_thread *to = tt_make("taker", &tt_ops, taker, 0);
	struct test_thread *from = tt_make("giver", &tt_ops, giver, 0);

	given = taken = 0;
	memset(taken_on, 0, sizeof(taken_on));
	wait_queue_init(&give_queue);
	wait_queue_init(&take_queue);
	sched_set_affinity(&to->kt, 2);
	sched_set_affinity(&from->kt, 1);
	kthread_start(&to->kt);
	sleep_us(1000);
	sched_set_affinity(&to->kt, 3);
	kthread_start(&from->kt);
}

/* Whom a spinning CPU wakes comes to it, if that costs less than it has gained. */
START_TEST(short_work_waits_for_a_guest_that_is_spun_for)
{
	giver_sleeps = true;
	calls_between = 200;
	burst_us = 10;
	with_cpus(2, give_and_take);
	ck_assert_int_gt(taken_on[0], GIVEN / 2);
}
END_TEST

START_TEST(long_work_does_not)
{
	giver_sleeps = false;
	calls_between = 2;
	burst_us = 200;
	with_cpus(2, give_and_take);
	ck_assert_int_gt(taken_on[1], GIVEN / 2);
}
END_TEST

START_TEST(it_does_not_wait_for_long)
{
	giver_sleeps = false;
	calls_between = 200;
	burst_us = 10;
	with_cpus(2, give_and_take);
	ck_assert_int_eq(taken, GIVEN);
}
END_TEST

/* An idle system sleeps. */
static void idle_a_while(void)
{
	sleep_us(500000);
}

static bool slept(void)
{
	u64 wakeups = 0;
	int i;

	for (i = 0; i < nr_cpus; i++)
		wakeups += cpus[i].stat.wakeups;
	return wakeups < 5 + 2 * (u64)nr_cpus;
}

START_TEST(idle_cpus_do_not_wake_up)
{
	with_cpus_until(cpu_counts[_i], idle_a_while, slept);
	ck_assert(slept());
}
END_TEST

/* Everything at once, each schedule on the next CPU. */
static void sleep_a_lot(long i)
{
	int n;

	for (n = 0; n < 200; n++) {
		sleep_us(i * 7 % 50);
		sched_yield_cpu();
		sched_return_to_guest();
		sched_enter_kernel();
	}
	__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
}

static void sleepers(void)
{
	int i;

	for (i = 0; i < 64; i++) {
		struct test_thread *t = tt_make("sleeper", i % 2 ? &tt_ops : &bound_ops,
						sleep_a_lot, i);

		kthread_start(&t->kt);
	}
}

START_TEST(migration_at_every_schedule_loses_nobody)
{
	counter = 0;
	sched_debug_migrate = true;
	with_cpus(cpu_counts[_i], sleepers);
	sched_debug_migrate = false;
	ck_assert_int_eq(counter, 64);
	counter = 0;
	with_cpus(cpu_counts[_i], sleepers);
	ck_assert_int_eq(counter, 64);
}
END_TEST

static void account_some(void)
{
	struct kthread *kt = current_kthread();
	u64 in_kernel;

	sched_return_to_guest();
	in_kernel = kt->stime_ns;
	burn_us(5000);
	sched_enter_kernel();
	must(kt->utime_ns >= 5000000);
	must_eq(kt->stime_ns, in_kernel);
	burn_us(7000);
	sched_return_to_guest();
	sched_enter_kernel();
	must(kt->stime_ns >= 7000000);
	must_eq(kt->runtime_ns, kt->utime_ns + kt->stime_ns);
}

START_TEST(guest_and_kernel_time_are_told_apart)
{
	with_cpus(1, account_some);
}
END_TEST

/* One in the kernel that never sleeps, another one and a timer. */
static u64 had_a_turn;

static void take_a_turn(long arg)
{
	sleep_us(2000);
	__atomic_store_n(&had_a_turn, 1, __ATOMIC_SEQ_CST);
}

static void long_work(void)
{
	ktime_t end = ktime_mono() + 10 * NSEC_PER_SEC;

	had_a_turn = 0;
	spawn(take_a_turn, 0);
	while (!__atomic_load_n(&had_a_turn, __ATOMIC_SEQ_CST) && ktime_mono() < end) {
		burn_us(50);
		cond_resched();
	}
	must(had_a_turn);
}

START_TEST(long_work_in_the_kernel_gives_way)
{
	with_cpus(1, long_work);
}
END_TEST
int main(void)
{
	TCase *tc = tcase_create("sched");

	tcase_add_loop_test(tc, every_started_kthread_runs_once, 0, 3);
	tcase_add_loop_test(tc, yielding_kthreads_all_advance, 0, 3);
	tcase_add_test(tc, cpu_time_follows_nice);
	tcase_add_test(tc, fifo_preempts_fair);
	tcase_add_test(tc, fair_ones_run_beside_a_real_time_hog);
	tcase_add_loop_test(tc, bound_kthreads_spread_to_idle_cpus, 0, 3);
	tcase_add_test(tc, a_fair_one_leaves_a_real_time_hog);
	tcase_add_loop_test(tc, affinity_moves_a_running_kthread, 0, 3);
	tcase_add_loop_test(tc, affinity_can_be_waited_for, 0, 3);
	tcase_add_test(tc, who_waits_for_affinity_can_be_killed_or_told_otherwise);
	tcase_add_loop_test(tc, ping_pong_stays_on_one_cpu, 0, 3);
	tcase_add_test(tc, short_work_waits_for_a_guest_that_is_spun_for);
	tcase_add_test(tc, long_work_does_not);
	tcase_add_test(tc, it_does_not_wait_for_long);
	tcase_add_loop_test(tc, idle_cpus_do_not_wake_up, 0, 3);
	tcase_add_loop_test(tc, migration_at_every_schedule_loses_nobody, 0, 3);
	tcase_add_test(tc, guest_and_kernel_time_are_told_apart);
	tcase_add_test(tc, long_work_in_the_kernel_gives_way);
	return run_suite(tc, "sched");
}
