/* Timers: order, cancelling against a running callback, sleeping until a deadline. */
#include "smp_util.h"
#include <string.h>

#define US NSEC_PER_USEC

static int fired_order[64], fired;

struct numbered {
	struct timer t;
	int nr;
};

static void note(struct timer *t)
{
	fired_order[fired++] = caa_container_of(t, struct numbered, t)->nr;
}

static void arm_shuffled(void)
{
	static struct numbered n[50];
	ktime_t base = ktime_mono() + 2000 * US;
	int i;

	fired = 0;
	for (i = 0; i < 50; i++) {
		int k = i * 7 % 50;

		n[k].nr = k;
		timer_init(&n[k].t, note);
		timer_arm(&n[k].t, base + k * 10 * US);
	}
	/* Re-armed ones change their place, cancelled ones never fire. */
	timer_arm(&n[3].t, base + 1000 * US);
	must(timer_cancel(&n[10].t));
	must(!timer_cancel(&n[10].t));
	must(!timer_is_armed(&n[10].t) && timer_is_armed(&n[3].t));
	sched_set_affinity(current_kthread(), 1ULL << this_cpu()->id);
	sleep_us(20000);
	must_eq(fired, 49);
	must_eq(fired_order[48], 3);
	for (i = 1; i < 48; i++)
		must(fired_order[i] > fired_order[i - 1]);
}

START_TEST(timers_fire_in_order_of_deadline)
{
	with_cpus(1, arm_shuffled);
}
END_TEST

static void sleep_exactly(long i)
{
	int n;

	for (n = 0; n < 20; n++) {
		ktime_t until = ktime_mono() + (i * 13 % 300) * US;

		kthread_set_state(KT_UNINTERRUPTIBLE);
		must(!schedule_deadline(until));
		must(ktime_mono() >= until);
	}
}

static void sleepers(void)
{
	long i;

	for (i = 0; i < 100; i++)
		spawn(sleep_exactly, i);
}

START_TEST(sleeps_end_at_their_deadline_not_before)
{
	with_cpus(cpu_counts[_i], sleepers);
}
END_TEST

static void wake_early(long kt)
{
	sleep_us(3000);
	while (!wake_up_kthread((struct kthread *)kt)) /* not asleep yet */
		sleep_us(100);
}

static void sleep_long(void)
{
	ktime_t t0 = ktime_mono();

	spawn(wake_early, (long)current_kthread());
	kthread_set_state(KT_INTERRUPTIBLE);
	must(schedule_deadline(t0 + 60 * NSEC_PER_SEC));
	must(ktime_mono() - t0 < 30 * NSEC_PER_SEC);
}

START_TEST(wake_up_ends_a_timed_sleep)
{
	with_cpus(cpu_counts[_i], sleep_long);
}
END_TEST

/* Callbacks that run while others cancel, re-arm and free. */
struct shared {
	struct timer t;
	u32 magic;
	int in_fn; /* atomic */
};

static void slow_fn(struct timer *t)
{
	struct shared *s = caa_container_of(t, struct shared, t);

	must_eq(s->magic, 0x5a5a5a5a);
	__atomic_store_n(&s->in_fn, 1, __ATOMIC_SEQ_CST);
	burn_us(20);
	must_eq(s->magic, 0x5a5a5a5a);
	__atomic_store_n(&s->in_fn, 0, __ATOMIC_SEQ_CST);
}

static void rearming_fn(struct timer *t)
{
	slow_fn(t);
	timer_arm(t, ktime_mono() + 10 * US);
}

static void arm_cancel_free(long i)
{
	int n;

	for (n = 0; n < 300; n++) {
		struct shared *s = kzalloc(sizeof(*s));

		s->magic = 0x5a5a5a5a;
		timer_init(&s->t, i % 2 ? rearming_fn : slow_fn);
		timer_arm(&s->t, ktime_mono() + (n % 30) * US);
		if (n % 3 == 0)
			sleep_us(n % 20);
		else if (n % 3 == 1)
			burn_us(n % 20);
		timer_cancel_sync(&s->t);
		must_eq(__atomic_load_n(&s->in_fn, __ATOMIC_SEQ_CST), 0);
		must(!timer_is_armed(&s->t));
		memset(s, 0, sizeof(*s));
		kfree(s);
	}
}

static void cancellers(void)
{
	long i;

	for (i = 0; i < 8; i++)
		spawn(arm_cancel_free, i);
}

START_TEST(cancel_sync_waits_for_the_callback)
{
	with_cpus(cpu_counts[_i], cancellers);
}
END_TEST

/* One timer, armed and cancelled by many at once: only its own consistency is at stake. */
static struct shared common;

static void fight(long i)
{
	int n;

	for (n = 0; n < 2000; n++) {
		if (n % 3)
			timer_arm(&common.t, ktime_mono() + (n * i % 40) * US);
		else if (i % 2)
			timer_cancel(&common.t);
		else
			timer_cancel_sync(&common.t);
		if (n % 50 == 0)
			sched_yield_cpu();
	}
}

static void fighters(void)
{
	long i;

	common.magic = 0x5a5a5a5a;
	timer_init(&common.t, slow_fn);
	for (i = 0; i < 6; i++)
		spawn(fight, i);
	join_all();
	timer_cancel_sync(&common.t);
	must(!timer_is_armed(&common.t));
}

START_TEST(one_timer_used_by_many_cpus)
{
	with_cpus(cpu_counts[_i], fighters);
}
END_TEST

START_TEST(timespecs_are_checked)
{
	ktime_t ns;

	ck_assert_int_eq(timespec_to_ns(&(struct timespec){1, 5}, &ns), 0);
	ck_assert_uint_eq(ns, NSEC_PER_SEC + 5);
	ck_assert_int_eq(timespec_to_ns(&(struct timespec){-1, 0}, &ns), -EINVAL);
	ck_assert_int_eq(timespec_to_ns(&(struct timespec){0, -1}, &ns), -EINVAL);
	ck_assert_int_eq(timespec_to_ns(&(struct timespec){0, 1000000000}, &ns), -EINVAL);
	ck_assert_int_eq(timespec_to_ns(&(struct timespec){INT64_MAX, 0}, &ns), 0);
	ck_assert_uint_eq(ns, KTIME_MAX - 1);
}
END_TEST

START_TEST(only_wall_clocks_are_read)
{
	struct timespec ts;

	ck_assert_int_eq(ktime_get(CLOCK_BOOTTIME, &ts), 0);
	ck_assert_int_eq(ktime_get(CLOCK_PROCESS_CPUTIME_ID, &ts), -EINVAL);
	ck_assert_int_eq(ktime_get(-6, &ts), -EINVAL);
	ck_assert_int_eq(ktime_getres(CLOCK_MONOTONIC, &ts), 0);
	ck_assert_int_eq(ktime_getres(12345, &ts), -EINVAL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timer");

	tcase_add_test(tc, timers_fire_in_order_of_deadline);
	tcase_add_loop_test(tc, sleeps_end_at_their_deadline_not_before, 0, 3);
	tcase_add_loop_test(tc, wake_up_ends_a_timed_sleep, 0, 3);
	tcase_add_loop_test(tc, cancel_sync_waits_for_the_callback, 0, 3);
	tcase_add_loop_test(tc, one_timer_used_by_many_cpus, 0, 3);
	tcase_add_test(tc, timespecs_are_checked);
	tcase_add_test(tc, only_wall_clocks_are_read);
	return run_suite(tc, "timer");
}
