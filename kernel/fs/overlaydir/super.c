/* Super blocks: boot lays one over a read-only file system, with the layer in a directory. */
#include "layerfs.h"

#include "alloc.h"
#include "kernel/fs/overlaydir/overlaydir.h"

#include <stdio.h>

static int odir_statfs(struct super_block *sb, struct kstatfs *st)
{
	const struct odir_sb *os = odir_sb(sb);

	return os->layer->ops->statfs(os->layer, st);
}

static int odir_sync(struct super_block *sb)
{
	const struct odir_sb *os = odir_sb(sb);

	return os->layer->ops->sync ? os->layer->ops->sync(os->layer) : 0;
}

static void odir_show_options(struct super_block *sb, char *buf, size_t size)
{
	const struct odir_sb *os = odir_sb(sb);

	snprintf(buf, size, ",lowerdir=%s,upperdir=%s/upper,workdir=%s/work", os->lower->source,
		 os->layer->source, os->layer->source);
}

static void odir_put_super(struct super_block *sb)
{
	struct odir_sb *os = odir_sb(sb);

	if (os->upper)
		inode_put(os->upper);
	if (os->work)
		inode_put(os->work);
	ihash_destroy(&os->inodes);
	sb_put(os->layer);
	sb_put(os->lower);
	kfree(os);
}

static const struct super_ops odir_super_ops = {
	.statfs = odir_statfs,
	.sync = odir_sync,
	.put_super = odir_put_super,
	.evict_inode = odir_evict,
	.show_options = odir_show_options,
};

/* upper/ or work/, made if it isn't there, like the lower root. */
static struct inode *layer_dir(struct odir_sb *os, const char *name)
{
	struct inode *root = os->layer->root->inode, *dir = layer_lookup(root, name);
	struct kstat st;
	int err;

	if (dir) {
		if (IS_ERR(dir) || S_ISDIR(dir->mode))
			return dir;
		inode_put(dir);
		return ERR_PTR(-ENOTDIR);
	}
	err = upper_getattr(os->lower->root->inode, &st);
	if (!err)
		err = upper_make(root, name, S_IFDIR | 0755, 0, NULL, &dir);
	if (err)
		return ERR_PTR(err);
	err = odir_copy_attrs(dir, &st);
	if (!err)
		return dir;
	inode_put(dir);
	return ERR_PTR(err);
}

static int open_layer(struct odir_sb *os)
{
	struct inode *upper = layer_dir(os, "upper"), *work;

	if (IS_ERR(upper))
		return PTR_ERR(upper);
	os->upper = upper;
	work = layer_dir(os, "work");
	if (IS_ERR(work))
		return PTR_ERR(work);
	os->work = work;
	return odir_clear_work(os);
}

static int make_root(struct super_block *sb)
{
	struct odir_sb *os = odir_sb(sb);
	struct odir_place *place = odir_place_new(NULL, "", inode_get(os->lower->root->inode),
						  inode_get(os->upper));
	struct inode *root = place ? odir_iget(sb, place) : ERR_PTR(-ENOMEM);

	if (IS_ERR(root))
		return PTR_ERR(root);
	sb->root = d_alloc_root(sb, root);
	return sb->root ? 0 : -ENOMEM;
}

struct super_block *overlay_create_dir(struct super_block *lower, struct super_block *layer)
{
	struct odir_sb *os = kzalloc(sizeof(*os));
	struct super_block *sb = NULL;
	int err = -ENOMEM;

	if (os && !ihash_init(&os->inodes)) {
		sb = sb_alloc(&overlay_fs_type, &odir_super_ops, "overlay");
		if (!sb)
			ihash_destroy(&os->inodes);
	}
	if (!sb) {
		kfree(os);
		sb_put(layer);
		sb_put(lower);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&os->copy_up, "overlay copy-up", RANK_COPY_UP);
	spin_init(&os->lock, "overlay places", RANK_INODE_SPIN);
	os->lower = lower;
	os->layer = layer;
	sb->priv = os;
	sb_make_layer(lower);
	sb_make_layer(layer);
	err = lower->root->inode->ops->lookup_inode && layer->root->inode->ops->lookup_inode
		      ? open_layer(os)
		      : -EINVAL;
	if (!err)
		err = make_root(sb);
	if (!err)
		return sb;
	sb_put(sb);
	return ERR_PTR(err);
}
