/* What the files of humfs share. Concepts: README.md. */
#ifndef HEDDLE_HUMFS_H
#define HEDDLE_HUMFS_H

#include "kernel/fs/hostfs/hostfs.h"
#include "kernel/fs/humfs/format.h"

/*
 * a atomic   c constant   j journal_lock
 */
struct humfs_sb {
	struct hostfs_sb host;	   /* its root is data/ */
	struct fh *base;	   /* c: the directory of superblock, data/ ... */
	struct fh *lock;	   /* c: keeps others out as long as it is open */
	struct fh *fmeta, *dmeta;  /* c: file_metadata/, dir_metadata/ */
	struct fh *journal;	   /* c: NULL if it is read-only */
	struct mutex journal_lock; /* rank JOURNAL: one rename at a time */
	bool stuck; /* j to set, a: a rename was left half done: names and metadata stay as they are
		     */
	u32 changing;		       /* a: operations under way that change something */
	bool changed;		       /* a: there has been one */
	u64 used, total;	       /* used: a; bytes, see quota.c */
	u64 used_written;	       /* j: what the superblock says */
	struct spinlock reported_lock; /* rank MISC */
	u32 reported[64]; /* reported_lock: hashes of the files that were complained about */
	u32 nr_reported;  /* reported_lock */
};

/*
 * An inode: hostfs's for the data, and where its metadata lies. Mode, owner and device are the
 * inode's own fields.
 *
 * c constant   s inode->spin
 */
struct humfs_inode {
	struct hostfs_inode host;
	struct fh *fmeta, *dmeta; /* c: a directory's own in file_metadata/ and dir_metadata/ */
	struct fh_place
		*meta,	     /* s, +1: of others: a name in file_metadata/; NULL: none (any more) */
		*meta_other; /* s, +1: another one, or NULL */
	struct fh
		*meta_fh; /* s: open, when all names that we knew are gone and others may be left */
	u32 meta_moves;	  /* s: changes with these; odd while a rename has the metadata under way */
	bool meta_dirty;  /* a: metadata was written since the last fsync */
	struct timespec meta_ctime; /* s: when the host changed it last */
};

static inline struct humfs_sb *humfs_sb(const struct super_block *sb)
{
	return sb->priv;
}

static inline struct humfs_inode *humfs_i(const struct inode *inode)
{
	return inode->priv;
}

/* inode.c */
/*
 * What name in dir is, +1; NULL: nothing. ERR_PTR(-EUCLEAN): its metadata is malformed or missing.
 */
must_check struct inode *humfs_lookup_inode(struct inode *dir, const char *name);
/* dir NULL: the root. */
must_check struct inode *humfs_load(struct super_block *sb, struct inode *dir, const char *name,
				    const struct kstat *st);
/*
 * A new inode for data that was just made: st is the data's, mode, uid, gid and rdev already the
 * guest's. file (reference taken over, also on failure; or NULL): an open handle of it. ERR_PTR.
 */
must_check struct inode *humfs_new_inode(struct inode *dir, const char *name, struct kstat *st,
					 struct fh *file);
void humfs_evict(struct inode *inode);
/*
 * A file has got this name, for data and metadata; or has it, and whoever doesn't know a better one
 * goes by it. -errno: no memory, or no descriptor: we don't know that. As hostfs_moved() and
 * hostfs_has_name().
 */
int humfs_linked(struct inode *inode, struct inode *dir, const char *name);
int humfs_has_name(struct inode *inode, struct inode *dir, const char *name);
/* Its metadata is at `to` (taken over) now, instead of (dir, name); NULL: besides. */
void humfs_meta_moved(struct inode *inode, const struct fh *dir, const char *name,
		      struct fh_place *to);
/* A rename begins with its metadata, or is over; of a directory: nothing. journal_lock. */
void humfs_meta_moving(struct inode *inode);
/*
 * The name is about to go, maybe not the last one: what is needed of the file stays within reach.
 * -errno: that can't be, the name must stay.
 */
must_check int humfs_name_goes(struct inode *inode, struct inode *dir, const char *name);

/* meta.c */
/* ctime: when it was changed. */
must_check int humfs_meta_read(struct fh *dir, const char *name, struct humfs_meta *m,
			       struct timespec *ctime);
/* A new file of metadata; what an interrupted operation has left there goes. */
must_check int humfs_meta_create(struct fh *dir, const char *name, const struct humfs_meta *m);
/*
 * The file of the inode's metadata, +1, and pinned until humfs_meta_close(). NULL: it has none,
 * since it has no name. ERR_PTR. No journal_lock.
 */
must_check struct fh *humfs_meta_open(struct inode *inode);
void humfs_meta_close(struct fh *h); /* may be NULL, or ERR_PTR */
/* The inode's metadata as the file says, with changes. */
must_check int humfs_meta_update(struct inode *inode, const struct humfs_meta *m);
/* Metadata without data, a file or a whole tree, goes. */
int humfs_meta_purge(struct fh *dir, const char *name);
/* Of a directory: its places in both trees. mkdir and back. */
must_check int humfs_meta_mkdir(struct inode *dir, const char *name, const struct humfs_meta *m);
void humfs_meta_rmdir(struct inode *dir, const char *name);
must_check int humfs_meta_sync(struct inode *inode);
/* One line that names the file; no second one for the same file. Returns -EUCLEAN. */
int humfs_complain(struct super_block *sb, struct fh *dir, const char *name, const char *what);

/* quota.c */
/* As many of n bytes as there is room for. */
u64 humfs_reserve(struct super_block *sb, u64 n);
void humfs_unreserve(struct super_block *sb, u64 n);
must_check int humfs_super_write(struct humfs_sb *hs); /* journal_lock, or nobody else runs */
must_check int humfs_super_read(struct humfs_sb *hs);

/* rename.c */
int humfs_rename(const struct rename_ctx *rc);
must_check int humfs_journal_open(struct humfs_sb *hs);
/* Nothing is under way: the humfs is as whole as it was when it was mounted. */
void humfs_journal_close(struct humfs_sb *hs);

/* Around whatever changes the tree. */
static inline bool humfs_stuck(const struct super_block *sb)
{
	return load_relaxed(&humfs_sb(sb)->stuck);
}

static inline void humfs_begin(struct super_block *sb)
{
	store_relaxed(&humfs_sb(sb)->changed, true);
	__atomic_add_fetch(&humfs_sb(sb)->changing, 1, __ATOMIC_ACQ_REL);
}
static inline void humfs_end(struct super_block *sb)
{
	__atomic_sub_fetch(&humfs_sb(sb)->changing, 1, __ATOMIC_ACQ_REL);
}

/* attr.c */
/* Sizes, links and times as the host has them after a change. */
void humfs_refresh(struct inode *inode);
int humfs_getattr(struct inode *inode, struct kstat *st);
int humfs_setattr(struct inode *inode, struct iattr *a);
ssize_t humfs_getxattr(struct inode *inode, const char *name, void *value, size_t size);
ssize_t humfs_listxattr(struct inode *inode, char *names, size_t size);
int humfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
		   int flags);

/* dir.c */
unsigned humfs_entry_type(struct inode *dir, const char *name);

extern const struct inode_operations humfs_dir_ops, humfs_file_ops;  /* dir.c, attr.c */
extern const struct file_operations humfs_dir_fops, humfs_file_fops; /* dir.c, file.c */

#endif
