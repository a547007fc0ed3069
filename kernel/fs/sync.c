/* Getting data to where it is safe. */
#include "vfs.h"
#include <linux/fs.h>

static long do_fsync(int fd, bool datasync)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = f->ops->fsync ? f->ops->fsync(f, datasync) : -EINVAL;
	file_put(f);
	return ret;
}

long sys_fsync(int fd)
{
	return do_fsync(fd, false);
}

long sys_fdatasync(int fd)
{
	return do_fsync(fd, true);
}

long sys_sync(void)
{
	supers_sync();
	return 0;
}

long sys_syncfs(int fd)
{
	struct file *f = fd_get(fd);
	struct super_block *sb;
	long ret = 0;

	if (!f)
		return -EBADF;
	sb = f->path.dentry->sb;
	if (sb->ops && sb->ops->sync)
		ret = sb->ops->sync(sb);
	file_put(f);
	return ret;
}

long sys_sync_file_range(int fd, int64_t offset, int64_t nbytes, unsigned int flags)
{
	const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			     SYNC_FILE_RANGE_WAIT_AFTER;
	struct file *f;
	s64 end;
	long ret = 0;

	if (flags & ~all)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (offset < 0 || nbytes < 0 || __builtin_add_overflow(offset, nbytes, &end))
		ret = -EINVAL;
	else if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode) && !S_ISDIR(f->inode->mode) &&
		 !S_ISLNK(f->inode->mode))
		ret = -ESPIPE;
	else if (flags && f->ops->fsync)
		ret = f->ops->fsync(f, true); /* the whole of it: more than was asked for */
	file_put(f);
	return ret;
}
