/* The order of those who wait for a CPU, and on which CPU; without CPUs that run. */
#include "smp_util.h"
#include "../../smp/smp.h"
#include <sched.h>
#include <string.h>

/* ---- the heap ---- */

START_TEST(heap_gives_keys_in_order_after_random_removals)
{
	enum { N = 2000 };
	static struct pheap_node n[N];
	static bool in[N];
	struct pheap h = {0};
	u64 last = 0;
	int i, left = 0;

	srandom(1);
	for (i = 0; i < N; i++) {
		pheap_insert(&h, &n[i], random() % 500);
		in[i] = true;
		left++;
	}
	for (i = 0; i < N / 2; i++) {
		int k = random() % N;

		if (in[k]) {
			pheap_remove(&h, &n[k]);
			in[k] = false;
			left--;
		}
	}
	while (pheap_first(&h)) {
		struct pheap_node *f = pheap_first(&h);

		ck_assert(in[f - n]);
		ck_assert_uint_ge(f->key, last);
		last = f->key;
		pheap_remove(&h, f);
		left--;
	}
	ck_assert_int_eq(left, 0);
}
END_TEST

START_TEST(heap_gives_equal_keys_in_order_of_arrival)
{
	enum { N = 100 };
	static struct pheap_node n[N];
	struct pheap h = {0};
	int last[2] = {-1, -1}, i;

	for (i = 0; i < N; i++)
		pheap_insert(&h, &n[i], i % 2);
	for (i = 0; i < N; i++) {
		struct pheap_node *f = pheap_first(&h);
		int which = (int)(f - n);

		ck_assert_int_eq(f->key, i >= N / 2);
		ck_assert_int_gt(which, last[f->key]);
		last[f->key] = which;
		pheap_remove(&h, f);
	}
}
END_TEST

/* ---- queue order, without CPUs running ---- */

static struct kthread *queued(const char *name, u64 vruntime, int policy, int prio)
{
	struct kthread *kt = kzalloc(sizeof(*kt));

	ck_assert_int_eq(kthread_init(kt, name, &tt_ops, NULL, NULL), 0);
	kt->vruntime = vruntime;
	kt->policy = policy;
	kt->rt_priority = prio;
	spin_lock(&cpus[0].rq->lock);
	rq_enqueue(cpus[0].rq, kt, RQ_PREEMPTED, 1);
	spin_unlock(&cpus[0].rq->lock);
	return kt;
}

static struct run_queue *only_queue(void)
{
	ck_assert_int_eq(smp_init(1), 0);
	return cpus[0].rq;
}

/* It isn't queued any more. */
static void forget(struct kthread *kt)
{
	kthread_destroy(kt);
	kfree(kt);
}

/* Ends a test that holds rq->lock and has these two queued. */
static void forget_both(struct run_queue *rq, struct kthread *a, struct kthread *b)
{
	rq_dequeue(rq, a);
	rq_dequeue(rq, b);
	spin_unlock(&rq->lock);
	forget(a);
	forget(b);
}

START_TEST(real_time_first_then_least_vruntime)
{
	struct run_queue *rq = only_queue();
	static const char *const want[] = {"rt9", "rt5", "v1", "v2", "v3"};
	size_t i;

	queued("v3", 300, SCHED_OTHER, 0);
	queued("rt5", 0, SCHED_FIFO, 5);
	queued("v1", 100, SCHED_BATCH, 0);
	queued("rt9", 0, SCHED_RR, 9);
	queued("v2", 200, SCHED_OTHER, 0);
	ck_assert_uint_eq(rq->nr_queued, 5);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		struct kthread *kt;

		spin_lock(&rq->lock);
		kt = sched_policy->first(rq);
		ck_assert_ptr_nonnull(kt);
		ck_assert_str_eq(kt->name, want[i]);
		rq_dequeue(rq, kt);
		spin_unlock(&rq->lock);
		forget(kt);
	}
	ck_assert_uint_eq(rq->nr_queued, 0);
	ck_assert_uint_eq(rq->oldest, KTIME_MAX);
}
END_TEST

