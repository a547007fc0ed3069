/*
 * The VFS: super blocks, inodes, dentries, mounts, files, fd tables.
 *
 * Lifetime: dentries and inodes are reference-counted and cached; lookups walk the dentry hash
 * under RCU. References may be dropped (d_put, inode_put, mnt_put, file_put, path_put) only where
 * sleeping is allowed: no spinlock, no RCU read section, no callback. Locks: inode->lock (rwsem;
 * rank INODE_DIR for directories, INODE for files) serialises changes of a directory or of data and
 * size; inode->spin small state; dentry->lock its name, parent, children.
 */
#ifndef HEDDLE_FS_H
#define HEDDLE_FS_H

#include "lock.h"
#include "mm.h"
#include "poll.h"
#include "rcu.h"
#include "types.h"
#include "uaccess.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

struct inode;
struct dentry;
struct file;
struct mount;
struct super_block;
struct cred;
struct path;

/* ---- super blocks and file system types ---- */

struct kstatfs {
	u64 type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags;
};

struct super_ops {
	int (*statfs)(struct super_block *sb, struct kstatfs *st);
	int (*sync)(struct super_block *sb);
	/*
	 * The kernel ends and no CPU runs any more: last words to the host. Users may have been
	 * stopped anywhere.
	 */
	void (*stop)(struct super_block *sb);
	void (*put_super)(struct super_block *sb); /* the last reference is gone */
	void (*evict_inode)(
		struct inode *inode); /* free inode->priv; the last reference is gone. May sleep */
	void (*show_options)(struct super_block *sb, char *buf,
			     size_t size); /* ",size=..." for /proc/mounts */
	void (*d_release)(
		struct dentry *d); /* free d->priv; nobody can find d any more. May sleep */
};

struct fs_type {
	const char *name;
	/*
	 * Makes a super block with a root dentry. options: comma-separated, may be NULL. ERR_PTR.
	 */
	struct super_block *(*mount)(const struct fs_type *type, const char *source,
				     const char *options, u64 flags);
	bool nodev;	     /* for /proc/filesystems */
	bool user_mountable; /* mount(2) may make one */
};
const struct fs_type *fs_type_find(const char *name);
extern const struct fs_type *const fs_types[]; /* ends with NULL */

/*
 * Lives while something refers to it: mounts, and whoever else holds a reference. With the last one
 * its cached dentries are dropped, the root is put, inodes are evicted; put_super comes last and
 * frees what is left (a file system that pins dentries or inodes of its own puts them there).
 *
 * a atomic   c constant once it is mounted
 */
struct super_block {
	u32 refs;     /* a */
	u32 killers;  /* a: tasks that are evicting its dentries from the cache */
	bool dying;   /* a: the last reference is gone: nothing is cached any more */
	u32 dentries; /* a */
	const struct fs_type *type;
	const struct super_ops *ops;
	struct dentry *root; /* +1 */
	dev_t dev;	     /* st_dev: anonymous device numbers, sb_alloc() */
	u64 flags;	     /* ST_RDONLY ... */
	char *source;	     /* for /proc/mounts */
	void *priv;
	u64 next_ino;		   /* atomic: sb_next_ino() */
	struct mutex rename_mutex; /* rank RENAME */
	u32 max_links;
	bool no_dcache; /* proc: dentries live only while they are used, negative ones not at all */
	struct cds_list_head watches; /* kernel/fs/notify/watch.c: watches on its inodes */
	u32 watched;		      /* a: such watches, until they have let go of their inodes */
	bool layer;		      /* its inodes' locks have rank INODE_LOWER: sb_make_layer() */
	bool kept; /* constant: one of its kind, with a reference that is never given back */
	struct cds_list_head link; /* super.c: all super blocks */
};
/*
 * refs 1, a fresh st_dev, bsize 4096 for all its inodes; source is copied. NULL: no memory. The
 * caller sets root.
 */
must_check struct super_block *sb_alloc(const struct fs_type *type, const struct super_ops *ops,
					const char *source);
