/*
 * Wait queues. Sleeping takes the condition, so that a wake-up between test and sleep can't be
 * lost: the waiter is on the queue and its state is set before the condition is tested (smp/wait.c
 * tells the order).
 *
 * The condition is tested without the queue's lock, perhaps several times. It may take spinlocks;
 * it must not sleep, since that would end the state. Callbacks (struct waiter's fn) run under the
 * queue's lock (rank WAITQ) and take only locks behind that.
 */
#ifndef HEDDLE_WAIT_H
#define HEDDLE_WAIT_H

#include "lock.h"
#include "sched.h"
#include "types.h"

/*
 * A full barrier. Not __atomic_thread_fence(), which ThreadSanitizer doesn't know; what it orders
 * here are atomics.
 */
#define smp_mb() __asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc")

struct wait_queue {
	struct spinlock lock;	      /* rank WAITQ */
	struct cds_list_head waiters; /* lock */
	u32 nr;			      /* atomic, written under lock: how many */
};

/*
 * One that waits. With fn == NULL it is a kthread to be woken; otherwise fn is called under
 * wq->lock at each wake-up (poll, epoll) with the wake-up's events; it must not sleep, nor touch
 * the queue. fn returns true if that counts as a woken exclusive waiter.
 */
struct waiter {
	struct cds_list_head link; /* wq->lock */
	struct kthread *kt;
	bool (*fn)(struct waiter *w, u32 events);
	bool exclusive;
	struct wait_queue *wq; /* the queue which it is on, or NULL */
};

#define WAIT_QUEUE_INIT(q)                                                                         \
	{                                                                                          \
		SPINLOCK_INIT(#q, RANK_WAITQ), CDS_LIST_HEAD_INIT((q).waiters), 0                  \
	}
void wait_queue_init(struct wait_queue *q);

void wait_add(struct wait_queue *q, struct waiter *w); /* w->kt or w->fn set by the caller */
void wait_remove(struct waiter *w);		       /* no-op when on no queue */

/*
 * Wake every waiter, and at most nr exclusive ones. `events` (POLLIN ...) goes to callbacks; 0
 * means unknown (all).
 */
void wake_up_nr(struct wait_queue *q, int nr_exclusive, u32 events);
static inline void wake_up(struct wait_queue *q)
{
	wake_up_nr(q, 1, 0);
}
static inline void wake_up_all(struct wait_queue *q)
{
	wake_up_nr(q, INT32_MAX, 0);
}
static inline void wake_up_poll(struct wait_queue *q, u32 events)
{
	wake_up_nr(q, 1, events);
}
/*
 * The same from within a waiter's callback, that is under the lock of another queue. Chains of
 * queues that wake each other this way have no loops (epoll sees to it).
 */
void wake_up_nr_nested(struct wait_queue *q, int nr_exclusive, u32 events);
/*
 * Does anybody wait? Without the lock: a waker that has changed the condition under a lock which
 * the condition takes too (or before a full barrier) and sees false here need not wake.
 */
bool wait_queue_active(struct wait_queue *q);

struct wait_opts {
	/* KT_INTERRUPTIBLE (default when 0), KT_KILLABLE, KT_UNINTERRUPTIBLE */
	enum kthread_state state;
	ktime_t deadline; /* absolute CLOCK_MONOTONIC; 0 or KTIME_MAX: none */
	bool exclusive;
};

/*
 * Sleeps until cond(arg), which is called without locks held. 0, -ERESTARTSYS on a signal,
 * -ETIMEDOUT. opts may be NULL.
 */
must_check int wait_event(struct wait_queue *q, bool (*cond)(void *), void *arg,
			  const struct wait_opts *opts);

/*
 * The same with an expression: `err = wait_event_expr(&q, x->ready, &opts)`. Who gives up leaves
 * the queue before the last look: what comes later wakes another exclusive waiter.
 */
#define wait_event_expr(q, expr, opts)                                                             \
	({                                                                                         \
		struct waiter wx_w;                                                                \
		int wx_err = 0;                                                                    \
		wait_begin(&wx_w, (q), (opts));                                                    \
		while (!(expr)) {                                                                  \
			wx_err = wait_sleep(&wx_w, (opts));                                        \
			if (wx_err) {                                                              \
				wait_end(&wx_w);                                                   \
				if (expr)                                                          \
					wx_err = 0;                                                \
				break;                                                             \
			}                                                                          \
		}                                                                                  \
		wait_end(&wx_w);                                                                   \
		wx_err;                                                                            \
	})
/*
 * Building blocks of wait_event_expr. wait_begin enqueues and sets the state; wait_sleep sleeps
 * once and sets the state again.
 */
void wait_begin(struct waiter *w, struct wait_queue *q, const struct wait_opts *opts);
must_check int wait_sleep(struct waiter *w, const struct wait_opts *opts);
void wait_end(struct waiter *w);

#endif
