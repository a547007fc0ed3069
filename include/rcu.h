/*
 * RCU by liburcu, QSBR flavour. A CPU is quiescent when it switches tasks and when it returns to
 * the guest, and offline while the guest runs or it idles. So: never sleep between rcu_read_lock()
 * and rcu_read_unlock() (a debug build checks), and read sections cost nothing.
 *
 * Lists and hash tables: <urcu/rculist.h>, <urcu/rculfhash.h> (cds_lfht_*; create with
 * cds_lfht_new_flavor(init, min, max, CDS_LFHT_AUTO_RESIZE or 0, &urcu_qsbr_flavor, NULL)). The
 * threads of os/ (event thread, workers) may use RCU only between rcu_thread_online() and
 * rcu_thread_offline().
 */
#ifndef HEDDLE_RCU_H
#define HEDDLE_RCU_H

#include "cpu.h"
#include "types.h"

#define URCU_API_MAP /* else the header takes its short names away again */
#include <urcu/urcu-qsbr.h>
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

/*
 * Ours instead of liburcu's: inline (its own are calls for those who don't define _LGPL_SOURCE),
 * plain C11 atomics, which sanitizers understand, and checked in debug builds.
 */
#undef rcu_read_lock
#undef rcu_read_unlock
#undef rcu_thread_online
#undef rcu_thread_offline
#undef rcu_quiescent_state
#undef rcu_dereference
#undef rcu_assign_pointer
#undef rcu_xchg_pointer
#undef rcu_cmpxchg_pointer
#undef rcu_set_pointer
#undef synchronize_rcu
#undef call_rcu
#undef rcu_barrier

static inline void rcu_read_lock(void)
{
#ifdef HEDDLE_DEBUG
	struct cpu *c = this_cpu();

	if (c)
		c->rcu_depth++;
#endif
	__asm__ volatile("" ::: "memory");
}

static inline void rcu_read_unlock(void)
{
	__asm__ volatile("" ::: "memory");
#ifdef HEDDLE_DEBUG
	struct cpu *c = this_cpu();

	if (c)
		c->rcu_depth--;
#endif
}

/*
 * Debug builds: panics unless the caller is in a read section or holds a lock, which is taken for
 * the one that changes are made under.
 */
#ifdef HEDDLE_DEBUG
void rcu_check_reader(void);
#else
static inline void rcu_check_reader(void)
{
}
#endif

/*
 * For readers. Who keeps what is pointed to by other means, such as a reference on the owner of p,
 * loads it without this.
 */
#define rcu_dereference(p) (rcu_check_reader(), load_acquire(&(p)))
#define rcu_assign_pointer(p, v) store_release(&(p), (v))
#define rcu_set_pointer(p, v) store_release((p), (v))
#define rcu_xchg_pointer(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
/* What *p was. */
#define rcu_cmpxchg_pointer(p, old, new_)                                                          \
	({                                                                                         \
		__typeof__(*(p)) rcx_old = (old);                                                  \
		__atomic_compare_exchange_n((p), &rcx_old, (new_), false, __ATOMIC_ACQ_REL,        \
					    __ATOMIC_ACQUIRE);                                     \
		rcx_old;                                                                           \
	})

#include <urcu/rculist.h>
#include <urcu/rculfhash.h>

/*
 * The hash table's code isn't instrumented: this tells ThreadSanitizer that what precedes the
 * adding of a node precedes what those do who meet it. Nothing in other builds.
 */
static inline void rcu_node_publish(struct cds_lfht_node *node)
{
#ifdef __SANITIZE_THREAD__
	__tsan_release(node);
#endif
}

static inline void rcu_node_observe(struct cds_lfht_node *node)
{
#ifdef __SANITIZE_THREAD__
	__tsan_acquire(node);
#endif
}

/*
 * Out of line, because liburcu's thread-local state must not be cached across a switch to another
 * host thread. Foreign threads call rcu_register_thread() first, which leaves them online.
 */
void rcu_thread_online(void);
void rcu_thread_offline(void);
void rcu_quiescent_state(void);

/*
 * Waits for a grace period, in the host: the CPU does nothing else meanwhile. So prefer call_rcu()
 * or kfree_rcu(), and never hold a spinlock, nor stand in a read section. Only tests call it
 * (tests/mutants/, too).
 */
void synchronize_rcu(void);

/*
 * Calls fn(head) after a grace period, in a thread of its own: fn may take spinlocks and kfree,
 * never sleep, and has no current task. Any thread that is online; under any lock.
 */
void call_rcu(struct rcu_head *head, void (*fn)(struct rcu_head *head));
/* Waits, in the host as well, until all that was deferred before has been done. On a CPU. */
void rcu_barrier(void);
/* Frees p with kfree() after a grace period. Needs no rcu_head: allocates one. As call_rcu(). */
void kfree_rcu(void *p);

#endif
