/* The lock checker of debug builds. In others it is nothing at all. */
#ifndef SMP_LOCKCHECK_H
#define SMP_LOCKCHECK_H

#include "types.h"

struct kthread;

enum lock_how { LOCK_NORMAL, LOCK_NESTED, LOCK_TRY };

#ifdef HEDDLE_DEBUG
/*
 * Before waiting for it: panics if that could deadlock by the order of ranks, or at a wrong place.
 */
void lockcheck_acquire(const void *lock, const char *name, u16 rank, enum lock_how how);
/* `where`: the code that took it. */
void lockcheck_acquired(const void *lock, const char *name, u16 rank, const void *where);
void lockcheck_release(const void *lock, const char *name, u16 rank);
/* Panics if the caller may not sleep: spinlocks held (but for `except`), or in a read section. */
void lockcheck_may_sleep(const char *what, const void *except);
/* Panics if it holds anything. */
void lockcheck_none_held(const char *what);
must_check int lockcheck_kthread_init(struct kthread *kt); /* -ENOMEM */
void lockcheck_kthread_destroy(struct kthread *kt);
#else
static inline void lockcheck_acquire(const void *lock, const char *name, u16 rank,
				     enum lock_how how)
{
}
static inline void lockcheck_acquired(const void *lock, const char *name, u16 rank,
				      const void *where)
{
}
static inline void lockcheck_release(const void *lock, const char *name, u16 rank)
{
}
static inline void lockcheck_may_sleep(const char *what, const void *except)
{
}
static inline void lockcheck_none_held(const char *what)
{
}
must_check static inline int lockcheck_kthread_init(struct kthread *kt)
{
	return 0;
}
static inline void lockcheck_kthread_destroy(struct kthread *kt)
{
}
#endif
/* Who holds what, for panics. */
void lockcheck_dump(void (*out)(const char *fmt, ...) printf_like(1, 2));

#endif
