/* What is known of a file and of its file system: the stat family, statx, statfs, readlink. */
#include "vfs.h"
#include <linux/stat.h>
#include <sys/vfs.h>

static int path_getattr(const struct path *p, struct kstat *st)
{
	struct inode *i = p->dentry->inode;

	if (i->ops && i->ops->getattr)
		return i->ops->getattr(i, st);
	generic_getattr(i, st);
	return 0;
}

static int put_stat(const struct path *p, uaddr_t ust)
{
	struct kstat k = {};
	struct stat st = {};
	int err = path_getattr(p, &k);

	if (err)
		return err;
	st.st_dev = k.dev;
	st.st_ino = k.ino;
	st.st_nlink = k.nlink;
	st.st_mode = k.mode;
	st.st_uid = k.uid;
	st.st_gid = k.gid;
	st.st_rdev = k.rdev;
	st.st_size = k.size;
	st.st_blksize = k.blksize;
	st.st_blocks = k.blocks;
	st.st_atim = k.atime;
	st.st_mtim = k.mtime;
	st.st_ctim = k.ctime;
	return copy_to_user(ust, &st, sizeof(st)) ? -EFAULT : 0;
}

/* AT_* flags to LOOKUP_* ones. */
static unsigned lookup_flags(unsigned at)
{
	return (at & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
	       (at & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

/* A path argument, which may be NULL with AT_EMPTY_PATH as newer kernels have it. */
static int at_path(int dfd, uaddr_t name, unsigned at, struct path *p)
{
	if (!name && at & AT_EMPTY_PATH)
		return path_lookup(dfd, "", lookup_flags(at), p);
	return user_path_lookup(dfd, name, lookup_flags(at), p);
}

long sys_newfstatat(int dfd, uaddr_t name, uaddr_t st, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	err = at_path(dfd, name, flags, &p);
	if (err)
		return err;
	err = put_stat(&p, st);
	path_put(&p);
	return err;
}

long sys_stat(uaddr_t path, uaddr_t st)
{
	return sys_newfstatat(AT_FDCWD, path, st, 0);
}

long sys_lstat(uaddr_t path, uaddr_t st)
{
	return sys_newfstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(int fd, uaddr_t st)
{
	struct file *f = fd_get_raw(fd);
	int err;

	if (!f)
		return -EBADF;
	err = put_stat(&f->path, st);
	file_put(f);
	return err;
}

/* ---- statx ---- */

static struct statx_timestamp statx_time(const struct timespec *ts)
{
	return (struct statx_timestamp){.tv_sec = ts->tv_sec, .tv_nsec = ts->tv_nsec};
}

static int put_statx(const struct path *p, uaddr_t ust)
{
	struct kstat k = {};
	struct statx sx = {};
	int err = path_getattr(p, &k);

	if (err)
		return err;
	sx.stx_mask = STATX_BASIC_STATS | STATX_MNT_ID | (k.has_btime ? STATX_BTIME : 0);
	sx.stx_blksize = k.blksize;
	sx.stx_attributes_mask = STATX_ATTR_MOUNT_ROOT;
	if (p->mnt && p->dentry == p->mnt->root)
		sx.stx_attributes = STATX_ATTR_MOUNT_ROOT;
	sx.stx_nlink = k.nlink;
	sx.stx_uid = k.uid;
	sx.stx_gid = k.gid;
	sx.stx_mode = k.mode;
	sx.stx_ino = k.ino;
	sx.stx_size = k.size;
	sx.stx_blocks = k.blocks;
	sx.stx_atime = statx_time(&k.atime);
	sx.stx_mtime = statx_time(&k.mtime);
	sx.stx_ctime = statx_time(&k.ctime);
	if (k.has_btime)
		sx.stx_btime = statx_time(&k.btime);
	sx.stx_rdev_major = major(k.rdev);
	sx.stx_rdev_minor = minor(k.rdev);
	sx.stx_dev_major = major(k.dev);
	sx.stx_dev_minor = minor(k.dev);
	sx.stx_mnt_id = p->mnt ? p->mnt->id : 0;
	return copy_to_user(ust, &sx, sizeof(sx)) ? -EFAULT : 0;
}

long sys_statx(int dfd, uaddr_t name, unsigned int flags, unsigned int mask, uaddr_t buf)
{
	const unsigned sync = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
	struct path p;
	int err;

	if (mask & STATX__RESERVED || (flags & sync) == sync ||
	    flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | sync))
		return -EINVAL;
	err = at_path(dfd, name, flags, &p);
	if (err)
		return err;
	err = put_statx(&p, buf);
	path_put(&p);
	return err;
}

/* ---- file systems ---- */

static int put_statfs(const struct path *p, uaddr_t ubuf)
{
	struct super_block *sb = p->dentry->sb;
	struct kstatfs k = {.bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX};
	u64 flags = path_mnt_flags(p);
	struct statfs st = {};
	int err = sb->ops && sb->ops->statfs ? sb->ops->statfs(sb, &k) : 0;

	if (err)
		return err;
	st.f_type = k.type;
	st.f_bsize = k.bsize;
	st.f_blocks = k.blocks;
	st.f_bfree = k.bfree;
	st.f_bavail = k.bavail;
	st.f_files = k.files;
	st.f_ffree = k.ffree;
	st.f_fsid.__val[0] = (int)sb->dev;
	st.f_namelen = k.namelen;
	st.f_frsize = k.frsize;
	/* MS_ and ST_ agree on these; 0x20 says that the field is valid. */
	st.f_flags = 0x20 |
		     (flags &
		      (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)) |
		     (sb->flags & ST_RDONLY) |
		     (flags & (MS_NOATIME | MS_STRICTATIME) ? 0 : ST_RELATIME);
	return copy_to_user(ubuf, &st, sizeof(st)) ? -EFAULT : 0;
}

long sys_statfs(uaddr_t path, uaddr_t buf)
{
	struct path p;
	int err = user_path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = put_statfs(&p, buf);
	path_put(&p);
	return err;
}

long sys_fstatfs(int fd, uaddr_t buf)
{
	struct file *f = fd_get_raw(fd);
	int err;

	if (!f)
		return -EBADF;
	err = put_statfs(&f->path, buf);
	file_put(f);
	return err;
}

/* ---- symlinks ---- */

/* A magic link's text is the path that it leads to. */
static char *magic_text(struct inode *inode)
{
	struct path p = {NULL, NULL};
	char *buf, *name, *text;
	int err = inode->ops->follow(inode, &p.mnt, &p.dentry);

	if (err)
		return ERR_PTR(err);
	buf = kmalloc(PATH_MAX);
	name = buf ? path_name(&p, buf, PATH_MAX) : ERR_PTR(-ENOMEM);
	path_put(&p);
	text = IS_ERR(name) ? name : kstrdup(name);
	kfree(buf);
	return text ? text : ERR_PTR(-ENOMEM);
}

static long put_link(const struct path *p, uaddr_t ubuf, size_t size)
{
	struct inode *i = p->dentry->inode;
	char *text;
	size_t len;
	long ret;

	if (i->ops->readlink)
		text = i->ops->readlink(i);
	else
		text = i->ops->follow ? magic_text(i) : ERR_PTR(-EINVAL);
	if (IS_ERR(text))
		return PTR_ERR(text);
	path_accessed(p);
	len = min(strlen(text), size);
	ret = copy_to_user(ubuf, text, len) ? -EFAULT : (long)len;
	kfree(text);
	return ret;
}

long sys_readlinkat(int dfd, uaddr_t path, uaddr_t buf, int size)
{
	struct path p;
	long ret;

	if (size <= 0)
		return -EINVAL;
	ret = user_path_lookup(dfd, path, LOOKUP_EMPTY, &p);
	if (ret)
		return ret;
	if (S_ISLNK(p.dentry->inode->mode)) {
		ret = put_link(&p, buf, size);
	} else {
		char first;

		/*
		 * readlinkat(fd, "") of something else is said to find nothing, a name to be no
		 * link.
		 */
		ret = !get_user(first, path) && !first ? -ENOENT : -EINVAL;
	}
	path_put(&p);
	return ret;
}

long sys_readlink(uaddr_t path, uaddr_t buf, int size)
{
	struct path p;
	long ret;

	if (size <= 0)
		return -EINVAL;
	ret = user_path_lookup(AT_FDCWD, path, 0, &p);
	if (ret)
		return ret;
	ret = S_ISLNK(p.dentry->inode->mode) ? put_link(&p, buf, size) : -EINVAL;
	path_put(&p);
	return ret;
}
