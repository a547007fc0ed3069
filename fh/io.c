/*
 * Data operations of handles: each pins for its own time.
 *
 * A read asks the host not to wait for a disk (RWF_NOWAIT); what is not in the page cache is read
 * by an I/O worker while the task sleeps. So does a write, where the host's file system can tell
 * (xfs, btrfs). Where it can't (ext4; each directory is asked once), what took long says that the
 * next change of this file may as well: it goes to a worker, until one is quick again. So it is
 * with reads where the host can't tell about those (overlays, FUSE, 9p), but that a slow one says
 * the same of other files in the directory.
 *
 * Data goes through one buffer: from the page cache of the host into the buffer, from there into
 * the guest. (Mapping the file into the kernel instead, to move data once, costs five times as much
 * for 64 KiB: page faults and unmapping outweigh the copy. What is large goes without either:
 * kernel/mm/fileio.c.)
 */
#include "fh/handle.h"

#include "alloc.h"
#include "cpu.h"
#include "event.h"
#include "fs.h"
#include "os/hostfile.h"

#define IOBUF_SIZE (128 * 1024UL) /* stays in a core's cache between the two copies */

/* ---- buffers: one kept for each CPU ---- */

static void *iobufs[MAX_CPUS]; /* atomic: a free buffer, or NULL */

/*
 * The CPU is only a hint where to look: the buffer belongs to the caller until iobuf_put(),
 * wherever it runs then.
 */
static void **iobuf_slot(void)
{
	struct cpu *c = this_cpu();

	return &iobufs[c ? c->id : 0];
}

static void *iobuf_get(void)
{
	void *b = __atomic_exchange_n(iobuf_slot(), NULL, __ATOMIC_ACQUIRE);

	return b ? b : pages_alloc(IOBUF_SIZE / PAGE_SIZE);
}

static void iobuf_put(void *b)
{
	b = __atomic_exchange_n(iobuf_slot(), b, __ATOMIC_ACQ_REL);
	if (b)
		pages_free(b, IOBUF_SIZE / PAGE_SIZE);
}

/* ---- reading ---- */

struct read_job {
	int fd;
	void *buf;
	size_t n;
	u64 off;
	u64 took; /* ns */
};

#define READ_QUICK_NS                                                                              \
	NSEC_PER_MSEC /* a hundred times what a full buffer takes from the page cache */

static long timed_read(void *arg)
{
	struct read_job *j = arg;
	ktime_t start = ktime_mono();
	long ret = host_pread(j->fd, j->buf, j->n, j->off, 0);

	j->took = ktime_mono() - start;
	return ret;
}

/* The host can't tell whether it will wait: here, or by a worker if the last one was slow. */
static ssize_t read_and_see(struct fh *h, struct read_job *job)
{
	ssize_t ret = load_relaxed(&h->slow_read) ? io_worker_call(timed_read, job)
						  : timed_read(job);

	handle_read_was(h, job->took > READ_QUICK_NS);
	return ret;
}

bool fh_reads_cant_tell(const struct fh *h)
{
	return load_relaxed(&h->no_nowait);
}

/* From the pinned descriptor. May sleep the task. */
static ssize_t read_pinned(struct fh *h, int fd, void *buf, size_t n, u64 off)
{
	struct read_job job = {fd, buf, n, off, 0};
	ssize_t ret;

	if (h->memory)
		return host_pread(fd, buf, n, off, 0);
	if (fh_reads_cant_tell(h))
		return read_and_see(h, &job);
	ret = host_pread(fd, buf, n, off, HOST_NOWAIT);
	if (ret == -EOPNOTSUPP) {
		handle_cant_tell(h, false);
		return read_and_see(h, &job);
	}
	return ret == -EAGAIN ? io_worker_call(timed_read, &job) : ret;
}

ssize_t fh_pread(struct fh *h, void *buf, size_t n, u64 off)
{
	size_t done = 0;
	ssize_t ret = 0;
	int fd = get_fh(h);

	if (fd < 0)
		return fd;
	while (done < n) {
		ret = read_pinned(h, fd, (char *)buf + done, n - done, off + done);
		if (ret <= 0)
			break;
		done += ret;
	}
	put_fh(h);
	return done ? (ssize_t)done : ret;
}

ssize_t fh_read_iter(struct fh *h, struct iov_iter *to, u64 off, u64 eof)
{
	size_t done = 0, want, copied;
	/* The host may want other addresses for O_DIRECT. */
	u8 *direct = h->flags & O_DIRECT ? NULL : iov_iter_kernel_piece(to);
	ssize_t ret = 0;
	int fd = get_fh(h);
	void *buf = NULL;

	if (fd < 0)
		return fd;
	if (!direct)
		buf = iobuf_get();
	if (!direct && !buf) {
		put_fh(h);
		return -ENOMEM;
	}
	while (iov_iter_count(to)) {
		want = direct ? iov_iter_count(to) : min(iov_iter_count(to), IOBUF_SIZE);
		ret = read_pinned(h, fd, direct ? direct + done : buf, want, off + done);
		if (ret <= 0)
			break;
		copied = ret;
		if (direct)
			iov_iter_advance(to, ret);
		else
			copied = copy_to_iter(buf, ret, to);
		done += copied;
		if (copied < (size_t)ret) {
			ret = -EFAULT;
			break;
		}
		/* Short: the end, or what was in the cache ended here. */
		if (copied < want && off + done == eof)
			break;
	}
	if (buf)
		iobuf_put(buf);
	put_fh(h);
	return done ? (ssize_t)done : ret;
}

