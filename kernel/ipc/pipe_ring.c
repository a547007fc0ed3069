/* The buffer of a pipe: see pipe_ring.h. */
#include "pipe_ring.h"
#include "alloc.h"
#include <string.h>

void pipe_ring_init(struct pipe_ring *r, u32 nslots)
{
	*r = (struct pipe_ring){.nslots = nslots};
}

void pipe_ring_destroy(struct pipe_ring *r)
{
	kfree(r->slots);
	kfree(r->data);
	r->slots = NULL;
	r->data = NULL;
}

/* Changes nothing if it fails. */
static int ring_alloc(u32 nslots, struct pipe_slot **slots, u8 **data)
{
	struct pipe_slot *s = kcalloc(nslots, sizeof(*s));
	u8 *d = kmalloc((size_t)nslots * PIPE_SLOT_SIZE);

	if (!s || !d) {
		kfree(s);
		kfree(d);
		return -ENOMEM;
	}
	*slots = s;
	*data = d;
	return 0;
}

static void set_used(struct pipe_ring *r, u32 used)
{
	store_release(&r->used, used);
}

static void add_bytes(struct pipe_ring *r, s64 n)
{
	store_relaxed(&r->bytes, r->bytes + (u64)n);
}

int pipe_ring_resize(struct pipe_ring *r, u32 nslots)
{
	struct pipe_slot *slots;
	u8 *data;

	if (r->used > nslots)
		return -EBUSY;
	if (!r->used) { /* allocated anew by the next write */
		pipe_ring_destroy(r);
		store_relaxed(&r->nslots, nslots);
		return 0;
	}
	if (ring_alloc(nslots, &slots, &data))
		return -ENOMEM;
	for (u32 i = 0; i < r->used; i++) {
		u32 from = (r->tail + i) & (r->nslots - 1);

		slots[i] = r->slots[from];
		memcpy(data + (size_t)i * PIPE_SLOT_SIZE + slots[i].off,
		       r->data + (size_t)from * PIPE_SLOT_SIZE + slots[i].off, slots[i].len);
	}
	pipe_ring_destroy(r);
	r->slots = slots;
	r->data = data;
	r->tail = 0;
	store_relaxed(&r->nslots, nslots);
	return 0;
}

/*
 * Appends the part of a write that isn't whole slots to the newest one, if it fits. Bytes or
 * -EFAULT.
 */
static ssize_t ring_merge(struct pipe_ring *r, struct iov_iter *from)
{
	size_t n = iov_iter_count(from) & (PIPE_SLOT_SIZE - 1);
	u32 last = (r->tail + r->used - 1) & (r->nslots - 1);
	struct pipe_slot *s;

	if (!r->used || !n)
		return 0;
	s = &r->slots[last];
	if (s->packet || s->off + s->len + n > PIPE_SLOT_SIZE)
		return 0;
	if (copy_from_iter(r->data + (size_t)last * PIPE_SLOT_SIZE + s->off + s->len, n, from) != n)
		return -EFAULT;
	s->len += n;
	add_bytes(r, (s64)n);
	return (ssize_t)n;
}

/* Fills free slots that lie side by side. Bytes, 0 if there are none, or -EFAULT. */
static ssize_t ring_fill(struct pipe_ring *r, struct iov_iter *from, bool packet)
{
	u32 head = (r->tail + r->used) & (r->nslots - 1);
	u32 run = min(r->nslots - head, r->nslots - r->used);
	size_t n, got;

	if (packet)
		run = min(run, 1u);
	n = min(iov_iter_count(from), (size_t)run * PIPE_SLOT_SIZE);
	if (!n)
		return 0;
	got = copy_from_iter(r->data + (size_t)head * PIPE_SLOT_SIZE, n, from);
	if (got < n)
		got &= ~(size_t)(PIPE_SLOT_SIZE -
				 1); /* whole slots count, as with a page at a time */
	if (!got)
		return -EFAULT;
	for (size_t left = got; left; head++) {
		size_t len = min(left, (size_t)PIPE_SLOT_SIZE);

		r->slots[head] = (struct pipe_slot){.len = (u16)len, .packet = packet};
		left -= len;
	}
	add_bytes(r, (s64)got);
	set_used(r, r->used + (u32)((got + PIPE_SLOT_SIZE - 1) / PIPE_SLOT_SIZE));
	return got < n ? -EFAULT : (ssize_t)got;
}

int pipe_ring_prepare(struct pipe_ring *r)
{
	return r->data ? 0 : ring_alloc(r->nslots, &r->slots, &r->data);
}

