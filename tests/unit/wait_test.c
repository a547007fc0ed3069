/*
 * Wait queues: no wake-up is lost, signals and deadlines end sleeps, exclusive waiters are woken
 * one by one.
 */
#include "smp_util.h"
#include <pthread.h>

static struct wait_queue q;
static int tokens; /* atomic */
static int taken;  /* atomic */

static bool take_token(void)
{
	int n = __atomic_load_n(&tokens, __ATOMIC_SEQ_CST);

	while (n > 0) {
		if (__atomic_compare_exchange_n(&tokens, &n, n - 1, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

enum { CONSUMERS = 16, EACH = 1000 };

static void consume(long exclusive)
{
	struct wait_opts o = {.state = KT_UNINTERRUPTIBLE, .exclusive = exclusive};
	int i, err;

	for (i = 0; i < EACH; i++) {
		err = wait_event_expr(&q, take_token(), &o);
		must(!err);
		__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
	}
}

static void produce(long n)
{
	while (n--) {
		__atomic_fetch_add(&tokens, 1, __ATOMIC_SEQ_CST);
		wake_up(&q);
		if (n % 16 == 0)
			sched_yield_cpu();
	}
}

static void producers_and_consumers(void)
{
	long i;

	wait_queue_init(&q);
	tokens = taken = 0;
	for (i = 0; i < CONSUMERS; i++)
		spawn(consume, i % 4 != 0);
	for (i = 0; i < 4; i++)
		spawn(produce, CONSUMERS * EACH / 4);
	join_all();
	must_eq(taken, CONSUMERS * EACH);
	must_eq(tokens, 0);
	must(!wait_queue_active(&q));
}

START_TEST(no_wake_up_is_lost)
{
	with_cpus(cpu_counts[_i], producers_and_consumers);
}
END_TEST

static int woken; /* atomic */

static void wait_for_go(long exclusive)
{
	struct wait_opts o = {.state = KT_UNINTERRUPTIBLE, .exclusive = exclusive};
	struct waiter w;
	int err;

	wait_begin(&w, &q, &o);
	err = wait_sleep(&w, &o);
	wait_end(&w);
	must(!err);
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}

static void nothing(void *arg)
{
}

static void until_asleep(struct test_thread *t)
{
	while (!kthread_while_asleep(&t->kt, nothing, NULL))
		sleep_us(1000);
}

static void until_woken(int n)
{
	for (int i = 0; i < 100000 && __atomic_load_n(&woken, __ATOMIC_SEQ_CST) < n; i++)
		sleep_us(100);
	sleep_us(5000); /* nor one more */
	must_eq(__atomic_load_n(&woken, __ATOMIC_SEQ_CST), n);
}

static void exclusive_waiters(void)
{
	struct test_thread *t[8];
	int i;

	wait_queue_init(&q);
	woken = 0;
	for (i = 0; i < 8; i++)
		t[i] = spawn(wait_for_go, i < 5);
	for (i = 0; i < 8; i++)
		until_asleep(t[i]);
	must_eq(woken, 0);
	wake_up(&q);
	until_woken(4);
	wake_up_nr(&q, 2, 0);
	until_woken(6);
	wake_up_all(&q);
}

START_TEST(exclusive_waiters_are_woken_singly)
{
	with_cpus(cpu_counts[_i], exclusive_waiters);
	ck_assert_int_eq(woken, 8);
}
END_TEST

static bool never(void *arg)
{
	return false;
}

static int result;

static void wait_interruptibly(long state)
{
	result = wait_event(&q, never, NULL, &(struct wait_opts){.state = state});
}

static void signal_a_sleeper(void)
{
	static const int states[] = {KT_INTERRUPTIBLE, KT_KILLABLE};
	size_t i;

	wait_queue_init(&q);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		struct test_thread *t = tt_make("sleeper", &tt_ops, wait_interruptibly, states[i]);

		t->keep = true;
		result = 0;
		kthread_start(&t->kt);
		sleep_us(i ? 5000 : 0); /* asleep already, or just starting */
		__atomic_store_n(&t->signalled, true, __ATOMIC_SEQ_CST);
		wake_up_state(&t->kt, 1u << states[i]);
		kick_kthread(&t->kt);
		join_all();
		must_eq(result, -ERESTARTSYS);
		kfree(t);
	}
}

START_TEST(a_signal_ends_a_sleep)
{
	with_cpus(cpu_counts[_i], signal_a_sleeper);
}
END_TEST

static int looks;

/* The third look is the last one of who was interrupted: after it there is a token. */
static bool take_token_that_comes_late(void)
{
	bool got = take_token();

	if (++looks == 3) {
		__atomic_fetch_add(&tokens, 1, __ATOMIC_SEQ_CST);
		wake_up(&q);
	}
	return got;
}

static void give_up(long arg)
{
	result = wait_event_expr(&q, take_token_that_comes_late(),
				 &((struct wait_opts){.exclusive = true}));
}

static void take_one(long arg)
{
	int err = wait_event_expr(&q, take_token(), &((struct wait_opts){.exclusive = true}));

	must(!err);
	__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
}

static void interrupt_the_first_of_two(void)
{
	struct test_thread *first = tt_make("first", &tt_ops, give_up, 0);
	struct test_thread *second = tt_make("second", &tt_ops, take_one, 0);

	wait_queue_init(&q);
	tokens = taken = looks = 0;
	first->keep = second->keep = true;
	kthread_start(&first->kt);
	until_asleep(first);
	kthread_start(&second->kt);
	until_asleep(second);
	__atomic_store_n(&first->signalled, true, __ATOMIC_SEQ_CST);
	wake_up_state(&first->kt, 1u << KT_INTERRUPTIBLE);
	while (__atomic_load_n(&tt_live, __ATOMIC_SEQ_CST) > 2)
		sleep_us(1000);
	for (int i = 0; i < 10000 && !__atomic_load_n(&taken, __ATOMIC_SEQ_CST); i++)
		sleep_us(1000);
	must_eq(__atomic_load_n(&taken, __ATOMIC_SEQ_CST), 1);
	join_all();
	must_eq(result, -ERESTARTSYS);
	must_eq(looks, 3);
	kfree(first);
	kfree(second);
}

START_TEST(a_wake_up_is_not_spent_on_who_gives_up)
{
	with_cpus(cpu_counts[_i], interrupt_the_first_of_two);
}
END_TEST

static void time_out(void)
{
	struct wait_opts o = {.deadline = ktime_mono() + 3 * NSEC_PER_MSEC};
	bool done = false;
	int err;

	wait_queue_init(&q);
	must_eq(wait_event(&q, never, NULL, &o), -ETIMEDOUT);
	must(ktime_mono() >= o.deadline);
	must(!wait_queue_active(&q));
	/* A condition that holds by then wins. */
	err = wait_event_expr(&q, done || (done = ktime_mono() >= o.deadline, done), &o);
	must(!err);
}

START_TEST(a_deadline_ends_a_sleep)
{
	with_cpus(cpu_counts[_i], time_out);
}
END_TEST

static u32 seen_events;

static bool note_events(struct waiter *w, u32 events)
{
	seen_events |= events;
	return false;
}

static void poll_callback(void)
{
	struct waiter w = {.fn = note_events};

	wait_queue_init(&q);
	seen_events = 0;
	wait_add(&q, &w);
	wake_up_poll(&q, 4);
	must_eq(seen_events, 4);
	wait_remove(&w);
	wait_remove(&w);
	wake_up_poll(&q, 8);
	must_eq(seen_events, 4);
}

START_TEST(callbacks_see_events_until_removed)
{
	with_cpus(1, poll_callback);
}
END_TEST

/* From a host thread that is no CPU, as the event thread does. */
static void *foreign(void *arg)
{
	int i;

	must(!current_kthread());
	for (i = 0; i < EACH; i++) {
		__atomic_fetch_add(&tokens, 1, __ATOMIC_SEQ_CST);
		wake_up(&q);
	}
	return NULL;
}

static pthread_t foreigner;

static void woken_from_outside(void)
{
	tokens = taken = 0;
	wait_queue_init(&q);
	spawn(consume, 1);
	must(!pthread_create(&foreigner, NULL, foreign, NULL));
	join_all();
	must_eq(taken, EACH);
}

START_TEST(foreign_threads_wake_kthreads)
{
	with_cpus(cpu_counts[_i], woken_from_outside);
	pthread_join(foreigner, NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("wait");

	tcase_add_loop_test(tc, no_wake_up_is_lost, 0, 3);
	tcase_add_loop_test(tc, exclusive_waiters_are_woken_singly, 0, 3);
	tcase_add_loop_test(tc, a_signal_ends_a_sleep, 0, 3);
	tcase_add_loop_test(tc, a_wake_up_is_not_spent_on_who_gives_up, 0, 3);
	tcase_add_loop_test(tc, a_deadline_ends_a_sleep, 0, 3);
	tcase_add_test(tc, callbacks_see_events_until_removed);
	tcase_add_loop_test(tc, foreign_threads_wake_kthreads, 0, 3);
	return run_suite(tc, "wait");
}
