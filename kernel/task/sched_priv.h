/* Who may change how a task is scheduled; shared by priority.c and schedcalls.c. */
#ifndef HEDDLE_KERNEL_TASK_SCHED_PRIV_H
#define HEDDLE_KERNEL_TASK_SCHED_PRIV_H

#include "task.h"

/* The target is the caller's own user's, or the caller has CAP_SYS_NICE. */
bool sched_may_change(struct task *t);
/* May its nice value be lowered to this? RLIMIT_NICE, CAP_SYS_NICE. */
bool sched_may_nice(struct task *t, int nice);

#endif
