/*
 * epoll_wait: takes what is on the ready list and asks those files. An item leaves the list before
 * its file is asked, so a wake-up that comes meanwhile puts it there again and nothing is lost.
 * Level-triggered items that were ready go back to the end.
 */
#include "epoll_priv.h"
#include "poll_set.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"

#define BATCH 16 /* events copied to the guest at once */
#define MAX_EVENTS ((int)(INT32_MAX / sizeof(struct epoll_event)))

/*
 * Is it worth to take mtx and look? Also while somebody goes through the list: what he finds ready
 * is on it again after that.
 */
static bool has_ready(struct eventpoll *ep)
{
	bool ready;

	spin_lock(&ep->lock);
	ready = ep->scanning || !cds_list_empty(&ep->ready);
	spin_unlock(&ep->lock);
	return ready;
}

u32 ep_item_events(struct epitem *epi, struct poll_table *pt)
{
	u32 events = epi->events; /* before the file is asked */

	if (!(events & ~EP_PRIVATE) && !pt)
		return 0;
	return file_poll(epi->file, pt) & events & ~EP_PRIVATE;
}

/* ---- going through the ready list; under ep->mtx ---- */

static void scan_begin(struct eventpoll *ep, struct cds_list_head *list)
{
	CDS_INIT_LIST_HEAD(list);
	spin_lock(&ep->lock);
	cds_list_splice(&ep->ready, list);
	CDS_INIT_LIST_HEAD(&ep->ready);
	ep->scanning = true;
	spin_unlock(&ep->lock);
}

static struct epitem *scan_next(struct eventpoll *ep, struct cds_list_head *list)
{
	struct epitem *epi = NULL;

	spin_lock(&ep->lock);
	if (!cds_list_empty(list)) {
		epi = cds_list_first_entry(list, struct epitem, ready_link);
		cds_list_del(&epi->ready_link);
		epi->ready = false;
	}
	spin_unlock(&ep->lock);
	return epi;
}

/* What was not looked at is first the next time. */
static void scan_end(struct eventpoll *ep, struct cds_list_head *list)
{
	spin_lock(&ep->lock);
	cds_list_splice(list, &ep->ready);
	ep->scanning = false;
	spin_unlock(&ep->lock);
}

static void make_ready(struct epitem *epi, bool first)
{
	struct eventpoll *ep = epi->ep;

	spin_lock(&ep->lock);
	if (!epi->ready) {
		epi->ready = true;
		if (first)
			cds_list_add(&epi->ready_link, &ep->ready);
		else
			cds_list_add_tail(&epi->ready_link, &ep->ready);
	}
	spin_unlock(&ep->lock);
}

/* Readiness of the eventpoll itself: is anything on the list really ready? */
u32 ep_poll(struct file *f, struct poll_table *pt)
{
	struct eventpoll *ep = f->priv;
	struct cds_list_head list;
	struct epitem *epi;
	u32 events = 0;

	poll_wait(pt, &ep->poll_wait);
	if (!has_ready(ep))
		return 0;
	mutex_lock_nested(&ep->mtx); /* outer before inner */
	scan_begin(ep, &list);
	while (!events && (epi = scan_next(ep, &list))) {
		if (ep_item_events(epi, NULL)) {
			make_ready(epi, true);
			events = POLLIN | POLLRDNORM;
		}
	}
	scan_end(ep, &list);
	mutex_unlock(&ep->mtx);
	return events;
}

/* Events that are collected, and then copied. */
struct ep_batch {
	int n;
	struct epoll_event events[BATCH];
	struct epitem *items[BATCH];
};

static void collect(struct eventpoll *ep, struct cds_list_head *list, struct ep_batch *b, int max)
{
	struct epitem *epi;

	b->n = 0;
	while (b->n < min(max, BATCH) && (epi = scan_next(ep, list))) {
		u32 events = ep_item_events(epi, NULL);

		if (!events)
			continue;
		b->events[b->n].events = events;
		b->events[b->n].data.u64 = epi->data;
		b->items[b->n++] = epi;
	}
}

