/*
 * Kernel threads of control and the scheduler. Every task embeds one kthread, whose kernel stack it
 * runs on while it is in the kernel. smp/ knows nothing of tasks: it calls back through
 * kthread_ops.
 */
#ifndef HEDDLE_SCHED_H
#define HEDDLE_SCHED_H

#include "cpu.h"
#include "ktime.h"
#include "lock.h"
#include "pheap.h"
#include "types.h"
#include <sched.h>
#include <urcu/list.h>

enum kthread_state {
	KT_RUNNING,	    /* running or on a run queue */
	KT_INTERRUPTIBLE,   /* sleeping; a signal wakes it */
	KT_UNINTERRUPTIBLE, /* sleeping; only wake_up wakes it, or a fatal signal if KT_KILLABLE */
	KT_KILLABLE,
	KT_STOPPED, /* job control; SIGCONT or a fatal signal */
	KT_DEAD,
};

#define NICE_MIN (-20)
#define NICE_MAX 19

/*
 * Where others wait for a CPU, real-time kthreads have it for that much of each period:
 * /proc/sys/kernel/sched_rt_*_us.
 */
#define SCHED_RT_PERIOD_US 1000000
#define SCHED_RT_RUNTIME_US 950000
/* ns that one may run on while others wait, and a SCHED_RR one while others of its priority do. */
#define SCHED_SLICE (3 * NSEC_PER_MSEC)
#define SCHED_RR_SLICE (100 * NSEC_PER_MSEC)

static inline bool policy_is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

struct kthread;

struct kthread_ops {
	/*
	 * On its CPU, before kt leaves for another one: detach host state that is bound to this
	 * CPU's thread and clear kt->bound. No locks held, some other kthread is current, must not
	 * sleep. NULL if there is never such state.
	 */
	void (*migrate_out)(struct kthread *kt);
	/*
	 * On the CPU that switched away from the dead kt for the last time: free it
	 * (kthread_destroy). No stack of kt is in use. No locks held, some other kthread is
	 * current, must not sleep. May be NULL.
	 */
	void (*dead)(struct kthread *kt);
	/*
	 * Is there a signal that ends a sleep? fatal_only for KT_KILLABLE. Called under locks up to
	 * RANK_WAITQ: takes none. May be NULL.
	 */
	bool (*signal_pending)(struct kthread *kt, bool fatal_only);
};

/*
 * a atomic   r rq->lock of kt->cpu   o only by itself   c constant after init
 */
struct kthread {
	u64 sp;	    /* r: saved stack pointer while not running */
	u32 state;  /* a: enum kthread_state */
	u32 on_cpu; /* r: some CPU still stands on its stack */
	u32 on_rq;  /* r */
	int cpu;    /* r of the old one: where it runs, or ran last; changes only while it is on no
		       queue */
	u32 bound;  /* a: has host state on kt->cpu that migrate_out detaches; set by its owner */
	bool move;  /* r: leaves for another CPU before it runs again */
	bool awaited; /* r: somebody waits until it has left its CPU, where it may not run any more
		       */
	int move_to;  /* r: for which one, while it is on no queue */
	ktime_t enqueued;	      /* r: since when it waits for a CPU */
	struct cds_list_head rq_link; /* r: the queue in order of arrival; or cpu->outgoing */
	struct cds_list_head rt_link; /* r: its real-time priority's list */
	struct pheap_node rq_node;    /* r: the fair heap */
	u64 vruntime;		      /* r; advanced by itself while it runs */
	ktime_t slice_start;	      /* o; others may look: relaxed */
	/*
	 * o: as of the last end of a slice in the guest: CPU that its host process had used,
	 * utime_ns; time withheld in this slice
	 */
	u64 host_used, host_due, withheld;
	u64 allowed;		/* a: CPU set, one bit a CPU; never empty */
	s8 nice;		/* a */
	u8 policy;		/* a: SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE */
	u8 rt_priority;		/* a: 0..99 */
	u64 runtime_ns;		/* o: time on a CPU: the sum of the next two */
	u64 utime_ns, stime_ns; /* o: in the guest, in the kernel */
	u64 burst_start;	/* o: runtime_ns when it last slept */
	u64 burst_ns;		/* r: time on a CPU from one sleep to the next, on average */
	u64 nvcsw, nivcsw;	/* o: voluntary and other switches */
	void *stack;		/* c: lowest usable byte; a guard page lies below */
	size_t stack_size;	/* c */
	const struct kthread_ops *ops; /* c: never NULL */
	struct lock_trace *locks;      /* o: what it holds (debug builds) */
	void (*fn)(void *arg);	       /* c */
	void *arg;		       /* c */
	void *fiber;		       /* c: what sanitizers know it by */
	char name[16];
};

