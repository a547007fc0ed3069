/*
 * The default policy. Real-time kthreads (FIFO, RR) first, by priority. The others share the CPU by
 * weight: who has the least vruntime, which is time on the CPU divided by weight, runs next. Each
 * kthread's vruntime advances while it runs; a queue's min_vruntime follows the least of them, so
 * that one which slept long starts near the others and doesn't have them wait for all the time it
 * missed.
 *
 * Real-time kthreads that never sleep leave the others a share: they may have the CPU for
 * RT_RUNTIME while a fair one waits; then, for the rest of RT_PERIOD, fair ones go first. What fair
 * ones get in between counts RT_SHARE times.
 *
 * There is no tick: the CPU's host timer ends a slice, and only if somebody waits.
 */
#include "smp.h"

#define RT_PERIOD (SCHED_RT_PERIOD_US * NSEC_PER_USEC)
#define RT_RUNTIME (SCHED_RT_RUNTIME_US * NSEC_PER_USEC)
#define RT_SHARE (RT_RUNTIME / (RT_PERIOD - RT_RUNTIME))
/* A sleeper is put this much before the others at most, when it wakes. */
#define SLEEPER_CREDIT (SCHED_SLICE / 2)
/*
 * ... and takes the CPU at once only if the one that runs is ahead by more than this: two that talk
 * to each other never preempt.
 */
#define WAKEUP_GRANULARITY (1 * NSEC_PER_MSEC)
/*
 * ... and if that one has had the CPU for so long: it mostly waits for something soon, and nobody
 * is interrupted.
 */
#define MIN_RUN (NSEC_PER_MSEC / 2)
/*
 * What one may be ahead of the others when it is queued, at nice 0. A CPU is charged by the clock:
 * a host that stops a CPU's thread for a second, or a call that takes that long, would otherwise
 * have who happened to be on it wait until all the others have had a second.
 */
#define LEAD_MAX (2 * SCHED_SLICE)
#define WEIGHT_NICE_0 1024

/* Each nice level is a factor of 1.25 (10 % of the CPU between two), 1024 at nice 0. */
static const u32 nice_weight[NICE_MAX - NICE_MIN + 1] = {
	88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, 14901, 11921,
	9537,  7629,  6104,  4883,  3906,  3125,  2500,	 2000,	1600,  1280,
	1024,  819,   655,   524,   419,   336,	  268,	 215,	172,   137,
	110,   88,    70,    56,    45,	   36,	  29,	 23,	18,    15,
};

static u32 weight(const struct kthread *kt)
{
	if (load_relaxed(&kt->policy) == SCHED_IDLE)
		return 3;
	return nice_weight[load_relaxed(&kt->nice) - NICE_MIN];
}

/* By how much this time on the CPU advances its vruntime, ns. */
static u64 scaled(u64 ns, const struct kthread *kt)
{
	return ns * WEIGHT_NICE_0 / weight(kt);
}

/* Is a before b? Right also after the 64 bits wrap. */
static bool before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

static struct kthread *fair_first(struct run_queue *rq)
{
	struct pheap_node *n = pheap_first(&rq->fair);

	return n ? caa_container_of(n, struct kthread, rq_node) : NULL;
}

static int rt_top(const struct run_queue *rq)
{
	if (rq->rt_bitmap[1])
		return 127 - __builtin_clzll(rq->rt_bitmap[1]);
	if (rq->rt_bitmap[0])
		return 63 - __builtin_clzll(rq->rt_bitmap[0]);
	return -1;
}

/* Have real-time kthreads had so much that it is the turn of the fair ones? */
static bool rt_pauses(const struct run_queue *rq)
{
	return rq_stamp() < load_relaxed(&rq->rt_resumes);
}

/* `running`: the one on the CPU, if it counts: not when it is leaving. */
static void advance_min(struct run_queue *rq, const struct kthread *running)
{
	struct kthread *first = fair_first(rq);
	u64 least;

	if (running && (kthread_is_rt(running) || running == rq->cpu->idle))
		running = NULL;
	if (!first && !running)
		return;
	least = first ? first->vruntime : load_relaxed(&running->vruntime);
	if (first && running && before(load_relaxed(&running->vruntime), least))
		least = load_relaxed(&running->vruntime);
	if (before(load_relaxed(&rq->min_vruntime), least))
		store_relaxed(&rq->min_vruntime, least);
}

static void policy_enqueue(struct run_queue *rq, struct kthread *kt, enum rq_why why)
{
	u64 least, most, p = kt->rt_priority;

	if (kthread_is_rt(kt)) {
		/*
		 * One that was preempted in its slice goes on first; one that woke up, or had its
		 * slice, last.
		 */
		if (why == RQ_PREEMPTED)
			cds_list_add(&kt->rt_link, &rq->rt[p]);
		else
			cds_list_add_tail(&kt->rt_link, &rq->rt[p]);
		rq->rt_bitmap[p / 64] |= 1ULL << (p % 64);
		return;
	}
	advance_min(rq, rq->cpu->current);
	least = load_relaxed(&rq->min_vruntime) - SLEEPER_CREDIT;
	most = load_relaxed(&rq->min_vruntime) + scaled(LEAD_MAX, kt);
	if (why == RQ_WOKEN && before(kt->vruntime, least))
		store_relaxed(&kt->vruntime, least);
	else if (before(most, kt->vruntime))
		store_relaxed(&kt->vruntime, most);
	if (!fair_first(rq))
		store_relaxed(&rq->fair_since, kt->enqueued);
	pheap_insert(&rq->fair, &kt->rq_node, kt->vruntime);
}

