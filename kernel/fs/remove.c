/* Removing names: unlink and rmdir. */
#include "kernel/fs/notify/notify.h"
#include "dirops.h"

int may_remove(const struct path *parent, const struct dentry *d, bool is_dir)
{
	struct inode *dir = parent->dentry->inode;
	int err = inode_permission(dir, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if (sticky_forbids(dir, d->inode))
		return -EPERM;
	if (is_dir && !S_ISDIR(d->inode->mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(d->inode->mode))
		return -EISDIR;
	if (dir->state & INODE_DEAD)
		return -ENOENT;
	return d_is_mounted(d) ? -EBUSY : 0;
}

void dir_died(struct dentry *d)
{
	d->inode->state |= INODE_DEAD;
	d_prune_children(d);
}

static void name_gone(struct inode *dir, struct dentry *d)
{
	d_make_negative(d);
	notify_remove(dir, d);
}

int vfs_unlink(const struct path *parent, struct dentry *d)
{
	struct inode *dir = parent->dentry->inode;
	int err = dir->ops->unlink ? dir->ops->unlink(dir, d) : -EPERM;

	if (!err)
		name_gone(dir, d);
	return err;
}

static int do_rmdir(const struct path *parent, struct dentry *d)
{
	struct inode *dir = parent->dentry->inode;
	int err;

	if (!dir->ops->rmdir)
		return -EPERM;
	down_write_nested(&d->inode->lock); /* child after parent */
	/* mount_attach() takes this lock, not the parent's. */
	err = d_is_mounted(d) ? -EBUSY : dir->ops->rmdir(dir, d);
	if (!err)
		dir_died(d);
	up_write(&d->inode->lock);
	if (!err)
		name_gone(dir, d);
	return err;
}

static int remove_locked(struct walk *w, bool is_dir, struct dentry **victim)
{
	struct dentry *d = d_lookup_or_load_locked(w->cur.dentry, w->last, w->last_len);
	int err;

	if (IS_ERR(d))
		return PTR_ERR(d);
	*victim = d;
	if (!d->inode)
		return -ENOENT;
	if (!is_dir && w->slashes)
		return S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
	err = may_remove(&w->cur, d, is_dir);
	if (!err)
		err = is_dir ? do_rmdir(&w->cur, d) : vfs_unlink(&w->cur, d);
	return err;
}

static int remove_name(int dfd, const char *name, bool is_dir)
{
	static const int rmdir_error[] = {
		[LAST_NONE] = -EBUSY, [LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY};
	struct dentry *victim = NULL;
	struct walk w;
	int err = walk_parent(&w, dfd, name, 0, vfs_cred());

	if (err)
		return err;
	if (w.last_type != LAST_NORM)
		err = is_dir ? rmdir_error[w.last_type] : -EISDIR;
	else
		err = path_want_write(&w.cur);
	if (!err) {
		down_write(&w.cur.dentry->inode->lock);
		err = remove_locked(&w, is_dir, &victim);
		up_write(&w.cur.dentry->inode->lock);
	}
	/* The file goes here, with no lock held. */
	if (victim)
		d_put(victim);
	walk_end(&w);
	return err;
}

long sys_unlinkat(int dfd, uaddr_t path, int flags)
{
	char *name;
	int err;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	name = path_from_user(path);
	if (IS_ERR(name))
		return PTR_ERR(name);
	err = remove_name(dfd, name, flags & AT_REMOVEDIR);
	kfree(name);
	return err;
}

long sys_unlink(uaddr_t path)
{
	return sys_unlinkat(AT_FDCWD, path, 0);
}

long sys_rmdir(uaddr_t path)
{
	return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}
