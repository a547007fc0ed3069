/*
 * Mapping, unmapping and protecting. The host does it first, through the keeper; then the vma table
 * follows, which can't fail.
 */
#include "alloc.h"
#include "commit.h"
#include "fs.h"
#include "kernel/mm/limits.h"
#include "kernel/mm/range.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "patch.h"
#include "stub/layout.h"
#include "syscalls.h"
#include "task.h"
#include "tmpfs.h"
#include <asm/unistd_64.h>
#include <linux/mman.h>
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

/*
 * The host call for a mapping of `file` (or none) at addr. May change *vm: /dev/zero becomes
 * anonymous.
 */
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

/*
 * mmap(2) proper, with a file that is checked and referenced (not consumed), or NULL. The address
 * or -errno. flags: MAP_*; off in bytes.
 */
static long mm_mmap(struct mm *mm, uaddr_t addr, size_t len, int prot, int flags, struct file *file,
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

static int mm_munmap(struct mm *mm, uaddr_t addr, size_t len)
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

static int mm_mprotect(struct mm *mm, uaddr_t addr, size_t len, int prot)
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

/* ---- system calls ---- */

/* Flags that the host ignores too are accepted; MAP_SYNC and hugetlb are refused. */
#define MAP_KNOWN                                                                                  \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN |        \
	 MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |              \
	 MAP_NONBLOCK | MAP_STACK | MAP_FIXED_NOREPLACE | MAP_SHARED_VALIDATE)

static int mmap_check(unsigned long prot, unsigned long flags)
{
	unsigned long type = flags & MAP_TYPE;

	(void)prot; /* Linux ignores unknown protection bits */
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & MAP_ANONYMOUS)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & ~(unsigned long)MAP_KNOWN)
		return -EOPNOTSUPP;
	if (flags & MAP_HUGETLB)
		return flags & MAP_ANONYMOUS
			       ? -ENOMEM
			       : -EINVAL; /* as a kernel whose huge page pool is empty */
	if (flags & MAP_GROWSDOWN && type != MAP_PRIVATE)
		return -EINVAL;
	return 0;
}

/* MAP_POPULATE: as far as it goes. Private memory that can be written is wanted to write to. */
static void map_populate(struct mm *mm, uaddr_t addr, size_t len, unsigned long prot,
			 unsigned long flags)
{
	bool write = prot & PROT_WRITE && (flags & MAP_TYPE) == MAP_PRIVATE;

	(void)!madvise_populate(mm, addr, PAGE_ALIGN(len),
				write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

long sys_mmap(unsigned long addr, size_t len, unsigned long prot, unsigned long flags, int fd,
	      loff_t off)
{
	struct file *file = NULL;
	long ret;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		file = fd_get(fd);
		if (!file)
			return -EBADF;
	}
	ret = mmap_check(prot, flags);
	if (ret) {
		if (file)
			file_put(file);
		return ret;
	}
	if (file) {
		/* mapped below */
	} else if ((flags & MAP_TYPE) != MAP_PRIVATE) {
		if (!len)
			return -EINVAL;
		if (len > GUEST_TOP)
			return -ENOMEM;
		file = tmpfs_memfile("dev/zero", PAGE_ALIGN(len), 0);
		if (IS_ERR(file))
			return PTR_ERR(file);
		off = 0;
	} else {
		off = 0;
	}
	ret = mm_mmap(current->mm, addr, len, prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
		      flags & MAP_KNOWN, file, off);
	if (file)
		file_put(file);
	if (ret >= 0 && (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		map_populate(current->mm, ret, len, prot, flags);
	return ret;
}

long sys_munmap(unsigned long addr, size_t len)
{
	return mm_munmap(current->mm, addr, len);
}

long sys_mprotect(unsigned long addr, size_t len, unsigned long prot)
{
	if (prot &
	    ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	if (prot & (PROT_GROWSDOWN | PROT_GROWSUP)) { /* from the start of the vma that grows */
		struct mm *mm = current->mm;
		struct vma *v;

		if ((prot & (PROT_GROWSDOWN | PROT_GROWSUP)) != PROT_GROWSDOWN)
			return -EINVAL;
		down_read(&mm->lock);
		v = vma_find(mm, addr);
		if (v && v->start <= addr && v->flags & (VM_GROWSDOWN | VM_STACK)) {
			len += addr - v->start;
			addr = v->start;
			v = NULL;
		}
		up_read(&mm->lock);
		if (v)
			return -EINVAL;
	}
	return mm_mprotect(current->mm, addr, len, prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
}
