/*
 * Pipes. Life cycle: pipe2() makes one with an anonymous inode and two files; a fifo gets one at
 * its first open (fifo.c). inode->pipe leads to it, so /proc/PID/fd/N of a pipe opens like a fifo.
 * The last file frees it.
 *
 * Data moves between the ring and the guest under pipe->lock. Sleepers and pollers are woken after
 * the lock is dropped, and only when it matters: readers when the pipe was empty, writers when it
 * was full.
 */
#include "pipe.h"
#include "alloc.h"
#include "cred.h"
#include "pipe_priv.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"
#include <linux/capability.h>
#include <sys/ioctl.h>

#define IN_EVENTS (POLLIN | POLLRDNORM)
#define OUT_EVENTS (POLLOUT | POLLWRNORM)

static const struct wait_opts exclusive = {.state = KT_INTERRUPTIBLE, .exclusive = true};

static bool privileged(void)
{
	return capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN);
}

static bool too_many_slots(const struct user *u, u32 more)
{
	return load_relaxed(&u->pipe_slots) + more > PIPE_USER_PAGES_SOFT;
}

static void charge(struct user *u, s32 slots)
{
	__atomic_fetch_add(&u->pipe_slots, (u32)slots, __ATOMIC_RELAXED);
}

struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));
	u32 slots = PIPE_DEF_SLOTS;

	if (!p)
		return NULL;
	p->user = user_get(current->cred->user);
	if (too_many_slots(p->user, slots) && !privileged())
		slots = PIPE_FEW_SLOTS;
	charge(p->user, (s32)slots);
	mutex_init(&p->lock, "pipe", RANK_PIPE);
	pipe_ring_init(&p->ring, slots);
	wait_queue_init(&p->rd_wait);
	wait_queue_init(&p->wr_wait);
	fasync_list_init(&p->rd_async);
	fasync_list_init(&p->wr_async);
	wait_queue_init(&p->open_wait);
	wait_queue_init(&p->busy_wait);
	p->files = 1;
	return p;
}

void pipe_free(struct pipe *p)
{
	charge(p->user, -(s32)p->ring.nslots);
	user_put(p->user);
	pipe_ring_destroy(&p->ring);
	kfree(p);
}

void pipe_put(struct inode *inode, struct pipe *p)
{
	bool last;

	spin_lock(&inode->spin);
	last = --p->files == 0;
	if (last)
		inode->pipe = NULL;
	spin_unlock(&inode->spin);
	if (last)
		pipe_free(p);
}

bool pipe_readable(const struct pipe *p)
{
	return pipe_ring_used(&p->ring) || !load_acquire(&p->writers);
}

bool pipe_writable(const struct pipe *p)
{
	return !pipe_ring_full(&p->ring) || !load_acquire(&p->readers);
}

int pipe_wait_readable(struct pipe *p)
{
	int err = wait_event_expr(&p->rd_wait, pipe_readable(p), &exclusive);

	if (err && pipe_readable(p)) /* a wake-up may have been spent on us */
		wake_up_poll(&p->rd_wait, IN_EVENTS);
	return err;
}

int pipe_wait_writable(struct pipe *p)
{
	int err = wait_event_expr(&p->wr_wait, pipe_writable(p), &exclusive);

	if (err && pipe_writable(p))
		wake_up_poll(&p->wr_wait, OUT_EVENTS);
	return err;
}

void pipe_wake_writers(struct pipe *p)
{
	wake_up_poll(&p->wr_wait, OUT_EVENTS);
}

int pipe_lock_end(struct pipe *p, const bool *busy)
{
	int err;

	mutex_lock(&p->lock);
	while (unlikely(*busy)) {
		mutex_unlock(&p->lock);
		err = wait_event_expr(&p->busy_wait, !load_acquire(busy), NULL);
		if (err)
			return err;
		mutex_lock(&p->lock);
	}
	return 0;
}

static ssize_t pipe_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct pipe *p = f->priv;
	bool was_full, left, slept = false;
	ssize_t n;

	if (!iov_iter_count(to))
		return 0;
	for (;;) {
		n = pipe_lock_end(p, &p->rd_busy);
		if (n)
			return n;
		was_full = pipe_ring_full(&p->ring);
		n = pipe_ring_read(&p->ring, to);
		if (n || !p->writers)
			break;
		if (file_nonblock(f)) {
			n = -EAGAIN;
			break;
		}
		mutex_unlock(&p->lock);
		n = pipe_wait_readable(p);
		if (n)
			return n;
		slept = true;
	}
	was_full = was_full && !pipe_ring_full(&p->ring);
	left = pipe_ring_used(&p->ring);
	mutex_unlock(&p->lock);
	if (was_full)
		wake_up_poll(&p->wr_wait, OUT_EVENTS);
	if (slept && left) /* one wake-up a write: the rest is for the next */
		wake_up_poll(&p->rd_wait, IN_EVENTS);
	kill_fasync(&p->wr_async, POLL_OUT);
	if (n > 0 && p->named)
		inode_touch(f->inode, ATTR_ATIME);
	return n;
}

