/* Virtual CPUs: one host thread each. */
#ifndef HEDDLE_CPU_H
#define HEDDLE_CPU_H

#include "types.h"
#include <urcu/list.h>

#define MAX_CPUS 64

struct kthread;
struct run_queue;
struct timer_base;

/*
 * a atomic   o written by its own CPU only (others may read a stale value)   c constant after boot
 */
struct cpu {
	int id;			 /* c */
	int host_core;		 /* c: the host core which it is pinned to, or -1 */
	pid_t host_tid;		 /* c after start */
	struct kthread *current; /* o */
	struct kthread *idle;	 /* c: runs when nothing is runnable, on the host thread's stack */
	struct run_queue *rq;	 /* c */
	const u32 *nr_queued;	 /* c; what it points to: a. Of rq: who waits for this CPU */
	struct timer_base *timers; /* c */
	u32 need_resched;	   /* a: looked at on the way back to the guest */
	u32 runs_rt;	    /* a: the real-time priority of `current`, 0: it has none; written under
			       rq->lock */
	u32 in_guest;	    /* a: 1 while a guest runs here, see cpu_kick() */
	u32 kick_pending;   /* a: it is to pass through sched_return_to_guest() once more */
	u32 idle_word;	    /* a: host futex: 1 while it sleeps idle */
	ktime_t host_timer; /* a: when the host timer fires, or KTIME_MAX; written by itself */
	/*
	 * o: for the guest that runs: when its slice is over; the first of other events. KTIME_MAX:
	 * none
	 */
	ktime_t slice_end, next_event;
	struct kthread *prev;	       /* o: during a switch, whom it leaves */
	struct cds_list_head outgoing; /* o: off the queue, to leave for other CPUs */
	u32 rcu_depth;		       /* o: debug: nesting of read sections */
	ktime_t rcu_since;   /* a: debug: its last quiescent state; 0: it is offline. Written by
				itself */
	ktime_t last_switch; /* o: when accounting last looked at the clock */
	ktime_t spin_ns;     /* o: how long it spins when it becomes idle */
	u32 spins; /* a: for its guest's calls, which has a host core of its own; written by itself
		    */
	u32 spun_between; /* o: calls that it got so from one wake-up by its guest to the next, on
			     average */
	u64 spun_last;	  /* o: stat.spun at the last of them */
	struct {
		u64 switches, migrations, steals, ipis_sent, ipis_taken, kicks, ticks, extended;
		u64 guest_ns, kernel_ns, idle_ns, wakeups; /* idle wake-ups */
		u64 syscalls, faults;
		/*
		 * Turns of guests: given and taken back by the host, on one core or across; by
		 * memory, while this CPU spun; spins in vain
		 */
		u64 same_core, cross_core, spun, slept;
	} stat; /* o */
} __attribute__((aligned(64)));

extern struct cpu cpus[MAX_CPUS];
extern u64 idle_mask; /* atomic: CPUs that sleep or are about to, and haven't been promised work */
extern int nr_cpus;   /* c */

/*
 * The CPU that this code runs on. A task may change CPUs whenever it sleeps, so don't keep the
 * result across anything that sleeps. The asm keeps the compiler from doing so.
 */
extern __thread struct cpu *this_cpu_ptr;
static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__ volatile("movq %%fs:this_cpu_ptr@tpoff, %0" : "=r"(c));
	return c;
}

/* Whom a CPU runs; a guess for others. (For files where `current` is a macro.) */
static inline struct kthread *cpu_running(const struct cpu *c)
{
	return load_relaxed(&c->current);
}

/*
 * Makes that CPU look at its need_resched and run queue soon: wakes it when idle, interrupts its
 * guest. Any thread.
 */
void cpu_kick(struct cpu *cpu);

/*
 * Around running the guest, by engines. cpu_enter_guest() is false, and the CPU remains in the
 * kernel, when there is work to do: report EVENT_KICK then. A kick after it has returned true
 * interrupts the guest (engine->kick_self). Between the two RCU regards the CPU as idle: no read
 * sections.
 *
 * The way back to the guest is: sched_return_to_guest(); look for signals (from the top, if that
 * may have slept); engine->run(), which calls cpu_enter_guest().
 */
must_check bool cpu_enter_guest(struct cpu *cpu);
void cpu_leave_guest(struct cpu *cpu);

#endif