/*
 * For overlays, right after the layer is mounted: ranks the locks of its inodes (root and later
 * ones) below those of the overlay's.
 */
void sb_make_layer(struct super_block *sb);
void sb_get(struct super_block *sb);
void sb_put(struct super_block *sb);
u64 sb_next_ino(struct super_block *sb);

/* ---- inodes ---- */

struct iattr {
	u32 valid; /* ATTR_* */
	u32 mode, uid, gid;
	u64 size;
	struct timespec atime, mtime, ctime;
	struct file *file; /* ftruncate through it */
};
#define ATTR_MODE 1u
#define ATTR_UID 2u
#define ATTR_GID 4u
#define ATTR_SIZE 8u
#define ATTR_ATIME 0x10u
#define ATTR_MTIME 0x20u
#define ATTR_CTIME 0x40u
#define ATTR_OPEN 0x80u /* O_TRUNC */

struct kstat {
	dev_t dev, rdev;
	u64 ino, nlink, size, blocks;
	u32 mode, uid, gid, blksize;
	struct timespec atime, mtime, ctime, btime;
	bool has_btime;
};

struct rename_ctx {
	struct inode *old_dir, *new_dir;
	struct dentry *old, *new; /* new may be negative */
	/*
	 * RENAME_NOREPLACE, RENAME_EXCHANGE; of an overlay's layer RENAME_WHITEOUT, -EINVAL if it
	 * can't.
	 */
	unsigned flags;
};

/*
 * Directory operations are called with the directory's lock held for writing, lookup too (two tasks
 * that miss the same name must not both make an inode for it); permission, existence, kinds
 * (ENOTDIR, EISDIR), sticky bits and loops were checked by the VFS. They instantiate the (negative)
 * dentry with d_instantiate() on success. The VFS itself drops the dentries that unlink, rmdir and
 * rename make stale, moves them, and takes care of the hash: operations don't call d_drop or
 * d_make_negative (but for a name that one which fails has changed all the same). rmdir, and rename
 * of or over a directory, hold the locks of those directories as well, link that of its target;
 * those of other victims are not held: nlink changes under inode->spin (inode_inc_nlink ...). mode
 * of create, mkdir, mknod, tmpfile: umask is applied, type bits are in it (S_IFREG ...). An
 * operation that is NULL: -EPERM (create, mknod, mkdir, symlink, link, unlink, rmdir, rename),
 * -EOPNOTSUPP (tmpfile). All others (getattr, readlink, follow, permission, getxattr, listxattr,
 * revalidate) are called without locks.
 */
struct inode_operations {
	/*
	 * Finds `d` (negative so far) in dir: d_instantiate(d, inode) if there; leaves it negative
	 * if not (return 0).
	 */
	int (*lookup)(struct inode *dir, struct dentry *d);
	int (*create)(struct inode *dir, struct dentry *d, u32 mode);
	int (*mkdir)(struct inode *dir, struct dentry *d, u32 mode);
	int (*mknod)(struct inode *dir, struct dentry *d, u32 mode, dev_t dev);
	int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
	int (*link)(struct inode *dir, struct dentry *d, struct inode *target);
	int (*unlink)(struct inode *dir, struct dentry *d);
	int (*rmdir)(struct inode *dir, struct dentry *d);
	int (*rename)(const struct rename_ctx *rc);
	int (*tmpfile)(struct inode *dir, struct inode **inode, u32 mode); /* O_TMPFILE */
	/* A symlink's target in fresh memory (kfree). ERR_PTR. */
	char *(*readlink)(struct inode *inode);
	/*
	 * Magic links (/proc/PID/fd/N, exe, cwd): jumps straight to a path, +1 on both. NULL
	 * operation: use readlink.
	 */
	int (*follow)(struct inode *inode, struct mount **mnt, struct dentry **d);
	int (*getattr)(struct inode *inode,
		       struct kstat *st); /* NULL: generic_getattr from the inode's fields */
	int (*setattr)(struct inode *inode,
		       struct iattr *a); /* with inode->lock held for writing; NULL: generic_setattr
					    (in memory only) */
	int (*permission)(struct inode *inode, int mask,
			  const struct cred *cred); /* NULL: generic_permission (mode, owner,
						       groups, capabilities) */
	/*
	 * Extended attributes, by their whole names ("user.x", "trusted.x", "security.x"). The
	 * value's length, or that of all names with their NULs: copied if size is not 0 (-ERANGE:
	 * too small). setxattr with inode->lock held for writing; value NULL removes it; flags:
	 * XATTR_CREATE, XATTR_REPLACE. -ENODATA, -EEXIST, -ENOSPC. NULL: -EOPNOTSUPP, and no names.
	 */
	ssize_t (*getxattr)(struct inode *inode, const char *name, void *value, size_t size);
	ssize_t (*listxattr)(struct inode *inode, char *names, size_t size);
	int (*setxattr)(struct inode *inode, const char *name, const void *value, size_t size,
			int flags);
	/*
	 * Is a cached dentry still right? false: the VFS drops it and looks up anew. NULL: always.
	 * May sleep. For a positive d it is the operation of d's own inode; for a negative one
	 * (d->inode == NULL) that of the directory.
	 */
	bool (*revalidate)(struct dentry *d);
	/*
	 * For file systems on top of this one: the inode of a name (+1) without a dentry; NULL if
	 * there is none. ERR_PTR. Needs no lock. Optional.
	 */
	struct inode *(*lookup_inode)(struct inode *dir, const char *name);
};

