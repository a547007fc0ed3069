/* Making names: mkdir, mknod, symlink, link. */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"

/* path_free_name() of a path in guest memory: the dentry. ERR_PTR. */
static struct dentry *user_path_free_name(int dfd, uaddr_t upath, bool is_dir, struct path *parent)
{
	char *name = path_from_user(upath);
	struct dentry *d;
	int err;

	if (IS_ERR(name))
		return ERR_PTR(PTR_ERR(name));
	err = path_free_name(dfd, name, is_dir, parent, &d);
	kfree(name);
	return err ? ERR_PTR(err) : d;
}

/* The same, with permission. */
static struct dentry *user_path_create(int dfd, uaddr_t upath, bool is_dir, struct path *parent)
{
	struct dentry *d = user_path_free_name(dfd, upath, is_dir, parent);
	int err;

	if (IS_ERR(d))
		return d;
	err = may_create(parent);
	if (!err)
		return d;
	path_create_done(parent, d);
	return ERR_PTR(err);
}

long sys_mkdirat(int dfd, uaddr_t path, unsigned int mode)
{
	struct path parent;
	struct dentry *d;
	struct inode *dir;
	int err;

	d = user_path_create(dfd, path, true, &parent);
	if (IS_ERR(d))
		return PTR_ERR(d);
	dir = parent.dentry->inode;
	err = dir->ops->mkdir ? dir->ops->mkdir(dir, d, S_IFDIR | (mode & 01777 & ~fs_umask()))
			      : missing_op(dir, -EPERM);
	if (!err)
		notify_create(dir, d);
	path_create_done(&parent, d);
	return err;
}

long sys_mkdir(uaddr_t path, unsigned int mode)
{
	return sys_mkdirat(AT_FDCWD, path, mode);
}

long sys_mknodat(int dfd, uaddr_t path, unsigned int mode, unsigned int dev)
{
	struct path parent;
	struct dentry *d;
	int err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	d = user_path_create(dfd, path, false, &parent);
	if (IS_ERR(d))
		return PTR_ERR(d);
	mode = (mode & S_IFMT) | (mode & 07777 & ~fs_umask());
	err = vfs_mknod(&parent, d, mode, S_ISCHR(mode) || S_ISBLK(mode) ? dev : 0);
	path_create_done(&parent, d);
	return err;
}

long sys_mknod(uaddr_t path, unsigned int mode, unsigned int dev)
{
	return sys_mknodat(AT_FDCWD, path, mode, dev);
}

long sys_symlinkat(uaddr_t utarget, int dfd, uaddr_t path)
{
	char *target = path_from_user(utarget);
	struct path parent;
	struct dentry *d;
	struct inode *dir;
	int err;

	if (IS_ERR(target))
		return PTR_ERR(target);
	d = *target ? user_path_create(dfd, path, false, &parent) : ERR_PTR(-ENOENT);
	if (IS_ERR(d)) {
		err = PTR_ERR(d);
	} else {
		dir = parent.dentry->inode;
		err = dir->ops->symlink ? dir->ops->symlink(dir, d, target)
					: missing_op(dir, -EPERM);
		if (!err)
			notify_create(dir, d);
		path_create_done(&parent, d);
	}
	kfree(target);
	return err;
}

long sys_symlink(uaddr_t target, uaddr_t path)
{
	return sys_symlinkat(target, AT_FDCWD, path);
}

/*
 * As with fs.protected_hardlinks=1, the setting of most distributions: others' files may be given
 * names only by those who could use them anyway and gain nothing by them.
 */
static bool may_link(struct inode *inode)
{
	if (inode_owner_or_capable(inode))
		return true;
	return S_ISREG(inode->mode) && !(inode->mode & S_ISUID) &&
	       (inode->mode & (S_ISGID | S_IXGRP)) != (S_ISGID | S_IXGRP) &&
	       !inode_permission(inode, MAY_READ | MAY_WRITE);
}

/* In Linux's order. */
static int may_link_into(const struct path *parent, struct inode *inode)
{
	return may_link(inode) ? may_create(parent) : -EPERM;
}

/* With both locked: a file without a name gets its first one once. */
static int link_locked(const struct path *parent, struct dentry *d, struct inode *inode)
{
	struct inode *dir = parent->dentry->inode;
	int err = may_link_into(parent, inode);

	if (err)
		return err;
	if (!inode->nlink && !(inode->state & INODE_LINKABLE))
		return -ENOENT;
	if (inode->nlink >= inode->sb->max_links)
		return -EMLINK;
	err = dir->ops->link(dir, d, inode);
	if (!err)
		inode->state &= ~INODE_LINKABLE; /* losing its name makes it like any other */
	return err;
}

/* With the new name's directory locked. */
static int do_link(const struct path *old, const struct path *parent, struct dentry *d)
{
	struct inode *inode = old->dentry->inode, *dir = parent->dentry->inode;
	int err;

	if (old->mnt != parent->mnt)
		return -EXDEV;
	if (S_ISDIR(inode->mode) || !dir->ops->link) {
		err = may_link_into(parent, inode);
		return err ? err : -EPERM;
	}
	down_write(&inode->lock);
	err = link_locked(parent, d, inode);
	up_write(&inode->lock);
	if (err)
		return err;
	notify_inode(inode, IN_ATTRIB);
	notify_create(dir, d);
	return 0;
}

/*
 * A descriptor may be given a name by who opened it, as long as the credentials are still the same:
 * it may have been passed on.
 */
static bool may_link_fd(int fd)
{
	struct file *f;
	bool same;

	if (fd == AT_FDCWD || capable(CAP_DAC_READ_SEARCH))
		return true;
	f = fd_get_raw(fd);
	if (!f)
		return true; /* -EBADF if it comes to that */
	same = f->cred == vfs_cred();
	file_put(f);
	return same;
}

long sys_linkat(int olddfd, uaddr_t oldpath, int newdfd, uaddr_t newpath, int flags)
{
	struct path old, parent;
	struct dentry *d;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH && !may_link_fd(olddfd))
		return -ENOENT;
	err = user_path_lookup(olddfd, oldpath,
			       (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
				       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			       &old);
	if (err)
		return err;
	d = user_path_free_name(newdfd, newpath, false, &parent);
	if (IS_ERR(d)) {
		err = PTR_ERR(d);
	} else {
		err = do_link(&old, &parent, d);
		path_create_done(&parent, d);
	}
	path_put(&old);
	return err;
}

long sys_link(uaddr_t oldpath, uaddr_t newpath)
{
	return sys_linkat(AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}
