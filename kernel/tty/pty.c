/*
 * Pseudo-terminals: /dev/ptmx makes a pair and is its master; /dev/pts/N is the slave.
 *
 * The last close of the master hangs the slave up; the last close of the slave gives the master
 * EIO, once it has read what is left, until the slave is opened again.
 */
#include "pty.h"
#include "alloc.h"
#include "cred.h"
#include "signals.h"
#include "task.h"
#include <asm/ioctls.h>
#include <stdio.h>

#define CHUNK 2048

static struct pty *file_pty(const struct file *f)
{
	return f->priv;
}

/* ---- the slave ---- */

static int pts_open(struct inode *inode, struct file *f)
{
	int index = (major(inode->rdev) - PTS_MAJOR) * 256 + minor(inode->rdev);
	struct pty *p = pty_find(index);
	bool refused;
	int err;

	if (!p)
		return -EIO;
	spin_lock(&p->tty.lock);
	refused = p->locked;
	spin_unlock(&p->tty.lock);
	if (refused) {
		tty_put(&p->tty);
		return -EIO;
	}
	err = tty_file_open(&p->tty, f); /* takes our reference */
	if (err)
		return err;
	spin_lock(&p->tty.lock);
	p->slave_opened = true;
	spin_unlock(&p->tty.lock);
	tty_open_adopt(&p->tty, f);
	return 0;
}

/* ---- the master ---- */

static int ptmx_open(struct inode *inode, struct file *f)
{
	struct pty *p = pty_create();
	int err;

	if (IS_ERR(p))
		return PTR_ERR(p);
	err = devpts_add(p->index, p->tty.dev, current->cred->fsuid, current->cred->fsgid);
	if (err) {
		tty_put(&p->tty);
		return err;
	}
	f->priv = p;
	return 0;
}

static void ptmx_release(struct file *f)
{
	struct pty *p = file_pty(f);

	if (!p)
		return;
	devpts_remove(p->index);
	spin_lock(&p->tty.lock);
	p->tty.other_closed = true;
	p->packet = false;
	spin_unlock(&p->tty.lock);
	tty_hangup(&p->tty, false);
	tty_put(&p->tty);
}

static bool slave_gone_locked(const struct pty *p)
{
	return p->slave_opened && !p->tty.opens;
}

/*
 * Bytes for the master, after a status byte in packet mode. 0: nothing there; -EIO: nor will there
 * be.
 */
static ssize_t master_take(struct pty *p, u8 *buf, size_t n)
{
	struct tty *t = &p->tty;
	size_t got = 0, skip = 0;

	spin_lock(&t->lock);
	if (p->packet && p->status) {
		buf[0] = p->status;
		p->status = 0;
		got = 1;
	} else if (tty_out_ready(t)) {
		if (p->packet)
			buf[skip++] = TIOCPKT_DATA;
		got = skip + byteq_get(&t->out, buf + skip, min(n - skip, tty_out_ready(t)));
		byteq_trim(&t->out);
	} else if (slave_gone_locked(p)) {
		spin_unlock(&t->lock);
		return -EIO;
	}
	spin_unlock(&t->lock);
	if (got)
		tty_wake_writers(t);
	return got;
}

static bool master_readable(struct pty *p)
{
	struct tty *t = &p->tty;
	bool r;

	spin_lock(&t->lock);
	r = (p->packet && p->status) || tty_out_ready(t) || slave_gone_locked(p);
	spin_unlock(&t->lock);
	return r;
}

static ssize_t ptmx_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	static const struct wait_opts opts = {.state = KT_INTERRUPTIBLE};
	struct pty *p = file_pty(f);
	size_t total = 0;
	u8 buf[CHUNK];

	while (iov_iter_count(to)) {
		ssize_t n = master_take(p, buf, min(iov_iter_count(to), sizeof(buf)));

		if (n > 0) {
			if (copy_to_iter(buf, n, to) != (size_t)n)
				return total ? (ssize_t)total : -EFAULT;
			total += n;
			/* A packet is a read. */
			if (load_relaxed(&p->packet))
				break;
			continue;
		}
		if (total)
			break;
		if (n < 0)
			return n;
		if (file_nonblock(f))
			return -EAGAIN;
		n = wait_event_expr(&p->master_wait, master_readable(p), &opts);
		if (n)
			return n;
	}
	return total;
}

/* As for the slave's: tty_rw.c. */
static void want_room(struct pty *p)
{
	if (!fasync_wanted(&p->async))
		return;
	store_relaxed(&p->async_room, true);
	smp_mb();
	pty_room(&p->tty);
}

/* Hands n bytes to the slave, sleeping for room. Bytes handed over; *err says why not all. */
static size_t master_put(struct file *f, struct pty *p, const u8 *buf, size_t n, int *err)
{
	static const struct wait_opts opts = {.state = KT_INTERRUPTIBLE};
	size_t done = 0;

	for (;;) {
		ssize_t got = tty_input(&p->tty, buf + done, n - done);

		if (got > 0)
			done += got;
		if (done == n)
			return done;
		if (got < 0)
			*err = (int)got;
		else if (file_nonblock(f))
			*err = -EAGAIN;
		else
			*err = wait_event_expr(&p->tty.room_wait, pty_has_room(p), &opts);
		if (*err) {
			want_room(p);
			return done;
		}
	}
}

