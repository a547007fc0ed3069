/*
 * Guest address spaces. The host kernel holds the memory; struct mm holds the vma table, in step
 * with it.
 *
 * Locks: mm->lock (rwsem, rank MMAP) protects the vma table and the numbers; mm->stub_lock (mutex,
 * rank STUB) serialises keeper batches.
 */
#ifndef HEDDLE_MM_H
#define HEDDLE_MM_H

#include "hostmm.h"
#include "lock.h"
#include "types.h"

struct file;
struct mm;
struct context;

/* vma->flags */
#define VM_READ 1u
#define VM_WRITE 2u
#define VM_EXEC 4u
#define VM_SHARED 8u
#define VM_GROWSDOWN 0x10u
#define VM_MAYWRITE 0x20u
#define VM_STACK 0x40u /* [stack] */
#define VM_HEAP 0x80u  /* [heap] */
#define VM_VDSO 0x100u /* [vdso], [vvar]: not the guest's to change */
#define VM_LOCKED 0x200u
#define VM_DONTFORK 0x400u
#define VM_NORESERVE 0x800u
#define VM_WIPEONFORK 0x1000u
#define VM_DONTDUMP 0x2000u
#define VM_TRAMP 0x8000u   /* [heddle]: trampolines of patched call sites */
#define VM_ACCOUNT 0x4000u /* counts as promised memory (commit.h) */

/* Protected by mm->lock. [start, end) */
struct vma {
	uaddr_t start, end;
	u32 flags;
	u64 pgoff;	   /* bytes into the file of `start` */
	struct file *file; /* +1; NULL: private anonymous */
};

/* Of core(5)'s coredump_filter; the bits of huge pages and DAX are kept, but we have neither. */
#define CORE_ANON_PRIVATE 1u
#define CORE_ANON_SHARED 2u
#define CORE_FILE_PRIVATE 4u
#define CORE_FILE_SHARED 8u
#define CORE_DEFAULT 0x33u
#define CORE_FILTER_BITS 0x1ffu

struct mm {
	u32 refs;	      /* atomic: tasks and others that use it */
	u32 grabs;	      /* atomic: of the structure alone; all of refs count for one */
	struct host_mm *host; /* constant until exec in place */
	struct rwsem lock;
	struct mutex stub_lock;
	struct vma *
		vmas; /* lock: sorted, in an array (search is a bisection, inserts move the tail) */
	int nr_vmas, cap_vmas; /* lock */
	u32 map_seq;	       /* written under lock; atomic: changes with the table */
	uaddr_t stack_low;     /* written under lock; others may look: the stack has reached down to
				  here */
	uaddr_t brk;	       /* lock */
	/* Written under lock, by exec alone: its own tasks read them without. */
	uaddr_t mmap_base, stack_top, brk_start;
	uaddr_t code_start, code_end, data_start, data_end;
	uaddr_t arg_start, arg_end, env_start, env_end;
	u64 auxv[64];
	int auxv_len; /* bytes */

	u64 total_pages, locked_pages, data_pages, stack_pages; /* lock */
	u64 peak_pages;		   /* lock: the most that total_pages has been */
	u64 commit_pages, charged; /* lock: of the VM_ACCOUNT vmas; promised by commit.c */
	struct file *exe_file;	   /* +1; lock */
	int dumpable;		   /* atomic */
	u32 core_filter;    /* atomic: CORE_*, what a core dump holds; kept by fork and exec */
	u64 hiwater_rss_kb; /* atomic: mm_note_rss() */
	u32 membarrier; /* atomic: MEMBARRIER_CMD_*, what was done, registrations above all; kept by
			   fork */
	struct patches *patches; /* lock: what is patched of its text; NULL: nothing (patch.h) */
	bool stale; /* lock: the host mm holds the old program still: exec is to unmap it */
};

/* For exec: on a fresh host mm, with a context in it. ERR_PTR. */
must_check struct mm *mm_create(struct context **ctx);
/*
 * For exec by the only user of `old`: takes its host mm over, which is stale then.
 * ERR_PTR(-ENOMEM).
 */
