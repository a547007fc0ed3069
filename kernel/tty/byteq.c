/* A queue of bytes that grows to a limit. */
#include "byteq.h"
#include "alloc.h"
#include <string.h>

#define BYTEQ_MIN 512u

void byteq_init(struct byteq *q, u32 max_bytes)
{
	*q = (struct byteq){.max = max_bytes};
}

void byteq_destroy(struct byteq *q)
{
	kfree(q->buf);
	byteq_init(q, q->max);
}

/* Copies n bytes out of the ring, from count `at`. */
static void copy_out(const struct byteq *q, u64 at, u8 *to, size_t n)
{
	size_t off = at & (q->cap - 1), first = min(n, (size_t)q->cap - off);

	memcpy(to, q->buf + off, first);
	memcpy(to + first, q->buf, n - first);
}

/* ... and into it, at the counts that follow head. */
static void copy_in(struct byteq *q, const u8 *from, size_t n)
{
	size_t off = q->head & (q->cap - 1), first = min(n, (size_t)q->cap - off);

	memcpy(q->buf + off, from, first);
	memcpy(q->buf, from + first, n - first);
	q->head += n;
}

/* The counts stay as they are: others compare with them. */
static bool grow(struct byteq *q, size_t need)
{
	struct byteq bigger = {.cap = q->cap ? q->cap : BYTEQ_MIN, .max = q->max};
	const u8 *p;
	size_t n;

	while (bigger.cap < need)
		bigger.cap *= 2;
	bigger.buf = kmalloc(bigger.cap);
	if (!bigger.buf)
		return false;
	bigger.head = bigger.tail = q->tail;
	while ((n = byteq_peek(q, &p))) {
		copy_in(&bigger, p, n);
		byteq_skip(q, n);
	}
	kfree(q->buf);
	*q = bigger;
	return true;
}

size_t byteq_put(struct byteq *q, const void *from, size_t n)
{
	n = min(n, byteq_room(q));
	if (byteq_used(q) + n > q->cap && !grow(q, byteq_used(q) + n))
		n = q->cap - byteq_used(q);
	if (n)
		copy_in(q, from, n);
	return n;
}

bool byteq_insert(struct byteq *q, u64 at, u8 c)
{
	if (!byteq_put(q, &c, 1))
		return false;
	for (u64 i = q->head - 1; i != at; i--)
		q->buf[i & (q->cap - 1)] = q->buf[(i - 1) & (q->cap - 1)];
	q->buf[at & (q->cap - 1)] = c;
	return true;
}

size_t byteq_peek(const struct byteq *q, const u8 **p)
{
	size_t off, used = byteq_used(q);

	if (!used)
		return 0;
	off = q->tail & (q->cap - 1);
	*p = q->buf + off;
	return min(used, (size_t)q->cap - off);
}

size_t byteq_get(struct byteq *q, void *to, size_t n)
{
	n = min(n, byteq_used(q));
	if (n)
		copy_out(q, q->tail, to, n);
	q->tail += n;
	return n;
}

void byteq_trim(struct byteq *q)
{
	if (byteq_used(q) || q->cap <= 4096)
		return;
	kfree(q->buf);
	q->buf = NULL;
	q->cap = 0;
}
