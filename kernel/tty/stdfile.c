/*
 * stdin, stdout and stderr that aren't terminals: guest files that pass reads and writes through to
 * the host's descriptors, so that positions and contents are shared with the programs around
 * heddle.
 *
 * Data goes through a buffer in the kernel. Nothing waits in a host call: what isn't ready is
 * waited for by the event thread, and a regular file that must come from the disk is read by an I/O
 * worker.
 */
#include "alloc.h"
#include "console.h"
#include "event.h"
#include "fasync.h"
#include "fs.h"
#include "log.h"
#include "signals.h"
#include "task.h"
#include "tty_priv.h"
#include <asm/ioctls.h>
#include <limits.h>

#define PIECE 65536u

/* One of the three: lives as long as the kernel. */
struct stdfile {
	struct host_stdio *host;
	struct host_ready ready; /* pipes, sockets */
	bool watched;		 /* constant: ready is initialised */
	struct wait_queue wait;
	struct fasync_list async; /* guest files with O_ASYNC */
	u32 files;		  /* atomic: open guest files */
};
static struct stdfile stdfiles[3]; /* constant but for their own locks */

/*
 * file->priv. A regular file's position is the host's, which others move too; f->pos follows it.
 * When f->pos is found changed (sendfile), the host's is set.
 */
struct std_open {
	struct stdfile *std; /* constant */
	bool again;	     /* constant: a file opened through /proc has a position of its own */
	u64 synced;	     /* f->pos_lock: what f->pos was left at */
};

static struct stdfile *file_std(const struct file *f)
{
	return ((struct std_open *)f->priv)->std;
}

static bool is_file(const struct stdfile *s)
{
	return s->host->kind == HOST_STDIO_FILE;
}

/* Is this transfer at the position that we share with the host? */
static bool at_host_position(const struct file *f, const u64 *pos)
{
	const struct std_open *o = f->priv;

	return is_file(o->std) && !o->again && pos == &f->pos;
}

/* Where the transfer is, if not where the host stands. */
static u64 *own_position(struct file *f, u64 *pos)
{
	return is_file(file_std(f)) && !at_host_position(f, pos) ? pos : NULL;
}

/* Around a transfer at the host's position, under f->pos_lock. */
static int host_position_begin(struct file *f)
{
	struct std_open *o = f->priv;
	s64 err = 0;

	if (f->pos != o->synced)
		err = host_stdio_lseek(o->std->host, f->pos, SEEK_SET);
	return err < 0 ? err : 0;
}

static void host_position_end(struct file *f)
{
	struct std_open *o = f->priv;
	s64 pos = host_stdio_lseek(o->std->host, 0, SEEK_CUR);

	if (pos >= 0)
		f->pos = o->synced = pos;
}

static void on_ready(void *arg, u32 events)
{
	struct stdfile *s = arg;

	wake_up_all(&s->wait);
	if (events & POLLIN)
		kill_fasync(&s->async, POLL_IN);
	if (events & POLLOUT)
		kill_fasync(&s->async, POLL_OUT);
}

static u32 with_trouble(u32 events)
{
	return events | POLLERR | POLLHUP;
}

/* Ready now? If not, the event thread will wake s->wait. */
static bool ready_or_want(struct stdfile *s, u32 events)
{
	if (host_stdio_poll(s->host, events, 0) & with_trouble(events))
		return true;
	return !s->watched || !host_ready_want(&s->ready, events);
}

/* After -EAGAIN of the host. 0: try again. */
static int await(struct file *f, struct stdfile *s, u32 events)
{
	static const struct wait_opts opts = {.state = KT_INTERRUPTIBLE};

	if (file_nonblock(f)) {
		/* Whoever waits for an edge is to see one. */
		ready_or_want(s, events);
		return -EAGAIN;
	}
	return wait_event_expr(&s->wait, ready_or_want(s, events), &opts);
}

/* ---- host calls that may wait for a disk ---- */

struct job {
	struct host_stdio *host;
	void *buf;
	size_t n;
	u64 off;
	bool flag;
};

static long do_read(void *arg)
{
	struct job *j = arg;

	return host_stdio_read_wait(j->host, j->buf, j->n);
}

