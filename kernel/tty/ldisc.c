/*
 * The N_TTY line discipline: from the bytes that a device delivers to what readers get, with
 * editing, echo, signals and flow control, as termios(3) describes them. All under tty->lock;
 * signals and wake-ups are left in *fx.
 */
#include "tty_priv.h"
#include <asm/ioctls.h>
#include <ctype.h>
#include <signal.h>
#include <string.h>

static u8 *slot(struct ldisc *ld, u32 pos)
{
	return &ld->buf[pos % LDISC_SIZE];
}

static void delim_set(struct ldisc *ld, u32 pos)
{
	pos %= LDISC_SIZE;
	ld->delim[pos / 64] |= 1ULL << (pos % 64);
}

static void delim_clear(struct ldisc *ld, u32 pos)
{
	pos %= LDISC_SIZE;
	ld->delim[pos / 64] &= ~(1ULL << (pos % 64));
}

static bool canonical(const struct tty *t)
{
	return L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC);
}

static void put_byte(struct tty *t, u8 c)
{
	struct ldisc *ld = &t->ld;

	delim_clear(ld, ld->head);
	*slot(ld, ld->head++) = c;
}

/* With PARMRK a genuine 0xff is doubled. */
static void put_char(struct tty *t, u8 c)
{
	if (I_FLAG(t, PARMRK) && c == 0xff)
		put_byte(t, c);
	put_byte(t, c);
}

/* ---- erasing ---- */

static void finish_erasing(struct tty *t)
{
	if (!t->ld.erasing)
		return;
	echo_char_post(t, '/');
	t->ld.erasing = false;
}

/* The column where the line ends that lies between `canon` and `head`. */
static u32 line_end_column(struct tty *t)
{
	struct ldisc *ld = &t->ld;
	u32 column = ld->line_column;

	for (u32 i = ld->canon; i != ld->head; i++) {
		u8 c = *slot(ld, i);

		if (c == '\t')
			column += 8 - (column & 7);
		else if (is_control(c))
			column += L_FLAG(t, ECHOCTL) ? 2 : 0;
		else if (!utf8_continues(t, c))
			column++;
	}
	return column;
}

static void echo_rubout(struct tty *t)
{
	echo_char_post(t, '\b');
	echo_char_post(t, ' ');
	echo_char_post(t, '\b');
}

/* Shows that the character of n bytes at head, which begins with c, is gone. */
static void echo_erased(struct tty *t, u8 c, u32 n, bool one_char)
{
	struct ldisc *ld = &t->ld;

	if (L_FLAG(t, ECHOPRT)) {
		if (!ld->erasing) {
			echo_char_post(t, '\\');
			ld->erasing = true;
		}
		echo_char(t, c);
		for (u32 i = 1; i < n; i++)
			echo_char_post(t, *slot(ld, ld->head + i));
	} else if (one_char && !L_FLAG(t, ECHOE)) {
		echo_char(t, TTY_CC(t, VERASE));
	} else if (c == '\t') {
		echo_erase_tab(t, line_end_column(t));
	} else if (!is_control(c)) {
		echo_rubout(t);
	} else if (L_FLAG(t, ECHOCTL)) {
		echo_rubout(t);
		echo_rubout(t);
	}
}

/*
 * Takes the last character of the line being typed; its first byte, or -1 if there is none whole.
 */
static int last_char(struct tty *t, u32 *bytes)
{
	struct ldisc *ld = &t->ld;
	u32 pos = ld->head;
	u8 c;

	do {
		c = *slot(ld, --pos);
	} while (utf8_continues(t, c) && pos != ld->canon);
	if (utf8_continues(t, c))
		return -1;
	*bytes = ld->head - pos;
	return c;
}

