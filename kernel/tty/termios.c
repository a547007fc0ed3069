/* Terminal modes: the TC* requests with the kernel's four layouts of struct termios. */
#include "tty_priv.h"
#include "signals.h"
#include "task.h"
#include <asm/ioctls.h>
#include <string.h>

/* struct termio of System V, for TCGETA. */
struct termio_v {
	u16 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[8];
};

const struct ktermios tty_default_termios = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B38400 | CS8 | CREAD,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc =
		{
			[VINTR] = 3,
			[VQUIT] = 28,
			[VERASE] = 127,
			[VKILL] = 21,
			[VEOF] = 4,
			[VMIN] = 1,
			[VSTART] = 17,
			[VSTOP] = 19,
			[VSUSP] = 26,
			[VREPRINT] = 18,
			[VDISCARD] = 15,
			[VWERASE] = 23,
			[VLNEXT] = 22,
		},
	.c_ispeed = 38400,
	.c_ospeed = 38400,
};

/* Baud rates by their code, 0 to 15 and CBAUDEX | 1 to 15. */
static const u32 baud_table[] = {0,	  50,	   75,	    110,     134,     150,     200,
				 300,	  600,	   1200,    1800,    2400,    4800,    9600,
				 19200,	  38400,   57600,   115200,  230400,  460800,  500000,
				 576000,  921600,  1000000, 1152000, 1500000, 2000000, 2500000,
				 3000000, 3500000, 4000000};

static u32 baud_of(u32 code, u32 other)
{
	if (code == BOTHER)
		return other;
	if (code & CBAUDEX)
		code = (code & ~CBAUDEX) + 15;
	return code < ARRAY_SIZE(baud_table) ? baud_table[code] : 0;
}

/*
 * There is no line with bits and parity. The speeds follow from c_cflag, unless that says BOTHER.
 */
