/* What the files of tmpfs share. Concepts: README.md. */
#ifndef HEDDLE_TMPFS_PRIV_H
#define HEDDLE_TMPFS_PRIV_H

#include "fs.h"
#include "kernel/fs/tmpfs/memdata.h"
#include "kernel/fs/tmpfs/memdir.h"
#include "kernel/fs/tmpfs/memlimit.h"
#include "kernel/fs/tmpfs/memxattr.h"

struct tmpfs_sb {
	struct mem_limit limit;
	struct inode *root; /* +1: keeps the tree until put_super */
};

/*
 * inode->priv, by the type of the inode. Protected by inode->lock; a symlink's target is constant.
 */
struct tmpfs_inode {
	union {
		struct memdata data;
		struct memdir dir;
		char *target;
	};
	struct memxattr *xattrs;
	bool sealable;		  /* constant: made by memfd_create() */
	struct inode *next_dying; /* a directory's, in put_super */
};

static inline struct tmpfs_sb *tmpfs_sb(const struct super_block *sb)
{
	return sb->priv;
}

static inline struct tmpfs_inode *tmpfs_i(const struct inode *inode)
{
	return inode->priv;
}

static inline struct mem_limit *tmpfs_limit(const struct inode *inode)
{
	return &tmpfs_sb(inode->sb)->limit;
}

/*
 * A new inode of that mode (with type), owned as dir wants it; dir NULL: nobody's. ERR_PTR(-ENOSPC,
 * -ENOMEM).
 */
must_check struct inode *tmpfs_new_inode(struct super_block *sb, const struct inode *dir, u32 mode,
					 dev_t dev);
/* A super block without a root. ERR_PTR. */
must_check struct super_block *tmpfs_new_sb(const char *source, const struct mem_limit *limit);

ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *value, size_t size);
ssize_t tmpfs_listxattr(struct inode *inode, char *names, size_t size);
int tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
		   int flags);

extern const struct inode_operations tmpfs_dir_ops, tmpfs_file_ops;  /* dir.c, inode.c */
extern const struct file_operations tmpfs_dir_fops, tmpfs_file_fops; /* dir.c, file.c */

#endif
