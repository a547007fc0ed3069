/* What the files of smp/ share among themselves. */
#ifndef SMP_SMP_H
#define SMP_SMP_H

#include "cpu.h"
#include "ktime.h"
#include "lock.h"
#include "lockcheck.h"
#include "pheap.h"
#include "sched.h"
#include "types.h"
#include "wait.h"

/* kthread->on_rq */
enum { OFF_RQ, ON_RQ, MOVING /* between two CPUs: whoever moves it owns it */ };

#define RT_LEVELS 100

/*
 * The kthreads that wait for a CPU. The one that runs isn't among them.
 *
 * a atomic, written under the lock   l lock   o only by its CPU
 */
struct run_queue {
	struct spinlock lock; /* rank RQ; held across a switch, released on the other side */
	struct cpu *cpu;
	u32 nr_queued;		      /* a */
	ktime_t oldest;		      /* a: since when the one at the head of `waiting` waits */
	struct cds_list_head waiting; /* l: all queued kthreads, in order of arrival */
	struct pheap fair;	      /* l: SCHED_OTHER, BATCH, IDLE by vruntime */
	u64 min_vruntime;	      /* a: never goes back */
	u64 rt_bitmap[2];	      /* l: levels that have somebody */
	struct cds_list_head rt[RT_LEVELS]; /* l: FIFO and RR, a list for each priority */
	ktime_t fair_since;  /* a: since when somebody is in `fair`; KTIME_MAX: nobody is */
	u64 rt_ran;	     /* o: ns that real-time ones had while fair ones waited; see fair.c */
	ktime_t rt_resumes;  /* atomic, written by its CPU: until then fair ones go first */
	ktime_t offer_delay; /* o: from one look for somebody to offer to idle CPUs to the next */
	ktime_t offer_at;    /* a: when that is due; KTIME_MAX: not planned */
};

/* Why a kthread is queued. */
enum rq_why { RQ_WOKEN, RQ_PREEMPTED, RQ_EXPIRED /* had its slice, or yielded */ };

/* How a policy orders those who wait. All are called under rq->lock, but for slice_left. */
struct sched_policy {
	void (*enqueue)(struct run_queue *rq, struct kthread *kt, enum rq_why why);
	void (*dequeue)(struct run_queue *rq, struct kthread *kt);
	/* Who runs next, still queued; NULL. The CPU's current one leaves, or is queued. */
	struct kthread *(*first)(struct run_queue *rq);
	struct kthread *(*peek)(struct run_queue *rq); /* the same, while that one runs on */
	/* curr has run for delta ns, until cpu->last_switch. Without the lock, by curr itself. */
	void (*charge)(struct run_queue *rq, struct kthread *curr, u64 delta);
	/* Should kt, newly queued, take the CPU from curr at once? */
	bool (*preempts)(struct run_queue *rq, struct kthread *curr, struct kthread *kt);
	/* ns that curr may run on while others wait; 0: it has had its slice. Without the lock. */
	u64 (*slice_left)(struct run_queue *rq, struct kthread *curr, ktime_t now);
	/* curr gives way to those who wait; it is queued right after. */
	void (*yield)(struct run_queue *rq, struct kthread *curr);
	/* kt goes from one queue to another; it is on neither. */
	void (*migrate)(struct run_queue *from, struct run_queue *to, struct kthread *kt);
	/* kt is to have this policy (SCHED_*); it isn't queued, but may run. */
	void (*change)(struct run_queue *rq, struct kthread *kt, int policy);
};
extern const struct sched_policy fair_policy;
extern const struct sched_policy *const sched_policy; /* there is one so far */

static inline bool kthread_is_rt(const struct kthread *kt)
{
	return policy_is_rt(load_relaxed(&kt->policy));
}

/* runqueue.c */
void rq_init(struct run_queue *rq, struct cpu *cpu);
void rq_enqueue(struct run_queue *rq, struct kthread *kt, enum rq_why why, ktime_t now);
void rq_dequeue(struct run_queue *rq, struct kthread *kt);
/*
 * Takes a queued kthread off, or one that runs and will be switched away from, to go to cpu `to`
 * (-1: an allowed one).
 */
void rq_take_out(struct run_queue *rq, struct kthread *kt, int to);
/* The rq of kt->cpu, locked, with kt->cpu stable. */
struct run_queue *rq_lock_of(struct kthread *kt);
/* Now, or a little before: for stamps that may be some microseconds old. */
ktime_t rq_stamp(void);

