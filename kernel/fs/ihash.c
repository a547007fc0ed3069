/*
 * Tables of inodes by a pair of numbers. See ihash.h. Each shard is a chained hash table of its own
 * that doubles as it fills.
 */
#include "ihash.h"

#include "alloc.h"
#include "fs.h"

#define INITIAL_SIZE 16

static u64 mix(u64 a, u64 b)
{
	u64 h = (a ^ (b << 32 | b >> 32)) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ b ^ h >> 29) * 0xbf58476d1ce4e5b9ULL;
	return h ^ h >> 32;
}

static struct ihash_shard *shard_of(struct ihash *t, u64 h)
{
	return &t->shard[h % IHASH_SHARDS];
}

static struct ihash_node **bucket_of(struct ihash_shard *s, u64 h)
{
	return &s->buckets[h / IHASH_SHARDS & (s->size - 1)];
}

int ihash_init(struct ihash *t)
{
	for (int i = 0; i < IHASH_SHARDS; i++) {
		struct ihash_shard *s = &t->shard[i];

		spin_init(&s->lock, "inode table", RANK_INODE_SPIN);
		s->count = 0;
		s->size = INITIAL_SIZE;
		s->buckets = kcalloc(s->size, sizeof(*s->buckets));
		if (!s->buckets) {
			while (i--)
				kfree(t->shard[i].buckets);
			return -ENOMEM;
		}
	}
	return 0;
}

void ihash_destroy(struct ihash *t)
{
	for (int i = 0; i < IHASH_SHARDS; i++)
		kfree(t->shard[i].buckets);
}

struct inode *ihash_find(struct ihash *t, u64 a, u64 b)
{
	u64 h = mix(a, b);
	struct ihash_shard *s = shard_of(t, h);
	struct ihash_node *n;
	struct inode *inode = NULL;

	spin_lock(&s->lock);
	for (n = *bucket_of(s, h); n && !inode; n = n->next)
		if (n->a == a && n->b == b && inode_tryget(n->inode))
			inode = n->inode;
	spin_unlock(&s->lock);
	return inode;
}

/* Doubles the buckets. Without memory chains just get longer. */
static void grow_locked(struct ihash_shard *s)
{
	struct ihash_node **old = s->buckets, *n, *next, **b;
	u32 old_size = s->size;

	s->buckets = kcalloc(old_size * 2, sizeof(*s->buckets));
	if (!s->buckets) {
		s->buckets = old;
		return;
	}
	s->size = old_size * 2;
	for (u32 i = 0; i < old_size; i++) {
		for (n = old[i]; n; n = next) {
			next = n->next;
			b = bucket_of(s, mix(n->a, n->b));
			n->next = *b;
			*b = n;
		}
	}
	kfree(old);
}

struct inode *ihash_add(struct ihash *t, struct ihash_node *n)
{
	u64 h = mix(n->a, n->b);
	struct ihash_shard *s = shard_of(t, h);
	struct ihash_node *other, **b;
	struct inode *there = NULL;

	spin_lock(&s->lock);
	if (s->count >= s->size)
		grow_locked(s);
	b = bucket_of(s, h);
	for (other = *b; other && !there; other = other->next)
		if (other->a == n->a && other->b == n->b && inode_tryget(other->inode))
			there = other->inode;
	if (!there) {
		n->next = *b;
		*b = n;
		n->hashed = true;
		s->count++;
	}
	spin_unlock(&s->lock);
	return there;
}

void ihash_remove(struct ihash *t, struct ihash_node *n)
{
	u64 h = mix(n->a, n->b);
	struct ihash_shard *s = shard_of(t, h);
	struct ihash_node **b;

	spin_lock(&s->lock);
	if (n->hashed) {
		for (b = bucket_of(s, h); *b != n; b = &(*b)->next)
			;
		*b = n->next;
		n->hashed = false;
		s->count--;
	}
	spin_unlock(&s->lock);
}
