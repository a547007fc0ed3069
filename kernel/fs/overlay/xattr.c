/* Extended attributes: the lower inode's until one is changed; then all are copied into memory. */
#include "kernel/fs/overlay/overlay_priv.h"

#include "alloc.h"

#include <limits.h>
#include <string.h>

static const struct inode_operations *lower_ops(const struct ovl_inode *oi)
{
	return oi->lower ? oi->lower->ops : NULL;
}

static ssize_t lower_get(const struct ovl_inode *oi, const char *name, void *value, size_t size)
{
	const struct inode_operations *ops = lower_ops(oi);

	return ops && ops->getxattr ? ops->getxattr(oi->lower, name, value, size) : -ENODATA;
}

static ssize_t lower_list(const struct ovl_inode *oi, char *names, size_t size)
{
	const struct inode_operations *ops = lower_ops(oi);

	return ops && ops->listxattr ? ops->listxattr(oi->lower, names, size) : 0;
}

ssize_t ovl_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
	struct ovl_inode *oi = ovl_i(inode);
	ssize_t n;

	down_read(&inode->lock);
	n = oi->own_xattrs ? memxattr_get(oi->xattrs, name, value, size)
			   : lower_get(oi, name, value, size);
	up_read(&inode->lock);
	return n;
}

ssize_t ovl_listxattr(struct inode *inode, char *names, size_t size)
{
	struct ovl_inode *oi = ovl_i(inode);
	ssize_t n;

	down_read(&inode->lock);
	n = oi->own_xattrs ? memxattr_list(oi->xattrs, names, size) : lower_list(oi, names, size);
	up_read(&inode->lock);
	return n;
}

static int copy_one(struct inode *inode, const char *name, char *value)
{
	struct ovl_inode *oi = ovl_i(inode);
	ssize_t n = lower_get(oi, name, value, XATTR_SIZE_MAX);

	if (n == -ENODATA)
		return 0; /* listed, but not for us */
	return n < 0 ? n : memxattr_set(&oi->xattrs, ovl_limit(inode), name, value, n, 0);
}

static int copy_all(struct inode *inode, char *names, char *value)
{
	ssize_t n = lower_list(ovl_i(inode), names, XATTR_LIST_MAX);
	int err = 0;

	if (n == -EOPNOTSUPP)
		return 0;
	for (ssize_t at = 0; at < n && !err; at += strlen(names + at) + 1)
		err = copy_one(inode, names + at, value);
	return n < 0 ? n : err;
}

static int copy_up(struct inode *inode)
{
	struct ovl_inode *oi = ovl_i(inode);
	char *names = kmalloc(XATTR_LIST_MAX), *value = kmalloc(XATTR_SIZE_MAX);
	int err = names && value ? copy_all(inode, names, value) : -ENOMEM;

	kfree(names);
	kfree(value);
	if (err)
		memxattr_free(&oi->xattrs, ovl_limit(inode));
	else
		oi->own_xattrs = true;
	return err;
}

int ovl_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	struct ovl_inode *oi = ovl_i(inode);
	int err = oi->own_xattrs ? 0 : copy_up(inode);

	if (!err)
		err = memxattr_set(&oi->xattrs, ovl_limit(inode), name, value, size, flags);
	if (err)
		return err;
	inode_touch(inode, ATTR_CTIME);
	ovl_pin(inode);
	return 0;
}
