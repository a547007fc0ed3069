/* A queue of bytes that grows to a limit. Everything under the owner's lock. */
#ifndef HEDDLE_TTY_BYTEQ_H
#define HEDDLE_TTY_BYTEQ_H

#include "types.h"

struct byteq {
	u8 *buf;	/* cap bytes, a power of two; NULL while nothing was ever queued */
	u32 cap, max;	/* max is a power of two */
	u64 head, tail; /* counts of bytes put and taken */
};

void byteq_init(struct byteq *q, u32 max);
void byteq_destroy(struct byteq *q);
/* Bytes taken: fewer when it is full (or memory is). */
size_t byteq_put(struct byteq *q, const void *from, size_t n);
/* The next bytes in one piece; may be fewer than are queued. */
size_t byteq_peek(const struct byteq *q, const u8 **p);
size_t byteq_get(struct byteq *q, void *to, size_t n);
/* Gives the memory back if it is empty and large. */
void byteq_trim(struct byteq *q);

static inline size_t byteq_used(const struct byteq *q)
{
	return q->head - q->tail;
}
static inline size_t byteq_room(const struct byteq *q)
{
	return q->max - byteq_used(q);
}
/* Puts c before the byte with count `at`, which is queued. False: no room. */
must_check bool byteq_insert(struct byteq *q, u64 at, u8 c);
/* Drops the newest, down to that head. */
static inline void byteq_truncate(struct byteq *q, u64 head)
{
	q->head = head;
}
static inline void byteq_skip(struct byteq *q, size_t n)
{
	q->tail += n;
}

#endif
