/* ioctl(2): what every file understands; the rest is the file's own business. */
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

/* No file system shares data between files. */
static long clone_file(struct file *to, u64 fd)
{
	struct file *from = fd_get((int)fd);
	long ret;

	if (!from)
		return -EBADF;
	ret = from->path.dentry->sb == to->path.dentry->sb ? -EOPNOTSUPP : -EXDEV;
	file_put(from);
	return ret;
}

static long regular(struct file *f, unsigned cmd, u64 arg)
{
	s64 left;

	switch (cmd) {
	case FIONREAD:
		left = inode_size(f->inode) - __atomic_load_n(&f->pos, __ATOMIC_RELAXED);
		return put_user((int)left, arg);
	case FICLONE:
		return clone_file(f, arg);
	case FICLONERANGE:
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
	int size = PAGE_SIZE, on;

	switch (cmd) {
	case FIOCLEX:
		return set_cloexec(fd, true);
	case FIONCLEX:
		return set_cloexec(fd, false);
	case FIONBIO:
		return set_flag(f, arg, O_NONBLOCK);
	case FIOASYNC:
		/* None of our files can send SIGIO. */
		if (get_user(on, arg))
			return -EFAULT;
		return on ? -ENOTTY : 0;
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
