/*
 * Who runs where.
 *
 * A kthread that wakes up is queued where it ran last, even if other CPUs idle: two that talk
 * through a pipe stay on one CPU, which is far faster than waking another host core for each
 * message, and an engine may have bound its context to that CPU's host thread. What must not happen
 * is that somebody waits for long while a CPU idles. So:
 *
 *  - A CPU where somebody waits while others idle looks now and then (offer_at) for one that has
 *    waited OFFER_AGE, and gives it to an idle CPU. It looks on its way through the kernel; its
 *    host timer sees to it that it comes there. If it finds nobody that has waited so long (two
 *    tasks that take turns quickly), it looks less often, down to every OFFER_DELAY_MAX.
 *  - A CPU that goes idle looks at the queues of the others, and once more when those who wait now
 *    have waited OFFER_AGE. Who isn't bound is taken; for one that is, the CPU that it is bound to
 *    is asked for an offer: only that one may call migrate_out.
 *
 *  - When a slice ends, and another CPU has at least two kthreads less, it gets one: without
 *    anybody idle that is a matter of fairness.
 *
 *  - A CPU that runs a real-time kthread gets nobody if there is another, and looks for those who
 *    wait behind it as if there were an idle one: real-time ones go to a CPU that runs something
 *    less urgent, and take it; fair ones that have waited OFFER_AGE_RT go where they get slices.
 *
 * Idle CPUs are not woken for more than that: no polling, nobody sleeping is woken for nothing.
 *
 * A CPU that spins for its guest's calls uses two host cores: its guest makes a call in a fraction
 * of the time as long as nobody runs elsewhere. Whom it wakes therefore waits on its own queue
 * until it sleeps, but no longer than OFFER_AGE_SPINNING: who ran there last, and who ran
 * elsewhere, if that takes less time than is saved between two such wake-ups (tar, and who takes
 * its output).
 *
 * A new kthread starts on its creator's CPU: often the creator is about to wait for it, and if it
 * isn't, an idle CPU has it OFFER_AGE later. What nobody who runs has created goes to an idle CPU
 * at once.
 */
#include "smp.h"

#define OFFER_AGE (100 * NSEC_PER_USEC)
#define OFFER_AGE_SPINNING (1 * NSEC_PER_MSEC)
#define OFFER_DELAY_MAX (16 * OFFER_AGE)
/*
 * How long a fair kthread waits behind a real-time one: no longer than where others take turns with
 * it.
 */
#define OFFER_AGE_RT (3 * NSEC_PER_MSEC)
/*
 * What a real-time kthread that runs counts for when queues are compared: more than any number of
 * others.
 */
#define RT_LOAD (1U << 30)
/* What a call costs less if the CPU spins for it. */
#define SPUN_SAVES (6 * NSEC_PER_USEC)
/* How many of those who wait are looked at, under the lock. */
#define SCAN_MAX 16
/* A wake-up need not interrupt a guest whose CPU will look around within this time anyway. */
#define SOON (3 * NSEC_PER_MSEC)

u64 idle_mask;

/* How long somebody waits on c while another CPU idles. */
static ktime_t offer_age(const struct cpu *c)
{
	return load_relaxed(&c->spins) ? OFFER_AGE_SPINNING : OFFER_AGE;
}

bool balance_is_bound(const struct kthread *kt)
{
	return load_acquire(&kt->bound) && kt->ops->migrate_out;
}

/* Takes an idle CPU out of idle_mask: it is promised work. -1: none of `allowed` is idle. */
static int idle_claim(u64 allowed)
{
	u64 m = load_relaxed(&idle_mask) & allowed;

	while (m) {
		int cpu = __builtin_ctzll(m);
		u64 bit = 1ULL << cpu;

		if (__atomic_fetch_and(&idle_mask, ~bit, __ATOMIC_SEQ_CST) & bit)
			return cpu;
		m &= ~bit;
	}
	return -1;
}

