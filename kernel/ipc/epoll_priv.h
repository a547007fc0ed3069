/*
 * What the files of epoll share.
 *
 * An eventpoll watches files through items, found by (file, descriptor). Each item stands in the
 * wait queues of its file; a wake-up there puts it on the ready list, and epoll_wait asks only the
 * files on that list. An item doesn't hold its file: it is on file->epoll_links, and the last
 * file_put() removes it (epoll_file_released). So what CTL_DEL, file_put() and the eventpoll's own
 * release do to an item they do under ep->mtx.
 *
 * Locks: ep->mtx (outer eventpolls before those they watch), then ep->lock, which wake-ups take
 * under a wait queue's.
 */
#ifndef HEDDLE_EPOLL_PRIV_H
#define HEDDLE_EPOLL_PRIV_H

#include "fs.h"
#include "lock.h"
#include "poll.h"
#include "wait.h"
#include <sys/epoll.h>

#define EP_MAX_DEPTH 5		/* eventpolls in a chain of watches */
#define EP_MAX_PATHS 500	/* ways up from one eventpoll: what one wake-up may set off */
#define EP_MAX_ITEMS (1u << 20) /* in all eventpolls together */

/* Bits of epoll_event.events that aren't events. */
#define EP_PRIVATE ((u32)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))

struct epitem;

/* An item in one wait queue. */
struct ep_wait {
	struct waiter w;
	struct epitem *epi;
	void *owner; /* of the queue, see poll_wait_owned(); +1 or NULL */
	void (*put)(void *owner);
	struct ep_wait *next; /* more than EP_INLINE of them */
};
#define EP_INLINE 2

/*
 * c constant   m ep->mtx   l ep->lock   f file->lock
 */
struct epitem {
	struct eventpoll *ep; /* c, +1 */
	struct file *file;    /* c: valid while the item is on its epoll_links */
	int fd;		      /* c: by which it was added */
	u32 events;	      /* m + l to write */
	u64 data;	      /* m */
	bool ready;	      /* l: on ep->ready, or on the list of who goes through it */
	struct cds_list_head ready_link; /* l */
	struct cds_list_head hash_link;	 /* m */
	struct cds_list_head file_link;	 /* f */
	unsigned nr_waits;		 /* m */
	bool no_memory;			 /* m: a waiter is missing */
	struct ep_wait waits[EP_INLINE]; /* m */
	struct ep_wait *more_waits;	 /* m */
};

/* The items of one eventpoll by (file, fd): a hash table that grows. Serialised by ep->mtx. */
struct ep_table {
	struct cds_list_head *buckets; /* NULL while empty */
	u32 nr_buckets;		       /* power of two */
	u32 nr_items;
};

struct eventpoll {
	u32 refs;		     /* atomic: its file's, and one an item */
	struct mutex mtx;	     /* rank EPOLL */
	struct spinlock lock;	     /* rank POLLQ */
	struct cds_list_head ready;  /* l */
	bool scanning;		     /* l: somebody, with mtx, has taken what was ready */
	struct wait_queue wq;	     /* epoll_wait sleeps here */
	struct wait_queue poll_wait; /* poll, and outer eventpolls */
	struct ep_table table;	     /* m */
	struct file *file;	     /* c: its own, valid while the file isn't released */
	u64 visit;		     /* nest_mutex: the check that has been here last */
	int visit_depth;	     /* nest_mutex: what it found */
};

extern const struct file_operations epoll_ops;
static inline bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_ops;
}

/* epoll_table.c */
must_check int ep_table_add(struct ep_table *t, struct epitem *epi); /* -ENOMEM */
struct epitem *ep_table_find(const struct ep_table *t, const struct file *file, int fd);
void ep_table_del(struct ep_table *t, struct epitem *epi);
void ep_table_destroy(struct ep_table *t); /* empty it first */
/*
 * Goes through all: fn's nonzero result ends it and is returned. fn may delete the item, but not
 * change the table otherwise.
 */
int ep_table_each(const struct ep_table *t, int (*fn)(struct epitem *epi, void *arg), void *arg);

/* epoll_wait.c */
u32 ep_item_events(struct epitem *epi,
		   struct poll_table *pt); /* what its file says now, of what it wants. Under mtx */
u32 ep_poll(struct file *f, struct poll_table *pt);

/* epoll_nest.c */
void ep_nest_init(void);
void ep_nest_lock(void);
void ep_nest_unlock(void);
/*
 * May ep watch the eventpoll of the file `target`? 0, -ELOOP, -EINVAL (too many ways up). Under
 * ep_nest_lock(), without mtx.
 */
must_check int ep_nest_check(struct eventpoll *ep, struct file *target);

#endif
