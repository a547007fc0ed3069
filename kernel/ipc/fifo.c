/*
 * Opening fifos. The first open hangs a pipe on the inode, the last release takes it away. An open
 * for one side waits until the other side has been opened since (so a partner that comes and goes
 * at once still lets it through).
 */
#include "pipe_priv.h"
#include "alloc.h"

/* The inode's pipe, made if need be, with one more user. */
static struct pipe *fifo_pipe(struct inode *inode)
{
	struct pipe *p, *fresh = NULL;

	spin_lock(&inode->spin);
	while (!inode->pipe && !fresh) {
		spin_unlock(&inode->spin);
		fresh = pipe_alloc();
		if (!fresh)
			return NULL;
		fresh->named = true;
		spin_lock(&inode->spin);
	}
	if (inode->pipe) {
		inode->pipe->files++;
	} else {
		inode->pipe = fresh;
		fresh = NULL;
	}
	p = inode->pipe;
	spin_unlock(&inode->spin);
	if (fresh)
		pipe_free(fresh);
	return p;
}

static void count(u32 *n, int by)
{
	store_release(n, *n + (u32)by);
}

/* Waits until *opened has changed: called with the lock held, which is dropped meanwhile. */
static int wait_for_partner(struct pipe *p, const u32 *opened)
{
	u32 before = *opened;
	int err;

	mutex_unlock(&p->lock);
	err = wait_event_expr(&p->open_wait, load_acquire(opened) != before, NULL);
	mutex_lock(&p->lock);
	return err;
}

static int open_reader(struct pipe *p, struct file *f)
{
	int err = 0;

	count(&p->r_opened, 1);
	count(&p->readers, 1);
	if (p->readers == 1)
		wake_up_all(&p->open_wait);
	if (p->named && !p->writers) {
		if (f->flags & O_NONBLOCK)
			f->pos = (u64)p->w_opened + 1; /* see fifo_had_writer() */
		else
			err = wait_for_partner(p, &p->w_opened);
	}
	if (err)
		count(&p->readers, -1);
	return err;
}

static int open_writer(struct pipe *p, struct file *f)
{
	int err = 0;

	if (p->named && (f->flags & O_NONBLOCK) && !p->readers)
		return -ENXIO;
	count(&p->w_opened, 1);
	count(&p->writers, 1);
	if (p->writers == 1)
		wake_up_all(&p->open_wait);
	if (p->named && !p->readers)
		err = wait_for_partner(p, &p->r_opened);
	if (err)
		count(&p->writers, -1);
	return err;
}

static void open_both(struct pipe *p)
{
	count(&p->r_opened, 1);
	count(&p->w_opened, 1);
	count(&p->readers, 1);
	count(&p->writers, 1);
	if (p->readers == 1 || p->writers == 1)
		wake_up_all(&p->open_wait);
}

int fifo_open(struct inode *inode, struct file *f)
{
	struct pipe *p = fifo_pipe(inode);
	int err = 0;

	if (!p)
		return -ENOMEM;
	f->mode &= ~(FMODE_LSEEK | FMODE_ATOMIC_POS);
	f->pos = 0;
	f->priv = p;
	mutex_lock(&p->lock);
	switch (f->mode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ:
		err = open_reader(p, f);
		break;
	case FMODE_WRITE:
		err = open_writer(p, f);
		break;
	case FMODE_READ | FMODE_WRITE:
		open_both(p);
		break;
	default:
		err = -EINVAL;
	}
	if (err)
		pipe_wake_ends(p); /* somebody may have slept because we were there */
	mutex_unlock(&p->lock);
	if (err)
		pipe_put(inode, p);
	return err;
}

/*
 * A fifo's file has no position: pos holds w_opened + 1 of an open that didn't wait for a writer,
 * else 0.
 */
bool fifo_had_writer(const struct file *f, const struct pipe *p)
{
	return f->pos != (u64)load_relaxed(&p->w_opened) + 1;
}
