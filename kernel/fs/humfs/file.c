/* humfs regular files: hostfs's, within the quota. */
#include "kernel/fs/humfs/humfs.h"

#include <linux/falloc.h>

static ssize_t write_locked(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct inode *inode = f->inode;
	u64 size = inode_size(inode), now, at, end, want, got, cut;
	bool append = file_flags(f) & O_APPEND;
	ssize_t n;

	at = append ? size : *pos;
	end = at + iov_iter_count(from);
	want = end > size ? end - size : 0;
	got = humfs_reserve(inode->sb, want);
	cut = want - got;
	if (cut && cut >= iov_iter_count(from)) {
		humfs_unreserve(inode->sb, got);
		return -ENOSPC;
	}
	from->count -= cut;
	n = hostfs_write_locked(f, from, pos);
	from->count += cut;
	now = inode_size(inode);
	humfs_unreserve(inode->sb, got - min(got, now > size ? now - size : 0));
	return n;
}

static ssize_t humfs_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	ssize_t n;

	humfs_begin(f->inode->sb);
	down_write(&f->inode->lock);
	n = write_locked(f, from, pos);
	up_write(&f->inode->lock);
	humfs_end(f->inode->sb);
	return n;
}

/* Some modes grow the file, some shrink it; what is allocated behind its end doesn't count. */
static int fallocate_locked(struct file *f, int mode, u64 off, u64 len)
{
	struct inode *inode = f->inode;
	u64 size = inode_size(inode), now, want = 0, got;
	int err;

	if (mode & FALLOC_FL_INSERT_RANGE)
		want = len;
	else if (!(mode & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_COLLAPSE_RANGE)) && off + len > size)
		want = off + len - size;
	got = humfs_reserve(inode->sb, want);
	if (got < want) {
		humfs_unreserve(inode->sb, got);
		return -ENOSPC;
	}
	err = hostfs_fallocate_locked(f, mode, off, len);
	now = inode_size(inode);
	humfs_unreserve(inode->sb, got - min(got, now > size ? now - size : 0));
	if (now < size)
		humfs_unreserve(inode->sb, size - now);
	return err;
}

static int humfs_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	int err;

	humfs_begin(f->inode->sb);
	down_write(&f->inode->lock);
	err = fallocate_locked(f, mode, off, len);
	up_write(&f->inode->lock);
	humfs_end(f->inode->sb);
	return err;
}

/* Metadata first: data whose metadata is lost is lost too. */
static int humfs_fsync(struct file *f, bool datasync)
{
	int err = humfs_meta_sync(f->inode);

	return err ? wb_err_tell(f, &hostfs_i(f->inode)->wb_err, err) : hostfs_fsync(f, datasync);
}

const struct file_operations humfs_file_fops = {
	.open = hostfs_open,
	.flush = hostfs_flush,
	.release = hostfs_release,
	.read = hostfs_read,
	.write = humfs_write,
	.llseek = hostfs_llseek,
	.mmap = hostfs_mmap,
	.fsync = humfs_fsync,
	.fallocate = humfs_fallocate,
};
