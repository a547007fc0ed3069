/*
 * The scheduler's core: sleeping, waking, switching, accounting.
 *
 * The switch. schedule() takes rq->lock, decides, switches stacks, and whoever runs on the other
 * stack releases the lock in finish_switch(). So under rq->lock a kthread of that queue either runs
 * (on_cpu: it is the CPU's current one), or waits (ON_RQ), or sleeps with all its registers saved;
 * there is nothing in between.
 *
 * Waking. kt->state goes from a sleeping state to KT_RUNNING by compare-and-exchange, so one waker
 * wins. It takes rq->lock. If kt is on the CPU, it hasn't come to the decision in schedule() yet,
 * which will read the state under the lock: nothing to do. If the state isn't KT_RUNNING any more,
 * kt ran on in the meantime and sleeps anew: nothing to do. Else it is asleep and is queued.
 *
 * Moving. Only while a kthread is MOVING (on neither queue, and then owned by who moves it) does
 * kt->cpu change, and under the lock of the queue that it named: who changes a policy under
 * rq_lock_of() has either done so before kt is queued elsewhere, or finds it there.
 */
#include "host.h"
#include "log.h"
#include "rcu.h"
#include "smp.h"

bool sched_debug_migrate;
const struct sched_policy *const sched_policy = &fair_policy;

ktime_t sched_account(struct cpu *c, enum sched_where where)
{
	ktime_t now = ktime_mono();
	u64 delta = now - c->last_switch;
	struct kthread *kt = c->current;

	if (where == IN_IDLE || kt == c->idle) {
		store_relaxed(&c->last_switch, now);
		stat_add(&c->stat.idle_ns, delta);
		return now;
	}
	/*
	 * Others read these as they change: runtime_ns comes last, and before it last_switch
	 * (task_cputime()).
	 */
	if (where == IN_GUEST) {
		stat_add(&kt->utime_ns, delta);
		stat_add(&c->stat.guest_ns, delta);
	} else {
		stat_add(&kt->stime_ns, delta);
		stat_add(&c->stat.kernel_ns, delta);
	}
	store_release(&c->last_switch, now);
	store_release(&kt->runtime_ns, kt->runtime_ns + delta);
	sched_policy->charge(c->rq, kt, delta);
	return now;
}

/* The second half of a switch, on the new stack. What it leaves behind is c->prev. */
static void finish_switch(void)
{
	struct cpu *c = this_cpu();
	struct kthread *prev = c->prev;
	bool dead = load_relaxed(&prev->state) == KT_DEAD, awaited = prev->awaited;

	if (unlikely(awaited))
		prev->awaited = false;
	store_release(&prev->on_cpu, 0);
	spin_unlock(&c->rq->lock);
	if (unlikely(!cds_list_empty(&c->outgoing)))
		balance_outgoing(c);
	if (unlikely(awaited))
		affinity_left();
	if (unlikely(dead) && prev->ops->dead)
		prev->ops->dead(prev);
}

noreturn_ void kthread_first_run(void)
{
	struct kthread *kt;

	fiber_switch_finish(NULL);
	finish_switch();
	kt = current_kthread();
	kt->fn(kt->arg);
	panic("kthread %s returned from its function", kt->name);
}

/*
 * Not inlined, and nothing thread-local is used after the switch: it may return on another host
 * thread.
 */
static __attribute__((noinline)) void switch_to(struct cpu *c, struct kthread *prev,
						struct kthread *next)
{
	void *save;

	store_relaxed(&next->on_cpu, 1);
	store_relaxed(&c->current, next);
	store_relaxed(&c->runs_rt, kthread_is_rt(next) ? load_relaxed(&next->rt_priority) : 0);
	c->prev = prev;
	stat_add(&c->stat.switches, 1);
	fiber_switch_start(prev, next, &save);
	switch_stacks(&prev->sp, next->sp);
	fiber_switch_finish(save);
	finish_switch();
}

/*
 * Takes the next one to run off the queue. Those who may not run here go on c->outgoing. rq->lock
 * held.
 */
static struct kthread *pick_next(struct cpu *c)
{
	struct kthread *kt;