/* balance.c: who runs where. */
static inline u64 cpu_bit(const struct cpu *c)
{
	return 1ULL << c->id;
}
static inline u64 all_cpus(void)
{
	return UINT64_MAX >> (MAX_CPUS - nr_cpus);
}
static inline bool kthread_allowed(const struct kthread *kt, const struct cpu *c)
{
	return load_relaxed(&kt->allowed) & cpu_bit(c);
}
/*
 * For a kthread that leaves c: the next CPU that it may run on, if possible one that runs no
 * real-time one; -1 if there is no other.
 */
int balance_next_cpu(const struct kthread *kt, const struct cpu *c);
/* An idle CPU, or a good one, for a kthread that belongs nowhere yet, or has to leave. */
int balance_place(const struct kthread *kt);
/*
 * After kt was queued on c by somebody who then released the lock: makes c see to it. `preempt`: at
 * once.
 */
void balance_notify(struct cpu *c, bool preempt);
/* Has kt host state on kt->cpu that only this CPU can detach? */
bool balance_is_bound(const struct kthread *kt);
/*
 * Puts a MOVING kthread on the queue of cpu. Unless it is bound to it: -1, or if it may not run
 * there, of an allowed one.
 */
void balance_deliver(struct kthread *kt, int cpu);
/* Is kt, which wakes up, to wait until who runs here sleeps? Its rq->lock is held. */
bool balance_waits_here(const struct kthread *kt);
/* Puts such a one, MOVING, on this CPU's queue. */
void balance_pull(struct kthread *kt);
/*
 * Where c->current is about to return to the guest or switches: offers those who have waited long
 * to CPUs where they run sooner. No locks.
 */
void balance_offer(struct cpu *c, ktime_t now);
/* At the end of a slice: evens out the number of kthreads. As balance_offer(). */
void balance_even(struct cpu *c);
/* When the next look is due: KTIME_MAX if nobody waits, or would run sooner elsewhere. */
ktime_t balance_offer_time(struct cpu *c, ktime_t now);
/*
 * A CPU that is going idle looks for work elsewhere. True if it got some; else *again is when to
 * look once more.
 */
bool balance_idle(struct cpu *c, ktime_t now, ktime_t *again);
/* Sends on everybody on c->outgoing. On c, without locks. */
void balance_outgoing(struct cpu *c);

/* affinity.c: somebody has left its CPU who was `awaited`. No locks. */
void affinity_left(void);

/* timer.c */
void timers_init(struct timer_base *b, struct cpu *c);
struct timer_base {
	struct spinlock lock; /* rank TIMER */
	struct cpu *cpu;      /* constant */
	struct pheap heap;    /* lock */
	ktime_t next; /* atomic, written under the lock: the first deadline, KTIME_MAX if none */
	struct timer *running; /* lock: whose fn is being called */
	u32 done;	  /* atomic: counts finished calls; host futex of those who wait for one */
	u32 sync_waiters; /* lock */
};
ktime_t timers_next(const struct cpu *c);
void timers_run(struct cpu *c, ktime_t now);

/* cpu.c */
extern u32 smp_stopping;  /* atomic */
extern bool smp_may_spin; /* atomic; constant after boot: each CPU has a host core of its own */

/* sched.c */
enum sched_where { IN_KERNEL, IN_GUEST, IN_IDLE };
/* Puts the time since the last call down to where it was spent, and to the current kthread. Now. */
ktime_t sched_account(struct cpu *c, enum sched_where where);
/* Switches to whoever is to run next, if anybody else. */
void sched_switch(struct cpu *c, ktime_t now, enum rq_why why);

/* switch.S */
void switch_stacks(u64 *save_sp, u64 new_sp);
void kthread_thunk(void);
noreturn_ void kthread_first_run(void); /* kthread.c */

/* switch hooks of sanitizers (fiber.c) */
void fiber_create(struct kthread *kt);
void fiber_destroy(struct kthread *kt);
void fiber_switch_start(struct kthread *from, struct kthread *to, void **save);
void fiber_switch_finish(void *save);

/* rcu.c */
/*
 * Starts liburcu's callback thread: from a thread that isn't pinned to a core, which it would
 * inherit.
 */
void rcu_start(void);
/* Debug builds: until *stop isn't 0, panics if a CPU holds up grace periods for half a minute. */
void rcu_watch(u32 *stop);
void rcu_cpu_start(void);
void rcu_cpu_stop(void);

#endif
