/* Names of a directory in memory. See memdir.h. */
#include "kernel/fs/tmpfs/memdir.h"

#include "alloc.h"
#include "log.h"

#include <string.h>

/* Up to so many entries are searched one by one. */
#define FEW 8

static u32 name_hash(const char *name, size_t len)
{
	u32 h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 16777619u;
	return h ^ h >> 15;
}

static bool matches(const struct memdirent *e, u32 hash, const char *name, size_t len)
{
	return e->hash == hash && e->len == len && !memcmp(e->name, name, len);
}

struct memdirent *memdir_find(const struct memdir *d, const char *name, size_t len)
{
	u32 hash = name_hash(name, len);
	struct memdirent *e;

	if (!d->buckets) {
		for (u32 i = 0; i < d->nr_slots; i++)
			if (d->slots[i].e && matches(d->slots[i].e, hash, name, len))
				return d->slots[i].e;
		return NULL;
	}
	for (e = d->buckets[hash & (d->nr_buckets - 1)]; e; e = e->next)
		if (matches(e, hash, name, len))
			return e;
	return NULL;
}

static void hash_insert(struct memdir *d, struct memdirent *e)
{
	struct memdirent **b = &d->buckets[e->hash & (d->nr_buckets - 1)];

	e->next = *b;
	*b = e;
}

static int hash_resize(struct memdir *d, u32 nr)
{
	struct memdirent **b = kcalloc(nr, sizeof(*b));

	if (!b)
		return -ENOMEM;
	kfree(d->buckets);
	d->buckets = b;
	d->nr_buckets = nr;
	for (u32 i = 0; i < d->nr_slots; i++)
		if (d->slots[i].e)
			hash_insert(d, d->slots[i].e);
	return 0;
}

/*
 * Room for one more slot: by dropping those of removed entries when they are half of all, else by
 * growing.
 */
static int slots_reserve(struct memdir *d)
{
	u32 kept = 0, cap;
	struct memdir_slot *more;

	if (d->nr_slots < d->cap_slots)
		return 0;
	if (d->live + d->whiteouts <= d->nr_slots / 2) {
		for (u32 i = 0; i < d->nr_slots; i++)
			if (d->slots[i].e)
				d->slots[kept++] = d->slots[i];
		d->nr_slots = kept;
		if (d->nr_slots < d->cap_slots)
			return 0;
	}
	cap = d->cap_slots ? d->cap_slots * 2 : 4;
	more = krealloc(d->slots, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	d->slots = more;
	d->cap_slots = cap;
	return 0;
}

static void count(struct memdir *d, const struct inode *inode, int by)
{
	if (inode)
		d->live += by;
	else
		d->whiteouts += by;
}

struct memdirent *memdir_add(struct memdir *d, const char *name, size_t len, struct inode *inode)
{
	struct memdirent *e = kmalloc(sizeof(*e) + len + 1);
	u32 n = d->live + d->whiteouts + 1;
	int err = 0;

	if (!e || slots_reserve(d)) {
		kfree(e);
		return NULL;
	}
	if (n > FEW && n > d->nr_buckets)
		err = hash_resize(d, d->nr_buckets ? d->nr_buckets * 2 : 16);
	if (err && !d->buckets) { /* longer chains would do, but there are none */
		kfree(e);
		return NULL;
	}
	if (!d->next_cookie)
		d->next_cookie = MEMDIR_FIRST_COOKIE;
	*e = (struct memdirent){
		.inode = inode,
		.cookie = d->next_cookie++,
		.hash = name_hash(name, len),
		.len = len,
	};
	memcpy(e->name, name, len);
	e->name[len] = '\0';
	d->slots[d->nr_slots++] = (struct memdir_slot){e->cookie, e};
	if (d->buckets)
		hash_insert(d, e);
	count(d, inode, 1);
	return e;
}

/* Index of the first slot with a cookie >= from. */
static u32 slot_search(const struct memdir *d, u64 from)
{
	u32 lo = 0, hi = d->nr_slots;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (d->slots[mid].cookie < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct inode *memdir_remove(struct memdir *d, struct memdirent *e)
{
	struct inode *inode = e->inode;
	struct memdirent **b;
	u32 i = slot_search(d, e->cookie);

	ASSERT(i < d->nr_slots && d->slots[i].e == e);
	d->slots[i].e = NULL;
	while (d->nr_slots && !d->slots[d->nr_slots - 1].e)
		d->nr_slots--;
	if (d->buckets) {
		for (b = &d->buckets[e->hash & (d->nr_buckets - 1)]; *b != e; b = &(*b)->next)
			;
		*b = e->next;
	}
	count(d, inode, -1);
	kfree(e);
	return inode;
}

struct inode *memdir_replace(struct memdir *d, struct memdirent *e, struct inode *inode)
{
	struct inode *old = e->inode;

	count(d, old, -1);
	e->inode = inode;
	count(d, inode, 1);
	return old;
}

struct memdirent *memdir_next(const struct memdir *d, u64 from)
{
	for (u32 i = slot_search(d, from); i < d->nr_slots; i++)
		if (d->slots[i].e)
			return d->slots[i].e;
	return NULL;
}

struct memdirent *memdir_last(const struct memdir *d)
{
	return d->nr_slots ? d->slots[d->nr_slots - 1].e : NULL;
}

void memdir_free(struct memdir *d)
{
	ASSERT(!d->live && !d->whiteouts);
	kfree(d->slots);
	kfree(d->buckets);
	*d = (struct memdir){};
}
