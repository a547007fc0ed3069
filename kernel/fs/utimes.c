/* Setting times: utimensat and its elders. */
#include "vfs.h"
#include <utime.h>

static int owner_only(const struct inode *i, struct iattr *a)
{
	return inode_owner_or_capable(i) ? 0 : -EPERM;
}

/* times NULL: both are now. tv_nsec may be UTIME_NOW or UTIME_OMIT. */
static int set_times(const struct path *p, const struct timespec *times)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = {.valid = ATTR_ATIME | ATTR_MTIME};
	bool now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	int err = path_want_write(p);

	if (err)
		return err;
	a.atime = a.mtime = inode_now();
	if (times) {
		if (times[0].tv_nsec == UTIME_OMIT)
			a.valid &= ~ATTR_ATIME;
		else if (times[0].tv_nsec != UTIME_NOW)
			a.atime = times[0];
		if (times[1].tv_nsec == UTIME_OMIT)
			a.valid &= ~ATTR_MTIME;
		else if (times[1].tv_nsec != UTIME_NOW)
			a.mtime = times[1];
	}
	/* Whoever may write may set both to now; the rest is the owner's. */
	if (now && !inode_owner_or_capable(i)) {
		err = inode_permission(i, MAY_WRITE);
		if (err)
			return err;
	}
	return path_setattr(p, &a, now ? NULL : owner_only);
}

static bool valid_nsec(const struct timespec *ts)
{
	return ts->tv_nsec == UTIME_NOW || ts->tv_nsec == UTIME_OMIT ||
	       (ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000);
}

static long utimes_fd(int fd, const struct timespec *times)
{
	struct file *f = fd_get(fd);
	int err;

	if (!f)
		return -EBADF;
	err = set_times(&f->path, times);
	file_put(f);
	return err;
}

static long utimes_at(int dfd, uaddr_t path, const struct timespec *times, int flags)
{
	struct path p;
	int err;

	if (times && (!valid_nsec(&times[0]) || !valid_nsec(&times[1])))
		return -EINVAL;
	/* A descriptor itself: futimens(3). */
	if (!path && dfd != AT_FDCWD)
		return flags ? -EINVAL : utimes_fd(dfd, times);
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_path_lookup(dfd, path,
			       (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
				       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			       &p);
	if (err)
		return err;
	err = set_times(&p, times);
	path_put(&p);
	return err;
}

long sys_utimensat(int dfd, uaddr_t path, uaddr_t utimes, int flags)
{
	struct timespec ts[2];

	if (utimes && copy_from_user(ts, utimes, sizeof(ts)))
		return -EFAULT;
	if (utimes && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	return utimes_at(dfd, path, utimes ? ts : NULL, flags);
}

long sys_futimesat(int dfd, uaddr_t path, uaddr_t utimes)
{
	struct timeval tv[2];
	struct timespec ts[2];

	if (!utimes)
		return utimes_at(dfd, path, NULL, 0);
	if (copy_from_user(tv, utimes, sizeof(tv)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		ts[i] = (struct timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
	}
	return utimes_at(dfd, path, ts, 0);
}

long sys_utimes(uaddr_t path, uaddr_t utimes)
{
	return sys_futimesat(AT_FDCWD, path, utimes);
}

long sys_utime(uaddr_t path, uaddr_t utimes)
{
	struct utimbuf b;
	struct timespec ts[2] = {};

	if (!utimes)
		return utimes_at(AT_FDCWD, path, NULL, 0);
	if (copy_from_user(&b, utimes, sizeof(b)))
		return -EFAULT;
	ts[0].tv_sec = b.actime;
	ts[1].tv_sec = b.modtime;
	return utimes_at(AT_FDCWD, path, ts, 0);
}
