/* Reading and writing: read, write, their vectored and positioned forms. */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"
#include <linux/fs.h>

/* ---- what all have in common ---- */

int check_fsize(u64 size)
{
	struct task *t = vfs_task();
	siginfo_t si;

	if (!t || size <= load_relaxed(&t->tg->rlim[RLIMIT_FSIZE].rlim_cur))
		return 0;
	siginfo_user(&si, SIGXFSZ, SI_USER);
	(void)send_signal_task(t, &si);
	return -EFBIG;
}

/* Are there n bytes from pos on that a file can have? */
static int verify_area(const struct file *f, u64 pos, size_t n)
{
	if (f->mode & FMODE_UNSIGNED_OFFSET)
		return pos && n >= -pos ? -EOVERFLOW : 0;
	return pos > FILE_POS_MAX || pos + n > FILE_POS_MAX ? -EINVAL : 0;
}

ssize_t file_read_iter(struct file *f, struct iov_iter *to, u64 *pos)
{
	ssize_t n;

	if (S_ISDIR(f->inode->mode))
		return -EISDIR;
	if (!f->ops->read)
		return -EINVAL;
	n = verify_area(f, *pos, iov_iter_count(to));
	if (n)
		return n;
	n = f->ops->read(f, to, pos);
	if (n >= 0 && S_ISREG(f->inode->mode) && !(file_flags(f) & O_NOATIME))
		path_accessed(&f->path);
	return n;
}

u32 setid_to_kill(const struct inode *i)
{
	u32 mode = load_relaxed(&i->mode), kill = mode & S_ISUID;

	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		kill |= S_ISGID;
	return kill && !cred_capable(vfs_cred(), CAP_FSETID) ? kill : 0;
}

static int without_setid(const struct inode *i, struct iattr *a)
{
	a->mode = i->mode & 07777 & ~setid_to_kill(i);
	return 0;
}

/* A write by somebody without privileges takes the set-id bits away. */
static int drop_setid(struct file *f)
{
	struct iattr a = {.valid = ATTR_MODE, .file = f};

	return setid_to_kill(f->inode) ? path_setattr(&f->path, &a, without_setid) : 0;
}

/*
 * How much may be written to a regular file at pos: RLIMIT_FSIZE and the largest offset. 0 with
 * -EFBIG in *err.
 */
static size_t writable(struct file *f, u64 pos, size_t count, int *err)
{
	u64 limit = FILE_POS_MAX;
	struct task *t = vfs_task();

	*err = 0;
	if (file_flags(f) & O_APPEND)
		pos = inode_size(f->inode);
	if (t)
		limit = min(limit, t->tg->rlim[RLIMIT_FSIZE].rlim_cur);
	if (pos < limit)
		return min((u64)count, limit - pos);
	*err = pos >= FILE_POS_MAX ? -EFBIG : check_fsize(pos + 1);
	return 0;
}

ssize_t file_write_iter(struct file *f, struct iov_iter *from, u64 *pos)
{
	size_t all = iov_iter_count(from), count = all;
	ssize_t n;
	int err;

	if (!f->ops->write)
		return -EINVAL;
	err = verify_area(f, *pos, all);
	if (err)
		return err;
	if (S_ISREG(f->inode->mode) && !(f->mode & FMODE_UNSIGNED_OFFSET) && all) {
		count = writable(f, *pos, all, &err);
		if (!err)
			err = drop_setid(f);
		if (err)
			return err;
		from->count = count; /* the rest is put back below */
	}
	n = f->ops->write(f, from, pos);
	from->count += all - count;
	if (n == -EPIPE && !(f->mode & FMODE_NOSIGPIPE))
		raise_sigpipe();
	if (n > 0 && file_flags(f) & O_DSYNC && f->ops->fsync) {
		err = f->ops->fsync(f, !(file_flags(f) & O_SYNC & ~O_DSYNC));
		if (err)
			return err;
	}
	return n;
}

static ssize_t transfer(struct file *f, struct iov_iter *it, u64 *pos, bool write)
{
	ssize_t n = write ? file_write_iter(f, it, pos) : file_read_iter(f, it, pos);

	if (n > 0)
		notify_file(f, write ? IN_MODIFY : IN_ACCESS);
	return n;
}

/* At the file's own position. */
static ssize_t at_position(struct file *f, struct iov_iter *it, bool write)
{
	u64 pos = 0;
	ssize_t n;

	if (f->mode & FMODE_ATOMIC_POS) {
		mutex_lock(&f->pos_lock);
		n = transfer(f, it, &f->pos, write);
		mutex_unlock(&f->pos_lock);
		return n;
	}
	if (!(f->mode & FMODE_LSEEK))
		return transfer(f, it, &pos, write);
	/* A device with a position that nobody relies on. */
	pos = load_relaxed(&f->pos);
	n = transfer(f, it, &pos, write);
	store_relaxed(&f->pos, pos);
	return n;
}

static ssize_t at_offset(struct file *f, struct iov_iter *it, s64 offset, bool write)
{
	u64 pos = offset;

	if (!(f->mode & FMODE_LSEEK))
		return -ESPIPE;
	return transfer(f, it, &pos, write);
}

static struct file *get_for(int fd, bool write)
{
	struct file *f = fd_get(fd);

	if (f && !(f->mode & (write ? FMODE_WRITE : FMODE_READ))) {
		file_put(f);
		return NULL;
	}
	return f;
}