/* The kthread that runs here, never NULL on a CPU thread; NULL on other host threads. */
static inline struct kthread *current_kthread(void)
{
	struct cpu *c = this_cpu();

	return c ? c->current : NULL;
}

/*
 * Prepares kt (zeroed by the caller) to run fn(arg) on a fresh stack. fn must not return. -ENOMEM.
 */
must_check int kthread_init(struct kthread *kt, const char *name, const struct kthread_ops *ops,
			    void (*fn)(void *), void *arg);
/* Frees the stack of a kthread that never started, or from ops->dead. */
void kthread_destroy(struct kthread *kt);
/* Makes a new kthread runnable: on the creator's CPU, and soon on an idle one if it has to wait. */
void kthread_start(struct kthread *kt);

/*
 * The sleeping protocol, for the few that can't use wait.h: set_state(KT_...); test the condition;
 * schedule(). A wake_up between the two makes schedule() return at once.
 */
void kthread_set_state(enum kthread_state s);
void schedule(void);
/*
 * As schedule(), but back at `deadline` (CLOCK_MONOTONIC ns of ktime.h; KTIME_MAX: never) at the
 * latest. False if it timed out.
 */
bool schedule_deadline(ktime_t deadline);
/*
 * Makes kt runnable if its state is in the mask (1 << KT_...). True if this call woke it. Callable
 * anywhere, any host thread, under locks up to RANK_TIMER. The caller sees to it that kt isn't
 * freed meanwhile, also when kt runs on at once.
 */
bool wake_up_state(struct kthread *kt, u32 state_mask);
static inline bool wake_up_kthread(struct kthread *kt)
{
	return wake_up_state(kt,
			     1u << KT_INTERRUPTIBLE | 1u << KT_UNINTERRUPTIBLE | 1u << KT_KILLABLE);
}
/*
 * If kt sleeps and stands on no CPU, calls fn(arg) while it can't go on, and returns true: what it
 * alone writes can be read then. fn runs under kt's run-queue lock, so it only copies.
 */
bool kthread_while_asleep(struct kthread *kt, void (*fn)(void *arg), void *arg);
/* Makes kt enter the kernel soon, if it is in the guest: new signals, changed affinity. */
void kick_kthread(struct kthread *kt);
void sched_yield_cpu(void);
/*
 * In long work that doesn't sleep, every hundred microseconds or so: does for timers, RCU and those
 * who wait for this CPU what a return to the guest does. May sleep. Signals are the caller's to
 * look for.
 */
void cond_resched(void);
/* Ends the current kthread: never returns; ops->dead runs later elsewhere. */
noreturn_ void kthread_exit(void);
/*
 * Called on the way back to the guest, without locks: accounts kernel time, runs due timers,
 * reschedules if asked to, arms the CPU's host timer if others wait. The caller looks for signals
 * after this, not before.
 */
void sched_return_to_guest(void);
/* Called on entry from the guest (after cpu_leave_guest): accounts guest time, runs due timers. */
void sched_enter_kernel(void);
/*
 * `allowed` must name a CPU that exists; others are ignored. A kthread that runs elsewhere leaves
 * on its way to the guest.
 */
void sched_set_affinity(struct kthread *kt, u64 allowed);
/*
 * Sleeps until kt runs on no CPU outside its set: it has left, sleeps, or waits for a CPU. 0;
 * -ERESTARTSYS on a fatal signal. The caller has a reference on kt, and no locks that kt might
 * need. Itself, it goes at once.
 */
must_check int sched_wait_affinity(struct kthread *kt);
void sched_set_policy(struct kthread *kt, int policy, int rt_priority, int nice);
/* Only the nice value, whatever others do to its policy meanwhile. */
void sched_set_nice(struct kthread *kt, int nice);
/* --debug migrate: every schedule moves the task to the next CPU. Constant after boot. */
extern bool sched_debug_migrate;

/*
 * Boot: allocates CPUs' state, 0 or -EINVAL, -ENOMEM. Kthreads may be started from then on.
 * smp_run() starts nr_cpus host threads and returns when smp_stop() was called and all of them have
 * ended: each at its next schedule point, as if nothing were runnable. 0 or the -errno of a thread
 * that could not be started.
 */
must_check int smp_init(int ncpus);
must_check int smp_run(void);
void smp_stop(void); /* any thread */
/* Runnable kthreads now, all CPUs, for loadavg. */
unsigned sched_nr_running(void);
u64 sched_nr_switches(void);

#endif
