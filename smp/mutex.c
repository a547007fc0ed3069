/*
 * Sleeping mutexes.
 *
 * mutex->owner is the holder's kthread with two flags. An unlock with waiters sets it free, wakes
 * the first and lets whoever comes first take it (no convoy: the CPUs that run needn't wait for one
 * that is being woken). But a waiter that was woken and came too late asks for a hand-over: then
 * nobody may step in, and the next unlock makes it the owner. So each waiter at the head loses at
 * most one race, and nobody starves.
 *
 * The flags and the list of waiters change under guard. Without it, owner goes only from 0 or
 * WAITERS to a kthread (with the same flag) and from a kthread without flags to 0.
 */
#include "host.h"
#include "log.h"
#include "smp.h"

#define WAITERS 1UL  /* somebody is on the list: unlock has to look */
#define HANDOVER 2UL /* the first waiter is to have it next */
#define FLAGS (WAITERS | HANDOVER)
#define SPINS 500

struct mutex_waiter {
	struct cds_list_head link; /* guard */
	struct kthread *kt;
	bool granted; /* guard */
};

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	spin_init(&m->guard, name, RANK_WAITQ);
	CDS_INIT_LIST_HEAD(&m->waiters);
	m->owner = 0;
	m->owner_cpu = -1;
	m->rank = rank;
	m->name = name;
}

static bool set_owner(struct mutex *m, uintptr_t *old, uintptr_t owner)
{
	return __atomic_compare_exchange_n(&m->owner, old, owner, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Takes it if it is free and not promised to a waiter. */
static bool try(struct mutex *m)
{
	struct cpu *c = this_cpu();
	uintptr_t me = (uintptr_t)c->current, o = load_relaxed(&m->owner);

	while (!(o & ~WAITERS)) {
		if (set_owner(m, &o, me | o)) {
			store_relaxed(&m->owner_cpu, c->id);
			return true;
		}
	}
	return false;
}

/*
 * Tries for as long as the holder seems to run in the kernel on another CPU. The holder itself
 * isn't looked at: it may be gone.
 */
static bool try_spinning(struct mutex *m)
{
	int i, cpu;

	for (i = 0; load_relaxed(&smp_may_spin) && i < SPINS; i++) {
		uintptr_t o = load_relaxed(&m->owner);

		if (!(o & ~WAITERS)) {
			if (try(m))
				return true;
		} else {
			cpu = load_relaxed(&m->owner_cpu);
			if (cpu < 0 || (o & HANDOVER) ||
			    load_relaxed(&cpus[cpu].current) != (struct kthread *)(o & ~FLAGS))
				return false;
		}
		cpu_relax();
	}
	return false;
}

/* Sets flags, or takes the mutex if it has become free meanwhile. guard held. */
static bool take_or_flag(struct mutex *m, struct kthread *me, uintptr_t flags, bool head)
{
	uintptr_t o = load_relaxed(&m->owner);

	for (;;) {
		if (!(o & ~FLAGS) && (head || !(o & HANDOVER))) {
			if (set_owner(m, &o, (uintptr_t)me | (o & FLAGS)))
				return true;
		} else if (set_owner(m, &o, o | flags)) {
			return false;
		}
	}
}

static void clear_flags(struct mutex *m, uintptr_t flags)
{
	__atomic_fetch_and(&m->owner, ~flags, __ATOMIC_RELAXED);
}

/* Off the list: with the flags that no longer hold. guard held. */
static void remove_waiter(struct mutex *m, struct mutex_waiter *w, bool head)
{
	cds_list_del(&w->link);
	if (head)
		clear_flags(m, HANDOVER);
	if (cds_list_empty(&m->waiters))
		clear_flags(m, WAITERS);
}

static bool is_head(struct mutex *m, struct mutex_waiter *w)
{
	return m->waiters.next == &w->link;
}

static void wake_first(struct mutex *m)
{
	if (!cds_list_empty(&m->waiters))
		wake_up_kthread(cds_list_first_entry(&m->waiters, struct mutex_waiter, link)->kt);
}

static int lock_slow(struct mutex *m, enum kthread_state state)
{
	struct cpu *c = this_cpu();
	struct mutex_waiter w = {.kt = c->current};
	bool woken = false, killed = false;
	const struct kthread_ops *ops = w.kt->ops;

	if (try_spinning(m))
		return 0;
	spin_lock(&m->guard);
	cds_list_add_tail(&w.link, &m->waiters);
	for (;;) {
		bool head = is_head(m, &w);

		if (take_or_flag(m, w.kt, head && woken ? FLAGS : WAITERS, head)) {
			remove_waiter(m, &w, head);
			break;
		}
		kthread_set_state(state);
		killed = state == KT_KILLABLE && ops->signal_pending &&
			 ops->signal_pending(w.kt, true);
		if (killed) {
			kthread_set_state(KT_RUNNING);
			remove_waiter(m, &w, head);
			/* Perhaps it was woken to take it. */
			if (!(load_relaxed(&m->owner) & ~FLAGS))
				wake_first(m);
			break;
		}
		spin_unlock(&m->guard);
		schedule();
		spin_lock(&m->guard);
		if (w.granted)
			break;
		woken = true;
	}
	spin_unlock(&m->guard);
	if (killed)
		return -EINTR;
	store_relaxed(&m->owner_cpu, this_cpu()->id);
	return 0;
}

static int lock(struct mutex *m, enum lock_how how, enum kthread_state state, const void *where)
{
	int err = 0;

	lockcheck_acquire(m, m->name, m->rank, how);
	if (unlikely(!try(m)))
		err = lock_slow(m, state);
	if (!err)
		lockcheck_acquired(m, m->name, m->rank, where);
	return err;
}

void mutex_lock(struct mutex *m)
{
	lock(m, LOCK_NORMAL, KT_UNINTERRUPTIBLE, __builtin_return_address(0));
}

void mutex_lock_nested(struct mutex *m)
{
	lock(m, LOCK_NESTED, KT_UNINTERRUPTIBLE, __builtin_return_address(0));
}

int mutex_lock_killable(struct mutex *m)
{
	return lock(m, LOCK_NORMAL, KT_KILLABLE, __builtin_return_address(0));
}

/* Gives it to the first waiter, who has asked for that. guard held. */
static void hand_over(struct mutex *m)
{
	struct mutex_waiter *w = cds_list_first_entry(&m->waiters, struct mutex_waiter, link);
	struct kthread *kt = w->kt;

	cds_list_del(&w->link);
	w->granted = true;
	store_relaxed(&m->owner_cpu, -1);
	store_release(&m->owner, (uintptr_t)kt | (cds_list_empty(&m->waiters) ? 0 : WAITERS));
	wake_up_kthread(kt);
}

void mutex_unlock(struct mutex *m)
{
	uintptr_t o = (uintptr_t)current_kthread();

	ASSERT(mutex_is_held(m));
	lockcheck_release(m, m->name, m->rank);
	if (likely(set_owner(m, &o, 0)))
		return;
	spin_lock(&m->guard);
	o = load_relaxed(&m->owner);
	if (o & HANDOVER) {
		hand_over(m);
	} else {
		/* Under guard nobody changes the flags, and nobody but the owner the rest. */
		store_release(&m->owner, o & WAITERS);
		wake_first(m);
	}
	spin_unlock(&m->guard);
}

bool mutex_is_held(const struct mutex *m)
{
	return (load_relaxed(&m->owner) & ~FLAGS) == (uintptr_t)current_kthread();
}