/*
 * l inode->lock   s inode->spin   a atomic   c constant once it is in the cache
 */
struct inode {
	u32 refs;			    /* a */
	racy_u32 mode;			    /* l to write; racy reads */
	u64 ino;			    /* c */
	struct super_block *sb;		    /* c; outlives its inodes */
	const struct inode_operations *ops; /* c */
	const struct file_operations
		*fops; /* c: default for files opened on it; devices, fifos get theirs at open */
	racy_u32 uid, gid;			    /* l to write; racy reads */
	racy_u32 nlink;				    /* s to write; racy reads */
	racy_u32 state;				    /* l to write: INODE_*; racy reads */
	dev_t rdev;				    /* c */
	u64 size;				    /* l to write; atomic reads */
	u64 blocks;				    /* l to write, of 512 bytes */
	struct timespec atime, mtime, ctime, btime; /* s */
	struct rwsem lock;
	struct spinlock spin;
	struct file_lock_list *locks; /* s: POSIX and flock locks, allocated at first use */
	struct pipe *pipe;	      /* s: an open fifo's */
	struct unix_sock *sock;	      /* s: bound AF_UNIX socket */
	struct watch *watches;	      /* s: inotify's */
	u32 watch_mask;	 /* s to write, a: IN_* that any of these wants; 0: there are none */
	u32 writers;	 /* a: open for writing (ETXTBSY), counted by the VFS */
	u32 exec_denied; /* a: being executed: deny writers */
	void *priv;	 /* the file system's */
	struct rcu_head rcu;
};
#define INODE_DEAD 1u	  /* a removed directory: nothing is created in it */
#define INODE_LINKABLE 2u /* O_TMPFILE without O_EXCL: may get its first name */
/*
 * refs 1, times now, nlink 1 (directories 2); uid and gid of the current fs credentials. NULL: no
 * memory.
 */
must_check struct inode *inode_alloc(struct super_block *sb, u64 ino, u32 mode);
/* For a new inode in dir: gid and the set-gid bit as a set-gid directory wants them. */
void inode_init_owner(struct inode *i, const struct inode *dir);
struct inode *inode_get(struct inode *i);
/* Under RCU, for tables of inodes that hold no reference: +1, or false if the last one is gone. */
must_check bool inode_tryget(struct inode *i);
void inode_put(struct inode *i);
void inode_inc_nlink(struct inode *i);
void inode_dec_nlink(struct inode *i);
void inode_set_nlink(struct inode *i, u32 n);
u64 inode_size(const struct inode *i);
void inode_touch(struct inode *i, u32 attr_mask); /* now: ATTR_ATIME, ATTR_MTIME, ATTR_CTIME */
struct timespec inode_now(void);		  /* the time that inode_touch() uses */
int generic_permission(struct inode *inode, int mask, const struct cred *cred);
int inode_permission(struct inode *inode,
		     int mask); /* MAY_*, current's fs credentials; also read-only super blocks */
