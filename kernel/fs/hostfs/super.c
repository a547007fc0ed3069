/* hostfs super blocks: a host directory as a file system. */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"
#include "layerfs.h"

#include <stdio.h>

#include <string.h>
#include <sys/statvfs.h>

static int hostfs_statfs(struct super_block *sb, struct kstatfs *st)
{
	return fh_statfs(hostfs_sb(sb)->root, st);
}

static int hostfs_sync(struct super_block *sb)
{
	const struct hostfs_sb *hs = hostfs_sb(sb);
	struct fh *h;
	int err;

	if (!hs->opt.rw)
		return 0;
	h = fh_open_at(hs->root, ".", O_RDONLY | O_DIRECTORY, 0);
	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_syncfs(h);
	fh_put(h);
	return err;
}

void hostfs_sb_destroy(struct hostfs_sb *hs)
{
	hostfs_orphans_free(hs);
	fh_put(hs->root);
	ihash_destroy(&hs->inodes);
}

static void hostfs_free(struct hostfs_sb *hs)
{
	hostfs_sb_destroy(hs);
	kfree(hs);
}

static void hostfs_put_super(struct super_block *sb)
{
	hostfs_free(sb->priv);
}

static void hostfs_show_options(struct super_block *sb, char *buf, size_t size)
{
	const struct hostfs_options *o = &hostfs_sb(sb)->opt;
	int n = snprintf(buf, size, ",cache=%s", o->exclusive ? "exclusive" : "strict");

	if (o->map_uid)
		n += snprintf(buf + n, size - n, ",uid=%u", o->uid);
	if (o->map_gid)
		snprintf(buf + n, size - n, ",gid=%u", o->gid);
}

static const struct super_ops hostfs_super_ops = {
	.statfs = hostfs_statfs,
	.sync = hostfs_sync,
	.put_super = hostfs_put_super,
	.evict_inode = hostfs_evict,
	.show_options = hostfs_show_options,
};

static const struct hostfs_kind hostfs_kind = {
	.type = &hostfs_fs_type,
	.super_ops = &hostfs_super_ops,
	.inode_size = sizeof(struct hostfs_inode),
	.dir_ops = &hostfs_dir_ops,
	.file_ops = &hostfs_file_ops,
	.dir_fops = &hostfs_dir_fops,
	.file_fops = &hostfs_file_fops,
};

static const struct hostfs_kind hostfs_kind_exclusive = {
	.type = &hostfs_fs_type,
	.super_ops = &hostfs_super_ops,
	.inode_size = sizeof(struct hostfs_inode),
	.dir_ops = &hostfs_dir_ops_exclusive,
	.file_ops = &hostfs_file_ops_exclusive,
	.dir_fops = &hostfs_dir_fops,
	.file_fops = &hostfs_file_fops,
};

int hostfs_sb_init(struct hostfs_sb *hs, const struct hostfs_kind *kind, struct fh *root,
		   const struct hostfs_options *opt)
{
	int err = ihash_init(&hs->inodes);

	if (err) {
		fh_put(root);
		return err;
	}
	spin_init(&hs->lock, "hostfs devices", RANK_INODE_SPIN);
	CDS_INIT_LIST_HEAD(&hs->orphans);
	hs->kind = kind;
	hs->root = root;
	hs->opt = *opt;
	return 0;
}

static struct hostfs_sb *hostfs_sb_alloc(const char *host_dir, const struct hostfs_options *opt)
{
	struct fh *root = fh_open_root(host_dir);
	struct hostfs_sb *hs;
	int err;

	if (IS_ERR(root))
		return ERR_PTR(PTR_ERR(root));
	hs = kzalloc(sizeof(*hs));
	if (!hs) {
		fh_put(root);
		return ERR_PTR(-ENOMEM);
	}
	err = hostfs_sb_init(hs, opt->exclusive ? &hostfs_kind_exclusive : &hostfs_kind, root, opt);
	if (err) {
		kfree(hs);
		return ERR_PTR(err);
	}
	return hs;
}

static int hostfs_make_root(struct super_block *sb)
{
	struct inode *inode;
	struct kstat st;
	int err = fh_stat(hostfs_sb(sb)->root, &st);

	if (!err)
		err = hostfs_root_in_procfs(hostfs_sb(sb)->root, &st);
	if (err < 0)
		return err;
	inode = hostfs_iget(sb, &st, NULL, NULL);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	hostfs_i(inode)->procfs = err;
	sb->root = d_alloc_root(sb, inode);
	return sb->root ? 0 : -ENOMEM;
}

int hostfs_mount_dir(const char *host_dir, const struct hostfs_options *opt,
		     struct super_block **out)
{
	struct hostfs_sb *hs = hostfs_sb_alloc(host_dir, opt);
	struct super_block *sb;
	int err;

	if (IS_ERR(hs))
		return PTR_ERR(hs);
	sb = sb_alloc(hs->kind->type, hs->kind->super_ops, host_dir);
	if (!sb) {
		hostfs_free(hs);
		return -ENOMEM;
	}
	sb->priv = hs;
	if (!opt->rw)
		sb->flags |= ST_RDONLY;
	err = hostfs_make_root(sb);
	if (err) {
		sb_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

/* For boot's --mount only; a guest's mount(2) must not reach for directories of the host. */
static struct super_block *hostfs_mount(const struct fs_type *type, const char *source,
					const char *options, u64 flags)
{
	const struct hostfs_options opt = {.rw = !(flags & ST_RDONLY)};
	struct super_block *sb = NULL;
	int err;

	if (!source || (options && *options))
		return ERR_PTR(-EINVAL);
	err = hostfs_mount_dir(source, &opt, &sb);
	return err ? ERR_PTR(err) : sb;
}

const struct fs_type hostfs_fs_type = {
	.name = "hostfs",
	.mount = hostfs_mount,
	.nodev = true,
	.user_mountable = false,
};