static ssize_t ptmx_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct pty *p = file_pty(f);
	size_t total = 0;
	u8 buf[CHUNK];
	int err = 0;

	while (iov_iter_count(from) && !err) {
		size_t want = min(iov_iter_count(from), sizeof(buf));
		size_t n = copy_from_iter(buf, want, from), put;

		if (!n) {
			err = -EFAULT;
			break;
		}
		put = master_put(f, p, buf, n, &err);
		if (put < n)
			iov_iter_revert(from, n - put);
		total += put;
		cond_resched();
	}
	return total ? (ssize_t)total : err;
}

static u32 ptmx_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = file_pty(f);
	struct tty *t = &p->tty;
	u32 events = 0;

	poll_wait(pt, &p->master_wait);
	poll_wait(pt, &t->room_wait);
	spin_lock(&t->lock);
	if (tty_out_ready(t))
		events |= POLLIN | POLLRDNORM;
	if (p->packet && p->status)
		events |= POLLIN | POLLRDNORM | POLLPRI;
	if (slave_gone_locked(p))
		events |= POLLHUP;
	if (byteq_room(&t->in))
		events |= POLLOUT | POLLWRNORM;
	spin_unlock(&t->lock);
	return events;
}

static int ptmx_fasync(int fd, struct file *f, bool on)
{
	struct pty *p = file_pty(f);

	return tty_fasync_on(fd, f, on, &p->tty, &p->async);
}

/* ---- the master's requests ---- */

static long set_lock(struct pty *p, u64 arg)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	spin_lock(&p->tty.lock);
	p->locked = on;
	spin_unlock(&p->tty.lock);
	return 0;
}

static long set_packet(struct pty *p, u64 arg)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	spin_lock(&p->tty.lock);
	if (on && !p->packet)
		p->status = 0;
	p->packet = on;
	spin_unlock(&p->tty.lock);
	return 0;
}

/* Opens the slave by the master's own mount of devpts, else by its usual name. */
static long open_peer(struct file *f, struct pty *p, u64 arg)
{
	int flags = (int)arg, fd;
	struct path path;
	struct file *peer;
	char name[16];

	snprintf(name, sizeof(name), "%d", p->index);
	if (f->path.mnt && f->inode->sb->type == &devpts_fs_type) {
		struct dentry *d = d_lookup_or_load(f->path.mnt->sb->root, name,
						    __builtin_strlen(name));

		if (IS_ERR(d))
			return PTR_ERR(d);
		path = (struct path){f->path.mnt, d};
		peer = d->inode ? file_open_path(&path, flags) : ERR_PTR(-EIO);
		d_put(d);
	} else {
		char full[32];

		snprintf(full, sizeof(full), "/dev/pts/%d", p->index);
		peer = file_open(AT_FDCWD, full, flags, 0);
	}
	fd = fd_add(peer, flags & O_CLOEXEC);
	return fd;
}

/* Bytes that the master can read. */
static long master_count(struct pty *p, u64 arg)
{
	int n;

	spin_lock(&p->tty.lock);
	n = tty_out_ready(&p->tty);
	spin_unlock(&p->tty.lock);
	return put_user(n, arg);
}

/* Drops what the master wrote and nobody read, or what it hasn't read. */
static long master_flush(struct pty *p, u64 which)
{
	struct tty_fx fx = {0};
	struct tty *t = &p->tty;

	if (which > TCIOFLUSH)
		return -EINVAL;
	spin_lock(&t->lock);
	if (which != TCOFLUSH)
		byteq_skip(&t->out, byteq_used(&t->out));
	if (which != TCIFLUSH)
		byteq_skip(&t->in, byteq_used(&t->in));
	spin_unlock(&t->lock);
	fx.room = fx.writers = true;
	tty_fx_run(t, &fx);
	return 0;
}

static long ptmx_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	struct pty *p = file_pty(f);

	switch (cmd) {
	case TIOCGPTN:
		return put_user((u32)p->index, arg);
	case TIOCSPTLCK:
		return set_lock(p, arg);
	case TIOCGPTLCK:
		return put_user((int)load_relaxed(&p->locked), arg);
	case TIOCPKT:
		return set_packet(p, arg);
	case TIOCGPKT:
		return put_user((int)load_relaxed(&p->packet), arg);
	case TIOCGPTPEER:
		return open_peer(f, p, arg);
	case TIOCEXCL:
	case TIOCNXCL:
		store_relaxed(&p->master_exclusive, cmd == TIOCEXCL);
		return 0;
	case TIOCGEXCL:
		return put_user((int)load_relaxed(&p->master_exclusive), arg);
	case TIOCSIG:
		if (arg != SIGINT && arg != SIGQUIT && arg != SIGTSTP)
			return -EINVAL;
		tty_signal(&p->tty, arg);
		return 0;
	case TIOCINQ:
		return master_count(p, arg);
	case TCFLSH:
		return master_flush(p, arg);
	}
	return tty_common_ioctl(f, &p->tty, cmd, arg, true);
}

const struct file_operations ptmx_fops = {
	.open = ptmx_open,
	.release = ptmx_release,
	.read = ptmx_read,
	.write = ptmx_write,
	.poll = ptmx_poll,
	.ioctl = ptmx_ioctl,
	.fasync = ptmx_fasync,
	.llseek = no_llseek,
};

const struct file_operations pts_fops = {
	.open = pts_open,
	.release = tty_file_release,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.fasync = tty_fasync,
	.llseek = no_llseek,
};
