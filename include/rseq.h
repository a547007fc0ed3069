/*
 * Restartable sequences, as of Linux 6.1: rseq(2). A thread registers an area, in which it finds
 * the CPU that it runs on, and says what critical section it is in. Who was interrupted in one goes
 * on at its abort address: so it ends before anybody else runs on that CPU, or not at all.
 */
#ifndef HEDDLE_RSEQ_H
#define HEDDLE_RSEQ_H

#include "cpu.h"
#include "task.h"

/*
 * Has t, the current task, to look at its area before it runs? After each chance to move to another
 * CPU.
 */
static inline bool rseq_is_stale(const struct task *t)
{
	return t->rseq.area && (t->rseq.interrupted || t->rseq.cpu != this_cpu()->id);
}

/* Looks at it, and writes the CPU. May sleep. A bad area is the guest's SIGSEGV. */
void rseq_resume(struct task *t);
/*
 * Before regs go into a signal frame: those of who was interrupted in a critical section become
 * those of its abort. -EFAULT, -EINVAL: SIGSEGV is due.
 */
must_check int rseq_restart(struct task *t, struct pt_regs *regs);

void rseq_fork(struct task *t, const struct task *from);
void rseq_exec(struct task *t);

#endif
