/* Mutexes: exclusion, no starvation, killable waits. */
#include "smp_util.h"
#include <string.h>

static struct mutex m;
static u64 a, b; /* m */
static bool stop;

static void add(long i)
{
	int n;

	for (n = 0; n < 2000; n++) {
		if (n % 10 == 4)
			must(!mutex_lock_killable(&m));
		else
			mutex_lock(&m);
		must(mutex_is_held(&m));
		must_eq(a, b);
		a++;
		if (n % 32 == 0)
			sched_yield_cpu();
		if (n % 101 == 0)
			sleep_us(3);
		b++;
		mutex_unlock(&m);
		must(!mutex_is_held(&m));
	}
}

static void adders(void)
{
	long i;

	mutex_init(&m, "test", RANK_PIPE);
	a = b = 0;
	for (i = 0; i < 16; i++)
		spawn(add, i);
	join_all();
	must_eq(m.owner, 0);
}

START_TEST(mutexes_exclude)
{
	with_cpus(cpu_counts[_i], adders);
	ck_assert_uint_eq(a, 16 * 2000);
}
END_TEST

#define ROUNDS 15000

static u64 rounds[6], all_rounds; /* m */
static int arrived;		  /* atomic */

static void greedy(long i)
{
	bool more = true;

	/* They begin together, however long a host takes to wake a CPU. */
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 6)
		sched_yield_cpu();
	while (more) {
		mutex_lock(&m);
		burn_us(20);
		if (rounds[i] % 8 == 0)
			sched_yield_cpu();
		more = all_rounds < ROUNDS;
		if (more) {
			rounds[i]++;
			all_rounds++;
		}
		mutex_unlock(&m);
	}
}

static void greedy_ones(void)
{
	long i;

	mutex_init(&m, "test", RANK_PIPE);
	memset(rounds, 0, sizeof(rounds));
	all_rounds = 0;
	arrived = 0;
	for (i = 0; i < 6; i++)
		spawn(greedy, i);
}

static bool all_advance(void)
{
	int i;

	for (i = 0; i < 6; i++)
		if (rounds[i] <= ROUNDS / 6 / 4)
			return false;
	return true;
}

/* A CPU that the host stops leaves all rounds to the others. */
START_TEST(nobody_starves)
{
	with_cpus_until(cpu_counts[_i], greedy_ones, all_advance);
	ck_assert(all_advance());
}
END_TEST

static int killed; /* atomic */

static void wait_killable(long i)
{
	int err = mutex_lock_killable(&m);

	if (err == -EINTR)
		__atomic_fetch_add(&killed, 1, __ATOMIC_SEQ_CST);
	else
		mutex_unlock(&m);
}

static void kill_waiters(void)
{
	struct test_thread *t[10];
	int i;

	mutex_init(&m, "test", RANK_PIPE);
	killed = 0;
	mutex_lock(&m);
	for (i = 0; i < 10; i++) {
		t[i] = tt_make("victim", &tt_ops, wait_killable, i);
		t[i]->keep = true;
		kthread_start(&t[i]->kt);
	}
	for (i = 0; i < 10; i++)
		while (__atomic_load_n(&t[i]->kt.state, __ATOMIC_SEQ_CST) != KT_KILLABLE)
			sleep_us(100);
	for (i = 0; i < 10; i += 2) {
		__atomic_store_n(&t[i]->signalled, true, __ATOMIC_SEQ_CST);
		wake_up_state(&t[i]->kt, 1u << KT_KILLABLE);
	}
	while (__atomic_load_n(&killed, __ATOMIC_SEQ_CST) < 5)
		sleep_us(100);
	mutex_unlock(&m);
	join_all();
	must_eq(killed, 5);
	must_eq(m.owner, 0);
	mutex_lock(&m);
	mutex_unlock(&m);
	for (i = 0; i < 10; i++)
		kfree(t[i]);
}

START_TEST(killed_waiters_leave_the_others_in_order)
{
	with_cpus(cpu_counts[_i], kill_waiters);
}
END_TEST

/* Kills at random moments, while the mutex goes from hand to hand. */
static struct test_thread *victims[8];

static void take_often(long i)
{
	int n;

	for (n = 0; n < 500; n++) {
		if (mutex_lock_killable(&m))
			continue;
		must_eq(a, b);
		a++;
		if (n % 16 == 0)
			sched_yield_cpu();
		b++;
		mutex_unlock(&m);
	}
}

static void kill_at_random(void)
{
	int i, n;

	mutex_init(&m, "test", RANK_PIPE);
	a = b = 0;
	for (i = 0; i < 8; i++) {
		victims[i] = tt_make("victim", &tt_ops, take_often, i);
		victims[i]->keep = true;
		kthread_start(&victims[i]->kt);
	}
	for (n = 0; __atomic_load_n(&tt_live, __ATOMIC_SEQ_CST) > 1; n++) {
		struct test_thread *t = victims[n % 8];

		__atomic_store_n(&t->signalled, n % 3 != 0, __ATOMIC_SEQ_CST);
		wake_up_state(&t->kt, 1u << KT_KILLABLE);
		if (n % 8)
			burn_us(5);
		else
			sleep_us(20);
	}
	must_eq(m.owner, 0);
	for (i = 0; i < 8; i++)
		kfree(victims[i]);
}

START_TEST(kills_at_any_moment_lose_no_wake_up)
{
	with_cpus(cpu_counts[_i], kill_at_random);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mutex");

	tcase_add_loop_test(tc, mutexes_exclude, 0, 3);
	tcase_add_loop_test(tc, nobody_starves, 0, 3);
	tcase_add_loop_test(tc, killed_waiters_leave_the_others_in_order, 0, 3);
	tcase_add_loop_test(tc, kills_at_any_moment_lose_no_wake_up, 0, 3);
	return run_suite(tc, "mutex");
}
