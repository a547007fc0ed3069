/* What the files of the overlay share. Concepts: README.md. */
#ifndef HEDDLE_OVERLAY_PRIV_H
#define HEDDLE_OVERLAY_PRIV_H

#include "fs.h"
#include "ihash.h"
#include "kernel/fs/tmpfs/memdata.h"
#include "kernel/fs/tmpfs/memdir.h"
#include "kernel/fs/tmpfs/memlimit.h"
#include "kernel/fs/tmpfs/memxattr.h"

struct ovl_sb {
	struct super_block *lower;   /* c, +1 */
	struct mem_limit limit;	     /* of what is held in memory */
	struct ihash inodes;	     /* by the address of the lower inode */
	struct spinlock lock;	     /* rank INODE_SPIN */
	struct cds_list_head pinned; /* lock: ovl_inode.pin_link */
};

/*
 * An inode, made of an inode of the lower layer, or new.
 *
 * c constant   l inode->lock   s inode->spin   p ovl_sb.lock   a atomic
 */
struct ovl_inode {
	struct ihash_node node;
	struct inode *inode;	       /* c: whose part this is */
	struct inode *lower;	       /* c, +1; NULL: new */
	struct cds_list_head pin_link; /* p */
	bool pinned;		       /* p: +1 on inode, since it differs from the lower one */
	struct inode *next_dying;      /* put_super only */
	bool own_xattrs;	       /* l: the lower one's don't count any more */
	struct memxattr *xattrs;       /* l */
	union {
		struct memdir
			names; /* l: a directory's entries that differ from the lower layer's */
		struct {
			struct memdata
				*data; /* l to set, a: a file's contents; NULL: the lower one's */
			struct file *lower_file; /* s to set, a: +1, opened at the first open */
		};
		char *target; /* c: a new symlink's */
	};
};

static inline struct ovl_sb *ovl_sb(const struct super_block *sb)
{
	return sb->priv;
}

static inline struct ovl_inode *ovl_i(const struct inode *inode)
{
	return inode->priv;
}

static inline struct mem_limit *ovl_limit(const struct inode *inode)
{
	return &ovl_sb(inode->sb)->limit;
}

/* A file's contents if they are in memory. */
static inline struct memdata *ovl_data(const struct inode *inode)
{
	return load_acquire(&ovl_i(inode)->data);
}

/* inode.c */
/* The inode for a lower one, whose reference it takes. ERR_PTR. */
must_check struct inode *ovl_iget(struct super_block *sb, struct inode *lower);
/* A new inode, owned as dir wants it. ERR_PTR(-ENOSPC, -ENOMEM). */
must_check struct inode *ovl_new_inode(struct inode *dir, u32 mode, dev_t dev);
/* It differs from its lower inode from now on (or has names of its own): it must be found again. */
void ovl_pin(struct inode *inode);
/* It has lost its last name: what was kept for it goes with its last user. */
void ovl_unpin(struct inode *inode);
void ovl_evict(struct inode *inode);

/* xattr.c */
ssize_t ovl_getxattr(struct inode *inode, const char *name, void *value, size_t size);
ssize_t ovl_listxattr(struct inode *inode, char *names, size_t size);
int ovl_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags);

/*
 * copyup.c: inode->lock held for writing. Makes contents in memory of (at least) the first `upto`
 * bytes of the lower file.
 */
must_check int ovl_copy_up(struct inode *inode, u64 upto);
/* The open lower file; not a reference, it lives as long as the inode. ERR_PTR. */
must_check struct file *ovl_lower_file(struct inode *inode);
/* The lower inode as a file of its own, +1. ERR_PTR. */
must_check struct file *ovl_open_lower(struct inode *inode, int flags);

/* readdir.c */
must_check int ovl_dir_empty(struct inode *dir); /* 1, 0 or -errno; its lock held */

extern const struct inode_operations ovl_dir_ops, ovl_file_ops;	 /* dir.c, inode.c */
extern const struct file_operations ovl_dir_fops, ovl_file_fops; /* readdir.c, file.c */

#endif
