/* The wait queues that a task in poll or select waits on: see poll_set.h. */
#include "poll_set.h"
#include "alloc.h"
#include "fs.h"
#include "task.h"

u32 file_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
	return f->ops->poll(f, pt);
}

/* Under the queue's lock. */
static bool entry_wake(struct waiter *w, u32 events)
{
	struct poll_entry *e = caa_container_of(w, struct poll_entry, w);

	if (events && !(events & e->events))
		return false;
	__atomic_store_n(&e->set->triggered, true, __ATOMIC_SEQ_CST);
	wake_up_kthread(e->set->kt);
	return true;
}

/* A place for one more waiter, or NULL. */
static struct poll_entry *entry_new(struct poll_set *ps)
{
	struct poll_chunk *c = ps->chunks;
	unsigned i = ps->nr;

	if (i < POLL_INLINE) {
		ps->nr++;
		return &ps->inl[i];
	}
	i = (i - POLL_INLINE) % ARRAY_SIZE(c->entries);
	if (!i) {
		c = kmalloc(sizeof(*c));
		if (!c)
			return NULL;
		c->next = ps->chunks;
		ps->chunks = c;
	}
	ps->nr++;
	return &c->entries[i];
}

static void set_queue(struct poll_table *pt, struct wait_queue *q, void *owner,
		      void (*put)(void *owner))
{
	struct poll_set *ps = caa_container_of(pt, struct poll_set, pt);
	struct poll_entry *e = entry_new(ps);

	if (!e) {
		ps->err = -ENOMEM;
		if (put)
			put(owner);
		return;
	}
	*e = (struct poll_entry){
		.w.fn = entry_wake,
		.set = ps,
		.events = pt->events,
		.file = file_get(ps->file),
		.owner = owner,
		.put = put,
	};
	wait_add(q, &e->w);
}

void poll_set_init(struct poll_set *ps, bool wait)
{
	ps->pt.queue = wait ? set_queue : NULL;
	ps->kt = &current->kt;
	ps->triggered = false;
	ps->err = 0;
	ps->nr = 0;
	ps->chunks = NULL;
}

static void entry_done(struct poll_entry *e)
{
	wait_remove(&e->w);
	if (e->put)
		e->put(e->owner);
	file_put(e->file);
}

void poll_set_done(struct poll_set *ps)
{
	struct poll_chunk *c;

	while (ps->nr > POLL_INLINE) {
		unsigned i = (ps->nr - POLL_INLINE - 1) % ARRAY_SIZE(c->entries);

		c = ps->chunks;
		entry_done(&c->entries[i]);
		ps->nr--;
		if (!i) {
			ps->chunks = c->next;
			kfree(c);
		}
	}
	while (ps->nr)
		entry_done(&ps->inl[--ps->nr]);
}

u32 poll_set_ask(struct poll_set *ps, struct file *f, u32 events)
{
	events |= POLLERR | POLLHUP;
	ps->file = f;
	ps->pt.events = events;
	return file_poll(f, &ps->pt) & events;
}

bool poll_set_sleep(struct poll_set *ps, ktime_t deadline)
{
	bool in_time = true;

	kthread_set_state(KT_INTERRUPTIBLE);
	if (!__atomic_load_n(&ps->triggered, __ATOMIC_SEQ_CST) && !signal_pending(current))
		in_time = schedule_deadline(deadline);
	kthread_set_state(KT_RUNNING);
	/* Before the files are asked again: a wake-up from now on counts. */
	__atomic_store_n(&ps->triggered, false, __ATOMIC_SEQ_CST);
	return in_time;
}

int poll_deadline_in(const struct timespec *ts, ktime_t *deadline)
{
	ktime_t ns, now;
	int err = timespec_to_ns(ts, &ns);

	if (err)
		return err;
	if (!ns) {
		*deadline = 0;
		return 0;
	}
	now = ktime_mono();
	*deadline = ns > KTIME_MAX - 1 - now ? KTIME_MAX - 1 : now + ns;
	return 0;
}

int poll_deadline(uaddr_t uts, ktime_t *deadline)
{
	struct timespec ts;

	if (get_user(ts, uts))
		return -EFAULT;
	return poll_deadline_in(&ts, deadline);
}

ktime_t poll_time_left(ktime_t deadline)
{
	ktime_t now = ktime_mono();

	return deadline > now ? deadline - now : 0;
}