void generic_getattr(struct inode *inode, struct kstat *st);
int generic_setattr(struct inode *inode, struct iattr *a);
#define MAY_EXEC 1
#define MAY_WRITE 2
#define MAY_READ 4

/* ---- dentries ---- */

/*
 * A name in a directory. `dn` holds (directory, name) and is replaced whole by rename, so lock-free
 * readers never see a mixture.
 *
 * A negative dentry may become positive (d_instantiate, with the directory's lock held), never the
 * other way round: whoever holds a reference on a positive dentry can use d->inode.
 *
 * l lock   p parent's lock   r rename: both directories' inode locks + sb->rename_mutex   c
 * constant
 */
struct dentry {
	u32 refs;	       /* a; 0: only cached */
	u32 flags;	       /* l to write, a: DENTRY_* */
	struct dentry *parent; /* r + l; RCU. Its own parent if root. +1 */
	struct inode *inode;   /* RCU; NULL: negative. +1 */
	char *name;	       /* r + l, RCU: that of dn. Stable under the directory's inode lock */
	u32 name_len;	       /* r + l */
	struct dname *dn;      /* r + l; RCU */
	struct super_block *sb;	       /* c; outlives its dentries */
	struct spinlock lock;	       /* rank DCACHE */
	struct cds_list_head children; /* l */
	struct cds_list_head sibling;  /* p */
	struct cds_list_head lru;      /* the LRU's lock */
	void *priv;  /* the file system's, e.g. a name's state; freed by super_ops->d_release */
	u32 mounted; /* a: mounts on top of it */
	struct rcu_head rcu;
};
#define DENTRY_HASHED 1u
#define DENTRY_DISCONNECTED 2u /* no directory: pipes, sockets, memfds; its name is its path */
#define DENTRY_ON_LRU 4u
#define DENTRY_REFERENCED 8u /* used since it got on the LRU */

must_check struct dentry *d_alloc(struct dentry *parent, const char *name,
				  size_t len); /* unhashed, refs 1. NULL: no memory */
must_check struct dentry *d_alloc_root(struct super_block *sb,
				       struct inode *root); /* takes the inode, also on failure */
/*
 * For pipes etc.; takes the inode, also on failure. The name is what /proc/PID/fd shows:
 * "pipe:[1]", "/memfd:x (deleted)".
 */
must_check struct dentry *d_alloc_anon(struct super_block *sb, struct inode *inode,
				       const char *name);
void d_instantiate(struct dentry *d, struct inode *inode); /* takes the inode reference */
void d_drop(struct dentry *d); /* unhash: it isn't found any more, its users keep it */
/*
 * The name is gone (the directory's lock is held): d is unhashed with its inode, and a negative
 * dentry takes its place.
 */
void d_make_negative(struct dentry *d);
struct dentry *d_get(struct dentry *d);
void d_put(struct dentry *d);
/*
 * Under RCU, or with a reference on d. Without the directory's lock a negative dentry may be
 * becoming positive.
 */
static inline struct inode *d_inode(const struct dentry *d)
{
	return load_acquire(&d->inode);
}
/* The top of its tree, which it always is or never: no lock needed. */
static inline bool d_is_root(const struct dentry *d)
{
	return load_relaxed(&d->parent) == d;
}
/* For ".." when a directory is read. */
static inline u64 d_parent_ino(struct dentry *d)
{
	u64 ino;

	rcu_read_lock();
	ino = rcu_dereference(rcu_dereference(d->parent)->inode)->ino;
	rcu_read_unlock();
	return ino;
}
/*
 * Looks name up in dir, cache first; +1, maybe negative. ERR_PTR. Takes dir's inode lock for a
 * miss.
 */
