/* File positions. */
#include "vfs.h"
#include <unistd.h>

/* f->pos_lock is held where it matters. */
static s64 set_pos(struct file *f, s64 pos)
{
	if (pos < 0)
		return -EINVAL;
	store_relaxed(&f->pos, (u64)pos);
	return pos;
}

s64 generic_llseek(struct file *f, s64 off, int whence)
{
	u64 size = inode_size(f->inode);
	s64 base;

	if (S_ISDIR(f->inode->mode) && whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL; /* positions of a directory are cookies */
	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = size;
		break;
	case SEEK_DATA: /* all of a file is data, with a hole behind it */
		if (off < 0 || (u64)off >= size)
			return -ENXIO;
		return set_pos(f, off);
	case SEEK_HOLE:
		if (off < 0 || (u64)off >= size)
			return -ENXIO;
		return set_pos(f, size);
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &base))
		return off < 0 ? -EINVAL : -EOVERFLOW;
	return set_pos(f, base);
}

/* For files that have a position which means nothing: it stays, but asking is no error. */
s64 noop_llseek(struct file *f, s64 off, int whence)
{
	return (s64)f->pos;
}

s64 no_llseek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

long sys_lseek(int fd, int64_t offset, unsigned int whence)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	if (whence > SEEK_HOLE) {
		ret = -EINVAL;
	} else if (!(f->mode & FMODE_LSEEK) && f->ops->llseek != noop_llseek) {
		ret = -ESPIPE;
	} else {
		if (f->mode & FMODE_ATOMIC_POS)
			mutex_lock(&f->pos_lock);
		ret = f->ops->llseek ? f->ops->llseek(f, offset, whence)
				     : generic_llseek(f, offset, whence);
		if (f->mode & FMODE_ATOMIC_POS)
			mutex_unlock(&f->pos_lock);
	}
	file_put(f);
	return ret;
}
