/*
 * Inodes: birth, references, attributes and times. File systems keep inodes as long as they like;
 * the VFS by their dentries.
 */
#include "vfs.h"

static u64 nr_inodes; /* atomic */

u64 inode_count(void)
{
	return load_relaxed(&nr_inodes);
}

struct timespec inode_now(void)
{
	struct timespec ts;

	/* Coarse as on Linux: a file's time is never later than what time(2) says. */
	if (ktime_get(CLOCK_REALTIME_COARSE, &ts))
		ts = ns_to_timespec(ktime_real());
	return ts;
}

struct inode *inode_alloc(struct super_block *sb, u64 ino, u32 mode)
{
	const struct cred *cred = vfs_cred();
	struct inode *i = kzalloc(sizeof(*i));
	enum lock_rank rank = S_ISDIR(mode) ? RANK_INODE_DIR : RANK_INODE;

	if (!i)
		return NULL;
	i->refs = 1;
	i->mode = mode;
	i->ino = ino;
	i->sb = sb;
	i->nlink = S_ISDIR(mode) ? 2 : 1;
	i->uid = cred->fsuid;
	i->gid = cred->fsgid;
	i->atime = i->mtime = i->ctime = i->btime = inode_now();
	rwsem_init(&i->lock, S_ISDIR(mode) ? "inode_dir" : "inode",
		   sb->layer ? RANK_INODE_LOWER : rank);
	spin_init(&i->spin, "inode_spin", RANK_INODE_SPIN);
	__atomic_fetch_add(&nr_inodes, 1, __ATOMIC_RELAXED);
	return i;
}

void inode_init_owner(struct inode *i, const struct inode *dir)
{
	if (!(dir->mode & S_ISGID))
		return;
	i->gid = dir->gid;
	if (S_ISDIR(i->mode))
		i->mode |= S_ISGID;
	else if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		 !in_group(vfs_cred(), i->gid) && !cred_capable(vfs_cred(), CAP_FSETID))
		i->mode &= ~S_ISGID;
}

struct inode *inode_get(struct inode *i)
{
	__atomic_fetch_add(&i->refs, 1, __ATOMIC_RELAXED);
	return i;
}

bool inode_tryget(struct inode *i)
{
	u32 refs = load_relaxed(&i->refs);

	do {
		if (!refs)
			return false;
	} while (!__atomic_compare_exchange_n(&i->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

static void inode_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct inode, rcu));
}

void inode_put(struct inode *i)
{
	if (!i || __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (i->sb->ops && i->sb->ops->evict_inode)
		i->sb->ops->evict_inode(i);
	file_locks_free(i);
	__atomic_fetch_sub(&nr_inodes, 1, __ATOMIC_RELAXED);
	call_rcu(&i->rcu, inode_free_rcu);
}

u64 inode_size(const struct inode *i)
{
	return load_relaxed(&i->size);
}

void inode_inc_nlink(struct inode *i)
{
	spin_lock(&i->spin);
	i->nlink++;
	spin_unlock(&i->spin);
}

void inode_dec_nlink(struct inode *i)
{
	spin_lock(&i->spin);
	if (i->nlink)
		i->nlink--;
	spin_unlock(&i->spin);
}

void inode_set_nlink(struct inode *i, u32 n)
{
	spin_lock(&i->spin);
	i->nlink = n;
	spin_unlock(&i->spin);
}

void inode_touch(struct inode *i, u32 attr_mask)
{
	struct timespec now = inode_now();

	spin_lock(&i->spin);
	if (attr_mask & ATTR_ATIME)
		i->atime = now;
	if (attr_mask & ATTR_MTIME)
		i->mtime = now;
	if (attr_mask & ATTR_CTIME)
		i->ctime = now;
	spin_unlock(&i->spin);
}

static bool time_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

void path_accessed(const struct path *p)
{
	struct inode *i = p->dentry->inode;
	u64 flags = path_mnt_flags(p);
	struct timespec now;

	if (flags & (MS_NOATIME | MS_RDONLY) || i->sb->flags & ST_RDONLY ||
	    (S_ISDIR(i->mode) && flags & MS_NODIRATIME))
		return;
	now = inode_now();
	spin_lock(&i->spin);
	if (flags & MS_STRICTATIME || !time_before(&i->mtime, &i->atime) ||
	    !time_before(&i->ctime, &i->atime) || now.tv_sec - i->atime.tv_sec >= 24 * 3600)
		i->atime = now;
	spin_unlock(&i->spin);
}

void generic_getattr(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){
		.dev = i->sb->dev,
		.rdev = i->rdev,
		.ino = i->ino,
		.size = inode_size(i),
		.blocks = load_relaxed(&i->blocks),
		.blksize = PAGE_SIZE,
		.has_btime = true,
	};
	spin_lock(&i->spin);
	st->mode = i->mode;
	st->uid = i->uid;
	st->gid = i->gid;
	st->nlink = i->nlink;
	st->atime = i->atime;
	st->mtime = i->mtime;
	st->ctime = i->ctime;
	st->btime = i->btime;
	spin_unlock(&i->spin);
}

int generic_setattr(struct inode *i, struct iattr *a)
{
	spin_lock(&i->spin);
	if (a->valid & ATTR_MODE)
		store_relaxed(&i->mode, (i->mode & S_IFMT) | (a->mode & 07777));
	if (a->valid & ATTR_UID)
		store_relaxed(&i->uid, a->uid);
	if (a->valid & ATTR_GID)
		store_relaxed(&i->gid, a->gid);
	if (a->valid & ATTR_SIZE)
		store_relaxed(&i->size, a->size);
	if (a->valid & ATTR_ATIME)
		i->atime = a->atime;
	if (a->valid & ATTR_MTIME)
		i->mtime = a->mtime;
	if (a->valid & ATTR_CTIME)
		i->ctime = a->ctime;
	spin_unlock(&i->spin);
	return 0;
}
