/*
 * open(2) and its family.
 *
 * open_once() finds or creates the file; finish() checks access and makes the struct file. The file
 * is opened after the directory's lock is given back, as nobody can tell the difference.
 */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"
#include <linux/openat2.h>

#define OPEN_FLAGS                                                                                 \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |      \
	 O_ASYNC | O_DIRECT | O_LARGEFILE_ | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |    \
	 O_PATH | O_TMPFILE)
#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* What an open asks for. */
struct open_op {
	u32 flags, mode;
	unsigned lookup; /* LOOKUP_* */
	int acc;	 /* MAY_* */
	bool created;	 /* by us: no permission needed, nothing to truncate */
};

/* ---- a struct file for a path ---- */

/* Who denies writers counts first, too, so that one of two sees the other. */
int inode_get_write_access(struct inode *inode)
{
	__atomic_fetch_add(&inode->writers, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&inode->exec_denied, __ATOMIC_SEQ_CST)) {
		inode_put_write_access(inode);
		return -ETXTBSY;
	}
	return 0;
}

void inode_put_write_access(struct inode *inode)
{
	__atomic_fetch_sub(&inode->writers, 1, __ATOMIC_RELEASE);
}

static int get_writer(struct file *f)
{
	int err = inode_get_write_access(f->inode);

	if (err)
		return err;
	if (f->path.mnt)
		__atomic_fetch_add(&f->path.mnt->writers, 1, __ATOMIC_RELAXED);
	f->mode |= FMODE_WRITER;
	return 0;
}

/* The operations for what the inode is. */
static int choose_ops(struct file *f, const struct path *p)
{
	struct inode *inode = f->inode;

	switch (inode->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
		f->mode |= FMODE_LSEEK | FMODE_ATOMIC_POS;
		f->ops = inode->fops;
		break;
	case S_IFCHR:
		f->mode |= FMODE_LSEEK;
		f->ops = chrdev_ops(inode->rdev);
		break;
	case S_IFIFO:
		f->ops = inode->fops ? inode->fops
				     : &fifo_ops; /* the host's pipe that is our stdin */
		break;
	case S_IFLNK:
		return -ELOOP;
	default:
		f->ops = NULL; /* sockets, block devices, anonymous inodes */
	}
	return f->ops ? 0 : -ENXIO;
}

/* Fills a new file and opens it; its mode (READ, WRITE) is set. The caller puts f if this fails. */
static int open_inode(struct file *f, const struct path *p)
{
	int err;

	path_get(p);
	f->path = *p;
	f->inode = p->dentry->inode;
	err = choose_ops(f, p);
	if (!err && f->mode & FMODE_WRITE && S_ISREG(f->inode->mode))
		err = get_writer(f);
	if (!err && f->ops->open)
		err = f->ops->open(f->inode, f);
	if (err) {
		f->ops = NULL; /* no release */
		return err;
	}
	if (f->ops->llseek == no_llseek)
		f->mode &= ~FMODE_LSEEK;
	__atomic_fetch_and(&f->flags, ~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC),
			   __ATOMIC_RELAXED);
	return 0;
}

static struct file *open_o_path(const struct path *p, u32 flags)
{
	struct file *f = file_alloc(flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));

	if (IS_ERR(f))
		return f;
	path_get(p);
	f->path = *p;
	f->inode = p->dentry->inode;
	f->mode = FMODE_PATH;
	return f;
}

struct file *file_open_path(const struct path *p, int flags)
{
	struct file *f;
	int err;

	if (flags & O_PATH)
		return open_o_path(p, flags);
	f = file_alloc(flags & ~O_CLOEXEC);
	if (IS_ERR(f))
		return f;
	f->mode = (flags + 1) & (FMODE_READ | FMODE_WRITE);
	err = open_inode(f, p);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

/* ---- checks ---- */

static int may_open(const struct path *p, const struct open_op *op)
{
	struct inode *inode = p->dentry->inode;
	u32 type = inode->mode & S_IFMT;
	int err;

	if (type == S_IFLNK)
		return -ELOOP;
	if (type == S_IFDIR && (op->acc & MAY_WRITE || op->flags & O_CREAT))
		return -EISDIR;
	if ((type == S_IFCHR || type == S_IFBLK) && path_mnt_flags(p) & MS_NODEV)
		return -EACCES;
	if (op->created)
		return 0;
	/* Devices, fifos and sockets may be written on read-only file systems. */
	if (op->acc & MAY_WRITE && (type == S_IFREG || type == S_IFDIR)) {
		err = path_want_write(p);
		if (err)
			return err;
	}
	err = inode_permission(inode, op->acc);
	if (err)
		return err;
	if (op->flags & O_NOATIME && !inode_owner_or_capable(inode))
		return -EPERM;
	return 0;
}

/* O_TRUNC makes a writer of whoever opens for reading, too, as long as it takes. */
static int truncate_open(const struct path *p, struct file *f)
{
	bool counted = f->mode & FMODE_WRITER;
	int err;

	if (!S_ISREG(f->inode->mode))
		return 0;
	err = counted ? 0 : inode_get_write_access(f->inode);
	if (err)
		return err;
	err = do_truncate(p, 0, f, ATTR_OPEN);
	if (!counted)
		inode_put_write_access(f->inode);
	return err;
}

static struct file *finish(const struct path *p, struct open_op *op)
{
	struct file *f;
	int err;