/* On a CPU that has hardly run yet: nobody's vruntime is below zero. */
START_TEST(who_has_slept_is_first_on_a_new_cpu)
{
	struct kthread *sleeper, *worker;
	struct run_queue *rq = only_queue();

	worker = queued("worker", rq->min_vruntime + 1000, SCHED_OTHER, 0);
	sleeper = queued("sleeper", rq->min_vruntime, SCHED_OTHER, 0);
	spin_lock(&rq->lock);
	rq_dequeue(rq, sleeper);
	sleeper->vruntime = rq->min_vruntime - 60 * NSEC_PER_SEC;
	rq_enqueue(rq, sleeper, RQ_WOKEN, 2);
	ck_assert_ptr_eq(sched_policy->first(rq), sleeper);
	forget_both(rq, sleeper, worker);
}
END_TEST

/*
 * The host stopped the CPU's thread, or a call took very long: who was on the CPU waits for the
 * others' next turns, not for as long as that took.
 */
START_TEST(who_was_charged_too_much_is_not_far_behind)
{
	struct kthread *stopped, *other;
	struct run_queue *rq = only_queue();
	u64 turns = 0;

	other = queued("other", rq->min_vruntime, SCHED_OTHER, 0);
	stopped = queued("stopped", rq->min_vruntime, SCHED_OTHER, 0);
	spin_lock(&rq->lock);
	rq_dequeue(rq, stopped);
	sched_policy->charge(rq, stopped, 60 * NSEC_PER_SEC);
	rq_enqueue(rq, stopped, RQ_PREEMPTED, 2);
	while (sched_policy->first(rq) == other) {
		rq_dequeue(rq, other);
		sched_policy->charge(rq, other, NSEC_PER_MSEC);
		rq_enqueue(rq, other, RQ_EXPIRED, 2);
		ck_assert_uint_lt(++turns, 100);
	}
	forget_both(rq, other, stopped);
}
END_TEST

/* Somebody else had the CPU by the fair rules meanwhile. */
START_TEST(who_comes_back_from_real_time_waits_as_others_do)
{
	struct kthread *back, *fair;
	struct run_queue *rq = only_queue();

	rq->min_vruntime = 60 * NSEC_PER_SEC;
	back = queued("back", NSEC_PER_SEC, SCHED_FIFO, 5);
	fair = queued("fair", rq->min_vruntime + 1000, SCHED_OTHER, 0);
	sched_set_policy(back, SCHED_OTHER, 0, 0);
	spin_lock(&rq->lock);
	ck_assert_ptr_eq(sched_policy->first(rq), back);
	rq_dequeue(rq, back);
	sched_policy->charge(rq, back, NSEC_PER_MSEC);
	rq_enqueue(rq, back, RQ_EXPIRED, 2);
	ck_assert_ptr_eq(sched_policy->first(rq), fair);
	forget_both(rq, fair, back);
}
END_TEST

/*
 * Two wait here and nobody elsewhere: one goes there at the end of a slice, but not the one whose
 * turn it is here, though it has waited longest.
 */
START_TEST(whose_turn_it_is_is_not_sent_elsewhere)
{
	struct kthread *next, *later, *here, *there;

	ck_assert_int_eq(smp_init(2), 0);
	here = queued("here", 0, SCHED_OTHER, 0);
	there = queued("there", 0, SCHED_OTHER, 0);
	next = queued("next", cpus[0].rq->min_vruntime, SCHED_OTHER, 0);
	later = queued("later", cpus[0].rq->min_vruntime + 1000, SCHED_OTHER, 0);
	next->allowed = later->allowed = 3;
	rq_dequeue(cpus[0].rq, here);
	rq_dequeue(cpus[0].rq, there);
	cpus[0].current = here;
	cpus[1].current = there;
	balance_even(&cpus[0]);
	ck_assert_int_eq(next->cpu, 0);
	ck_assert_int_eq(later->cpu, 1);
	ck_assert_uint_eq(cpus[1].rq->nr_queued, 1);
	rq_dequeue(cpus[0].rq, next);
	rq_dequeue(cpus[1].rq, later);
	forget(next);
	forget(later);
	forget(here);
	forget(there);
}
END_TEST

/* ---- beside real-time kthreads, without CPUs running ---- */

