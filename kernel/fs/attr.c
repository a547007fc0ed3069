/* Changing attributes: mode, owner, umask. */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"

/* What inotify calls such a change. */
static u32 setattr_event(u32 valid)
{
	const u32 times = ATTR_ATIME | ATTR_MTIME;
	u32 event = 0;

	if (valid & (ATTR_MODE | ATTR_UID | ATTR_GID) || (valid & times) == times)
		event |= IN_ATTRIB;
	if (valid & ATTR_SIZE || (valid & times) == ATTR_MTIME)
		event |= IN_MODIFY;
	if ((valid & times) == ATTR_ATIME)
		event |= IN_ACCESS;
	return event;
}

int path_setattr(const struct path *p, struct iattr *a, attr_check *check)
{
	struct inode *i = p->dentry->inode;
	int err;

	if (!(a->valid & ATTR_CTIME)) {
		a->ctime = inode_now();
		a->valid |= ATTR_CTIME;
	}
	down_write(&i->lock);
	err = check ? check(i, a) : 0;
	if (!err)
		err = i->ops && i->ops->setattr ? i->ops->setattr(i, a) : generic_setattr(i, a);
	up_write(&i->lock);
	if (!err)
		notify_dentry(p->dentry, setattr_event(a->valid));
	return err;
}

static unsigned at_lookup(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
	       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

/* ---- mode ---- */

/*
 * What a new mode needs, whichever call sets it; set-gid is for those in the file's group, which
 * may be new, too.
 */
static int may_chmod(const struct inode *i, struct iattr *a)
{
	const struct cred *cred = vfs_cred();

	if (!inode_owner_or_capable(i))
		return -EPERM;
	if (!in_group(cred, a->valid & ATTR_GID ? a->gid : i->gid) &&
	    !cred_capable(cred, CAP_FSETID))
		a->mode &= ~S_ISGID;
	return 0;
}

static int do_chmod(const struct path *p, u32 mode)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = {.valid = ATTR_MODE, .mode = mode & 07777};
	int err = path_want_write(p);

	if (err)
		return err;
	if (S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	return path_setattr(p, &a, may_chmod);
}

long sys_fchmodat2(int dfd, uaddr_t path, unsigned int mode, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_path_lookup(dfd, path, at_lookup(flags), &p);
	if (err)
		return err;
	err = do_chmod(&p, mode);
	path_put(&p);
	return err;
}

long sys_fchmodat(int dfd, uaddr_t path, unsigned int mode)
{
	return sys_fchmodat2(dfd, path, mode, 0);
}

long sys_chmod(uaddr_t path, unsigned int mode)
{
	return sys_fchmodat2(AT_FDCWD, path, mode, 0);
}

long sys_fchmod(int fd, unsigned int mode)
{
	struct file *f = fd_get(fd);
	int err;

	if (!f)
		return -EBADF;
	err = do_chmod(&f->path, mode);
	file_put(f);
	return err;
}

long sys_umask(unsigned int mask)
{
	return __atomic_exchange_n(&current->fs->umask, mask & 0777, __ATOMIC_RELAXED);
}

/* ---- owner ---- */

static bool owner_may_become(const struct inode *i, const struct iattr *a)
{
	const struct cred *cred = vfs_cred();

	if (cred_capable(cred, CAP_CHOWN))
		return true;
	if (a->valid & ATTR_UID && (cred->fsuid != i->uid || a->uid != i->uid))
		return false;
	if (a->valid & ATTR_GID &&
	    (cred->fsuid != i->uid || (a->gid != i->gid && !in_group(cred, a->gid))))
		return false;
	return true;
}

/*
 * Set-id bits go, root or not; set-gid without x meant mandatory locking, and stays for those in
 * the group.
 */
static int may_chown(const struct inode *i, struct iattr *a)
{
	u32 kill = i->mode & S_ISUID;

	if (!owner_may_become(i, a))
		return -EPERM;
	if (i->mode & S_ISGID && (i->mode & S_IXGRP || (!in_group(vfs_cred(), i->gid) &&
							!cred_capable(vfs_cred(), CAP_FSETID))))
		kill |= S_ISGID;
	if (S_ISDIR(i->mode) || !kill)
		return 0;
	a->valid |= ATTR_MODE;
	a->mode = i->mode & 07777 & ~kill;
	return may_chmod(i, a); /* chown(-1, -1) is everybody's, but not if it takes bits away */
}

static int do_chown(const struct path *p, u32 uid, u32 gid)
{
	struct iattr a = {.uid = uid, .gid = gid};
	int err = path_want_write(p);

	if (err)
		return err;
	a.valid = (uid != (u32)-1 ? ATTR_UID : 0) | (gid != (u32)-1 ? ATTR_GID : 0);
	return path_setattr(p, &a, may_chown);
}

long sys_fchownat(int dfd, uaddr_t path, unsigned int uid, unsigned int gid, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_path_lookup(dfd, path, at_lookup(flags), &p);
	if (err)
		return err;
	err = do_chown(&p, uid, gid);
	path_put(&p);
	return err;
}

long sys_chown(uaddr_t path, unsigned int uid, unsigned int gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

long sys_lchown(uaddr_t path, unsigned int uid, unsigned int gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, unsigned int uid, unsigned int gid)
{
	struct file *f = fd_get(fd);
	int err;

	if (!f)
		return -EBADF;
	err = do_chown(&f->path, uid, gid);
	file_put(f);
	return err;
}
