/*
 * personality(2): a task's execution domain, which children and programs inherit. There is Linux's
 * own, with or without randomised addresses (for debuggers, and setarch -R); another domain or
 * quirk is refused, not ignored.
 */
#include "syscall_protos.h"
#include "task.h"
#include <errno.h>
#include <linux/personality.h>

#define ASK 0xffffffffu

long sys_personality(unsigned int persona)
{
	u32 old = current->personality;

	if (persona == ASK)
		return old;
	if (persona & ~ADDR_NO_RANDOMIZE)
		return -EINVAL;
	store_relaxed(&current->personality, persona); /* /proc/PID/personality reads it */
	return old;
}
