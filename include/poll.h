/*
 * Readiness. A file's poll operation reports its events now and, if pt is not NULL, queues the
 * poller with poll_wait() on each wait queue whose wake-ups can change them: first queue, then
 * look.
 */
#ifndef HEDDLE_POLL_H
#define HEDDLE_POLL_H

#include "types.h"
#include "wait.h"
#include <poll.h>

struct file;

struct poll_table {
	/* See poll_wait() and poll_wait_owned(). NULL: the poller doesn't wait (any more). */
	void (*queue)(struct poll_table *pt, struct wait_queue *q, void *owner,
		      void (*put)(void *owner));
	/*
	 * What the poller is interested in; POLLERR and POLLHUP always. epoll gives ~0, because
	 * that changes later.
	 */
	u32 events;
};

/*
 * Adds a waiter on q. Called by poll operations without spinlocks held. q must live as long as the
 * file does. The queue's lock orders this before what the operation reads afterwards under a lock
 * or with a barrier.
 */
static inline void poll_wait(struct poll_table *pt, struct wait_queue *q)
{
	if (pt && pt->queue) {
		pt->queue(pt, q, NULL, NULL);
		smp_mb();
	}
}

/*
 * The same for a queue that may go before the file does: takes over a reference on `owner`, which
 * is given back by put(owner) when the waiter has left the queue (in a task, without locks but
 * maybe an epoll's).
 */
static inline void poll_wait_owned(struct poll_table *pt, struct wait_queue *q, void *owner,
				   void (*put)(void *owner))
{
	if (pt && pt->queue) {
		pt->queue(pt, q, owner, put);
		smp_mb();
	} else {
		put(owner);
	}
}

/* Events of any file now; files without a poll operation are always readable and writable. */
u32 file_poll(struct file *f, struct poll_table *pt);

#endif
