/*
 * Inotify instances: what inotify_init() makes a descriptor of. An instance has watches, found by
 * their descriptors (inotify.c), and a queue of events (queue.c).
 *
 * c constant   a atomic   l lock
 */
#ifndef FS_INSTANCE_H
#define FS_INSTANCE_H

#include "cred.h"
#include "fasync.h"
#include "kernel/fs/notify/watch.h"

struct notify_event {
	u32 mask;	  /* IN_*: the event, IN_ISDIR */
	u32 cookie;	  /* of a rename, or 0 */
	const char *name; /* in the directory that is watched; not NUL-terminated; NULL: the watched
			     inode itself */
	size_t len;
};

struct queued {
	struct cds_list_head link; /* l */
	int wd;			   /* c, as all of these */
	u32 mask, cookie;
	u32 len; /* of the name; 0: none */
	char name[];
};

struct inotify {
	u32 refs;		    /* a: its file's, and one for each watch */
	struct user *user;	    /* c, +1: who is charged */
	struct spinlock lock;	    /* rank MISC */
	struct wait_queue wait;	    /* for events */
	struct fasync_list async;   /* its file, if it has O_ASYNC */
	struct inotify *async_next; /* of who has set async_due */
	bool async_due; /* a: somebody has an event for it, and is about to send SIGIO */

	/* the queue */
	struct cds_list_head events; /* l */
	u32 nr;			     /* l to write, a */
	u32 max;		     /* c */
	u64 bytes;		     /* l to write, a: that reading all takes */
	bool overflown;		     /* l: `overflow` is queued */

	/* the watches */
	struct cds_list_head watches; /* l: newest first */
	struct watch **buckets;	      /* l: by wd */
	u32 nr_buckets;		      /* l: a power of two */
	u32 nr_watches;		      /* l */
	int last_wd;		      /* l */

	struct queued overflow; /* the event that says that others were lost; last, since it has no
				   name */
};

struct inotify *inotify_get(struct inotify *in);
void inotify_put(struct inotify *in);

/* What a user may have: false if it is used up. */
must_check bool inotify_charge_watch(struct inotify *in);
void inotify_uncharge_watch(struct inotify *in);
/*
 * Under w->inode->spin. add gives w a descriptor; remove uncharges, and queues IN_IGNORED if
 * `tell`.
 */
void inotify_add(struct inotify *in, struct watch *w);
void inotify_remove(struct inotify *in, struct watch *w, bool tell, struct inotify **due);

/* ---- queue.c ---- */

void queue_init(struct inotify *in);
void queue_destroy(struct inotify *in);
/*
 * Any context where spinlocks of rank MISC may be taken. An event that doesn't fit, or for which
 * there is no memory, is IN_Q_OVERFLOW. in gets on the list *due if SIGIO is to be sent: that is
 * for inotify_send_sigio(), without spinlocks.
 */
void inotify_queue(struct inotify *in, int wd, const struct notify_event *ev, struct inotify **due);
void inotify_send_sigio(struct inotify *due);
/*
 * The oldest event, if reading it takes at most `room` bytes: to be given to queued_free(). NULL:
 * there is none; ERR_PTR(-EINVAL).
 */
must_check struct queued *inotify_take(struct inotify *in, size_t room);
void queued_free(struct inotify *in, struct queued *q);
/* The bytes that reading it takes. */
size_t queued_size(const struct queued *q);
u32 inotify_queued(const struct inotify *in);
/* Boot: how much all queues together may hold. */
void queue_limit(u64 bytes);

#endif
