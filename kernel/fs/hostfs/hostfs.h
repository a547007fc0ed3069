/* What the files of hostfs share. Concepts: README.md. */
#ifndef HEDDLE_HOSTFS_H
#define HEDDLE_HOSTFS_H

#include "fh.h"
#include "fs.h"
#include "ihash.h"

#define HOSTFS_MAX_DEVS 15

/*
 * What makes a file system of a host directory: hostfs itself, or one that keeps only its data there (humfs). The structs of such a
 * one begin with hostfs's.
 */
struct hostfs_kind {
	const struct fs_type *type;
	const struct super_ops *super_ops;
	size_t inode_size;
	const struct inode_operations *dir_ops, *file_ops;
	const struct file_operations *dir_fops, *file_fops;
	bool own_attrs; /* type, mode, owner and device are not the host's */
};

struct hostfs_sb {
	const struct hostfs_kind *kind; /* c */
	struct fh *root;		/* c */
	bool rw, exclusive;		/* c: see hostfs_mount_dir() */
	struct ihash inodes;		/* by (host device, host inode number) */
	struct spinlock lock;		/* rank INODE_SPIN */
	dev_t devs
		[HOSTFS_MAX_DEVS]; /* lock to add: host devices met so far; the root's is the first */
	u32 nr_devs;		   /* a */
};

/* Where a file can be found: immutable, shared by reference, replaced whole when the guest renames it. */
struct place {
	u32 refs;	/* a */
	struct fh *dir; /* c, +1 */
	char name[];	/* c */
};

/*
 * c constant   s inode->spin
 *
 * Handles are opened when they are first needed and then shared by all open files of the inode. With `exclusive` they stay until the inode is
 * evicted (the budget of fh/ closes what is not used); otherwise until the last open file is closed.
 */
struct hostfs_inode {
	struct ihash_node node; /* a, b: host device and inode number */
	u64 btime_ns;		/* c */
	struct place *place;	/* s, +1; the root's is NULL */
	struct fh *self;	/* s: a directory's own O_PATH handle, kept once opened */
	struct fh *ro, *rw;	/* s: a regular file's handles */
	u32 opens;		/* s: open files that use ro or rw */
	char *target;		/* s: a symlink's, cached if exclusive */
};

static inline struct hostfs_sb *hostfs_sb(const struct super_block *sb)
{
	return sb->priv;
}

static inline struct hostfs_inode *hostfs_i(const struct inode *inode)
{
	return inode->priv;
}

/* super.c */
/* Fills in a zeroed struct. Takes the reference on root, also on failure. -ENOMEM. */
must_check int hostfs_sb_init(struct hostfs_sb *hs, const struct hostfs_kind *kind, struct fh *root,
			      bool rw, bool exclusive);
void hostfs_sb_destroy(struct hostfs_sb *hs);

/* inode.c */
/* The inode of a host file that was found under (dir, name) with these attributes. +1; ERR_PTR. dir NULL: the root. */
must_check struct inode *hostfs_iget(struct super_block *sb, const struct kstat *st, struct fh *dir,
				     const char *name);
/* One that isn't in the table yet. NULL: no memory. */
must_check struct inode *hostfs_new_inode(struct super_block *sb, const struct kstat *st,
					  struct fh *dir, const char *name);
void hostfs_evict(struct inode *inode);
u64 hostfs_ino(struct super_block *sb, dev_t dev, u64 ino);
bool hostfs_same(const struct inode *inode, const struct kstat *st);
/* It was just seen under (dir, name), with these attributes: one of its names, maybe another one than before. -ENOMEM. */
must_check int hostfs_found(struct inode *inode, const struct kstat *st, struct fh *dir,
			    const char *name);
struct fh_id hostfs_id(const struct inode *inode);
void hostfs_update(struct inode *inode,
		   const struct kstat *st); /* cached attributes from the host's */
must_check struct place *place_new(struct fh *dir, const char *name); /* NULL: no memory */
must_check struct place *place_get(struct inode *inode);	      /* NULL: the root */
void place_put(struct place *p);
must_check int place_set(struct inode *inode, struct fh *dir, const char *name);
void place_clear(struct inode *inode); /* it has no name that we know */
/* The directory's own handle. Not a reference: lives as long as the inode. ERR_PTR. */
must_check struct fh *hostfs_dir(struct inode *dir);
/* A handle of a regular file. Reference; ERR_PTR. */
must_check struct fh *hostfs_open_handle(struct inode *inode, bool read, bool write);
void hostfs_close_handle(struct inode *inode, struct fh *h);
struct fh *hostfs_any_handle(struct inode *inode); /* +1 of an open one, or NULL */
/* The last name that we know goes away: open handles keep their descriptors. */
void hostfs_unnamed(struct inode *inode);
int hostfs_refresh(
	struct inode *inode); /* attributes from the host, unless they are cached for good */

/* attr.c */
int hostfs_getattr(struct inode *inode, struct kstat *st);
int hostfs_setattr(struct inode *inode, struct iattr *a);
char *hostfs_readlink(struct inode *inode);
bool hostfs_revalidate(struct dentry *d);

/* dir.c */
/* (dir, name) is about to go. If it is where we find the inode, its handles can't be reopened any more. */
void hostfs_name_goes(struct inode *inode, struct fh *dir, const char *name);
/* A rename took the inode to (dir, name): its place and open handles follow. -ENOMEM. */
int hostfs_moved(struct inode *inode, struct fh *dir, const char *name);

/* file.c: what file systems with data in a host directory have in common */
int hostfs_open(struct inode *inode, struct file *f);
void hostfs_release(struct file *f);
ssize_t hostfs_read(struct file *f, struct iov_iter *to, u64 *pos);
ssize_t hostfs_write_locked(struct file *f, struct iov_iter *from, u64 *pos); /* inode->lock */
s64 hostfs_llseek(struct file *f, s64 off, int whence);
int hostfs_mmap(struct file *f, int prot, int flags, u64 off, size_t len, struct mmap_target *t);
int hostfs_fsync(struct file *f, bool datasync);
int hostfs_fallocate_locked(struct file *f, int mode, u64 off, u64 len); /* inode->lock */

/* readdir.c */
int hostfs_dir_open(struct inode *inode, struct file *f);
int hostfs_iterate(struct file *f, struct dir_context *dc);
void hostfs_dir_release(struct file *f);
int hostfs_dir_fsync(struct file *f, bool datasync);

/* The tables of operations */
extern const struct inode_operations hostfs_dir_ops, hostfs_dir_ops_exclusive;	 /* dir.c */
extern const struct inode_operations hostfs_file_ops, hostfs_file_ops_exclusive; /* attr.c */
extern const struct file_operations hostfs_dir_fops, hostfs_file_fops; /* readdir.c, file.c */

#endif