must_check struct dentry *d_lookup_or_load(struct dentry *dir, const char *name, size_t len);
/* The same with dir's inode lock held for writing by the caller. */
must_check struct dentry *d_lookup_or_load_locked(struct dentry *dir, const char *name, size_t len);
/* Forgets what is cached and unused below dir. */
void d_prune_children(struct dentry *dir);

/* ---- mounts and paths ---- */

struct mount {
	u32 refs; /* a */
	int id;
	u32 writers;	     /* a: files open for writing */
	struct mount_at *at; /* RANK_MOUNT to write, RCU: (parent, mount point); NULL: the root, or
				detached */
	struct dentry *root; /* c, +1 */
	struct super_block *sb; /* c, +1 */
	u64 flags;		/* a: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME ... */
	struct cds_list_head link;     /* RANK_MOUNT: all mounts, in order of mounting */
	struct cds_list_head children; /* RANK_MOUNT: mounts on top of this one */
	struct cds_list_head sibling;  /* RANK_MOUNT */
	struct rcu_head rcu;
};
struct mount *mnt_get(struct mount *m);
void mnt_put(struct mount *m);

/* For /proc/PID/mounts and mountinfo. Strings are valid during the call, raw (not escaped). */
struct mount_info {
	int id, parent_id;
	dev_t dev;
	const char *root;  /* path within the file system */
	const char *point; /* as seen from the given root */
	const char *type, *source;
	const char *mnt_options; /* "rw,nosuid" */
	const char *sb_options;	 /* "rw,size=..." */
};
/*
 * Calls fn for each mount at or below `root`, in order of mounting, until it returns nonzero, which
 * is returned. -ENOMEM. fn may sleep.
 */
must_check int mounts_for_each(const struct path *root,
			       int (*fn)(const struct mount_info *mi, void *arg), void *arg);

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};
void path_get(const struct path *p);
void path_put(struct path *p);

#define LOOKUP_FOLLOW 1u    /* follow a final symlink */
#define LOOKUP_DIRECTORY 2u /* the last component must be a directory */
#define LOOKUP_EMPTY 4u	    /* "" means dfd itself */
#define LOOKUP_NO_SYMLINKS 8u
#define LOOKUP_BENEATH 0x10u
#define LOOKUP_IN_ROOT 0x20u
#define LOOKUP_NO_XDEV 0x40u
#define LOOKUP_NO_MAGICLINKS 0x80u
/*
 * Resolves a kernel string; +1 on path. -ENOENT, -ENOTDIR, -ELOOP, -EACCES, -ENAMETOOLONG, -EBADF
 * ...
 */
must_check int path_lookup(int dfd, const char *name, unsigned flags, struct path *out);
must_check int user_path_lookup(int dfd, uaddr_t name, unsigned flags, struct path *out);
/*
 * Creates at name: parent locked (for writing) and checked for permission, a negative dentry
 * returned; then one of vfs_mknod(), the directory's operations; finish with path_create_done().
 * -EEXIST, -EROFS, -EACCES ...
 */
must_check int path_create(int dfd, const char *name, bool is_dir, struct path *parent,
			   struct dentry **d);
void path_create_done(struct path *parent, struct dentry *d);
/* Device, fifo, socket or regular file; mode with type, umask applied. */
must_check int vfs_mknod(const struct path *parent, struct dentry *d, u32 mode, dev_t dev);
/*
 * Takes away parent's name d, no directory's; parent is locked for writing. Permission isn't
 * checked. -EPERM, the file system's errors.
 */
must_check int vfs_unlink(const struct path *parent, struct dentry *d);
/*
 * The path as the current root sees it, " (deleted)" where Linux has it. Pointer into buf or
 * ERR_PTR(-ENAMETOOLONG).
 */
char *path_name(const struct path *p, char *buf, size_t size);
/* For /proc/PID/...: relative to another root. */
char *path_name_root(const struct path *p, const struct path *root, char *buf, size_t size);
/*
 * Boot and mount(2). They take references of their own: the caller still puts the one that
 * type->mount() gave.
 */
