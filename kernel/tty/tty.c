/*
 * Terminals: life, open files, and what follows from a change.
 *
 * A tty is made by its driver (pty.c, console.c) and lives as long as files, sessions or the driver
 * refer to it. An open file holds a tty_file with the tty's generation; a hang-up begins a new
 * generation, so that all files opened before are dead at once: they read end of file and write
 * EIO, as Linux has it.
 */
#include "tty_priv.h"
#include "alloc.h"
#include "cred.h"
#include "fowner.h"
#include "signals.h"
#include "task.h"
#include <linux/capability.h>

struct tty *tty_get(struct tty *t)
{
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void tty_put(struct tty *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0 && t->driver->destroy)
		t->driver->destroy(t);
}

dev_t tty_device(const struct tty *t)
{
	return t->dev;
}

static void turn_init(struct turn *turn)
{
	turn->busy = false;
	wait_queue_init(&turn->wait);
}

static bool turn_try(struct turn *turn)
{
	return !__atomic_exchange_n(&turn->busy, true, __ATOMIC_ACQUIRE);
}

int turn_take(struct turn *turn, bool nonblock)
{
	static const struct wait_opts opts = {.state = KT_INTERRUPTIBLE, .exclusive = true};

	if (turn_try(turn))
		return 0;
	if (nonblock)
		return -EAGAIN;
	return wait_event_expr(&turn->wait, turn_try(turn), &opts);
}

void turn_give(struct turn *turn)
{
	__atomic_store_n(&turn->busy, false, __ATOMIC_SEQ_CST);
	wake_up(&turn->wait);
}

void tty_init(struct tty *t, const struct tty_driver *driver, dev_t dev)
{
	t->refs = 1;
	t->driver = driver;
	t->dev = dev;
	spin_init(&t->lock, "tty", RANK_MISC);
	t->termios = tty_default_termios;
	ldisc_reset(t);
	byteq_init(&t->in, TTY_QUEUE_SIZE);
	byteq_init(&t->out, TTY_QUEUE_SIZE);
	turn_init(&t->reader);
	turn_init(&t->writer);
	wait_queue_init(&t->read_wait);
	wait_queue_init(&t->write_wait);
	wait_queue_init(&t->room_wait);
	fasync_list_init(&t->async);
}

void tty_free_state(struct tty *t)
{
	byteq_destroy(&t->in);
	byteq_destroy(&t->out);
	if (t->session)
		pid_put(t->session);
	if (t->pgrp)
		pid_put(t->pgrp);
}

static void signal_foreground(struct tty *t, u32 signals)
{
	struct pid *pgrp;

	spin_lock(&t->lock);
	pgrp = t->pgrp ? pid_get(t->pgrp) : NULL;
	spin_unlock(&t->lock);
	if (!pgrp)
		return;
	for (int sig = 1; sig < 32; sig++)
		if (signals & 1u << sig)
			kill_pgrp(pgrp, sig, true);
	pid_put(pgrp);
}

void tty_wake_writers(struct tty *t)
{
	wake_up_all(&t->write_wait);
	if (fasync_wanted(&t->async) && tty_has_room(t) &&
	    __atomic_exchange_n(&t->async_room, false, __ATOMIC_RELAXED))
		kill_fasync(&t->async, POLL_OUT);
}

/* Signals go first, so that a reader who is woken finds them. */
void tty_fx_run(struct tty *t, struct tty_fx *fx)
{
	if (fx->signals)
		signal_foreground(t, fx->signals);
	if (fx->packet && t->driver->packet)
		t->driver->packet(t, fx->packet);
	if (fx->output && t->driver->output)
		t->driver->output(t);
	if (fx->input)
		kill_fasync(&t->async, POLL_IN);
	if (fx->readers || fx->input)
		wake_up_poll(&t->read_wait, POLLIN | POLLRDNORM);
	if (fx->writers)
		tty_wake_writers(t);
	if (fx->room) {
		wake_up_all(&t->room_wait);
		if (t->driver->room)
			t->driver->room(t);
	}
}

void tty_signal(struct tty *t, int sig)
{
	signal_foreground(t, 1u << sig);
}

/* ---- open files ---- */

struct tty *file_tty(const struct file *f)
{
	return ((struct tty_file *)f->priv)->tty;
}

bool file_hung_up(const struct file *f)
{
	const struct tty_file *tf = f->priv;

	return tf->generation != load_acquire(&tf->tty->generation);
}

int tty_file_open(struct tty *t, struct file *f)
{
	struct tty_file *tf = kzalloc(sizeof(*tf));
	int err = 0;

	if (!tf) {
		tty_put(t);
		return -ENOMEM;
	}
	/*
	 * With the generation: a master that goes first marks its tty and then begins a new one,
	 * which isn't to be opened.
	 */
	spin_lock(&t->lock);
	if (t->other_closed) {
		err = -EIO;
	} else if (t->exclusive && t->opens && !capable(CAP_SYS_ADMIN)) {
		err = -EBUSY;
	} else {
		t->opens++;
		tf->generation = t->generation;
	}
	spin_unlock(&t->lock);
	if (err) {
		kfree(tf);
		tty_put(t);
		return err;
	}
	tf->tty = t;
	f->priv = tf;
	return 0;
}

void tty_file_release(struct file *f)
{
	struct tty_file *tf = f->priv;
	struct tty *t;

	if (!tf)
		return;
	t = tf->tty;
	spin_lock(&t->lock);
	if (tf->generation == t->generation && --t->opens == 0)
		t->exclusive = false;
	spin_unlock(&t->lock);
	f->priv = NULL;
	kfree(tf);
	/* Perhaps the last one: who is at a pty's other end is to see that. */
	t->driver->output(t);
	wake_up_poll(&t->room_wait, POLLOUT | POLLHUP);
	tty_put(t);
}

static void own_by_foreground(struct file *f, struct tty *t)
{
	struct pid *pgrp;

	spin_lock(&t->lock);
	pgrp = t->pgrp ? pid_get(t->pgrp) : NULL;
	spin_unlock(&t->lock);
	if (pgrp) {
		file_own_default(f, pgrp, F_OWNER_PGRP);
		pid_put(pgrp);
	} else {
		file_own_default(f, current->pid, F_OWNER_PID);
	}
}

int tty_fasync_on(int fd, struct file *f, bool on, struct tty *t, struct fasync_list *l)
{
	int ret = fasync_helper(fd, f, on, l);

	if (on && ret > 0)
		own_by_foreground(f, t);
	return ret;
}

int tty_fasync(int fd, struct file *f, bool on)
{
	struct tty *t = file_tty(f);
	int ret;

	if (file_hung_up(f))
		return -ENOTTY;
	ret = tty_fasync_on(fd, f, on, t, &t->async);
	/*
	 * A hang-up empties the list after it has begun a new generation: one of us sees the other.
	 */
	if (on && file_hung_up(f)) {
		(void)!fasync_helper(-1, f, false, &t->async);
		return -ENOTTY;
	}
	if (on && ret >= 0 && t->driver->reading && f->mode & FMODE_READ)
		t->driver->reading(t);
	return ret;
}

/* /dev/tty: the terminal of whoever opens it. */
static int dev_tty_open(struct inode *inode, struct file *f)
{
	struct tty *t = tty_of(current->tg);

	return t ? tty_file_open(t, f) : -ENXIO;
}

const struct file_operations dev_tty_fops = {
	.open = dev_tty_open,
	.release = tty_file_release,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.fasync = tty_fasync,
	.llseek = no_llseek,
};