/* How many wait for c. */
static u32 queue_of(const struct cpu *c)
{
	return load_relaxed(&c->rq->nr_queued) + (load_relaxed(&c->runs_rt) ? RT_LOAD : 0);
}

static u32 load_of(const struct cpu *c)
{
	return queue_of(c) + (load_relaxed(&c->current) != c->idle);
}

/* Of those where kt may run. */
static struct cpu *least_busy(const struct cpu *but, const struct kthread *kt)
{
	struct cpu *best = NULL;
	u32 least = UINT32_MAX;
	int i;

	for (i = 1; i < nr_cpus; i++) {
		struct cpu *n = &cpus[(but->id + i) % nr_cpus];
		u32 l = load_of(n);

		if (l < least && kthread_allowed(kt, n)) {
			best = n;
			least = l;
		}
	}
	return best;
}

int balance_next_cpu(const struct kthread *kt, const struct cpu *c)
{
	int i, busy = -1;

	for (i = 1; i < nr_cpus; i++) {
		const struct cpu *n = &cpus[(c->id + i) % nr_cpus];

		if (!kthread_allowed(kt, n))
			continue;
		if (!load_relaxed(&n->runs_rt))
			return n->id;
		if (busy < 0)
			busy = n->id;
	}
	return busy;
}

/* The allowed CPU with the shortest queue; `first` wins ties. */
static int least_loaded(const struct kthread *kt, int first)
{
	u32 best_load = UINT32_MAX;
	int i, best = -1;

	for (i = 0; i < nr_cpus; i++) {
		const struct cpu *n = &cpus[(first + i) % nr_cpus];
		u32 queued = queue_of(n);

		if (kthread_allowed(kt, n) && queued < best_load) {
			best = n->id;
			best_load = queued;
		}
	}
	/* The mask is never empty, but it may name CPUs that don't exist. */
	return best < 0 ? first : best;
}

int balance_place(const struct kthread *kt)
{
	struct cpu *me = this_cpu();
	int cpu = idle_claim(load_relaxed(&kt->allowed));

	if (cpu >= 0)
		return cpu;
	if (me && kthread_allowed(kt, me) && !load_relaxed(&me->runs_rt))
		return me->id;
	return least_loaded(kt, me ? me->id : 0);
}

void balance_notify(struct cpu *c, bool preempt)
{
	if (preempt)
		store_release(&c->need_resched, 1);
	/* This CPU is in the kernel, and will look at its queue before it leaves it. */
	if (c == this_cpu())
		return;
	smp_mb(); /* nr_queued, need_resched before idle_word, host_timer */
	if (!preempt && !load_relaxed(&c->idle_word)) {
		ktime_t now = rq_stamp(), timer = load_relaxed(&c->host_timer);

		if (timer >= now && timer - now <= SOON)
			return;
	}
	cpu_kick(c);
}

/* `waits`: without taking the CPU from who runs there. */
static void deliver(struct kthread *kt, int cpu, bool waits)
{
	struct run_queue *from = cpus[kt->cpu].rq, *to;
	bool preempt;

	if (cpu >= 0 && !kthread_allowed(kt, &cpus[cpu]) && !balance_is_bound(kt)) {
		/*
		 * Its set has changed. That CPU may have been promised work: it has to look for
		 * other.
		 */
		cpu_kick(&cpus[cpu]);
		cpu = -1;
	}
	if (cpu < 0)
		cpu = balance_place(kt);
	to = cpus[cpu].rq;
	if (to != from) {
		/*
		 * Under the lock that kt->cpu names, as sched_set_policy() may be at it: what it
		 * changes is seen below, and the virtual run time is on the scale of the queue that
		 * is named.
		 */
		spin_lock(&from->lock);
		sched_policy->migrate(from, to, kt);
		store_release(&kt->cpu, cpu);
		spin_unlock(&from->lock);
	}
	spin_lock(&to->lock);
	rq_enqueue(to, kt, RQ_WOKEN, rq_stamp());
	preempt = !waits && to->cpu->current != to->cpu->idle &&
		  sched_policy->preempts(to, to->cpu->current, kt);
	spin_unlock(&to->lock);
	balance_notify(to->cpu, preempt);
}

