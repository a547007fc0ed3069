/*
 * Output processing, cursor column, echo, and flow control. All under tty->lock.
 *
 * Everything that goes to the terminal passes through here in order, so the column is exact when an
 * erased tab needs it. Echoes have room that writers leave to them; when that is full too they are
 * lost.
 */
#include "tty_priv.h"
#include <asm/ioctls.h>
#include <ctype.h>
#include <string.h>

#define MASTER_BUFFER 4095 /* bytes that a pty's master has taken over before it reads them */

/* Room that an echo may use, and a write. */
static size_t echo_space(const struct tty *t)
{
	return byteq_room(&t->out);
}

static size_t write_space(const struct tty *t)
{
	size_t room = byteq_room(&t->out);

	if (t->stopped || room <= TTY_ECHO_RESERVE)
		return 0;
	return room - TTY_ECHO_RESERVE;
}

static bool put(struct tty *t, const char *s, size_t n, size_t space)
{
	return n <= space && byteq_put(&t->out, s, n) == n;
}

static bool post_newline(struct tty *t, size_t space)
{
	struct ldisc *ld = &t->ld;

	if (O_FLAG(t, ONLRET))
		ld->column = 0;
	if (O_FLAG(t, ONLCR)) {
		if (!put(t, "\r\n", 2, space))
			return false;
		ld->column = 0;
	} else if (!put(t, "\n", 1, space)) {
		return false;
	}
	ld->line_column = ld->column;
	return true;
}

static bool post_return(struct tty *t, size_t space)
{
	struct ldisc *ld = &t->ld;

	if (O_FLAG(t, ONOCR) && !ld->column)
		return true;
	if (O_FLAG(t, OCRNL)) {
		if (!put(t, "\n", 1, space))
			return false;
		if (O_FLAG(t, ONLRET))
			ld->column = ld->line_column = 0;
		return true;
	}
	if (!put(t, "\r", 1, space))
		return false;
	ld->column = ld->line_column = 0;
	return true;
}

static bool post_tab(struct tty *t, size_t space)
{
	u32 spaces = 8 - (t->ld.column & 7);
	bool ok;

	if (O_FLAG(t, TABDLY) == XTABS)
		ok = put(t, "        ", spaces, space);
	else
		ok = put(t, "\t", 1, space);
	if (ok)
		t->ld.column += spaces;
	return ok;
}

/* Latin-1 has lower-case letters too. */
static u8 upper(u8 c)
{
	if (c >= 0xdf && c != 0xf7)
		return c - 0x20;
	return toupper(c);
}

/* One character with OPOST. False: no room for what it becomes. */
static bool post_char(struct tty *t, u8 c, size_t space)
{
	struct ldisc *ld = &t->ld;
	char out = c;

	switch (c) {
	case '\n':
		return post_newline(t, space);
	case '\r':
		return post_return(t, space);
	case '\t':
		return post_tab(t, space);
	}
	if (O_FLAG(t, OLCUC) && !is_control(c))
		out = upper(c);
	if (!put(t, &out, 1, space))
		return false;
	if (c == '\b') {
		if (ld->column)
			ld->column--;
	} else if (!is_control(c) && !utf8_continues(t, c)) {
		ld->column++;
	}
	return true;
}

/* How many bytes at p need no processing but counting columns. */
static size_t plain_run(const struct tty *t, const u8 *p, size_t n)
{
	size_t i = 0;

	if (O_FLAG(t, OLCUC))
		return 0;
	while (i < n && p[i] >= 0x20 && p[i] != 0x7f)
		i++;
	return i;
}

static void count_columns(struct tty *t, const u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		t->ld.column += !utf8_continues(t, p[i]);
}

/* Where the cursor will be after the device's own processing. */
static void track_device(struct tty *t, const u8 *p, size_t n)
{
	struct ldisc *ld = &t->ld;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' || p[i] == '\r')
			ld->column = ld->line_column = 0;
		else if (p[i] == '\t')
			ld->column += 8 - (ld->column & 7);
		else if (p[i] == '\b')
			ld->column -= ld->column > 0;
		else if (!is_control(p[i]) && !utf8_continues(t, p[i]))
			ld->column++;
	}
}

static size_t put_unprocessed(struct tty *t, const u8 *buf, size_t n, size_t space)
{
	n = byteq_put(&t->out, buf, min(n, space));
	if (t->driver->device_opost)
		track_device(t, buf, n);
	return n;
}

static bool opost_here(const struct tty *t)
{
	return O_FLAG(t, OPOST) && !t->driver->device_opost;
}