must_check int mount_root(struct super_block *sb, u64 flags);
must_check int mount_at(const struct path *where, struct super_block *sb, struct dentry *root,
			u64 flags);
extern struct mount *root_mount;

/* cwd, root, umask: shared by CLONE_FS. */
struct fs_context {
	u32 refs;  /* a */
	u32 users; /* a: tasks that have it; who looks at a task's only has a reference */
	struct spinlock lock; /* rank FS */
	struct path root, pwd;
	u32 umask;
};
must_check struct fs_context *fs_context_new(
	const struct fs_context *from); /* NULL from: root_mount; NULL: no memory */
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
/*
 * The same for a task that is one more user of it, and that no longer is. fs_context_new()'s is for
 * a user.
 */
struct fs_context *fs_context_share(struct fs_context *fs);
void fs_context_leave(struct fs_context *fs);
void fs_get_root(struct path *out); /* of current, +1; before the first task: root_mount's */
void fs_get_pwd(struct path *out);
u32 fs_umask(void);

/* ---- open files ---- */

struct dir_context {
	/*
	 * false: buffer full, stop. pos is the cookie with which reading goes on behind this entry.
	 */
	bool (*emit)(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		     u64 next_pos);
	/*
	 * Where to start (file->pos). Who passes over entries moves it behind them: if nothing was
	 * emitted but it has moved, there may be more.
	 */
	u64 pos;
	/*
	 * Bytes of struct dirent64 that will be taken: no more need to be read. Once there is
	 * something, this is the end of it. 0: all is wanted.
	 */
	size_t room;
};

/*
 * NULL operations have the default that the comment gives. File position: VFS holds file->pos_lock
 * around read/write/iterate/llseek that use f->pos (FMODE_ATOMIC_POS). No inode lock is held by the
 * VFS: operations take what they need. The VFS does: access modes, RLIMIT_FSIZE, SIGPIPE on -EPIPE
 * (unless FMODE_NOSIGPIPE), atime, clearing of set-id bits by writes. Operations do: mtime, ctime,
 * size, O_APPEND, -EFBIG beyond what they can store.
 */
struct file_operations {
	ssize_t (*read)(struct file *f, struct iov_iter *to, u64 *pos); /* NULL: -EINVAL */
	ssize_t (*write)(struct file *f, struct iov_iter *from,
			 u64 *pos); /* NULL: -EINVAL. O_APPEND is the operation's business */
	s64 (*llseek)(struct file *f, s64 off,
		      int whence); /* NULL: generic_llseek on inode size; no_llseek: -ESPIPE */
	int (*iterate)(struct file *f, struct dir_context *dc); /* NULL: -ENOTDIR */
	u32 (*poll)(struct file *f, struct poll_table *pt);	/* NULL: always ready */
	long (*ioctl)(struct file *f, unsigned cmd, u64 arg); /* NULL: -ENOTTY; -ENOIOCTLCMD too */
	int (*mmap)(struct file *f, int prot, int flags, u64 off, size_t len,
		    struct mmap_target *t); /* NULL: -ENODEV */
	int (*open)(struct inode *inode, struct file *f);
	/*
	 * O_ASYNC on or off: fasync_helper() does it. NULL: such files have none. <0, or whether
	 * anything has changed.
	 */
	int (*fasync)(int fd, struct file *f, bool on);
	int (*flush)(struct file *f);		     /* each close(2) */
	void (*release)(struct file *f);	     /* last reference is gone; may sleep */
	int (*fsync)(struct file *f, bool datasync); /* NULL: -EINVAL */
	int (*fallocate)(struct file *f, int mode, u64 off, u64 len); /* NULL: -EOPNOTSUPP */
	/*
	 * From in to out, two regular files of one super block with this operation, up to n bytes,
	 * which in has. share: only by sharing the storage, all or nothing. Bytes; -EOPNOTSUPP:
	 * reads and writes have to do.
	 */
	ssize_t (*copy_range)(struct file *in, u64 pos_in, struct file *out, u64 pos_out, size_t n,
			      bool share);
	long (*fcntl)(struct file *f, unsigned cmd,
		      u64 arg); /* F_SETPIPE_SZ, F_ADD_SEALS and the like; NULL: -EINVAL
				   (F_*PIPE_SZ: -EBADF) */
	void (*show_fdinfo)(struct file *f, char *buf, size_t size);
	/*
	 * Memory of /dev files etc. for splice-like copies need nothing else: sendfile uses read
	 * and write.
	 */
};

