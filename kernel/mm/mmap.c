/* Mapping, unmapping and protecting. The host does it first, through the keeper; then the vma table follows, which can't fail. */
#include "alloc.h"
#include "commit.h"
#include "fs.h"
#include "kernel/mm/limits.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "patch.h"
#include "stub/layout.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <sys/mman.h>
#include <sys/mount.h>

static u32 prot_flags(int prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

/* Does [addr, addr + len) lie in the guest's part? len is not 0. */
static bool range_ok(uaddr_t addr, size_t len)
{
	return len <= GUEST_TOP && addr <= GUEST_TOP - len;
}

static int one_call(struct mm *mm, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5,
		    int hostfd)
{
	struct batch b;
	int err = -ESRCH;

	batch_init(&b);
	b.hostfd = hostfd;
	batch_add(&b, nr, a0, a1, a2, a3, a4, a5);
	mutex_lock(&mm->stub_lock);
	if (mm->host)
		err = host_mm_run(mm->host, &b, NULL, NULL);
	mutex_unlock(&mm->stub_lock);
	return err;
}

int mm_host_call(struct mm *mm, u64 nr, u64 a0, u64 a1, u64 a2)
{
	return one_call(mm, nr, a0, a1, a2, 0, 0, 0, -1);
}

/* ---- where ---- */

static long choose_address(struct mm *mm, uaddr_t hint, size_t len, int flags)
{
	uaddr_t addr;

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (hint & ~PAGE_MASK)
			return -EINVAL;
		if (!range_ok(hint, len))
			return -ENOMEM;
		if (hint < MMAP_MIN_ADDR)
			return -EPERM;
		if (flags & MAP_FIXED_NOREPLACE && !vma_range_free(mm, hint, hint + len))
			return -EEXIST;
		return hint;
	}
	if (len > GUEST_TOP)
		return -ENOMEM;
	hint = PAGE_ALIGN(hint);
	if (hint >= MMAP_MIN_ADDR && range_ok(hint, len) && !(flags & MAP_32BIT) &&
	    vma_range_free(mm, hint, hint + len))
		return hint;
	if (flags & MAP_32BIT)
		addr = vma_gap_down(mm, len, 0x40000000, 0x80000000);
	else
		addr = vma_gap_down(mm, len, MMAP_MIN_ADDR, mm->mmap_base);
	if (!addr && !(flags & MAP_32BIT))
		addr = vma_gap_down(mm, len, MMAP_MIN_ADDR, GUEST_TOP);
	return addr ? (long)addr : -ENOMEM;
}

/* ---- what ---- */

/* What [addr, addr + len) replaces doesn't count, but for locked memory. */
static int check_limits(struct mm *mm, uaddr_t addr, size_t len, u32 vmflags)
{
	u64 pages = len >> PAGE_SHIFT;

	if (!mlock_future_ok(mm, vmflags, pages))
		return -EAGAIN;
	return may_expand_vm(mm, vmflags, pages - vma_pages(mm, addr, addr + len)) ? 0 : -ENOMEM;
}

static int file_vm_flags(struct file *file, int prot, int flags, u32 *vmflags)
{
	if (!(file->mode & FMODE_READ))
		return -EACCES;
	if (file->path.mnt && file->path.mnt->flags & MS_NOEXEC && prot & PROT_EXEC)
		return -EPERM;
	if (!file->ops->mmap)
		return -ENODEV;
	if ((flags & MAP_TYPE) == MAP_PRIVATE) {
		*vmflags |= VM_MAYWRITE;
		return *vmflags & VM_GROWSDOWN ? -EINVAL : 0;
	}
	*vmflags |= VM_SHARED;
	if (file->mode & FMODE_WRITE)
		*vmflags |= VM_MAYWRITE;
	else if (prot & PROT_WRITE)
		return -EACCES;
	return 0;
}

/* The host call for a mapping of `file` (or none) at addr. May change *vm: /dev/zero becomes anonymous. */
static int host_map(struct mm *mm, struct vma *vm, int prot, int flags)
{
	int hflags = MAP_FIXED | (flags & (MAP_NORESERVE | MAP_LOCKED | MAP_STACK));
	struct mmap_target t = {.hostfd = -1};
	size_t len = vm->end - vm->start;
	int err;

	hflags |= vm->flags & VM_SHARED ? MAP_SHARED : MAP_PRIVATE;
	if (vm->file) {
		err = vm->file->ops->mmap(vm->file, prot, flags, vm->pgoff, len, &t);
		if (err)
			return err;
		if (t.anonymous) {
			file_put(vm->file);
			vm->file = NULL;
			vm->pgoff = 0;
		}
	}
	if (!vm->file)
		return one_call(mm, __NR_mmap, vm->start, len, prot, hflags | MAP_ANONYMOUS, -1, 0,
				-1);
	err = one_call(mm, __NR_mmap, vm->start, len, prot, hflags, BATCH_FD, t.offset, t.hostfd);
	if (t.done)
		t.done(&t);
	return err;
}

