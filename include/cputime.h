/* CPU time of tasks and groups, and what is timed by it (kernel/time/cputime.c, cputimer.c). */
#ifndef HEDDLE_CPUTIME_H
#define HEDDLE_CPUTIME_H

#include "types.h"

struct task;
struct thread_group;

/* In units of sysconf(_SC_CLK_TCK), 100 a second. */
static inline u64 ns_to_clock_ticks(u64 ns)
{
	return ns / 10000000;
}

/*
 * Time in the guest and in the kernel, of a task, and of all members of a group, dead ones
 * included. Until now, for those that run.
 */
void task_cputime(struct task *t, u64 *utime, u64 *stime);
void group_cputime_locked(struct thread_group *tg, u64 *utime, u64 *stime); /* siglock */
void group_cputime(struct thread_group *tg, u64 *utime, u64 *stime);
/*
 * A member is leaving: its times and switches go to the sums of its group. Under siglock, when it
 * is taken off the list.
 */
void cputime_fold_locked(struct task *t);

/*
 * The current task returns to the guest with WORK_CPUTIMER: what is timed by CPU time can expire
 * earlier than it seemed.
 */
void cpu_timers_resume(struct task *t);
/*
 * t is about to be one more member of its group. Under the group's siglock, or while nobody else
 * can find the group.
 */
void cpu_timers_join_locked(struct task *t);
/* RLIMIT_CPU of the group was set or inherited. Under siglock. -ENOMEM. */
int cpu_limit_changed_locked(struct thread_group *tg);

/* A new group: no timers yet. */
void itimers_init(struct thread_group *tg);
/*
 * The last member of a group ends, or (only the first) it execs: no timer of theirs fires after
 * this. They may wait for callbacks: no locks held.
 */
void posix_timers_exit(struct thread_group *tg);
void itimers_exit(struct thread_group *tg);

#endif