	if (unlikely(load_relaxed(&smp_stopping)))
		return c->idle;
	while ((kt = sched_policy->first(c->rq))) {
		if (likely(!kt->move && kthread_allowed(kt, c))) {
			rq_dequeue(c->rq, kt);
			return kt;
		}
		rq_take_out(c->rq, kt, balance_next_cpu(kt, c));
		cds_list_add_tail(&kt->rq_link, &c->outgoing);
	}
	return c->idle;
}

/* Must it leave this CPU, now that it doesn't run? rq->lock held. */
static bool must_leave(struct cpu *c, struct kthread *kt)
{
	if (likely(kthread_allowed(kt, c) && !sched_debug_migrate))
		return false;
	return balance_next_cpu(kt, c) >= 0;
}

/* kt goes to sleep. rq->lock held. */
static void end_burst(struct kthread *kt)
{
	kt->burst_ns = (3 * kt->burst_ns + (kt->runtime_ns - kt->burst_start)) / 4;
	kt->burst_start = kt->runtime_ns;
}

static void start_slice(struct kthread *kt, ktime_t now)
{
	store_relaxed(&kt->slice_start, now);
	kt->withheld = 0;
}

void sched_switch(struct cpu *c, ktime_t now, enum rq_why why)
{
	struct run_queue *rq = c->rq;
	struct kthread *prev = c->current, *next;
	bool runs;

	rcu_quiescent_state();
	spin_lock(&rq->lock);
	store_relaxed(&c->need_resched, 0);
	runs = prev != c->idle && load_acquire(&prev->state) == KT_RUNNING;
	if (runs && must_leave(c, prev)) {
		rq_take_out(rq, prev, balance_next_cpu(prev, c));
		cds_list_add_tail(&prev->rq_link, &c->outgoing);
	} else if (runs) {
		if (!rq->nr_queued && !load_relaxed(&smp_stopping)) {
			start_slice(prev, now);
			spin_unlock(&rq->lock);
			return;
		}
		rq_enqueue(rq, prev, why, now);
	}
	if (!runs)
		end_burst(prev);
	next = pick_next(c);
	if (next == prev) {
		start_slice(prev, now);
		spin_unlock(&rq->lock);
		if (unlikely(!cds_list_empty(&c->outgoing)))
			balance_outgoing(c);
		return;
	}
	if (runs)
		stat_add(&prev->nivcsw, 1);
	else
		stat_add(&prev->nvcsw, 1);
	start_slice(next, now);
	switch_to(c, prev, next);
}

static void run_due(struct cpu *c, ktime_t now)
{
	if (unlikely(now >= timers_next(c)))
		timers_run(c, now);
	if (unlikely(now >= load_relaxed(&c->rq->offer_at)))
		balance_offer(c, now);
}

static void schedule_why(enum rq_why why)
{
	struct cpu *c = this_cpu();
	ktime_t now;

	lockcheck_may_sleep("schedule", NULL);
	now = sched_account(c, IN_KERNEL);
	run_due(c, now);
	sched_switch(c, now, why);
}

void schedule(void)
{
	ASSERT(current_kthread() != this_cpu()->idle);
	schedule_why(RQ_PREEMPTED);
}

void sched_yield_cpu(void)
{
	struct cpu *c = this_cpu();

	spin_lock(&c->rq->lock);
	sched_policy->yield(c->rq, c->current);
	spin_unlock(&c->rq->lock);
	schedule_why(RQ_EXPIRED);
}

void kthread_set_state(enum kthread_state s)
{
	store_mb(&current_kthread()->state, s);
}

noreturn_ void kthread_exit(void)
{
	lockcheck_none_held("kthread_exit");
	kthread_set_state(KT_DEAD);
	schedule();
	panic("a dead kthread runs");
}

