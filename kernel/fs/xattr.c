/*
 * Extended attributes, xattr(7): who may, sizes, and copying; what is stored is the file systems'
 * business. Namespaces: "user." of files and directories goes by the file's permissions, "trusted."
 * and "security." are for the privileged; there are no "system." ones (ACLs).
 */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"
#include <linux/xattr.h>
#include <sys/xattr.h>

struct xattr_req {
	char name[XATTR_NAME_MAX + 1];
	size_t size;
	int flags;
	char *value; /* owned; set: NULL to remove */
};

static bool begins(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static int copy_name(struct xattr_req *r, uaddr_t uname)
{
	ssize_t n = strncpy_from_user(r->name, uname, sizeof(r->name));

	if (n == -ENAMETOOLONG || !n)
		return -ERANGE;
	return n < 0 ? n : 0;
}

/* ---- permission ---- */

static int user_permission(struct inode *i, int mask)
{
	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return mask & MAY_WRITE ? -EPERM : -ENODATA;
	if (mask & MAY_WRITE && S_ISDIR(i->mode) && i->mode & S_ISVTX && !inode_owner_or_capable(i))
		return -EPERM;
	return inode_permission(i, mask);
}

static int xattr_permission(const struct path *p, const char *name, int mask)
{
	struct inode *i = p->dentry->inode;
	int err = mask & MAY_WRITE ? path_want_write(p) : 0;

	if (err)
		return err;
	if (begins(name, XATTR_SYSTEM_PREFIX))
		return -EOPNOTSUPP;
	if (begins(name, XATTR_SECURITY_PREFIX)) {
		if (!(mask & MAY_WRITE) ||
		    capable(strcmp(name, XATTR_NAME_CAPS) ? CAP_SYS_ADMIN : CAP_SETFCAP))
			return 0;
		return -EPERM;
	}
	if (begins(name, XATTR_TRUSTED_PREFIX)) {
		if (capable(CAP_SYS_ADMIN))
			return 0;
		return mask & MAY_WRITE ? -EPERM : -ENODATA;
	}
	if (begins(name, XATTR_USER_PREFIX))
		return user_permission(i, mask);
	err = inode_permission(i, mask);
	return err ? err : -EOPNOTSUPP;
}

/* Is there more than the prefix? */
static int check_suffix(const char *name)
{
	return strchr(name, '.')[1] ? 0 : -EINVAL;
}

/* ---- one of each, on a path ---- */

static long do_set(const struct path *p, const struct xattr_req *r)
{
	struct inode *i = p->dentry->inode;
	int err = xattr_permission(p, r->name, MAY_WRITE);

	if (!err)
		err = check_suffix(r->name);
	if (err)
		return err;
	if (!i->ops || !i->ops->setxattr)
		return -EOPNOTSUPP;
	down_write(&i->lock);
	err = i->ops->setxattr(i, r->name, r->value, r->size, r->flags);
	up_write(&i->lock);
	if (!err)
		notify_dentry(p->dentry, IN_ATTRIB);
	return err;
}

static long do_get(const struct path *p, struct xattr_req *r, uaddr_t uvalue)
{
	struct inode *i = p->dentry->inode;
	ssize_t n = xattr_permission(p, r->name, MAY_READ);
	char *buf = NULL;

	if (!n)
		n = check_suffix(r->name);
	if (n)
		return n;
	if (!i->ops || !i->ops->getxattr)
		return -EOPNOTSUPP;
	r->size = min(r->size, (size_t)XATTR_SIZE_MAX);
	if (r->size) {
		buf = kmalloc(r->size);
		if (!buf)
			return -ENOMEM;
	}
	n = i->ops->getxattr(i, r->name, buf, r->size);
	if (n > 0 && r->size && copy_to_user(uvalue, buf, n))
		n = -EFAULT;
	kfree(buf);
	return n;
}

/* Leaves out what the caller could not read. The length. */
static size_t visible(char *list, size_t n)
{
	bool all = capable(CAP_SYS_ADMIN);
	size_t kept = 0, len;

	for (size_t at = 0; at < n; at += len) {
		len = strlen(list + at) + 1;
		if (!all && begins(list + at, XATTR_TRUSTED_PREFIX))
			continue;
		memmove(list + kept, list + at, len);
		kept += len;
	}
	return kept;
}

/* All names are fetched, whatever was asked for: only then is known how many the caller may see. */
static long do_list(const struct path *p, uaddr_t ulist, size_t size)
{
	struct inode *i = p->dentry->inode;
	ssize_t n;
	char *buf;

	if (!i->ops || !i->ops->listxattr)
		return 0;
	buf = kmalloc(XATTR_LIST_MAX);
	if (!buf)
		return -ENOMEM;
	n = i->ops->listxattr(i, buf, XATTR_LIST_MAX);
	if (n > 0)
		n = visible(buf, n);
	if (n > 0 && size) {
		if ((size_t)n > size)
			n = -ERANGE;
		else if (copy_to_user(ulist, buf, n))
			n = -EFAULT;
	}
	kfree(buf);
	return n;
}

/* ---- arguments ---- */

/* The file that a call means: by path (LOOKUP_FOLLOW or 0), or by descriptor. +1. */
struct target {
	uaddr_t path;
	unsigned lookup;
	int fd;
};

static int target_get(const struct target *t, struct path *p)
{
	struct file *f;

	if (t->path)
		return user_path_lookup(AT_FDCWD, t->path, t->lookup, p);
	f = fd_get(t->fd);
	if (!f)
		return -EBADF;
	*p = f->path;
	path_get(p);
	file_put(f);
	return 0;
}

#define BY_PATH(p, follow) (&(struct target){.path = (p), .lookup = (follow)})
#define BY_FD(n) (&(struct target){.fd = (n)})

static long set(const struct target *t, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	struct xattr_req r = {.size = size, .flags = flags};
	struct path p;
	long ret;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	ret = copy_name(&r, name);
	if (ret)
		return ret;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	r.value = kmalloc(size ? size : 1);
	if (!r.value)
		return -ENOMEM;
	if (size && copy_from_user(r.value, value, size))
		ret = -EFAULT;
	if (!ret)
		ret = target_get(t, &p);
	if (!ret) {
		ret = do_set(&p, &r);
		path_put(&p);
	}
	kfree(r.value);
	return ret;
}

static long get(const struct target *t, uaddr_t name, uaddr_t value, size_t size)
{
	struct xattr_req r = {.size = size};
	struct path p;
	long ret = copy_name(&r, name);

	if (!ret)
		ret = target_get(t, &p);
	if (ret)
		return ret;
	ret = do_get(&p, &r, value);
	path_put(&p);
	return ret;
}

static long list(const struct target *t, uaddr_t ulist, size_t size)
{
	struct path p;
	long ret = target_get(t, &p);

	if (ret)
		return ret;
	ret = do_list(&p, ulist, size);
	path_put(&p);
	return ret;
}

static long rm(const struct target *t, uaddr_t name)
{
	struct xattr_req r = {};
	struct path p;
	long ret = copy_name(&r, name);

	if (!ret)
		ret = target_get(t, &p);
	if (ret)
		return ret;
	ret = do_set(&p, &r);
	path_put(&p);
	return ret;
}

/* ---- system calls ---- */

long sys_setxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return set(BY_PATH(path, LOOKUP_FOLLOW), name, value, size, flags);
}

