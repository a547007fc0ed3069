/* Address spaces: their life, fork, and the hand-over of a host mm at exec. */
#include "mm.h"
#include "alloc.h"
#include "commit.h"
#include "engine.h"
#include "fs.h"
#include "kernel/mm/vma.h"
#include "log.h"
#include "patch.h"
#include "task.h"
#include <string.h>

static u64 nr_mms; /* atomic */

u64 mm_count(void)
{
	return load_relaxed(&nr_mms);
}

u64 mm_note_rss(struct mm *mm, u64 kb)
{
	u64 most = load_relaxed(&mm->hiwater_rss_kb);

	while (kb > most && !__atomic_compare_exchange_n(&mm->hiwater_rss_kb, &most, kb, true,
							 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return max(kb, most);
}

static struct mm *mm_alloc(void)
{
	struct mm *mm = kzalloc(sizeof(*mm));

	if (!mm)
		return NULL;
	mm->refs = mm->grabs = 1;
	mm->dumpable = 1;
	mm->core_filter = CORE_DEFAULT;
	rwsem_init(&mm->lock, "mm", RANK_MMAP);
	mutex_init(&mm->stub_lock, "stub", RANK_STUB);
	__atomic_add_fetch(&nr_mms, 1, __ATOMIC_RELAXED);
	return mm;
}

struct file *exe_file_get(struct file *f)
{
	__atomic_add_fetch(&f->inode->exec_denied, 1, __ATOMIC_SEQ_CST);
	return file_get(f);
}

void exe_file_put(struct file *f)
{
	__atomic_sub_fetch(&f->inode->exec_denied, 1, __ATOMIC_SEQ_CST);
	file_put(f);
}

struct mm *mm_get(struct mm *mm)
{
	__atomic_add_fetch(&mm->refs, 1, __ATOMIC_RELAXED);
	return mm;
}

struct mm *mm_grab(struct mm *mm)
{
	__atomic_add_fetch(&mm->grabs, 1, __ATOMIC_RELAXED);
	return mm;
}

void mm_drop(struct mm *mm)
{
	if (__atomic_sub_fetch(&mm->grabs, 1, __ATOMIC_ACQ_REL))
		return;
	kfree(mm);
	__atomic_sub_fetch(&nr_mms, 1, __ATOMIC_RELAXED);
}

bool mm_tryget(struct mm *mm)
{
	u32 refs = load_relaxed(&mm->refs);

	while (refs)
		if (__atomic_compare_exchange_n(&mm->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* The last user has gone. */
static void mm_destroy(struct mm *mm)
{
	if (mm->host)
		host_mm_destroy(mm->host);
	vma_clear_all(mm);
	mm_settle(mm);
	patch_free(mm);
	if (mm->exe_file)
		exe_file_put(mm->exe_file);
	kfree(mm->vmas);
	mm_drop(mm);
}

void mm_put(struct mm *mm)
{
	if (!__atomic_sub_fetch(&mm->refs, 1, __ATOMIC_ACQ_REL))
		mm_destroy(mm);
}

bool mm_put_only(struct mm *mm)
{
	u32 only = 1;

	return __atomic_compare_exchange_n(&mm->refs, &only, 0, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/*
 * A host mm isn't kept if it was large: to empty that takes time, and its host process keeps the
 * peak of its resident memory, which the host tells.
 */
#define KEPT_PAGES 1024

void mm_end(struct mm *mm, struct context *ctx,
	    void (*ended)(void *arg, const struct host_usage *u), void *arg)
{
	bool kept = false;

	mutex_lock(&mm->stub_lock);
	if (mm->host && mm->peak_pages <= KEPT_PAGES)
		kept = context_recycle(ctx, ended, arg);
	if (kept)
		mm->host = NULL;
	mutex_unlock(&mm->stub_lock);
	if (!kept)
		context_destroy_last(ctx, ended, arg);
	mm_destroy(mm);
}

/*
 * The end of making mm: err, or its host mm is there, with a host process that needs a context.
 * Returns mm, or ERR_PTR without it.
 */
static struct mm *first_context(struct mm *mm, int err, struct host_task *ht, struct context **ctx)
{
	if (err) {
		mm->host = NULL;
	} else {
		*ctx = context_create(mm->host, ht);
		if (!IS_ERR(*ctx))
			return mm;
		err = PTR_ERR(*ctx);
	}
	mm_put(mm);
	return ERR_PTR(err);
}

/* A fresh mm for exec: on a new host mm, with a context in it. */
struct mm *mm_create(struct context **ctx)
{
	struct mm *mm = mm_alloc();
	struct host_task *ht = NULL;
	int err;

	if (!mm)
		return ERR_PTR(-ENOMEM);
	err = host_mm_fork(NULL, &mm->host, &ht);
	return first_context(mm, err, ht, ctx);
}

/*
 * exec by the only user: a fresh mm that takes the old one's host mm. The old one stays for those
 * who still look at it (/proc); their accesses fail.
 */
struct mm *mm_take_over(struct mm *old)
{
	struct mm *mm = mm_alloc();

	if (!mm)
		return ERR_PTR(-ENOMEM);
	down_write(&old->lock);
	mutex_lock(&old->stub_lock);
	mm->host = old->host;
	mm->stale = true;
	host_mm_tramps_forget(mm->host);
	patch_free(old);
	store_release(&old->host, NULL);
	vma_clear_all(old);
	mm_settle(old);
	mutex_unlock(&old->stub_lock);
	up_write(&old->lock);
	return mm;
}

static void copy_layout(struct mm *to, const struct mm *from)
{
	to->mmap_base = from->mmap_base;
	to->stack_top = from->stack_top;
	to->stack_low = from->stack_low;
	to->brk_start = from->brk_start;
	to->brk = from->brk;
	to->code_start = from->code_start;
	to->code_end = from->code_end;
	to->data_start = from->data_start;
	to->data_end = from->data_end;
	to->arg_start = from->arg_start;
	to->arg_end = from->arg_end;
	to->env_start = from->env_start;
	to->env_end = from->env_end;
	memcpy(to->auxv, from->auxv, sizeof(to->auxv));
	to->auxv_len = from->auxv_len;
	to->dumpable = load_relaxed(&from->dumpable);
	to->core_filter = load_relaxed(&from->core_filter);
	to->membarrier = load_relaxed(&from->membarrier);
}

struct mm *mm_fork(struct mm *from, struct context **ctx)
{
	struct mm *mm = mm_alloc();
	struct host_task *ht = NULL;
	int err;

	if (!mm)
		return ERR_PTR(-ENOMEM);
	down_read(&from->lock);
	copy_layout(mm, from);
	if (from->exe_file)
		mm->exe_file = exe_file_get(from->exe_file);
	err = vma_copy_all(mm, from);
	if (!err)
		err = mm_charge(mm, mm->commit_pages);
	if (!err)
		err = patch_fork(mm, from);
	if (!err) {
		mutex_lock(&from->stub_lock);
		err = host_mm_fork(from->host, &mm->host, &ht);
		mutex_unlock(&from->stub_lock);
	}
	up_read(&from->lock);
	return first_context(mm, err, ht, ctx);
}

int mm_futex_key(struct mm *mm, uaddr_t addr, struct inode **inode, u64 *off)
{
	struct vma *v;
	int err = 0;

	*inode = NULL;
	*off = addr;
	down_read(&mm->lock);
	v = vma_find(mm, addr);
	if (!v || v->start > addr || !(v->flags & (VM_READ | VM_WRITE | VM_EXEC))) {
		err = -EFAULT;
	} else if (v->flags & VM_SHARED && v->file) {
		*inode = inode_get(v->file->inode);
		*off = v->pgoff + (addr - v->start);
	}
	up_read(&mm->lock);
	return err;
}

bool mm_writable(struct mm *mm, uaddr_t addr, uaddr_t *start, uaddr_t *end, u32 *seq)
{
	struct vma *v;
	bool ok;

	if (!down_read_trylock(&mm->lock)) /* it is only a hint */
		return false;
	v = vma_find(mm, addr);
	ok = v && v->start <= addr && !v->file && (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
	if (ok) {
		*start = v->start;
		*end = v->end;
		*seq = mm->map_seq;
	}
	up_read(&mm->lock);
	return ok;
}

int mm_cmpxchg32(struct mm *mm, uaddr_t addr, u32 expect, u32 val, u32 *old)
{
	int err = -EFAULT;

	mutex_lock(&mm->stub_lock);
	if (mm->host)
		err = host_mm_cmpxchg32(mm->host, addr, expect, val, old);
	mutex_unlock(&mm->stub_lock);
	return err;
}
