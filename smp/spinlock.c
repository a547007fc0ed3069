/*
 * Spinlocks, which are futex mutexes: 0 free, 1 held, 2 held and somebody sleeps. A CPU is a host
 * thread, which may lose its host core while it holds one; so whoever waits spins only a little,
 * and only where each CPU has a core of its own.
 */
#include "host.h"
#include "smp.h"

#define SPINS 200

void spin_init(struct spinlock *l, const char *name, enum lock_rank rank)
{
	*l = (struct spinlock)SPINLOCK_INIT(name, rank);
}

static bool try(struct spinlock *l)
{
	u32 none = 0;

	return __atomic_compare_exchange_n(&l->word, &none, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void lock_slow(struct spinlock *l)
{
	int i;

	for (i = 0; load_relaxed(&smp_may_spin) && i < SPINS; i++) {
		if (!load_relaxed(&l->word) && try(l))
			return;
		cpu_relax();
	}
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE))
		host_futex_wait(&l->word, 2, KTIME_MAX);
}

void spin_lock(struct spinlock *l)
{
	lockcheck_acquire(l, l->name, l->rank, LOCK_NORMAL);
	if (unlikely(!try(l)))
		lock_slow(l);
	lockcheck_acquired(l, l->name, l->rank, __builtin_return_address(0));
}

void spin_lock_nested(struct spinlock *l)
{
	lockcheck_acquire(l, l->name, l->rank, LOCK_NESTED);
	if (unlikely(!try(l)))
		lock_slow(l);
	lockcheck_acquired(l, l->name, l->rank, __builtin_return_address(0));
}

void spin_unlock(struct spinlock *l)
{
	lockcheck_release(l, l->name, l->rank);
	if (unlikely(__atomic_exchange_n(&l->word, 0, __ATOMIC_SEQ_CST) == 2))
		host_futex_wake(&l->word, 1);
}