ssize_t pipe_ring_append(struct pipe_ring *r, struct iov_iter *from)
{
	u64 before = r->bytes;
	ssize_t n;

	do {
		n = ring_fill(r, from, false);
	} while (n > 0 && iov_iter_count(from));
	return r->bytes != before ? (ssize_t)(r->bytes - before) : n;
}

ssize_t pipe_ring_write(struct pipe_ring *r, struct iov_iter *from, bool packet)
{
	u64 before = r->bytes;
	ssize_t n = pipe_ring_prepare(r);

	if (!n && !packet)
		n = ring_merge(r, from);
	if (n < 0)
		return n;
	while (iov_iter_count(from)) {
		n = ring_fill(r, from, packet);
		if (n <= 0)
			break;
	}
	if (n < 0 && r->bytes == before)
		return n;
	return (ssize_t)(r->bytes - before);
}

/* How many bytes lie in one piece from the tail on, looking at most `limit` far. */
static size_t ring_run(const struct pipe_ring *r, size_t limit)
{
	const struct pipe_slot *s = &r->slots[r->tail];
	size_t n = s->len;
	u32 i = 1;

	if (s->packet)
		return min(n, limit);
	while (n < limit && i < r->used && r->tail + i < r->nslots &&
	       s->off + s->len == PIPE_SLOT_SIZE) {
		s = &r->slots[r->tail + i++];
		if (s->off || s->packet)
			break;
		n += s->len;
	}
	return min(n, limit);
}

static void ring_drop_tail(struct pipe_ring *r)
{
	add_bytes(r, -(s64)r->slots[r->tail].len);
	r->tail = r->used == 1 ? 0 : (r->tail + 1) & (r->nslots - 1);
	set_used(r, r->used - 1);
}

void pipe_ring_consume(struct pipe_ring *r, size_t n)
{
	while (n) {
		struct pipe_slot *s = &r->slots[r->tail];

		if (n < s->len) {
			s->off += n;
			s->len -= n;
			add_bytes(r, -(s64)n);
			return;
		}
		n -= s->len;
		ring_drop_tail(r);
	}
}

/* The bytes of those slots at the tail that lie wholly within `limit`. */
static size_t ring_whole(const struct pipe_ring *r, size_t limit)
{
	size_t n = 0;

	for (u32 i = r->tail; n + r->slots[i].len <= limit; i++)
		n += r->slots[i].len;
	return n;
}

ssize_t pipe_ring_read(struct pipe_ring *r, struct iov_iter *to)
{
	size_t total = 0;

	while (r->used && iov_iter_count(to)) {
		struct pipe_slot *s = &r->slots[r->tail];
		bool packet = s->packet;
		size_t n, got;

		if (packet && total)
			break; /* the packet is another read's */
		n = ring_run(r, iov_iter_count(to));
		got = copy_to_iter(r->data + (size_t)r->tail * PIPE_SLOT_SIZE + s->off, n, to);
		if (got < n) {
			n = packet ? 0 : ring_whole(r, got);
			pipe_ring_consume(r, n);
			total += n;
			return total ? (ssize_t)total : -EFAULT;
		}
		if (packet)
			ring_drop_tail(r);
		else
			pipe_ring_consume(r, n);
		total += n;
		if (packet)
			break;
	}
	return (ssize_t)total;
}

size_t pipe_ring_peek(const struct pipe_ring *r, struct iov_iter *to)
{
	size_t done = 0;

	for (u32 i = 0; i < r->used && iov_iter_count(to); i++) {
		u32 at = (r->tail + i) & (r->nslots - 1);
		const struct pipe_slot *s = &r->slots[at];
		size_t n = min((size_t)s->len, iov_iter_count(to));
		size_t got = copy_to_iter(r->data + (size_t)at * PIPE_SLOT_SIZE + s->off, n, to);

		done += got;
		if (got < n)
			break;
	}
	return done;
}

size_t pipe_ring_move(struct pipe_ring *from, struct pipe_ring *to, size_t len, bool keep)
{
	size_t done = 0;
	u32 kept = 0;

	while (done < len && kept < from->used && to->used < to->nslots) {
		u32 at = (from->tail + kept) & (from->nslots - 1);
		u32 head = (to->tail + to->used) & (to->nslots - 1);
		const struct pipe_slot *s = &from->slots[at];
		size_t n = min((size_t)s->len, len - done);

		memcpy(to->data + (size_t)head * PIPE_SLOT_SIZE,
		       from->data + (size_t)at * PIPE_SLOT_SIZE + s->off, n);
		to->slots[head] = (struct pipe_slot){.len = (u16)n, .packet = s->packet};
		add_bytes(to, (s64)n);
		set_used(to, to->used + 1);
		if (keep)
			kept++;
		else
			pipe_ring_consume(from, n);
		done += n;
	}
	return done;
}