/*
 * Real-time kthreads run while a fair one waits: it goes first after 950 ms, until 50 ms later.
 * What it gets before counts.
 */
START_TEST(fair_ones_have_a_share_beside_real_time)
{
	struct kthread *fifo, *fair;
	struct run_queue *rq = only_queue();
	ktime_t now = ktime_mono() + 3600 * NSEC_PER_SEC; /* none of it passes by itself */

	rq->cpu->last_switch = now;
	fifo = queued("fifo", 0, SCHED_FIFO, 5);
	fair = queued("fair", rq->min_vruntime, SCHED_OTHER, 0);
	spin_lock(&rq->lock);
	ck_assert_ptr_eq(sched_policy->first(rq), fifo);
	rq_dequeue(rq, fifo);
	ck_assert_uint_eq(sched_policy->slice_left(rq, fifo, now), 950 * NSEC_PER_MSEC);
	sched_policy->charge(rq, fifo, 900 * NSEC_PER_MSEC);
	ck_assert_uint_eq(sched_policy->slice_left(rq, fifo, now), 50 * NSEC_PER_MSEC);
	rq_dequeue(rq, fair);
	sched_policy->charge(rq, fair, 10 * NSEC_PER_MSEC);
	rq_enqueue(rq, fair, RQ_EXPIRED, 2);
	ck_assert_uint_eq(sched_policy->slice_left(rq, fifo, now), 240 * NSEC_PER_MSEC);
	ck_assert(sched_policy->preempts(rq, fair, fifo));
	ck_assert(!sched_policy->preempts(rq, fifo, fair));
	ck_assert_uint_eq(rq->cpu->need_resched, 0);
	sched_policy->charge(rq, fifo, 240 * NSEC_PER_MSEC);
	ck_assert_uint_eq(rq->cpu->need_resched, 1);
	rq_enqueue(rq, fifo, RQ_PREEMPTED, 2);
	ck_assert_ptr_eq(sched_policy->first(rq), fair);
	ck_assert(!sched_policy->preempts(rq, fair, fifo));
	ck_assert(sched_policy->preempts(rq, fifo, fair));
	now += 49 * NSEC_PER_MSEC;
	fair->slice_start = now;
	ck_assert_uint_eq(sched_policy->slice_left(rq, fair, now), NSEC_PER_MSEC);
	ck_assert_uint_eq(sched_policy->slice_left(rq, fair, now + NSEC_PER_MSEC), 0);
	rq->rt_resumes = ktime_mono(); /* it is over */
	ck_assert_ptr_eq(sched_policy->first(rq), fifo);
	forget_both(rq, fifo, fair);
}
END_TEST

/*
 * As long as no fair one waits real-time kthreads run on; what they ran before one came doesn't
 * count.
 */
START_TEST(real_time_has_all_that_nobody_waits_for)
{
	struct kthread *fifo, *rr, *fair;
	struct run_queue *rq = only_queue();
	ktime_t now = ktime_mono();

	rq->cpu->last_switch = now;
	fifo = queued("fifo", 0, SCHED_FIFO, 5);
	rr = queued("rr", 0, SCHED_RR, 5);
	fair = queued("fair", rq->min_vruntime, SCHED_OTHER, 0);
	rr->slice_start = now;
	spin_lock(&rq->lock);
	rq_dequeue(rq, fair);
	sched_policy->charge(rq, fifo, 60 * NSEC_PER_SEC);
	ck_assert_uint_eq(rq->cpu->need_resched, 0);
	ck_assert_uint_eq(sched_policy->slice_left(rq, fifo, now), UINT64_MAX);
	ck_assert_uint_eq(sched_policy->slice_left(rq, rr, now), 100 * NSEC_PER_MSEC);
	rq_enqueue(rq, fair, RQ_WOKEN, now - 20 * NSEC_PER_MSEC);
	sched_policy->charge(rq, fifo, 60 * NSEC_PER_SEC);
	ck_assert_uint_eq(sched_policy->slice_left(rq, fifo, now), 930 * NSEC_PER_MSEC);
	ck_assert_uint_eq(sched_policy->slice_left(rq, rr, now), 100 * NSEC_PER_MSEC);
	rq->rt_ran = 900 * NSEC_PER_MSEC;
	ck_assert_uint_eq(sched_policy->slice_left(rq, rr, now), 50 * NSEC_PER_MSEC);
	rq_dequeue(rq, fair);
	forget_both(rq, fifo, rr);
	forget(fair);
}
END_TEST