	if (op->flags & O_PATH)
		return open_o_path(p, op->flags);
	err = may_open(p, op);
	if (err)
		return ERR_PTR(err);
	f = file_open_path(p, op->flags);
	if (IS_ERR(f))
		return f;
	notify_file(f, IN_OPEN);
	err = op->flags & O_TRUNC && !op->created ? truncate_open(p, f) : 0;
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

/* ---- O_CREAT ---- */

/* With the directory locked: the last component, made if it isn't there. +1. */
static struct dentry *look_or_make(struct walk *w, struct open_op *op)
{
	struct inode *dir = w->cur.dentry->inode;
	struct dentry *d = d_lookup_or_load_locked(w->cur.dentry, w->last, w->last_len);
	int err;

	if (IS_ERR(d) || d->inode)
		return d;
	err = may_create(&w->cur);
	if (!err && !dir->ops->create)
		err = missing_op(dir, -EACCES);
	else if (!err)
		err = dir->ops->create(dir, d, S_IFREG | (op->mode & 07777 & ~fs_umask()));
	if (err) {
		d_put(d);
		return ERR_PTR(err);
	}
	notify_create(dir, d);
	op->created = true;
	return d;
}

/*
 * The walk stands at the directory: steps into the last component. 0, 1 (symlink followed), -errno.
 */
static int create_step(struct walk *w, struct open_op *op)
{
	struct dentry *d;

	if (w->last_type != LAST_NORM) {
		int err = op->flags & O_EXCL ? -EEXIST : walk_special(w);

		return err;
	}
	if (w->slashes)
		return -EISDIR;
	d = d_lookup(w->cur.dentry, w->last, w->last_len);
	if (!d || !d_inode(d)) {
		if (d)
			d_put(d);
		down_write(&w->cur.dentry->inode->lock);
		d = look_or_make(w, op);
		up_write(&w->cur.dentry->inode->lock);
		if (IS_ERR(d))
			return PTR_ERR(d);
	}
	if (op->flags & O_EXCL && !op->created) {
		d_put(d);
		return -EEXIST;
	}
	return walk_enter(w, d, op->lookup & LOOKUP_FOLLOW);
}

static struct file *open_create(int dfd, const char *name, struct open_op *op)
{
	struct walk w;
	struct file *f;
	int err;

	do {
		op->created = false;
		err = walk_parent(&w, dfd, name, op->lookup, vfs_cred());
		if (err)
			return ERR_PTR(err);
		do {
			err = create_step(&w, op);
		} while (err == 1);
		if (err)
			walk_end(&w);
	} while (err == -EWALKAGAIN);
	if (err)
		return ERR_PTR(err);
	f = finish(&w.cur, op);
	walk_end(&w);
	return f;
}

/* ---- O_TMPFILE ---- */

static int make_tmpfile(const struct path *dir, struct open_op *op, struct path *out)
{
	struct inode *di = dir->dentry->inode, *inode = NULL;
	char name[32];
	int err;

	down_write(&di->lock);
	err = may_create(dir);
	if (!err)
		err = di->ops->tmpfile ? 0 : -EOPNOTSUPP;
	if (!err)
		err = di->ops->tmpfile(di, &inode, S_IFREG | (op->mode & 07777 & ~fs_umask()));
	up_write(&di->lock);
	if (err)
		return err;
	if (!(op->flags & O_EXCL))
		inode->state |= INODE_LINKABLE;
	snprintf(name, sizeof(name), "#%llu", (unsigned long long)inode->ino);
	out->dentry = d_alloc(dir->dentry, name, strlen(name));
	if (!out->dentry) {
		inode_put(inode);
		return -ENOMEM;
	}
	d_instantiate(out->dentry, inode);
	out->mnt = mnt_get(dir->mnt);
	return 0;
}

static struct file *open_tmpfile(int dfd, const char *name, struct open_op *op)
{
	struct path dir, p;
	struct file *f;
	int err = path_lookup(dfd, name, op->lookup | LOOKUP_DIRECTORY, &dir);

