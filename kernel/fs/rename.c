/*
 * rename(2).
 *
 * Locks, in this order: the super block's rename_mutex if the directories differ (so that the tree
 * above them stands still), the directories (an ancestor first, else by address), then the
 * directories among the two entries (by address). Neither entry can then be an ancestor of a
 * directory, or that is refused.
 */
#include "kernel/fs/notify/notify.h"
#include "dirops.h"
#include <linux/fs.h>

struct renaming {
	struct walk from, to;
	struct dentry *old, *new; /* +1 each */
	struct dentry *trap;	  /* the entry of one directory that leads to the other, or NULL */
	unsigned flags;
};

/*
 * The ancestor of d (or d) that is a child of top; NULL if d isn't below top. rename_mutex is held.
 */
static struct dentry *below(struct dentry *d, const struct dentry *top)
{
	struct dentry *parent;

	/*
	 * A renaming within one directory needs no rename_mutex: it stores the same parent again.
	 */
	for (; d && (parent = rcu_dereference(d->parent)) != d; d = parent) {
		if (parent == top)
			return d;
	}
	return NULL;
}

/* File systems see to it that a directory has one dentry only; if one doesn't, nobody may hang. */
static void lock_pair(struct inode *a, struct inode *b)
{
	down_write(&a->lock);
	if (b != a)
		down_write_nested(&b->lock); /* the caller's order */
}

static void lock_dirs(struct renaming *r)
{
	struct dentry *a = r->from.cur.dentry, *b = r->to.cur.dentry;

	r->trap = NULL;
	if (a == b) {
		down_write(&a->inode->lock);
		return;
	}
	mutex_lock(&a->sb->rename_mutex);
	r->trap = below(b, a);
	if (r->trap) {
		lock_pair(a->inode, b->inode);
		return;
	}
	r->trap = below(a, b);
	if (r->trap || b->inode < a->inode)
		lock_pair(b->inode, a->inode);
	else
		lock_pair(a->inode, b->inode);
}

static void unlock_dirs(struct renaming *r)
{
	struct dentry *a = r->from.cur.dentry, *b = r->to.cur.dentry;

	up_write(&a->inode->lock);
	if (a != b) {
		if (b->inode != a->inode)
			up_write(&b->inode->lock);
		mutex_unlock(&a->sb->rename_mutex);
	}
}

