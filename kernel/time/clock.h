/* CPU-time clocks by their ids; shared inside kernel/time/. */
#ifndef HEDDLE_KERNEL_CLOCK_H
#define HEDDLE_KERNEL_CLOCK_H

#include "cputimer.h"

bool clock_is_cpu(int clockid);
/*
 * Whose clock it is, with a reference on the group and on the task if it is one thread's. -EINVAL.
 */
must_check int cpu_clock_find(int clockid, struct thread_group **tg, struct task **t,
			      enum cpu_clock *which);

#endif
