/*
 * Locks. Ranks and their order: lockrank.h.
 *
 * spinlock: for short sections without sleeping. CPUs are host threads which the host may preempt,
 * so after a short spin the waiter sleeps in the host. Not recursive.
 *
 * mutex, rwsem: sleeping locks for tasks (kthreads); FIFO-fair enough that nobody starves. An rwsem
 * prefers waiting writers. Neither may be taken in an idle loop, a timer callback or an event
 * callback. The holder that unlocks one may still touch it after the next holder has it: don't keep
 * a mutex or rwsem inside an object that the next holder may free at once, unless a reference,
 * taken before the lock, outlives the unlock.
 */
#ifndef HEDDLE_LOCK_H
#define HEDDLE_LOCK_H

#include "lockrank.h"
#include "types.h"
#include <urcu/list.h>

struct kthread;

struct spinlock {
	u32 word;	  /* atomic: 0 free, 1 held, 2 held and waited for */
	u16 rank;	  /* constant after init */
	const char *name; /* constant after init */
};
#define SPINLOCK_INIT(n, r)                                                                        \
	{                                                                                          \
		.rank = (r), .name = (n)                                                           \
	}

void spin_init(struct spinlock *l, const char *name, enum lock_rank rank);
void spin_lock(struct spinlock *l);
/*
 * For a second lock of the same rank; the caller states (in a comment) the order that makes it
 * safe.
 */
void spin_lock_nested(struct spinlock *l);
void spin_unlock(struct spinlock *l);

struct mutex {
	struct spinlock guard;	      /* rank WAITQ */
	struct cds_list_head waiters; /* guard */
	uintptr_t owner; /* atomic: the holder's kthread, with flags of mutex.c in the low bits */
	int owner_cpu;	 /* atomic: a hint for those who spin */
	u16 rank;
	const char *name;
};

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
void mutex_lock(struct mutex *m);
void mutex_lock_nested(struct mutex *m);
/* 0, or -EINTR when a fatal signal is pending. */
must_check int mutex_lock_killable(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_is_held(const struct mutex *m); /* by the current kthread */

struct rwsem {
	struct spinlock guard;	      /* rank WAITQ */
	struct cds_list_head waiters; /* guard; readers and writers in order */
	int count;		      /* guard; readers, or -1 for a writer */
	struct kthread *owner;	      /* the writer */
	u16 rank;
	const char *name;
};

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank);
void down_read(struct rwsem *s);
must_check bool down_read_trylock(struct rwsem *s); /* false where down_read() would wait */
void up_read(struct rwsem *s);
void down_write(struct rwsem *s);
/* For a second lock of the same rank; the caller states the order. */
void down_write_nested(struct rwsem *s);
void up_write(struct rwsem *s);

/*
 * What sleeps only now and then says so each time: debug builds panic if the caller holds a
 * spinlock, or is in an RCU read section.
 */
#ifdef HEDDLE_DEBUG
void might_sleep(const char *what);
#else
static inline void might_sleep(const char *what)
{
}
#endif

/* In debug builds: panics unless the caller holds that lock, an rwsem for reading or writing. */
#ifdef HEDDLE_DEBUG
void lockdep_assert_held(const void *lock);
#else
static inline void lockdep_assert_held(const void *lock)
{
	(void)lock;
}
#endif

#endif
