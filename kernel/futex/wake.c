/* FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_WAKE_OP. */
#include "kernel/futex/futex_priv.h"

#include "fs.h"
#include "mm.h"
#include "uaccess.h"
#include <linux/futex.h>

/*
 * Wakes waiters of k in bucket b until `nr` were woken in all, of which *woken were already. False:
 * the batch is full, come again. Bucket lock held.
 */
static bool wake_some(struct futex_bucket *b, const struct futex_key *k, u32 bitset, int nr,
		      int *woken, struct futex_wakes *wakes)
{
	struct futex_waiter *w, *next;

	cds_list_for_each_entry_safe(w, next, &b->waiters, link) {
		if (!futex_key_same(&w->key, k) || !(w->bitset & bitset))
			continue;
		if (w->state == FUTEX_TENTATIVE) {
			w->hit = true;
			continue;
		}
		if (!futex_mark_woken(wakes, w))
			return false;
		if (++*woken >= nr)
			return true;
	}
	return true;
}

static int wake_key(const struct futex_key *k, u32 bitset, int nr)
{
	struct futex_wakes wakes;
	struct futex_bucket *b;
	int woken = 0;
	bool done;

	do {
		wakes.n = 0;
		b = futex_bucket_lock(k);
		done = wake_some(b, k, bitset, nr, &woken, &wakes);
		futex_bucket_unlock(b);
		futex_wake_marked(&wakes);
	} while (!done);
	return woken;
}

long futex_wake(struct mm *mm, uaddr_t uaddr, bool shared, int nr, u32 bitset)
{
	struct futex_key k;
	long err = futex_key_get(&k, mm, uaddr, shared);

	if (err)
		return err;
	err = wake_key(&k, bitset, nr);
	futex_key_put(&k);
	return err;
}

int futex_wake_mm(struct mm *mm, uaddr_t uaddr, int n)
{
	return (int)futex_wake(mm, uaddr, true, n, FUTEX_BITSET_MATCH_ANY);
}

/* ---- requeue ---- */

struct requeue {
	struct futex_key k1, k2;
	int nr_wake, nr_move;
	int woken, moved;
};

/* One pass under the locks of both buckets. False: the batch of wake-ups is full, come again. */
static bool requeue_pass(struct requeue *r, struct futex_bucket *b1, struct futex_bucket *b2,
			 struct futex_wakes *wakes)
{
	struct futex_waiter *w, *next;

	cds_list_for_each_entry_safe(w, next, &b1->waiters, link) {
		if (r->woken >= r->nr_wake && r->moved >= r->nr_move)
			break;
		if (!futex_key_same(&w->key, &r->k1))
			continue;
		if (w->state == FUTEX_TENTATIVE) {
			w->hit = true;
			continue;
		}
		if (r->woken < r->nr_wake) {
			if (!futex_mark_woken(wakes, w))
				return false;
			r->woken++;
			continue;
		}
		r->moved++;
		if (futex_key_same(&r->k1, &r->k2))
			continue;
		cds_list_move(&w->link, b2->waiters.prev); /* to the tail */
		/* The reference on the old word's inode is dropped by who runs the passes. */
		w->key = r->k2;
		if (w->key.inode)
			inode_get(w->key.inode);
		store_relaxed(&w->bucket, b2);
	}
	return true;
}

/*
 * The word must hold *cmp at a moment when nobody can join or leave the queue, so it is read under
 * the locks.
 */
static int compare_locked(uaddr_t uaddr, const u32 *cmp)
{
	u32 now;

	if (!cmp)
		return 0;
	if (copy_from_user_nofault(&now, uaddr, sizeof(now)))
		return -EFAULT;
	return now == *cmp ? 0 : -EAGAIN;
}

