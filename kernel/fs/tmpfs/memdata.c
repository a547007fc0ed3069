/* Contents of a regular file in memory. See memdata.h. */
#include "kernel/fs/tmpfs/memdata.h"

#include "alloc.h"
#include "commit.h"
#include "fh.h"
#include "fs.h"
#include "kernel/fs/tmpfs/memlimit.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

/* How often the blocks of a memfd are counted while it is written. */
#define COUNT_INTERVAL (1UL << 20)

/* ---- buffer: pages that hold data ---- */

static bool page_written(const struct memdata *d, u64 page)
{
	return d->written[page / 64] >> (page % 64) & 1;
}

static u64 all_bytes, memfd_bytes; /* atomic: memdata_usage() */

void memdata_usage(u64 *all, u64 *memfds)
{
	*all = load_relaxed(&all_bytes);
	*memfds = load_relaxed(&memfd_bytes);
}

static void set_charged(struct memdata *d, u64 bytes)
{
	__atomic_add_fetch(&all_bytes, bytes - d->charged, __ATOMIC_RELAXED);
	if (d->memfd)
		__atomic_add_fetch(&memfd_bytes, bytes - d->charged, __ATOMIC_RELAXED);
	d->charged = bytes;
}

static bool charge(struct memdata *d, struct mem_limit *lim, u64 n)
{
	if (!limit_take(&lim->bytes, lim->max_bytes, n))
		return false;
	if (!commit_take(n / PAGE_SIZE)) {
		limit_give(&lim->bytes, n);
		return false;
	}
	d->committed += n / PAGE_SIZE;
	set_charged(d, d->charged + n);
	return true;
}

static void uncharge(struct memdata *d, struct mem_limit *lim, u64 n)
{
	limit_give(&lim->bytes, n);
	commit_give(n / PAGE_SIZE);
	d->committed -= n / PAGE_SIZE;
	set_charged(d, d->charged - n);
}

/* Marks the pages of [off, end) as data; how far the limit let us: end, or less. */
static u64 mark_written(struct memdata *d, struct mem_limit *lim, u64 off, u64 end)
{
	for (u64 p = off / PAGE_SIZE; p * PAGE_SIZE < end; p++) {
		if (page_written(d, p))
			continue;
		if (!charge(d, lim, PAGE_SIZE))
			return max(off, p * PAGE_SIZE);
		d->written[p / 64] |= 1ULL << (p % 64);
	}
	return end;
}

/* The whole pages in [off, end) are holes again. */
static void unmark_written(struct memdata *d, struct mem_limit *lim, u64 off, u64 end)
{
	end = min(end, MEMDATA_BUFFER_MAX);
	for (u64 p = PAGE_ALIGN(off) / PAGE_SIZE; (p + 1) * PAGE_SIZE <= end; p++) {
		if (page_written(d, p)) {
			d->written[p / 64] &= ~(1ULL << (p % 64));
			uncharge(d, lim, PAGE_SIZE);
		}
	}
}

static int buffer_reserve(struct memdata *d, u64 end)
{
	u64 cap = d->cap;
	u8 *buf;

	if (end <= cap)
		return 0;
	/* Exact while small, as most files are written once; then in growing steps. */
	if (end < PAGE_SIZE)
		cap = ROUND_UP(end, 64);
	else
		cap = min(max(PAGE_ALIGN(end), PAGE_ALIGN(cap + cap / 2)), MEMDATA_BUFFER_MAX);
	buf = krealloc(d->buf, cap);
	if (!buf)
		return -ENOMEM;
	memset(buf + d->cap, 0, cap - d->cap);
	d->buf = buf;
	d->cap = cap;
	return 0;
}

static void buffer_zero(struct memdata *d, u64 off, u64 end)
{
	end = min(end, (u64)d->cap);
	if (off < end)
		memset(d->buf + off, 0, end - off);
}

/* ---- memfd ---- */

/* Pages that count as promised while the memfd has so many bytes in blocks. */
static u64 promised(const struct memdata *d, u64 bytes, u64 size)
{
	return max(bytes / PAGE_SIZE, d->mapped ? PAGE_ALIGN(size) / PAGE_SIZE : d->reserved);
}

/*
 * A touch of a mapping allocates, which the kernel doesn't see. So where promises are kept a mapped
 * memfd counts with its whole size, holes included. Before the size becomes `size`, or the memfd is
 * mapped. -ENOMEM.
 */
static int promise_size(struct memdata *d, u64 size)
{
	u64 pages = promised(d, d->charged, size);

	if (!d->mapped || pages <= d->committed)
		return 0;
	if (!commit_take(pages - d->committed))
		return -ENOMEM;
	d->committed = pages;
	return 0;
}

