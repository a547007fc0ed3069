/* humfs attributes: mode and owner in the metadata, times and sizes at the data. */
#include "kernel/fs/humfs/humfs.h"

#include <string.h>

void humfs_refresh(struct inode *inode)
{
	hostfs_changed(inode);
	(void)!hostfs_refresh(inode);
}

static bool earlier(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/*
 * The tree is ours, so what we know holds, but for files that were written: guests write them
 * through mappings too.
 */
int humfs_getattr(struct inode *inode, struct kstat *st)
{
	int err = S_ISREG(inode->mode) ? hostfs_refresh(inode) : 0;

	generic_getattr(inode, st);
	spin_lock(&inode->spin);
	if (earlier(&st->ctime, &humfs_i(inode)->meta_ctime))
		st->ctime = humfs_i(inode)->meta_ctime;
	spin_unlock(&inode->spin);
	return err == -ESTALE ? 0 : err;
}

static int set_meta(struct inode *inode, const struct iattr *a)
{
	u32 mode = a->valid & ATTR_MODE ? (inode->mode & S_IFMT) | (a->mode & 07777) : inode->mode;
	u32 uid = a->valid & ATTR_UID ? a->uid : inode->uid;
	u32 gid = a->valid & ATTR_GID ? a->gid : inode->gid;
	struct humfs_meta m = humfs_meta_of(mode, uid, gid, inode->rdev);
	int err;

	if (!(a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID)))
		return 0;
	err = humfs_meta_update(inode, &m);
	if (err)
		return err;
	store_relaxed(&inode->mode, mode);
	store_relaxed(&inode->uid, uid);
	store_relaxed(&inode->gid, gid);
	return 0;
}

/* The size, which is the quota's business, and the times. */
static int set_data(struct inode *inode, const struct iattr *a)
{
	struct iattr data = *a;
	u64 old = inode_size(inode), more = 0;
	int err;

	data.valid &= ATTR_SIZE | ATTR_ATIME | ATTR_MTIME | ATTR_OPEN;
	if (!(data.valid & (ATTR_SIZE | ATTR_ATIME | ATTR_MTIME)))
		return 0;
	if (data.valid & ATTR_SIZE && a->size > old) {
		more = humfs_reserve(inode->sb, a->size - old);
		if (more < a->size - old) {
			humfs_unreserve(inode->sb, more);
			return -ENOSPC;
		}
	}
	err = hostfs_setattr(inode, &data);
	if (err)
		humfs_unreserve(inode->sb, more);
	else if (data.valid & ATTR_SIZE && a->size < old)
		humfs_unreserve(inode->sb, old - a->size);
	return err;
}

int humfs_setattr(struct inode *inode, struct iattr *a)
{
	int err;

	if (!hostfs_sb(inode->sb)->opt.rw)
		return -EROFS;
	humfs_begin(inode->sb);
	/* A truncation takes set-id bits away: first, so that nothing is lost yet if that fails. */
	err = set_meta(inode, a);
	if (!err)
		err = set_data(inode, a);
	humfs_end(inode->sb);
	return err;
}

/*
 * They are the data's: changed by one host call, shared by all names of a file, and gone with it.
 * The host gives symlinks none.
 */
ssize_t humfs_getxattr(struct inode *inode, const char *name, void *value, size_t size)
{
	char host[HUMFS_XATTR_MAX + 1];

	if (S_ISLNK(inode->mode) || humfs_xattr_to_host(name, host))
		return -ENODATA;
	return hostfs_getxattr(inode, host, value, size);
}

int humfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	char host[HUMFS_XATTR_MAX + 1];
	int err = humfs_xattr_to_host(name, host);

	if (err)
		return err;
	if (S_ISLNK(inode->mode))
		return value ? -EOPNOTSUPP : -ENODATA;
	humfs_begin(inode->sb);
	err = hostfs_setxattr(inode, host, value, size, flags);
	humfs_end(inode->sb);
	return err;
}

ssize_t humfs_listxattr(struct inode *inode, char *names, size_t size)
{
	ssize_t n = hostfs_listxattr(inode, names, size), used = 0;
	size_t len;

	for (ssize_t at = 0; size && at < n; at += len) {
		const char *name = humfs_xattr_of_host(names + at);

		len = strlen(names + at) + 1;
		if (!name)
			continue;
		memmove(names + used, name, strlen(name) + 1);
		used += strlen(names + used) + 1;
	}
	return size && n > 0 ? used : n;
}

const struct inode_operations humfs_file_ops = {
	.readlink = hostfs_readlink,
	.getattr = humfs_getattr,
	.setattr = humfs_setattr,
	.getxattr = humfs_getxattr,
	.listxattr = humfs_listxattr,
	.setxattr = humfs_setxattr,
};
