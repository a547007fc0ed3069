/*
 * Overlay regular files. As long as nobody changed the file, reads and mappings go to the lower
 * one; contents are copied into memory when the file is first written, resized, or mapped shared by
 * someone who may write. Open files notice at their next read: there is no difference between those
 * opened before and after. (Mappings made before keep showing the lower file.)
 */
#include "kernel/fs/overlay/overlay_priv.h"

#include <linux/fs.h>
#include <sys/mman.h>
#include <unistd.h>

static int ovl_open(struct inode *inode, struct file *f)
{
	struct file *lower;

	if (ovl_data(inode))
		return 0;
	lower = ovl_lower_file(inode); /* now, so that its errors are open's */
	if (lower == ERR_PTR(-ESTALE))
		d_drop(f->path.dentry); /* replaced below, against the rules: the next walk finds
					   what is there */
	return IS_ERR(lower) ? (int)PTR_ERR(lower) : 0;
}

static ssize_t ovl_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct inode *inode = f->inode;
	struct memdata *data = ovl_data(inode);
	struct file *lower;
	ssize_t n;

	if (!data) {
		lower = ovl_i(inode)->lower_file;
		return lower->ops->read(lower, to, pos);
	}
	down_read(&inode->lock);
	n = memdata_read(data, inode->size, to, *pos);
	up_read(&inode->lock);
	if (n > 0)
		*pos += n;
	return n;
}

static ssize_t write_locked(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct inode *inode = f->inode;
	ssize_t n;
	int err = ovl_copy_up(inode, inode->size);

	if (err)
		return err;
	if (file_flags(f) & O_APPEND)
		*pos = inode->size;
	n = memdata_write(ovl_data(inode), ovl_limit(inode), inode->size, from, *pos);
	if (n > 0) {
		*pos += n;
		if (*pos > inode->size)
			store_relaxed(&inode->size, *pos);
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	}
	return n;
}

static ssize_t ovl_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	ssize_t n;

	down_write(&f->inode->lock);
	n = write_locked(f, from, pos);
	up_write(&f->inode->lock);
	return n;
}

static s64 ovl_llseek(struct file *f, s64 off, int whence)
{
	struct inode *inode = f->inode;
	struct memdata *data;
	s64 ret;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	if (off < 0)
		return -ENXIO;
	down_read(&inode->lock);
	data = ovl_data(inode);
	if (data)
		ret = memdata_seek(data, inode->size, off, whence);
	else if ((u64)off >= inode->size)
		ret = -ENXIO;
	else /* the lower file's holes are not looked for: all data, a hole at the end */
		ret = whence == SEEK_DATA ? off : (s64)inode->size;
	up_read(&inode->lock);
	return ret < 0 ? ret : generic_llseek(f, ret, SEEK_SET);
}

static int ovl_mmap(struct file *f, int prot, int flags, u64 off, size_t len, struct mmap_target *t)
{
	struct inode *inode = f->inode;
	struct file *lower;
	int err = 0;

	/* A shared mapping of a file opened for writing can be made writable at any time. */
	bool may_write = flags & MAP_SHARED && f->mode & FMODE_WRITE;

	if (!may_write && !ovl_data(inode)) {
		lower = ovl_i(inode)->lower_file;
		return lower->ops->mmap(lower, prot, flags, off, len, t);
	}
	down_write(&inode->lock);
	err = ovl_copy_up(inode, inode->size);
	if (!err)
		err = memdata_mmap(ovl_data(inode), ovl_limit(inode), inode->size, off, t);
	up_write(&inode->lock);
	return err;
}

static int ovl_fsync(struct file *f, bool datasync)
{
	return 0; /* changes live in memory; there is no more lasting place for them */
}

static int ovl_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	struct inode *inode = f->inode;
	u64 size;
	int err;

	down_write(&inode->lock);
	size = inode->size;
	err = ovl_copy_up(inode, size);
	if (!err)
		err = memdata_fallocate(ovl_data(inode), ovl_limit(inode), mode, off, len, &size);
	if (!err) {
		store_relaxed(&inode->size, size);
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	}
	up_write(&inode->lock);
	return err;
}

const struct file_operations ovl_file_fops = {
	.open = ovl_open,
	.read = ovl_read,
	.write = ovl_write,
	.llseek = ovl_llseek,
	.mmap = ovl_mmap,
	.fsync = ovl_fsync,
	.fallocate = ovl_fallocate,
};
