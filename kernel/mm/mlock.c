/* mlock and munlock. */
#include "kernel/mm/limits.h"
#include "kernel/mm/range.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "syscalls.h"
#include "task.h"
#include <asm/unistd_64.h>

/* What is locked already doesn't count twice. mm->lock is held. */
static bool may_lock(struct mm *mm, uaddr_t addr, size_t len)
{
	u64 more = (len >> PAGE_SHIFT) - vma_locked(mm, addr, addr + len);

	return mlock_future_ok(mm, VM_LOCKED, more);
}

/* The pages of a range that begins and ends anywhere; returns as range_check(). */
static long page_range(unsigned long *addr, size_t *len)
{
	*len += *addr & ~PAGE_MASK;
	*addr &= PAGE_MASK;
	return range_check(*addr, len, -EINVAL);
}

long sys_mlock(unsigned long addr, size_t len)
{
	struct mm *mm = current->mm;
	size_t done = 0;
	long ret;

	if (!can_do_mlock())
		return -EPERM;
	ret = page_range(&addr, &len);
	if (ret)
		return min(ret, 0L);
	down_write(&mm->lock);
	ret = may_lock(mm, addr, len) ? vma_reserve(mm, 2) : -ENOMEM;
	if (!ret)
		ret = populate_call_locked(mm, __NR_mlock, addr, len, 0, &done);
	if (done) /* what it came to stays, on Linux too */
		vma_change(mm, addr, addr + done, VM_LOCKED, 0);
	up_write(&mm->lock);
	return ret;
}

long sys_munlock(unsigned long addr, size_t len)
{
	struct mm *mm = current->mm;
	long ret = page_range(&addr, &len);

	if (ret)
		return min(ret, 0L);
	down_write(&mm->lock);
	ret = vma_reserve(mm, 2);
	if (!ret)
		ret = range_call_locked(mm, __NR_munlock, addr, len, 0);
	if (!ret)
		vma_change(mm, addr, addr + len, 0, VM_LOCKED);
	up_write(&mm->lock);
	return ret;
}
