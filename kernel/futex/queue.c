/* Keys and the hash table of waiters. */
#include "kernel/futex/futex_priv.h"

#include "fs.h"
#include "mm.h"
#include "uaccess.h"

#define NBUCKETS 1024

/* The list heads are set up at first use, under the lock. */
static struct futex_bucket buckets[NBUCKETS] = {
	[0 ... NBUCKETS - 1] = {.lock = SPINLOCK_INIT("futex", RANK_FUTEX)},
};

int futex_key_get(struct futex_key *k, struct mm *mm, uaddr_t uaddr, bool shared)
{
	u64 offset;

	*k = (struct futex_key){.where = mm, .offset = uaddr};
	if (uaddr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	if (!shared)
		return 0;
	if (mm_futex_key(mm, uaddr, &k->inode, &offset))
		return -EFAULT;
	if (k->inode) {
		k->where = k->inode;
		k->offset = offset;
	} else {
		k->offset |= 1; /* as on Linux, private and other operations on private memory don't
				   meet */
	}
	return 0;
}

void futex_key_put(struct futex_key *k)
{
	if (k->inode)
		inode_put(k->inode);
	k->inode = NULL;
}

static struct futex_bucket *bucket_of(const struct futex_key *k)
{
	u64 h = ((u64)k->where >> 4) * 0x9e3779b97f4a7c15ull;

	h = (h ^ k->offset >> 2) * 0xd6e8feb86659fd93ull;
	return &buckets[h >> 54];
}

static void bucket_ready(struct futex_bucket *b)
{
	if (unlikely(!b->waiters.next))
		CDS_INIT_LIST_HEAD(&b->waiters);
}

struct futex_bucket *futex_bucket_lock(const struct futex_key *k)
{
	struct futex_bucket *b = bucket_of(k);

	spin_lock(&b->lock);
	bucket_ready(b);
	return b;
}

void futex_bucket_unlock(struct futex_bucket *b)
{
	spin_unlock(&b->lock);
}

void futex_bucket_lock2(const struct futex_key *k1, const struct futex_key *k2,
			struct futex_bucket **b1, struct futex_bucket **b2)
{
	*b1 = bucket_of(k1);
	*b2 = bucket_of(k2);
	spin_lock(&min(*b1, *b2)->lock);
	if (*b1 != *b2)
		spin_lock_nested(&max(*b1, *b2)->lock); /* by address */
	bucket_ready(*b1);
	bucket_ready(*b2);
}

void futex_bucket_unlock2(struct futex_bucket *b1, struct futex_bucket *b2)
{
	spin_unlock(&b1->lock);
	if (b1 != b2)
		spin_unlock(&b2->lock);
}

void futex_enqueue(struct futex_waiter *w)
{
	struct futex_bucket *b = futex_bucket_lock(&w->key);

	store_relaxed(&w->bucket, b);
	cds_list_add_tail(&w->link, &b->waiters);
	futex_bucket_unlock(b);
}

bool futex_dequeue(struct futex_waiter *w)
{
	struct futex_bucket *b;
	bool was_queued;

	for (;;) {
		if (load_acquire(&w->state) == FUTEX_WOKEN)
			return false;
		b = load_relaxed(&w->bucket);
		spin_lock(&b->lock);
		if (b == load_relaxed(&w->bucket))
			break;
		spin_unlock(&b->lock); /* it was requeued */
	}
	was_queued = w->state != FUTEX_WOKEN;
	if (was_queued)
		cds_list_del(&w->link);
	spin_unlock(&b->lock);
	return was_queued;
}

bool futex_mark_woken(struct futex_wakes *wakes, struct futex_waiter *w)
{
	if (wakes->n == FUTEX_WAKE_BATCH)
		return false;
	wakes->task[wakes->n++] = task_get(w->task);
	cds_list_del(&w->link);
	/* From here on its stack may be gone. */
	store_release(&w->state, FUTEX_WOKEN);
	return true;
}

void futex_wake_marked(struct futex_wakes *wakes)
{
	int i;

	for (i = 0; i < wakes->n; i++) {
		wake_up_kthread(&wakes->task[i]->kt);
		task_put(wakes->task[i]);
	}
	wakes->n = 0;
}