static bool word_char(u8 c)
{
	return c == '_' || isalnum(c) || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static void erase(struct tty *t, u8 key)
{
	struct ldisc *ld = &t->ld;
	bool one_char = key == TTY_CC(t, VERASE), in_word = false;
	bool word = !one_char && key == TTY_CC(t, VWERASE);

	while (ld->head != ld->canon) {
		u32 bytes = 0;
		int c = last_char(t, &bytes);

		if (c < 0)
			break;
		if (word && word_char(c))
			in_word = true;
		else if (in_word)
			break;
		ld->head -= bytes;
		if (L_FLAG(t, ECHO))
			echo_erased(t, c, bytes, one_char);
		if (one_char)
			break;
	}
	if (ld->head == ld->canon && L_FLAG(t, ECHO))
		finish_erasing(t);
}

static void kill_line(struct tty *t)
{
	struct ldisc *ld = &t->ld;

	if (ld->head == ld->canon)
		return;
	if (L_FLAG(t, ECHO) && L_FLAG(t, ECHOK) && L_FLAG(t, ECHOKE) && L_FLAG(t, ECHOE)) {
		erase(t, TTY_CC(t, VKILL));
		return;
	}
	ld->head = ld->canon;
	if (!L_FLAG(t, ECHO))
		return;
	finish_erasing(t);
	echo_char(t, TTY_CC(t, VKILL));
	if (L_FLAG(t, ECHOK))
		echo_char_post(t, '\n');
}

/* ---- characters with a meaning ---- */

/* Is c the control character of that index? The value 0 disables one. */
static bool is_cc(const struct tty *t, int index, u8 c)
{
	return c && TTY_CC(t, index) == c;
}

static bool is_cc_ext(const struct tty *t, int index, u8 c)
{
	return L_FLAG(t, IEXTEN) && is_cc(t, index, c);
}

static void echo_start_of_line(struct tty *t)
{
	if (t->ld.head == t->ld.canon)
		t->ld.line_column = t->ld.column;
}

static void echo_typed(struct tty *t, u8 c)
{
	finish_erasing(t);
	echo_start_of_line(t);
	echo_char(t, c);
}

/* INTR, QUIT, SUSP: what was typed before is dropped, unless NOFLSH. */
static void signal_key(struct tty *t, u8 c, int sig, struct tty_fx *fx)
{
	if (!L_FLAG(t, NOFLSH)) {
		tty_flush_output(t, fx);
		ldisc_reset(t);
		fx->room = true;
		fx->packet |= TIOCPKT_FLUSHREAD;
	}
	fx->signals |= 1u << sig;
	if (I_FLAG(t, IXON))
		tty_start(t, fx);
	if (L_FLAG(t, ECHO))
		echo_char(t, c);
}

static bool receive_flow(struct tty *t, u8 c, struct tty_fx *fx)
{
	if (!I_FLAG(t, IXON))
		return false;
	if (is_cc(t, VSTART, c)) {
		tty_start(t, fx);
		tty_echo_shown(t);
		return true;
	}
	if (is_cc(t, VSTOP, c)) {
		tty_stop(t, fx);
		return true;
	}
	return false;
}

static bool receive_signal(struct tty *t, u8 c, struct tty_fx *fx)
{
	static const struct {
		u8 index, sig;
	} keys[] = {{VINTR, SIGINT}, {VQUIT, SIGQUIT}, {VSUSP, SIGTSTP}};

	if (!L_FLAG(t, ISIG))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (is_cc(t, keys[i].index, c)) {
			signal_key(t, c, keys[i].sig, fx);
			return true;
		}
	return false;
}

static void reprint(struct tty *t, u8 c)
{
	struct ldisc *ld = &t->ld;

	finish_erasing(t);
	echo_char(t, c);
	echo_char_post(t, '\n');
	ld->line_column = ld->column;
	for (u32 i = ld->canon; i != ld->head; i++)
		echo_char(t, *slot(ld, i));
}

static void end_line(struct tty *t, u8 c, struct tty_fx *fx)
{
	struct ldisc *ld = &t->ld;

	put_byte(t, c);
	delim_set(ld, ld->head - 1);
	ld->canon = ld->head;
	fx->input = true;
}

/* Keys that edit the line. True: done with it. */
static bool receive_edit(struct tty *t, u8 c)
{
	struct ldisc *ld = &t->ld;

	if (is_cc(t, VERASE, c) || is_cc_ext(t, VWERASE, c)) {
		erase(t, c);
	} else if (is_cc(t, VKILL, c)) {
		kill_line(t);
	} else if (is_cc_ext(t, VLNEXT, c)) {
		ld->lnext = true;
		if (!L_FLAG(t, ECHO))
			return true;
		finish_erasing(t);
		if (L_FLAG(t, ECHOCTL))
			echo_raw(t, "^\b", 2);
	} else if (is_cc_ext(t, VREPRINT, c) && L_FLAG(t, ECHO)) {
		reprint(t, c);
	} else {
		return false;
	}
	return true;
}

/* Keys that end the line. True: done with it. */
static bool receive_line_end(struct tty *t, u8 c, struct tty_fx *fx)
{
	if (c == '\n') {
		if (L_FLAG(t, ECHO) || L_FLAG(t, ECHONL))
			echo_char_post(t, c);
		end_line(t, c, fx);
	} else if (is_cc(t, VEOF, c)) {
		end_line(t, 0, fx);
	} else if (is_cc(t, VEOL, c) || is_cc_ext(t, VEOL2, c)) {
		if (L_FLAG(t, ECHO)) {
			echo_start_of_line(t);
			echo_char(t, c);
		}
		if (I_FLAG(t, PARMRK) && c == 0xff)
			put_byte(t, c);
		end_line(t, c, fx);
	} else {
		return false;
	}
	return true;
}

static void keep(struct tty *t, u8 c, struct tty_fx *fx)
{
	put_char(t, c);
	if (!canonical(t))
		fx->input = true;
}

static void receive_ordinary(struct tty *t, u8 c, struct tty_fx *fx)
{
	if (L_FLAG(t, ECHO))
		echo_typed(t, c);
	keep(t, c, fx);
}

/*
 * A newline that ends no line, made of a return: shown as one, where a genuine one shows as a
 * control character.
 */
static void receive_made_newline(struct tty *t, struct tty_fx *fx)
{
	if (L_FLAG(t, ECHO)) {
		finish_erasing(t);
		echo_char_post(t, '\n');
	}
	keep(t, '\n', fx);
}

/* Any character lets output go on if IXANY. */
static void start_by_any(struct tty *t, struct tty_fx *fx)
{
	if (I_FLAG(t, IXON) && I_FLAG(t, IXANY))
		tty_start(t, fx);
}

/* With IUCLC; Latin-1 has lower-case letters too. */
static u8 lower(u8 c)
{
	if (c >= 0xc0 && c <= 0xde && c != 0xd7)
		return c + 0x20;
	return tolower(c);
}

/* ICRNL, INLCR, IGNCR. False: the character is ignored. */
static bool map_return(const struct tty *t, u8 *c)
{
	if (*c == '\r') {
		if (I_FLAG(t, IGNCR))
			return false;
		if (I_FLAG(t, ICRNL))
			*c = '\n';
	} else if (*c == '\n' && I_FLAG(t, INLCR)) {
		*c = '\r';
	}
	return true;
}

static void receive_char(struct tty *t, u8 typed, struct tty_fx *fx)
{
	u8 c = typed;

	if (I_FLAG(t, ISTRIP))
		c &= 0x7f;
	if (I_FLAG(t, IUCLC) && L_FLAG(t, IEXTEN))
		c = lower(c);
	if (L_FLAG(t, EXTPROC)) {
		put_byte(t, c);
		fx->input = true;
		return;
	}
	if (t->ld.lnext) {
		t->ld.lnext = false;
		start_by_any(t, fx);
		receive_ordinary(t, c, fx);
		return;
	}
	if (receive_flow(t, c, fx) || receive_signal(t, c, fx))
		return;
	start_by_any(t, fx);
	if (!map_return(t, &c))
		return;
	if (canonical(t) && (receive_edit(t, c) || receive_line_end(t, c, fx)))
		return;
	if (c == '\n' && typed != '\n')
		receive_made_newline(t, fx);
	else
		receive_ordinary(t, c, fx);
}

/* ---- in bulk ---- */

/*
 * Bytes that may come now. One place is kept free so that a full line can be ended; a line that is
 * too long and unfinished goes on in that last place, so what exceeds it is lost. Never is more in
 * use than there is.
 */
static size_t receive_room(struct tty *t)
{
	struct ldisc *ld = &t->ld;
	u32 used = ld->head - ld->tail, left = LDISC_SIZE - used, last = 1;

	if (I_FLAG(t, PARMRK)) { /* a character may take several places */
		left = (left + 2) / 3;
		last = 3;
	}
	if (left > 1)
		return left - 1;
	if (!canonical(t) || ld->canon != ld->tail)
		return 0;
	if (used > LDISC_SIZE - last)
		ld->head = ld->tail + LDISC_SIZE - last;
	return 1;
}

static bool is_raw(const struct tty *t)
{
	return !L_FLAG(t, ICANON | ISIG | ECHO | EXTPROC) && !t->ld.lnext &&
	       !I_FLAG(t, IXON | ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | PARMRK);
}

size_t ldisc_receive(struct tty *t, const u8 *buf, size_t n, struct tty_fx *fx)
{
	size_t done = 0;

	tty_batch_begin(t);
	while (done < n) {
		size_t room = min(n - done, receive_room(t));

		if (!room)
			break;
		if (is_raw(t)) {
			fx->input = true;
			for (size_t i = 0; i < room; i++)
				put_byte(t, buf[done + i]);
			done += room;
			continue;
		}
		/* A line's end or a flush may make more room than there was. */
		receive_char(t, buf[done++], fx);
		fx->output = true;
	}
	return done;
}

void ldisc_refill(struct tty *t, struct tty_fx *fx)
{
	const u8 *p;
	size_t n;

	while ((n = byteq_peek(&t->in, &p))) {
		size_t got = ldisc_receive(t, p, n, fx);

		if (!got)
			return;
		byteq_skip(&t->in, got);
		fx->room = true;
	}
	byteq_trim(&t->in);
}

void ldisc_reset(struct tty *t)
{
	struct ldisc *ld = &t->ld;

	ld->head = ld->canon = ld->tail = 0;
	memset(ld->delim, 0, sizeof(ld->delim));
	ld->erasing = ld->push = false;
}

void ldisc_flush_input(struct tty *t, struct tty_fx *fx)
{
	ldisc_reset(t);
	byteq_skip(&t->in, byteq_used(&t->in));
	fx->room = true;
	fx->packet |= TIOCPKT_FLUSHREAD;
}

/*
 * Input that came in the other mode: becoming canonical, it is a line without end; becoming raw,
 * all of it is there.
 */
void ldisc_modes_changed(struct tty *t, const struct ktermios *old, struct tty_fx *fx)
{
	struct ldisc *ld = &t->ld;

	if ((old->c_lflag ^ t->termios.c_lflag) & (ICANON | EXTPROC)) {
		memset(ld->delim, 0, sizeof(ld->delim));
		if (!L_FLAG(t, ICANON) || ld->head == ld->tail) {
			ld->canon = ld->tail;
			ld->push = false;
		} else {
			delim_set(ld, ld->head - 1);
			ld->canon = ld->head;
			ld->push = true;
		}
		ld->erasing = ld->lnext = false;
		fx->readers = true;
	}
	if (!I_FLAG(t, IXON) && (old->c_iflag & IXON))
		tty_start(t, fx);
}
