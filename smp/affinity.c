/*
 * Which CPUs a kthread may use.
 *
 * One that waits for a CPU, or sleeps, is looked at when it is picked. One that runs where it may
 * not any more leaves on its way to the guest, or when it sleeps. Who has changed its set can wait
 * for that: kthread->awaited tells so to the CPU that switches away from it, and finish_switch()
 * takes it back and wakes those who wait. There is one queue for all: it is rare that anybody
 * waits, and a kthread may be gone as soon as its CPU has let go of it.
 */
#include "log.h"
#include "smp.h"

static struct wait_queue leaving = WAIT_QUEUE_INIT(leaving);

/* Does it run where it may not? rq->lock held. */
static bool is_outside(const struct kthread *kt, const struct run_queue *rq)
{
	return load_relaxed(&kt->on_cpu) && !kthread_allowed(kt, rq->cpu);
}

void sched_set_affinity(struct kthread *kt, u64 allowed)
{
	struct run_queue *rq;
	bool leave, may_stay;

	allowed &= all_cpus();
	ASSERT(allowed);
	rq = rq_lock_of(kt);
	store_relaxed(&kt->allowed, allowed);
	leave = is_outside(kt, rq);
	/* By an earlier set it had to go. */
	may_stay = !leave && kt->awaited;
	if (may_stay)
		kt->awaited = false;
	spin_unlock(&rq->lock);
	if (leave)
		balance_notify(rq->cpu, true);
	if (may_stay)
		affinity_left();
}

/* If not, those who wait are told when it has. */
static bool has_left(void *arg)
{
	struct kthread *kt = arg;
	struct run_queue *rq = rq_lock_of(kt);
	bool outside = is_outside(kt, rq);

	if (outside)
		kt->awaited = true;
	spin_unlock(&rq->lock);
	return !outside;
}

int sched_wait_affinity(struct kthread *kt)
{
	struct wait_opts opts = {.state = KT_KILLABLE};

	if (kt != current_kthread())
		return wait_event(&leaving, has_left, kt, &opts);
	cond_resched(); /* need_resched is set if it has to go */
	return 0;
}

void affinity_left(void)
{
	wake_up_all(&leaving);
}
