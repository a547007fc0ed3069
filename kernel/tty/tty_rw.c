/* Reading, writing and polling terminals. */
#include "tty_priv.h"
#include "ktime.h"
#include "log.h"
#include "signals.h"
#include "task.h"

#define CHUNK 2048 /* on the stack */

/* ---- reading ---- */

/*
 * How long a read waits: VMIN and VTIME of termios(3). A deadline of KTIME_MAX is none.
 */
struct read_plan {
	size_t minimum;	   /* bytes that end the read */
	ktime_t interbyte; /* ns after each byte, 0: for ever */
	ktime_t deadline;
};

static ktime_t deciseconds(u8 n)
{
	return n * (NSEC_PER_SEC / 10);
}

static void plan_read(struct tty *t, struct read_plan *p)
{
	*p = (struct read_plan){.minimum = 1, .deadline = KTIME_MAX};
	if (L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC))
		return;
	if (TTY_CC(t, VMIN)) {
		p->minimum = TTY_CC(t, VMIN);
		p->interbyte = deciseconds(TTY_CC(t, VTIME));
	} else {
		p->deadline = ktime_mono() + deciseconds(TTY_CC(t, VTIME));
	}
}

struct read_step {
	size_t got;
	bool done;
};

/* Takes what is there under the lock, as far as buf reaches. */
static struct read_step take(struct tty *t, u8 *buf, size_t n)
{
	struct tty_fx fx = {0};
	struct read_step s = {0};

	spin_lock(&t->lock);
	if (ldisc_readable(t, false)) {
		s.got = ldisc_take(t, buf, n, &s.done);
		if (byteq_used(&t->in))
			ldisc_refill(t, &fx);
	}
	spin_unlock(&t->lock);
	tty_fx_run(t, &fx);
	return s;
}

static bool readable_now(struct tty *t)
{
	bool r;

	spin_lock(&t->lock);
	r = ldisc_readable(t, false);
	spin_unlock(&t->lock);
	return r;
}

/*
 * For one in the queue: a driver may give up its device when it finds nobody there, so it is told
 * again.
 */
static bool input_came(struct tty *t)
{
	if (readable_now(t))
		return true;
	if (t->driver->reading)
		t->driver->reading(t);
	return false;
}

/*
 * Sleeps until there is input. 0; -ERESTARTSYS, -EAGAIN, -ETIMEDOUT (also when the plan leaves no
 * time).
 */
static int await_input(struct file *f, struct tty *t, const struct read_plan *p)
{
	struct wait_opts opts = {.state = KT_INTERRUPTIBLE, .deadline = p->deadline};

	if (p->deadline != KTIME_MAX && p->deadline <= ktime_mono())
		return -ETIMEDOUT;
	if (file_nonblock(f))
		return -EAGAIN;
	return wait_event_expr(&t->read_wait, file_hung_up(f) || input_came(t), &opts);
}

/* The loop of a read, by the one reader whose turn it is. Bytes or -errno. */
static ssize_t read_turn(struct file *f, struct tty *t, struct iov_iter *to)
{
	struct read_plan plan;
	size_t total = 0;
	u8 buf[CHUNK];

	spin_lock(&t->lock);
	plan_read(t, &plan);
	spin_unlock(&t->lock);
	while (iov_iter_count(to)) {
		struct read_step s;
		int err;

		if (file_hung_up(f)) /* while we waited */
			return total || !load_relaxed(&t->other_closed) ? (ssize_t)total : -EIO;
		s = take(t, buf, min(iov_iter_count(to), sizeof(buf)));
		if (!s.got && !s.done) {
			err = await_input(f, t, &plan);
			if (err == -ETIMEDOUT)
				break;
			if (err)
				return total ? (ssize_t)total : err;
			continue;
		}
		if (s.got && copy_to_iter(buf, s.got, to) != s.got)
			return total ? (ssize_t)total : -EFAULT;
		total += s.got;
		/* All that is there is taken, but the wait ends once the minimum is reached. */
		if (s.done || (total >= plan.minimum && !readable_now(t)))
			break;
		if (plan.interbyte)
			plan.deadline = ktime_mono() + plan.interbyte;
	}
	return total;
}

ssize_t tty_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct tty *t = file_tty(f);
	ssize_t n;
	int err;

	if (file_hung_up(f))
		return 0;
	err = tty_check_foreground(t, SIGTTIN);
	if (err)
		return err;
	if (t->driver->reading)
		t->driver->reading(t);
	err = turn_take(&t->reader, file_nonblock(f));
	if (err)
		return err;
	n = read_turn(f, t, to);
	turn_give(&t->reader);
	return n;
}

