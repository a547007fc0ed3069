/* Locks on files, within this folder. See locks.c. */
#ifndef FS_LOCKS_H
#define FS_LOCKS_H

#include "vfs.h"

/* A lock of an owner on bytes start..end. flock(2)'s cover everything. */
struct file_lock {
	struct cds_list_head link;
	u64 start, end;	   /* inclusive; end is FILE_POS_MAX for "to the end and beyond" */
	short type;	   /* F_RDLCK, F_WRLCK */
	const void *owner; /* struct files for POSIX locks; struct file for OFD and flock ones. Only
			      compared */
	pid_t pid;	   /* for F_GETLK; -1: OFD */
};

struct range_list {
	struct cds_list_head head; /* by start */
	u32 count;
};
#define RANGES_MAX                                                                                 \
	65536 /* -ENOLCK: each operation looks at all of a file's locks, under a spinlock */

/* What inode->locks points to, from the first lock until the inode goes. All under inode->spin. */
struct file_lock_list {
	struct range_list posix; /* POSIX and OFD locks */
	struct range_list flock;
	struct wait_queue wait;	   /* of those who want a lock */
	u32 gen;		   /* atomic reads: changes whenever a lock goes or shrinks */
	struct inode *inode;	   /* constant; outlives this */
	struct cds_list_head link; /* lists_lock, not inode->spin */
};

/* Something was unlocked: inode->spin held. wake_up_all(&l->wait) follows when it is free. */
static inline void file_lock_changed(struct file_lock_list *l)
{
	__atomic_fetch_add(&l->gen, 1, __ATOMIC_RELAXED);
}

/* ---- ranges.c: the locks of one list, under inode->spin ---- */

/* The first lock of another owner that keeps `want` from being granted, or NULL. */
struct file_lock *range_conflict(struct range_list *list, const struct file_lock *want);
/*
 * Gives want->owner `type` on its range, F_UNLCK included: what it had there before is replaced,
 * neighbours of the same kind merge. spare are two fresh locks, of which those that are used become
 * NULL. True if something was unlocked or weakened.
 */
bool range_apply(struct range_list *list, const struct file_lock *want, struct file_lock *spare[2]);
/* Removes all of an owner's. True if there were any. */
bool range_release(struct range_list *list, const void *owner);

#endif
