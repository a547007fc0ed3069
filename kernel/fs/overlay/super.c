/* Overlay super blocks: boot lays one over a read-only root: a host directory or a humfs. */
#include "layerfs.h"

#include "alloc.h"
#include "commit.h"
#include "fh.h"
#include "kernel/fs/overlay/overlay_priv.h"
#include "sched.h"

#include <linux/magic.h>
#include <stdio.h>

/* New inode numbers begin above those that lower file systems use, as far as one can tell. */
#define FIRST_NEW_INO (1ULL << 40)

static int ovl_statfs(struct super_block *sb, struct kstatfs *st)
{
	const struct mem_limit *l = &ovl_sb(sb)->limit;
	u64 used = load_relaxed(&l->bytes);
	u64 inodes = load_relaxed(&l->inodes);

	*st = (struct kstatfs){
		.type = OVERLAYFS_SUPER_MAGIC,
		.bsize = PAGE_SIZE,
		.frsize = PAGE_SIZE,
		.namelen = 255,
		.blocks = l->max_bytes / PAGE_SIZE,
		.bfree = used < l->max_bytes ? (l->max_bytes - used) / PAGE_SIZE : 0,
		.files = l->max_inodes,
		.ffree = inodes < l->max_inodes ? l->max_inodes - inodes : 0,
	};
	st->bavail = st->bfree;
	return 0;
}

static void ovl_show_options(struct super_block *sb, char *buf, size_t size)
{
	snprintf(buf, size, ",lowerdir=%s", ovl_sb(sb)->lower->source);
}

/*
 * Empties a directory. New subdirectories have no other name: they go on the list with the entry's
 * reference. Pinned ones get there by themselves.
 */
static void drop_entries(struct inode *dir, struct inode **list)
{
	struct memdir *d = &ovl_i(dir)->names;
	struct memdirent *e;
	struct inode *child;

	while ((e = memdir_last(d))) {
		child = memdir_remove(d, e);
		if (child && S_ISDIR(child->mode) && !ovl_i(child)->lower) {
			ovl_i(child)->next_dying = *list;
			*list = child;
		} else {
			inode_put(child);
		}
		if ((d->live + d->whiteouts) % MEMDIR_BATCH == 0)
			cond_resched();
	}
}

/* Takes the tree down without recursion: guests choose its depth. Nobody uses it any more. */
static void ovl_put_super(struct super_block *sb)
{
	struct ovl_sb *os = ovl_sb(sb);
	struct ovl_inode *oi, *tmp;
	struct inode *list = NULL, *dir;

	/* First the names, while every pinned inode is still held; then the pins. */
	cds_list_for_each_entry(oi, &os->pinned, pin_link)
		if (S_ISDIR(oi->inode->mode))
			drop_entries(oi->inode, &list);
	while ((dir = list)) {
		list = ovl_i(dir)->next_dying;
		drop_entries(dir, &list);
		inode_put(dir);
		cond_resched();
	}
	cds_list_for_each_entry_safe(oi, tmp, &os->pinned, pin_link) {
		ovl_unpin(oi->inode);
		cond_resched();
	}
	ihash_destroy(&os->inodes);
	sb_put(os->lower);
	kfree(os);
}

static const struct super_ops ovl_super_ops = {
	.statfs = ovl_statfs,
	.put_super = ovl_put_super,
	.evict_inode = ovl_evict,
	.show_options = ovl_show_options,
};

static struct super_block *ovl_new_sb(struct super_block *lower)
{
	struct ovl_sb *os = kzalloc(sizeof(*os));
	struct super_block *sb;
	u64 ram = memory_size();

	if (!os)
		return NULL;
	if (ihash_init(&os->inodes)) {
		kfree(os);
		return NULL;
	}
	sb = sb_alloc(&overlay_fs_type, &ovl_super_ops, "overlay");
	if (!sb) {
		ihash_destroy(&os->inodes);
		kfree(os);
		return NULL;
	}
	spin_init(&os->lock, "overlay pins", RANK_INODE_SPIN);
	CDS_INIT_LIST_HEAD(&os->pinned);
	os->limit.max_bytes = ram / 2;
	os->limit.max_inodes = ram / 2 / PAGE_SIZE;
	os->lower = lower;
	sb->priv = os;
	sb->next_ino = FIRST_NEW_INO;
	return sb;
}

struct super_block *overlay_create(struct super_block *lower)
{
	struct inode *lower_root = lower->root->inode, *root;
	struct super_block *sb;

	if (!lower_root->ops->lookup_inode) {
		sb_put(lower);
		return ERR_PTR(-EINVAL);
	}
	sb_make_layer(lower);
	sb = ovl_new_sb(lower);
	if (!sb) {
		sb_put(lower);
		return ERR_PTR(-ENOMEM);
	}
	root = ovl_iget(sb, inode_get(lower_root));
	if (IS_ERR(root)) {
		sb_put(sb);
		return ERR_PTR(PTR_ERR(root));
	}
	ovl_pin(root);
	sb->root = d_alloc_root(sb, root);
	if (!sb->root) {
		sb_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}

/* For /proc/filesystems: guests can't mount one, the layers are boot's. */
static struct super_block *overlay_mount(const struct fs_type *type, const char *source,
					 const char *options, u64 flags)
{
	return ERR_PTR(-EPERM);
}

const struct fs_type overlay_fs_type = {
	.name = "overlay",
	.mount = overlay_mount,
	.nodev = true,
	.user_mountable = false,
};
