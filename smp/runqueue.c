/* Run queues: who waits for a CPU, whatever the policy. */
#include "smp.h"

void rq_init(struct run_queue *rq, struct cpu *cpu)
{
	int i;

	spin_init(&rq->lock, "rq", RANK_RQ);
	rq->cpu = cpu;
	rq->nr_queued = 0;
	rq->oldest = KTIME_MAX;
	rq->offer_delay = 0;
	rq->offer_at = KTIME_MAX;
	rq->fair_since = KTIME_MAX;
	rq->rt_ran = 0;
	rq->rt_resumes = 0;
	rq->min_vruntime =
		NSEC_PER_SEC; /* room for a sleeper's credit: the heap's keys have no sign */
	CDS_INIT_LIST_HEAD(&rq->waiting);
	for (i = 0; i < RT_LEVELS; i++)
		CDS_INIT_LIST_HEAD(&rq->rt[i]);
}

static void update_oldest(struct run_queue *rq)
{
	ktime_t oldest = KTIME_MAX;

	if (!cds_list_empty(&rq->waiting))
		oldest = cds_list_first_entry(&rq->waiting, struct kthread, rq_link)->enqueued;
	store_relaxed(&rq->oldest, oldest);
}

void rq_enqueue(struct run_queue *rq, struct kthread *kt, enum rq_why why, ktime_t now)
{
	kt->enqueued = now;
	store_relaxed(&kt->on_rq, ON_RQ);
	cds_list_add_tail(&kt->rq_link, &rq->waiting);
	sched_policy->enqueue(rq, kt, why);
	store_relaxed(&rq->nr_queued, rq->nr_queued + 1);
	update_oldest(rq);
}

void rq_dequeue(struct run_queue *rq, struct kthread *kt)
{
	sched_policy->dequeue(rq, kt);
	cds_list_del(&kt->rq_link);
	store_relaxed(&kt->on_rq, OFF_RQ);
	store_relaxed(&rq->nr_queued, rq->nr_queued - 1);
	update_oldest(rq);
}

void rq_take_out(struct run_queue *rq, struct kthread *kt, int to)
{
	if (load_relaxed(&kt->on_rq) == ON_RQ)
		rq_dequeue(rq, kt);
	store_relaxed(&kt->on_rq, MOVING);
	kt->move = false;
	kt->move_to = to;
}

struct run_queue *rq_lock_of(struct kthread *kt)
{
	for (;;) {
		int cpu = load_acquire(&kt->cpu);
		struct run_queue *rq = cpus[cpu].rq;

		spin_lock(&rq->lock);
		if (likely(load_acquire(&kt->cpu) == cpu))
			return rq;
		spin_unlock(&rq->lock);
	}
}

ktime_t rq_stamp(void)
{
	struct cpu *c = this_cpu();

	return c ? c->last_switch : ktime_mono();
}
