/*
 * Readiness. A file's poll operation reports its events now and, if pt is not NULL, queues the poller with
 * poll_wait() on each wait queue whose wake-ups can change them.
 */
#ifndef HEDDLE_POLL_H
#define HEDDLE_POLL_H

#include "types.h"
#include "wait.h"
#include <poll.h>

struct file;

struct poll_table {
	/* Adds a waiter on q. Called by poll operations without spinlocks held. */
	void (*queue)(struct poll_table *pt, struct wait_queue *q);
	u32 events; /* what the poller is interested in */
};
static inline void poll_wait(struct poll_table *pt, struct wait_queue *q)
{
	if (pt && pt->queue)
		pt->queue(pt, q);
}
/* Events of any file now; files without a poll operation are always readable and writable. */
u32 file_poll(struct file *f, struct poll_table *pt);

#endif
