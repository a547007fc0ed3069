/* What the files of hostfs share. Concepts: README.md. */
#ifndef HEDDLE_HOSTFS_H
#define HEDDLE_HOSTFS_H

#include "fh.h"
#include "fs.h"
#include "ihash.h"
#include "kernel/fs/wb_err.h"
#include "layerfs.h"

#define HOSTFS_MAX_DEVS 15

/*
 * What makes a file system of a host directory: hostfs itself, or one that keeps only its data
 * there (humfs). The structs of such a one begin with hostfs's.
 */
struct hostfs_kind {
	const struct fs_type *type;
	const struct super_ops *super_ops;
	size_t inode_size;
	const struct inode_operations *dir_ops, *file_ops;
	const struct file_operations *dir_fops, *file_fops;
	bool own_attrs; /* type, mode, owner and device are not the host's */
	/* DT_*: what an entry is that the host takes for a regular file; NULL: that. */
	unsigned (*entry_type)(struct inode *dir, const char *name);
};

/* a atomic   c constant */
struct hostfs_sb {
	const struct hostfs_kind *kind; /* c */
	struct fh *root;		/* c */
	struct hostfs_options opt;	/* c */
	struct ihash inodes;		/* by (host device, host inode number) */
	struct spinlock lock;		/* rank INODE_SPIN */
	dev_t devs[HOSTFS_MAX_DEVS];	/* lock to add: host devices met so far; the root's is the
					   first */
	u32 nr_devs;			/* a */
	struct cds_list_head
		orphans; /* lock: handles of directories without an inode, see handle.c */
	u32 nr_orphans, sweep_orphans; /* lock */
};

/* An inode's handles. The first ones are common. */
enum {
	H_PATH, /* O_PATH: a directory's, or a file's that has lost its name */
	H_RO,
	H_RW,
	H_COMMON,
	H_WO = H_COMMON, /* where the host lets us only write */
	H_DIRECT_RO,	 /* the same with O_DIRECT */
	H_DIRECT_RW,
	H_DIRECT_WO,
	HANDLES,
	H_DIRECT = H_DIRECT_RO - H_RO, /* from one to the other */
};

/*
 * a atomic   c constant   s inode->spin
 *
 * Handles are made when they are first needed and then shared by all open files of the inode. With
 * `exclusive` they stay until the inode is evicted (the budget of fh/ closes what is not used), but
 * for those that can't be closed; otherwise until the last open file is closed.
 */
struct hostfs_inode {
	struct ihash_node node; /* a, b: host device and inode number */
	u64 btime_ns;		/* c */
	struct fh_place
		*place, /* s, +1; NULL: the root's, or one without a name from the beginning */
		*other; /* s, +1; NULL: no other name is known, or it is a directory, or unnamed */
	struct fh *handle[H_COMMON]; /* s */
	union {
		struct fh **more; /* s to set: a regular file's handles behind H_COMMON, or NULL */
		char *target;	  /* s to set: a symlink's, cached if exclusive */
	};
	u32 opens;   /* s: open files that use the handles */
	u64 changes; /* a: how often we have changed something that the attributes tell */
	struct wb_err
		wb_err; /* those that the host told for the descriptors that all open files share */
	u64 known;	/* s: the attributes are those after so many changes */
	u64 sized;	/* s: but for the size, which is that after so many */
	bool unnamed; /* s to set, a: the place is not its name any more, and no other one is known;
			 handles keep their descriptors */
	bool mapped;  /* a: somebody may write through a mapping, which changes attributes unseen */
	bool procfs;  /* a: in a proc file system of the host's, see procfs.c */
};

static inline struct hostfs_sb *hostfs_sb(const struct super_block *sb)
{
	return sb->priv;
}

static inline struct hostfs_inode *hostfs_i(const struct inode *inode)
{
	return inode->priv;
}

static inline bool hostfs_procfs(const struct inode *inode)
{
	return load_relaxed(&hostfs_i(inode)->procfs);
}

/* super.c */
/* Fills in a zeroed struct. Takes the reference on root, also on failure. -ENOMEM. */
must_check int hostfs_sb_init(struct hostfs_sb *hs, const struct hostfs_kind *kind, struct fh *root,
			      const struct hostfs_options *opt);
void hostfs_sb_destroy(struct hostfs_sb *hs);

/* inode.c */
/*
 * The inode of a host file that was found under (dir, name) with these attributes. +1; ERR_PTR. dir
 * NULL: the root.
 */
must_check struct inode *hostfs_iget(struct super_block *sb, const struct kstat *st, struct fh *dir,
				     const char *name);
/* The same of one that was just made there. name NULL: it has none. */
must_check struct inode *hostfs_made(struct super_block *sb, const struct kstat *st, struct fh *dir,
				     const char *name);
/* One that isn't in the table yet. NULL: no memory. */
must_check struct inode *hostfs_new_inode(struct super_block *sb, const struct kstat *st,
					  struct fh *dir, const char *name);
/*
 * Puts it there. If the file's inode is there already, returns that one instead (+1) and drops
 * ours. made: the file was just made, so what is there under its numbers is another's, which has
 * gone and left them to it: the time of birth is too coarse to tell.
 */
must_check struct inode *hostfs_hash(struct inode *inode, bool made);
void hostfs_evict(struct inode *inode);
u64 hostfs_ino(struct super_block *sb, dev_t dev, u64 ino);
bool hostfs_same(const struct inode *inode, const struct kstat *st);
/* It was just seen under (dir, name). Is what we know as its place still right as well? */
bool hostfs_place_holds(struct inode *inode, const struct fh *dir, const char *name);
struct fh_id hostfs_id(const struct inode *inode);
/*
 * Cached attributes from the host's, whose order is the caller's business: see take() in attr.c.
 * inode->spin.
 */
