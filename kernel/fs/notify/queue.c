/* The queue of events of an inotify instance. */
#include "alloc.h"
#include "kernel/fs/notify/instance.h"
#include <string.h>

static u64 max_memory;	  /* constant after boot */
static u64 queued_memory; /* atomic: of all queues, in bytes */

void queue_limit(u64 bytes)
{
	max_memory = bytes;
}

void queue_init(struct inotify *in)
{
	CDS_INIT_LIST_HEAD(&in->events);
	in->max = load_relaxed(&inotify_limits.events);
	in->overflow = (struct queued){.wd = -1, .mask = IN_Q_OVERFLOW};
}

size_t queued_size(const struct queued *q)
{
	const size_t head = sizeof(struct inotify_event);

	return q->len ? head + ROUND_UP(q->len + 1, head) : head;
}

u32 inotify_queued(const struct inotify *in)
{
	return load_acquire(&in->nr);
}

static size_t memory_of(const struct queued *q)
{
	return sizeof(*q) + q->len;
}

static struct queued *queued_alloc(int wd, const struct notify_event *ev)
{
	size_t size = sizeof(struct queued) + ev->len;
	struct queued *q = NULL;

	if (__atomic_add_fetch(&queued_memory, size, __ATOMIC_RELAXED) <= max_memory)
		q = kmalloc(size);
	if (!q) {
		__atomic_fetch_sub(&queued_memory, size, __ATOMIC_RELAXED);
		return NULL;
	}
	q->wd = wd;
	q->mask = ev->mask;
	q->cookie = ev->cookie;
	q->len = ev->len;
	if (ev->len)
		memcpy(q->name, ev->name, ev->len);
	return q;
}

void queued_free(struct inotify *in, struct queued *q)
{
	if (q == &in->overflow)
		return;
	__atomic_fetch_sub(&queued_memory, memory_of(q), __ATOMIC_RELAXED);
	kfree(q);
}

void queue_destroy(struct inotify *in)
{
	struct queued *q, *next;

	cds_list_for_each_entry_safe(q, next, &in->events, link)
		queued_free(in, q);
}

/* ---- with the lock ---- */

static void count(struct inotify *in, int events, s64 bytes)
{
	store_release(&in->nr, in->nr + events);
	store_relaxed(&in->bytes, in->bytes + bytes);
}

/* As the newest event says already? The cookie doesn't count. */
static bool is_repeated(struct inotify *in, int wd, const struct notify_event *ev)
{
	const struct queued *q;

	if (cds_list_empty(&in->events))
		return false;
	q = cds_list_entry(in->events.prev, struct queued, link);
	return q->wd == wd && q->mask == ev->mask && !(q->mask & IN_IGNORED) && q->len == ev->len &&
	       (!q->len || !memcmp(q->name, ev->name, q->len));
}

static bool queue_locked(struct inotify *in, int wd, const struct notify_event *ev)
{
	struct queued *q;

	if (in->nr < in->max && is_repeated(in, wd, ev))
		return false;
	q = in->nr < in->max ? queued_alloc(wd, ev) : NULL;
	if (!q) {
		if (in->overflown)
			return false;
		in->overflown = true;
		q = &in->overflow;
	}
	cds_list_add_tail(&q->link, &in->events);
	count(in, 1, queued_size(q));
	return true;
}

/* ---- without it ---- */

/* Who finds it due already leaves the signal to another, who has yet to send it. */
static void make_due(struct inotify *in, struct inotify **due)
{
	if (!fasync_wanted(&in->async) ||
	    __atomic_exchange_n(&in->async_due, true, __ATOMIC_ACQ_REL))
		return;
	in->async_next = *due;
	*due = inotify_get(in);
}

void inotify_send_sigio(struct inotify *due)
{
	struct inotify *next;

	for (; due; due = next) {
		next = due->async_next;
		__atomic_store_n(&due->async_due, false, __ATOMIC_SEQ_CST);
		kill_fasync(&due->async, POLL_IN);
		inotify_put(due);
	}
}

void inotify_queue(struct inotify *in, int wd, const struct notify_event *ev, struct inotify **due)
{
	bool queued;

	spin_lock(&in->lock);
	queued = queue_locked(in, wd, ev);
	spin_unlock(&in->lock);
	if (!queued)
		return;
	wake_up_poll(&in->wait, POLLIN | POLLRDNORM);
	make_due(in, due);
}

struct queued *inotify_take(struct inotify *in, size_t room)
{
	struct queued *q = NULL;

	spin_lock(&in->lock);
	if (!cds_list_empty(&in->events)) {
		q = cds_list_first_entry(&in->events, struct queued, link);
		if (queued_size(q) > room) {
			q = ERR_PTR(-EINVAL);
		} else {
			cds_list_del(&q->link);
			count(in, -1, -(s64)queued_size(q));
			if (q == &in->overflow)
				in->overflown = false;
		}
	}
	spin_unlock(&in->lock);
	return q;
}