static long do_pread(void *arg)
{
	struct job *j = arg;

	return host_stdio_pread(j->host, j->buf, j->n, j->off);
}

static long do_pwrite(void *arg)
{
	struct job *j = arg;

	return host_stdio_pwrite(j->host, j->buf, j->n, j->off);
}

static long do_sync(void *arg)
{
	struct job *j = arg;

	return host_stdio_sync(j->host, j->flag);
}

/* ---- reading ---- */

/* A piece from where the host stands. */
static ssize_t read_piece(struct file *f, void *buf, size_t n)
{
	struct stdfile *s = file_std(f);
	struct job job = {.host = s->host, .buf = buf, .n = n};

	for (;;) {
		ssize_t got = host_stdio_read(s->host, buf, n);

		if (got != -EAGAIN)
			return got;
		if (is_file(s))
			return io_worker_call(do_read, &job);
		got = await(f, s, POLLIN);
		if (got)
			return got;
	}
}

static ssize_t pread_piece(struct file *f, void *buf, size_t n, u64 off)
{
	struct job job = {.host = file_std(f)->host, .buf = buf, .n = n, .off = off};

	return io_worker_call(do_pread, &job);
}

static ssize_t read_loop(struct file *f, struct iov_iter *to, u64 *pos, u8 *buf, size_t size)
{
	size_t total = 0;
	ssize_t n = 0;

	/* Only files go on after a piece: a pipe's reader gets what is there. */
	while (iov_iter_count(to)) {
		size_t want = min(iov_iter_count(to), size);

		n = pos ? pread_piece(f, buf, want, *pos) : read_piece(f, buf, want);
		if (n <= 0)
			break;
		if (copy_to_iter(buf, n, to) != (size_t)n) {
			n = -EFAULT;
			break;
		}
		total += n;
		if (pos)
			*pos += n;
		if (!is_file(file_std(f)) || (size_t)n < want)
			break;
	}
	return total ? (ssize_t)total : n;
}

/* A loop by a buffer of one piece, which holds the host's position where that is to be used. */
static ssize_t by_pieces(struct file *f, struct iov_iter *it, u64 *pos,
			 ssize_t (*loop)(struct file *f, struct iov_iter *it, u64 *pos, u8 *buf,
					 size_t size))
{
	size_t size = min(iov_iter_count(it), (size_t)PIECE);
	bool shared = at_host_position(f, pos);
	ssize_t n;
	u8 *buf;

	if (!size)
		return 0;
	buf = kmalloc(size);
	if (!buf)
		return -ENOMEM;
	n = shared ? host_position_begin(f) : 0;
	if (!n)
		n = loop(f, it, own_position(f, pos), buf, size);
	if (shared)
		host_position_end(f);
	kfree(buf);
	return n;
}

static ssize_t std_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct stdfile *s = file_std(f);
	ssize_t n = by_pieces(f, to, pos, read_loop);

	if (n > 0 && fasync_wanted(&s->async))
		(void)host_ready_want(&s->ready, POLLIN);
	return n;
}

/* ---- writing ---- */

/* Bytes written before the first error, which is left in *err. */
static size_t write_piece(struct file *f, const u8 *buf, size_t n, int *err)
{
	struct stdfile *s = file_std(f);
	size_t done = 0;

	while (done < n && !*err) {
		ssize_t w = host_stdio_write(s->host, buf + done, n - done);

		if (w >= 0)
			done += w;
		else if (w == -EAGAIN)
			*err = await(f, s, POLLOUT);
		else
			*err = w;
	}
	return done;
}

static size_t pwrite_piece(struct file *f, u8 *buf, size_t n, u64 *pos, int *err)
{
	struct job job = {.host = file_std(f)->host, .buf = buf, .n = n, .off = *pos};
	ssize_t w = io_worker_call(do_pwrite, &job);

	if (w < 0) {
		*err = w;
		return 0;
	}
	*pos += w;
	return w;
}

