/* mremap: the kernel chooses the new place, the host moves the pages. */
#include "commit.h"
#include "fs.h"
#include "kernel/mm/limits.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "patch.h"
#include "syscalls.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <linux/mman.h>
#include <sys/mman.h>

#define MREMAP_ALL (MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)

struct remap {
	struct mm *mm;
	uaddr_t old, new;
	size_t old_len, new_len;
	unsigned long flags;
};

static int host_mremap(const struct remap *r, unsigned long flags)
{
	struct batch b;
	int err = -ESRCH;

	batch_init(&b);
	batch_add(&b, __NR_mremap, r->old, r->old_len, r->new_len, flags, r->new, 0);
	mutex_lock(&r->mm->stub_lock);
	if (r->mm->host)
		err = host_mm_run(r->mm->host, &b, NULL, NULL);
	mutex_unlock(&r->mm->stub_lock);
	return err;
}

/* Moves to r->new: table follows the host. */
static long remap_move(const struct remap *r, struct vma v)
{
	long err = host_mremap(r, MREMAP_MAYMOVE | MREMAP_FIXED | (r->flags & MREMAP_DONTUNMAP));

	if (err)
		return err;
	if (v.file)
		file_get(v.file);
	v.pgoff += r->old - v.start;
	v.start = r->new;
	v.end = r->new + r->new_len;
	if (r->old_len && !(r->flags & MREMAP_DONTUNMAP))
		vma_cut(r->mm, r->old, r->old + r->old_len);
	vma_cut(r->mm, v.start, v.end);
	vma_insert(r->mm, &v);
	return r->new;
}

static int remap_check_fixed(const struct remap *r)
{
	if (r->new & ~PAGE_MASK || r->new_len > GUEST_TOP || r->new > GUEST_TOP - r->new_len ||
	    r->new < MMAP_MIN_ADDR)
		return -EINVAL;
	if (r->new < r->old + r->old_len && r->old < r->new + r->new_len)
		return -EINVAL;
	return 0;
}

/* Grows in place if what is behind is free. */
static bool remap_expand(struct remap *r, const struct vma *v)
{
	struct vma tail = *v;

	if (r->old + r->old_len != v->end || r->old + r->new_len > GUEST_TOP ||
	    !vma_range_free(r->mm, v->end, r->old + r->new_len))
		return false;
	r->new = 0;
	if (host_mremap(r, 0))
		return false;
	tail.pgoff += tail.end - tail.start;
	tail.start = v->end;
	tail.end = r->old + r->new_len;
	if (tail.file)
		file_get(tail.file);
	vma_insert(r->mm, &tail);
	return true;
}

/* How much more memory there may be afterwards. */
static u64 more_pages(const struct remap *r)
{
	if (r->flags & MREMAP_DONTUNMAP)
		return r->new_len >> PAGE_SHIFT;
	return r->new_len > r->old_len ? (r->new_len - r->old_len) >> PAGE_SHIFT : 0;
}

/* The tail goes, whatever it consists of. */
static long remap_shrink(const struct remap *r)
{
	uaddr_t start = r->old + r->new_len, end = r->old + r->old_len;
	long err = 0;

	if (start < end && !vma_range_free(r->mm, start, end)) {
		err = mm_host_call(r->mm, __NR_munmap, start, end - start, 0);
		if (!err)
			vma_cut(r->mm, start, end);
	}
	return err ? err : (long)r->old;
}

static long remap_locked(struct remap *r)
{
	struct vma *found = vma_find(r->mm, r->old), v;
	u64 more;

	if (!found || found->start > r->old)
		return -EFAULT;
	v = *found;
	if (r->new_len <= r->old_len && !(r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		return remap_shrink(r);
	if (r->old + min(r->old_len, r->new_len) > v.end)
		return -EFAULT;
	if (!r->old_len && !(v.flags & VM_SHARED))
		return -EINVAL;
	/* What follows in the host's file is the control page of another guest process. */
	if (v.flags & VM_TRAMP && r->new_len > r->old_len)
		return -EFAULT;
	if (r->flags & MREMAP_DONTUNMAP && r->old_len != r->new_len)
		return -EINVAL;
	if (r->new_len > r->old_len &&
	    !mlock_future_ok(r->mm, v.flags, (r->new_len - r->old_len) >> PAGE_SHIFT))
		return -EAGAIN;
	more = more_pages(r);
	if (more && !may_expand_vm(r->mm, v.flags, more))
		return -ENOMEM;
	if (v.flags & VM_ACCOUNT && mm_charge(r->mm, more))
		return -ENOMEM;
	if (r->flags & MREMAP_FIXED)
		return remap_move(r, v);
	if (r->old_len && !(r->flags & MREMAP_DONTUNMAP) && remap_expand(r, &v))
		return r->old;
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	r->new = vma_gap_down(r->mm, r->new_len, MMAP_MIN_ADDR, r->mm->mmap_base);
	if (!r->new)
		return -ENOMEM;
	return remap_move(r, v);
}

long sys_mremap(unsigned long addr, size_t old_len, size_t new_len, unsigned long flags,
		unsigned long new_addr)
{
	struct remap r = {current->mm,	       addr, new_addr, PAGE_ALIGN(old_len),
			  PAGE_ALIGN(new_len), flags};
	long ret;

	if (flags & ~(unsigned long)MREMAP_ALL || addr & ~PAGE_MASK || !r.new_len)
		return -EINVAL;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (r.old_len > GUEST_TOP || addr > GUEST_TOP - r.old_len)
		return -EFAULT;
	if (r.new_len > GUEST_TOP)
		return -ENOMEM;
	if (flags & MREMAP_FIXED) {
		ret = remap_check_fixed(&r);
		if (ret)
			return ret;
	}
	down_write(&r.mm->lock);
	ret = vma_reserve(r.mm, 4);
	if (!ret)
		ret = patch_restore(r.mm, r.old, r.old + max(r.old_len, PAGE_SIZE));
	if (!ret && flags & MREMAP_FIXED)
		ret = patch_restore(r.mm, r.new, r.new + r.new_len);
	if (!ret)
		ret = remap_locked(&r);
	mm_settle(r.mm);
	up_write(&r.mm->lock);
	return ret;
}
