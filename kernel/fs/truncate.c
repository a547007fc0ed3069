/* Sizes: truncate, ftruncate, fallocate. */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"
#include <linux/falloc.h>

/* RLIMIT_FSIZE is only for what grows. */
static int may_truncate(const struct inode *i, struct iattr *a)
{
	u32 kill = setid_to_kill(i);

	if (kill) {
		a->valid |= ATTR_MODE;
		a->mode = i->mode & 07777 & ~kill;
	}
	return a->size > inode_size(i) ? check_fsize(a->size) : 0;
}

int do_truncate(const struct path *p, u64 size, struct file *f, u32 extra_valid)
{
	struct iattr a = {.valid = ATTR_SIZE | ATTR_MTIME | extra_valid, .size = size, .file = f};

	a.mtime = inode_now();
	return path_setattr(p, &a, may_truncate);
}

static int truncate_path(const struct path *p, u64 size)
{
	struct inode *i = p->dentry->inode;
	int err;

	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	err = path_want_write(p);
	if (!err)
		err = inode_permission(i, MAY_WRITE);
	if (err)
		return err;
	err = inode_get_write_access(i);
	if (err)
		return err;
	err = do_truncate(p, size, NULL, 0);
	inode_put_write_access(i);
	return err;
}

long sys_truncate(uaddr_t path, int64_t length)
{
	struct path p;
	int err;

	if (length < 0)
		return -EINVAL;
	err = user_path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = truncate_path(&p, length);
	path_put(&p);
	return err;
}

long sys_ftruncate(int fd, int64_t length)
{
	struct file *f;
	int err;

	if (length < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!S_ISREG(f->inode->mode) || !(f->mode & FMODE_WRITE))
		err = -EINVAL;
	else
		err = do_truncate(&f->path, length, f, 0);
	file_put(f);
	return err;
}

/*
 * The modes that mean something; which of them a file system can do is its own affair
 * (-EOPNOTSUPP).
 */
static int check_falloc_mode(int mode)
{
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
		     FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) &&
	    mode != FALLOC_FL_COLLAPSE_RANGE && mode != FALLOC_FL_INSERT_RANGE)
		return -EINVAL;
	return 0;
}

static int do_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	int err = check_falloc_mode(mode);

	if (err)
		return err;
	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (S_ISDIR(f->inode->mode))
		return -EISDIR;
	if (!S_ISREG(f->inode->mode))
		return -ENODEV;
	if (off + len > FILE_POS_MAX)
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > inode_size(f->inode)) {
		err = check_fsize(off + len);
		if (err)
			return err;
	}
	err = f->ops->fallocate(f, mode, off, len);
	if (!err)
		notify_file(f, IN_MODIFY);
	return err;
}

long sys_fallocate(int fd, int mode, int64_t offset, int64_t len)
{
	struct file *f = fd_get(fd);
	int err;

	if (!f)
		return -EBADF;
	err = offset < 0 || len <= 0 ? -EINVAL : do_fallocate(f, mode, offset, len);
	file_put(f);
	return err;
}
