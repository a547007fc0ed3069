/* hostfs names: lookup, and changes of directories (read-write mounts only). Called with the directory's lock, see fs.h. */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"
#include "cred.h"

#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

static struct inode *hostfs_lookup_inode(struct inode *dir, const char *name)
{
	struct fh *h = hostfs_dir(dir);
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return ERR_PTR(PTR_ERR(h));
	err = fh_stat_at(h, name, &st);
	if (err == -ENOENT)
		return NULL;
	if (err)
		return ERR_PTR(err);
	return hostfs_iget(dir->sb, &st, h, name);
}

static int hostfs_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *inode = hostfs_lookup_inode(dir, d->name);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (inode)
		d_instantiate(d, inode);
	return 0;
}

/* The handle of a directory that may be changed. */
static struct fh *writable_dir(struct inode *dir)
{
	return hostfs_sb(dir->sb)->rw ? hostfs_dir(dir) : ERR_PTR(-EROFS);
}

/*
 * A new host file belongs to the user who runs heddle, with heddle's umask applied. Makes owner and mode what the guest wants; where the host does
 * not let us give files away it stays ours.
 */
static int fix_attributes(struct inode *dir, struct fh *h, const char *name, u32 mode,
			  struct kstat *st)
{
	const struct cred *cred = vfs_cred();
	u32 uid = cred->fsuid, gid = dir->mode & S_ISGID ? dir->gid : cred->fsgid, valid = 0;
	int err;

	if (st->uid != uid)
		valid |= ATTR_UID;
	if (st->gid != gid)
		valid |= ATTR_GID;
	if (valid) {
		err = fh_setattr_at(h, name, valid, 0, uid, gid, NULL);
		if (err && err != -EPERM)
			return err;
	}
	if (S_ISDIR(mode) && dir->mode & S_ISGID)
		mode |= S_ISGID;
	if (!S_ISLNK(mode) && (valid || (st->mode ^ mode) & 07777)) {
		err = fh_setattr_at(h, name, ATTR_MODE, mode & 07777, 0, 0, NULL);
		if (err)
			return err;
	}
	return fh_stat_at(h, name, st);
}

/* After the host has made d's file: its inode. The file goes again if that fails. */
static int finish_new(struct inode *dir, struct dentry *d, struct fh *h, u32 mode)
{
	struct inode *inode;
	struct kstat st;
	int err = fh_stat_at(h, d->name, &st);

	if (!err)
		err = fix_attributes(dir, h, d->name, mode, &st);
	if (!err) {
		inode = hostfs_iget(dir->sb, &st, h, d->name);
		err = IS_ERR(inode) ? (int)PTR_ERR(inode) : 0;
	}
	if (err) {
		fh_unlink_at(h, d->name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
		return err;
	}
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	d_instantiate(d, inode);
	return 0;
}

static int hostfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	struct fh *h = writable_dir(dir), *file;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	file = fh_open_at(h, d->name, O_RDWR | O_CREAT | O_EXCL, mode & 07777);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = finish_new(dir, d, h, mode);
	fh_put(file);
	return err;
}

static int hostfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_mkdir_at(h, d->name, mode & 07777);
	if (!err)
		err = finish_new(dir, d, h, mode);
	if (!err)
		inode_inc_nlink(dir);
	return err;
}

static int hostfs_mknod(struct inode *dir, struct dentry *d, u32 mode, dev_t dev)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_mknod_at(h, d->name, mode, dev);
	return err ? err : finish_new(dir, d, h, mode);
}

static int hostfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_symlink_at(h, d->name, target);
	return err ? err : finish_new(dir, d, h, S_IFLNK | 0777);
}

static int hostfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	struct fh *h = writable_dir(dir), *open;
	struct place *p;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	p = place_get(target);
	if (p) {
		err = fh_link_at(h, d->name, p->dir, p->name);
	} else { /* made by O_TMPFILE: open somewhere */
		open = hostfs_any_handle(target);
		err = open ? fh_link_into(open, h, d->name) : -ENOENT;
		fh_put(open);
		if (!err)
			err = place_set(target, h, d->name);
	}
	place_put(p);
	if (err)
		return err;
	inode_inc_nlink(target);
	inode_touch(target, ATTR_CTIME);
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	d_instantiate(d, inode_get(target));
	return 0;
}

