/* madvise. */
#include "kernel/mm/range.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "patch.h"
#include "syscalls.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <linux/mman.h>
#include <sys/mman.h>

long madvise_populate(struct mm *mm, uaddr_t addr, size_t len, int advice)
{
	size_t done;
	long ret;

	down_read(&mm->lock);
	ret = populate_call_locked(mm, __NR_madvise, addr, len, advice, &done);
	up_read(&mm->lock);
	return ret;
}

/* Advice that changes what fork and core dumps do is kept in the vma table too. */
static bool advice_flags(int advice, u32 *set, u32 *clear)
{
	static const struct {
		int advice;
		u32 set, clear;
	} table[] = {
		{MADV_DONTFORK, VM_DONTFORK, 0},     {MADV_DOFORK, 0, VM_DONTFORK},
		{MADV_WIPEONFORK, VM_WIPEONFORK, 0}, {MADV_KEEPONFORK, 0, VM_WIPEONFORK},
		{MADV_DONTDUMP, VM_DONTDUMP, 0},     {MADV_DODUMP, 0, VM_DONTDUMP},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].advice == advice) {
			*set = table[i].set;
			*clear = table[i].clear;
			return true;
		}
	return false;
}

static bool advice_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK ... MADV_DOFORK:
	case MADV_HUGEPAGE ... MADV_PAGEOUT:
	case MADV_POPULATE_READ ... MADV_POPULATE_WRITE:
		return true;
	default: /* MADV_HWPOISON, KSM and what is to come: as a kernel built without */
		return false;
	}
}

/*
 * Takes pages away. What is patched of the program's text may be among them, and until it's done
 * nothing more of it is patched.
 */
static long advise_drop(struct mm *mm, uaddr_t addr, size_t len, int advice)
{
	long ret;

	down_read(&mm->lock);
	if (!patch_touches(mm, addr, addr + len)) {
		ret = range_call_locked(mm, __NR_madvise, addr, len, advice);
		up_read(&mm->lock);
		return ret;
	}
	up_read(&mm->lock);
	down_write(&mm->lock);
	ret = patch_restore(mm, addr, addr + len);
	if (!ret)
		ret = range_call_locked(mm, __NR_madvise, addr, len, advice);
	up_write(&mm->lock);
	return ret;
}

static bool has_tramps(struct mm *mm, uaddr_t start, uaddr_t end)
{
	for (int i = vma_index(mm, start); i < mm->nr_vmas && mm->vmas[i].start < end; i++)
		if (mm->vmas[i].flags & VM_TRAMP)
			return true;
	return false;
}

static long advise_flags(struct mm *mm, uaddr_t addr, size_t len, int advice, u32 set, u32 clear)
{
	long ret;

	down_write(&mm->lock);
	ret = vma_reserve(mm, 2);
	if (!ret && clear & VM_DONTFORK && has_tramps(mm, addr, addr + len))
		ret = -EINVAL;	       /* a child has its own */
	if (!ret && set & VM_DONTFORK) /* a child lacks what is patched there */
		ret = patch_restore(mm, addr, addr + len);
	if (!ret)
		ret = range_call_locked(mm, __NR_madvise, addr, len, advice);
	if (!ret)
		vma_change(mm, addr, addr + len, set, clear);
	up_write(&mm->lock);
	return ret;
}

long sys_madvise(unsigned long addr, size_t len, int advice)
{
	struct mm *mm = current->mm;
	u32 set = 0, clear = 0;
	long ret;

	if (!advice_known(advice) || (len && !PAGE_ALIGN(len)))
		return -EINVAL;
	ret = range_check(addr, &len, -EINVAL);
	if (ret)
		return min(ret, 0L);
	if (advice_flags(advice, &set, &clear))
		return advise_flags(mm, addr, len, advice, set, clear);
	if (advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE)
		return advise_drop(mm, addr, len, advice);
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return madvise_populate(mm, addr, len, advice);
	down_read(&mm->lock);
	ret = range_call_locked(mm, __NR_madvise, addr, len, advice);
	up_read(&mm->lock);
	return ret;
}
