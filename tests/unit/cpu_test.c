/*
 * The border to the guest: kicks are never lost, those who wait get the CPU from a guest that
 * computes for ever, and a guest that is alone is left alone. The guest is a futex wait which the
 * engine's kick_self ends.
 * test: serial=yes
 */
#include "smp_util.h"
#include "engine.h"
#include "host.h"
#include <pthread.h>
#include <string.h>

const struct engine_ops *engine;

static u32 guest_word[MAX_CPUS]; /* atomic: 1 when the guest of that CPU is to stop */

static void fake_kick_self(struct cpu *c)
{
	__atomic_store_n(&guest_word[c->id], 1, __ATOMIC_SEQ_CST);
}

static const struct engine_ops fake_engine = {.name = "fake", .kick_self = fake_kick_self};

/* Until kicked. */
static void run_guest(void)
{
	struct cpu *c = this_cpu();

	__atomic_store_n(&guest_word[c->id], 0, __ATOMIC_SEQ_CST);
	if (!cpu_enter_guest(c))
		return;
	while (!__atomic_load_n(&guest_word[c->id], __ATOMIC_SEQ_CST))
		host_futex_wait(&guest_word[c->id], 0, KTIME_MAX);
	cpu_leave_guest(c);
}

static bool stop; /* atomic */
static u64 rounds[8];

static bool stopping(void)
{
	return __atomic_load_n(&stop, __ATOMIC_SEQ_CST);
}

static void compute(long i)
{
	struct kthread *kt = current_kthread();

	for (;;) {
		sched_return_to_guest();
		if (stopping())
			break;
		if (kt->ops->migrate_out)
			__atomic_store_n(&kt->bound, 1, __ATOMIC_SEQ_CST);
		run_guest();
		sched_enter_kernel();
		__atomic_fetch_add(&rounds[i], 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&kt->bound, 0, __ATOMIC_SEQ_CST);
}

static struct test_thread *team[8];

static void start_team(int n, const struct kthread_ops *ops, u64 allowed)
{
	int i;

	engine = &fake_engine;
	stop = false;
	memset(rounds, 0, sizeof(rounds));
	for (i = 0; i < n; i++) {
		team[i] = tt_make("guest", ops, compute, i);
		team[i]->keep = true;
		sched_set_affinity(&team[i]->kt, allowed);
		kthread_start(&team[i]->kt);
	}
}

static void stop_team(int n)
{
	int i;

	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < n; i++)
		kick_kthread(&team[i]->kt);
	join_all();
	for (i = 0; i < n; i++)
		kfree(team[i]);
}

/* ---- kicks ---- */

static u32 asked, answered; /* atomic */

static void answer(long arg)
{
	for (;;) {
		u32 a;

		/* As a task looks for signals: after it. */
		sched_return_to_guest();
		if (stopping())
			return;
		a = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
		if (a != __atomic_load_n(&answered, __ATOMIC_SEQ_CST)) {
			__atomic_store_n(&answered, a, __ATOMIC_SEQ_CST);
			continue;
		}
		run_guest();
		sched_enter_kernel();
	}
}

/* A lost kick would leave it in the guest for ever. */
static void ask(struct kthread *kt, int times, void (*idle)(int n))
{
	u32 n;

	for (n = 1; n <= (u32)times; n++) {
		__atomic_store_n(&asked, n, __ATOMIC_SEQ_CST);
		kick_kthread(kt);
		while (__atomic_load_n(&answered, __ATOMIC_SEQ_CST) != n)
			idle(n);
		if (n % 7 == 0)
			idle(n);
	}
}

static void idle_kthread(int n)
{
	if (n % 3)
		burn_us(n % 50);
	sched_yield_cpu();
}

static void kick_from_cpu(void)
{
	struct test_thread *t = tt_make("answer", &tt_ops, answer, 0);

	engine = &fake_engine;
	asked = answered = 0;
	stop = false;
	t->keep = true; /* until it was kicked for the last time */
	kthread_start(&t->kt);
	ask(&t->kt, nr_cpus == 1 ? 100 : 3000, idle_kthread);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	kick_kthread(&t->kt);
	join_all();
	kfree(t);
}

START_TEST(no_kick_of_another_cpu_is_lost)
{
	with_cpus(cpu_counts[_i], kick_from_cpu);
}
END_TEST

static struct test_thread *answerer;

static void idle_foreign(int n)
{
	sched_yield();
}

static void *kick_from_outside(void *arg)
{
	ask(&answerer->kt, 3000, idle_foreign);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	kick_kthread(&answerer->kt);
	return NULL;
}

