/* Making, starting and freeing kthreads; policy. */
#include "alloc.h"
#include "host.h"
#include "log.h"
#include "smp.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>

#ifdef HEDDLE_DEBUG
#define KSTACK_SIZE (64 * 1024)
#else
#define KSTACK_SIZE (32 * 1024)
#endif

static const struct kthread_ops no_ops;

/* What switch_stacks() pops: six registers, then where it returns to. */
static u64 first_frame(void *stack, size_t size)
{
	u64 *sp = (u64 *)((char *)stack + size) - 8;

	memset(sp, 0, 8 * sizeof(*sp));
	sp[6] = (u64)(uintptr_t)kthread_thunk;
	return (u64)(uintptr_t)sp;
}

int kthread_init(struct kthread *kt, const char *name, const struct kthread_ops *ops,
		 void (*fn)(void *), void *arg)
{
	kt->stack = host_stack_alloc(KSTACK_SIZE);
	if (!kt->stack)
		return -ENOMEM;
	kt->stack_size = KSTACK_SIZE;
	kt->sp = first_frame(kt->stack, kt->stack_size);
	kt->state = KT_RUNNING;
	kt->allowed = all_cpus();
	kt->policy = SCHED_OTHER;
	kt->ops = ops ? ops : &no_ops;
	kt->fn = fn;
	kt->arg = arg;
	CDS_INIT_LIST_HEAD(&kt->rq_link);
	CDS_INIT_LIST_HEAD(&kt->rt_link);
	snprintf(kt->name, sizeof(kt->name), "%s", name);
	if (lockcheck_kthread_init(kt)) {
		host_stack_free(kt->stack, kt->stack_size);
		kt->stack = NULL;
		return -ENOMEM;
	}
	fiber_create(kt);
	return 0;
}

void kthread_destroy(struct kthread *kt)
{
	fiber_destroy(kt);
	lockcheck_kthread_destroy(kt);
	host_stack_free(kt->stack, kt->stack_size);
	kt->stack = NULL;
}

void kthread_start(struct kthread *kt)
{
	struct cpu *me = this_cpu();
	/*
	 * Only the CPU that it is bound to can let go of it: if it may not run there, it leaves
	 * when it is picked.
	 */
	bool bound = balance_is_bound(kt);
	int cpu = bound ? kt->cpu : me ? me->id : 0;
	bool here = me && cpu == me->id && me->current != me->idle && kthread_allowed(kt, me);
	struct run_queue *rq;
	u64 v;

	ASSERT(kt->on_rq == OFF_RQ && !kt->on_cpu);
	v = load_relaxed(&cpus[cpu].rq->min_vruntime);
	/* Not before its creator. */
	if (here && (s64)(load_relaxed(&me->current->vruntime) - v) > 0)
		v = load_relaxed(&me->current->vruntime); /* others may change its policy */
	kt->vruntime = v;
	rq = rq_lock_of(kt); /* others may know it already */
	store_release(&kt->cpu, cpu);
	store_relaxed(&kt->on_rq, MOVING);
	spin_unlock(&rq->lock);
	balance_deliver(kt, here || bound ? cpu : -1);
}

bool kthread_while_asleep(struct kthread *kt, void (*fn)(void *arg), void *arg)
{
	struct run_queue *rq = rq_lock_of(kt);
	bool asleep = !load_acquire(&kt->on_cpu) && load_relaxed(&kt->on_rq) == OFF_RQ &&
		      load_relaxed(&kt->state) != KT_RUNNING;

	if (asleep)
		fn(arg);
	spin_unlock(&rq->lock);
	return asleep;
}

static void set_params_locked(struct run_queue *rq, struct kthread *kt, int policy, int rt_priority,
			      int nice)
{
	bool queued = load_relaxed(&kt->on_rq) == ON_RQ;

	ASSERT(nice >= NICE_MIN && nice <= NICE_MAX);
	ASSERT(rt_priority >= 0 && rt_priority < RT_LEVELS);
	if (queued)
		rq_dequeue(rq, kt);
	sched_policy->change(rq, kt, policy);
	/* After what that has set: from now on kt, if it runs, may advance it. */
	store_release(&kt->policy, policy);
	store_relaxed(&kt->rt_priority, rt_priority);
	store_relaxed(&kt->nice, nice);
	if (rq->cpu->current == kt)
		store_relaxed(&rq->cpu->runs_rt, policy_is_rt(policy) ? rt_priority : 0);
	if (queued)
		rq_enqueue(rq, kt, RQ_EXPIRED, kt->enqueued);
}

void sched_set_policy(struct kthread *kt, int policy, int rt_priority, int nice)
{
	struct run_queue *rq = rq_lock_of(kt);

	set_params_locked(rq, kt, policy, rt_priority, nice);
	spin_unlock(&rq->lock);
	balance_notify(rq->cpu, true);
}

void sched_set_nice(struct kthread *kt, int nice)
{
	struct run_queue *rq = rq_lock_of(kt);

	set_params_locked(rq, kt, load_relaxed(&kt->policy), load_relaxed(&kt->rt_priority), nice);
	spin_unlock(&rq->lock);
	balance_notify(rq->cpu, true);
}
