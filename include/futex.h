/* Futexes (kernel/futex/). Keys: private (mm, address) or shared (inode, offset). */
#ifndef HEDDLE_FUTEX_H
#define HEDDLE_FUTEX_H

#include "types.h"

struct task;
struct mm;

/*
 * Wakes up to n waiters on a word of mm; for clear_child_tid and robust lists. Callable from the
 * exiting task.
 */
int futex_wake_mm(struct mm *mm, uaddr_t uaddr, int n);
/* Walks the robust list of the current, exiting (or exec'ing) task. */
void futex_exit_robust(struct task *t);

#endif
