/* Text that grows. */
#include "kernel/fs/proc/seq.h"
#include "alloc.h"
#include "fs.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SEQ_MAX (256u << 20)
#define SEQ_SMALL 1024u /* a text up to here is in the price of its file */

static u64 max_memory = SEQ_MAX; /* constant after boot */
static u64 memory;		 /* atomic: of all texts that aren't small, in bytes */

void seq_limit(u64 bytes)
{
	max_memory = bytes;
}

static size_t counted(size_t cap)
{
	return cap > SEQ_SMALL ? cap : 0;
}

void seq_init(struct seq *s)
{
	*s = (struct seq){0};
}

void seq_destroy(struct seq *s)
{
	__atomic_fetch_sub(&memory, counted(s->cap), __ATOMIC_RELAXED);
	kfree(s->buf);
	seq_init(s);
}

/* NULL: no memory, or too much of it is in texts. */
static char *grow(const struct seq *s, size_t cap)
{
	size_t more = counted(cap) - counted(s->cap);
	char *buf = NULL;

	if (__atomic_add_fetch(&memory, more, __ATOMIC_RELAXED) <= max_memory || !more)
		buf = krealloc(s->buf, cap);
	if (!buf)
		__atomic_fetch_sub(&memory, more, __ATOMIC_RELAXED);
	return buf;
}

char *seq_reserve(struct seq *s, size_t n)
{
	size_t cap = s->cap ? s->cap : SEQ_SMALL;
	char *buf;

	if (s->cap - s->len >= n)
		return s->buf + s->len;
	while (cap - s->len < n && cap < SEQ_MAX)
		cap *= 2;
	buf = cap - s->len >= n ? grow(s, cap) : NULL;
	if (!buf) {
		s->failed = true;
		return NULL;
	}
	s->buf = buf;
	s->cap = cap;
	return buf + s->len;
}

void seq_fit(struct seq *s)
{
	size_t cap = max(s->len, (size_t)SEQ_SMALL);
	char *buf = s->cap / 2 >= cap ? krealloc(s->buf, cap) : NULL;

	if (!buf)
		return;
	__atomic_fetch_sub(&memory, counted(s->cap) - counted(cap), __ATOMIC_RELAXED);
	s->buf = buf;
	s->cap = cap;
}

void seq_write(struct seq *s, const void *data, size_t n)
{
	char *p = seq_reserve(s, n);

	if (!p)
		return;
	memcpy(p, data, n);
	s->len += n;
}

void seq_puts(struct seq *s, const char *text)
{
	seq_write(s, text, strlen(text));
}

void seq_putc(struct seq *s, char c)
{
	seq_write(s, &c, 1);
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
	size_t room = 128;

	for (;;) {
		char *p = seq_reserve(s, room);
		va_list ap;
		int n;

		if (!p)
			return;
		room = s->cap - s->len;
		va_start(ap, fmt);
		n = vsnprintf(p, room, fmt, ap);
		va_end(ap);
		if (n < 0)
			return;
		if ((size_t)n < room) {
			s->len += n;
			return;
		}
		room = n + 1;
	}
}

void seq_escape(struct seq *s, const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			seq_printf(s, "\\%03o", (unsigned char)*text);
		else
			seq_putc(s, *text);
	}
}

void seq_path(struct seq *s, const struct path *p, const char *special)
{
	size_t size = PATH_MAX + 32;
	char *buf = kmalloc(size), *name;

	if (!buf) {
		s->failed = true;
		return;
	}
	name = path_name(p, buf, size);
	seq_escape(s, IS_ERR(name) ? "?" : name, special);
	kfree(buf);
}

void seq_pad(struct seq *s, size_t from, size_t width)
{
	while (s->len - from < width && !s->failed)
		seq_putc(s, ' ');
}

void seq_bit_list(struct seq *s, u64 bits, int n)
{
	const char *comma = "";

	for (int i = 0; i < n; i++) {
		int first = i;

		if (!(bits >> i & 1))
			continue;
		while (i + 1 < n && bits >> (i + 1) & 1)
			i++;
		if (first == i)
			seq_printf(s, "%s%d", comma, i);
		else
			seq_printf(s, "%s%d-%d", comma, first, i);
		comma = ",";
	}
}

void seq_bit_mask(struct seq *s, u64 bits, int n)
{
	int digits = (min(n, 32) + 3) / 4;

	if (n > 32) {
		seq_printf(s, "%0*x,", (n - 32 + 3) / 4, (u32)(bits >> 32));
		digits = 8;
	}
	seq_printf(s, "%0*x", digits, (u32)bits);
}
