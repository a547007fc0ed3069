/* Ids of POSIX timers: see timer_ids.h. A chained hash table that doubles as it fills. */
#include "kernel/time/timer_ids.h"

#include "alloc.h"

/*
 * The ids of those that are left may have any pattern, so the upper bits of a product tell, not the
 * lower ones of the id.
 */
static struct timer_id **bucket_of(const struct timer_ids *t, int id)
{
	return &t->buckets[(u32)id * 0x9e3779b1u >> (32 - t->bits)];
}

void timer_ids_init(struct timer_ids *t)
{
	*t = (struct timer_ids){.buckets = t->few, .bits = TIMER_IDS_BITS};
}

void timer_ids_destroy(struct timer_ids *t)
{
	if (t->buckets != t->few)
		kfree(t->buckets);
}

static void insert(struct timer_ids *t, struct timer_id *n)
{
	struct timer_id **b = bucket_of(t, n->id);

	n->next = *b;
	*b = n;
}

/* Doubles the buckets. Without memory chains just get longer. */
static void grow(struct timer_ids *t)
{
	struct timer_id **old = t->buckets, *n, *next;
	struct timer_id **buckets = kcalloc((size_t)2 << t->bits, sizeof(*buckets));
	u32 old_size = 1u << t->bits;

	if (!buckets)
		return;
	t->buckets = buckets;
	t->bits++;
	for (u32 i = 0; i < old_size; i++) {
		for (n = old[i]; n; n = next) {
			next = n->next;
			insert(t, n);
		}
	}
	if (old != t->few)
		kfree(old);
}

void timer_ids_add(struct timer_ids *t, struct timer_id *n)
{
	if (t->nr >> t->bits && t->bits < 31)
		grow(t);
	do {
		n->id = t->next_id;
		t->next_id = n->id == INT32_MAX ? 0 : n->id + 1;
	} while (timer_ids_find(t, n->id));
	insert(t, n);
	t->nr++;
}

struct timer_id *timer_ids_find(const struct timer_ids *t, int id)
{
	struct timer_id *n = *bucket_of(t, id);

	while (n && n->id != id)
		n = n->next;
	return n;
}

void timer_ids_remove(struct timer_ids *t, struct timer_id *n)
{
	struct timer_id **b = bucket_of(t, n->id);

	while (*b != n)
		b = &(*b)->next;
	*b = n->next;
	t->nr--;
}
