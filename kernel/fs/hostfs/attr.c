/* hostfs attributes: stat, chmod, chown, times, sizes, symlink targets; and whether cached names are still right. */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"

#include <string.h>

/* What the host says about the inode now: by an open handle if there is one (it may have no name), else by name. */
static int host_attributes(struct inode *inode, struct kstat *st)
{
	struct fh *h = hostfs_any_handle(inode);
	struct place *p;
	int err;

	if (h) {
		err = fh_stat(h, st);
		fh_put(h);
		return err;
	}
	p = place_get(inode);
	if (p)
		err = fh_stat_at(p->dir, p->name, st);
	else
		err = fh_stat(hostfs_sb(inode->sb)->root, st);
	place_put(p);
	return err;
}

int hostfs_refresh(struct inode *inode)
{
	struct kstat st;
	int err;

	if (hostfs_sb(inode->sb)->exclusive)
		return 0;
	err = host_attributes(inode, &st);
	if (!err && !hostfs_same(inode, &st))
		err = -ESTALE;
	if (!err)
		hostfs_update(inode, &st);
	return err;
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
	struct fh *h = hostfs_open_handle(inode, false, true);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_truncate(h, size);
	hostfs_close_handle(inode, h);
	return err;
}

/* By name, or by handle if the file is open (and may have no name). */
static int set_others(struct inode *inode, const struct iattr *a)
{
	const struct timespec omit = {.tv_nsec = UTIME_OMIT};
	struct timespec times[2] = {a->valid & ATTR_ATIME ? a->atime : omit,
				    a->valid & ATTR_MTIME ? a->mtime : omit};
	u32 mode = a->mode & 07777;
	struct fh *h = S_ISREG(inode->mode) ? hostfs_any_handle(inode) : NULL;
	struct place *p;
	int err;

	if (h) {
		err = fh_setattr(h, a->valid, mode, a->uid, a->gid, times);
		fh_put(h);
		return err;
	}
	p = place_get(inode);
	if (p)
		err = fh_setattr_at(p->dir, p->name, a->valid, mode, a->uid, a->gid, times);
	else
		err = fh_setattr_at(hostfs_sb(inode->sb)->root, ".", a->valid, mode, a->uid, a->gid,
				    times);
	place_put(p);
	return err;
}

int hostfs_setattr(struct inode *inode, struct iattr *a)
{
	struct hostfs_sb *hs = hostfs_sb(inode->sb);
	struct kstat st;
	int err = 0;

	if (!hs->rw)
		return -EROFS;
	if (a->valid & ATTR_SIZE)
		err = set_size(inode, a->size);
	if (!err && a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME))
		err = set_others(inode, a);
	if (!err)
		err = host_attributes(inode, &st);
	if (!err)
		hostfs_update(inode, &st);
	return err;
}

char *hostfs_readlink(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct place *p;
	char *target, *copy;

	if (__atomic_load_n(&hi->target, __ATOMIC_ACQUIRE)) {
		copy = kstrdup(hi->target); /* constant once it is there */
		return copy ? copy : ERR_PTR(-ENOMEM);
	}
	p = place_get(inode);
	if (!p)
		return ERR_PTR(-EINVAL);
	target = fh_readlink_at(p->dir, p->name);
	place_put(p);
	if (IS_ERR(target) || !hostfs_sb(inode->sb)->exclusive)
		return target;
	copy = kstrdup(target);
	spin_lock(&inode->spin);
	if (!hi->target && copy) {
		__atomic_store_n(&hi->target, copy, __ATOMIC_RELEASE);
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
	struct inode *dir, *inode = d->inode;
	struct fh *h;
	struct kstat st;
	int err;

	if (d->parent == d)
		return true;
	dir = name_of(d, name);
	h = hostfs_dir(dir);
	err = IS_ERR(h) ? (int)PTR_ERR(h) : fh_stat_at(h, name, &st);
	if (inode && !err) {
		if (!hostfs_same(inode, &st))
			err = -ESTALE;
		else
			err = hostfs_found(inode, &st, h, name);
	}
	inode_put(dir);
	return inode ? !err : err == -ENOENT;
}

const struct inode_operations hostfs_file_ops = {
	.readlink = hostfs_readlink,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
	.revalidate = hostfs_revalidate,
};

const struct inode_operations hostfs_file_ops_exclusive = {
	.readlink = hostfs_readlink,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
};