/* Whom an open file signals, and how: F_SETOWN, F_SETSIG. kernel/fs/owner.c */
struct file_owner {
	struct pid *pid; /* +1; NULL: nobody */
	int type;	 /* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP */
	int sig;	 /* 0: SIGIO, without details */
	u32 uid, euid;	 /* of who set the owner: whom these may signal it signals */
};

/*
 * Type-stable: the memory of a closed file may become another file at once, but nothing else before
 * a grace period. So lock-free lookups (fd_get) take a reference first and then check that it is
 * still the file they wanted.
 *
 * o constant after open   a atomic
 */
struct file {
	u64 refs;  /* a: descriptors and messages that hold it may be more than 32 bits count */
	u32 flags; /* a: O_* status flags (O_APPEND, O_NONBLOCK ...) */
	u32 mode;  /* o: FMODE_* */
	const struct file_operations *ops; /* o */
	struct inode *inode;	 /* o: == path.dentry->inode, held by the dentry or f itself (+1) */
	struct path path;	 /* o, +1; mnt may be NULL for anonymous files */
	struct mutex pos_lock;	 /* rank FILE_POS */
	u64 pos;		 /* pos_lock */
	struct cred *cred;	 /* o: who opened it */
	void *priv;		 /* the driver's */
	u32 wb_seen;		 /* a: how many errors of writing back of the inode it knows of
				    (kernel/fs/wb_err.h) */
	struct spinlock lock;	 /* rank MISC: owner */
	struct file_owner owner; /* lock */
	struct fasync *fasync;	 /* lock; a to read: its places on lists of files with O_ASYNC */
	struct cds_list_head epoll_links; /* lock: epoll entries that watch this file */
	struct rcu_head rcu;
};
#define FMODE_READ 1u
#define FMODE_WRITE 2u
#define FMODE_LSEEK 4u	       /* pread, pwrite, lseek make sense */
#define FMODE_PATH 8u	       /* O_PATH */
#define FMODE_ATOMIC_POS 0x10u /* regular files and directories: take pos_lock */
#define FMODE_WRITER 0x20u     /* counted in inode->writers */
#define FMODE_NOSIGPIPE 0x40u  /* -EPIPE of write raises no signal (datagram sockets) */
/*
 * Set by ops->open: positions are addresses, all 64 bits of them, and no sizes: RLIMIT_FSIZE has no
 * say.
 */
#define FMODE_UNSIGNED_OFFSET 0x80u
static inline u32 file_flags(const struct file *f)
{
	return load_relaxed(&f->flags);
}
static inline bool file_nonblock(const struct file *f)
{
	return file_flags(f) & O_NONBLOCK;
}

/* Opens by kernel path. ERR_PTR. */
must_check struct file *file_open(int dfd, const char *name, int flags, u32 mode);
must_check struct file *file_open_path(const struct path *p,
				       int flags); /* takes its own references */
/*
 * All three: FMODE_READ and FMODE_WRITE come from flags; ops->release is not called when they fail.
 */
/*
 * A file without a name (pipe, eventfd, socket ...): inode in the internal super block "anon"; name
 * as /proc/PID/fd shows, e.g. "anon_inode:[eventfd]".
 */
must_check struct file *file_open_anon(const char *name, const struct file_operations *ops,
				       void *priv, int flags);
/* The same with an inode of its own (st_ino, S_IFIFO, S_IFSOCK): shown as "pipe:[INO]". */
must_check struct file *file_open_anon_inode(const char *prefix, u32 mode,
					     const struct file_operations *ops, void *priv,
					     int flags);
