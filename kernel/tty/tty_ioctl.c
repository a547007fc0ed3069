/*
 * ioctl requests of every terminal: queues, flow control, window size, exclusive use. Modes:
 * termios.c; sessions: jobctl.c.
 */
#include "tty_priv.h"
#include "cred.h"
#include "signals.h"
#include "task.h"
#include <asm/ioctls.h>
#include <linux/capability.h>
#include <string.h>

#ifndef TIOCVHANGUP
#define TIOCVHANGUP 0x5437
#endif

static bool drained(struct tty *t)
{
	bool r;

	spin_lock(&t->lock);
	r = byteq_used(&t->out) == 0;
	spin_unlock(&t->lock);
	return r;
}

/* A pty's output is "sent" once it waits for the master; only a device behind is waited for. */
int tty_drain(struct tty *t)
{
	static const struct wait_opts opts = {.state = KT_INTERRUPTIBLE};

	if (!t->driver->device_opost)
		return 0;
	return wait_event_expr(&t->write_wait, drained(t), &opts);
}

/* ---- window size ---- */

static long get_winsize(struct tty *t, u64 arg)
{
	struct winsize ws;

	spin_lock(&t->lock);
	ws = t->winsize;
	spin_unlock(&t->lock);
	return put_user(ws, arg);
}

void tty_set_winsize(struct tty *t, const struct winsize *ws)
{
	bool changed;

	spin_lock(&t->lock);
	changed = memcmp(&t->winsize, ws, sizeof(*ws));
	t->winsize = *ws;
	spin_unlock(&t->lock);
	if (changed)
		tty_signal(t, SIGWINCH);
}

/* ---- queues and flow ---- */

static long flush_queues(struct tty *t, u64 which)
{
	struct tty_fx fx = {0};
	long err;

	if (which > TCIOFLUSH)
		return -EINVAL;
	err = tty_check_foreground(t, SIGTTOU);
	if (err)
		return err;
	spin_lock(&t->lock);
	tty_batch_begin(t);
	if (which != TCOFLUSH)
		ldisc_flush_input(t, &fx);
	if (which != TCIFLUSH)
		tty_flush_output(t, &fx);
	spin_unlock(&t->lock);
	tty_fx_run(t, &fx);
	return 0;
}

static void flow_output(struct tty *t, bool on, struct tty_fx *fx)
{
	tty_batch_begin(t);
	if (!on) {
		t->stopped_by_ioctl = true;
		tty_stop(t, fx);
	} else if (t->stopped_by_ioctl) {
		t->stopped_by_ioctl = false;
		tty_start(t, fx);
	}
}

static void flow_input(struct tty *t, int key, struct tty_fx *fx)
{
	if (TTY_CC(t, key)) {
		tty_send_flow(t, TTY_CC(t, key));
		fx->output = true;
	}
}

static long flow_control(struct tty *t, u64 action)
{
	struct tty_fx fx = {0};
	long err;

	if (action > TCION)
		return -EINVAL;
	err = tty_check_foreground(t, SIGTTOU);
	if (err)
		return err;
	spin_lock(&t->lock);
	if (action == TCOOFF || action == TCOON)
		flow_output(t, action == TCOON, &fx);
	else
		flow_input(t, action == TCIOFF ? VSTOP : VSTART, &fx);
	spin_unlock(&t->lock);
	tty_fx_run(t, &fx);
	return 0;
}

static long queue_size(struct tty *t, unsigned cmd, u64 arg)
{
	int n;

	spin_lock(&t->lock);
	if (cmd == TIOCINQ)
		n = ldisc_count(t);
	else
		n = t->driver->device_opost ? byteq_used(&t->out) : 0;
	spin_unlock(&t->lock);
	return put_user(n, arg);
}

/* Breaks mean nothing to these lines, but tcdrain comes as TCSBRK with an argument. */
static long send_break(struct tty *t)
{
	long err = tty_check_foreground(t, SIGTTOU);

	return err ? err : tty_drain(t);
}

/* ---- exclusive use and the discipline ---- */

static long set_exclusive(struct tty *t, bool on)
{
	spin_lock(&t->lock);
	t->exclusive = on;
	spin_unlock(&t->lock);
	return 0;
}

static long discipline(unsigned cmd, u64 arg)
{
	int n = 0;

	if (cmd == TIOCGETD)
		return put_user(n, arg);
	if (get_user(n, arg))
		return -EFAULT;
	return n == 0 ? 0 : -EINVAL;
}

long tty_common_ioctl(struct file *f, struct tty *t, unsigned cmd, u64 arg, bool master)
{
	struct winsize ws;
	long ret;

	switch (cmd) {
	case TIOCGWINSZ:
		return get_winsize(t, arg);
	case TIOCSWINSZ:
		if (get_user(ws, arg))
			return -EFAULT;
		tty_set_winsize(t, &ws);
		return 0;
	case TCFLSH:
		return flush_queues(t, arg);
	case TCXONC:
		return flow_control(t, arg);
	case TIOCINQ:
	case TIOCOUTQ:
		return queue_size(t, cmd, arg);
	case TCSBRK:
	case TCSBRKP:
	case TIOCSBRK:
	case TIOCCBRK:
		return send_break(t);
	case TIOCEXCL:
	case TIOCNXCL:
		return set_exclusive(t, cmd == TIOCEXCL);
	case TIOCGEXCL:
		return put_user((int)load_relaxed(&t->exclusive), arg);
	case TIOCGETD:
	case TIOCSETD:
		return discipline(cmd, arg);
	case TIOCGDEV:
		return put_user((u32)t->dev, arg);
	case TIOCSTI: /* typing for others: refused to all, as Linux does by default */
		return -EIO;
	case TIOCVHANGUP:
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		tty_hangup(t, false);
		return 0;
	}
	ret = termios_ioctl(f, t, cmd, arg, master);
	if (ret == -ENOIOCTLCMD)
		ret = jobctl_ioctl(f, t, cmd, arg, master);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

long tty_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	if (file_hung_up(f))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	return tty_common_ioctl(f, file_tty(f), cmd, arg, false);
}