/* CPU 0 runs a real-time kthread, CPU 1 a fair one. */
static struct kthread *here, *there;

static void one_runs_real_time(void)
{
	ck_assert_int_eq(smp_init(2), 0);
	here = queued("here", 0, SCHED_FIFO, 5);
	there = queued("there", 0, SCHED_OTHER, 0);
	rq_dequeue(cpus[0].rq, here);
	rq_dequeue(cpus[0].rq, there);
	cpus[0].current = here;
	cpus[0].runs_rt = 1;
	cpus[1].current = there;
}

/* `waiting` is to have come to CPU 1. */
static void end_on_cpu_1(struct kthread *waiting)
{
	ck_assert_int_eq(waiting->cpu, 1);
	ck_assert_uint_eq(cpus[0].rq->nr_queued, 0);
	ck_assert_uint_eq(cpus[1].rq->nr_queued, 1);
	rq_dequeue(cpus[1].rq, waiting);
	forget(waiting);
	forget(here);
	forget(there);
}

static void offer_after(ktime_t waited)
{
	cpus[0].rq->offer_at = 0;
	balance_offer(&cpus[0], 1 + waited);
}

START_TEST(fair_ones_behind_real_time_are_sent_elsewhere)
{
	struct kthread *fair;

	one_runs_real_time();
	fair = queued("fair", cpus[0].rq->min_vruntime, SCHED_OTHER, 0);
	ck_assert_uint_ne(balance_offer_time(&cpus[0], 1), KTIME_MAX);
	offer_after(2 * NSEC_PER_MSEC);
	ck_assert_int_eq(fair->cpu, 0);
	cpus[1].runs_rt = 1;
	offer_after(4 * NSEC_PER_MSEC);
	ck_assert_int_eq(fair->cpu, 0);
	ck_assert_uint_eq(balance_offer_time(&cpus[0], 1), KTIME_MAX);
	cpus[1].runs_rt = 0;
	fair->allowed = 1;
	offer_after(4 * NSEC_PER_MSEC);
	ck_assert_int_eq(fair->cpu, 0);
	fair->allowed = 3;
	offer_after(4 * NSEC_PER_MSEC);
	end_on_cpu_1(fair);
}
END_TEST

START_TEST(real_time_ones_behind_real_time_take_the_cpu_of_a_fair_one)
{
	struct kthread *fifo;

	one_runs_real_time();
	fifo = queued("fifo", 0, SCHED_FIFO, 5);
	offer_after(NSEC_PER_MSEC);
	ck_assert_uint_eq(cpus[1].need_resched, 1);
	end_on_cpu_1(fifo);
}
END_TEST

/* CPU 0 runs priority 5, CPU 1 priority 2: one of 4 in between is to run, wherever it waits. */
START_TEST(real_time_ones_take_the_cpu_of_less_urgent_ones)
{
	struct kthread *fifo;

	one_runs_real_time();
	cpus[0].runs_rt = 5;
	cpus[1].runs_rt = 2;
	there->policy = SCHED_FIFO;
	there->rt_priority = 2;
	fifo = queued("fifo", 0, SCHED_FIFO, 2);
	ck_assert_uint_ne(balance_offer_time(&cpus[0], 1), KTIME_MAX);
	offer_after(4 * NSEC_PER_MSEC);
	ck_assert_int_eq(fifo->cpu, 0);
	rq_dequeue(cpus[0].rq, fifo);
	forget(fifo);
	fifo = queued("fifo", 0, SCHED_FIFO, 4);
	offer_after(NSEC_PER_MSEC);
	ck_assert_uint_eq(cpus[1].need_resched, 1);
	end_on_cpu_1(fifo);
}
END_TEST