static long requeue_keys(struct requeue *r, uaddr_t uaddr1, const u32 *cmp)
{
	struct futex_wakes wakes;
	struct futex_bucket *b1, *b2;
	bool done = true;
	u32 word;
	long err;

	for (;;) {
		wakes.n = 0;
		futex_bucket_lock2(&r->k1, &r->k2, &b1, &b2);
		err = compare_locked(uaddr1, cmp);
		if (!err)
			done = requeue_pass(r, b1, b2, &wakes);
		futex_bucket_unlock2(b1, b2);
		futex_wake_marked(&wakes);
		if (err == -EFAULT && !get_user(word, uaddr1)) {
			/*
			 * It wasn't there, but is: others map and unmap it, or it is a stack's,
			 * which had to grow.
			 */
			if (signal_pending(current))
				return -ERESTARTNOINTR;
			cond_resched();
			continue;
		}
		if (err)
			return err;
		if (done)
			return r->woken + r->moved;
		cmp = NULL;
	}
}

long futex_requeue(const struct futex_pair *p, const u32 *cmp)
{
	struct requeue r = {.nr_wake = p->nr1, .nr_move = p->nr2};
	long err;
	u32 word;
	int i;

	if (p->nr1 < 0 || p->nr2 < 0)
		return -EINVAL;
	err = futex_key_get(&r.k1, current->mm, p->uaddr1, p->shared);
	if (err)
		return err;
	err = futex_key_get(&r.k2, current->mm, p->uaddr2, p->shared);
	/* Once without locks, so that the page is there when it is read with them. */
	if (!err && cmp && get_user(word, p->uaddr1))
		err = -EFAULT;
	if (!err)
		err = requeue_keys(&r, p->uaddr1, cmp);
	if (r.k1.inode && !futex_key_same(&r.k1, &r.k2))
		for (i = 0; i < r.moved; i++)
			inode_put(r.k1.inode);
	futex_key_put(&r.k1);
	futex_key_put(&r.k2);
	return err;
}

/* ---- wake_op ---- */

static int sign_extend12(u32 v)
{
	return (int)(v << 20) >> 20;
}

static int apply_op(u32 op, u32 old, u32 arg, u32 *val)
{
	switch (op) {
	case FUTEX_OP_SET:
		*val = arg;
		return 0;
	case FUTEX_OP_ADD:
		*val = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*val = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*val = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*val = old ^ arg;
		return 0;
	default:
		return -ENOSYS;
	}
}

static int compare(u32 cmp, int old, int arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	default:
		return -ENOSYS;
	}
}

/* Does the operation on the word; whether the old value compares as asked, or -errno. */
static int op_on_user(uaddr_t uaddr, u32 encoded)
{
	u32 op = encoded >> 28 & 7, cmp = encoded >> 24 & 15, old, val, found;
	int arg = sign_extend12(encoded >> 12), cmparg = sign_extend12(encoded), err;

	if (encoded & (u32)FUTEX_OP_OPARG_SHIFT << 28)
		arg = (int)(1u << (arg & 31));
	err = compare(cmp, 0, 0);
	if (err < 0)
		return err;
	if (get_user(old, uaddr))
		return -EFAULT;
	for (;;) {
		err = apply_op(op, old, (u32)arg, &val);
		if (err)
			return err;
		if (mm_cmpxchg32(current->mm, uaddr, old, val, &found))
			return -EFAULT;
		if (found == old)
			return compare(cmp, (int)old, cmparg);
		/*
		 * Somebody changes it all the time: nothing is done yet, so others may have their
		 * turn.
		 */
		if (signal_pending(current))
			return -ERESTARTNOINTR;
		cond_resched();
		old = found;
	}
}

/*
 * Unlike Linux's, the operation comes before the locks: to everybody it looks like an ordinary
 * store before a wake-up.
 */
long futex_wake_op(const struct futex_pair *p, u32 encoded)
{
	struct futex_key k1, k2;
	long err, woken;

	err = futex_key_get(&k1, current->mm, p->uaddr1, p->shared);
	if (err)
		return err;
	err = futex_key_get(&k2, current->mm, p->uaddr2, p->shared);
	if (!err)
		err = op_on_user(p->uaddr2, encoded);
	if (err >= 0) {
		woken = wake_key(&k1, FUTEX_BITSET_MATCH_ANY, p->nr1);
		if (err)
			woken += wake_key(&k2, FUTEX_BITSET_MATCH_ANY, p->nr2);
		err = woken;
	}
	futex_key_put(&k1);
	futex_key_put(&k2);
	return err;
}