void hostfs_update_locked(struct inode *inode, const struct kstat *st);

/* names.c */
must_check struct fh_place *hostfs_place(struct inode *inode); /* +1, or NULL */
/*
 * It is at `to` now: instead of at `from`, or NULL: besides. Its handles go along. If the place was
 * not `from`, that stays known as the other name. Inside of a move (fh_rename_at).
 */
void hostfs_moved(struct inode *inode, const struct fh_place *from, struct fh_place *to);
/* It was seen under (dir, name), and is not a directory. Is that something to remember? */
bool hostfs_is_new_name(struct inode *inode, const struct fh *dir, const char *name);
/* p is a name of it, whose directory is locked. The place stays, if there is one. */
void hostfs_has_name(struct inode *inode, struct fh_place *p);
/*
 * (dir, name) is about to go, with the directory locked. If that is where the inode is found,
 * another name that is known is its place from now on. If none is, its handles get their
 * descriptors for good; if it is in use, or has names that aren't known, there has to be a handle.
 * -errno: that can't be, the name must stay. hostfs_name_stays: it was not removed, and is a name
 * as any other if it is still there.
 */
must_check int hostfs_name_goes(struct inode *inode, struct fh *dir, const char *name, bool in_use);
void hostfs_name_stays(struct inode *inode, struct fh *dir, const char *name);

/* procfs.c */
/*
 * What was found under (h, name) in dir: is it in a proc file system of the host's? -EACCES: it is,
 * and must not be reached.
 */
must_check int hostfs_in_procfs(struct inode *dir, struct fh *h, const char *name,
				const struct kstat *st);
/* Does the directory hide this name? */
bool hostfs_hides(const struct inode *dir, const char *name);
/* The same question about a root. */
must_check int hostfs_root_in_procfs(struct fh *root, const struct kstat *st);

/* handle.c */
struct fh **hostfs_slot(struct hostfs_inode *hi, int k); /* inode->spin; NULL: never used */
/* The directory's own handle. Not a reference: lives as long as the inode. ERR_PTR. */
must_check struct fh *hostfs_dir(struct inode *dir);
/* An open handle of a regular file. Reference; ERR_PTR. */
must_check struct fh *hostfs_open_handle(struct inode *inode, bool read, bool write, bool direct);
void hostfs_close_handle(struct inode *inode, struct fh *h);
/*
 * Gives a new inode the handle (reference taken over) by which its file was made, for reading and
 * writing; or a directory's, which opens nothing.
 */
void hostfs_adopt(struct inode *inode, struct fh *h);
struct fh *hostfs_any_handle(struct inode *inode); /* +1, or NULL */
/*
 * One of any file: what is open, or opened for this once (O_PATH) under the name that we know, if
 * that is still its own and not another's. +1. ERR_PTR: -ENOENT: it isn't; others as of open.
 */
must_check struct fh *hostfs_get_handle(struct inode *inode);
/*
 * Gives the file that the inode is another name, whatever the name that we know leads to. -ENOENT:
 * it can't be found.
 */
must_check int hostfs_link_into(struct inode *inode, struct fh *dir, const char *name);
/*
 * One that opens nothing, in the slot for that, +1; nor is it open itself yet. ERR_PTR; -ESTALE: it
 * has no name.
 */
must_check struct fh *hostfs_path_handle(struct inode *inode);
int hostfs_all_handles(struct inode *inode, struct fh *h[HANDLES]); /* +1 each; how many */
/*
 * h, in a slot, gets the inode's place, and may be reclaimed if it was kept for want of a name;
 * nothing, if the inode has none. inode->spin. The place that it had, to be put without that, or
 * NULL.
 */
must_check struct fh_place *hostfs_settle(struct inode *inode, struct fh *h);
/* A directory's handle that has outlived an inode of it, if there is one, is this one's. */
void hostfs_adopt_orphan(struct inode *dir);
/*
 * Around a change of owner or permissions of a regular file: all handles that can be, pinned, +1;
 * how many. Afterwards it is decided which may be reclaimed; those that may not go if nobody has
 * the file open.
 */
must_check int hostfs_pin_all(struct inode *inode, struct fh *h[HANDLES]);
void hostfs_unpin_all(struct inode *inode, struct fh **h, int n);
void hostfs_handles_free(struct inode *inode);
void hostfs_orphans_free(struct hostfs_sb *hs);

/* attr.c */
int hostfs_refresh(
	struct inode *inode); /* attributes from the host, unless what is known is right */
void hostfs_changed(struct inode *inode); /* we have changed something: what is known is old */
/*
 * We have changed something, and this is the size now: what others have asked the host before
 * doesn't count. inode->lock.
 */
void hostfs_set_size(struct inode *inode, u64 size);
int hostfs_getattr(struct inode *inode, struct kstat *st);
int hostfs_setattr(struct inode *inode, struct iattr *a);
char *hostfs_readlink(struct inode *inode);
bool hostfs_revalidate(struct dentry *d);

/* file.c: what file systems with data in a host directory have in common */
int hostfs_open(struct inode *inode, struct file *f);
int hostfs_flush(struct file *f);
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

/* xattr.c */
ssize_t hostfs_getxattr(struct inode *inode, const char *name, void *value, size_t size);
ssize_t hostfs_listxattr(struct inode *inode, char *names, size_t size);
int hostfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
		    int flags);

/* The tables of operations */
extern const struct inode_operations hostfs_dir_ops, hostfs_dir_ops_exclusive;	 /* dir.c */
extern const struct inode_operations hostfs_file_ops, hostfs_file_ops_exclusive; /* attr.c */
extern const struct file_operations hostfs_dir_fops, hostfs_file_fops; /* readdir.c, file.c */

#endif
