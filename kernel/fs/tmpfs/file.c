/* tmpfs regular files, and files in memory without a name. */
#include "tmpfs.h"

#include "alloc.h"
#include "commit.h"
#include "fh.h"
#include "kernel/fs/tmpfs/tmpfs_priv.h"

#include <linux/fs.h>
#include <unistd.h>

static struct memdata *file_data(const struct file *f)
{
	return &tmpfs_i(f->inode)->data;
}

static ssize_t tmpfs_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct inode *inode = f->inode;
	ssize_t n;

	down_read(&inode->lock);
	n = memdata_read(file_data(f), inode->size, to, *pos);
	up_read(&inode->lock);
	if (n > 0)
		*pos += n;
	return n;
}

static ssize_t tmpfs_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct inode *inode = f->inode;
	ssize_t n;

	down_write(&inode->lock);
	if (file_flags(f) & O_APPEND)
		*pos = inode->size;
	n = memdata_write(file_data(f), tmpfs_limit(inode), inode->size, from, *pos);
	if (n > 0) {
		*pos += n;
		if (*pos > inode->size)
			store_relaxed(&inode->size, *pos);
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	}
	up_write(&inode->lock);
	return n;
}

static s64 tmpfs_llseek(struct file *f, s64 off, int whence)
{
	struct inode *inode = f->inode;
	s64 ret;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	if (off < 0)
		return -ENXIO;
	down_read(&inode->lock);
	ret = memdata_seek(file_data(f), inode->size, off, whence);
	up_read(&inode->lock);
	return ret < 0 ? ret : generic_llseek(f, ret, SEEK_SET);
}

static int tmpfs_mmap(struct file *f, int prot, int flags, u64 off, size_t len,
		      struct mmap_target *t)
{
	struct inode *inode = f->inode;
	int err;

	down_write(&inode->lock);
	err = memdata_mmap(file_data(f), tmpfs_limit(inode), inode->size, off, t);
	up_write(&inode->lock);
	return err;
}

static int tmpfs_fsync(struct file *f, bool datasync)
{
	return 0;
}

static int tmpfs_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	struct inode *inode = f->inode;
	u64 size;
	int err;

	down_write(&inode->lock);
	size = inode->size;
	err = memdata_fallocate(file_data(f), tmpfs_limit(inode), mode, off, len, &size);
	if (!err) {
		store_relaxed(&inode->size, size);
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	}
	up_write(&inode->lock);
	return err;
}

/* Seals are the host memfd's own: it refuses what they forbid, mappings included. */
static long tmpfs_fcntl(struct file *f, unsigned cmd, u64 arg)
{
	struct inode *inode = f->inode;
	long ret;

	if (cmd == F_GET_SEALS)
		return tmpfs_i(inode)->sealable ? fh_get_seals(file_data(f)->memfd) : F_SEAL_SEAL;
	if (cmd != F_ADD_SEALS)
		return -EINVAL;
	if (!(f->mode & FMODE_WRITE) || !tmpfs_i(inode)->sealable)
		return -EPERM;
	if (arg > UINT32_MAX)
		return -EINVAL;
	down_write(&inode->lock);
	ret = fh_add_seals(file_data(f)->memfd, arg);
	up_write(&inode->lock);
	return ret;
}

const struct file_operations tmpfs_file_fops = {
	.read = tmpfs_read,
	.write = tmpfs_write,
	.llseek = tmpfs_llseek,
	.mmap = tmpfs_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
	.fcntl = tmpfs_fcntl,
};

/* ---- files without a name ---- */

/*
 * Made at first use, never unmounted. What its files hold together is limited as what the guest may
 * be promised.
 */
static struct super_block *memfile_sb; /* atomic, constant once set */

static struct super_block *get_memfile_sb(void)
{
	const struct mem_limit limit = {.max_bytes = commit_limit()};
	struct super_block *sb = load_acquire(&memfile_sb), *expect = NULL;

	if (sb)
		return sb;
	sb = tmpfs_new_sb("tmpfs", &limit);
	if (IS_ERR(sb))
		return sb;
	sb->kept = true;
	if (__atomic_compare_exchange_n(&memfile_sb, &expect, sb, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return sb;
	sb_put(sb);
	return expect;
}

static struct inode *memfile_inode(struct super_block *sb, u64 size, int flags)
{
	struct inode *inode = tmpfs_new_inode(sb, NULL, S_IFREG | 0777, 0);
	struct tmpfs_inode *ti;
	int err;

	if (IS_ERR(inode))
		return inode;
	ti = tmpfs_i(inode);
	inode_set_nlink(inode, 0);
	inode->size = size;
	ti->sealable = true;
	err = size ? memdata_reserve(&ti->data, size) : 0;
	if (!err)
		err = memdata_make_memfd(&ti->data, tmpfs_limit(inode), size);
	if (!err && !(flags & MEMFILE_SEALABLE))
		err = fh_add_seals(ti->data.memfd, F_SEAL_SEAL);
	if (err) {
		inode_put(inode);
		return ERR_PTR(err);
	}
	return inode;
}

struct file *tmpfs_memfile(const char *name, u64 size, int flags)
{
	struct super_block *sb = get_memfile_sb();
	struct path path = {};
	struct inode *inode;
	struct file *f;

	if (IS_ERR(sb))
		return ERR_PTR(PTR_ERR(sb));
	inode = memfile_inode(sb, size, flags);
	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	path.dentry = d_alloc_anon(sb, inode, name);
	if (!path.dentry)
		return ERR_PTR(-ENOMEM);
	f = file_open_path(&path, O_RDWR | O_LARGEFILE);
	d_put(path.dentry);
	return f;
}
