/*
 * devtmpfs: a tmpfs that comes with the nodes of our devices. There is one, made at the first mount
 * and shared by all later ones; what the guest changes in it stays.
 */
#include "dev.h"
#include "fs.h"
#include "kernel/fs/pseudo.h"
#include "log.h"
#include "proc.h"
#include "tmpfs.h"
#include <string.h>

static struct super_block *instance; /* pseudo_mount() */

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},	     {"ptmx", "pts/ptmx"},
};

static const struct {
	const char *name;
	u32 mode;
} dirs[] = {{"pts", 0755}, {"shm", 01777}, {"mqueue", 01777}};

/* ---- making nodes: the root's lock is held for writing ---- */

enum node_kind { NODE_DEVICE, NODE_DIR, NODE_LINK };

struct node {
	enum node_kind kind;
	const char *name;
	u32 mode;
	dev_t dev;
	const char *target;
};

static int make_in(struct inode *dir, struct dentry *d, const struct node *n)
{
	switch (n->kind) {
	case NODE_DEVICE:
		return dir->ops->mknod(dir, d, S_IFCHR | n->mode, n->dev);
	case NODE_DIR:
		return dir->ops->mkdir(dir, d, S_IFDIR | n->mode);
	default:
		return dir->ops->symlink(dir, d, n->target);
	}
}

static int make_node(struct dentry *root, const struct node *n)
{
	struct dentry *d = d_lookup_or_load_locked(root, n->name, strlen(n->name));
	int err;

	if (IS_ERR(d))
		return PTR_ERR(d);
	err = make_in(root->inode, d, n);
	if (!err && n->kind != NODE_LINK) {
		d->inode->uid = 0;
		/* Terminals belong to group tty, as usual. */
		d->inode->gid = major(n->dev) == major(DEV_TTY) ? 5 : 0;
	}
	d_put(d);
	return err;
}

static int populate(struct dentry *root)
{
	int err = 0;

	for (int i = 0; char_devices[i] && !err; i++) {
		struct node n = {.kind = NODE_DEVICE,
				 .name = char_devices[i]->name,
				 .mode = char_devices[i]->mode,
				 .dev = char_devices[i]->dev};

		err = make_node(root, &n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !err; i++) {
		struct node n = {.kind = NODE_DIR, .name = dirs[i].name, .mode = dirs[i].mode};

		err = make_node(root, &n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links) && !err; i++) {
		struct node n = {
			.kind = NODE_LINK, .name = links[i].name, .target = links[i].target};

		err = make_node(root, &n);
	}
	return err;
}

static struct super_block *make_instance(const struct fs_type *type, const char *source)
{
	struct super_block *sb = tmpfs_fs_type.mount(&tmpfs_fs_type, source, "mode=0755,size=16m",
						     0);
	int err;

	if (IS_ERR(sb))
		return sb;
	sb->type = type;
	down_write(&sb->root->inode->lock);
	err = populate(sb->root);
	up_write(&sb->root->inode->lock);
	if (err) {
		sb_put(sb);
		return ERR_PTR(err);
	}
	return sb;
}

static struct super_block *devtmpfs_mount(const struct fs_type *type, const char *source,
					  const char *options, u64 flags)
{
	return pseudo_mount(&instance, type, source, make_instance);
}

const struct fs_type devtmpfs_fs_type = {
	.name = "devtmpfs",
	.mount = devtmpfs_mount,
	.nodev = true,
	.user_mountable = true,
};
