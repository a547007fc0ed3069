/*
 * hostfs regular files: large reads and writes go straight between the host's page cache and the
 * guest, smaller ones through a buffer of fh/.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"

#include <linux/fs.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fh *file_fh(const struct file *f)
{
	return f->priv;
}

int hostfs_open(struct inode *inode, struct file *f)
{
	struct fh *h;

	if (f->mode & FMODE_WRITE && (!hostfs_sb(inode->sb)->opt.rw || hostfs_procfs(inode)))
		return -EROFS;
	h = hostfs_open_handle(inode, f->mode & FMODE_READ, f->mode & FMODE_WRITE,
			       f->flags & O_DIRECT);
	if (h == ERR_PTR(-ESTALE))
		d_drop(f->path.dentry); /* replaced on the host: the next walk finds what is there
					 */
	if (IS_ERR(h))
		return PTR_ERR(h);
	f->priv = h;
	wb_err_open(f, &hostfs_i(inode)->wb_err);
	return 0;
}

void hostfs_release(struct file *f)
{
	hostfs_close_handle(f->inode, file_fh(f));
}

ssize_t hostfs_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	size_t done = mm_file_io(file_fh(f), to, *pos, false);
	u64 size = inode_size(f->inode);
	ssize_t n = 0;

	*pos += done;
	/* At the end, as far as we know, nobody is asked again. */
	if (!done || (iov_iter_count(to) && *pos != size))
		n = fh_read_iter(file_fh(f), to, *pos, size);
	if (n > 0)
		*pos += n;
	return done ? (ssize_t)done + max(n, (ssize_t)0) : n;
}

/* Only the size is kept up to date: it is asked for often. */
ssize_t hostfs_write_locked(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct inode *inode = f->inode;
	bool append = file_flags(f) & O_APPEND;
	size_t done = append ? 0 : mm_file_io(file_fh(f), from, *pos, true);
	ssize_t n = 0;
	int err;

	if (!done || iov_iter_count(from))
		n = fh_write_iter(file_fh(f), from, append ? FH_APPEND : *pos + done);
	if (done)
		n = max(n, (ssize_t)0) + done;
	if (n <= 0)
		return n;
	if (append) {
		hostfs_changed(inode);
		err = hostfs_refresh(inode);
		/*
		 * A host that won't tell where it went: as far as we know there is no other writer.
		 */
		if (err)
			hostfs_set_size(inode, inode_size(inode) + n);
		*pos = inode_size(inode);
	} else {
		*pos += n;
		hostfs_set_size(inode, max(*pos, inode_size(inode)));
	}
	return n;
}

static ssize_t hostfs_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	ssize_t n;

	down_write(&f->inode->lock);
	n = hostfs_write_locked(f, from, pos);
	up_write(&f->inode->lock);
	return n;
}

s64 hostfs_llseek(struct file *f, s64 off, int whence)
{
	s64 ret;
	int err;

	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		err = whence == SEEK_END ? hostfs_refresh(f->inode) : 0;
		return err ? err : generic_llseek(f, off, whence);
	}
	if (off < 0)
		return -ENXIO;
	ret = fh_seek_data(file_fh(f), off, whence);
	return ret < 0 ? ret : generic_llseek(f, ret, SEEK_SET);
}

static void mmap_done(struct mmap_target *t)
{
	put_fh(t->cookie);
}

int hostfs_mmap(struct file *f, int prot, int flags, u64 off, size_t len, struct mmap_target *t)
{
	int fd = get_fh(file_fh(f));

	if (fd < 0)
		return fd;
	if (flags & MAP_SHARED && f->mode & FMODE_WRITE)
		store_relaxed(&hostfs_i(f->inode)->mapped, true);
	*t = (struct mmap_target){
		.hostfd = fd,
		.offset = off,
		.done = mmap_done,
		.cookie = file_fh(f),
	};
	return 0;
}

int hostfs_fsync(struct file *f, bool datasync)
{
	return wb_err_tell(f, &hostfs_i(f->inode)->wb_err, fh_fsync(file_fh(f), datasync));
}

/* Whoever closes hears of it, and everybody at the next fsync. */
int hostfs_flush(struct file *f)
{
	int err = f->mode & FMODE_WRITE ? fh_flush(file_fh(f)) : 0;

	return err ? wb_err_tell(f, &hostfs_i(f->inode)->wb_err, err) : 0;
}

int hostfs_fallocate_locked(struct file *f, int mode, u64 off, u64 len)
{
	struct inode *inode = f->inode;
	int err = fh_fallocate(file_fh(f), mode, off, len);

	hostfs_changed(inode);
	/*
	 * It is done, even if the host won't tell. The modes that move data are for the next
	 * refresh.
	 */
	if (!err && hostfs_refresh(inode) && !mode && off + len > inode_size(inode))
		hostfs_set_size(inode, off + len);
	return err;
}

static int hostfs_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	int err;

	down_write(&f->inode->lock);
	err = hostfs_fallocate_locked(f, mode, off, len);
	up_write(&f->inode->lock);
	return err;
}

/* What is small moves through a buffer, which is sooner done than a worker has been asked. */
#define COPY_MIN (256 << 10)

static ssize_t copy_range(struct file *in, u64 pos_in, struct file *out, u64 pos_out, size_t n,
			  bool share)
{
	struct inode *inode = out->inode;
	ssize_t ret;

	if (!share && n < COPY_MIN)
		return -EOPNOTSUPP;
	down_write(&inode->lock);
	ret = fh_copy_range(file_fh(in), pos_in, file_fh(out), pos_out, n, share);
	hostfs_changed(inode);
	if (ret > 0)
		(void)!hostfs_refresh(inode);
	up_write(&inode->lock);
	return ret == -EXDEV || ret == -ENOSYS ? -EOPNOTSUPP : ret;
}

const struct file_operations hostfs_file_fops = {
	.open = hostfs_open,
	.flush = hostfs_flush,
	.release = hostfs_release,
	.read = hostfs_read,
	.write = hostfs_write,
	.llseek = hostfs_llseek,
	.mmap = hostfs_mmap,
	.fsync = hostfs_fsync,
	.fallocate = hostfs_fallocate,
	.copy_range = copy_range,
};