must_check struct mm *mm_take_over(struct mm *old);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
/*
 * For who is to know a mm again, but not to keep its memory: mm_grab() keeps the structure until
 * mm_drop(). Of it only mm_tryget() may be used then: +1 as by mm_get(), or false if the last user
 * has gone.
 */
struct mm *mm_grab(struct mm *mm);
void mm_drop(struct mm *mm);
must_check bool mm_tryget(struct mm *mm);
/* May others look into it, and may it leave a core? PR_SET_DUMPABLE. */
static inline bool mm_dumpable(const struct mm *mm)
{
	return load_relaxed(&mm->dumpable) == 1;
}
u64 mm_count(void); /* how many there are */
/* It has so much resident now. The most that anybody has seen so far. */
u64 mm_note_rss(struct mm *mm, u64 kb);
/*
 * mm_put() by who may be the last: false, and nothing is done, if there is another reference.
 * Otherwise nobody gets one any more, and mm_end() is to follow.
 */
must_check bool mm_put_only(struct mm *mm);
/*
 * The end of a mm whose last user, who has had this context in it, is gone by mm_put_only(): the
 * context goes, and what its host process has used is told by ended(arg), now or later.
 */
struct host_usage;
void mm_end(struct mm *mm, struct context *ctx,
	    void (*ended)(void *arg, const struct host_usage *u), void *arg);
/* fork: copies vmas; the host mm comes with a context in it. */
must_check struct mm *mm_fork(struct mm *from, struct context **ctx);

/* A program that is executed: a reference that denies writers (inode->exec_denied). */
struct file *exe_file_get(struct file *f);
void exe_file_put(struct file *f);
/* The vma that contains addr or the first one behind it; NULL. Caller holds lock. */
struct vma *vma_find(struct mm *mm, uaddr_t addr);

/*
 * A fault, or a copy by the kernel, at addr: if it lies below a stack (or other MAP_GROWSDOWN
 * memory) that may grow so far, makes it grow. True if the access may be tried again. May sleep.
 */
must_check bool mm_grow_stack(struct mm *mm, uaddr_t addr);
/*
 * The private memory around addr that can be written and no file stands behind: [*start, *end), and
 * the table's number then, with which it stays true. False: there is none, or mappings are being
 * changed. Doesn't sleep.
 */
must_check bool mm_writable(struct mm *mm, uaddr_t addr, uaddr_t *start, uaddr_t *end, u32 *seq);
/*
 * One host call on the guest's memory (madvise, msync ...); addresses were checked by the caller.
 */
must_check int mm_host_call(struct mm *mm, u64 nr, u64 a0, u64 a1, u64 a2);
/*
 * What identifies a futex word: *inode (+1) and offset in it for shared mappings; NULL and addr for
 * private memory. -EFAULT.
 */
struct inode;
must_check int mm_futex_key(struct mm *mm, uaddr_t addr, struct inode **inode, u64 *off);
/* Atomic compare-and-exchange on a guest's word: 0 and *old, or -EFAULT. May sleep. */
must_check int mm_cmpxchg32(struct mm *mm, uaddr_t addr, u32 expect, u32 val, u32 *old);

/*
 * What a mapping of a file means on the host: given by file_operations->mmap (fs.h).
 */
struct mmap_target {
	int hostfd;	/* a descriptor to map, pinned until done() */
	u64 offset;	/* into it */
	bool anonymous; /* map private anonymous memory instead (/dev/zero private) */
	void (*done)(struct mmap_target *t);
	void *cookie;
};

/*
 * Moves data between a host file and current's memory, as far as that can be done in large pieces
 * and at once: bytes, by which the iterator advances. Whatever is left, errors included, is for
 * fh_read_iter() and fh_write_iter().
 */
struct fh;
struct iov_iter;
size_t mm_file_io(struct fh *h, struct iov_iter *it, u64 off, bool write);

#endif
