/*
 * hostfs attributes: stat, chmod, chown, times, sizes, symlink targets; and whether cached names
 * are still right.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"

#include <string.h>

/*
 * What the host says about the inode now: by an open handle if there is one (it may have no name),
 * else by name.
 */
static int host_attributes(struct inode *inode, struct kstat *st)
{
	struct fh *h = hostfs_any_handle(inode);
	struct fh_place *p;
	int err;

	if (h) {
		err = fh_stat(h, st);
		fh_put(h);
		return err;
	}
	p = hostfs_place(inode);
	if (p)
		err = fh_stat_at(p->dir, p->name, st);
	else
		err = fh_stat(hostfs_sb(inode->sb)->root, st);
	fh_place_put(p);
	return err;
}

void hostfs_changed(struct inode *inode)
{
	__atomic_add_fetch(&hostfs_i(inode)->changes, 1, __ATOMIC_RELEASE);
}

void hostfs_set_size(struct inode *inode, u64 size)
{
	struct hostfs_inode *hi = hostfs_i(inode);

	spin_lock(&inode->spin);
	hi->sized = __atomic_add_fetch(&hi->changes, 1, __ATOMIC_RELEASE);
	store_relaxed(&inode->size, size);
	spin_unlock(&inode->spin);
}

static bool up_to_date(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool known;

	if (!hostfs_sb(inode->sb)->opt.exclusive || load_relaxed(&hi->mapped))
		return false;
	spin_lock(&inode->spin);
	known = hi->known == load_acquire(&hi->changes);
	spin_unlock(&inode->spin);
	return known;
}

/*
 * What the host said when we had made so many changes. Of two who do this at once the later ones
 * count, and so does a size that was set meanwhile.
 */
static void take(struct inode *inode, struct kstat *st, u64 changes)
{
	struct hostfs_inode *hi = hostfs_i(inode);

	spin_lock(&inode->spin);
	if (changes >= hi->known) {
		if (changes >= hi->sized)
			hi->sized = changes;
		else
			st->size = inode->size;
		hostfs_update_locked(inode, st);
		hi->known = changes;
	}
	spin_unlock(&inode->spin);
}

int hostfs_refresh(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct kstat st;
	u64 changes;
	int err;

	if (up_to_date(inode))
		return 0;
	changes = load_acquire(&hi->changes);
	err = host_attributes(inode, &st);
	if (!err && !hostfs_same(inode, &st))
		err = -ESTALE;
	if (err)
		return err;
	take(inode, &st, changes);
	return 0;
}

int hostfs_getattr(struct inode *inode, struct kstat *st)
{
	int err = hostfs_refresh(inode);

	/* A file without a name and without an open handle: what was known last. */
	if (err && err != -ENOENT && err != -ESTALE)
		return err;
	generic_getattr(inode, st);
	return 0;
}

static int set_size(struct inode *inode, u64 size)
{
	struct fh *h = hostfs_open_handle(inode, false, true, false);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_truncate(h, size);
	hostfs_close_handle(inode, h);
	return err;
}

/*
 * By handle: a name may be another's by now, of whom the guest's kernel hasn't asked whether this
 * may be. Handles that couldn't be opened any more afterwards stay open.
 */
static int set_others(struct inode *inode, const struct iattr *a)
{
	const struct timespec omit = {.tv_nsec = UTIME_OMIT};
	struct timespec times[2] = {a->valid & ATTR_ATIME ? a->atime : omit,
				    a->valid & ATTR_MTIME ? a->mtime : omit};
	struct fh *pinned[HANDLES], *h;
	int n = 0, err;

	if (a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) && S_ISREG(inode->mode))
		n = hostfs_pin_all(inode, pinned);
	h = hostfs_get_handle(inode);
	err = IS_ERR(h) ? (int)PTR_ERR(h)
			: fh_setattr(h, a->valid, a->mode & 07777, a->uid, a->gid, times);
	if (!IS_ERR(h))
		fh_put(h);
	hostfs_unpin_all(inode, pinned, n);
	return err;
}

/* Mapped owners are what they are. */
static int check_owner(const struct hostfs_options *o, struct iattr *a)
{
	if (o->map_uid && a->valid & ATTR_UID) {
		if (a->uid != o->uid)
			return -EPERM;
		a->valid &= ~ATTR_UID;
	}
	if (o->map_gid && a->valid & ATTR_GID) {
		if (a->gid != o->gid)
			return -EPERM;
		a->valid &= ~ATTR_GID;
	}
	return 0;
}

