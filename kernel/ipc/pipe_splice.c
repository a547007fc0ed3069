/*
 * Pipes at the ends of splice(2), tee(2) and vmsplice(2). Data is copied: a page that a guest has
 * given (SPLICE_F_GIFT) is its own still.
 *
 * With a file at the other end the data passes through a buffer of the caller. He may sleep in that
 * file, so he can't have the pipe's lock meanwhile: a flag, rd_busy or wr_busy, keeps others from
 * the end of the pipe that he uses.
 */
#include "pipe.h"
#include "log.h"
#include "pipe_priv.h"
#include "signals.h"
#include "uaccess.h"

static void set_busy(bool *busy, bool value)
{
	store_release(busy, value);
}

/* ---- data ---- */

/*
 * Waits for data, and returns with the lock and 1. 0: there will be none; -errno: without the lock
 * both.
 */
static int lock_with_data(struct pipe *p, bool nonblock)
{
	int err;

	for (;;) {
		err = pipe_lock_end(p, &p->rd_busy);
		if (err)
			return err;
		if (pipe_ring_used(&p->ring))
			return 1;
		err = !p->writers ? 0 : nonblock ? -EAGAIN : 1;
		mutex_unlock(&p->lock);
		if (err <= 0)
			return err;
		err = pipe_wait_readable(p);
		if (err)
			return err;
	}
}

/* Drops n bytes, if they are used, and unlocks. */
static void unlock_used(struct pipe *p, size_t n)
{
	bool was_full = pipe_ring_full(&p->ring), left;

	pipe_ring_consume(&p->ring, n);
	was_full = was_full && !pipe_ring_full(&p->ring);
	left = pipe_ring_used(&p->ring);
	mutex_unlock(&p->lock);
	if (was_full)
		pipe_wake_writers(p);
	if (n)
		kill_fasync(&p->wr_async, POLL_OUT);
	if (left) /* one wake-up a write: the rest is for others */
		pipe_wake_readers(p, true);
}

ssize_t pipe_take_begin(struct pipe *p, void *buf, size_t n, bool nonblock)
{
	int ret = lock_with_data(p, nonblock);
	struct iov_iter it;

	if (ret <= 0)
		return ret;
	iov_iter_kernel(&it, buf, n);
	n = pipe_ring_peek(&p->ring, &it);
	set_busy(&p->rd_busy, true);
	mutex_unlock(&p->lock);
	return (ssize_t)n;
}

void pipe_take_end(struct pipe *p, size_t used)
{
	mutex_lock(&p->lock);
	set_busy(&p->rd_busy, false);
	unlock_used(p, used);
	wake_up_all(&p->busy_wait);
}

ssize_t pipe_take_iter(struct pipe *p, struct iov_iter *to, bool nonblock)
{
	int ret = lock_with_data(p, nonblock);
	size_t n;

	if (ret <= 0)
		return ret;
	n = pipe_ring_peek(&p->ring, to);
	unlock_used(p, n);
	return n ? (ssize_t)n : -EFAULT;
}

/* ---- room ---- */

/* Waits for room, and returns with the lock and 0; -errno without. */
static int lock_with_room(struct pipe *p, bool nonblock)
{
	int err;

	for (;;) {
		err = pipe_lock_end(p, &p->wr_busy);
		if (err)
			return err;
		if (!p->readers)
			err = -EPIPE;
		else if (!pipe_ring_full(&p->ring))
			err = pipe_ring_prepare(&p->ring);
		else
			err = nonblock ? -EAGAIN : 1;
		if (!err)
			return 0;
		mutex_unlock(&p->lock);
		if (err == -EPIPE)
			raise_sigpipe();
		if (err < 0)
			return err;
		err = pipe_wait_writable(p);
		if (err)
			return err;
	}
}

static void unlock_stored(struct pipe *p, bool was_empty, bool stored)
{
	mutex_unlock(&p->lock);
	if (!stored)
		return;
	pipe_wake_readers(p, was_empty);
	kill_fasync(&p->rd_async, POLL_IN);
}

ssize_t pipe_store_begin(struct pipe *p, bool nonblock)
{
	int err = lock_with_room(p, nonblock);
	size_t room;

	if (err)
		return err;
	room = (size_t)(p->ring.nslots - p->ring.used) * PIPE_SLOT_SIZE;
	set_busy(&p->wr_busy, true);
	mutex_unlock(&p->lock);
	return (ssize_t)room;
}

