/* fcntl(2), but for locks and owners. */
#include "fdtable.h"
#include "fowner.h"
#include "pipe.h"

#define F_SETOWN_EX_ 15
#define F_GETOWN_EX_ 16
#define F_DUPFD_QUERY_ 1027
/* What F_SETFL may change, besides O_ASYNC. */
#define SETFL_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static long setfl(int fd, struct file *f, u64 arg)
{
	u32 old = file_flags(f), new_flags;
	int err;

	if (arg & O_NOATIME && !(old & O_NOATIME) && !inode_owner_or_capable(f->inode))
		return -EPERM;
	if (arg & O_DIRECT && !(old & O_DIRECT) && !S_ISREG(f->inode->mode) &&
	    !S_ISFIFO(f->inode->mode))
		return -EINVAL;
	/*
	 * The operation sets the flag itself. Of files that have none it stays as it is, without an
	 * error.
	 */
	if ((arg ^ old) & O_ASYNC && f->ops->fasync) {
		err = f->ops->fasync(fd, f, arg & O_ASYNC);
		if (err < 0)
			return err;
		old = file_flags(f);
	}
	do {
		new_flags = (old & ~(u32)SETFL_FLAGS) | (arg & SETFL_FLAGS);
	} while (!__atomic_compare_exchange_n(&f->flags, &old, new_flags, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return 0;
}

static long dupfd(struct file *f, u64 from, bool cloexec)
{
	int fd;

	if (from >= nofile_limit() || from > INT_MAX)
		return -EINVAL;
	fd = fd_reserve(from, cloexec);
	if (fd >= 0)
		fd_install(fd, file_get(f));
	return fd;
}

/* What works on O_PATH descriptors, too. -ENOIOCTLCMD: something else. */
static long fcntl_path(int fd, struct file *f, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dupfd(f, arg, false);
	case F_DUPFD_CLOEXEC:
		return dupfd(f, arg, true);
	case F_GETFD:
		return files_cloexec(current->files, fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		return files_set_cloexec(current->files, fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return file_flags(f);
	case F_DUPFD_QUERY_: {
		struct file *other = fd_get_raw((int)arg);

		if (other)
			file_put(other);
		return other ? other == f : -EBADF;
	}
	default:
		return -ENOIOCTLCMD;
	}
}

static long fcntl_file(int fd, struct file *f, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case F_SETFL:
		return setfl(fd, f, arg);
	case F_GETLK:
	case F_OFD_GETLK:
		return fcntl_getlk(f, cmd, arg);
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_setlk(fd, f, cmd, arg);
	case F_SETOWN:
		return file_setown(f, (int)arg);
	case F_GETOWN:
		return file_getown(f);
	case F_SETOWN_EX_:
		return file_setown_ex(f, arg);
	case F_GETOWN_EX_:
		return file_getown_ex(f, arg);
	case F_SETSIG:
		return file_setsig(f, (int)arg);
	case F_GETSIG:
		return file_getsig(f);
	case F_GETLEASE:
		return F_UNLCK; /* there are none: F_SETLEASE is refused */
	case F_SETPIPE_SZ:
		return file_is_pipe(f) ? pipe_set_size(f, arg) : -EBADF;
	case F_GETPIPE_SZ:
		return file_is_pipe(f) ? pipe_get_size(f) : -EBADF;
	default:
		return f->ops && f->ops->fcntl ? f->ops->fcntl(f, cmd, arg) : -EINVAL;
	}
}

long sys_fcntl(int fd, unsigned int cmd, unsigned long arg)
{
	struct file *f = fd_get_raw(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = fcntl_path(fd, f, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = f->mode & FMODE_PATH ? -EBADF : fcntl_file(fd, f, cmd, arg);
	file_put(f);
	return ret;
}
