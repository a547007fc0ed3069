/* What the files of this folder share. Nothing outside includes it. */
#ifndef FS_VFS_H
#define FS_VFS_H

#include "alloc.h"
#include "cred.h"
#include "fs.h"
#include "ktime.h"
#include "log.h"
#include "syscalls.h"
#include "task.h"
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#define MAX_RW_COUNT 0x7ffff000UL
#define FILE_POS_MAX INT64_MAX
#define O_LARGEFILE_ 0100000 /* what the kernel calls O_LARGEFILE; libc's is 0 */

/*
 * A walk met something that vanished under it: begin again. Only walk_enter() and walk_special()
 * return it to others.
 */
#define EWALKAGAIN 700

/* ---- context.c: who is asking ---- */

/* The task on whose behalf we run, or NULL during boot. */
struct task *vfs_task(void);

/* ---- dcache.c ---- */

#define DENTRY_DEAD 0x80000000u /* in refs: being freed */

/* (directory, name): immutable, replaced whole. */
struct dname {
	struct cds_lfht_node node;
	struct dentry *dentry;
	const struct dentry
		*parent; /* NULL: none. Of a dentry's present name: exists; else only compared */
	u32 len;
	unsigned long hash;
	struct rcu_head rcu;
	char str[];
};

static inline u32 d_flags(const struct dentry *d)
{
	return load_relaxed(&d->flags);
}
static inline bool d_is_mounted(const struct dentry *d)
{
	return load_acquire(&d->mounted);
}
must_check int dcache_init(void);
/* Under RCU; no reference. NULL: not cached. */
struct dentry *d_find(const struct dentry *dir, const char *name, size_t len);
must_check bool d_tryget(struct dentry *d);
/* Does a cached d have to be asked whether it still holds? */
bool d_wants_revalidate(const struct dentry *dir, const struct dentry *d);
/* From the cache only, +1 and valid; NULL. */
must_check struct dentry *d_lookup(struct dentry *dir, const char *name, size_t len);
must_check struct dname *dname_alloc(const struct dentry *dir, const char *name, size_t len);
void dname_free(struct dname *dn); /* never hashed */
/*
 * Renames in the cache; both take the new names over. Both directories locked, rename_mutex if they
 * differ.
 */
void d_move(struct dentry *d, struct dentry *new_dir, struct dname *dn);
void d_exchange(struct dentry *a, struct dentry *b, struct dname *dna, struct dname *dnb);
/*
 * Changes with each rename in the cache (odd: in progress); for those who need a whole path at one
 * moment.
 */
extern u32 rename_seq;
/* Evicts what is cached of a dying super block. */
void dcache_forget_super(struct super_block *sb);
u64 dcache_unused(void);

/* ---- inode.c, perm.c, super.c ---- */
u64 inode_count(void);
int inode_permission_cred(struct inode *inode, int mask, const struct cred *cred);
/* Owner, or CAP_FOWNER. */
bool inode_owner_or_capable(const struct inode *inode);
void path_accessed(const struct path *p); /* atime, as relatime wants it */
/* Sticky directory: may current remove or rename this entry? */
bool sticky_forbids(const struct inode *dir, const struct inode *victim);
/* 0 or -EROFS. */
int path_want_write(const struct path *p);
must_check int super_init(void);
extern struct super_block *anon_sb, *nsfs_sb;
/* Calls fn for every super block (sleeping allowed), ignoring errors. */
void supers_sync(void);

/* ---- mount.c ---- */

/* Where a mount is: immutable, replaced whole. */
struct mount_at {
	struct cds_lfht_node node;
	struct mount *mnt, *parent; /* parent: +1 */
	struct dentry *point;	    /* +1 */
	struct rcu_head rcu;
};
must_check int mount_init(void);
/* The mount on top of (mnt, d). Under RCU, no reference. */
struct mount *mount_lookup(const struct mount *mnt, const struct dentry *d);
must_check bool mnt_tryget(struct mount *m);
extern u32 mount_seq; /* changes with each change of the mount tree */
extern struct mutex mount_mutex;
extern struct cds_list_head mount_list; /* mount_mutex */
static inline u64 path_mnt_flags(const struct path *p)
{
	return p->mnt ? load_relaxed(&p->mnt->flags) : 0;
}

/* ---- namei.c ---- */

enum last_type { LAST_NORM, LAST_NONE, LAST_DOT, LAST_DOTDOT };