static ssize_t write_loop(struct file *f, struct iov_iter *from, u64 *pos, u8 *buf, size_t size)
{
	size_t total = 0;
	struct stat st;
	int err = 0;

	if (pos && (file_flags(f) & O_APPEND)) {
		err = host_stdio_stat(file_std(f)->host, &st);
		*pos = st.st_size;
	}
	while (iov_iter_count(from) && !err) {
		size_t n = copy_from_iter(buf, min(iov_iter_count(from), size), from), done;

		if (!n) {
			err = -EFAULT;
			break;
		}
		done = pos ? pwrite_piece(f, buf, n, pos, &err) : write_piece(f, buf, n, &err);
		total += done;
		if (done < n) {
			iov_iter_revert(from, n - done);
			if (!done)
				break;
		}
	}
	return total ? (ssize_t)total : err;
}

static ssize_t std_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	return by_pieces(f, from, pos, write_loop);
}

/* ---- the rest ---- */

static u32 std_poll(struct file *f, struct poll_table *pt)
{
	struct stdfile *s = file_std(f);
	u32 asked = POLLIN | POLLOUT, events;

	if (pt)
		asked &= pt->events;
	if (!(f->mode & FMODE_READ))
		asked &= ~POLLIN;
	if (!(f->mode & FMODE_WRITE))
		asked &= ~POLLOUT;
	if (!s->watched)
		return asked | asked << 6; /* POLLRDNORM, POLLWRNORM */
	poll_wait(pt, &s->wait);
	events = host_stdio_poll(s->host, asked, 0) & with_trouble(asked);
	if (asked & ~events)
		host_ready_want(&s->ready, asked & ~events);
	if (events & POLLIN)
		events |= POLLRDNORM;
	if (events & POLLOUT)
		events |= POLLWRNORM;
	return events;
}

static s64 std_llseek(struct file *f, s64 off, int whence)
{
	struct std_open *o = f->priv;
	struct stat st;
	s64 pos;

	if (o->again) {
		if (host_stdio_stat(o->std->host, &st) == 0)
			store_relaxed(&f->inode->size, (u64)st.st_size);
		return generic_llseek(f, off, whence);
	}
	pos = host_stdio_lseek(o->std->host, off, whence);
	if (pos >= 0)
		f->pos = o->synced = pos;
	return pos;
}

static long std_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	int n;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	n = host_stdio_readable_bytes(file_std(f)->host);
	return n < 0 ? n : put_user(n, arg);
}

static int std_mmap(struct file *f, int prot, int flags, u64 off, size_t len, struct mmap_target *t)
{
	if (!is_file(file_std(f)))
		return -ENODEV;
	t->hostfd = file_std(f)->host->fd;
	t->offset = off;
	return 0;
}

static int std_fsync(struct file *f, bool datasync)
{
	struct job job = {.host = file_std(f)->host, .flag = datasync};

	return io_worker_call(do_sync, &job);
}

/*
 * What the host tells is that a descriptor has become ready, not each write at its other end. So
 * one is told of input that comes after one has read, or that is there already; of room after a
 * write that found none.
 */
static int std_fasync(int fd, struct file *f, bool on)
{
	struct stdfile *s = file_std(f);
	int ret = fasync_helper(fd, f, on, &s->async);

	if (on && ret >= 0 && f->mode & FMODE_READ)
		(void)host_ready_want(&s->ready, POLLIN);
	return ret;
}

static void std_release(struct file *f)
{
	struct std_open *o = f->priv;

	if (__atomic_sub_fetch(&o->std->files, 1, __ATOMIC_ACQ_REL) == 0)
		host_stdio_retire(o->std->host);
	kfree(o);
}

static struct std_open *std_open_new(struct stdfile *s, bool again)
{
	struct std_open *o = kzalloc(sizeof(*o));

	if (!o)
		return NULL;
	o->std = s;
	o->again = again && is_file(s);
	__atomic_add_fetch(&s->files, 1, __ATOMIC_RELAXED);
	return o;
}

/* Opened again through /proc/PID/fd: no more than the host's descriptor was opened for. */
static int std_open_again(struct inode *inode, struct file *f)
{
	struct stdfile *s = inode->priv;
	u32 had = s->host->flags & O_ACCMODE;

	if (((f->mode & FMODE_READ) && had == O_WRONLY) ||
	    ((f->mode & FMODE_WRITE) && had == O_RDONLY))
		return -EACCES;
	f->priv = std_open_new(s, true);
	return f->priv ? 0 : -ENOMEM;
}