/* ---- writing ---- */

static bool stops_background(struct tty *t)
{
	bool r;

	spin_lock(&t->lock);
	r = L_FLAG(t, TOSTOP);
	spin_unlock(&t->lock);
	return r;
}

/* Whatever comes next finds room: a write that found none waits until then. */
static bool has_room_locked(const struct tty *t)
{
	return !t->stopped && byteq_room(&t->out) >= TTY_ECHO_RESERVE + TTY_OPOST_MAX;
}

bool tty_has_room(struct tty *t)
{
	bool room;

	spin_lock(&t->lock);
	room = has_room_locked(t);
	spin_unlock(&t->lock);
	return room;
}

static bool writable_now(struct file *f, struct tty *t)
{
	return file_hung_up(f) || tty_has_room(t);
}

/* A write ends before its bytes do: its process may want to know when to go on. */
static void want_room(struct tty *t)
{
	if (!fasync_wanted(&t->async))
		return;
	store_relaxed(&t->async_room, true);
	smp_mb(); /* before the look; who makes room looks at the mark after that */
	if (tty_has_room(t))
		tty_wake_writers(t);
}

/* Puts n bytes into the output queue, sleeping for room. Bytes put; *err says why not all. */
static size_t write_chunk(struct file *f, struct tty *t, const u8 *buf, size_t n, int *err)
{
	static const struct wait_opts opts = {.state = KT_INTERRUPTIBLE};
	size_t done = 0;

	for (;;) {
		bool no_memory;
		size_t got;

		if (file_hung_up(f)) {
			*err = -EIO;
			return done;
		}
		spin_lock(&t->lock);
		got = opost_write(t, buf + done, n - done);
		no_memory = !got && has_room_locked(t);
		spin_unlock(&t->lock);
		done += got;
		if (got)
			t->driver->output(t);
		if (done == n)
			return done;
		if (no_memory)
			*err = -ENOMEM;
		else if (file_nonblock(f))
			*err = -EAGAIN;
		else
			*err = wait_event_expr(&t->write_wait, writable_now(f, t), &opts);
		if (*err) {
			want_room(t);
			return done;
		}
	}
}

ssize_t tty_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct tty *t = file_tty(f);
	size_t total = 0;
	u8 buf[CHUNK];
	int err = 0;

	if (file_hung_up(f))
		return -EIO;
	if (stops_background(t)) {
		err = tty_check_foreground(t, SIGTTOU);
		if (err)
			return err;
	}
	err = turn_take(&t->writer, file_nonblock(f));
	if (err)
		return err;
	while (iov_iter_count(from) && !err) {
		size_t want = min(iov_iter_count(from), sizeof(buf));
		size_t n = copy_from_iter(buf, want, from), put;

		if (!n) {
			err = -EFAULT;
			break;
		}
		put = write_chunk(f, t, buf, n, &err);
		if (put < n)
			iov_iter_revert(from, n - put);
		total += put;
		cond_resched();
	}
	turn_give(&t->writer);
	return total ? (ssize_t)total : err;
}

/* ---- readiness ---- */

u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = file_tty(f);
	u32 events = 0;

	poll_wait(pt, &t->read_wait);
	poll_wait(pt, &t->write_wait);
	if (file_hung_up(f))
		return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	if (t->driver->reading && pt && (pt->events & POLLIN))
		t->driver->reading(t);
	spin_lock(&t->lock);
	if (ldisc_readable(t, true))
		events |= POLLIN | POLLRDNORM;
	if (has_room_locked(t))
		events |= POLLOUT | POLLWRNORM;
	spin_unlock(&t->lock);
	return events;
}

/* ---- input ---- */

ssize_t tty_input(struct tty *t, const u8 *buf, size_t n)
{
	struct tty_fx fx = {0};
	size_t got = 0;
	bool no_memory;

	spin_lock(&t->lock);
	if (byteq_used(&t->in))
		ldisc_refill(t, &fx);
	if (!byteq_used(&t->in))
		got = ldisc_receive(t, buf, n, &fx);
	if (got < n)
		got += byteq_put(&t->in, buf + got, n - got);
	no_memory = !got && byteq_room(&t->in);
	spin_unlock(&t->lock);
	tty_fx_run(t, &fx);
	return no_memory ? -ENOMEM : (ssize_t)got;
}