long sys_lsetxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return set(BY_PATH(path, 0), name, value, size, flags);
}

long sys_fsetxattr(int fd, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return set(BY_FD(fd), name, value, size, flags);
}

long sys_getxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
	return get(BY_PATH(path, LOOKUP_FOLLOW), name, value, size);
}

long sys_lgetxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
	return get(BY_PATH(path, 0), name, value, size);
}

long sys_fgetxattr(int fd, uaddr_t name, uaddr_t value, size_t size)
{
	return get(BY_FD(fd), name, value, size);
}

long sys_removexattr(uaddr_t path, uaddr_t name)
{
	return rm(BY_PATH(path, LOOKUP_FOLLOW), name);
}

long sys_lremovexattr(uaddr_t path, uaddr_t name)
{
	return rm(BY_PATH(path, 0), name);
}

long sys_fremovexattr(int fd, uaddr_t name)
{
	return rm(BY_FD(fd), name);
}

long sys_listxattr(uaddr_t path, uaddr_t ulist, size_t size)
{
	return list(BY_PATH(path, LOOKUP_FOLLOW), ulist, size);
}

long sys_llistxattr(uaddr_t path, uaddr_t ulist, size_t size)
{
	return list(BY_PATH(path, 0), ulist, size);
}

long sys_flistxattr(int fd, uaddr_t ulist, size_t size)
{
	return list(BY_FD(fd), ulist, size);
}