static int set_on_host(struct inode *inode, const struct iattr *a)
{
	struct iattr rights = *a, times = *a;
	int err = 0;

	rights.valid &= ATTR_MODE | ATTR_UID | ATTR_GID;
	times.valid &= ATTR_ATIME | ATTR_MTIME;
	if (!(a->valid & ATTR_SIZE))
		return rights.valid | times.valid ? set_others(inode, a) : 0;
	/*
	 * First the rights, without which nothing is lost yet. The times of a new size are set by
	 * the host, too, if not to the nanosecond.
	 */
	if (rights.valid)
		err = set_others(inode, &rights);
	if (!err)
		err = set_size(inode, a->size);
	if (!err && times.valid)
		(void)!set_others(inode, &times);
	return err;
}

int hostfs_setattr(struct inode *inode, struct iattr *attr)
{
	struct hostfs_sb *hs = hostfs_sb(inode->sb);
	struct iattr a = *attr;
	int err = hs->opt.rw && !hostfs_procfs(inode) ? check_owner(&hs->opt, &a) : -EROFS;

	if (!err)
		err = set_on_host(inode, &a);
	hostfs_changed(inode);
	/*
	 * What is done isn't undone by a host that won't tell: until it does, we know what we asked
	 * for.
	 */
	if (!err && hostfs_refresh(inode)) {
		if (a.valid & ATTR_SIZE)
			hostfs_set_size(inode, a.size);
		err = generic_setattr(inode, &a);
	}
	return err;
}

char *hostfs_readlink(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh *h;
	char *target, *copy;

	if (load_acquire(&hi->target)) {
		copy = kstrdup(hi->target); /* constant once it is there */
		return copy ? copy : ERR_PTR(-ENOMEM);
	}
	h = hostfs_get_handle(inode);
	if (IS_ERR(h))
		return ERR_PTR(PTR_ERR(h));
	target = fh_readlink(h);
	fh_put(h);
	if (IS_ERR(target) || !hostfs_sb(inode->sb)->opt.exclusive)
		return target;
	copy = kstrdup(target);
	spin_lock(&inode->spin);
	if (!hi->target && copy) {
		store_release(&hi->target, copy);
		copy = NULL;
	}
	spin_unlock(&inode->spin);
	kfree(copy);
	return target;
}

/* The directory which d is in, +1, and d's name there. */
static struct inode *name_of(struct dentry *d, char name[NAME_MAX + 1])
{
	struct inode *dir;

	do {
		rcu_read_lock();
		dir = rcu_dereference(d->parent)->inode;
		strncpy(name, rcu_dereference(d->name), NAME_MAX);
		name[NAME_MAX] = '\0';
		if (!inode_tryget(dir))
			dir = NULL;
		rcu_read_unlock();
	} while (!dir); /* moved while we looked: its new parent is alive */
	return dir;
}

bool hostfs_revalidate(struct dentry *d)
{
	char name[NAME_MAX + 1];
	struct inode *dir, *inode = d_inode(d);
	struct fh *h;
	struct kstat st;
	u64 changes = 0;
	int err;

	if (d_is_root(d))
		return true;
	dir = name_of(d, name);
	h = hostfs_dir(dir);
	if (inode)
		changes = load_acquire(&hostfs_i(inode)->changes);
	err = IS_ERR(h) ? (int)PTR_ERR(h) : fh_stat_at(h, name, &st);
	if (inode && !err) {
		/*
		 * Its place isn't changed here, since without the directory's lock that could undo
		 * a rename or an unlink; nor is what is mounted on it taken away.
		 */
		if (!hostfs_same(inode, &st) ||
		    (!hostfs_place_holds(inode, h, name) && !load_relaxed(&d->mounted)))
			err = -ESTALE;
		else
			take(inode, &st, changes);
	}
	/*
	 * Its dentry goes, but may be somebody's working directory: the next one gets an inode of
	 * its own, since a directory has one place in the tree.
	 */
	if (inode && err && S_ISDIR(inode->mode))
		ihash_remove(&hostfs_sb(inode->sb)->inodes, &hostfs_i(inode)->node);
	inode_put(dir);
	return inode ? !err : err == -ENOENT;
}

const struct inode_operations hostfs_file_ops = {
	.readlink = hostfs_readlink,
	.getxattr = hostfs_getxattr,
	.listxattr = hostfs_listxattr,
	.setxattr = hostfs_setxattr,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
	.revalidate = hostfs_revalidate,
};

const struct inode_operations hostfs_file_ops_exclusive = {
	.readlink = hostfs_readlink,
	.getxattr = hostfs_getxattr,
	.listxattr = hostfs_listxattr,
	.setxattr = hostfs_setxattr,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
};