/* Brings `charged` in line with what the host has allocated; mappings allocate too. */
static void count_memfd(struct memdata *d, struct mem_limit *lim)
{
	struct kstat st;
	u64 bytes;

	if (fh_stat(d->memfd, &st))
		return; /* next time, then */
	d->uncounted = 0;
	bytes = st.blocks * 512;
	__atomic_add_fetch(&lim->bytes, bytes - d->charged, __ATOMIC_RELAXED);
	set_charged(d, bytes);
	commit_give(d->committed);
	d->committed = promised(d, bytes, st.size);
	commit_force(d->committed);
}

int memdata_reserve(struct memdata *d, u64 size)
{
	u64 pages = PAGE_ALIGN(size) / PAGE_SIZE;

	if (!commit_take(pages))
		return -ENOMEM;
	d->reserved = d->committed = pages;
	return 0;
}

/* Is there room for n bytes, and what wasn't counted yet? */
static bool fits(const struct memdata *d, const struct mem_limit *lim, u64 n)
{
	u64 used = load_relaxed(&lim->bytes);

	n += d->uncounted;
	if (lim->max_bytes && used + n > lim->max_bytes)
		return false;
	return commit_fits(n / PAGE_SIZE);
}

/* May [off, off + n) be written, in whole pages? Counts exactly only when it is close. */
static bool memfd_may_grow(struct memdata *d, struct mem_limit *lim, u64 off, u64 n)
{
	n = PAGE_ALIGN(off + n) - (off & PAGE_MASK);
	if (d->uncounted + n >= COUNT_INTERVAL || !fits(d, lim, n))
		count_memfd(d, lim);
	if (!fits(d, lim, n))
		return false;
	d->uncounted += n;
	return true;
}

/* Writes the data, run by run: holes stay holes. */
static int copy_to_memfd(struct memdata *d, struct fh *h, u64 size)
{
	u64 end = min((u64)d->cap, size), off = 0, stop;
	ssize_t ret;
	int err = fh_truncate(h, size);

	while (!err && off < end) {
		if (!page_written(d, off / PAGE_SIZE)) {
			off += PAGE_SIZE;
			continue;
		}
		for (stop = off; stop < end && page_written(d, stop / PAGE_SIZE); stop += PAGE_SIZE)
			;
		stop = min(stop, end);
		ret = fh_pwrite(h, d->buf + off, stop - off, off);
		if (ret != (ssize_t)(stop - off))
			err = ret < 0 ? ret : -ENOSPC;
		off = stop;
	}
	return err;
}

int memdata_make_memfd(struct memdata *d, struct mem_limit *lim, u64 size)
{
	struct fh *h;
	int err;

	if (d->memfd)
		return 0;
	h = fh_memfd("heddle-file");
	if (IS_ERR(h))
		return PTR_ERR(h);
	err = copy_to_memfd(d, h, size);
	if (err) {
		fh_put(h);
		return err;
	}
	kfree(d->buf);
	d->buf = NULL;
	d->cap = 0;
	memset(d->written, 0, sizeof(d->written));
	__atomic_add_fetch(&memfd_bytes, d->charged, __ATOMIC_RELAXED);
	store_release(&d->memfd, h);
	count_memfd(d, lim);
	return 0;
}

static void mmap_done(struct mmap_target *t)
{
	put_fh(t->cookie);
	fh_put(t->cookie);
}

int memdata_mmap(struct memdata *d, struct mem_limit *lim, u64 size, u64 off, struct mmap_target *t)
{
	int fd, err = memdata_make_memfd(d, lim, size);
	bool before = d->mapped;

	if (err)
		return err;
	d->mapped = commit_strict();
	err = promise_size(d, size);
	if (err) {
		d->mapped = before;
		return err;
	}
	fd = get_fh(d->memfd);
	if (fd < 0)
		return fd;
	*t = (struct mmap_target){
		.hostfd = fd,
		.offset = off,
		.done = mmap_done,
		.cookie = fh_get(d->memfd),
	};
	return 0;
}

/* ---- reading and writing ---- */

ssize_t memdata_read(struct memdata *d, u64 size, struct iov_iter *to, u64 off)
{
	size_t n, in_buf, done;

	if (off >= size || !iov_iter_count(to))
		return 0;
	if (d->memfd)
		return fh_read_iter(d->memfd, to, off, size);
	n = min(iov_iter_count(to), size - off);
	in_buf = off < d->cap ? min(n, d->cap - off) : 0;
	done = in_buf ? copy_to_iter(d->buf + off, in_buf, to) : 0;
	if (done == in_buf && n > in_buf)
		done += zero_iter(n - in_buf, to);
	return done ? (ssize_t)done : -EFAULT;
}

static ssize_t write_memfd(struct memdata *d, struct mem_limit *lim, u64 size,
			   struct iov_iter *from, u64 off)
{
	size_t all = iov_iter_count(from), n = all;
	ssize_t got;