static void policy_dequeue(struct run_queue *rq, struct kthread *kt)
{
	u64 p = kt->rt_priority;

	if (cds_list_empty(&kt->rt_link)) {
		pheap_remove(&rq->fair, &kt->rq_node);
		if (!fair_first(rq))
			store_relaxed(&rq->fair_since, KTIME_MAX);
		return;
	}
	cds_list_del(&kt->rt_link);
	CDS_INIT_LIST_HEAD(&kt->rt_link);
	if (cds_list_empty(&rq->rt[p]))
		rq->rt_bitmap[p / 64] &= ~(1ULL << (p % 64));
}

static struct kthread *policy_peek(struct run_queue *rq)
{
	struct kthread *fair = fair_first(rq);
	int p = rt_top(rq);

	if (p < 0 || (fair && rt_pauses(rq)))
		return fair;
	return cds_list_first_entry(&rq->rt[p], struct kthread, rt_link);
}

static struct kthread *policy_first(struct run_queue *rq)
{
	struct kthread *kt = policy_peek(rq);

	/* Who leaves and was alone has taken nothing from anybody: the others start from there. */
	if (!kt || !kthread_is_rt(kt))
		advance_min(rq, kt ? NULL : rq->cpu->current);
	return kt;
}

/* Notices also when real-time kthreads have had enough for now. */
static void charge_rt(struct run_queue *rq, u64 delta)
{
	ktime_t now = rq->cpu->last_switch, since = load_relaxed(&rq->fair_since);

	if (since >= now)
		return;
	rq->rt_ran += min(delta, now - since);
	if (rq->rt_ran < RT_RUNTIME)
		return;
	rq->rt_ran = 0;
	store_relaxed(&rq->rt_resumes, now + RT_PERIOD - RT_RUNTIME);
	/* It hasn't had its slice, after which it would be queued behind others of its priority. */
	store_relaxed(&rq->cpu->need_resched, 1);
}

static void policy_charge(struct run_queue *rq, struct kthread *curr, u64 delta)
{
	if (kthread_is_rt(curr)) {
		charge_rt(rq, delta);
		return;
	}
	stat_add(&curr->vruntime, scaled(delta, curr));
	if (unlikely(rq->rt_ran))
		rq->rt_ran -= min(rq->rt_ran, RT_SHARE * delta);
}

static bool policy_preempts(struct run_queue *rq, struct kthread *curr, struct kthread *kt)
{
	u8 cp = load_relaxed(&curr->policy);

	if (kthread_is_rt(kt))
		return kthread_is_rt(curr) ? kt->rt_priority > load_relaxed(&curr->rt_priority)
					   : !rt_pauses(rq);
	if (kthread_is_rt(curr))
		return rt_pauses(rq);
	if (kt->policy == SCHED_BATCH)
		return false;
	if (kt->policy == SCHED_IDLE || cp == SCHED_IDLE)
		return cp == SCHED_IDLE && kt->policy != SCHED_IDLE;
	return before(load_relaxed(&curr->slice_start) + MIN_RUN, rq_stamp()) &&
	       before(kt->vruntime + WAKEUP_GRANULARITY, load_relaxed(&curr->vruntime));
}

static u64 policy_slice_left(struct run_queue *rq, struct kthread *curr, ktime_t now)
{
	u8 policy = load_relaxed(&curr->policy);
	u64 slice = policy == SCHED_RR ? SCHED_RR_SLICE : SCHED_SLICE;
	u64 ran = now - curr->slice_start;
	u64 left = ran < slice ? slice - ran : 0;
	ktime_t resumes;

	if (policy_is_rt(policy)) {
		if (policy == SCHED_FIFO)
			left = UINT64_MAX;
		/* Not 0: when that has been used up charge_rt() has asked for a switch already. */
		if (load_relaxed(&rq->fair_since) != KTIME_MAX)
			left = min(left, RT_RUNTIME - rq->rt_ran);
		return left;
	}
	/* A slice that began while fair ones went first ends with that. */
	resumes = load_relaxed(&rq->rt_resumes);
	if (unlikely(curr->slice_start < resumes))
		left = now < resumes ? min(left, resumes - now) : 0;
	return left;
}

static void policy_yield(struct run_queue *rq, struct kthread *curr)
{
	struct pheap_node *n = pheap_first(&rq->fair);

	/* Behind the first; a long way behind would punish those who yield often. */
	if (!kthread_is_rt(curr) && n && before(curr->vruntime, n->key + 1))
		store_relaxed(&curr->vruntime, n->key + 1);
}

static void policy_migrate(struct run_queue *from, struct run_queue *to, struct kthread *kt)
{
	kt->vruntime += load_relaxed(&to->min_vruntime) - load_relaxed(&from->min_vruntime);
}

/* Real-time work advances no vruntime: who ends it has nothing to make up for. */
static void policy_change(struct run_queue *rq, struct kthread *kt, int policy)
{
	u64 least = load_relaxed(&rq->min_vruntime);

	if (kthread_is_rt(kt) && !policy_is_rt(policy) &&
	    before(load_relaxed(&kt->vruntime), least))
		store_relaxed(&kt->vruntime, least);
}

const struct sched_policy fair_policy = {
	.enqueue = policy_enqueue,
	.dequeue = policy_dequeue,
	.first = policy_first,
	.peek = policy_peek,
	.charge = policy_charge,
	.preempts = policy_preempts,
	.slice_left = policy_slice_left,
	.yield = policy_yield,
	.migrate = policy_migrate,
	.change = policy_change,
};
