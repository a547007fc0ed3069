/*
 * Extended attributes: none of our file systems stores any, and they say so as file systems do: nothing is listed, and attributes can be
 * neither read nor changed (EOPNOTSUPP). Arguments are checked all the same.
 */
#include "vfs.h"
#include <sys/xattr.h>

#define XATTR_NAME_MAX_ 255
#define XATTR_SIZE_MAX_ 65536

static int check_name(uaddr_t uname)
{
	char name[XATTR_NAME_MAX_ + 1];
	ssize_t n = strncpy_from_user(name, uname, sizeof(name));

	if (n == -ENAMETOOLONG || !n)
		return -ERANGE;
	return n < 0 ? n : 0;
}

static int check_path(uaddr_t path, unsigned flags)
{
	struct path p;
	int err = user_path_lookup(AT_FDCWD, path, flags, &p);

	if (!err)
		path_put(&p);
	return err;
}

static int check_fd(int fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}

static long not_supported(int err)
{
	return err ? err : -EOPNOTSUPP;
}

static int check_set(uaddr_t name, size_t size, int flags)
{
	int err;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = check_name(name);
	return !err && size > XATTR_SIZE_MAX_ ? -E2BIG : err;
}

static long set_path(uaddr_t path, uaddr_t name, size_t size, int flags, unsigned lookup)
{
	int err = check_set(name, size, flags);

	return not_supported(err ? err : check_path(path, lookup));
}

long sys_setxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return set_path(path, name, size, flags, LOOKUP_FOLLOW);
}

long sys_lsetxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	return set_path(path, name, size, flags, 0);
}

long sys_fsetxattr(int fd, uaddr_t name, uaddr_t value, size_t size, int flags)
{
	int err = check_fd(fd);

	return not_supported(err ? err : check_set(name, size, flags));
}

/* getxattr and removexattr: a path and a name. */
static long named(uaddr_t path, uaddr_t name, unsigned lookup)
{
	int err = check_name(name);

	return not_supported(err ? err : check_path(path, lookup));
}

static long fnamed(int fd, uaddr_t name)
{
	int err = check_fd(fd);

	return not_supported(err ? err : check_name(name));
}

long sys_getxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
	return named(path, name, LOOKUP_FOLLOW);
}

long sys_lgetxattr(uaddr_t path, uaddr_t name, uaddr_t value, size_t size)
{
	return named(path, name, 0);
}

long sys_fgetxattr(int fd, uaddr_t name, uaddr_t value, size_t size)
{
	return fnamed(fd, name);
}

long sys_removexattr(uaddr_t path, uaddr_t name)
{
	return named(path, name, LOOKUP_FOLLOW);
}

long sys_lremovexattr(uaddr_t path, uaddr_t name)
{
	return named(path, name, 0);
}

long sys_fremovexattr(int fd, uaddr_t name)
{
	return fnamed(fd, name);
}

/* The empty list. */
long sys_listxattr(uaddr_t path, uaddr_t list, size_t size)
{
	return check_path(path, LOOKUP_FOLLOW);
}

long sys_llistxattr(uaddr_t path, uaddr_t list, size_t size)
{
	return check_path(path, 0);
}

long sys_flistxattr(int fd, uaddr_t list, size_t size)
{
	return check_fd(fd);
}
