/* tmpfs inodes: making them, and their attributes. */
#include "kernel/fs/tmpfs/tmpfs_priv.h"

#include "alloc.h"

#include <string.h>

static void set_ops(struct inode *inode)
{
	if (S_ISDIR(inode->mode)) {
		inode->ops = &tmpfs_dir_ops;
		inode->fops = &tmpfs_dir_fops;
	} else {
		inode->ops = &tmpfs_file_ops;
		inode->fops = S_ISREG(inode->mode) ? &tmpfs_file_fops : NULL;
	}
}

struct inode *tmpfs_new_inode(struct super_block *sb, const struct inode *dir, u32 mode, dev_t dev)
{
	struct mem_limit *limit = &tmpfs_sb(sb)->limit;
	struct tmpfs_inode *ti;
	struct inode *inode;

	if (!limit_take(&limit->inodes, limit->max_inodes, 1))
		return ERR_PTR(-ENOSPC);
	ti = kzalloc(sizeof(*ti));
	inode = ti ? inode_alloc(sb, sb_next_ino(sb), mode) : NULL;
	if (!inode) {
		kfree(ti);
		limit_give(&limit->inodes, 1);
		return ERR_PTR(-ENOMEM);
	}
	inode->priv = ti;
	inode->rdev = dev;
	set_ops(inode);
	if (dir)
		inode_init_owner(inode, dir);
	return inode;
}

static int tmpfs_getattr(struct inode *inode, struct kstat *st)
{
	if (S_ISREG(inode->mode)) {
		/* Writers may be at work, and mappings of the memfd allocate without us. */
		down_read(&inode->lock);
		generic_getattr(inode, st);
		st->blocks = memdata_blocks(&tmpfs_i(inode)->data);
		up_read(&inode->lock);
	} else {
		generic_getattr(inode, st);
	}
	return 0;
}

static int tmpfs_setattr(struct inode *inode, struct iattr *a)
{
	int err;

	if (a->valid & ATTR_SIZE) {
		err = memdata_resize(&tmpfs_i(inode)->data, tmpfs_limit(inode), inode->size,
				     a->size);
		if (err)
			return err;
	}
	return generic_setattr(inode, a);
}

static char *tmpfs_readlink(struct inode *inode)
{
	char *target = kstrdup(tmpfs_i(inode)->target);

	return target ? target : ERR_PTR(-ENOMEM);
}

ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
	ssize_t n;

	down_read(&inode->lock);
	n = memxattr_get(tmpfs_i(inode)->xattrs, name, value, size);
	up_read(&inode->lock);
	return n;
}

ssize_t tmpfs_listxattr(struct inode *inode, char *names, size_t size)
{
	ssize_t n;

	down_read(&inode->lock);
	n = memxattr_list(tmpfs_i(inode)->xattrs, names, size);
	up_read(&inode->lock);
	return n;
}

int tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	int err = memxattr_set(&tmpfs_i(inode)->xattrs, tmpfs_limit(inode), name, value, size,
			       flags);

	if (!err)
		inode_touch(inode, ATTR_CTIME);
	return err;
}

const struct inode_operations tmpfs_file_ops = {
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.readlink = tmpfs_readlink,
	.getxattr = tmpfs_getxattr,
	.listxattr = tmpfs_listxattr,
	.setxattr = tmpfs_setxattr,
};
