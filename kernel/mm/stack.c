/*
 * Stacks grow when they are touched below their start, by the guest (a fault) or by the kernel (a
 * copy that fails). The host never grows them by itself, so the vma table stays true, and
 * RLIMIT_STACK is the guest's.
 */
#include "kernel/mm/stack.h"
#include "commit.h"
#include "kernel/mm/limits.h"
#include "kernel/mm/vma.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <sys/mman.h>

/* How far down v may reach now. */
static uaddr_t lowest_start(struct mm *mm, const struct vma *v)
{
	u64 limit = current->tg->rlim[RLIMIT_STACK].rlim_cur;
	uaddr_t low = v->end > limit ? PAGE_ALIGN(v->end - limit) : 0;

	if (v > mm->vmas) {
		const struct vma *below = v - 1;
		uaddr_t gap = below->flags & (VM_READ | VM_WRITE | VM_EXEC)
				      ? STACK_GUARD_GAP
				      : 0; /* a guard page is gap enough */

		low = max(low, below->end + gap);
	}
	return max(low, STACK_GUARD_GAP);
}

static bool may_grow(struct mm *mm, const struct vma *part)
{
	u64 pages = (part->end - part->start) >> PAGE_SHIFT;

	return may_expand_vm(mm, part->flags, pages) && mlock_future_ok(mm, part->flags, pages);
}

static bool grow_locked(struct mm *mm, struct vma *v, uaddr_t addr)
{
	uaddr_t low = lowest_start(mm, v), start = addr & PAGE_MASK;
	struct vma part = *v;
	struct batch b;
	int err = -ESRCH;

	if (start < low || vma_reserve(mm, 1))
		return false;
	part.start = max(low, min(start, v->start - STACK_STEP));
	part.end = v->start;
	if (!may_grow(mm, &part))
		part.start = start;
	if (!may_grow(mm, &part))
		return false;
	if (mm_charge(mm, (part.end - part.start) >> PAGE_SHIFT))
		return false;
	batch_init(&b);
	batch_add(&b, __NR_mmap, part.start, part.end - part.start,
		  (part.flags & VM_READ ? PROT_READ : 0) |
			  (part.flags & VM_WRITE ? PROT_WRITE : 0) |
			  (part.flags & VM_EXEC ? PROT_EXEC : 0),
		  MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	mutex_lock(&mm->stub_lock);
	if (mm->host)
		err = host_mm_run(mm->host, &b, NULL, NULL);
	mutex_unlock(&mm->stub_lock);
	if (!err)
		vma_insert(mm, &part);
	if (!err && part.flags & VM_STACK)
		store_relaxed(&mm->stack_low, part.start);
	mm_settle(mm);
	return !err;
}

bool mm_grow_stack(struct mm *mm, uaddr_t addr)
{
	struct vma *v;
	bool again;

	down_write(&mm->lock);
	v = vma_find(mm, addr);
	if (v && v->start <= addr)
		again = v->flags & VM_GROWSDOWN &&
			v->flags & VM_WRITE; /* another thread was faster */
	else
		again = v && v->flags & VM_GROWSDOWN && !v->file && grow_locked(mm, v, addr);
	up_write(&mm->lock);
	return again;
}
