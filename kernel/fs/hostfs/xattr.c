/*
 * Extended attributes: the host's. Of the security namespace only file capabilities, since the
 * others mean something to the host's own security modules.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include <linux/xattr.h>
#include <string.h>

static bool passes(const char *name)
{
	return strncmp(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN) ||
	       !strcmp(name, XATTR_NAME_CAPS);
}

ssize_t hostfs_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
	struct fh *h = passes(name) ? hostfs_get_handle(inode) : ERR_PTR(-ENODATA);
	ssize_t n;

	if (IS_ERR(h))
		return PTR_ERR(h);
	n = fh_getxattr(h, name, value, size);
	fh_put(h);
	return n;
}

/* Only what can be read as well. */
static size_t filter(char *names, size_t n)
{
	size_t kept = 0, len;

	for (size_t at = 0; at < n; at += len) {
		len = strlen(names + at) + 1;
		if (!passes(names + at) ||
		    !strncmp(names + at, XATTR_SYSTEM_PREFIX, XATTR_SYSTEM_PREFIX_LEN))
			continue;
		memmove(names + kept, names + at, len);
		kept += len;
	}
	return kept;
}

ssize_t hostfs_listxattr(struct inode *inode, char *names, size_t size)
{
	struct fh *h = hostfs_get_handle(inode);
	ssize_t n;

	if (IS_ERR(h))
		return PTR_ERR(h);
	n = fh_listxattr(h, names, size);
	fh_put(h);
	if (n == -EOPNOTSUPP)
		return 0;
	return n > 0 && size ? (ssize_t)filter(names, n) : n;
}

int hostfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
		    int flags)
{
	struct fh *h;
	int err;

	if (!hostfs_sb(inode->sb)->opt.rw)
		return -EROFS;
	h = passes(name) ? hostfs_get_handle(inode) : ERR_PTR(-EOPNOTSUPP);
	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_setxattr(h, name, value, size, flags);
	fh_put(h);
	hostfs_changed(inode);
	return err;
}