/* ---- changes that may take long ---- */

#define QUICK_NS (20 * NSEC_PER_MSEC) /* more than a busy host makes a thread wait for a core */

bool fh_writes_are_slow(const struct fh *h)
{
	return load_relaxed(&h->slow);
}

void fh_write_took(struct fh *h, u64 ns)
{
	bool slow = ns > QUICK_NS && !h->memory;

	if (fh_writes_are_slow(h) != slow)
		store_relaxed(&h->slow, slow);
}

struct change {
	struct fh *h;
	long (*fn)(void *arg);
	void *arg;
};

static long timed_change(void *arg)
{
	struct change *c = arg;
	ktime_t start = ktime_mono();
	long ret = c->fn(c->arg);

	fh_write_took(c->h, ktime_mono() - start);
	return ret;
}

/* Of the pinned h: here, or by a worker if the last one was slow. May sleep the task. */
static long change_pinned(struct fh *h, long (*fn)(void *arg), void *arg)
{
	struct change c = {h, fn, arg};

	return fh_writes_are_slow(h) ? io_worker_call(timed_change, &c) : timed_change(&c);
}

/* ---- writing ---- */

struct write_job {
	int fd;
	const char *buf;
	size_t n;
	u64 off; /* or FH_APPEND */
};

static long write_now(void *arg)
{
	const struct write_job *j = arg;

	return j->off == FH_APPEND ? host_append(j->fd, j->buf, j->n)
				   : host_pwrite(j->fd, j->buf, j->n, j->off);
}

static ssize_t write_nowait(const struct write_job *j)
{
	return j->off == FH_APPEND ? host_append_nowait(j->fd, j->buf, j->n)
				   : host_pwrite_nowait(j->fd, j->buf, j->n, j->off);
}

/* To the pinned descriptor. May sleep the task. */
static ssize_t write_pinned(struct fh *h, int fd, const void *buf, size_t n, u64 off)
{
	struct write_job j = {fd, buf, n, off};
	ssize_t ret, done = 0;

	if (h->memory)
		return write_now(&j);
	if (load_relaxed(&h->no_nowait_write))
		return change_pinned(h, write_now, &j);
	ret = write_nowait(&j);
	if (ret == -EOPNOTSUPP || ret == -EINVAL) {
		handle_cant_tell(h, true);
		return change_pinned(h, write_now, &j);
	}
	if (ret != -EAGAIN && (ret < 0 || (size_t)ret == n))
		return ret;
	/* The rest would wait. */
	if (ret > 0) {
		done = ret;
		j.buf += done;
		j.n -= done;
		if (off != FH_APPEND)
			j.off += done;
	}
	ret = io_worker_call(write_now, &j);
	return ret < 0 ? (done ? done : ret) : done + ret;
}

ssize_t fh_pwrite(struct fh *h, const void *buf, size_t n, u64 off)
{
	size_t done = 0;
	ssize_t ret = 0;
	int fd = get_fh(h);

	if (fd < 0)
		return fd;
	while (done < n) {
		ret = write_pinned(h, fd, (const char *)buf + done, n - done, off + done);
		if (ret <= 0)
			break;
		done += ret;
	}
	put_fh(h);
	return done ? (ssize_t)done : ret;
}

ssize_t fh_write_iter(struct fh *h, struct iov_iter *from, u64 off)
{
	size_t done = 0, want, got;
	ssize_t ret = 0;
	int fd = get_fh(h);
	void *buf;

	if (fd < 0)
		return fd;
	buf = iobuf_get();
	if (!buf) {
		put_fh(h);
		return -ENOMEM;
	}
	while (iov_iter_count(from)) {
		want = min(iov_iter_count(from), IOBUF_SIZE);
		got = copy_from_iter(buf, want, from);
		if (!got)
			ret = -EFAULT;
		else
			ret = write_pinned(h, fd, buf, got, off == FH_APPEND ? off : off + done);
		if (ret < 0) {
			iov_iter_revert(from, got);
			break;
		}
		done += ret;
		iov_iter_revert(from, got - ret);
		if ((size_t)ret < want)
			break; /* a bad address ends it, or a full disk: the next call tells */
	}
	iobuf_put(buf);
	put_fh(h);
	return done ? (ssize_t)done : ret;
}

struct copy_job {
	int in, out;
	u64 pos_in, pos_out;
	size_t n;
	bool share;
};

static long copy_on_worker(void *arg)
{
	const struct copy_job *j = arg;

	return j->share ? host_clone_range(j->in, j->pos_in, j->out, j->pos_out, j->n)
			: host_copy_range(j->in, j->pos_in, j->out, j->pos_out, j->n);
}

