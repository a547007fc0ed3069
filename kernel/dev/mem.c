/* /dev/null, zero, full, random, urandom. */
#include "alloc.h"
#include "dev.h"
#include "fasync.h"
#include "fs.h"
#include "host.h"
#include "signals.h"
#include "task.h"
#include <sys/mman.h>

/* Seeking goes nowhere. */
static s64 null_llseek(struct file *f, s64 off, int whence)
{
	return f->pos = 0;
}

static ssize_t null_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	return 0;
}

/* Whatever is written is gone; nothing is copied, so bad addresses go unnoticed as on Linux. */
static ssize_t null_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	size_t n = iov_iter_count(from);

	iov_iter_advance(from, n);
	return n;
}

/* A long run of zeros is cut into pieces, so that a signal ends it. */
#define ZERO_PIECE (1u << 20)

static ssize_t zero_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	size_t total = 0;

	while (iov_iter_count(to)) {
		size_t want = min(iov_iter_count(to), (size_t)ZERO_PIECE);
		size_t n = zero_iter(want, to);

		total += n;
		if (n < want)
			return total ? (ssize_t)total : -EFAULT;
		if (!iov_iter_count(to) || signal_pending(current))
			break;
		cond_resched();
	}
	return total;
}

static int zero_mmap(struct file *f, int prot, int flags, u64 off, size_t len,
		     struct mmap_target *t)
{
	t->anonymous = true;
	return 0;
}

static ssize_t full_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	return -ENOSPC; /* even of nothing */
}

#define RANDOM_PIECE 4096u

ssize_t random_to_iter(struct iov_iter *to)
{
	size_t total = 0;
	u8 small[256], *buf = small;
	size_t size = sizeof(small);

	if (iov_iter_count(to) > size) {
		buf = kmalloc(RANDOM_PIECE);
		if (!buf)
			return -ENOMEM;
		size = RANDOM_PIECE;
	}
	while (iov_iter_count(to)) {
		size_t want = min(iov_iter_count(to), size), n;

		host_random(buf, want);
		n = copy_to_iter(buf, want, to);
		total += n;
		if (n < want || !iov_iter_count(to) || signal_pending(current))
			break;
		cond_resched();
	}
	if (buf != small)
		kfree(buf);
	if (!total && iov_iter_count(to))
		return -EFAULT;
	return total;
}

static ssize_t random_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	return random_to_iter(to);
}

/* Entropy from the guest isn't needed: it is read and forgotten. */
static ssize_t random_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	size_t total = 0;
	u8 buf[256];

	while (iov_iter_count(from)) {
		size_t n = copy_from_iter(buf, min(iov_iter_count(from), sizeof(buf)), from);

		total += n;
		if (!n)
			return total ? (ssize_t)total : -EFAULT;
		if (!iov_iter_count(from) || signal_pending(current))
			break;
		if (total % RANDOM_PIECE == 0)
			cond_resched();
	}
	return total;
}

#define RNDGETENTCNT 0x80045200u

static long random_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return cmd == RNDGETENTCNT ? put_user(256, arg) : -EINVAL;
}

/* There are random bytes from the start, so nobody ever waits. */
static u32 random_poll(struct file *f, struct poll_table *pt)
{
	return POLLIN | POLLRDNORM;
}

/*
 * A signal would say that the pool has been filled, which it is from the start: so it never comes.
 */
static int random_fasync(int fd, struct file *f, bool on)
{
	static struct fasync_list readers = FASYNC_LIST_INIT(readers);

	return fasync_helper(fd, f, on, &readers);
}

const struct file_operations null_fops = {
	.read = null_read,
	.write = null_write,
	.llseek = null_llseek,
};

const struct file_operations zero_fops = {
	.read = zero_read,
	.write = null_write,
	.llseek = null_llseek,
	.mmap = zero_mmap,
};

const struct file_operations full_fops = {
	.read = zero_read,
	.write = full_write,
	.llseek = null_llseek,
};

const struct file_operations random_fops = {
	.read = random_read,
	.write = random_write,
	.llseek = null_llseek,
	.poll = random_poll,
	.ioctl = random_ioctl,
	.fasync = random_fasync,
};

const struct file_operations urandom_fops = {
	.read = random_read,
	.write = random_write,
	.llseek = null_llseek,
	.ioctl = random_ioctl,
	.fasync = random_fasync,
};