/*
 * A path walk. It stands at cur. In RCU mode cur and root are only known to exist until the read
 * section ends; `held` are the references it has (cur itself otherwise, or where it was before it
 * entered RCU mode). namei.c tells the story.
 */
struct walk {
	struct path cur, held, root;
	bool rcu, root_known, root_held, careful;
	unsigned flags; /* LOOKUP_* */
	int links;	/* symlinks so far */
	u32 mount_seq, rename_seq;
	const struct cred *cred;
	const char *rest; /* what is yet to be walked */
	char *buf;	  /* owned: what rest points into, or NULL */
	/* the last component, after walk_parent(), or walk_enter() with 1 */
	enum last_type last_type;
	const char *last;
	u32 last_len;
	bool slashes; /* behind it */
};

/*
 * The walk to all but the last component: cur is its directory, referenced; -errno: nothing to
 * undo.
 */
must_check int walk_parent(struct walk *w, int dfd, const char *name, unsigned flags,
			   const struct cred *cred);
/*
 * From there: steps into d (+1, taken over), the last component. 0: stands at it, over its mounts,
 * referenced. 1: it was a symlink that was followed (if `follow`); stands at the directory of
 * another last component. -errno: the caller still calls walk_end().
 */
must_check int walk_enter(struct walk *w, struct dentry *d, bool follow);
/* For a last component that is no name (".", "..", "/"): stands at it, referenced. */
must_check int walk_special(struct walk *w);
void walk_end(struct walk *w);
/* path_lookup() with other credentials. */
must_check int path_lookup_cred(int dfd, const char *name, unsigned flags, const struct cred *cred,
				struct path *out);

/* ---- create.c ---- */
must_check int may_create(const struct path *parent);
/* path_create() for who calls may_create() himself. */
must_check int path_free_name(int dfd, const char *name, bool is_dir, struct path *parent,
			      struct dentry **d);
/*
 * The error for an operation that a directory lacks: in /proc, where nothing can be made, names
 * that aren't there are just that.
 */
int missing_op(const struct inode *dir, int err);

/* ---- path.c ---- */
/* path_name_root(), and whether p is at or below root. */
must_check char *path_name_reach(const struct path *p, const struct path *root, char *buf,
				 size_t size, bool *reached);

/* ---- open.c ---- */
/*
 * Counts a writer, until inode_put_write_access(): nobody executes the file meanwhile. -ETXTBSY:
 * somebody does.
 */
must_check int inode_get_write_access(struct inode *inode);
void inode_put_write_access(struct inode *inode);

/* ---- file.c ---- */
must_check struct file *file_alloc(int flags); /* ERR_PTR(-ENOMEM, -ENFILE) */
must_check bool file_tryget(struct file *f);
/* What close(2) does to the file besides dropping it. */
int file_close(struct file *f, struct files *files);
must_check int file_cache_init(void);
u64 file_count(void);

/* ---- rw.c ---- */
/* With all checks but FMODE and position: read and write through f at *pos. */
must_check ssize_t file_read_iter(struct file *f, struct iov_iter *to, u64 *pos);
must_check ssize_t file_write_iter(struct file *f, struct iov_iter *from, u64 *pos);
/*
 * The set-id bits that a change of the contents by current takes away, going by the mode of this
 * moment.
 */
u32 setid_to_kill(const struct inode *i);
/* RLIMIT_FSIZE for a file that is to be `size` long: -EFBIG and SIGXFSZ. */
must_check int check_fsize(u64 size);

/* ---- copy.c ---- */
/* Has a file system operation for copies from in to out, and may it be used? */
bool can_copy_range(const struct file *in, const struct file *out, u64 end);

/* ---- locks.c ---- */
long fcntl_setlk(int fd, struct file *f, unsigned cmd, u64 arg);
long fcntl_getlk(struct file *f, unsigned cmd, u64 arg);
void file_locks_free(struct inode *inode);

/* ---- attr.c ---- */
/*
 * With i->lock held: may a be done to i as it is now? It may add to a, and change its mode. 0 or
 * the error of the call.
 */
typedef int attr_check(const struct inode *i, struct iattr *a);
/* Locks the inode, checks (NULL: that was done, or is nobody's business), asks the file system. */
must_check int path_setattr(const struct path *p, struct iattr *a, attr_check *check);

/* ---- truncate.c ---- */
must_check int do_truncate(const struct path *p, u64 size, struct file *f, u32 extra_valid);

#endif
