/* brk: the heap is an anonymous mapping of ours behind the program's data. */
#include "commit.h"
#include "kernel/mm/limits.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "patch.h"
#include "syscalls.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <sys/mman.h>

/* Grows to `end`; both page-aligned, mm->lock held for writing. */
static int brk_grow(struct mm *mm, uaddr_t from, uaddr_t end)
{
	struct vma v = {
		.start = from, .end = end, .flags = VM_READ | VM_WRITE | VM_MAYWRITE | VM_HEAP};
	struct batch b;
	int err = -ESRCH;

	if (end > GUEST_TOP || !vma_range_free(mm, from, end + PAGE_SIZE) ||
	    !may_expand_vm(mm, v.flags, (end - from) >> PAGE_SHIFT) || vma_reserve(mm, 1) ||
	    mm_charge(mm, (end - from) >> PAGE_SHIFT))
		return -ENOMEM;
	batch_init(&b);
	batch_add(&b, __NR_mmap, from, end - from, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mutex_lock(&mm->stub_lock);
	if (mm->host)
		err = host_mm_run(mm->host, &b, NULL, NULL);
	mutex_unlock(&mm->stub_lock);
	if (!err)
		vma_insert(mm, &v);
	return err;
}

/* Returns the break, which is the old one if it can't be moved. */
long sys_brk(unsigned long addr)
{
	struct mm *mm = current->mm;
	uaddr_t from, to;

	down_write(&mm->lock);
	from = PAGE_ALIGN(mm->brk);
	to = PAGE_ALIGN(addr);
	if (addr < mm->brk_start || addr > GUEST_TOP || !may_set_brk(mm, addr)) {
		/* nothing */
	} else if (to > from) {
		if (brk_grow(mm, from, to) == 0)
			mm->brk = addr;
	} else if (to == from) {
		mm->brk = addr;
	} else if (vma_reserve_cut(mm, to, from) == 0 && patch_restore(mm, to, from) == 0 &&
		   mm_host_call(mm, __NR_munmap, to, from - to, 0) == 0) {
		vma_cut(mm, to, from);
		mm->brk = addr;
	}
	mm_settle(mm);
	addr = mm->brk;
	up_write(&mm->lock);
	return addr;
}
