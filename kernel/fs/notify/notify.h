/*
 * What happens to files, told to those who watch them: inotify(7). These are the hooks of the VFS,
 * called after the thing has been done, by whoever does it for a task: what a file system does to
 * the layers below it is nobody's business. As long as nobody watches anything they cost one
 * relaxed load.
 *
 * Events are IN_*; IN_ISDIR is added here. All of this may sleep (it may drop the last reference of
 * an inode): no spinlocks, no RCU section. A directory's lock may be held, and has to be where
 * names change, so that their events come in the order of the changes.
 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs.h"
#include <sys/inotify.h>

extern u32 notify_watches; /* atomic: how many there are */

static inline bool notify_wanted(void)
{
	return unlikely(load_relaxed(&notify_watches) != 0);
}

void notify_path_slow(struct dentry *d, u32 event, bool by_file);
void notify_inode_slow(struct inode *inode, u32 event);
void notify_name_slow(struct inode *dir, const char *name, size_t len, struct inode *inode,
		      u32 event);

/*
 * By an open file: IN_OPEN, IN_ACCESS, IN_MODIFY, IN_CLOSE_*. For its inode, and for its directory
 * with its name.
 */
static inline void notify_file(struct file *f, u32 event)
{
	if (notify_wanted() && !(f->mode & FMODE_PATH))
		notify_path_slow(f->path.dentry, event, true);
}

/* The same by name: IN_ATTRIB, and what truncate(2) and utimes(2) do. */
static inline void notify_dentry(struct dentry *d, u32 event)
{
	if (notify_wanted())
		notify_path_slow(d, event, false);
}

/* For the inode alone: IN_ATTRIB where its number of names changes. */
static inline void notify_inode(struct inode *inode, u32 event)
{
	if (notify_wanted())
		notify_inode_slow(inode, event);
}

/* d has become positive in its directory, which is locked: IN_CREATE. */
static inline void notify_create(struct inode *dir, struct dentry *d)
{
	if (notify_wanted())
		notify_name_slow(dir, d->name, d->name_len, d->inode, IN_CREATE);
}

/*
 * d's file has lost this name in its directory, which is locked: IN_DELETE; before that IN_ATTRIB
 * for the file, and if it was the last one, and nobody uses d besides the caller, IN_DELETE_SELF.
 */
void notify_remove_slow(struct inode *dir, struct dentry *d);
static inline void notify_remove(struct inode *dir, struct dentry *d)
{
	if (notify_wanted())
		notify_remove_slow(dir, d);
}

/* A name as a walk has it. */
struct notify_name {
	struct inode *dir;
	const char *name;
	size_t len;
};
/*
 * moved went from a place to another; both directories are locked. victim: what had the new name,
 * or NULL. IN_MOVED_FROM, IN_MOVED_TO, IN_MOVE_SELF, and IN_ATTRIB for the victim.
 */
void notify_move_slow(const struct notify_name *from, const struct notify_name *to,
		      struct inode *moved, struct inode *victim);
static inline void notify_move(const struct notify_name *from, const struct notify_name *to,
			       struct inode *moved, struct inode *victim)
{
	if (notify_wanted())
		notify_move_slow(from, to, moved, victim);
}

/*
 * A dentry lets go of this inode: if the inode has no name any more, IN_DELETE_SELF, and its
 * watches go.
 */
void notify_inode_unused_slow(struct inode *inode);
static inline void notify_inode_unused(struct inode *inode)
{
	if (notify_wanted())
		notify_inode_unused_slow(inode);
}

/*
 * The super block has lost its last user: IN_UNMOUNT, and its watches go, with the references that
 * they have.
 */
void notify_unmount(struct super_block *sb);

/* Boot. */
void notify_init(void);

/* /proc/sys/fs/inotify/: atomic. Changes of `events` count for new instances. */
struct inotify_limits {
	u32 events;    /* queued in an instance */
	u32 instances; /* of a user */
	u32 watches;   /* of a user */
};
extern struct inotify_limits inotify_limits;

#endif