static const struct file_operations std_fops = {
	.open = std_open_again,
	.release = std_release,
	.read = std_read,
	.write = std_write,
	.poll = std_poll,
	.llseek = std_llseek,
	.ioctl = std_ioctl,
	.mmap = std_mmap,
	.fsync = std_fsync,
};

/* Pipes and sockets: the same, with what only they can do. */
static const struct file_operations std_stream_fops = {
	.open = std_open_again,
	.release = std_release,
	.read = std_read,
	.write = std_write,
	.poll = std_poll,
	.llseek = std_llseek,
	.ioctl = std_ioctl,
	.fsync = std_fsync,
	.fasync = std_fasync,
};

static const struct file_operations *std_ops(const struct stdfile *s)
{
	enum host_stdio_kind kind = s->host->kind;

	return kind == HOST_STDIO_PIPE || kind == HOST_STDIO_SOCKET ? &std_stream_fops : &std_fops;
}

/* Sizes and times are the host's; the rest is an inode of ours. */
static int std_getattr(struct inode *inode, struct kstat *st)
{
	struct stdfile *s = inode->priv;
	struct stat host;
	int err = host_stdio_stat(s->host, &host);

	if (err)
		return err;
	generic_getattr(inode, st);
	st->size = host.st_size;
	st->blocks = host.st_blocks;
	st->blksize = host.st_blksize;
	st->atime = host.st_atim;
	st->mtime = host.st_mtim;
	st->ctime = host.st_ctim;
	return 0;
}

static int std_setattr(struct inode *inode, struct iattr *a)
{
	struct stdfile *s = inode->priv;
	int err = 0;

	if (a->valid & ATTR_SIZE)
		err = host_stdio_truncate(s->host, a->size);
	return err ? err : generic_setattr(inode, a);
}

static const struct inode_operations std_inode_ops = {
	.getattr = std_getattr,
	.setattr = std_setattr,
};

static const char *const prefixes[] = {
	[HOST_STDIO_FILE] = "file",
	[HOST_STDIO_PIPE] = "pipe",
	[HOST_STDIO_SOCKET] = "socket",
	[HOST_STDIO_OTHER] = "host",
};

static u32 guest_mode(const struct host_stdio *h)
{
	switch (h->kind) {
	case HOST_STDIO_FILE:
		return S_IFREG | (h->st.st_mode & 0777);
	case HOST_STDIO_SOCKET:
		return S_IFSOCK | 0777;
	default:
		return S_IFIFO | 0600;
	}
}

struct file *stdfile_open(struct host_stdio *h)
{
	struct stdfile *s = &stdfiles[h->fd];
	struct std_open *o = std_open_new(s, false);
	struct file *f;

	if (!o)
		return ERR_PTR(-ENOMEM);
	f = file_open_anon_inode(prefixes[h->kind], guest_mode(h), std_ops(s), o, h->flags);
	if (IS_ERR(f)) {
		__atomic_sub_fetch(&s->files, 1, __ATOMIC_RELAXED);
		kfree(o);
		return f;
	}
	/* Nobody else has seen the inode yet. */
	f->inode->ops = &std_inode_ops;
	f->inode->fops = std_ops(s);
	f->inode->priv = s;
	if (is_file(s)) {
		f->mode |= FMODE_LSEEK | FMODE_ATOMIC_POS;
		host_position_end(f);
	}
	return f;
}

/* ---- boot ---- */

int stdfile_init(struct host_stdio *h)
{
	struct stdfile *s = &stdfiles[h->fd];
	int err;

	s->host = h;
	wait_queue_init(&s->wait);
	fasync_list_init(&s->async);
	if (h->kind != HOST_STDIO_PIPE && h->kind != HOST_STDIO_SOCKET &&
	    h->kind != HOST_STDIO_OTHER)
		return 0;
	err = host_ready_init(&s->ready, h->io, on_ready, s);
	s->watched = !err && s->ready.watch;
	return err;
}
