/*
 * The buffer of a pipe: a ring of page-sized slots in one piece of memory, so that a long read or
 * write copies whole runs of slots at once. A slot holds what one small write, or a page of a long
 * one, left; the next small write is appended to it if it fits, unless the slot is a packet.
 *
 * The caller serialises everything but pipe_ring_used().
 */
#ifndef HEDDLE_PIPE_RING_H
#define HEDDLE_PIPE_RING_H

#include "types.h"
#include "uaccess.h"

#define PIPE_SLOT_SIZE 4096u
#define PIPE_DEF_SLOTS 16u
#define PIPE_FEW_SLOTS 2u /* of a user with very many pipes */

struct pipe_slot {
	u16 off, len;
	bool packet;
};

struct pipe_ring {
	u32 tail;   /* index of the oldest slot; 0 whenever the ring is empty: the warm page is used
		       again */
	u32 used;   /* slots that hold data; atomic for pipe_ring_used() */
	u32 nslots; /* power of two; atomic */
	u64 bytes;  /* atomic */
	struct pipe_slot *slots; /* allocated with data, at the first write */
	u8 *data;
};

void pipe_ring_init(struct pipe_ring *r, u32 nslots);
void pipe_ring_destroy(struct pipe_ring *r);
/* Changes the number of slots (a power of two). -EBUSY if more are in use, -ENOMEM. */
must_check int pipe_ring_resize(struct pipe_ring *r, u32 nslots);
/*
 * Stores as much of `from` as there is room for; as packets of at most a slot if so asked. Bytes
 * stored; 0: no room; -EFAULT, -ENOMEM if nothing was stored. What fits in a slot is stored whole
 * or not at all.
 */
must_check ssize_t pipe_ring_write(struct pipe_ring *r, struct iov_iter *from, bool packet);
/*
 * Takes what there is, at most to the end of one packet, whose unread rest is lost. Bytes; 0:
 * empty; -EFAULT if nothing was taken.
 */
must_check ssize_t pipe_ring_read(struct pipe_ring *r, struct iov_iter *to);

/*
 * For splices, which don't look at packets. The ring's memory, so that what there is room for can
 * be stored: 0 or -ENOMEM.
 */
must_check int pipe_ring_prepare(struct pipe_ring *r);
/* As pipe_ring_write(), prepared, but in slots of its own. */
must_check ssize_t pipe_ring_append(struct pipe_ring *r, struct iov_iter *from);
/*
 * Copies the oldest bytes, as many as `to` takes, and leaves them where they are. Bytes; fewer at a
 * bad address.
 */
must_check size_t pipe_ring_peek(const struct pipe_ring *r, struct iov_iter *to);
/* Drops the n oldest bytes, which are there. */
void pipe_ring_consume(struct pipe_ring *r, size_t n);
/*
 * Moves (keep: copies) at most len of the oldest bytes to another ring, prepared: as slots of their
 * own, as far as these reach. Bytes.
 */
size_t pipe_ring_move(struct pipe_ring *from, struct pipe_ring *to, size_t len, bool keep);

static inline u32 pipe_ring_used(const struct pipe_ring *r)
{
	return load_acquire(&r->used);
}
static inline bool pipe_ring_full(const struct pipe_ring *r)
{
	return pipe_ring_used(r) >= load_relaxed(&r->nslots);
}

#endif
