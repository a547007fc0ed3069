/*
 * Extended attributes: the host's. Of the security namespace only file capabilities, since the others mean something to the host's own security
 * modules.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include <linux/xattr.h>
#include <string.h>

static bool passes(const char *name)
{
	return strncmp(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN) ||
	       !strcmp(name, XATTR_NAME_CAPS);
}

/* Where the file is: p and p->dir, p->name, or an open handle h; or the root's handle. */
struct where {
	struct fh_place *p;
	struct fh *h;
};

static int where_get(struct inode *inode, struct where *w)
{
	*w = (struct where){};
	if (!__atomic_load_n(&hostfs_i(inode)->unnamed, __ATOMIC_ACQUIRE)) {
		w->p = hostfs_place(inode);
		w->h = fh_get(w->p ? w->p->dir : hostfs_sb(inode->sb)->root);
		return 0;
	}
	w->h = hostfs_any_handle(inode);
	return w->h ? 0 : -ESTALE;
}

static const char *name_of(const struct where *w)
{
	return w->p ? w->p->name : NULL;
}

static void where_put(struct where *w)
{
	fh_put(w->h);
	fh_place_put(w->p);
}

ssize_t hostfs_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
	struct where w;
	ssize_t n = passes(name) ? where_get(inode, &w) : -ENODATA;

	if (n)
		return n;
	n = fh_getxattr(w.h, name_of(&w), name, value, size);
	where_put(&w);
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
	struct where w;
	ssize_t n = where_get(inode, &w);

	if (n)
		return n;
	n = fh_listxattr(w.h, name_of(&w), names, size);
	where_put(&w);
	if (n == -EOPNOTSUPP)
		return 0;
	return n > 0 && size ? (ssize_t)filter(names, n) : n;
}

int hostfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
		    int flags)
{
	struct where w;
	int err;

	if (!hostfs_sb(inode->sb)->opt.rw)
		return -EROFS;
	err = passes(name) ? where_get(inode, &w) : -EOPNOTSUPP;
	if (err)
		return err;
	err = fh_setxattr(w.h, name_of(&w), name, value, size, flags);
	where_put(&w);
	hostfs_changed(inode);
	return err;
}