	if (err)
		return ERR_PTR(err);
	err = make_tmpfile(&dir, op, &p);
	path_put(&dir);
	if (err)
		return ERR_PTR(err);
	op->created = true;
	op->flags &= ~(u32)O_TMPFILE;
	f = finish(&p, op);
	if (!IS_ERR(f))
		__atomic_fetch_or(&f->flags, O_TMPFILE, __ATOMIC_RELAXED);
	path_put(&p);
	return f;
}

/* ---- all together ---- */

static int parse_flags(struct open_op *op, u64 flags, u32 mode, u64 resolve)
{
	static const int acc[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};

	*op = (struct open_op){.flags = flags, .mode = mode, .acc = acc[flags & O_ACCMODE]};
	if (flags & O_PATH) { /* beats all others */
		op->flags &= PATH_FLAGS;
		op->acc = 0;
	}
	if ((op->flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	if (op->flags & TMPFILE_BIT && (!(op->flags & O_DIRECTORY) || !(op->acc & MAY_WRITE)))
		return -EINVAL;
	if (op->flags & O_TRUNC)
		op->acc |= MAY_WRITE;
	if (op->flags & O_DIRECTORY && !(op->flags & TMPFILE_BIT))
		op->lookup |= LOOKUP_DIRECTORY;
	if (!(op->flags & O_NOFOLLOW) && (op->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		op->lookup |= LOOKUP_FOLLOW;
	op->lookup |= (resolve & RESOLVE_NO_XDEV ? LOOKUP_NO_XDEV : 0) |
		      (resolve & RESOLVE_NO_MAGICLINKS ? LOOKUP_NO_MAGICLINKS : 0) |
		      (resolve & RESOLVE_NO_SYMLINKS ? LOOKUP_NO_SYMLINKS : 0) |
		      (resolve & RESOLVE_BENEATH ? LOOKUP_BENEATH : 0) |
		      (resolve & RESOLVE_IN_ROOT ? LOOKUP_IN_ROOT : 0);
	return 0;
}

static struct file *open_once(int dfd, const char *name, u64 flags, u32 mode, u64 resolve)
{
	struct open_op op;
	struct path p;
	struct file *f;
	int err = parse_flags(&op, flags, mode, resolve);

	if (err)
		return ERR_PTR(err);
	if (op.flags & TMPFILE_BIT)
		return open_tmpfile(dfd, name, &op);
	if (op.flags & O_CREAT)
		return open_create(dfd, name, &op);
	err = path_lookup(dfd, name, op.lookup, &p);
	if (err)
		return ERR_PTR(err);
	f = finish(&p, &op);
	path_put(&p);
	return f;
}

/*
 * A file system that finds another file under the name than it knew drops the dentry and says
 * ESTALE: the walk is repeated once.
 */
static struct file *open_how(int dfd, const char *name, u64 flags, u32 mode, u64 resolve)
{
	struct file *f = open_once(dfd, name, flags, mode, resolve);

	return f == ERR_PTR(-ESTALE) ? open_once(dfd, name, flags, mode, resolve) : f;
}

struct file *file_open(int dfd, const char *name, int flags, u32 mode)
{
	return open_how(dfd, name, (u32)flags & OPEN_FLAGS, mode, 0);
}

/* ---- system calls ---- */

static long do_sys_open(int dfd, uaddr_t upath, u64 flags, u32 mode, u64 resolve)
{
	char *name = path_from_user(upath);
	struct file *f;
	int fd;

	if (IS_ERR(name))
		return PTR_ERR(name);
	fd = fd_reserve(0, flags & O_CLOEXEC);
	if (fd >= 0) {
		f = open_how(dfd, name, flags, mode, resolve);
		if (IS_ERR(f)) {
			fd_unreserve(fd);
			fd = PTR_ERR(f);
		} else {
			fd_install(fd, f);
		}
	}
	kfree(name);
	return fd;
}

long sys_openat(int dfd, uaddr_t path, int flags, unsigned int mode)
{
	return do_sys_open(dfd, path, ((u32)flags & OPEN_FLAGS) | O_LARGEFILE_, mode, 0);
}

long sys_open(uaddr_t path, int flags, unsigned int mode)
{
	return sys_openat(AT_FDCWD, path, flags, mode);
}

long sys_creat(uaddr_t path, unsigned int mode)
{
	return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int copy_how(struct open_how *how, uaddr_t uhow, size_t size)
{
	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(how, sizeof(*how), uhow, size);
}

long sys_openat2(int dfd, uaddr_t path, uaddr_t uhow, size_t size)
{
	const u64 resolve_flags = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
				  RESOLVE_BENEATH | RESOLVE_IN_ROOT;
	struct open_how how;
	int err = copy_how(&how, uhow, size);

	if (err)
		return err;
	if (how.flags & ~(u64)(u32)OPEN_FLAGS)
		return -EINVAL;
	if (how.resolve & RESOLVE_CACHED)
		return -EAGAIN; /* allowed at any time: the caller asks again without */
	if (how.resolve & ~resolve_flags || (how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) ==
						    (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EINVAL;
	if (how.flags & (O_CREAT | TMPFILE_BIT) ? how.mode & ~(u64)07777 : how.mode)
		return -EINVAL;
	if (how.flags & O_PATH && how.flags & ~(u64)PATH_FLAGS)
		return -EINVAL;
	return do_sys_open(dfd, path, how.flags | O_LARGEFILE_, how.mode, how.resolve);
}
