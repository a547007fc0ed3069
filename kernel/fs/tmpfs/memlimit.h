/* What a memory file system may use. Shared by all its files. */
#ifndef HEDDLE_MEMLIMIT_H
#define HEDDLE_MEMLIMIT_H

#include "types.h"

struct mem_limit {
	u64 max_bytes, max_inodes; /* constant after mount; 0: no limit */
	u64 bytes, inodes;	   /* atomic */
};

/* Takes n if that stays within max. */
static inline bool limit_take(u64 *used, u64 max, u64 n)
{
	u64 now = __atomic_add_fetch(used, n, __ATOMIC_RELAXED);

	if (!max || now <= max)
		return true;
	__atomic_sub_fetch(used, n, __ATOMIC_RELAXED);
	return false;
}

static inline void limit_give(u64 *used, u64 n)
{
	__atomic_sub_fetch(used, n, __ATOMIC_RELAXED);
}

#endif
