/* ioctl(2): what every file understands; the rest is the file's own business. */
#include "copy.h"
#include "fdtable.h"
#include <linux/fs.h>
#include <sys/ioctl.h>

static long set_flag(struct file *f, uaddr_t arg, u32 flag)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	if (on)
		__atomic_fetch_or(&f->flags, flag, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&f->flags, ~flag, __ATOMIC_RELAXED);
	return 0;
}

/* As F_SETFL with O_ASYNC, but what can't is told so. */
static int set_async(int fd, struct file *f, uaddr_t arg)
{
	int on, ret;

	if (get_user(on, arg))
		return -EFAULT;
	if (!on == !(file_flags(f) & O_ASYNC))
		return 0;
	ret = f->ops->fasync ? f->ops->fasync(fd, f, on) : -ENOTTY;
	return ret < 0 ? ret : 0;
}

/* len 0: to the end. */
static long do_clone(struct file *from, u64 pos_in, struct file *to, u64 pos_out, u64 len)
{
	u64 size = inode_size(from->inode);
	ssize_t n;

	if (from->path.dentry->sb != to->path.dentry->sb)
		return -EXDEV;
	if (S_ISDIR(from->inode->mode))
		return -EISDIR;
	if (!S_ISREG(from->inode->mode))
		return -EINVAL;
	if (!(from->mode & FMODE_READ) || !(to->mode & FMODE_WRITE) || file_flags(to) & O_APPEND)
		return -EBADF;
	if (!from->ops->copy_range)
		return -EOPNOTSUPP;
	if (!len)
		len = pos_in < size ? size - pos_in : 0;
	if (pos_in > size || len > size - pos_in)
		return -EINVAL;
	if (pos_out > FILE_POS_MAX - len)
		return -EINVAL;
	if (!len)
		return 0;
	if (!can_copy_range(from, to, pos_out + len))
		return -EOPNOTSUPP;
	n = from->ops->copy_range(from, pos_in, to, pos_out, len, true);
	if (n < 0)
		return n;
	copy_notify(from, to);
	return 0;
}

static long clone_file(struct file *to, s64 fd, u64 pos_in, u64 pos_out, u64 len)
{
	struct file *from = fd == (int)fd ? fd_get((int)fd) : NULL;
	long ret;

	if (!from)
		return -EBADF;
	ret = do_clone(from, pos_in, to, pos_out, len);
	file_put(from);
	return ret;
}

static long regular(struct file *f, unsigned cmd, u64 arg)
{
	struct file_clone_range range;
	s64 left;

	switch (cmd) {
	case FIONREAD:
		left = inode_size(f->inode) - load_relaxed(&f->pos);
		return put_user((int)left, arg);
	case FICLONE:
		return clone_file(f, (int)arg, 0, 0, 0);
	case FICLONERANGE:
		if (get_user(range, arg))
			return -EFAULT;
		return clone_file(f, range.src_fd, range.src_offset, range.dest_offset,
				  range.src_length);
	case FIDEDUPERANGE:
		return -EOPNOTSUPP;
	default:
		return -ENOIOCTLCMD;
	}
}

static long set_cloexec(int fd, bool on)
{
	struct files *fs = current->files;

	return files_set_cloexec(fs, fd, on);
}

static long do_ioctl(int fd, struct file *f, unsigned cmd, u64 arg)
{
	long ret = -ENOIOCTLCMD;
	int size = PAGE_SIZE;

	switch (cmd) {
	case FIOCLEX:
		return set_cloexec(fd, true);
	case FIONCLEX:
		return set_cloexec(fd, false);
	case FIONBIO:
		return set_flag(f, arg, O_NONBLOCK);
	case FIOASYNC:
		return set_async(fd, f, arg);
	case FIGETBSZ:
		if (S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode))
			return put_user(size, arg);
		break;
	default:
		break;
	}
	if (S_ISREG(f->inode->mode))
		ret = regular(f, cmd, arg);
	if (ret == -ENOIOCTLCMD && f->ops->ioctl)
		ret = f->ops->ioctl(f, cmd, arg);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

long sys_ioctl(int fd, unsigned int cmd, unsigned long arg)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = do_ioctl(fd, f, cmd, arg);
	file_put(f);
	return ret;
}