/* Gives the batch to the guest: how many it can have. The others are as before. */
static int deliver(struct eventpoll *ep, const struct ep_batch *b, uaddr_t to)
{
	size_t size = sizeof(b->events[0]);
	int n = (int)(copy_to_user_partial(to, b->events, (size_t)b->n * size) / size);

	for (int i = b->n; i-- > n;)
		make_ready(b->items[i], true);
	for (int i = 0; i < n; i++) {
		struct epitem *epi = b->items[i];

		if (epi->events & EPOLLONESHOT) {
			spin_lock(&ep->lock);
			epi->events &= EP_PRIVATE;
			spin_unlock(&ep->lock);
		} else if (!(epi->events & EPOLLET)) {
			make_ready(epi, false);
		}
	}
	return n;
}

/* At most max ready events, to the guest: how many; -EFAULT. */
static long send_ready(struct eventpoll *ep, uaddr_t to, int max)
{
	struct cds_list_head list;
	struct ep_batch b;
	int done = 0, n;
	bool more, fault = false;

	mutex_lock(&ep->mtx);
	scan_begin(ep, &list);
	do {
		collect(ep, &list, &b, max - done);
		if (!b.n)
			break;
		n = deliver(ep, &b, to + (u64)done * sizeof(b.events[0]));
		done += n;
		fault = n < b.n;
	} while (n == BATCH && done < max);
	scan_end(ep, &list);
	more = has_ready(ep);
	mutex_unlock(&ep->mtx);
	if (more) /* others may have slept through the wake-ups that we took */
		wake_up_poll(&ep->wq, POLLIN);
	return !done && fault ? -EFAULT : done;
}

static long ep_wait(struct eventpoll *ep, uaddr_t events, int max, ktime_t deadline)
{
	const struct wait_opts opts = {
		.state = KT_INTERRUPTIBLE, .deadline = deadline, .exclusive = true};
	bool over = !deadline;
	long n;
	int err;

	for (;;) {
		if (has_ready(ep)) {
			n = send_ready(ep, events, max);
			if (n)
				return n;
		}
		if (over)
			return 0;
		if (signal_pending(current))
			return -EINTR;
		err = wait_event_expr(&ep->wq, has_ready(ep), &opts);
		if (err == -ETIMEDOUT)
			over = true;
		else if (err && !has_ready(ep)) /* else a wake-up may have been spent on us */
			return -EINTR;
	}
}

/* ---- system calls ---- */

static long do_wait(int epfd, uaddr_t events, int max, ktime_t deadline)
{
	struct file *f;
	long n;

	f = fd_get(epfd);
	if (!f)
		return -EBADF;
	if (max <= 0 || max > MAX_EVENTS)
		n = -EINVAL;
	else if (!access_ok(events, (size_t)max * sizeof(struct epoll_event)))
		n = -EFAULT;
	else
		n = file_is_epoll(f) ? ep_wait(f->priv, events, max, deadline) : -EINVAL;
	file_put(f);
	return n;
}

static ktime_t ms_deadline(int timeout)
{
	if (timeout < 0)
		return KTIME_MAX;
	return timeout ? ktime_mono() + (ktime_t)timeout * NSEC_PER_MSEC : 0;
}

long sys_epoll_wait(int epfd, uaddr_t events, int max, int timeout)
{
	return do_wait(epfd, events, max, ms_deadline(timeout));
}

static long masked_wait(int epfd, uaddr_t events, int max, ktime_t deadline, uaddr_t set,
			size_t setsize)
{
	int err = set ? sigmask_install(set, setsize) : 0;
	long n;

	if (err)
		return err;
	n = do_wait(epfd, events, max, deadline);
	if (set)
		sigmask_restore(n == -EINTR);
	return n;
}

long sys_epoll_pwait(int epfd, uaddr_t events, int max, int timeout, uaddr_t set, size_t setsize)
{
	return masked_wait(epfd, events, max, ms_deadline(timeout), set, setsize);
}

long sys_epoll_pwait2(int epfd, uaddr_t events, int max, uaddr_t timeout, uaddr_t set,
		      size_t setsize)
{
	ktime_t deadline = KTIME_MAX;
	int err = timeout ? poll_deadline(timeout, &deadline) : 0;

	return err ? err : masked_wait(epfd, events, max, deadline, set, setsize);
}