void balance_deliver(struct kthread *kt, int cpu)
{
	deliver(kt, cpu, false);
}

bool balance_waits_here(const struct kthread *kt)
{
	struct cpu *me = this_cpu();

	if (!me || !load_relaxed(&me->spins) || sched_debug_migrate || !kthread_allowed(kt, me) ||
	    load_relaxed(&me->runs_rt) || kthread_is_rt(kt))
		return false;
	me->spun_between = (3 * me->spun_between + min(me->stat.spun - me->spun_last, 1000UL)) / 4;
	me->spun_last = me->stat.spun;
	return kt->cpu == me->id ||
	       (!balance_is_bound(kt) && kt->burst_ns < me->spun_between * SPUN_SAVES);
}

void balance_pull(struct kthread *kt)
{
	struct cpu *me = this_cpu();

	stat_add(&me->stat.migrations, 1);
	deliver(kt, me->id, true);
}

void balance_outgoing(struct cpu *c)
{
	while (!cds_list_empty(&c->outgoing)) {
		struct kthread *kt = cds_list_first_entry(&c->outgoing, struct kthread, rq_link);

		cds_list_del(&kt->rq_link);
		if (balance_is_bound(kt))
			kt->ops->migrate_out(kt);
		stat_add(&c->stat.migrations, 1);
		balance_deliver(kt, kt->move_to);
	}
}

/*
 * The CPU but c that runs what is least urgent, kt being allowed there (NULL: whatever it is); the
 * shortest queue of these. NULL: there is none.
 */
static const struct cpu *least_urgent(const struct cpu *c, const struct kthread *kt)
{
	const struct cpu *best = NULL;
	u32 least = 0;
	int i;

	for (i = 1; i < nr_cpus; i++) {
		const struct cpu *n = &cpus[(c->id + i) % nr_cpus];
		u32 runs = load_relaxed(&n->runs_rt);

		if (kt && !kthread_allowed(kt, n))
			continue;
		if (!best || runs < least || (runs == least && queue_of(n) < queue_of(best))) {
			best = n;
			least = runs;
		}
	}
	return best;
}

/* Might somebody who waits on c run sooner elsewhere? */
static bool may_offer(const struct cpu *c)
{
	u32 runs = load_relaxed(&c->runs_rt);
	const struct cpu *to;

	if (load_relaxed(&idle_mask))
		return true;
	if (likely(!runs))
		return false;
	to = least_urgent(c, NULL);
	return to && load_relaxed(&to->runs_rt) < runs;
}

/* A CPU that runs something less urgent, for one that waits behind a real-time one on c; -1. */
static int beside_rt(const struct kthread *kt, const struct cpu *c, ktime_t now)
{
	u32 urgency = kthread_is_rt(kt) ? load_relaxed(&kt->rt_priority) : 1;
	const struct cpu *to;

	if (likely(!load_relaxed(&c->runs_rt)) ||
	    (!kthread_is_rt(kt) && kt->enqueued + OFFER_AGE_RT > now))
		return -1;
	to = least_urgent(c, kt);
	return to && load_relaxed(&to->runs_rt) < urgency ? to->id : -1;
}

void balance_offer(struct cpu *c, ktime_t now)
{
	struct run_queue *rq = c->rq;
	struct kthread *kt, *tmp;
	bool found = false, idle = true;
	int to, n = 0;

	if (now < load_relaxed(&rq->offer_at))
		return;
	store_relaxed(&rq->offer_at, KTIME_MAX);
	if (!load_relaxed(&rq->nr_queued) || !may_offer(c))
		return;
	spin_lock(&rq->lock);
	cds_list_for_each_entry_safe(kt, tmp, &rq->waiting, rq_link) {
		if (kt->enqueued + offer_age(c) > now || n++ == SCAN_MAX)
			break;
		to = idle_claim(load_relaxed(&kt->allowed) & ~cpu_bit(c));
		idle = to >= 0;
		if (!idle)
			to = beside_rt(kt, c, now);
		if (to < 0)
			continue;
		rq_take_out(rq, kt, to);
		cds_list_add_tail(&kt->rq_link, &c->outgoing);
		found = true;
		/* There it counts from when it has arrived: the next one is sent then. */
		if (!idle)
			break;
	}
	spin_unlock(&rq->lock);
	rq->offer_delay = found ? offer_age(c) : min(2 * rq->offer_delay, OFFER_DELAY_MAX);
	balance_outgoing(c);
}