/* Queues kt, which was asleep, where it ran last; or here, if that is better. */
static void activate(struct kthread *kt)
{
	struct run_queue *rq = rq_lock_of(kt);
	struct cpu *c = rq->cpu;
	bool preempt, waits;

	if (load_relaxed(&kt->on_cpu) || load_relaxed(&kt->on_rq) != OFF_RQ ||
	    load_acquire(&kt->state) != KT_RUNNING) {
		spin_unlock(&rq->lock);
		return;
	}
	waits = balance_waits_here(kt);
	if (waits && c != this_cpu()) {
		rq_take_out(rq, kt, this_cpu()->id);
		spin_unlock(&rq->lock);
		balance_pull(kt);
		return;
	}
	rq_enqueue(rq, kt, RQ_WOKEN, rq_stamp());
	kt->move = !kthread_allowed(kt, c) || sched_debug_migrate;
	kt->move = kt->move && balance_next_cpu(kt, c) >= 0;
	preempt = kt->move;
	if (!waits && c->current != c->idle && sched_policy->preempts(rq, c->current, kt))
		preempt = true;
	spin_unlock(&rq->lock);
	balance_notify(c, preempt);
}

bool wake_up_state(struct kthread *kt, u32 state_mask)
{
	u32 s;

	smp_mb(); /* what the caller changed before the state: the other half of kthread_set_state()
		   */
	s = load_relaxed(&kt->state);
	do {
		if (s == KT_RUNNING || !(state_mask & 1u << s))
			return false;
	} while (!__atomic_compare_exchange_n(&kt->state, &s, KT_RUNNING, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	activate(kt);
	return true;
}

void kick_kthread(struct kthread *kt)
{
	struct cpu *c;

	smp_mb(); /* what kt is to see before where it runs */
	c = &cpus[load_relaxed(&kt->cpu)];
	if (c != this_cpu() && load_relaxed(&c->current) == kt)
		cpu_kick(c);
}

void sched_enter_kernel(void)
{
	struct cpu *c = this_cpu();

	run_due(c, sched_account(c, IN_GUEST));
}

/* Somebody waits: has curr had its slice? */
static bool slice_over(struct cpu *c, ktime_t now)
{
	return load_relaxed(&c->rq->nr_queued) && !sched_policy->slice_left(c->rq, c->current, now);
}

/* Has somebody else had the CPU, whose turn it was? */
static bool give_way(struct cpu *c, ktime_t now)
{
	if (likely(!load_relaxed(&c->need_resched) && !slice_over(c, now)))
		return false;
	if (slice_over(c, now)) {
		balance_even(c);
		sched_switch(c, now, RQ_EXPIRED);
	} else {
		sched_switch(c, now, RQ_PREEMPTED);
	}
	return true;
}

void cond_resched(void)
{
	struct cpu *c = this_cpu();
	ktime_t now;

	lockcheck_may_sleep("cond_resched", NULL);
	ASSERT(load_relaxed(&c->current->state) == KT_RUNNING);
	now = sched_account(c, IN_KERNEL);
	run_due(c, now);
	if (!give_way(c, now))
		rcu_quiescent_state();
}

/* Plans until when the guest may run undisturbed. */
static void plan_events(struct cpu *c, ktime_t now)
{
	u64 left;

	c->slice_end = KTIME_MAX;
	c->next_event = timers_next(c);
	if (load_relaxed(&c->rq->nr_queued)) {
		left = sched_policy->slice_left(c->rq, c->current, now);
		if (left != UINT64_MAX)
			c->slice_end = now + left;
		c->next_event = min(c->next_event, balance_offer_time(c, now));
	}
	host_cpu_timer(c, min(c->slice_end, c->next_event));
}

void sched_return_to_guest(void)
{
	struct cpu *c;
	ktime_t now;

	lockcheck_none_held("the return to the guest");
	for (;;) {
		c = this_cpu();
		if (load_relaxed(&c->kick_pending))
			store_mb(&c->kick_pending, 0); /* before looking at what it is about */
		now = sched_account(c, IN_KERNEL);
		run_due(c, now);
		if (!give_way(c, now))
			break;
	}
	plan_events(c, now);
}

unsigned sched_nr_running(void)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < nr_cpus; i++) {
		n += load_relaxed(&cpus[i].rq->nr_queued);
		n += load_relaxed(&cpus[i].current) != cpus[i].idle;
	}
	return n;
}

u64 sched_nr_switches(void)
{
	u64 n = 0;
	int i;

	for (i = 0; i < nr_cpus; i++)
		n += load_relaxed(&cpus[i].stat.switches);
	return n;
}
