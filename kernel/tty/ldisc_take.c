/* The readers' side of the line discipline. All under tty->lock. */
#include "tty_priv.h"
#include <string.h>

static bool canonical(const struct tty *t)
{
	return L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC);
}

static bool is_delim(const struct ldisc *ld, u32 pos)
{
	pos %= LDISC_SIZE;
	return ld->delim[pos / 64] >> (pos % 64) & 1;
}

bool ldisc_readable(const struct tty *t, bool polling)
{
	const struct ldisc *ld = &t->ld;
	u32 want = 1;

	if (canonical(t))
		return ld->canon != ld->tail;
	if (polling && !TTY_CC(t, VTIME) && TTY_CC(t, VMIN))
		want = TTY_CC(t, VMIN);
	return ld->head - ld->tail >= want;
}

size_t ldisc_count(const struct tty *t)
{
	const struct ldisc *ld = &t->ld;
	size_t n;

	if (!canonical(t))
		return ld->head - ld->tail;
	n = ld->canon - ld->tail;
	/* The mark that VEOF leaves isn't read. */
	for (u32 i = ld->tail; i != ld->canon; i++)
		if (is_delim(ld, i) && !ld->buf[i % LDISC_SIZE])
			n--;
	return n;
}

/*
 * Up to and with the next line's end. A line whose end doesn't fit in the reader's buffer goes on
 * with the next read; the mark of VEOF doesn't count as something that must fit.
 */
static size_t take_line(struct tty *t, u8 *buf, size_t n, bool *done)
{
	struct ldisc *ld = &t->ld;
	size_t got = 0;

	while (ld->tail != ld->canon) {
		u8 c = ld->buf[ld->tail % LDISC_SIZE];
		bool end = is_delim(ld, ld->tail), mark = end && !c && !ld->push;

		if (got == n && !mark)
			break;
		ld->tail++;
		if (!mark)
			buf[got++] = c;
		if (end) {
			ld->push = ld->push && ld->tail != ld->canon;
			*done = true;
			break;
		}
	}
	return got;
}

size_t ldisc_take(struct tty *t, u8 *buf, size_t n, bool *done)
{
	struct ldisc *ld = &t->ld;
	size_t got = 0;

	*done = false;
	if (canonical(t))
		return take_line(t, buf, n, done);
	n = min(n, (size_t)(ld->head - ld->tail));
	while (got < n) {
		u32 off = ld->tail % LDISC_SIZE;
		u32 run = min((u32)(n - got), LDISC_SIZE - off);

		memcpy(buf + got, ld->buf + off, run);
		got += run;
		ld->tail += run;
	}
	/* Switching back to canonical finds no stale line. */
	ld->canon = ld->tail;
	return got;
}