/* CPU 2 idles, but who waits on CPU 0 may go to CPU 1 only, where there is less to do. */
START_TEST(queues_are_evened_among_the_cpus_that_are_allowed)
{
	struct kthread *kt[3], *one;

	ck_assert_int_eq(smp_init(3), 0);
	one = queued("one", 0, SCHED_OTHER, 0);
	rq_dequeue(cpus[0].rq, one);
	cpus[0].current = cpus[1].current = one;
	for (int i = 0; i < 3; i++) {
		kt[i] = queued("kt", i, SCHED_OTHER, 0);
		kt[i]->allowed = 3;
	}
	balance_even(&cpus[0]);
	ck_assert_uint_eq(cpus[0].rq->nr_queued, 2);
	ck_assert_uint_eq(cpus[1].rq->nr_queued, 1);
	balance_even(&cpus[0]);
	ck_assert_uint_eq(cpus[0].rq->nr_queued, 2);
	for (int i = 0; i < 3; i++) {
		rq_dequeue(cpus[kt[i]->cpu].rq, kt[i]);
		forget(kt[i]);
	}
	forget(one);
}
END_TEST

START_TEST(at_the_end_of_a_slice_real_time_counts_for_more_than_any_queue)
{
	struct kthread *fair, *more;

	one_runs_real_time();
	fair = queued("fair", cpus[0].rq->min_vruntime, SCHED_OTHER, 0);
	balance_even(&cpus[0]);
	ck_assert_int_eq(fair->cpu, 1);
	more = queued("more", cpus[0].rq->min_vruntime, SCHED_OTHER, 0);
	rq_dequeue(cpus[0].rq, more);
	more->cpu = 1;
	rq_enqueue(cpus[1].rq, more, RQ_WOKEN, 1);
	balance_even(&cpus[1]);
	ck_assert_uint_eq(cpus[1].rq->nr_queued, 2);
	rq_dequeue(cpus[1].rq, more);
	forget(more);
	end_on_cpu_1(fair);
}
END_TEST

START_TEST(nobody_is_placed_where_real_time_runs_if_there_is_another_cpu)
{
	struct kthread *kt;

	ck_assert_int_eq(smp_init(3), 0);
	kt = queued("kt", 0, SCHED_OTHER, 0);
	rq_dequeue(cpus[0].rq, kt);
	ck_assert_int_eq(balance_next_cpu(kt, &cpus[0]), 1);
	cpus[0].runs_rt = cpus[1].runs_rt = 1;
	ck_assert_int_eq(balance_next_cpu(kt, &cpus[0]), 2);
	ck_assert_int_eq(balance_place(kt), 2);
	kt->allowed = 3;
	ck_assert_int_eq(balance_next_cpu(kt, &cpus[0]), 1);
	ck_assert_int_eq(balance_place(kt), 0);
	forget(kt);
}
END_TEST
int main(void)
{
	TCase *tc = tcase_create("sched");

	tcase_add_test(tc, heap_gives_keys_in_order_after_random_removals);
	tcase_add_test(tc, heap_gives_equal_keys_in_order_of_arrival);
	tcase_add_test(tc, real_time_first_then_least_vruntime);
	tcase_add_test(tc, who_has_slept_is_first_on_a_new_cpu);
	tcase_add_test(tc, who_was_charged_too_much_is_not_far_behind);
	tcase_add_test(tc, who_comes_back_from_real_time_waits_as_others_do);
	tcase_add_test(tc, whose_turn_it_is_is_not_sent_elsewhere);
	tcase_add_test(tc, fair_ones_have_a_share_beside_real_time);
	tcase_add_test(tc, real_time_has_all_that_nobody_waits_for);
	tcase_add_test(tc, fair_ones_behind_real_time_are_sent_elsewhere);
	tcase_add_test(tc, real_time_ones_behind_real_time_take_the_cpu_of_a_fair_one);
	tcase_add_test(tc, real_time_ones_take_the_cpu_of_less_urgent_ones);
	tcase_add_test(tc, queues_are_evened_among_the_cpus_that_are_allowed);
	tcase_add_test(tc, at_the_end_of_a_slice_real_time_counts_for_more_than_any_queue);
	tcase_add_test(tc, nobody_is_placed_where_real_time_runs_if_there_is_another_cpu);
	return run_suite(tc, "runqueue");
}
