/* Eventpolls: their life, their items, and epoll_ctl. How it all hangs together: epoll_priv.h. */
#include "epoll.h"
#include "alloc.h"
#include "epoll_priv.h"
#include "ipc.h"
#include "sched.h"
#include "syscalls.h"
#include "task.h"
#include <stdio.h>
#include <string.h>

#define EXCLUSIVE_OK                                                                               \
	((u32)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE))

#define REMOVE_BATCH 256 /* items, after which the CPU may do something else */

static u32 nr_items; /* atomic: of all eventpolls */

static struct eventpoll *ep_get(struct eventpoll *ep)
{
	__atomic_fetch_add(&ep->refs, 1, __ATOMIC_RELAXED);
	return ep;
}

static void ep_put(struct eventpoll *ep)
{
	if (__atomic_sub_fetch(&ep->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ep_table_destroy(&ep->table);
	kfree(ep);
}

/*
 * Did the wake-up tell of something that an exclusive item is there for? Else the next waiter is to
 * have it. Under ep->lock.
 */
static bool exclusive_hit(const struct epitem *epi, u32 events)
{
	switch (events & (POLLIN | POLLOUT)) {
	case POLLIN:
		return epi->events & EPOLLIN;
	case POLLOUT:
		return epi->events & EPOLLOUT;
	default:
		return !(events & (POLLIN | POLLOUT));
	}
}

/* A wake-up of one of the queues of a watched file; under that queue's lock. */
static bool item_wake(struct waiter *w, u32 events)
{
	struct epitem *epi = caa_container_of(w, struct ep_wait, w)->epi;
	struct eventpoll *ep = epi->ep;
	bool wanted, hit;

	spin_lock(&ep->lock);
	wanted = (epi->events & ~EP_PRIVATE) && (!events || (events & epi->events));
	if (wanted && !epi->ready) {
		epi->ready = true;
		cds_list_add_tail(&epi->ready_link, &ep->ready);
	}
	hit = exclusive_hit(epi, events);
	spin_unlock(&ep->lock);
	if (!wanted)
		return false;
	hit = wait_queue_active(&ep->wq) && hit;
	wake_up_nr_nested(&ep->wq, 1, POLLIN);
	wake_up_nr_nested(&ep->poll_wait, 1, POLLIN | POLLRDNORM);
	return hit;
}

/* Tells the sleepers that there is something on the ready list. Not from a wake-up. */
static void ep_wake(struct eventpoll *ep)
{
	wake_up_poll(&ep->wq, POLLIN);
	wake_up_poll(&ep->poll_wait, POLLIN | POLLRDNORM);
}

/* ---- items; all under ep->mtx ---- */

struct item_table {
	struct poll_table pt;
	struct epitem *epi;
};

static struct ep_wait *item_new_wait(struct epitem *epi)
{
	struct ep_wait *ew;

	if (epi->nr_waits < EP_INLINE)
		return &epi->waits[epi->nr_waits++];
	ew = kzalloc(sizeof(*ew));
	if (ew) {
		ew->next = epi->more_waits;
		epi->more_waits = ew;
	}
	return ew;
}

static void item_queue(struct poll_table *pt, struct wait_queue *q, void *owner,
		       void (*put)(void *owner))
{
	struct epitem *epi = caa_container_of(pt, struct item_table, pt)->epi;
	struct ep_wait *ew = item_new_wait(epi);

	if (!ew) {
		epi->no_memory = true;
		if (put)
			put(owner);
		return;
	}
	ew->epi = epi;
	ew->owner = owner;
	ew->put = put;
	ew->w.fn = item_wake;
	ew->w.exclusive = epi->events & EPOLLEXCLUSIVE;
	wait_add(q, &ew->w);
}

static void wait_done(struct ep_wait *ew)
{
	wait_remove(&ew->w);
	if (ew->put)
		ew->put(ew->owner);
}

static void item_leave_queues(struct epitem *epi)
{
	struct ep_wait *ew;

	while (epi->nr_waits)
		wait_done(&epi->waits[--epi->nr_waits]);
	while ((ew = epi->more_waits)) {
		epi->more_waits = ew->next;
		wait_done(ew);
		kfree(ew);
	}
}

/*
 * The file may go as soon as the item is off its list: so that comes after the queues, which go
 * with the file.
 */
static void item_remove(struct epitem *epi)
{
	struct eventpoll *ep = epi->ep;

	item_leave_queues(epi);
	spin_lock(&ep->lock);
	if (epi->ready)
		cds_list_del(&epi->ready_link);
	spin_unlock(&ep->lock);
	ep_table_del(&ep->table, epi);
	spin_lock(&epi->file->lock);
	cds_list_del(&epi->file_link);
	spin_unlock(&epi->file->lock);
	kfree(epi);
	__atomic_fetch_sub(&nr_items, 1, __ATOMIC_RELAXED);
	ep_put(ep);
}

/*
 * Puts it on the ready list if its file is ready for what it wants now. True: somebody should be
 * told.
 */
static bool item_check(struct epitem *epi, struct poll_table *pt)
{
	struct eventpoll *ep = epi->ep;
	bool tell = false;

	if (!ep_item_events(epi, pt))
		return false;
	spin_lock(&ep->lock);
	if (!epi->ready) {
		epi->ready = true;
		cds_list_add_tail(&epi->ready_link, &ep->ready);
		tell = true;
	}
	spin_unlock(&ep->lock);
	return tell;
}

static struct epitem *item_alloc(struct eventpoll *ep, struct file *file, int fd,
				 const struct epoll_event *ev)
{
	struct epitem *epi;

	if (__atomic_fetch_add(&nr_items, 1, __ATOMIC_RELAXED) >= EP_MAX_ITEMS) {
		__atomic_fetch_sub(&nr_items, 1, __ATOMIC_RELAXED);
		return ERR_PTR(-ENOSPC);
	}
	epi = kzalloc(sizeof(*epi));
	if (!epi) {
		__atomic_fetch_sub(&nr_items, 1, __ATOMIC_RELAXED);
		return ERR_PTR(-ENOMEM);
	}
	epi->ep = ep_get(ep);
	epi->file = file;
	epi->fd = fd;
	epi->events = ev->events;
	epi->data = ev->data.u64;
	return epi;
}

static int item_insert(struct eventpoll *ep, struct file *file, int fd,
		       const struct epoll_event *ev)
{
	struct item_table it = {.pt = {.queue = item_queue, .events = ~0u}};
	struct epitem *epi = item_alloc(ep, file, fd, ev);

	if (IS_ERR(epi))
		return (int)PTR_ERR(epi);
	if (ep_table_add(&ep->table, epi)) {
		kfree(epi);
		__atomic_fetch_sub(&nr_items, 1, __ATOMIC_RELAXED);
		ep_put(ep);
		return -ENOMEM;
	}
	spin_lock(&file->lock);
	cds_list_add(&epi->file_link, &file->epoll_links);
	spin_unlock(&file->lock);
	it.epi = epi;
	if (item_check(epi, &it.pt))
		ep_wake(ep);
	if (epi->no_memory) {
		item_remove(epi);
		return -ENOMEM;
	}
	return 0;
}

static int item_modify(struct epitem *epi, const struct epoll_event *ev)
{
	if (epi->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	epi->data = ev->data.u64;
	spin_lock(&epi->ep->lock); /* a wake-up either sees the new events, or came before the check
				      below */
	epi->events = ev->events;
	spin_unlock(&epi->ep->lock);
	if (item_check(epi, NULL))
		ep_wake(epi->ep);
	return 0;
}

/* ---- files that go ---- */

/* The eventpoll of some item of f, +1; NULL: none. */
static struct eventpoll *watcher_of(struct file *f)
{
	struct eventpoll *ep = NULL;

	spin_lock(&f->lock);
	if (!cds_list_empty(&f->epoll_links))
		ep = ep_get(cds_list_first_entry(&f->epoll_links, struct epitem, file_link)->ep);
	spin_unlock(&f->lock);
	return ep;
}

/* The first item of f, if it is in ep: then it stays, because ep->mtx is held. */
static struct epitem *first_item_in(struct file *f, struct eventpoll *ep)
{
	struct epitem *epi = NULL;

	spin_lock(&f->lock);
	if (!cds_list_empty(&f->epoll_links))
		epi = cds_list_first_entry(&f->epoll_links, struct epitem, file_link);
	if (epi && epi->ep != ep)
		epi = NULL;
	spin_unlock(&f->lock);
	return epi;
}

void epoll_file_released(struct file *f)
{
	struct eventpoll *ep;
	struct epitem *epi;
	unsigned n = 0;

	/*
	 * Nobody adds watches any more: that takes a reference on f. No search among them: there
	 * may be a million.
	 */
	while ((ep = watcher_of(f))) {
		mutex_lock(&ep->mtx);
		while ((epi = first_item_in(f, ep))) {
			item_remove(epi);
			if (++n % REMOVE_BATCH == 0)
				cond_resched();
		}
		mutex_unlock(&ep->mtx);
		ep_put(ep);
	}
}

static int remove_each(struct epitem *epi, void *arg)
{
	struct eventpoll *ep = arg;

	item_remove(epi);
	if (ep->table.nr_items % REMOVE_BATCH == 0)
		cond_resched();
	return 0;
}

static void ep_release(struct file *f)
{
	struct eventpoll *ep = f->priv;

	mutex_lock(&ep->mtx);
	ep_table_each(&ep->table, remove_each, ep);
	mutex_unlock(&ep->mtx);
	ep_put(ep);
}

/* ---- the file ---- */

struct fdinfo {
	char *buf;
	size_t size;
};

static int fdinfo_item(struct epitem *epi, void *arg)
{
	struct fdinfo *fi = arg;
	int n;

	n = snprintf(fi->buf, fi->size,
		     "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%llx sdev:%llx\n", epi->fd,
		     epi->events, (unsigned long long)epi->data, (long long)epi->file->pos,
		     (unsigned long long)epi->file->inode->ino,
		     (unsigned long long)epi->file->inode->sb->dev);
	if (n < 0 || (size_t)n >= fi->size) {
		fi->buf[0] = 0;
		return 1;
	}
	fi->buf += n;
	fi->size -= (size_t)n;
	return 0;
}

static void ep_fdinfo(struct file *f, char *buf, size_t size)
{
	struct eventpoll *ep = f->priv;
	struct fdinfo fi = {buf, size};

	if (!size)
		return;
	*buf = 0;
	mutex_lock(&ep->mtx);
	ep_table_each(&ep->table, fdinfo_item, &fi);
	mutex_unlock(&ep->mtx);
}

const struct file_operations epoll_ops = {
	.llseek = noop_llseek,
	.poll = ep_poll,
	.release = ep_release,
	.show_fdinfo = ep_fdinfo,
};

long sys_epoll_create1(int flags)
{
	struct eventpoll *ep;
	struct file *f;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	ep = kzalloc(sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	ep->refs = 1;
	mutex_init(&ep->mtx, "epoll", RANK_EPOLL);
	spin_init(&ep->lock, "epoll ready", RANK_POLLQ);
	CDS_INIT_LIST_HEAD(&ep->ready);
	wait_queue_init(&ep->wq);
	wait_queue_init(&ep->poll_wait);
	f = file_open_anon("anon_inode:[eventpoll]", &epoll_ops, ep, O_RDWR);
	if (IS_ERR(f))
		kfree(ep);
	else
		ep->file = f;
	return fd_add(f, flags & EPOLL_CLOEXEC);
}

long sys_epoll_create(int n)
{
	if (n <= 0)
		return -EINVAL;
	return sys_epoll_create1(0);
}

/* ---- epoll_ctl ---- */

static int check_targets(const struct file *epf, const struct file *tf, int op,
			 const struct epoll_event *ev)
{
	if (!tf->ops->poll)
		return -EPERM;
	if (epf == tf || !file_is_epoll(epf))
		return -EINVAL;
	if (op == EPOLL_CTL_DEL || !(ev->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD)
		return -EINVAL;
	if (op == EPOLL_CTL_ADD && (file_is_epoll(tf) || (ev->events & ~EXCLUSIVE_OK)))
		return -EINVAL;
	return 0;
}

/* Under ep->mtx. */
static int ctl_locked(struct eventpoll *ep, int op, struct file *tf, int fd, struct epoll_event *ev)
{
	struct epitem *epi = ep_table_find(&ep->table, tf, fd);

	ev->events |= EPOLLERR | EPOLLHUP;
	switch (op) {
	case EPOLL_CTL_ADD:
		return epi ? -EEXIST : item_insert(ep, tf, fd, ev);
	case EPOLL_CTL_DEL:
		if (!epi)
			return -ENOENT;
		item_remove(epi);
		return 0;
	case EPOLL_CTL_MOD:
		return epi ? item_modify(epi, ev) : -ENOENT;
	default:
		return -EINVAL;
	}
}

static int do_ctl(struct file *epf, int op, struct file *tf, int fd, struct epoll_event *ev)
{
	bool nest = op == EPOLL_CTL_ADD && file_is_epoll(tf);
	struct eventpoll *ep = epf->priv;
	int err = 0;

	if (nest) {
		ep_nest_lock();
		err = ep_nest_check(ep, tf);
	}
	if (!err) {
		mutex_lock_nested(&ep->mtx); /* after nest_mutex */
		err = ctl_locked(ep, op, tf, fd, ev);
		mutex_unlock(&ep->mtx);
	}
	if (nest)
		ep_nest_unlock();
	return err;
}

long sys_epoll_ctl(int epfd, int op, int fd, uaddr_t event)
{
	struct epoll_event ev = {0};
	struct file *epf, *tf;
	int err;

	if (op != EPOLL_CTL_DEL && get_user(ev, event))
		return -EFAULT;
	epf = fd_get(epfd);
	if (!epf)
		return -EBADF;
	tf = fd_get(fd);
	err = tf ? check_targets(epf, tf, op, &ev) : -EBADF;
	if (!err)
		err = do_ctl(epf, op, tf, fd, &ev);
	if (tf)
		file_put(tf);
	file_put(epf);
	return err;
}

int ipc_init(void)
{
	ep_nest_init();
	return 0;
}