static pthread_t kicker;

static void start_foreign_kicker(void)
{
	engine = &fake_engine;
	asked = answered = 0;
	stop = false;
	answerer = tt_make("answer", &tt_ops, answer, 0);
	answerer->keep = true;
	kthread_start(&answerer->kt);
	must(!pthread_create(&kicker, NULL, kick_from_outside, NULL));
}

START_TEST(no_kick_of_a_foreign_thread_is_lost)
{
	with_cpus(cpu_counts[_i], start_foreign_kicker);
	pthread_join(kicker, NULL);
	kfree(answerer);
}
END_TEST

static u32 inside, let_go; /* atomic; let_go is a host futex */

static void stay_in_guest(long arg)
{
	do
		sched_return_to_guest();
	while (!cpu_enter_guest(this_cpu()));
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST))
		host_futex_wait(&let_go, 0, KTIME_MAX);
	cpu_leave_guest(this_cpu());
	sched_enter_kernel();
}

/* The guest is told to stop by the first one, and doesn't before it has got all. */
static void kick_many_times(void)
{
	struct test_thread *t = tt_make("guest", &tt_ops, stay_in_guest, 0);
	u64 sent;
	int i;

	engine = &fake_engine;
	inside = let_go = 0;
	__atomic_store_n(&guest_word[1], 0, __ATOMIC_SEQ_CST);
	sched_set_affinity(current_kthread(), 1);
	must(!sched_wait_affinity(current_kthread()));
	sched_set_affinity(&t->kt, 2);
	kthread_start(&t->kt);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		sched_yield_cpu();
	sent = cpus[0].stat.ipis_sent;
	for (i = 0; i < 1000; i++)
		cpu_kick(&cpus[1]);
	must_eq(cpus[0].stat.ipis_sent - sent, 1);
	while (!__atomic_load_n(&guest_word[1], __ATOMIC_SEQ_CST))
		sched_yield_cpu();
	__atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
	host_futex_wake(&let_go, 1);
}

START_TEST(kicks_that_are_pending_send_one_signal)
{
	with_cpus(2, kick_many_times);
}
END_TEST

/* ---- sharing a CPU ---- */

static void guests_share(void)
{
	start_team(4, &tt_ops, 1);
	sleep_us(600000);
	stop_team(4);
}

/* 50 turns each of 3 ms. A host that has others on its cores makes them longer: 9 ms is usual. */
static bool took_turns(void)
{
	u64 all = 0;
	int i;

	for (i = 0; i < 4; i++) {
		if (rounds[i] <= 14)
			return false;
		all += rounds[i];
	}
	return all < 800; /* in slices, not in slivers */
}

START_TEST(guests_that_compute_take_turns)
{
	with_cpus_until(cpu_counts[_i], guests_share, took_turns);
	ck_assert_msg(took_turns(), "%lu %lu %lu %lu", rounds[0], rounds[1], rounds[2], rounds[3]);
}
END_TEST

static u64 late;

/*
 * Sleeps so short that the guest has more than 2 ms of its slice left: a sleeper that doesn't
 * preempt it is late each time.
 */
static void wake_often(long arg)
{
	int n;

	for (n = 0; n < 50; n++) {
		ktime_t due = ktime_mono() + 700 * NSEC_PER_USEC;

		kthread_set_state(KT_UNINTERRUPTIBLE);
		schedule_deadline(due);
		if (ktime_mono() - due > 2 * NSEC_PER_MSEC)
			late++;
	}
}

static void sleeper_against_guest(void)
{
	struct test_thread *t = tt_make("sleeper", &tt_ops, wake_often, 0);
	int err;

	late = 0;
	start_team(1, &tt_ops, 1);
	sched_set_affinity(&t->kt, 1);
	kthread_start(&t->kt);
	/* Until only the guest is left: it computes as long as there is somebody to be late. */
	err = wait_event_expr(&tt_queue, __atomic_load_n(&tt_live, __ATOMIC_SEQ_CST) == 2,
			      &((struct wait_opts){.state = KT_UNINTERRUPTIBLE}));
	must(!err);
	stop_team(1);
}

/* Half of the time is a host whose cores are busy. */
static bool is_seldom_late(void)
{
	return late < 35;
}

START_TEST(a_sleeper_gets_the_cpu_when_it_wakes)
{
	with_cpus_until(cpu_counts[_i], sleeper_against_guest, is_seldom_late);
	ck_assert(is_seldom_late());
}
END_TEST

static u64 ticks_of_one;