void pipe_store(struct pipe *p, const void *buf, size_t n)
{
	struct iov_iter it;
	bool was_empty;
	ssize_t put;

	iov_iter_kernel(&it, (void *)buf, n);
	mutex_lock(&p->lock);
	was_empty = !pipe_ring_used(&p->ring);
	put = pipe_ring_append(&p->ring, &it);
	ASSERT(put == (ssize_t)n); /* nobody else has written meanwhile */
	unlock_stored(p, was_empty, true);
}

void pipe_store_end(struct pipe *p)
{
	bool room;

	mutex_lock(&p->lock);
	set_busy(&p->wr_busy, false);
	room = !pipe_ring_full(&p->ring);
	mutex_unlock(&p->lock);
	wake_up_all(&p->busy_wait);
	if (room) /* one wake-up a read: the rest is for others */
		pipe_wake_writers(p);
}

ssize_t pipe_store_iter(struct pipe *p, struct iov_iter *from, bool nonblock)
{
	int err = lock_with_room(p, nonblock);
	bool was_empty;
	ssize_t n;

	if (err)
		return err;
	was_empty = !pipe_ring_used(&p->ring);
	n = pipe_ring_append(&p->ring, from);
	unlock_stored(p, was_empty, n > 0);
	return n;
}

/* ---- from pipe to pipe ---- */

static void lock_both(struct pipe *a, struct pipe *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock_nested(a < b ? &b->lock : &a->lock); /* by address */
}

static void unlock_both(struct pipe *a, struct pipe *b)
{
	mutex_unlock(&a->lock);
	mutex_unlock(&b->lock);
}

/* Without the locks: until the end that somebody has taken is free. */
static int wait_free(struct pipe *in, struct pipe *out)
{
	int err = wait_event_expr(&in->busy_wait, !load_acquire(&in->rd_busy), NULL);

	if (err)
		return err;
	return wait_event_expr(&out->busy_wait, !load_acquire(&out->wr_busy), NULL);
}

/*
 * Waits until neither end is taken, in has data or no writers, and out has room or no readers; then
 * has both locks. -errno without.
 */
static int lock_to_move(struct pipe *in, struct pipe *out, bool nonblock)
{
	int err;

	for (;;) {
		bool busy, empty, full;

		lock_both(in, out);
		busy = in->rd_busy || out->wr_busy;
		empty = !pipe_readable(in);
		full = !pipe_writable(out);
		if (!busy && !empty && !full)
			return 0;
		unlock_both(in, out);
		if (!busy && nonblock)
			return -EAGAIN;
		/*
		 * Not exclusive: a wake-up at one end must not be spent on who then waits at the
		 * other.
		 */
		if (busy)
			err = wait_free(in, out);
		else if (empty)
			err = wait_event_expr(&in->rd_wait, pipe_readable(in), NULL);
		else
			err = wait_event_expr(&out->wr_wait, pipe_writable(out), NULL);
		if (err)
			return err;
	}
}

ssize_t pipe_move(struct pipe *in, struct pipe *out, size_t len, bool nonblock, bool keep)
{
	bool was_empty, was_full, left;
	ssize_t n = lock_to_move(in, out, nonblock);

	if (n)
		return n;
	was_empty = !pipe_ring_used(&out->ring);
	was_full = pipe_ring_full(&in->ring);
	if (!out->readers)
		n = -EPIPE;
	else if (pipe_ring_used(&in->ring))
		n = pipe_ring_prepare(&out->ring);
	if (!n && pipe_ring_used(&in->ring))
		n = (ssize_t)pipe_ring_move(&in->ring, &out->ring, len, keep);
	was_full = was_full && !pipe_ring_full(&in->ring);
	left = pipe_ring_used(&in->ring);
	unlock_both(in, out);
	if (n == -EPIPE)
		raise_sigpipe();
	if (n > 0) {
		pipe_wake_readers(out, was_empty);
		kill_fasync(&out->rd_async, POLL_IN);
	}
	if (was_full)
		pipe_wake_writers(in);
	if (n > 0 && !keep)
		kill_fasync(&in->wr_async, POLL_OUT);
	if (left)
		pipe_wake_readers(in, true);
	return n;
}
