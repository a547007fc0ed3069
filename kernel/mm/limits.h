/*
 * What a process may have of memory: RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK of current. mm->lock is
 * held.
 */
#ifndef HEDDLE_KERNEL_MM_LIMITS_H
#define HEDDLE_KERNEL_MM_LIMITS_H

#include "mm.h"

/* So many pages more, of vmas with these flags? */
must_check bool may_expand_vm(const struct mm *mm, u32 vmflags, u64 pages);
/* So many pages of private memory, which can't be written yet? */
must_check bool may_become_data(const struct mm *mm, u64 pages);
/* May the break be at addr? */
must_check bool may_set_brk(const struct mm *mm, uaddr_t addr);
/* May it lock anything? Needs no lock. */
must_check bool can_do_mlock(void);
/* So many pages more, which are locked if vmflags say so? */
must_check bool mlock_future_ok(const struct mm *mm, u32 vmflags, u64 pages);

#endif
