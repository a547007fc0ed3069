/* fcntl(2), but for locks. */
#include "fdtable.h"
#include "pipe.h"

#define F_SETOWN_EX_ 15
#define F_GETOWN_EX_ 16
#define F_DUPFD_QUERY_ 1027
/* What F_SETFL may change. */
#define SETFL_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static long setfl(struct file *f, u64 arg)
{
	u32 old = file_flags(f), new_flags;

	if (arg & O_NOATIME && !(old & O_NOATIME) && !inode_owner_or_capable(f->inode))
		return -EPERM;
	if (arg & O_DIRECT && !(old & O_DIRECT) && !S_ISREG(f->inode->mode) &&
	    !S_ISFIFO(f->inode->mode))
		return -EINVAL;
	/* O_ASYNC is left out, as on Linux for files that can't send SIGIO: none of ours can. */
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

/* ---- owners ---- */

static void set_owner(struct file *f, struct pid *pid, int type)
{
	struct pid *old;

	spin_lock(&f->lock);
	old = f->owner;
	f->owner = pid;
	f->owner_type = type;
	spin_unlock(&f->lock);
	if (old)
		pid_put(old);
}

static long set_owner_nr(struct file *f, int type, pid_t nr)
{
	struct pid *pid = NULL;

	if (nr) {
		pid = find_pid(nr);
		if (!pid)
			return -ESRCH;
	}
	set_owner(f, pid, type);
	return 0;
}

static long setown(struct file *f, u64 arg)
{
	int who = (int)arg;

	if (who == INT_MIN)
		return -EINVAL;
	return who < 0 ? set_owner_nr(f, F_OWNER_PGRP, -who) : set_owner_nr(f, F_OWNER_PID, who);
}

static struct f_owner_ex get_owner(struct file *f)
{
	struct f_owner_ex o = {.type = F_OWNER_PID};

	spin_lock(&f->lock);
	if (f->owner) {
		o.type = f->owner_type;
		o.pid = f->owner->nr;
	}
	spin_unlock(&f->lock);
	return o;
}

static long getown(struct file *f)
{
	struct f_owner_ex o = get_owner(f);

	return o.type == F_OWNER_PGRP ? -o.pid : o.pid;
}

static long setown_ex(struct file *f, uaddr_t arg)
{
	struct f_owner_ex o;

	if (copy_from_user(&o, arg, sizeof(o)))
		return -EFAULT;
	if (o.type != F_OWNER_TID && o.type != F_OWNER_PID && o.type != F_OWNER_PGRP)
		return -EINVAL;
	if (o.pid < 0)
		return -ESRCH;
	return set_owner_nr(f, o.type, o.pid);
}

static long getown_ex(struct file *f, uaddr_t arg)
{
	struct f_owner_ex o = get_owner(f);

	return copy_to_user(arg, &o, sizeof(o)) ? -EFAULT : 0;
}

static long setsig(struct file *f, u64 sig)
{
	if (sig > NSIG)
		return -EINVAL;
	spin_lock(&f->lock);
	f->owner_sig = sig;
	spin_unlock(&f->lock);
	return 0;
}

/* ---- */

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
		return setfl(f, arg);
	case F_GETLK:
	case F_OFD_GETLK:
		return fcntl_getlk(f, cmd, arg);
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_setlk(fd, f, cmd, arg);
	case F_SETOWN:
		return setown(f, arg);
	case F_GETOWN:
		return getown(f);
	case F_SETOWN_EX_:
		return setown_ex(f, arg);
	case F_GETOWN_EX_:
		return getown_ex(f, arg);
	case F_SETSIG:
		return setsig(f, arg);
	case F_GETSIG:
		return __atomic_load_n(&f->owner_sig, __ATOMIC_RELAXED);
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