/* Both entries; what they are must fit the flags. */
static int find_entries(struct renaming *r)
{
	struct dentry *d = d_lookup_or_load_locked(r->from.cur.dentry, r->from.last,
						   r->from.last_len);

	if (IS_ERR(d))
		return PTR_ERR(d);
	r->old = d;
	if (!d->inode)
		return -ENOENT;
	d = d_lookup_or_load_locked(r->to.cur.dentry, r->to.last, r->to.last_len);
	if (IS_ERR(d))
		return PTR_ERR(d);
	r->new = d;
	if (r->flags & RENAME_NOREPLACE && d->inode)
		return -EEXIST;
	if (r->flags & RENAME_EXCHANGE) {
		if (!d->inode)
			return -ENOENT;
		if (!S_ISDIR(d->inode->mode) && r->to.slashes)
			return -ENOTDIR;
	}
	if (!S_ISDIR(r->old->inode->mode) &&
	    (r->from.slashes || (!(r->flags & RENAME_EXCHANGE) && r->to.slashes)))
		return -ENOTDIR;
	if (r->old == r->trap)
		return -EINVAL;
	if (r->new == r->trap)
		return r->flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int may_rename(struct renaming *r)
{
	bool is_dir = S_ISDIR(r->old->inode->mode), new_is_dir;
	bool moves = r->from.cur.dentry != r->to.cur.dentry;
	int err = may_remove(&r->from.cur, r->old, is_dir);

	if (err)
		return err;
	if (!r->new->inode) {
		err = may_create(&r->to.cur);
	} else {
		new_is_dir = S_ISDIR(r->new->inode->mode);
		err = may_remove(&r->to.cur, r->new,
				 r->flags & RENAME_EXCHANGE ? new_is_dir : is_dir);
		/* Its ".." changes, which is a write. */
		if (!err && moves && r->flags & RENAME_EXCHANGE && new_is_dir)
			err = inode_permission(r->new->inode, MAY_WRITE);
	}
	if (!err && moves && is_dir)
		err = inode_permission(r->old->inode, MAY_WRITE);
	return err;
}

/* The locks of the entries that are directories. */
static void lock_entries(struct renaming *r, bool lock)
{
	struct inode *a = r->old->inode, *b = r->new->inode;

	if (!S_ISDIR(a->mode))
		a = NULL;
	if (b && !S_ISDIR(b->mode))
		b = NULL;
	if (a && b && b < a) {
		struct inode *t = a;

		a = b;
		b = t;
	}
	if (!lock) {
		if (a)
			up_write(&a->lock);
		if (b)
			up_write(&b->lock);
		return;
	}
	if (a)
		down_write_nested(&a->lock);
	if (b)
		down_write_nested(&b->lock);
}

/* The dcache's part. Takes the names. */
static void renamed(struct renaming *r, struct dname *dn, struct dname *dn2)
{
	if (r->flags & RENAME_EXCHANGE) {
		d_exchange(r->old, r->new, dn, dn2);
		return;
	}
	if (r->new->inode && S_ISDIR(r->new->inode->mode))
		dir_died(r->new);
	d_drop(r->new);
	d_move(r->old, r->to.cur.dentry, dn);
}

/* The names are still those of the walks. */
static void notify_renamed(const struct renaming *r)
{
	const struct notify_name from = {r->from.cur.dentry->inode, r->from.last, r->from.last_len};
	const struct notify_name to = {r->to.cur.dentry->inode, r->to.last, r->to.last_len};

	if (!(r->flags & RENAME_EXCHANGE)) {
		notify_move(&from, &to, r->old->inode, r->new->inode);
		return;
	}
	notify_move(&from, &to, r->old->inode, NULL);
	notify_move(&to, &from, r->new->inode, NULL);
}

static int do_rename(struct renaming *r)
{
	struct inode *old_dir = r->from.cur.dentry->inode, *new_dir = r->to.cur.dentry->inode;
	struct rename_ctx rc = {old_dir, new_dir, r->old, r->new, r->flags};
	struct dname *dn, *dn2 = NULL;
	int err;

	if (!old_dir->ops->rename)
		return -EPERM;
	/* Memory first: the file system's change can't be taken back. */
	dn = dname_alloc(r->to.cur.dentry, r->new->name, r->new->name_len);
	if (r->flags & RENAME_EXCHANGE)
		dn2 = dname_alloc(r->from.cur.dentry, r->old->name, r->old->name_len);
	if (!dn || (r->flags & RENAME_EXCHANGE && !dn2)) {
		kfree(dn);
		kfree(dn2);
		return -ENOMEM;
	}
	lock_entries(r, true);
	/* A directory that is replaced: as in do_rmdir(). */
	err = d_is_mounted(r->new) ? -EBUSY : old_dir->ops->rename(&rc);
	if (err) {
		dname_free(dn);
		kfree(dn2);
	} else {
		renamed(r, dn, dn2);
	}
	lock_entries(r, false);
	if (!err)
		notify_renamed(r);
	return err;
}

static int rename_locked(struct renaming *r)
{
	int err = find_entries(r);

	/* Two names of one file: nothing is done. */
	if (err || r->old->inode == r->new->inode)
		return err;
	err = may_rename(r);
	return err ? err : do_rename(r);
}

static int rename_walked(struct renaming *r)
{
	int err;

	if (r->from.cur.mnt != r->to.cur.mnt)
		return -EXDEV;
	if (r->from.last_type != LAST_NORM)
		return -EBUSY;
	if (r->to.last_type != LAST_NORM)
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	err = path_want_write(&r->from.cur);
	if (err)
		return err;
	lock_dirs(r);
	err = rename_locked(r);
	unlock_dirs(r);
	/* What was replaced goes here. */
	if (r->old)
		d_put(r->old);
	if (r->new)
		d_put(r->new);
	return err;
}

static int rename_names(int olddfd, const char *from, int newdfd, const char *to, unsigned flags)
{
	struct renaming *r =
		kzalloc(sizeof(*r)); /* too big for the stack beside what comes below */
	int err;

	if (!r)
		return -ENOMEM;
	r->flags = flags;
	err = walk_parent(&r->from, olddfd, from, 0, vfs_cred());
	if (!err) {
		err = walk_parent(&r->to, newdfd, to, 0, vfs_cred());
		if (!err) {
			err = rename_walked(r);
			walk_end(&r->to);
		}
		walk_end(&r->from);
	}
	kfree(r);
	return err;
}

long sys_renameat2(int olddfd, uaddr_t oldpath, int newdfd, uaddr_t newpath, unsigned int flags)
{
	char *from, *to;
	int err;

	/* RENAME_WHITEOUT is not implemented. */
	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	from = path_from_user(oldpath);
	if (IS_ERR(from))
		return PTR_ERR(from);
	to = path_from_user(newpath);
	if (IS_ERR(to)) {
		kfree(from);
		return PTR_ERR(to);
	}
	err = rename_names(olddfd, from, newdfd, to, flags);
	kfree(from);
	kfree(to);
	return err;
}

long sys_renameat(int olddfd, uaddr_t oldpath, int newdfd, uaddr_t newpath)
{
	return sys_renameat2(olddfd, oldpath, newdfd, newpath, 0);
}

long sys_rename(uaddr_t oldpath, uaddr_t newpath)
{
	return sys_renameat2(AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}
