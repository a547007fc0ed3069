/* msync, and mincore. */
#include "fs.h"
#include "kernel/mm/range.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "syscalls.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <sys/mman.h>

/* What the host looks at in some milliseconds. */
#define MINCORE_PIECE (1UL << 30)

/*
 * The file that is mapped, shared, next in [*at, end), +1, *at being moved behind it; NULL: none up
 * to end. *hole: something isn't mapped.
 */
static struct file *next_shared_file(struct mm *mm, uaddr_t *at, uaddr_t end, bool *hole)
{
	struct file *f = NULL;

	down_read(&mm->lock);
	for (int i = vma_index(mm, *at); *at < end && !f; i++) {
		const struct vma *v = i < mm->nr_vmas ? &mm->vmas[i] : NULL;

		*hole |= !v || v->start > *at;
		*at = v ? max(v->end, *at) : end;
		if (v && v->start < end && v->file && v->flags & VM_SHARED)
			f = file_get(v->file);
	}
	up_read(&mm->lock);
	return f;
}

/* What was changed by way of shared mappings is written as by fsync(): no CPU waits for a disk. */
static long sync_mappings(struct mm *mm, uaddr_t addr, uaddr_t end)
{
	struct file *f, *last = NULL;
	bool hole = false;
	long ret = 0;

	while (!ret && (f = next_shared_file(mm, &addr, end, &hole))) {
		if (f != last && f->ops->fsync)
			ret = f->ops->fsync(f, true);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		if (last)
			file_put(last);
		last = f;
	}
	if (last)
		file_put(last);
	return !ret && hole ? -ENOMEM : ret;
}

long sys_msync(unsigned long addr, size_t len, int flags)
{
	struct mm *mm = current->mm;
	long ret;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	ret = range_check(addr, &len, -ENOMEM);
	if (ret)
		return min(ret, 0L);
	down_read(&mm->lock);
	if (flags & MS_INVALIDATE && vma_locked(mm, addr, addr + len))
		ret = -EBUSY;
	else if (!(flags & MS_SYNC) && vma_mapped_until(mm, addr, addr + len) < addr + len)
		ret = -ENOMEM;
	up_read(&mm->lock);
	return !ret && flags & MS_SYNC ? sync_mappings(mm, addr, addr + len) : ret;
}

/* The keeper writes the vector straight into the guest's memory, which it shares. */
long sys_mincore(unsigned long addr, size_t len, uaddr_t vec)
{
	struct mm *mm = current->mm;
	size_t pages = PAGE_ALIGN(len) >> PAGE_SHIFT, done, n;
	long ret = 0;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (len > GUEST_TOP || addr > GUEST_TOP - len)
		return -ENOMEM;
	if (vec > GUEST_TOP - pages)
		return -EFAULT;
	for (done = 0; done < len && !ret; done += n) {
		n = min(len - done, MINCORE_PIECE);
		ret = mm_host_call(mm, __NR_mincore, addr + done, n, vec + (done >> PAGE_SHIFT));
		if (!ret)
			ret = between_pieces();
	}
	return ret;
}