static void settle_cflag(struct ktermios *k)
{
	u32 in = k->c_cflag >> IBSHIFT & CBAUD;

	k->c_cflag = (k->c_cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
	k->c_ospeed = baud_of(k->c_cflag & CBAUD, k->c_ospeed);
	k->c_ispeed = in ? baud_of(in, k->c_ispeed) : k->c_ospeed;
}

/* ---- the guest's layouts ---- */

static void to_termio(struct termio_v *v, const struct ktermios *k)
{
	v->c_iflag = k->c_iflag;
	v->c_oflag = k->c_oflag;
	v->c_cflag = k->c_cflag;
	v->c_lflag = k->c_lflag;
	v->c_line = k->c_line;
	memcpy(v->c_cc, k->c_cc, sizeof(v->c_cc));
}

/* Only the low halves of the flags are there. */
static void from_termio(struct ktermios *k, const struct termio_v *v)
{
	k->c_iflag = (k->c_iflag & ~0xffffu) | v->c_iflag;
	k->c_oflag = (k->c_oflag & ~0xffffu) | v->c_oflag;
	k->c_cflag = (k->c_cflag & ~0xffffu) | v->c_cflag;
	k->c_lflag = (k->c_lflag & ~0xffffu) | v->c_lflag;
	k->c_line = v->c_line;
	memcpy(k->c_cc, v->c_cc, sizeof(v->c_cc));
}

enum layout { LAYOUT_TERMIO, LAYOUT_TERMIOS, LAYOUT_TERMIOS2 };

/* struct termios and termios2 are beginnings of ktermios. */
_Static_assert(offsetof(struct ktermios, c_ispeed) == offsetof(struct termios2, c_ispeed), "");
_Static_assert(offsetof(struct ktermios, c_cc) == offsetof(struct termios, c_cc), "");

static int put_termios(const struct ktermios *k, u64 arg, enum layout layout)
{
	struct termio_v v = {0};
	struct ktermios out = *k;

	switch (layout) {
	case LAYOUT_TERMIO:
		to_termio(&v, k);
		return copy_to_user(arg, &v, sizeof(v));
	case LAYOUT_TERMIOS:
		/* It can't say BOTHER with a speed: the nearest truth is the code. */
		return copy_to_user(arg, &out, sizeof(struct termios));
	default:
		return copy_to_user(arg, &out, sizeof(struct termios2));
	}
}

static int get_termios(struct ktermios *k, u64 arg, enum layout layout)
{
	struct termio_v v;
	int err;

	switch (layout) {
	case LAYOUT_TERMIO:
		err = copy_from_user(&v, arg, sizeof(v));
		if (!err)
			from_termio(k, &v);
		break;
	case LAYOUT_TERMIOS:
		err = copy_from_user(k, arg, sizeof(struct termios));
		break;
	default:
		err = copy_from_user(k, arg, sizeof(struct termios2));
	}
	return err;
}

/* ---- setting ---- */

static u32 changed_bits(const struct ktermios *k, const struct ktermios *old)
{
	return (k->c_iflag ^ old->c_iflag) | (k->c_oflag ^ old->c_oflag) |
	       (k->c_lflag ^ old->c_lflag) | (u32)memcmp(k->c_cc, old->c_cc, sizeof(k->c_cc));
}

/* What a pty's master hears about in packet mode: does ^S/^Q flow control apply? */
static u8 flow_news(const struct ktermios *k, const struct ktermios *old)
{
	bool now = (k->c_iflag & IXON) && k->c_cc[VSTOP] == 19 && k->c_cc[VSTART] == 17;
	bool was = (old->c_iflag & IXON) && old->c_cc[VSTOP] == 19 && old->c_cc[VSTART] == 17;
	u8 news = 0;

	if (now != was)
		news |= now ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	if (((k->c_lflag | old->c_lflag) & EXTPROC) && changed_bits(k, old))
		news |= TIOCPKT_IOCTL;
	return news;
}

static void set_modes(struct tty *t, struct ktermios *k, bool flush)
{
	struct tty_fx fx = {0};
	struct ktermios old;

	settle_cflag(k);
	spin_lock(&t->lock);
	if (flush)
		ldisc_flush_input(t, &fx);
	old = t->termios;
	t->termios = *k;
	ldisc_modes_changed(t, &old, &fx);
	/* Less may be special now, so that waiting input fits. */
	if (byteq_used(&t->in))
		ldisc_refill(t, &fx);
	fx.packet |= flow_news(k, &old);
	spin_unlock(&t->lock);
	if (t->driver->modes_changed)
		t->driver->modes_changed(t, &old);
	tty_fx_run(t, &fx);
}

/* when: 0 now, 1 after the output is gone, 2 the same and drop input. */
static long set_termios(struct file *f, struct tty *t, u64 arg, int when, enum layout layout)
{
	struct ktermios k;
	long err = tty_check_foreground(t, SIGTTOU);

	if (err)
		return err;
	spin_lock(&t->lock);
	k = t->termios;
	spin_unlock(&t->lock);
	err = get_termios(&k, arg, layout);
	if (err)
		return err;
	/*
	 * The only discipline is N_TTY; as on Linux the field is ignored here, TIOCSETD is for
	 * that.
	 */
	k.c_line = 0;
	if (when) {
		err = tty_drain(t);
		if (err)
			return err;
	}
	set_modes(t, &k, when == 2);
	return 0;
}

static long get_modes(struct tty *t, u64 arg, enum layout layout)
{
	struct ktermios k;

	spin_lock(&t->lock);
	k = t->termios;
	spin_unlock(&t->lock);
	return put_termios(&k, arg, layout);
}

/* Which modes are locked: none. */
static long get_locked(u64 arg)
{
	static const struct termios none;

	return put_user(none, arg);
}

static long soft_carrier(struct tty *t, unsigned cmd, u64 arg)
{
	struct ktermios k;
	int on;

	spin_lock(&t->lock);
	k = t->termios;
	spin_unlock(&t->lock);
	if (cmd == TIOCGSOFTCAR)
		return put_user((k.c_cflag & CLOCAL) ? 1 : 0, arg);
	if (get_user(on, arg))
		return -EFAULT;
	k.c_cflag = (k.c_cflag & ~CLOCAL) | (on ? CLOCAL : 0);
	set_modes(t, &k, false);
	return 0;
}

long termios_ioctl(struct file *f, struct tty *t, unsigned cmd, u64 arg, bool master)
{
	switch (cmd) {
	case TCGETS:
		return get_modes(t, arg, LAYOUT_TERMIOS);
	case TCGETS2:
		return get_modes(t, arg, LAYOUT_TERMIOS2);
	case TCGETA:
		return get_modes(t, arg, LAYOUT_TERMIO);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(f, t, arg, cmd - TCSETS, LAYOUT_TERMIOS);
	case TCSETS2:
		return set_termios(f, t, arg, 0, LAYOUT_TERMIOS2);
	case TCSETSW2:
		return set_termios(f, t, arg, 1, LAYOUT_TERMIOS2);
	case TCSETSF2:
		return set_termios(f, t, arg, 2, LAYOUT_TERMIOS2);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return set_termios(f, t, arg, cmd - TCSETA, LAYOUT_TERMIO);
	case TIOCGLCKTRMIOS:
		return get_locked(arg);
	case TIOCGSOFTCAR:
	case TIOCSSOFTCAR:
		return soft_carrier(t, cmd, arg);
	}
	return -ENOIOCTLCMD;
}
