/* What system calls on ranges of the address space share. */
#ifndef HEDDLE_KERNEL_MM_RANGE_H
#define HEDDLE_KERNEL_MM_RANGE_H

#include "mm.h"

/*
 * Rounds *len up, which may make 0 of it. 1: there is nothing to do. absurd: the error for an end
 * that wraps.
 */
must_check int range_check(unsigned long addr, size_t *len, int absurd);
/*
 * A call whose work the host does on a range; behind a hole it goes on, but fails in the end.
 * mm->lock is held.
 */
must_check long range_call_locked(struct mm *mm, u64 nr, uaddr_t addr, size_t len, u64 arg);
/*
 * A call by which the host fills a range with memory. *done: so many bytes of it are. mm->lock is
 * held.
 */
must_check long populate_call_locked(struct mm *mm, u64 nr, uaddr_t addr, size_t len, u64 arg,
				     size_t *done);
/*
 * After a piece of what takes long: others have the CPU. -EINTR: the task is being killed. May
 * sleep.
 */
must_check int between_pieces(void);

/* madvise.c: MADV_POPULATE_*. Takes mm->lock. */
must_check long madvise_populate(struct mm *mm, uaddr_t addr, size_t len, int advice);

#endif
