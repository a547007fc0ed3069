/*
 * Wait queues. The order that makes wake-ups safe: the waiter puts itself on the queue, sets its
 * state, tests the condition, and only then sleeps; the waker makes the condition true, then looks
 * at the queue, whose lock and the barrier in kthread_set_state() see to it that one of the two
 * notices the other.
 */
#include "log.h"
#include "smp.h"
#include "wait.h"

void wait_queue_init(struct wait_queue *q)
{
	spin_init(&q->lock, "waitq", RANK_WAITQ);
	CDS_INIT_LIST_HEAD(&q->waiters);
	q->nr = 0;
}

void wait_add(struct wait_queue *q, struct waiter *w)
{
	spin_lock(&q->lock);
	w->wq = q;
	store_relaxed(&q->nr, q->nr + 1);
	/* Exclusive ones last: a wake-up stops after some of them. */
	if (w->exclusive)
		cds_list_add_tail(&w->link, &q->waiters);
	else
		cds_list_add(&w->link, &q->waiters);
	spin_unlock(&q->lock);
}

void wait_remove(struct waiter *w)
{
	struct wait_queue *q = w->wq;

	if (!q)
		return;
	spin_lock(&q->lock);
	cds_list_del(&w->link);
	store_relaxed(&q->nr, q->nr - 1);
	w->wq = NULL;
	spin_unlock(&q->lock);
}

static void wake_locked(struct wait_queue *q, int nr_exclusive, u32 events)
{
	struct waiter *w, *tmp;
	bool woken;

	cds_list_for_each_entry_safe(w, tmp, &q->waiters, link) {
		bool exclusive = w->exclusive;

		woken = w->fn ? w->fn(w, events) : wake_up_kthread(w->kt);
		if (woken && exclusive && --nr_exclusive <= 0)
			break;
	}
}

void wake_up_nr(struct wait_queue *q, int nr_exclusive, u32 events)
{
	smp_mb(); /* the condition before the look at the queue */
	if (!load_relaxed(&q->nr))
		return;
	spin_lock(&q->lock);
	wake_locked(q, nr_exclusive, events);
	spin_unlock(&q->lock);
}

void wake_up_nr_nested(struct wait_queue *q, int nr_exclusive, u32 events)
{
	smp_mb();
	if (!load_relaxed(&q->nr))
		return;
	spin_lock_nested(&q->lock); /* queues of epolls, from inner to outer ones: no loops */
	wake_locked(q, nr_exclusive, events);
	spin_unlock(&q->lock);
}

bool wait_queue_active(struct wait_queue *q)
{
	smp_mb();
	return load_relaxed(&q->nr);
}

static enum kthread_state sleep_state(const struct wait_opts *opts)
{
	return opts && opts->state ? opts->state : KT_INTERRUPTIBLE;
}

void wait_begin(struct waiter *w, struct wait_queue *q, const struct wait_opts *opts)
{
	lockcheck_may_sleep("wait_event", NULL);
	*w = (struct waiter){.kt = current_kthread(), .exclusive = opts && opts->exclusive};
	wait_add(q, w);
	kthread_set_state(sleep_state(opts));
}

static bool interrupted(struct kthread *kt, enum kthread_state state)
{
	if (state == KT_UNINTERRUPTIBLE || !kt->ops->signal_pending)
		return false;
	return kt->ops->signal_pending(kt, state == KT_KILLABLE);
}

int wait_sleep(struct waiter *w, const struct wait_opts *opts)
{
	enum kthread_state state = sleep_state(opts);
	ktime_t deadline = opts && opts->deadline ? opts->deadline : KTIME_MAX;

	/* Its state is set, so a signal from now on wakes it. */
	if (interrupted(w->kt, state))
		return -ERESTARTSYS;
	if (!schedule_deadline(deadline))
		return -ETIMEDOUT;
	kthread_set_state(state);
	return 0;
}

void wait_end(struct waiter *w)
{
	kthread_set_state(KT_RUNNING);
	wait_remove(w);
}

int wait_event(struct wait_queue *q, bool (*cond)(void *), void *arg, const struct wait_opts *opts)
{
	if (cond(arg))
		return 0;
	return wait_event_expr(q, cond(arg), opts);
}
