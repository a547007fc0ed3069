/* Shared inside kernel/futex/. See README.md there. */
#ifndef HEDDLE_KERNEL_FUTEX_PRIV_H
#define HEDDLE_KERNEL_FUTEX_PRIV_H

#include "futex.h"
#include "ktime.h"
#include "lock.h"
#include "task.h"

struct inode;

/* A word: (mm, address), or (inode, offset) with a reference on the inode. */
struct futex_key {
	const void *where;
	u64 offset;
	struct inode *inode; /* +1; NULL: private */
};
/* 0; -EINVAL (misaligned), -EFAULT. `shared` false: never looks at the mappings. */
must_check int futex_key_get(struct futex_key *k, struct mm *mm, uaddr_t uaddr, bool shared);
void futex_key_put(struct futex_key *k); /* may sleep */
static inline bool futex_key_same(const struct futex_key *a, const struct futex_key *b)
{
	return a->where == b->where && a->offset == b->offset;
}

enum futex_state {
	FUTEX_TENTATIVE, /* on the queue, but hasn't read the word since: no wake-up counts it */
	FUTEX_QUEUED,
	FUTEX_WOKEN, /* off the queue; the waker is done with it */
};

/* A task that waits, on its own stack. b: the lock of its bucket */
struct futex_waiter {
	struct cds_list_head link;   /* b */
	struct futex_bucket *bucket; /* atomic; changes under both buckets' locks (requeue) */
	struct futex_key key;	     /* b */
	u32 bitset;		     /* constant */
	u32 state;		     /* b; WOKEN is stored last and read without it */
	bool hit;		     /* b: a wake-up passed by while it was tentative */
	struct task *task;	     /* constant */
};

struct futex_bucket {
	struct spinlock lock;	      /* rank FUTEX; two by address */
	struct cds_list_head waiters; /* lock: in order of arrival */
} __attribute__((aligned(64)));

struct futex_bucket *futex_bucket_lock(const struct futex_key *k);
void futex_bucket_lock2(const struct futex_key *k1, const struct futex_key *k2,
			struct futex_bucket **b1, struct futex_bucket **b2);
void futex_bucket_unlock(struct futex_bucket *b);
void futex_bucket_unlock2(struct futex_bucket *b1, struct futex_bucket *b2);

void futex_enqueue(struct futex_waiter *w);
/* Off the queue; false if a waker was first, which is then done with it. */
bool futex_dequeue(struct futex_waiter *w);

/* Tasks to wake once the locks are gone, each with a reference. */
#define FUTEX_WAKE_BATCH 32
struct futex_wakes {
	int n;
	struct task *task[FUTEX_WAKE_BATCH];
};
/* Takes w off its queue for waking. False if the batch is full: wake it, and come again. */
bool futex_mark_woken(struct futex_wakes *wakes, struct futex_waiter *w);
void futex_wake_marked(struct futex_wakes *wakes);

/* Deadlines are CLOCK_MONOTONIC; KTIME_MAX: none. */
long futex_wait(uaddr_t uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset);
long futex_wake(struct mm *mm, uaddr_t uaddr, bool shared, int nr, u32 bitset);
struct futex_pair {
	uaddr_t uaddr1, uaddr2;
	bool shared;
	int nr1, nr2;
};
/* Moves waiters of the first word to the second; with `cmp`, only while the first holds that. */
long futex_requeue(const struct futex_pair *p, const u32 *cmp);
long futex_wake_op(const struct futex_pair *p, u32 encoded);

#endif