/* With mm->lock held for writing. */
static long mmap_locked(struct mm *mm, uaddr_t addr, size_t len, int prot, int flags, u32 vmflags,
			struct file *file, u64 off)
{
	long at = choose_address(mm, addr, len, flags);
	struct vma vm;
	int err;

	if (at < 0)
		return at;
	err = check_limits(mm, at, len, vmflags);
	if (!err)
		err = vma_reserve(mm, 3);
	if (!err && vma_accountable(vmflags)) {
		u64 pages = len >> PAGE_SHIFT, old = vma_accounted(mm, at, at + len);

		err = mm_charge(mm, pages - old);
	}
	if (err)
		return err;
	err = patch_restore(mm, at, at + len);
	if (err)
		return err;
	vm = (struct vma){.start = at, .end = at + len, .flags = vmflags, .pgoff = off};
	vm.file = file ? file_get(file) : NULL;
	err = host_map(mm, &vm, prot, flags);
	if (err) {
		if (vm.file)
			file_put(vm.file);
		return err;
	}
	vma_cut(mm, vm.start, vm.end);
	vma_insert(mm, &vm); /* takes the file */
	return at;
}

long mm_mmap(struct mm *mm, uaddr_t addr, size_t len, int prot, int flags, struct file *file,
	     u64 off)
{
	u32 vmflags = prot_flags(prot);
	long ret;
	int err;

	if (!len)
		return -EINVAL;
	len = PAGE_ALIGN(len);
	if (!len)
		return -ENOMEM;
	if (off & ~PAGE_MASK || off + len < off)
		return off & ~PAGE_MASK ? -EINVAL : -EOVERFLOW;
	if (flags & MAP_GROWSDOWN)
		vmflags |= VM_GROWSDOWN;
	if (flags & MAP_LOCKED) {
		if (!can_do_mlock())
			return -EPERM;
		vmflags |= VM_LOCKED;
	}
	if (flags & MAP_NORESERVE && !commit_strict())
		vmflags |= VM_NORESERVE;
	if (file) {
		err = file_vm_flags(file, prot, flags, &vmflags);
		if (err)
			return err;
	} else {
		vmflags |= VM_MAYWRITE;
	}
	down_write(&mm->lock);
	ret = mmap_locked(mm, addr, len, prot, flags, vmflags, file, off);
	mm_settle(mm);
	up_write(&mm->lock);
	return ret;
}

int mm_munmap(struct mm *mm, uaddr_t addr, size_t len)
{
	int err;

	len = PAGE_ALIGN(len);
	/* Up to there a guest may believe that it has memory to unmap. */
	if (addr & ~PAGE_MASK || !len || len > HOST_TASK_SIZE || addr > HOST_TASK_SIZE - len)
		return -EINVAL;
	if (addr >= GUEST_TOP) /* nothing of the guest's lies there */
		return 0;
	len = min(len, GUEST_TOP - addr);
	down_write(&mm->lock);
	err = vma_reserve_cut(mm, addr, addr + len);
	if (!err && !vma_range_free(mm, addr, addr + len)) {
		err = patch_restore(mm, addr, addr + len);
		if (!err)
			err = one_call(mm, __NR_munmap, addr, len, 0, 0, 0, 0, -1);
		if (!err)
			vma_cut(mm, addr, addr + len);
		mm_settle(mm);
	}
	up_write(&mm->lock);
	return err;
}

/* May every vma in [addr, end) have these permissions? */
static int may_protect(struct mm *mm, uaddr_t addr, uaddr_t end, int prot)
{
	for (int i = vma_index(mm, addr); i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		struct vma *v = &mm->vmas[i];

		if (prot & PROT_WRITE && !(v->flags & VM_MAYWRITE))
			return -EACCES;
		if (prot & PROT_EXEC && v->file && v->file->path.mnt &&
		    v->file->path.mnt->flags & MS_NOEXEC)
			return -EACCES;
	}
	return 0;
}

int mm_mprotect(struct mm *mm, uaddr_t addr, size_t len, int prot)
{
	uaddr_t end;
	int err;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (!len)
		return 0;
	len = PAGE_ALIGN(len);
	if (!len || !range_ok(addr, len))
		return -ENOMEM;
	down_write(&mm->lock);
	end = vma_mapped_until(mm, addr, addr + len);
	err = end == addr ? -ENOMEM : may_protect(mm, addr, end, prot);
	if (!err && prot & PROT_WRITE && !may_become_data(mm, vma_not_data(mm, addr, end)))
		err = -ENOMEM;
	if (!err)
		err = vma_reserve(mm, 2);
	if (!err && prot & PROT_WRITE)
		err = mm_charge(mm, vma_unaccounted(mm, addr, end));
	if (!err)
		err = patch_restore(mm, addr, end);
	if (!err)
		err = one_call(mm, __NR_mprotect, addr, end - addr, prot, 0, 0, 0, -1);
	if (!err) {
		vma_change(mm, addr, end, prot_flags(prot), VM_READ | VM_WRITE | VM_EXEC);
		if (end < addr + len) /* Linux protects up to the hole, then fails */
			err = -ENOMEM;
	}
	mm_settle(mm);
	up_write(&mm->lock);
	return err;
}