/* Bytes taken from a writer: all, or those for which there was room. */
size_t opost_write(struct tty *t, const u8 *buf, size_t n)
{
	size_t done = 0;

	if (!opost_here(t))
		return put_unprocessed(t, buf, n, write_space(t));
	while (done < n) {
		size_t run = plain_run(t, buf + done, n - done), got;

		if (!run) {
			if (!post_char(t, buf[done], write_space(t)))
				break;
			done++;
			continue;
		}
		got = byteq_put(&t->out, buf + done, min(run, write_space(t)));
		count_columns(t, buf + done, got);
		done += got;
		if (got < run)
			break;
	}
	return done;
}

void echo_raw(struct tty *t, const char *s, size_t n)
{
	if (n <= echo_space(t))
		byteq_put(&t->out, s, n);
}

void echo_char_post(struct tty *t, u8 c)
{
	if (opost_here(t))
		post_char(t, c, echo_space(t));
	else
		put_unprocessed(t, &c, 1, echo_space(t));
}

void echo_char(struct tty *t, u8 c)
{
	if (L_FLAG(t, ECHOCTL) && is_control(c) && c != '\t') {
		char caret[2] = {'^', c ^ 0x40};

		echo_raw(t, caret, 2);
		t->ld.column += 2;
	} else if (c == 0xff) {
		echo_raw(t, "\xff", 1); /* as Linux has it, without output processing */
		t->ld.column++;
	} else {
		echo_char_post(t, c);
	}
}

/* Moves the cursor back over an erased tab, to that column. */
void echo_erase_tab(struct tty *t, u32 column)
{
	for (u32 n = 8 - (column & 7); n; n--) {
		echo_raw(t, "\b", 1);
		t->ld.column -= t->ld.column > 0;
	}
}

/* ---- flow control and flushing ---- */

static struct tty_mark mark_here(const struct tty *t)
{
	return (struct tty_mark){t->out.head, t->ld.column, t->ld.line_column};
}

static struct tty_mark mark_first(struct tty_mark a, struct tty_mark b)
{
	return a.at < b.at ? a : b;
}

void tty_batch_begin(struct tty *t)
{
	t->batch = t->shown = mark_here(t);
}

void tty_stop(struct tty *t, struct tty_fx *fx)
{
	if (t->stopped)
		return;
	t->stopped = true;
	/* Echoes of the input that came together with ^S are held back too. */
	t->stop = t->shown;
	fx->packet |= TIOCPKT_STOP;
}

void tty_start(struct tty *t, struct tty_fx *fx)
{
	if (t->stopped && !t->stopped_by_ioctl) {
		t->stopped = false;
		/* What was held back is on its way only now. */
		t->batch = mark_first(t->batch, t->stop);
		fx->packet |= TIOCPKT_START;
		fx->output = fx->writers = true;
	}
}

void tty_echo_shown(struct tty *t)
{
	t->shown = mark_here(t);
}

/*
 * Drops what is on its way out: echoes of this batch of input and those held back by ^S, and what
 * lies beyond the buffer of a pty's master, who has the rest already. Nobody has seen it, so the
 * cursor is where it was before.
 */
void tty_flush_output(struct tty *t, struct tty_fx *fx)
{
	u64 keep = t->out.tail + (t->driver->device_opost ? 0 : MASTER_BUFFER);
	struct tty_mark to = t->batch;

	if (t->stopped)
		to = mark_first(to, t->stop);
	if (to.at < t->out.head) {
		t->ld.column = to.column;
		t->ld.line_column = to.line_column;
	}
	to.at = max(min(to.at, keep), max(t->out.tail, t->out_sent));
	if (to.at < t->out.head)
		byteq_truncate(&t->out, to.at);
	t->batch = t->shown = mark_here(t);
	if (t->stopped)
		t->stop = mark_first(t->stop, t->batch);
	fx->writers = true;
	fx->packet |= TIOCPKT_FLUSHWRITE;
}

/*
 * ^S or ^Q for the other side (TCIOFF, TCION): it goes before what is held back; TCOOFF holds it
 * back for good.
 */
void tty_send_flow(struct tty *t, u8 c)
{
	if (t->stopped && t->stopped_by_ioctl)
		return;
	if (!t->stopped || t->stop.at >= t->out.head)
		byteq_put(&t->out, &c, 1);
	else if (!byteq_insert(&t->out, t->stop.at, c))
		return;
	if (t->stopped)
		t->stop.at++;
}

size_t tty_out_ready(const struct tty *t)
{
	if (t->stopped)
		return t->stop.at > t->out.tail ? t->stop.at - t->out.tail : 0;
	return byteq_used(&t->out);
}