/*
 * Is it the turn of one who waits on c, so that he doesn't wait anew elsewhere? Where slices are
 * short he would never run. Behind a real-time one it is nobody's.
 */
static bool is_turn_of(const struct cpu *c, const struct kthread *kt, const struct cpu *to)
{
	return load_relaxed(&to->current) != to->idle &&
	       !(load_relaxed(&c->runs_rt) && !load_relaxed(&to->runs_rt)) &&
	       kt == sched_policy->peek(c->rq);
}

void balance_even(struct cpu *c)
{
	struct run_queue *rq = c->rq;
	struct kthread *kt;
	int n = 0;

	if (load_of(c) < 2)
		return;
	spin_lock(&rq->lock);
	cds_list_for_each_entry(kt, &rq->waiting, rq_link) {
		struct cpu *to = least_busy(c, kt);

		if (n++ == SCAN_MAX)
			break;
		if (!to || load_of(c) < load_of(to) + 2 || is_turn_of(c, kt, to))
			continue;
		rq_take_out(rq, kt, to->id);
		cds_list_add_tail(&kt->rq_link, &c->outgoing);
		break;
	}
	spin_unlock(&rq->lock);
	balance_outgoing(c);
}

ktime_t balance_offer_time(struct cpu *c, ktime_t now)
{
	struct run_queue *rq = c->rq;

	if (!load_relaxed(&rq->nr_queued) || !may_offer(c))
		return KTIME_MAX;
	if (load_relaxed(&rq->offer_at) == KTIME_MAX) {
		rq->offer_delay = max(rq->offer_delay, offer_age(c));
		store_relaxed(&rq->offer_at, now + rq->offer_delay);
	}
	return load_relaxed(&rq->offer_at);
}

/*
 * What c can get from a queue: *taken, or its CPU has to be asked (true), or *again is when
 * somebody will have waited enough.
 */
static bool scan_victim(struct cpu *c, struct run_queue *rq, ktime_t now, struct kthread **taken,
			ktime_t *again)
{
	struct kthread *kt;
	bool ask = false;
	int n = 0;

	spin_lock(&rq->lock);
	cds_list_for_each_entry(kt, &rq->waiting, rq_link) {
		if (n++ == SCAN_MAX)
			break;
		if (!kthread_allowed(kt, c))
			continue;
		if (kt->enqueued + offer_age(rq->cpu) > now) {
			*again = min(*again, kt->enqueued + offer_age(rq->cpu));
			break;
		}
		ask = true;
		if (!balance_is_bound(kt)) {
			rq_take_out(rq, kt, c->id);
			*taken = kt;
			break;
		}
	}
	spin_unlock(&rq->lock);
	return ask;
}

bool balance_idle(struct cpu *c, ktime_t now, ktime_t *again)
{
	struct kthread *kt = NULL;
	int i;

	*again = KTIME_MAX;
	for (i = 1; i < nr_cpus; i++) {
		struct cpu *victim = &cpus[(c->id + i) % nr_cpus];

		if (!load_relaxed(&victim->rq->nr_queued))
			continue;
		if (!scan_victim(c, victim->rq, now, &kt, again))
			continue;
		if (kt) {
			stat_add(&c->stat.steals, 1);
			balance_deliver(kt, c->id);
			return true;
		}
		store_release(&victim->rq->offer_at, 0);
		cpu_kick(victim);
		*again = KTIME_MAX;
		return false;
	}
	return false;
}
