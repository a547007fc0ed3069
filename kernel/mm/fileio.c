/*
 * Large reads and writes of host files go straight between the host's page cache and the guest: the
 * keeper makes the call on the guest's own memory. What is small is sooner copied through a buffer
 * than a keeper has been woken.
 */
#include "alloc.h"
#include "fh.h"
#include "hostmm.h"
#include "ktime.h"
#include "mm.h"
#include "task.h"

#define WORTH_IT (128 << 10) /* bytes */

static ssize_t one_call(struct mm *mm, int fd, uaddr_t addr, size_t n, u64 off, bool write)
{
	ssize_t ret = -ESRCH;

	mutex_lock(&mm->stub_lock);
	if (mm->host)
		ret = host_mm_file_io(mm->host, fd, addr, n, off, write);
	mutex_unlock(&mm->stub_lock);
	return ret;
}

size_t mm_file_io(struct fh *h, struct iov_iter *it, u64 off, bool write)
{
	size_t done = 0, len, n;
	ssize_t ret = 0;
	ktime_t start;
	uaddr_t addr;
	int fd;

	len = iov_iter_user_piece(it, &addr);
	if (len < WORTH_IT || !current || !current->mm ||
	    (write ? fh_writes_are_slow(h) : fh_reads_cant_tell(h)))
		return 0;
	fd = get_fh(h);
	if (fd < 0)
		return 0;
	while (len >= WORTH_IT) {
		n = min(len, HOST_MM_IO_MAX);
		start = write ? ktime_mono() : 0;
		ret = one_call(current->mm, fd, addr, n, off + done, write);
		if (write)
			fh_write_took(h, ktime_mono() - start);
		if (ret <= 0)
			break;
		iov_iter_advance(it, ret);
		done += ret;
		if ((size_t)ret < n)
			break;
		cond_resched();
		len = iov_iter_user_piece(it, &addr);
	}
	put_fh(h);
	return done;
}
