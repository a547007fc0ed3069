/*
 * process_vm_readv(2), process_vm_writev(2): copies between two address spaces, by way of a buffer.
 */
#include "alloc.h"
#include "mm.h"
#include "sched.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"
#include "uaccess.h"

#define PIECE (64UL << 10) /* bytes that are on their way at a time */

/*
 * Between addr in mm and the caller's memory. Bytes; fewer than n: one of the two can't be
 * accessed.
 */
static size_t copy_piece(struct mm *mm, uaddr_t addr, void *buf, size_t n, struct iov_iter *local,
			 bool write)
{
	if (write)
		return write_remote_vm(mm, addr, buf, copy_from_iter(buf, n, local));
	return copy_to_iter(buf, read_remote_vm(mm, buf, addr, n), local);
}

/*
 * One remote range, as far as it or the local ones go. 0, or -EFAULT, -EINTR where it stopped;
 * *done counts on.
 */
static int copy_range(struct mm *mm, const struct iovec *v, void *buf, struct iov_iter *local,
		      bool write, size_t *done)
{
	size_t len = v->iov_len;

	for (size_t off = 0, n; off < len && iov_iter_count(local); off += n) {
		size_t want = min(min(len - off, iov_iter_count(local)), PIECE);

		n = copy_piece(mm, (uaddr_t)v->iov_base + off, buf, want, local, write);
		*done += n;
		if (n < want)
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static ssize_t copy_ranges(struct mm *mm, const struct iovec *remote, unsigned long nr,
			   struct iov_iter *local, bool write)
{
	void *buf = kmalloc(min(iov_iter_count(local), PIECE));
	size_t done = 0;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	for (unsigned long i = 0; i < nr && !err; i++)
		err = copy_range(mm, &remote[i], buf, local, write, &done);
	kfree(buf);
	return done ? (ssize_t)done : err;
}

static bool all_empty(const struct iovec *v, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		if (v[i].iov_len)
			return false;
	return true;
}

/* Who copies nothing isn't told whether there is such a task, as on Linux. */
static ssize_t copy_task(pid_t pid, const struct iovec *remote, unsigned long nr,
			 struct iov_iter *local, bool write)
{
	struct task *t;
	struct mm *mm;
	ssize_t ret;

	if (all_empty(remote, nr))
		return 0;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	mm = task_mm_access(t, TRACE_REALIDS);
	task_put(t);
	if (IS_ERR(mm))
		return PTR_ERR(mm) == -EACCES ? -EPERM : PTR_ERR(mm);
	ret = copy_ranges(mm, remote, nr, local, write);
	mm_put(mm);
	return ret;
}

static long process_vm_rw(pid_t pid, uaddr_t lvec, unsigned long lcnt, uaddr_t rvec,
			  unsigned long rcnt, unsigned long flags, bool write)
{
	struct iovec *remote;
	struct iov_iter local;
	long ret;

	if (flags)
		return -EINVAL;
	ret = iov_iter_user_iov(&local, lvec, lcnt);
	if (ret)
		return ret;
	if (iov_iter_count(&local)) {
		remote = iovec_from_user(rvec, rcnt);
		if (IS_ERR(remote)) {
			ret = PTR_ERR(remote);
		} else {
			ret = copy_task(pid, remote, rcnt, &local, write);
			kfree(remote);
		}
	}
	iov_iter_done(&local);
	return ret;
}

long sys_process_vm_readv(pid_t pid, uaddr_t lvec, unsigned long lcnt, uaddr_t rvec,
			  unsigned long rcnt, unsigned long flags)
{
	return process_vm_rw(pid, lvec, lcnt, rvec, rcnt, flags, false);
}

long sys_process_vm_writev(pid_t pid, uaddr_t lvec, unsigned long lcnt, uaddr_t rvec,
			   unsigned long rcnt, unsigned long flags)
{
	return process_vm_rw(pid, lvec, lcnt, rvec, rcnt, flags, true);
}
