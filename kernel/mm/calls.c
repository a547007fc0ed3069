/* System calls on the address space, but for mremap (mremap.c) and brk (brk.c). */
#include "fs.h"
#include "kernel/mm/limits.h"
#include "kernel/mm/vma.h"
#include "mm.h"
#include "patch.h"
#include "syscalls.h"
#include "task.h"
#include "tmpfs.h"
#include <asm/unistd_64.h>
#include <linux/mman.h>
#include <sys/mman.h>

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

/* What the host has to find memory for, or look at, in some milliseconds. */
#define POPULATE_PIECE (4UL << 20)
#define MINCORE_PIECE (1UL << 30)

/* After a piece of what takes long: others have the CPU. -EINTR: the task is being killed. May sleep. */
static int between_pieces(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* A call by which the host fills a range with memory. *done: so many bytes of it are. mm->lock is held. */
static long populate_call_locked(struct mm *mm, u64 nr, uaddr_t addr, size_t len, u64 arg,
				 size_t *done)
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

static long advise_populate(struct mm *mm, uaddr_t addr, size_t len, int advice)
{
	size_t done;
	long ret;

	down_read(&mm->lock);
	ret = populate_call_locked(mm, __NR_madvise, addr, len, advice, &done);
	up_read(&mm->lock);
	return ret;
}

/* MAP_POPULATE: as far as it goes. Private memory that can be written is wanted to write to. */
static void map_populate(struct mm *mm, uaddr_t addr, size_t len, unsigned long prot,
			 unsigned long flags)
{
	bool write = prot & PROT_WRITE && (flags & MAP_TYPE) == MAP_PRIVATE;

	(void)!advise_populate(mm, addr, PAGE_ALIGN(len),
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

/* Rounds *len up, which may make 0 of it. 1: there is nothing to do. absurd: the error for an end that wraps. */
static int range_check(unsigned long addr, size_t *len, int absurd)
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

/* A call whose work the host does on a range; behind a hole it goes on, but fails in the end. mm->lock is held. */
static long range_call_locked(struct mm *mm, u64 nr, uaddr_t addr, size_t len, u64 arg)
{
	long ret = mm_host_call(mm, nr, addr, len, arg);

	return !ret && vma_mapped_until(mm, addr, addr + len) < addr + len ? -ENOMEM : ret;
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
 * Takes pages away. What is patched of the program's text may be among them, and until it's done nothing more of it is patched.
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
		return advise_populate(mm, addr, len, advice);
	down_read(&mm->lock);
	ret = range_call_locked(mm, __NR_madvise, addr, len, advice);
	up_read(&mm->lock);
	return ret;
}

/* The file that is mapped, shared, next in [*at, end), +1, *at being moved behind it; NULL: none up to end. *hole: something isn't mapped. */
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
