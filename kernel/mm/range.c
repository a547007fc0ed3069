/* See range.h. */
#include "kernel/mm/range.h"
#include "kernel/mm/vma.h"
#include "task.h"

/* What the host has to find memory for in some milliseconds. */
#define POPULATE_PIECE (4UL << 20)

int range_check(unsigned long addr, size_t *len, int absurd)
{
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	*len = PAGE_ALIGN(*len);
	if (!*len)
		return 1;
	if (addr + *len < addr)
		return absurd;
	return *len > GUEST_TOP || addr > GUEST_TOP - *len ? -ENOMEM : 0;
}

long range_call_locked(struct mm *mm, u64 nr, uaddr_t addr, size_t len, u64 arg)
{
	long ret = mm_host_call(mm, nr, addr, len, arg);

	lockdep_assert_held(&mm->lock);
	return !ret && vma_mapped_until(mm, addr, addr + len) < addr + len ? -ENOMEM : ret;
}

int between_pieces(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

long populate_call_locked(struct mm *mm, u64 nr, uaddr_t addr, size_t len, u64 arg, size_t *done)
{
	long ret = 0;

	for (*done = 0; *done < len && !ret;) {
		size_t n = min(len - *done, POPULATE_PIECE);

		ret = mm_host_call(mm, nr, addr + *done, n, arg);
		if (!ret) {
			*done += n;
			ret = between_pieces();
		}
	}
	return ret;
}
