/* Overlay inodes: one for each lower inode that is in use or differs, one for each new file. */
#include "kernel/fs/overlay/overlay_priv.h"

#include "alloc.h"
#include "log.h"

#include <string.h>

static void set_ops(struct inode *inode)
{
	if (S_ISDIR(inode->mode)) {
		inode->ops = &ovl_dir_ops;
		inode->fops = &ovl_dir_fops;
	} else {
		inode->ops = &ovl_file_ops;
		inode->fops = S_ISREG(inode->mode) ? &ovl_file_fops : NULL;
	}
}

static struct inode *ovl_alloc(struct super_block *sb, u64 ino, u32 mode, struct inode *lower)
{
	struct ovl_inode *oi = kzalloc(sizeof(*oi));
	struct inode *inode = oi ? inode_alloc(sb, ino, mode) : NULL;

	if (!inode) {
		kfree(oi);
		return NULL;
	}
	oi->inode = inode;
	oi->lower = lower;
	CDS_INIT_LIST_HEAD(&oi->pin_link);
	oi->node.a = (uintptr_t)lower;
	oi->node.inode = inode;
	inode->priv = oi;
	set_ops(inode);
	return inode;
}

/* What is in the cache is what the guest sees from now on: the lower layer doesn't change. */
static int take_attributes(struct inode *inode, struct inode *lower)
{
	struct kstat st;
	int err = 0;

	if (lower->ops->getattr)
		err = lower->ops->getattr(lower, &st);
	else
		generic_getattr(lower, &st);
	if (err)
		return err;
	inode->rdev = st.rdev;
	inode->uid = st.uid;
	inode->gid = st.gid;
	inode->nlink = st.nlink;
	inode->size = st.size;
	inode->blocks = st.blocks;
	inode->atime = st.atime;
	inode->mtime = st.mtime;
	inode->ctime = st.ctime;
	inode->btime = st.has_btime ? st.btime : st.ctime;
	return 0;
}

struct inode *ovl_iget(struct super_block *sb, struct inode *lower)
{
	struct ihash *table = &ovl_sb(sb)->inodes;
	struct inode *inode = ihash_find(table, (uintptr_t)lower, 0), *other;
	int err;

	if (inode) {
		inode_put(lower);
		return inode;
	}
	inode = ovl_alloc(sb, lower->ino, lower->mode, lower);
	if (!inode) {
		inode_put(lower);
		return ERR_PTR(-ENOMEM);
	}
	err = take_attributes(inode, lower);
	if (err) {
		inode_put(inode);
		return ERR_PTR(err);
	}
	other = ihash_add(table, &ovl_i(inode)->node);
	if (other) {
		inode_put(inode);
		inode = other;
	}
	return inode;
}

struct inode *ovl_new_inode(struct inode *dir, u32 mode, dev_t dev)
{
	struct mem_limit *limit = ovl_limit(dir);
	struct inode *inode;
	struct memdata *data = NULL;

	if (!limit_take(&limit->inodes, limit->max_inodes, 1))
		return ERR_PTR(-ENOSPC);
	inode = ovl_alloc(dir->sb, sb_next_ino(dir->sb), mode, NULL);
	if (inode && S_ISREG(mode)) {
		data = kzalloc(sizeof(*data));
		ovl_i(inode)->data = data;
	}
	if (!inode || (S_ISREG(mode) && !data)) {
		if (inode)
			inode_put(inode); /* gives its number back */
		else
			limit_give(&limit->inodes, 1);
		return ERR_PTR(-ENOMEM);
	}
	inode->rdev = dev;
	if (S_ISDIR(mode))
		inode->size = PAGE_SIZE;
	inode_init_owner(inode, dir);
	return inode;
}

void ovl_pin(struct inode *inode)
{
	struct ovl_sb *os = ovl_sb(inode->sb);
	struct ovl_inode *oi = ovl_i(inode);

	if (!oi->lower || load_relaxed(&oi->pinned))
		return; /* a new one is kept by its names */
	spin_lock(&os->lock);
	if (!oi->pinned) {
		store_relaxed(&oi->pinned, true);
		inode_get(inode);
		cds_list_add_tail(&oi->pin_link, &os->pinned);
	}
	spin_unlock(&os->lock);
}

void ovl_unpin(struct inode *inode)
{
	struct ovl_sb *os = ovl_sb(inode->sb);
	struct ovl_inode *oi = ovl_i(inode);
	bool was;

	spin_lock(&os->lock);
	was = oi->pinned;
	if (was) {
		store_relaxed(&oi->pinned, false);
		cds_list_del_init(&oi->pin_link);
	}
	spin_unlock(&os->lock);
	if (was)
		inode_put(inode);
}

/*
 * Only whiteouts can be left: a directory with entries is pinned, or is in a parent with entries,
 * or is not empty and so has a name.
 */
static void free_names(struct memdir *d)
{
	struct memdirent *e;

	ASSERT(!d->live);
	while ((e = memdir_last(d)))
		memdir_remove(d, e);
	memdir_free(d);
}

void ovl_evict(struct inode *inode)
{
	struct ovl_inode *oi = ovl_i(inode);

	if (!oi)
		return;
	if (oi->lower)
		ihash_remove(&ovl_sb(inode->sb)->inodes, &oi->node);
	else
		limit_give(&ovl_limit(inode)->inodes, 1);
	if (S_ISDIR(inode->mode)) {
		free_names(&oi->names);
	} else if (S_ISREG(inode->mode)) {
		if (oi->data)
			memdata_free(oi->data, ovl_limit(inode));
		kfree(oi->data);
		if (oi->lower_file)
			file_put(oi->lower_file);
	} else if (S_ISLNK(inode->mode)) {
		kfree(oi->target);
	}
	memxattr_free(&oi->xattrs, ovl_limit(inode));
	inode_put(oi->lower);
	kfree(oi);
}

/* ---- attributes ---- */

static int ovl_getattr(struct inode *inode, struct kstat *st)
{
	struct memdata *data = S_ISREG(inode->mode) ? ovl_data(inode) : NULL;

	if (data) {
		/* Writers may be at work, and mappings of the memfd allocate without us. */
		down_read(&inode->lock);
		generic_getattr(inode, st);
		st->blocks = memdata_blocks(data);
		up_read(&inode->lock);
	} else {
		generic_getattr(inode, st);
	}
	return 0;
}

static int ovl_setattr(struct inode *inode, struct iattr *a)
{
	int err = 0;

	if (a->valid & ATTR_SIZE) {
		err = ovl_copy_up(inode, a->size);
		if (!err)
			err = memdata_resize(ovl_data(inode), ovl_limit(inode), inode->size,
					     a->size);
	}
	if (err)
		return err;
	ovl_pin(inode);
	return generic_setattr(inode, a);
}

static char *ovl_readlink(struct inode *inode)
{
	struct ovl_inode *oi = ovl_i(inode);
	char *target;

	if (oi->lower)
		return oi->lower->ops->readlink(oi->lower);
	target = kstrdup(oi->target);
	return target ? target : ERR_PTR(-ENOMEM);
}

const struct inode_operations ovl_file_ops = {
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.readlink = ovl_readlink,
	.getxattr = ovl_getxattr,
	.listxattr = ovl_listxattr,
	.setxattr = ovl_setxattr,
};
