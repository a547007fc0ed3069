/*
 * Watches: an inotify instance's interest in an inode.
 *
 * A watch is *linked* from inotify_add_watch() until it is removed: by inotify_rm_watch(), after
 * the one event that it is for, with its inode's last name, with its super block, or with its
 * instance. Linked, it is on the list of its inode, in the table and on the list of its instance,
 * and on the list of its super block, which together hold one reference. It holds the inode, so
 * that the same one is found again by name, and the instance.
 *
 * Whoever comes from the inode's side holds inode->spin, and takes the instance's lock under it.
 * Whoever comes from another side takes a reference under the lock there, lets go, and looks under
 * inode->spin whether the watch is still linked.
 *
 * c constant   a atomic   s inode->spin   g instance's lock   b sb_lock (watch.c)
 */
#ifndef FS_WATCH_H
#define FS_WATCH_H

#include "kernel/fs/notify/notify.h"

struct inotify;

struct watch {
	u32 refs;			  /* a */
	int wd;				  /* c once it is linked */
	u32 mask;			  /* s to write, a: IN_ALL_EVENTS and IN_UNMOUNT */
	u32 flags;			  /* s: IN_EXCL_UNLINK, IN_ONESHOT */
	bool linked;			  /* s */
	struct inode *inode;		  /* c, +1; its super block counts that: sb->watched */
	struct inotify *owner;		  /* c, +1 */
	struct watch *of_inode;		  /* s: the next */
	struct watch *of_bucket;	  /* g: the next */
	struct cds_list_head of_instance; /* g */
	struct cds_list_head of_sb;	  /* b */
};

/*
 * Watches inode, or changes what it is watched for: IN_* as inotify_add_watch() takes them. The
 * watch descriptor; -EEXIST with IN_MASK_CREATE, -ENOSPC, -ENOMEM. The caller holds the instance's
 * file, and a path to the inode.
 */
must_check int watch_set(struct inotify *in, struct inode *inode, u32 arg);
/* Unlinks w if nobody has done so; its instance is told if it is to know (IN_IGNORED). */
void watch_remove(struct watch *w, bool tell);
void watch_get(struct watch *w);
/* May sleep. */
void watch_put(struct watch *w);

#endif
