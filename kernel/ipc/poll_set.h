/*
 * What poll and select sleep with: the set of wait queues that a task waits on at once. A wake-up
 * leaves a mark and wakes the task, which asks all its files again.
 */
#ifndef HEDDLE_POLL_SET_H
#define HEDDLE_POLL_SET_H

#include "ktime.h"
#include "poll.h"

#define POLL_INLINE 12	/* waiters that need no allocation */
#define POLL_BATCH 256u /* descriptors asked; then the CPU may do something else */

struct poll_entry {
	struct waiter w;
	struct poll_set *set;
	u32 events;	   /* wakes only for these */
	struct file *file; /* +1 */
	void *owner;	   /* of the queue, see poll_wait_owned(); +1 or NULL */
	void (*put)(void *owner);
};

struct poll_chunk {
	struct poll_chunk *next;
	struct poll_entry entries[30];
};

/* Used by its own task only, but for `triggered`. */
struct poll_set {
	struct poll_table pt; /* first */
	struct file *file;    /* being polled now */
	struct kthread *kt;
	bool triggered; /* atomic: set by wake-ups */
	int err;	/* -ENOMEM: a waiter could not be queued */
	unsigned nr;	/* entries in use: inline ones, then those of the newest chunk */
	struct poll_entry inl[POLL_INLINE];
	struct poll_chunk *chunks; /* newest first */
};

/* wait false: the set only looks. */
void poll_set_init(struct poll_set *ps, bool wait);
/* Leaves all queues. */
void poll_set_done(struct poll_set *ps);
/*
 * Events of f among `events` now (and POLLERR, POLLHUP); queues on it if pt.queue is set. The
 * caller clears that after the first round, or once it knows that it won't sleep.
 */
u32 poll_set_ask(struct poll_set *ps, struct file *f, u32 events);
/* Sleeps until a wake-up, a signal, or the deadline (KTIME_MAX: none): then false. */
bool poll_set_sleep(struct poll_set *ps, ktime_t deadline);

/*
 * A timespec or timeval of the guest, as poll and select take it: when it is over, by the monotonic
 * clock. 0 for no time at all. -EFAULT, -EINVAL.
 */
must_check int poll_deadline(uaddr_t ts, ktime_t *deadline);
must_check int poll_deadline_in(const struct timespec *ts, ktime_t *deadline);
ktime_t poll_time_left(ktime_t deadline);

#endif