static long rw(int fd, uaddr_t buf, size_t count, bool write)
{
	struct file *f = get_for(fd, write);
	struct iov_iter it;
	long ret;

	if (!f)
		return -EBADF;
	/* The whole range is checked, and what is then done is bounded, as on Linux. */
	ret = access_ok(buf, count) ? iov_iter_user(&it, buf, min(count, MAX_RW_COUNT)) : -EFAULT;
	if (!ret) {
		ret = at_position(f, &it, write);
		io_count_call(ret, write);
		iov_iter_done(&it);
	}
	file_put(f);
	return ret;
}

long sys_read(int fd, uaddr_t buf, size_t count)
{
	return rw(fd, buf, count, false);
}

long sys_write(int fd, uaddr_t buf, size_t count)
{
	return rw(fd, buf, count, true);
}

static long prw(int fd, uaddr_t buf, size_t count, s64 pos, bool write)
{
	struct file *f;
	struct iov_iter it;
	long ret;

	if (pos < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!(f->mode & FMODE_LSEEK))
		ret = -ESPIPE;
	else if (!(f->mode & (write ? FMODE_WRITE : FMODE_READ)))
		ret = -EBADF;
	else
		ret = access_ok(buf, count) ? iov_iter_user(&it, buf, min(count, MAX_RW_COUNT))
					    : -EFAULT;
	if (!ret) {
		ret = at_offset(f, &it, pos, write);
		io_count_call(ret, write);
		iov_iter_done(&it);
	}
	file_put(f);
	return ret;
}

long sys_pread64(int fd, uaddr_t buf, size_t count, int64_t pos)
{
	return prw(fd, buf, count, pos, false);
}

long sys_pwrite64(int fd, uaddr_t buf, size_t count, int64_t pos)
{
	return prw(fd, buf, count, pos, true);
}

/* ---- vectors ---- */

static long sync_after(struct file *f, long ret, int flags)
{
	int err;

	if (ret <= 0 || !(flags & (RWF_DSYNC | RWF_SYNC)) || !f->ops->fsync)
		return ret;
	err = f->ops->fsync(f, !(flags & RWF_SYNC));
	return err ? err : ret;
}

/* pos: NULL for the file's own. */
static long do_rwv(int fd, uaddr_t iov, unsigned long cnt, const s64 *pos, int flags, bool write)
{
	struct file *f = fd_get(fd);
	struct iov_iter it;
	long ret = 0;

	if (!f)
		return -EBADF;
	if (pos && !(f->mode & FMODE_LSEEK))
		ret = -ESPIPE;
	else if (!(f->mode & (write ? FMODE_WRITE : FMODE_READ)))
		ret = -EBADF;
	if (!ret)
		ret = iov_iter_user_iov(&it, iov, cnt);
	if (!ret) {
		if (it.count > MAX_RW_COUNT)
			it.count = MAX_RW_COUNT;
		if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
			ret = -EOPNOTSUPP;
		else if (!it.count)
			ret = 0; /* unlike read and write of nothing, which a socket takes for an
				    empty datagram */
		else
			ret = pos ? at_offset(f, &it, *pos, write) : at_position(f, &it, write);
		if (write)
			ret = sync_after(f, ret, flags);
		iov_iter_done(&it);
	}
	file_put(f);
	return ret;
}

/* Counted whatever becomes of it, as on Linux. */
static long rwv(int fd, uaddr_t iov, unsigned long cnt, const s64 *pos, int flags, bool write)
{
	long ret = do_rwv(fd, iov, cnt, pos, flags, write);

	io_count_call(ret, write);
	return ret;
}

long sys_readv(int fd, uaddr_t iov, unsigned long cnt)
{
	return rwv(fd, iov, cnt, NULL, 0, false);
}

long sys_writev(int fd, uaddr_t iov, unsigned long cnt)
{
	return rwv(fd, iov, cnt, NULL, 0, true);
}

/*
 * The offset comes in two registers for the sake of 32-bit machines; on this one the first holds
 * all of it.
 */
static long prwv(int fd, uaddr_t iov, unsigned long cnt, s64 pos, int flags, bool write)
{
	return pos < 0 ? -EINVAL : rwv(fd, iov, cnt, &pos, flags, write);
}

long sys_preadv(int fd, uaddr_t iov, unsigned long cnt, unsigned long pos_l, unsigned long pos_h)
{
	return prwv(fd, iov, cnt, pos_l, 0, false);
}

long sys_pwritev(int fd, uaddr_t iov, unsigned long cnt, unsigned long pos_l, unsigned long pos_h)
{
	return prwv(fd, iov, cnt, pos_l, 0, true);
}

long sys_preadv2(int fd, uaddr_t iov, unsigned long cnt, unsigned long pos_l, unsigned long pos_h,
		 int flags)
{
	if (pos_l == -1UL)
		return rwv(fd, iov, cnt, NULL, flags, false);
	return prwv(fd, iov, cnt, pos_l, flags, false);
}

long sys_pwritev2(int fd, uaddr_t iov, unsigned long cnt, unsigned long pos_l, unsigned long pos_h,
		  int flags)
{
	if (pos_l == -1UL)
		return rwv(fd, iov, cnt, NULL, flags, true);
	return prwv(fd, iov, cnt, pos_l, flags, true);
}