static void guest_alone(void)
{
	u64 before;

	start_team(1, &tt_ops, 1);
	sleep_us(50000);
	before = __atomic_load_n(&rounds[0], __ATOMIC_RELAXED);
	sleep_us(300000);
	ticks_of_one = __atomic_load_n(&rounds[0], __ATOMIC_RELAXED) - before;
	stop_team(1);
}

/* One round for the sleep of the observer itself, if it shares the CPU. */
START_TEST(a_guest_alone_is_not_interrupted)
{
	with_cpus(cpu_counts[_i], guest_alone);
	ck_assert_uint_le(ticks_of_one, 3);
}
END_TEST

/* ---- spreading ---- */

static int migrations;

static void migrate_out(struct kthread *kt)
{
	must(this_cpu()->id == kt->cpu && current_kthread() != kt);
	__atomic_fetch_add(&migrations, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&kt->bound, 0, __ATOMIC_SEQ_CST);
}

static const struct kthread_ops bound_ops = {
	.dead = tt_dead,
	.signal_pending = tt_signal_pending,
	.migrate_out = migrate_out,
};

/* All start on CPU 0; one for each CPU. */
static void crowd(void)
{
	u64 seen = 0;
	int i, n;

	migrations = 0;
	start_team(nr_cpus, &bound_ops, 1);
	sleep_us(20000);
	for (i = 0; i < nr_cpus; i++)
		sched_set_affinity(&team[i]->kt, UINT64_MAX);
	/* The host may be busy: at most 20 seconds, mostly a few rounds. */
	for (n = 0; n < 4000 && seen != (1ULL << nr_cpus) - 1; n++) {
		sleep_us(5000);
		for (seen = 0, i = 0; i < nr_cpus; i++)
			seen |= 1ULL << __atomic_load_n(&team[i]->kt.cpu, __ATOMIC_ACQUIRE);
	}
	must(seen == (1ULL << nr_cpus) - 1);
	stop_team(nr_cpus);
}

START_TEST(guests_spread_over_idle_cpus)
{
	with_cpus(cpu_counts[_i], crowd);
	ck_assert(migrations > 0 || cpu_counts[_i] == 1);
}
END_TEST

static u64 most, least;

static void crowd_of_many(void)
{
	int i, n = 2 * nr_cpus;

	start_team(n, &bound_ops, UINT64_MAX);
	sleep_us(500000);
	most = 0;
	least = UINT64_MAX;
	for (i = 0; i < n; i++) {
		u64 ran = __atomic_load_n(&team[i]->kt.runtime_ns, __ATOMIC_RELAXED);

		most = max(most, ran);
		least = min(least, ran);
	}
	stop_team(n);
}

/* Two on each CPU: one and three would make it 3 : 1. */
static bool are_even(void)
{
	return most < 2 * least;
}

START_TEST(guests_share_cpus_evenly)
{
	with_cpus_until(cpu_counts[_i], crowd_of_many, are_even);
	ck_assert_msg(are_even(), "%lu %lu", most, least);
}
END_TEST

/* Whatever runs when the kernel stops is left where it is. */
static void stop_with_guests(void)
{
	start_team(8, &tt_ops, UINT64_MAX);
	sleep_us(20000);
	smp_stop();
	sleep_us(1000000);
	must(false);
}

START_TEST(stopping_does_not_wait_for_guests)
{
	int i;

	with_cpus(cpu_counts[_i], stop_with_guests);
	kthread_destroy(&tt_first->kt);
	kfree(tt_first);
	for (i = 0; i < 8; i++) {
		kthread_destroy(&team[i]->kt);
		kfree(team[i]);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("cpu");

	tcase_add_loop_test(tc, no_kick_of_another_cpu_is_lost, 0, 3);
	tcase_add_loop_test(tc, no_kick_of_a_foreign_thread_is_lost, 0, 3);
	tcase_add_test(tc, kicks_that_are_pending_send_one_signal);
	tcase_add_loop_test(tc, guests_that_compute_take_turns, 0, 3);
	tcase_add_loop_test(tc, a_sleeper_gets_the_cpu_when_it_wakes, 0, 3);
	tcase_add_loop_test(tc, a_guest_alone_is_not_interrupted, 0, 3);
	tcase_add_loop_test(tc, guests_spread_over_idle_cpus, 0, 3);
	tcase_add_loop_test(tc, guests_share_cpus_evenly, 0, 3);
	tcase_add_loop_test(tc, stopping_does_not_wait_for_guests, 0, 3);
	return run_suite(tc, "cpu");
}