/* Stores what fits now. 0: everything; -EAGAIN: sleep for more; other errors end the write. */
static int write_some(struct pipe *p, struct iov_iter *from, bool packet, size_t *done,
		      bool *was_empty)
{
	bool empty = !pipe_ring_used(&p->ring);
	ssize_t n;

	if (!p->readers)
		return -EPIPE;
	n = pipe_ring_write(&p->ring, from, packet);
	if (n < 0)
		return (int)n;
	*done += (size_t)n;
	*was_empty |= n && empty;
	if (!iov_iter_count(from))
		return 0;
	return pipe_ring_full(&p->ring) ? -EAGAIN : -EFAULT;
}

void pipe_wake_readers(struct pipe *p, bool was_empty)
{
	if (was_empty || load_relaxed(&p->poll_usage))
		wake_up_poll(&p->rd_wait, IN_EVENTS);
}

/* The whole of a write, as far as it goes: `done` says how far. 0 or why it ended. */
static int write_all(struct pipe *p, struct iov_iter *from, const struct file *f, size_t *done)
{
	bool packet = file_flags(f) & O_DIRECT;
	bool slept = false, was_empty, room;
	int err;

	for (;;) {
		was_empty = false;
		err = pipe_lock_end(p, &p->wr_busy);
		if (err)
			return err;
		err = write_some(p, from, packet, done, &was_empty);
		room = !pipe_ring_full(&p->ring);
		mutex_unlock(&p->lock);
		if (*done)
			pipe_wake_readers(p, was_empty);
		kill_fasync(&p->rd_async, POLL_IN);
		if (err != -EAGAIN || file_nonblock(f))
			break;
		err = pipe_wait_writable(p);
		if (err)
			return err;
		slept = true;
	}
	if (slept && room) /* one wake-up a read: the rest is for the next */
		wake_up_poll(&p->wr_wait, OUT_EVENTS);
	return err;
}

static ssize_t pipe_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct pipe *p = f->priv;
	size_t done = 0;
	int err;

	if (!iov_iter_count(from))
		return 0;
	err = write_all(p, from, f, &done);
	if (err == -EPIPE && done)
		raise_sigpipe(); /* half a write is none that the VFS does it for */
	if (done && p->named)
		inode_touch(f->inode, ATTR_MTIME | ATTR_CTIME);
	return done ? (ssize_t)done : err;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	u32 events = 0;

	if (pt && pt->queue) {
		store_relaxed(&p->poll_usage, true);
		if (f->mode & FMODE_READ)
			poll_wait(pt, &p->rd_wait);
		if (f->mode & FMODE_WRITE)
			poll_wait(pt, &p->wr_wait);
	}
	if (f->mode & FMODE_READ) {
		if (pipe_ring_used(&p->ring))
			events |= IN_EVENTS;
		if (!load_acquire(&p->writers) && fifo_had_writer(f, p))
			events |= POLLHUP;
	}
	if (f->mode & FMODE_WRITE) {
		if (!pipe_ring_full(&p->ring))
			events |= OUT_EVENTS;
		if (!load_acquire(&p->readers))
			events |= POLLERR;
	}
	return events;
}

static long pipe_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	struct pipe *p = f->priv;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	return put_user((int)min(load_relaxed(&p->ring.bytes), (u64)INT32_MAX), arg);
}

static int pipe_fasync(int fd, struct file *f, bool on)
{
	struct pipe *p = f->priv;
	int ret = 0;

	mutex_lock(&p->lock); /* both ends at once */
	if (f->mode & FMODE_READ)
		ret = fasync_helper(fd, f, on, &p->rd_async);
	if (ret >= 0 && f->mode & FMODE_WRITE) {
		ret = fasync_helper(fd, f, on, &p->wr_async);
		if (ret < 0)
			(void)!fasync_helper(-1, f, false, &p->rd_async);
	}
	mutex_unlock(&p->lock);
	return ret;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;
	struct inode *inode = f->inode;
	bool one_side;

	mutex_lock(&p->lock);
	if (f->mode & FMODE_READ)
		store_release(&p->readers, p->readers - 1);
	if (f->mode & FMODE_WRITE)
		store_release(&p->writers, p->writers - 1);
	pipe_wake_ends(p);
	one_side = !p->readers != !p->writers;
	mutex_unlock(&p->lock);
	if (one_side) {
		kill_fasync(&p->rd_async, POLL_IN);
		kill_fasync(&p->wr_async, POLL_OUT);
	}
	pipe_put(inode, p);
}

