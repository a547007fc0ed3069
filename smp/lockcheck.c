/*
 * The lock checker. Spinlocks are recorded by CPU (their holder doesn't sleep, so it stays there),
 * or by host thread for threads that aren't CPUs; sleeping locks by kthread. The run-queue lock is
 * taken by one kthread and released by the next: on the same CPU, so it needs no exception.
 */
#include "lockcheck.h"
#include "log.h"
#include "rcu.h"
#include "smp.h"

#ifdef HEDDLE_DEBUG

#include "alloc.h"

#define LOCKS_MAX 32
/* For a message. */
#define WHERE(held) kernel_symbol((held)->where, (char[80]){0}, 80)

struct held_lock {
	const void *lock;
	const char *name;
	u16 rank;
	const void *where; /* the code that took it */
};

/* Written by its CPU, thread or kthread; a panic elsewhere reads it as it is. */
struct lock_trace {
	u32 n;
	struct held_lock held[LOCKS_MAX];
};

static struct lock_trace cpu_spins[MAX_CPUS];
static __thread struct lock_trace thread_spins;

/* Out of line for the sake of the thread-local one. */
static __attribute__((noinline)) struct lock_trace *spins(void)
{
	struct cpu *c = this_cpu();

	return c ? &cpu_spins[c->id] : &thread_spins;
}

static struct lock_trace *sleeping(void)
{
	struct kthread *kt = current_kthread();

	return kt ? kt->locks : NULL;
}

static bool is_sleeping(u16 rank)
{
	return rank < RANK_SLEEPING_LAST;
}

static const struct held_lock *highest(const struct lock_trace *t)
{
	const struct held_lock *top = NULL;
	u32 i;

	for (i = 0; t && i < t->n; i++) {
		if (!top || t->held[i].rank >= top->rank)
			top = &t->held[i];
	}
	return top;
}

static void check_order(const struct lock_trace *t, const void *lock, const char *name, u16 rank,
			enum lock_how how)
{
	const struct held_lock *top = highest(t);
	u32 i;

	for (i = 0; t && i < t->n; i++) {
		if (t->held[i].lock == lock)
			panic("lock %s %p is taken twice by one holder", name, lock);
	}
	if (!top || rank > top->rank || (how == LOCK_NESTED && rank == top->rank))
		return;
	panic("lock order: %s (rank %u) taken while %s (rank %u, taken in %s) is held", name, rank,
	      top->name, top->rank, WHERE(top));
}

void lockcheck_may_sleep(const char *what, const void *except)
{
	const struct lock_trace *t = spins();
	struct cpu *c = this_cpu();
	u32 i;

	for (i = 0; i < t->n; i++) {
		if (t->held[i].lock != except)
			panic("%s while spinlock %s (taken in %s) is held", what, t->held[i].name,
			      WHERE(&t->held[i]));
	}
	if (c && c->rcu_depth)
		panic("%s in an RCU read section", what);
}

void rcu_check_reader(void)
{
	const struct lock_trace *t = sleeping();
	struct cpu *c = this_cpu();

	if (c && !c->rcu_depth && !spins()->n && !(t && t->n))
		panic("an RCU pointer is followed outside of a read section, and no lock is held");
}

static bool holds(const struct lock_trace *t, const void *lock)
{
	for (u32 i = 0; t && i < t->n; i++)
		if (t->held[i].lock == lock)
			return true;
	return false;
}

void lockdep_assert_held(const void *lock)
{
	if (!holds(spins(), lock) && !holds(sleeping(), lock))
		panic("lock %p isn't held", lock);
}

void might_sleep(const char *what)
{
	lockcheck_may_sleep(what, NULL);
}

void lockcheck_acquire(const void *lock, const char *name, u16 rank, enum lock_how how)
{
	if (!rank)
		panic("lock %p isn't initialised", lock);
	if (is_sleeping(rank)) {
		if (!current_kthread() || current_kthread() == this_cpu()->idle)
			panic("sleeping lock %s outside of any task", name);
		if (how != LOCK_TRY)
			lockcheck_may_sleep(name, NULL);
	}
	if (how == LOCK_TRY)
		return;
	check_order(spins(), lock, name, rank, how);
	check_order(sleeping(), lock, name, rank, how);
}

void lockcheck_acquired(const void *lock, const char *name, u16 rank, const void *where)
{
	struct lock_trace *t = is_sleeping(rank) ? sleeping() : spins();

	if (t->n == LOCKS_MAX)
		panic("more than %d locks held", LOCKS_MAX);
	t->held[t->n] = (struct held_lock){lock, name, rank, where};
	store_release(&t->n, t->n + 1);
}

void lockcheck_release(const void *lock, const char *name, u16 rank)
{
	struct lock_trace *t = is_sleeping(rank) ? sleeping() : spins();
	u32 i = t ? t->n : 0;

	while (i && t->held[i - 1].lock != lock)
		i--;
	if (!i)
		panic("lock %s %p is released by one that doesn't hold it", name, lock);
	for (; i < t->n; i++)
		t->held[i - 1] = t->held[i];
	store_release(&t->n, t->n - 1);
}

void lockcheck_none_held(const char *what)
{
	const struct lock_trace *t = sleeping();

	lockcheck_may_sleep(what, NULL);
	if (t && t->n)
		panic("%s while lock %s (taken in %s) is held", what, t->held[0].name,
		      WHERE(&t->held[0]));
}

int lockcheck_kthread_init(struct kthread *kt)
{
	kt->locks = kzalloc(sizeof(*kt->locks));
	return kt->locks ? 0 : -ENOMEM;
}

void lockcheck_kthread_destroy(struct kthread *kt)
{
	if (kt->locks && kt->locks->n)
		panic("kthread %s ended with lock %s held", kt->name, kt->locks->held[0].name);
	kfree(kt->locks);
	kt->locks = NULL;
}

static void dump_trace(void (*out)(const char *fmt, ...), const struct lock_trace *t)
{
	u32 i, n = t ? min(load_acquire(&t->n), (u32)LOCKS_MAX) : 0;

	for (i = 0; i < n; i++)
		out("    holds %s %p, rank %u, taken in %s\n", t->held[i].name, t->held[i].lock,
		    t->held[i].rank, WHERE(&t->held[i]));
}

static void dump_locks(void (*out)(const char *fmt, ...), const struct cpu *c)
{
	dump_trace(out, &cpu_spins[c->id]);
	dump_trace(out, load_relaxed(&c->current)->locks);
}

#else

static void dump_locks(void (*out)(const char *fmt, ...), const struct cpu *c)
{
}

#endif

void lockcheck_dump(void (*out)(const char *fmt, ...) printf_like(1, 2))
{
	int i;

	for (i = 0; i < nr_cpus; i++) {
		const struct cpu *c = &cpus[i];
		const struct kthread *kt = load_relaxed(&c->current);

		out("  cpu %d: %.15s%s%s, %u waiting\n", i, kt->name,
		    load_relaxed(&c->in_guest) ? ", in the guest" : "",
		    load_relaxed(&c->idle_word) ? ", asleep" : "", load_relaxed(&c->rq->nr_queued));
		dump_locks(out, c);
	}
}
