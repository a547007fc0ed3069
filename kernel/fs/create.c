/* Creating names: what mkdir, mknod, symlink, link and bind(2) share. */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"

/* May current make an entry in this directory? Its lock is held. */
int may_create(const struct path *parent)
{
	struct inode *dir = parent->dentry->inode;
	int err = path_want_write(parent);

	if (err)
		return err;
	if (dir->state & INODE_DEAD)
		return -ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

int missing_op(const struct inode *dir, int err)
{
	return dir->sb->no_dcache ? -ENOENT : err;
}

/* With the parent locked: a negative dentry for the walk's last component. */
static int find_free(struct walk *w, bool is_dir, struct dentry **out)
{
	struct dentry *d = d_lookup_or_load_locked(w->cur.dentry, w->last, w->last_len);
	int err = 0;

	if (IS_ERR(d))
		return PTR_ERR(d);
	if (d->inode)
		err = -EEXIST;
	else if (!is_dir && w->slashes)
		err = -ENOENT;
	else
		err = path_want_write(&w->cur);
	if (err)
		d_put(d);
	else
		*out = d;
	return err;
}

int path_free_name(int dfd, const char *name, bool is_dir, struct path *parent, struct dentry **d)
{
	struct walk w;
	int err = walk_parent(&w, dfd, name, 0, vfs_cred());

	if (err)
		return err;
	if (w.last_type != LAST_NORM) {
		walk_end(&w);
		return -EEXIST;
	}
	down_write(&w.cur.dentry->inode->lock);
	err = find_free(&w, is_dir, d);
	if (err) {
		up_write(&w.cur.dentry->inode->lock);
		walk_end(&w);
		return err;
	}
	*parent = w.held;
	w.held = (struct path){NULL, NULL};
	walk_end(&w);
	return 0;
}

int path_create(int dfd, const char *name, bool is_dir, struct path *parent, struct dentry **d)
{
	int err = path_free_name(dfd, name, is_dir, parent, d);

	if (err)
		return err;
	err = may_create(parent);
	if (err)
		path_create_done(parent, *d);
	return err;
}

void path_create_done(struct path *parent, struct dentry *d)
{
	up_write(&parent->dentry->inode->lock);
	d_put(d);
	path_put(parent);
}

int vfs_mknod(const struct path *parent, struct dentry *d, u32 mode, dev_t dev)
{
	struct inode *dir = parent->dentry->inode;
	int err;

	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !capable(CAP_MKNOD))
		return -EPERM;
	if (S_ISREG(mode))
		err = dir->ops->create ? dir->ops->create(dir, d, mode) : missing_op(dir, -EACCES);
	else
		err = dir->ops->mknod ? dir->ops->mknod(dir, d, mode, dev)
				      : missing_op(dir, -EPERM);
	if (!err)
		notify_create(dir, d);
	return err;
}