void hostfs_name_goes(struct inode *inode, struct fh *dir, const char *name)
{
	struct place *p = place_get(inode);

	if (p && p->dir == dir && !strcmp(p->name, name))
		hostfs_unnamed(inode);
	place_put(p);
}

static int remove_name(struct inode *dir, struct dentry *d, int flags)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	hostfs_name_goes(d->inode, h, d->name);
	err = fh_unlink_at(h, d->name, flags);
	if (err)
		return err;
	inode_dec_nlink(d->inode);
	inode_touch(d->inode, ATTR_CTIME);
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	return 0;
}

static int hostfs_unlink(struct inode *dir, struct dentry *d)
{
	return remove_name(dir, d, 0);
}

static int hostfs_rmdir(struct inode *dir, struct dentry *d)
{
	int err = remove_name(dir, d, AT_REMOVEDIR);

	if (!err) {
		inode_set_nlink(d->inode, 0);
		inode_dec_nlink(dir);
	}
	return err;
}

int hostfs_moved(struct inode *inode, struct fh *dir, const char *name)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh *h[3];
	int err = place_set(inode, dir, name);

	spin_lock(&inode->spin);
	h[0] = hi->self ? fh_get(hi->self) : NULL;
	h[1] = hi->ro ? fh_get(hi->ro) : NULL;
	h[2] = hi->rw ? fh_get(hi->rw) : NULL;
	spin_unlock(&inode->spin);
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++) {
		if (h[i] && !err)
			err = fh_moved(h[i], dir, name);
		fh_put(h[i]);
	}
	return err;
}

static int hostfs_rename(const struct rename_ctx *rc)
{
	struct fh *od = writable_dir(rc->old_dir), *nd = writable_dir(rc->new_dir);
	struct inode *inode = rc->old->inode, *victim = rc->new->inode;
	bool exchange = rc->flags & RENAME_EXCHANGE;
	int err;

	if (IS_ERR(od))
		return PTR_ERR(od);
	if (IS_ERR(nd))
		return PTR_ERR(nd);
	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (exchange && !victim)
		return -ENOENT;
	if (victim && !exchange)
		hostfs_name_goes(victim, nd, rc->new->name);
	err = fh_rename_at(od, rc->old->name, nd, rc->new->name, rc->flags);
	if (err)
		return err;
	/* Done on the host: a shortage of memory now only costs the ability to reopen by name. */
	(void)hostfs_moved(inode, nd, rc->new->name);
	if (exchange)
		(void)hostfs_moved(victim, od, rc->old->name);
	if (victim && !exchange) {
		if (S_ISDIR(victim->mode))
			inode_set_nlink(victim, 0);
		else
			inode_dec_nlink(victim);
	}
	/* Link counts and times of the directories, as the host has them now. */
	(void)hostfs_refresh(rc->old_dir);
	(void)hostfs_refresh(rc->new_dir);
	return 0;
}

static int hostfs_tmpfile(struct inode *dir, struct inode **out, u32 mode)
{
	struct fh *h = writable_dir(dir), *file;
	struct inode *inode;
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	file = fh_open_at(h, ".", O_TMPFILE | O_RDWR, mode & 07777);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = fh_stat(file, &st);
	if (!err) {
		inode = hostfs_iget(dir->sb, &st, NULL, NULL);
		err = IS_ERR(inode) ? (int)PTR_ERR(inode) : 0;
	}
	if (err) {
		fh_put(file);
		return err;
	}
	/* One reference is the inode's for as long as it lives: nobody could open it again. */
	hostfs_i(inode)->rw = file;
	hostfs_i(inode)->opens++;
	*out = inode;
	return 0;
}

#define DIR_OPS                                                                                    \
	.lookup = hostfs_lookup, .lookup_inode = hostfs_lookup_inode, .create = hostfs_create,     \
	.mkdir = hostfs_mkdir, .mknod = hostfs_mknod, .symlink = hostfs_symlink,                   \
	.link = hostfs_link, .unlink = hostfs_unlink, .rmdir = hostfs_rmdir,                       \
	.rename = hostfs_rename, .tmpfile = hostfs_tmpfile, .getattr = hostfs_getattr,             \
	.setattr = hostfs_setattr

const struct inode_operations hostfs_dir_ops = {DIR_OPS, .revalidate = hostfs_revalidate};
const struct inode_operations hostfs_dir_ops_exclusive = {DIR_OPS};
