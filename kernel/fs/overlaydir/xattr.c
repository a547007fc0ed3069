/* Extended attributes: those of the layer that the file is in, but for overlayfs's own. */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"

#include <string.h>

static bool of_overlay(const char *name)
{
	return !strncmp(name, "trusted.overlay.", 16) || !strncmp(name, "user.overlay.", 13);
}

static struct inode *real_inode(const struct inode *inode)
{
	struct inode *upper = odir_upper(inode);

	return upper ? upper : odir_lower(inode);
}

static ssize_t get(struct inode *real, const char *name, void *value, size_t size)
{
	return real->ops->getxattr ? real->ops->getxattr(real, name, value, size) : -EOPNOTSUPP;
}

static ssize_t list(struct inode *real, char *names, size_t size)
{
	return real->ops->listxattr ? real->ops->listxattr(real, names, size) : 0;
}

static int set(struct inode *upper, const char *name, const void *value, size_t size, int flags)
{
	int err = -EOPNOTSUPP;

	if (!upper->ops->setxattr)
		return err;
	down_write(&upper->lock);
	err = upper->ops->setxattr(upper, name, value, size, flags);
	up_write(&upper->lock);
	return err;
}

ssize_t odir_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
	return of_overlay(name) ? -ENODATA : get(real_inode(inode), name, value, size);
}

ssize_t odir_listxattr(struct inode *inode, char *names, size_t size)
{
	ssize_t n = list(real_inode(inode), names, size), used = 0;
	size_t len;

	for (ssize_t at = 0; size && at < n; at += len) {
		len = strlen(names + at) + 1;
		if (of_overlay(names + at))
			continue;
		memmove(names + used, names + at, len);
		used += len;
	}
	return size && n > 0 ? used : n;
}

int odir_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	struct inode *upper;
	int err;

	if (of_overlay(name))
		return -EPERM;
	upper = odir_copy_up(inode, UINT64_MAX);
	if (IS_ERR(upper))
		return PTR_ERR(upper);
	err = set(upper, name, value, size, flags);
	return err ? err : odir_take_attrs(inode);
}

bool odir_opaque(struct inode *upper)
{
	char value;

	return (get(upper, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y') ||
	       (get(upper, "user.overlay.opaque", &value, 1) == 1 && value == 'y');
}

/* What the upper layer can't hold stays behind, as on Linux. */
static int copy_one(struct inode *from, struct inode *to, const char *name)
{
	ssize_t n = get(from, name, NULL, 0);
	char *value;
	int err;

	if (n < 0 || of_overlay(name))
		return n == -ENOMEM ? n : 0;
	value = kmalloc(n ? n : 1);
	if (!value)
		return -ENOMEM;
	n = n ? get(from, name, value, n) : 0;
	err = n < 0 ? n : set(to, name, value, n, 0);
	kfree(value);
	return err == -EOPNOTSUPP || err == -EPERM || err == -ENODATA ? 0 : err;
}

int odir_copy_xattrs(struct inode *from, struct inode *to)
{
	ssize_t n = list(from, NULL, 0);
	char *names;
	int err = 0;

	if (n <= 0)
		return n == -EOPNOTSUPP ? 0 : n;
	names = kmalloc(n);
	if (!names)
		return -ENOMEM;
	n = list(from, names, n);
	for (ssize_t at = 0; at < n && !err; at += strlen(names + at) + 1)
		err = copy_one(from, to, names + at);
	kfree(names);
	return n < 0 ? n : err;
}
