/*
 * FUTEX_WAIT.
 *
 * The word must hold the expected value at a moment when the waiter is on the queue, or the wake-up
 * of who changes it could pass by. Reading guest memory under a bucket's lock would be slow for
 * everybody whose word hashes there, so the waiter goes on the queue first, tentatively, then
 * reads, then commits. A waker does not count a tentative waiter, it only leaves a mark (hit), and
 * the waiter reads again: it will see what changed before that wake-up.
 */
#include "kernel/futex/futex_priv.h"

#include "uaccess.h"

/* On the queue for good with 0; else off it: -EAGAIN (the word holds something else), -EFAULT. */
static int queue_while_equal(struct futex_waiter *w, uaddr_t uaddr, u32 val)
{
	struct futex_bucket *b;
	u32 now;
	int err;
	bool hit;

	futex_enqueue(w);
	do {
		err = get_user(now, uaddr);
		if (!err && now != val)
			err = -EAGAIN;
		if (err) {
			/* Nobody wakes a tentative waiter, so it still is on the queue. */
			futex_dequeue(w);
			return err;
		}
		/* Nor does anybody requeue one: this is its bucket. */
		b = w->bucket;
		spin_lock(&b->lock);
		hit = w->hit;
		w->hit = false;
		if (!hit)
			w->state = FUTEX_QUEUED;
		spin_unlock(&b->lock);
	} while (hit);
	return 0;
}

/* Sleeps until woken (0), a signal (-ERESTARTSYS) or the deadline (-ETIMEDOUT). */
static long sleep_queued(struct futex_waiter *w, ktime_t deadline)
{
	long err = 0;

	while (!err) {
		kthread_set_state(KT_INTERRUPTIBLE);
		if (load_acquire(&w->state) == FUTEX_WOKEN)
			break;
		if (signal_pending(current))
			err = -ERESTARTSYS;
		else if (!schedule_deadline(deadline))
			err = -ETIMEDOUT;
	}
	kthread_set_state(KT_RUNNING);
	/* A wake-up that came at the same time was meant for us: it counts. */
	return futex_dequeue(w) ? err : 0;
}

static long wait_once(uaddr_t uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset)
{
	struct futex_waiter w = {.bitset = bitset, .task = current};
	long err = futex_key_get(&w.key, current->mm, uaddr, shared);

	if (err)
		return err;
	err = queue_while_equal(&w, uaddr, val);
	if (!err)
		err = sleep_queued(&w, deadline);
	futex_key_put(&w.key);
	return err;
}

/* restart.arg: word, shared, value, deadline, bitset. */
static long wait_restart(struct task *t)
{
	const u64 *a = t->restart.arg;

	return futex_wait(a[0], a[1], (u32)a[2], a[3], (u32)a[4]);
}

long futex_wait(uaddr_t uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset)
{
	struct task *t = current;
	long err = wait_once(uaddr, shared, val, deadline, bitset);

	/* With a timeout a restart must not begin to count anew. */
	if (err != -ERESTARTSYS || deadline == KTIME_MAX)
		return err;
	t->restart.fn = wait_restart;
	t->restart.arg[0] = uaddr;
	t->restart.arg[1] = shared;
	t->restart.arg[2] = val;
	t->restart.arg[3] = deadline;
	t->restart.arg[4] = bitset;
	return -ERESTART_RESTARTBLOCK;
}
