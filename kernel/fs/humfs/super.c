/* humfs super blocks: mounting, statfs, the end. */
#include "kernel/fs/humfs/humfs.h"

#include "alloc.h"
#include "layerfs.h"
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static int humfs_statfs(struct super_block *sb, struct kstatfs *st)
{
	struct humfs_sb *hs = humfs_sb(sb);
	u64 used = load_relaxed(&hs->used), room;
	int err = fh_statfs(hs->host.root, st);

	if (err)
		return err;
	room = used < hs->total ? (hs->total - used) / st->bsize : 0;
	st->blocks = hs->total / st->bsize;
	st->bfree = min(st->bfree, room);
	st->bavail = min(st->bavail, room);
	return 0;
}

static int humfs_sync(struct super_block *sb)
{
	struct humfs_sb *hs = humfs_sb(sb);
	int err;

	if (!hs->host.opt.rw)
		return 0;
	mutex_lock(&hs->journal_lock);
	err = humfs_super_write(hs);
	mutex_unlock(&hs->journal_lock);
	return err ? err : fh_syncfs(hs->lock);
}

/*
 * The kernel ends, or nobody uses the file system any more. What is under way then stays so: the
 * journal is left, and tells. It goes when all else is safe, since without it nobody would look
 * what a crash of the host has left of the changes.
 */
static void humfs_stop(struct super_block *sb)
{
	struct humfs_sb *hs = humfs_sb(sb);

	if (!hs->journal || hs->stuck || load_acquire(&hs->changing))
		return;
	if (load_relaxed(&hs->changed) && fh_syncfs(hs->lock))
		return;
	if (!humfs_super_write(hs))
		humfs_journal_close(hs);
}

static void humfs_free(struct humfs_sb *hs)
{
	hostfs_sb_destroy(&hs->host);
	fh_put(hs->journal);
	fh_put(hs->fmeta);
	fh_put(hs->dmeta);
	fh_put(hs->lock);
	fh_put(hs->base);
	kfree(hs);
}

static void humfs_put_super(struct super_block *sb)
{
	humfs_stop(sb);
	humfs_free(sb->priv);
}

static const struct super_ops humfs_super_ops = {
	.statfs = humfs_statfs,
	.sync = humfs_sync,
	.stop = humfs_stop,
	.put_super = humfs_put_super,
	.evict_inode = humfs_evict,
};

static const struct hostfs_kind humfs_kind = {
	.type = &humfs_fs_type,
	.super_ops = &humfs_super_ops,
	.inode_size = sizeof(struct humfs_inode),
	.dir_ops = &humfs_dir_ops,
	.file_ops = &humfs_file_ops,
	.dir_fops = &humfs_dir_fops,
	.file_fops = &humfs_file_fops,
	.own_attrs = true,
	.entry_type = humfs_entry_type,
};

static int open_into(struct fh **out, struct fh *dir, const char *name, int flags)
{
	struct fh *h = fh_open_at(dir, name, flags | O_DIRECTORY, 0);

	if (IS_ERR(h))
		return PTR_ERR(h);
	*out = h;
	return 0;
}

/*
 * All that lies in the directory; nothing is used before the lock is ours. -EBUSY: another kernel,
 * or check, has it.
 */
static int open_parts(struct humfs_sb *hs, bool rw)
{
	struct kstat st;
	int err = open_into(&hs->lock, hs->base, ".", O_RDONLY);

	if (!err)
		err = fh_lock(hs->lock, rw);
	if (err == -EWOULDBLOCK)
		err = -EBUSY;
	if (!err)
		err = humfs_super_read(hs);
	if (!err && !fh_stat_at(hs->base, HUMFS_JOURNAL, &st))
		err = -EUCLEAN;
	if (!err)
		err = open_into(&hs->fmeta, hs->base, HUMFS_FILE_METADATA, O_PATH);
	if (!err)
		err = open_into(&hs->dmeta, hs->base, HUMFS_DIR_METADATA, O_PATH);
	if (!err && rw)
		err = humfs_journal_open(hs);
	return err;
}

static struct humfs_sb *humfs_sb_alloc(const char *host_dir, bool rw)
{
	struct humfs_sb *hs = kzalloc(sizeof(*hs));
	const struct hostfs_options opt = {.rw = rw, .exclusive = true};
	struct fh *data = NULL;
	int err;

	if (!hs)
		return ERR_PTR(-ENOMEM);
	mutex_init(&hs->journal_lock, "humfs journal", RANK_JOURNAL);
	spin_init(&hs->reported_lock, "humfs reports", RANK_MISC);
	hs->base = fh_open_root(host_dir);
	if (IS_ERR(hs->base)) {
		err = PTR_ERR(hs->base);
		kfree(hs);
		return ERR_PTR(err);
	}
	err = open_into(&data, hs->base, HUMFS_DATA, O_PATH);
	if (!err)
		err = hostfs_sb_init(&hs->host, &humfs_kind, data, &opt);
	if (err) {
		fh_put(hs->base);
		kfree(hs);
		return ERR_PTR(err);
	}
	err = open_parts(hs, rw);
	if (!err)
		return hs;
	humfs_free(hs);
	return ERR_PTR(err);
}

static int make_root(struct super_block *sb)
{
	struct inode *inode;
	struct kstat st;
	int err = fh_stat(hostfs_sb(sb)->root, &st);

	if (err)
		return err;
	inode = humfs_load(sb, NULL, NULL, &st);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	sb->root = d_alloc_root(sb, inode);
	return sb->root ? 0 : -ENOMEM;
}

int humfs_mount_dir(const char *host_dir, bool rw, struct super_block **out)
{
	struct humfs_sb *hs = humfs_sb_alloc(host_dir, rw);
	struct super_block *sb;
	int err;

	if (IS_ERR(hs))
		return PTR_ERR(hs);
	sb = sb_alloc(&humfs_fs_type, &humfs_super_ops, host_dir);
	if (!sb) {
		humfs_journal_close(hs);
		humfs_free(hs);
		return -ENOMEM;
	}
	sb->priv = hs;
	if (!rw)
		sb->flags |= ST_RDONLY;
	err = make_root(sb);
	if (err) {
		sb_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

/* For /proc/filesystems: a guest's mount(2) must not reach for directories of the host. */
static struct super_block *humfs_mount(const struct fs_type *type, const char *source,
				       const char *options, u64 flags)
{
	return ERR_PTR(-EPERM);
}

const struct fs_type humfs_fs_type = {
	.name = "humfs",
	.mount = humfs_mount,
	.nodev = true,
	.user_mountable = false,
};
