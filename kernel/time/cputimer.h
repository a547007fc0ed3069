/*
 * What is timed by CPU time: ITIMER_VIRTUAL, ITIMER_PROF, timers and sleeps by CPU clocks,
 * RLIMIT_CPU.
 *
 * There is no tick to look at them. A group with such timers has one ordinary timer, set to the
 * earliest moment at which one of them can expire: CPU time passes at most as fast as real time,
 * times the number of threads that can run. When it finds that the group does not run, it rests,
 * and the next member that returns to the guest starts it again (WORK_CPUTIMER). So does each new
 * thread when it begins: with one more that can run, time passes faster.
 */
#ifndef HEDDLE_KERNEL_CPUTIMER_H
#define HEDDLE_KERNEL_CPUTIMER_H

#include "task.h"

enum cpu_clock { CPU_CLOCK_PROF, CPU_CLOCK_VIRT, CPU_CLOCK_SCHED };

/* All under siglock of the group. */
struct cpu_timer {
	struct cds_list_head link; /* on cpu_timers->list; empty when not armed */
	struct task *thread;	   /* times this member; NULL: the group. The owner's reference */
	enum cpu_clock clock;
	u64 expires; /* ns of that clock */
	/*
	 * It expired; its clock showed `now` when the check began. siglock held; may arm it again.
	 */
	void (*fire)(struct cpu_timer *ct, struct thread_group *tg, u64 now);
};

static inline void cpu_timer_init(struct cpu_timer *ct, struct task *thread, enum cpu_clock clock,
				  void (*fire)(struct cpu_timer *, struct thread_group *, u64))
{
	CDS_INIT_LIST_HEAD(&ct->link);
	ct->thread = thread;
	ct->clock = clock;
	ct->expires = 0;
	ct->fire = fire;
}
static inline bool cpu_timer_armed(struct cpu_timer *ct)
{
	return !cds_list_empty(&ct->link);
}

/*
 * Makes the group able to have such timers; one that is ending has none any more (tg->cpu_timers is
 * NULL). Takes siglock. -ENOMEM.
 */
must_check int cpu_timers_alloc(struct thread_group *tg);
void cpu_timer_arm_locked(struct thread_group *tg, struct cpu_timer *ct, u64 expires);
void cpu_timer_disarm_locked(struct cpu_timer *ct);
/* What its clock shows now. */
u64 cpu_clock_read_locked(struct thread_group *tg, struct task *thread, enum cpu_clock clock);

/* ITIMER_VIRTUAL and ITIMER_PROF; allocated with the rest. */
struct cpu_itimer {
	struct cpu_timer ct;
	u64 interval;
	int signo;
};

struct cpu_timers {
	struct thread_group *tg;
	struct timer check;	     /* siglock to arm */
	struct cds_list_head list;   /* siglock */
	bool checking;		     /* siglock: timers fire, and `check` is set after them */
	bool resting;		     /* siglock: `check` waits for a member to run */
	u64 total;		     /* siglock: CPU time of the group when last checked */
	struct cpu_itimer itimer[2]; /* siglock: ITIMER_VIRTUAL, ITIMER_PROF */
	struct cpu_timer limit;	     /* siglock: RLIMIT_CPU */
};

/* The group's last member ends. */
void cpu_timers_exit(struct thread_group *tg);

#endif