/* One more open file on the inode of f, which is such a file: the other end of a pipe. */
must_check struct file *file_open_anon_again(struct file *f, const struct file_operations *ops,
					     void *priv, int flags);
u64 file_max(void); /* how many files can be open */
struct file *file_get(struct file *f);
/* In a task, where sleeping is allowed: the last one releases the file. */
void file_put(struct file *f);
must_check ssize_t kernel_read(struct file *f, void *buf, size_t n,
			       u64 pos); /* as far as it goes; short at EOF */
s64 generic_llseek(struct file *f, s64 off, int whence);
s64 no_llseek(struct file *f, s64 off, int whence);
s64 noop_llseek(struct file *f, s64 off,
		int whence); /* lseek gives 0, pread is still -ESPIPE: event descriptors */

/* ---- fd tables (kernel/fs/fdtable.c) ---- */

struct files;
must_check struct files *files_new(void);
must_check struct files *files_dup(struct files *from); /* fork without CLONE_FILES. ERR_PTR */
struct files *files_get(struct files *f);
bool files_shared(
	const struct files *f);	 /* has it another user? racy, but a sole user remains one */
void files_put(struct files *f); /* closes all with the last reference */
void files_close_on_exec(struct files *f);
/* current's; +1 or NULL. fd_get refuses O_PATH files, fd_get_raw doesn't. Lock-free. */
must_check struct file *fd_get(int fd);
must_check struct file *fd_get_raw(int fd);
must_check struct file *files_lookup(struct files *f, int fd); /* another task's */
/* Reserves the lowest free fd >= from (RLIMIT_NOFILE: -EMFILE); then install or put back. */
must_check int fd_reserve(int from, bool cloexec);
void fd_install(int fd, struct file *f); /* takes the reference */
void fd_unreserve(int fd);
/* Both in one: takes the reference even on failure. The fd or -errno (also if f is an ERR_PTR). */
must_check int fd_add(struct file *f, bool cloexec);
int fd_close(int fd);
/* The next open fd >= from, or -1, for /proc. */
int files_next(struct files *f, int from);
bool files_cloexec(struct files *f, int fd);

/* ---- devices ---- */

/* Character devices register operations by number; devtmpfs makes the nodes. */
struct char_device {
	const char *name; /* path below /dev */
	dev_t dev;
	u32 mode;
	const struct file_operations *ops;
};
extern const struct char_device *const char_devices[]; /* ends with NULL: kernel/dev/table.c */
const struct file_operations *chrdev_ops(dev_t dev);   /* NULL: -ENXIO */
extern const struct file_operations fifo_ops;	       /* open of a fifo inode: kernel/ipc/fifo.c */

/* Boot: caches, the internal super block. Before anything else here. */
must_check int vfs_init(void);
/* Shutdown, when no CPU runs any more: file systems leave their storage as whole as they can. */
void vfs_stop(void);
/*
 * Before that, where somebody wants to know what is left then (debug builds): unmounts everything,
 * the root, too. The number of super blocks that somebody still holds. One task, no other.
 */
must_check u32 vfs_take_down(void);
struct vfs_stats {
	u64 unused, inodes, files;
};
void vfs_get_stats(struct vfs_stats *st);
/*
 * The credentials that file access is checked with. Before the first task: all capabilities. Not a
 * new reference.
 */
const struct cred *vfs_cred(void);

/* ---- locks on files ---- */
void file_locks_release_posix(struct file *f, struct files *owner); /* at each close */
void file_locks_release_flock(struct file *f);			    /* at release */

enum file_lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };
struct file_lock_info {
	enum file_lock_kind kind;
	bool exclusive;
	pid_t pid; /* the process that took it; -1: LOCK_OFD */
	dev_t dev;
	u64 ino;
	u64 start, end; /* bytes, inclusive; INT64_MAX: to the end of the file and beyond */
};
/*
 * For /proc/locks: each lock that is held, those of an inode together. fn is called with spinlocks
 * held: it doesn't sleep.
 */
void file_locks_for_each(void (*fn)(const struct file_lock_info *info, void *arg), void *arg);

#endif