void pipe_wake_ends(struct pipe *p)
{
	if (!p->readers != !p->writers) {
		wake_up_nr(&p->rd_wait, INT32_MAX, IN_EVENTS | POLLHUP);
		wake_up_nr(&p->wr_wait, INT32_MAX, OUT_EVENTS | POLLERR);
	}
}

const struct file_operations fifo_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.llseek = no_llseek,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fasync = pipe_fasync,
	.open = fifo_open,
	.release = pipe_release,
};

bool file_is_pipe(const struct file *f)
{
	return f->ops == &fifo_ops;
}

struct pipe *file_pipe(const struct file *f)
{
	return file_is_pipe(f) ? f->priv : NULL;
}

long pipe_get_size(struct file *f)
{
	struct pipe *p = f->priv;

	if (!file_is_pipe(f))
		return -EBADF;
	return (long)load_relaxed(&p->ring.nslots) * PIPE_SLOT_SIZE;
}

/* Under the lock. */
static int resize(struct pipe *p, u32 slots)
{
	s32 more = (s32)(slots - p->ring.nslots);
	int err;

	if (more > 0 && !privileged() &&
	    ((u64)slots * PIPE_SLOT_SIZE > PIPE_MAX_SIZE || too_many_slots(p->user, (u32)more)))
		return -EPERM;
	err = pipe_ring_resize(&p->ring, slots);
	if (!err)
		charge(p->user, more);
	return err;
}

long pipe_set_size(struct file *f, u64 size)
{
	struct pipe *p = f->priv;
	u32 slots = 1;
	bool room;
	int err;

	if (!file_is_pipe(f))
		return -EBADF;
	size = (u32)size; /* as fcntl's argument is taken */
	if (size > 1u << 31)
		return -EINVAL;
	while ((u64)slots * PIPE_SLOT_SIZE < size)
		slots *= 2;
	err = pipe_lock_end(p, &p->wr_busy); /* who has it counts on the room */
	if (err)
		return err;
	err = resize(p, slots);
	room = !pipe_ring_full(&p->ring);
	mutex_unlock(&p->lock);
	if (!err && room)
		wake_up_poll(&p->wr_wait, OUT_EVENTS);
	return err ? err : (long)slots * PIPE_SLOT_SIZE;
}

/* Both ends, open: ends[0] for reading. */
static int pipe_open_ends(struct file *ends[2], int flags)
{
	struct pipe *p = pipe_alloc();

	if (!p)
		return -ENOMEM;
	ends[0] = file_open_anon_inode("pipe", S_IFIFO | 0600, &fifo_ops, p,
				       O_RDONLY | (flags & O_NONBLOCK));
	if (IS_ERR(ends[0])) {
		pipe_free(p);
		return (int)PTR_ERR(ends[0]);
	}
	ends[0]->inode->pipe = p;
	p->readers = 1;
	p->r_opened = p->w_opened = 1;
	ends[1] = file_open_anon_again(ends[0], &fifo_ops, p,
				       O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	if (IS_ERR(ends[1])) {
		file_put(ends[0]);
		return (int)PTR_ERR(ends[1]);
	}
	p->writers = 1;
	p->files = 2;
	return 0;
}

long sys_pipe2(uaddr_t fds, int flags)
{
	struct file *ends[2] = {NULL, NULL};
	int err, fd[2];

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_open_ends(ends, flags);
	if (err)
		return err;
	err = fd[0] = fd_reserve(0, flags & O_CLOEXEC);
	if (err < 0)
		goto out_files;
	err = fd[1] = fd_reserve(0, flags & O_CLOEXEC);
	if (err < 0)
		goto out_fd;
	err = copy_to_user(fds, fd, sizeof(fd));
	if (err)
		goto out_fds;
	fd_install(fd[0], ends[0]);
	fd_install(fd[1], ends[1]);
	return 0;
out_fds:
	fd_unreserve(fd[1]);
out_fd:
	fd_unreserve(fd[0]);
out_files:
	file_put(ends[0]);
	file_put(ends[1]);
	return err;
}

long sys_pipe(uaddr_t fds)
{
	return sys_pipe2(fds, 0);
}
