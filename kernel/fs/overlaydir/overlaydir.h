/* What the files of overlaydir share. Concepts: README.md. */
#ifndef HEDDLE_OVERLAYDIR_H
#define HEDDLE_OVERLAYDIR_H

#include "fs.h"
#include "ihash.h"
#include "kernel/fs/dirlist.h"
#include "kernel/fs/wb_err.h"
#include "log.h"

struct odir_sb {
	struct super_block *lower, *layer; /* c, +1: the layer holds upper/ and work/ */
	struct inode *upper, *work;	   /* c, +1 */
	struct mutex copy_up;		   /* rank COPY_UP */
	struct ihash inodes;  /* what is in the upper layer, by the address of its inode */
	struct spinlock lock; /* rank INODE_SPIN */
	u64 next_tmp;	      /* a */
	bool strayed;	      /* a: a file with the number of a lower one got another name */
};

/*
 * Where something is found in the layers. Of what is in the lower layer only, parent and name never
 * change: before it is renamed it is copied up, or, if it is a directory, the rename is refused.
 */
struct odir_place {
	u32 refs;		   /* a */
	bool gone;		   /* copy_up to set, a: it lost its name before it was copied up */
	struct odir_place *parent; /* c, +1; NULL: the root */
	struct inode *lower;	   /* c, +1; NULL: nothing below */
	struct inode *upper;	   /* copy_up to set, a: +1; NULL: not copied up; stays then */
	struct inode *inode;  /* odir_sb.lock: whose place it is; not a reference; NULL: nobody has
				 it now */
	struct mutex filling; /* rank COPY_FILL: a file's contents are being copied */
	char name[];	      /* c */
};

/* c constant   s inode->spin to set, a */
struct odir_inode {
	struct ihash_node node;
	struct odir_place *place; /* c, +1 */
	struct file *lower_file;  /* s: +1, read-only */
	struct file *upper_file;  /* s: +1, read and write */
	struct wb_err wb_err;	  /* those that upper_file was told, which all open files share */
};

static inline struct odir_sb *odir_sb(const struct super_block *sb)
{
	return sb->priv;
}

static inline struct odir_inode *odir_i(const struct inode *inode)
{
	return inode->priv;
}

static inline struct inode *place_upper(const struct odir_place *p)
{
	return load_acquire(&p->upper);
}

static inline struct inode *odir_upper(const struct inode *inode)
{
	return place_upper(odir_i(inode)->place);
}

static inline struct inode *odir_lower(const struct inode *inode)
{
	return odir_i(inode)->place->lower;
}

/* There is nothing of it but what somebody has open. */
static inline bool odir_gone(const struct inode *inode)
{
	return load_acquire(&odir_i(inode)->place->gone) && !odir_upper(inode);
}

static inline bool is_whiteout(const struct inode *upper)
{
	return S_ISCHR(upper->mode) && !upper->rdev;
}

/* place.c */
/* Takes the references on lower and upper, also on failure; its own on parent. NULL: no memory. */
must_check struct odir_place *odir_place_new(struct odir_place *parent, const char *name,
					     struct inode *lower, struct inode *upper);
void odir_place_put(struct odir_place *p);
/*
 * Its upper inode, copied up if need be; not a reference. upto: how much of a file's contents is
 * wanted. ERR_PTR.
 */
must_check struct inode *odir_copy_up(struct inode *inode, u64 upto);
/*
 * Around what takes the name of inode from it: if it isn't in the upper layer yet, nothing of it
 * comes there meanwhile, nor ever under this name once that has happened. The directories concerned
 * have been copied up. Begin says whether it has taken copy_up, which is for end.
 */
must_check bool odir_removal_begin(struct inode *inode);
void odir_removal_end(struct inode *inode, bool held, bool gone);
/* Attributes from one inode to another of the upper layer. */
must_check int odir_copy_attrs(struct inode *to, const struct kstat *st);

/* upper.c: operations on inodes of a layer, under its locks. `inode` is what the name is. */
must_check int upper_make(struct inode *dir, const char *name, u32 mode, dev_t dev,
			  const char *target, struct inode **out); /* +1 */
must_check int upper_link(struct inode *dir, const char *name, struct inode *target);
must_check int upper_remove(struct inode *dir, const char *name, struct inode *inode);
must_check int upper_rename(struct inode *od, const char *on, struct inode *oi, struct inode *nd,
			    const char *nn, struct inode *ni, unsigned flags);
must_check int upper_setattr(struct inode *inode, struct iattr *a);
must_check int upper_getattr(struct inode *inode, struct kstat *st);
must_check struct inode *layer_lookup(struct inode *dir, const char *name); /* +1; NULL; ERR_PTR */
/* A name in work/ that is free. */
#define TMP_NAME_MAX 20
void odir_tmp_name(struct odir_sb *os, char name[TMP_NAME_MAX]);
/* A whiteout for every name of the lower directory that the upper one hasn't. */
must_check int odir_hide(struct inode *upper, struct inode *lower);
/* Removes a directory in which only whiteouts are. */
must_check int odir_remove_whiteouts(struct inode *dir);
must_check int odir_clear_work(struct odir_sb *os);

/* inode.c */
must_check struct inode *odir_iget(struct super_block *sb, struct odir_place *place); /* takes it */
int odir_take_attrs(struct inode *inode); /* from the layer it is in */
/* The same after a change that has been made: if the layer won't tell, what it knows. */
void odir_take_known_attrs(struct inode *inode);
/*
 * Memory for what is about to be made as dir/name, so that nothing fails when it is there. NULL:
 * there is none.
 */
must_check struct inode *odir_inode_ahead(struct inode *dir, const char *name, u32 mode);
/* It was made. Takes both references; the inode that it is, +1. */
struct inode *odir_inode_made(struct inode *inode, struct inode *upper);
/* The inode of a place, if there is one, is found by its upper one from now on. copy_up is held. */
void odir_now_upper(struct odir_sb *os, struct odir_place *p);
/* What the guest knows an upper inode by. */
u64 odir_number_of(struct super_block *sb, const struct inode *upper);
void odir_evict(struct inode *inode);
int odir_getattr(struct inode *inode, struct kstat *st);
int odir_setattr(struct inode *inode, struct iattr *a);

/* xattr.c */
ssize_t odir_getxattr(struct inode *inode, const char *name, void *value, size_t size);
ssize_t odir_listxattr(struct inode *inode, char *names, size_t size);
int odir_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags);
must_check int odir_copy_xattrs(struct inode *from, struct inode *to);
/* Linux has marked it so: nothing below it shows. */
bool odir_opaque(struct inode *upper);

/* readdir.c */
/* What a directory of a layer holds but . and .. */
must_check int odir_list_layer(struct inode *dir, struct dir_list *l);
/* What the guest finds in it. */
must_check int odir_list_merged(struct inode *dir, struct dir_list *l);

/* Inode numbers of the upper layer, apart from the lower one's. */
static inline u64 upper_ino(u64 ino)
{
	return ino ^ 1ULL << 62;
}

extern const struct inode_operations odir_dir_ops, odir_file_ops;
extern const struct file_operations odir_dir_fops, odir_file_fops;

#endif