	/*
	 * As much as fits, in the end a page at a time; an overwrite needs less room than it is
	 * taken for here.
	 */
	while (n && !memfd_may_grow(d, lim, off, n))
		n = n > PAGE_SIZE ? n / 2 & PAGE_MASK : 0;
	if (!n || promise_size(d, max(size, off + n)))
		return -ENOSPC;
	from->count = n;
	got = fh_write_iter(d->memfd, from, off);
	from->count += all - n;
	return got;
}

ssize_t memdata_write(struct memdata *d, struct mem_limit *lim, u64 size, struct iov_iter *from,
		      u64 off)
{
	size_t n = iov_iter_count(from), got;
	u64 end;
	int err;

	if (!n)
		return 0;
	if (!d->memfd && (off > MEMDATA_BUFFER_MAX || n > MEMDATA_BUFFER_MAX - off)) {
		err = memdata_make_memfd(d, lim, size);
		if (err)
			return err;
	}
	if (d->memfd)
		return write_memfd(d, lim, size, from, off);
	err = buffer_reserve(d, off + n);
	if (err)
		return err;
	end = mark_written(d, lim, off, off + n);
	if (end == off)
		return -ENOSPC;
	got = copy_from_iter(d->buf + off, end - off, from);
	return got ? (ssize_t)got : -EFAULT;
}

int memdata_resize(struct memdata *d, struct mem_limit *lim, u64 old, u64 size)
{
	int err;

	if (d->memfd) {
		err = promise_size(d, size);
		if (!err)
			err = fh_truncate(d->memfd, size);
		if (err || size < old)
			count_memfd(d, lim);
		return err;
	}
	if (size < old) {
		unmark_written(d, lim, size, MEMDATA_BUFFER_MAX);
		buffer_zero(d, size, old);
	}
	if (!size) {
		kfree(d->buf);
		d->buf = NULL;
		d->cap = 0;
	}
	return 0;
}

/* ---- holes ---- */

static int memfd_fallocate(struct memdata *d, struct mem_limit *lim, int mode, u64 off, u64 len,
			   u64 size)
{
	int err = 0;

	/*
	 * Others look at the limit while the host finds the memory: it is taken before.
	 * count_memfd() sets it right.
	 */
	if (!(mode & FALLOC_FL_PUNCH_HOLE) &&
	    (!memfd_may_grow(d, lim, off, len) || promise_size(d, max(size, off + len)) ||
	     !charge(d, lim, PAGE_ALIGN(off + len) - (off & PAGE_MASK))))
		return -ENOSPC;
	if (mode & FALLOC_FL_ZERO_RANGE) { /* memfds have no such call */
		err = fh_fallocate(d->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
		mode &= ~FALLOC_FL_ZERO_RANGE;
	}
	if (!err)
		err = fh_fallocate(d->memfd, mode, off, len);
	count_memfd(d, lim);
	return err;
}

int memdata_fallocate(struct memdata *d, struct mem_limit *lim, int mode, u64 off, u64 len,
		      u64 *size)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	u64 end = off + len, reached;
	int err = 0;

	if (mode & ~known)
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!d->memfd && !(mode & FALLOC_FL_PUNCH_HOLE)) {
		err = end > MEMDATA_BUFFER_MAX ? memdata_make_memfd(d, lim, *size)
					       : buffer_reserve(d, end);
		if (err)
			return err;
	}
	if (d->memfd) {
		err = memfd_fallocate(d, lim, mode, off, len, *size);
	} else {
		if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
			buffer_zero(d, off, end);
		if (mode & FALLOC_FL_PUNCH_HOLE) {
			unmark_written(d, lim, off, end);
		} else {
			reached = mark_written(d, lim, off, end);
			err = reached < end ? -ENOSPC : 0;
		}
	}
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE))
		*size = max(*size, end);
	return err;
}

s64 memdata_seek(struct memdata *d, u64 size, u64 off, int whence)
{
	bool want = whence == SEEK_DATA;
	u64 p;

	if (off >= size)
		return -ENXIO;
	if (d->memfd)
		return fh_seek_data(d->memfd, off, whence);
	for (p = off / PAGE_SIZE; p < MEMDATA_PAGES && p * PAGE_SIZE < size; p++)
		if (page_written(d, p) == want)
			return max(off, p * PAGE_SIZE);
	/* Behind the last page that the buffer can have there is a hole up to the end. */
	if (want)
		return -ENXIO;
	return min(max(off, p * PAGE_SIZE), size);
}

u64 memdata_blocks(struct memdata *d)
{
	struct kstat st;

	if (d->memfd)
		return fh_stat(d->memfd, &st) ? d->charged / 512 : st.blocks;
	return d->charged / 512;
}

void memdata_free(struct memdata *d, struct mem_limit *lim)
{
	limit_give(&lim->bytes, d->charged);
	commit_give(d->committed);
	d->committed = 0;
	set_charged(d, 0);
	fh_put(d->memfd);
	kfree(d->buf);
	d->memfd = NULL;
	d->buf = NULL;
}
