/*
 * Regular files: those of the layer they are in. A file is copied up when it is opened for writing
 * (or truncated); files that were open before notice at their next read.
 */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "kernel/fs/layer.h"

#include <unistd.h>

/*
 * The inode's file in a layer, opened at first use. Not a reference: it lives as long as the inode.
 * ERR_PTR.
 */
static struct file *file_in(struct inode *inode, struct file **slot, struct inode *layer, int flags)
{
	struct file *f = load_acquire(slot), *there;

	if (f)
		return f;
	f = layer_open(layer, flags);
	if (IS_ERR(f))
		return f;
	spin_lock(&inode->spin);
	there = *slot;
	if (!there)
		store_release(slot, f);
	spin_unlock(&inode->spin);
	if (there)
		file_put(f);
	return there ? there : f;
}

static struct file *real_file(struct inode *inode)
{
	struct odir_inode *oi = odir_i(inode);
	struct inode *upper = odir_upper(inode);

	return upper ? file_in(inode, &oi->upper_file, upper, O_RDWR)
		     : file_in(inode, &oi->lower_file, odir_lower(inode), O_RDONLY);
}

static int odir_open(struct inode *inode, struct file *f)
{
	struct inode *upper;
	struct file *real;

	wb_err_open(f, &odir_i(inode)->wb_err);
	if (f->mode & FMODE_WRITE) {
		upper = odir_copy_up(inode, UINT64_MAX);
		if (IS_ERR(upper))
			return PTR_ERR(upper);
	}
	/*
	 * Now, so that its errors are open's; but a lack of memory mustn't let an open fail that
	 * has made the file: it is tried again when it is used.
	 */
	real = real_file(inode);
	return IS_ERR(real) && PTR_ERR(real) != -ENOMEM ? (int)PTR_ERR(real) : 0;
}

static ssize_t odir_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct file *real = real_file(f->inode);

	return IS_ERR(real) ? PTR_ERR(real) : real->ops->read(real, to, pos);
}

static ssize_t odir_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct inode *inode = f->inode;
	struct file *real = real_file(inode);
	struct kstat st;
	ssize_t n;
	int err = 0;

	if (IS_ERR(real))
		return PTR_ERR(real);
	down_write(&inode->lock);
	if (file_flags(f) & O_APPEND) {
		/*
		 * Not inode->size: a stat beside us may store there what it has read before our
		 * last write.
		 */
		err = upper_getattr(odir_upper(inode), &st);
		if (!err)
			*pos = st.size;
	}
	n = err ? err : real->ops->write(real, from, pos);
	if (n > 0 && odir_take_attrs(inode) && *pos > inode_size(inode))
		store_relaxed(&inode->size, *pos);
	up_write(&inode->lock);
	return n;
}

static s64 odir_llseek(struct file *f, s64 off, int whence)
{
	struct file *real;
	s64 ret;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	real = real_file(f->inode);
	if (IS_ERR(real))
		return PTR_ERR(real);
	if (!real->ops->llseek)
		return -EINVAL;
	ret = real->ops->llseek(real, off, whence);
	return ret < 0 ? ret : generic_llseek(f, ret, SEEK_SET);
}

static int odir_mmap(struct file *f, int prot, int flags, u64 off, size_t len,
		     struct mmap_target *t)
{
	struct file *real = real_file(f->inode);

	return IS_ERR(real) ? (int)PTR_ERR(real) : real->ops->mmap(real, prot, flags, off, len, t);
}

static int odir_fsync(struct file *f, bool datasync)
{
	struct file *real;

	if (!odir_upper(f->inode))
		return 0;
	real = real_file(f->inode);
	if (IS_ERR(real))
		return PTR_ERR(real);
	return wb_err_tell(f, &odir_i(f->inode)->wb_err, real->ops->fsync(real, datasync));
}

static int odir_flush(struct file *f)
{
	struct file *real = load_acquire(&odir_i(f->inode)->upper_file);
	bool written = real && f->mode & FMODE_WRITE;
	int err = written && real->ops->flush ? real->ops->flush(real) : 0;

	return err ? wb_err_tell(f, &odir_i(f->inode)->wb_err, err) : 0;
}

static int odir_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	struct inode *inode = f->inode;
	struct file *real = real_file(inode);
	int err;

	if (IS_ERR(real))
		return PTR_ERR(real);
	down_write(&inode->lock);
	err = real->ops->fallocate(real, mode, off, len);
	if (!err)
		odir_take_known_attrs(inode);
	up_write(&inode->lock);
	return err;
}

const struct file_operations odir_file_fops = {
	.open = odir_open,
	.flush = odir_flush,
	.read = odir_read,
	.write = odir_write,
	.llseek = odir_llseek,
	.mmap = odir_mmap,
	.fsync = odir_fsync,
	.fallocate = odir_fallocate,
};
