/*
 * /proc/PID/mem: a process's memory, at its addresses. The mm is that of the time of open, and so
 * is the right to it: an exec changes neither. The file keeps the mm's structure alone; when the
 * last user has gone, there is nothing to read any more.
 */
#include "alloc.h"
#include "kernel/fs/proc/proc_priv.h"
#include "mm.h"
#include "sched.h"
#include "signals.h"
#include "uaccess.h"

#define PIECE (64UL << 10) /* bytes that are on their way at a time */

/* file->priv: the mm, grabbed. A zombie has none: -ESRCH, as Linux says since 6.16. */
static int mem_open(struct inode *inode, struct file *f)
{
	struct proc_ctx c;
	struct mm *mm;

	if (proc_ctx_get(&c, proc_i(inode)))
		return -ESRCH;
	mm = task_mm_access(c.task, TRACE_FSIDS);
	proc_ctx_put(&c);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	f->mode |= FMODE_UNSIGNED_OFFSET;
	f->priv = mm_grab(mm);
	mm_put(mm);
	return 0;
}

static void mem_release(struct file *f)
{
	mm_drop(f->priv);
}

/* The bytes that it moves at once; -EFAULT: the caller's memory can't be accessed. */
static ssize_t copy_piece(struct mm *mm, u64 addr, void *buf, size_t n, struct iov_iter *it,
			  bool write)
{
	if (write)
		return copy_from_iter(buf, n, it) == n ? (ssize_t)write_remote_vm(mm, addr, buf, n)
						       : -EFAULT;
	n = read_remote_vm(mm, buf, addr, n);
	return copy_to_iter(buf, n, it) == n ? (ssize_t)n : -EFAULT;
}

/* Nothing to be had: because nothing is mapped, or by an exec that is on its way. */
static ssize_t nothing_at(struct mm *mm)
{
	return load_acquire(&mm->host) ? -EIO : 0;
}

static ssize_t copy(struct mm *mm, u64 addr, void *buf, size_t size, struct iov_iter *it,
		    bool write)
{
	size_t done = 0;

	while (iov_iter_count(it) && !(done && fatal_signal_pending(current))) {
		size_t want = min(iov_iter_count(it), size);
		ssize_t n = copy_piece(mm, addr + done, buf, want, it, write);

		if (n < 0)
			return n; /* whatever has been done, as on Linux */
		done += n;
		if ((size_t)n < want)
			break;
		cond_resched();
	}
	return done ? (ssize_t)done : nothing_at(mm);
}

static ssize_t mem_rw(struct file *f, struct iov_iter *it, u64 *pos, bool write)
{
	size_t size = min(iov_iter_count(it), PIECE);
	struct mm *mm = f->priv;
	ssize_t n = 0;
	void *buf;

	if (!size)
		return 0;
	buf = kmalloc(size);
	if (!buf)
		return -ENOMEM;
	if (mm_tryget(mm)) {
		n = copy(mm, *pos, buf, size, it, write);
		mm_put(mm);
	}
	kfree(buf);
	if (n > 0)
		*pos += n;
	return n;
}

static ssize_t mem_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	return mem_rw(f, to, pos, false);
}

static ssize_t mem_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	return mem_rw(f, from, pos, true);
}

/* To any address, but for the few at the end whose numbers would be errors. */
static s64 mem_llseek(struct file *f, s64 off, int whence)
{
	u64 pos = off;

	if (whence == SEEK_CUR)
		pos += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (pos >= (u64)-MAX_ERRNO)
		return -EINVAL;
	store_relaxed(&f->pos, pos);
	return pos;
}

const struct file_operations proc_mem_fops = {
	.open = mem_open,
	.release = mem_release,
	.read = mem_read,
	.write = mem_write,
	.llseek = mem_llseek,
};