ssize_t fh_copy_range(struct fh *in, u64 pos_in, struct fh *out, u64 pos_out, size_t n, bool share)
{
	struct copy_job job = {.pos_in = pos_in, .pos_out = pos_out, .n = n, .share = share};
	ssize_t ret;

	job.in = get_fh(in);
	if (job.in < 0)
		return job.in;
	job.out = get_fh(out);
	ret = job.out;
	if (job.out >= 0) {
		ret = io_worker_call(copy_on_worker, &job);
		put_fh(out);
	}
	put_fh(in);
	return ret;
}

/* ---- the rest ---- */

struct sync_job {
	int fd;
	enum { SYNC_ALL, SYNC_DATA, SYNC_FS } what;
};

static long sync_on_worker(void *arg)
{
	struct sync_job *j = arg;

	return j->what == SYNC_FS ? host_syncfs(j->fd) : host_fsync(j->fd, j->what == SYNC_DATA);
}

static int sync_pinned(struct fh *h, struct sync_job job)
{
	int err;

	job.fd = get_fh(h);
	if (job.fd < 0)
		return job.fd;
	err = io_worker_call(sync_on_worker, &job);
	put_fh(h);
	return err;
}

/* What closing the descriptor told while nobody was there to hear it. */
static int take_lost(struct fh *h)
{
	return __atomic_exchange_n(&h->lost, 0, __ATOMIC_RELAXED);
}

int fh_fsync(struct fh *h, bool datasync)
{
	int err = sync_pinned(h, (struct sync_job){.what = datasync ? SYNC_DATA : SYNC_ALL});
	int lost = take_lost(h);

	return err ? err : lost;
}

static long flush_on_worker(void *arg)
{
	return host_flush(*(int *)arg);
}

int fh_flush(struct fh *h)
{
	int err = 0, fd;

	/* One that was closed has been flushed. */
	if (fh_try_pin(h)) {
		fd = h->fd;
		if (host_flushes(fd))
			err = io_worker_call(flush_on_worker, &fd);
		put_fh(h);
	}
	return err ? err : take_lost(h);
}

int fh_syncfs(struct fh *h)
{
	return sync_pinned(h, (struct sync_job){.what = SYNC_FS});
}

/* Runs a call on the pinned descriptor, as `fd`. */
#define WITH_FD(h, call)                                                                           \
	({                                                                                         \
		int fd = get_fh(h);                                                                \
		__typeof__(call) wf_ret = fd;                                                      \
		if (fd >= 0) {                                                                     \
			wf_ret = (call);                                                           \
			put_fh(h);                                                                 \
		}                                                                                  \
		wf_ret;                                                                            \
	})

#define SOON_DONE (16u << 20) /* so many bytes of memory are found at once, on the CPU */

struct size_job {
	int fd, mode; /* fallocate's; -1: truncate */
	u64 off, len;
};

static long size_now(void *arg)
{
	const struct size_job *j = arg;

	return j->mode < 0 ? host_ftruncate(j->fd, j->len)
			   : host_fallocate(j->fd, j->mode, j->off, j->len);
}

int fh_truncate(struct fh *h, u64 size)
{
	struct size_job j = {.mode = -1, .len = size};

	return WITH_FD(h, (j.fd = fd, (int)change_pinned(h, size_now, &j)));
}

/* Seldom, and long if it is much, in memory too. */
int fh_fallocate(struct fh *h, int mode, u64 off, u64 len)
{
	struct size_job j = {0, mode, off, len};
	bool soon = h->memory && len <= SOON_DONE;

	return WITH_FD(h, (j.fd = fd, (int)(soon ? size_now(&j) : io_worker_call(size_now, &j))));
}

s64 fh_seek_data(struct fh *h, u64 off, int whence)
{
	return WITH_FD(h, host_lseek(fd, off, whence));
}

int fh_add_seals(struct fh *h, unsigned seals)
{
	return WITH_FD(h, host_add_seals(fd, seals));
}

int fh_get_seals(struct fh *h)
{
	return WITH_FD(h, host_get_seals(fd));
}

int fh_stat(struct fh *h, struct kstat *st)
{
	return WITH_FD(h, host_fstat(fd, st));
}

int fh_statfs(struct fh *h, struct kstatfs *st)
{
	return WITH_FD(h, host_fstatfs(fd, st));
}

static int setattr_pinned(int fd, u32 valid, u32 mode, u32 uid, u32 gid,
			  const struct timespec times[2])
{
	int err = 0;

	/* The owner first: changing it may take set-id bits away. */
	if (valid & (ATTR_UID | ATTR_GID))
		err = host_fchown(fd, valid & ATTR_UID ? uid : UINT32_MAX,
				  valid & ATTR_GID ? gid : UINT32_MAX);
	if (!err && valid & ATTR_MODE)
		err = host_fchmod(fd, mode);
	if (!err && valid & (ATTR_ATIME | ATTR_MTIME))
		err = host_futimens(fd, times);
	return err;
}

int fh_setattr(struct fh *h, u32 valid, u32 mode, u32 uid, u32 gid, const struct timespec times[2])
{
	return WITH_FD(h, setattr_pinned(fd, valid, mode, uid, gid, times));
}
