/*
 * Inodes: of a place. What is in the upper layer is found by its inode there: names of one file are
 * one inode.
 */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"

static struct inode *real_inode(const struct inode *inode)
{
	struct inode *upper = odir_upper(inode);

	return upper ? upper : odir_lower(inode);
}

static void set_attrs(struct inode *inode, const struct kstat *st)
{
	/* Subdirectories of both layers are not counted, as on Linux. */
	bool merged = S_ISDIR(st->mode) && odir_upper(inode) && odir_lower(inode);
	u32 nlink = merged ? 1 : st->nlink;

	spin_lock(&inode->spin);
	if (odir_gone(inode)) /* looked at here: what it is set to when it goes counts last */
		nlink = 0;
	store_relaxed(&inode->mode, st->mode);
	store_relaxed(&inode->uid, st->uid);
	store_relaxed(&inode->gid, st->gid);
	store_relaxed(&inode->nlink, nlink);
	store_relaxed(&inode->size, st->size);
	store_relaxed(&inode->blocks, st->blocks);
	inode->atime = st->atime;
	inode->mtime = st->mtime;
	inode->ctime = st->ctime;
	inode->btime = st->has_btime ? st->btime : st->ctime;
	spin_unlock(&inode->spin);
}

int odir_take_attrs(struct inode *inode)
{
	struct kstat st;
	int err = upper_getattr(real_inode(inode), &st);

	if (!err)
		set_attrs(inode, &st);
	return err;
}

void odir_take_known_attrs(struct inode *inode)
{
	struct kstat st;

	if (odir_take_attrs(inode)) {
		generic_getattr(real_inode(inode), &st);
		set_attrs(inode, &st);
	}
}

int odir_getattr(struct inode *inode, struct kstat *st)
{
	int err = odir_take_attrs(inode);

	generic_getattr(inode, st);
	return err;
}

int odir_setattr(struct inode *inode, struct iattr *a)
{
	struct inode *upper = odir_copy_up(inode, a->valid & ATTR_SIZE ? a->size : UINT64_MAX);
	int err;

	if (IS_ERR(upper))
		return PTR_ERR(upper);
	err = upper_setattr(upper, a);
	if (!err)
		odir_take_known_attrs(inode);
	return err;
}

void odir_now_upper(struct odir_sb *os, struct odir_place *p)
{
	struct inode *inode, *other;

	spin_lock(&os->lock);
	inode = p->inode && inode_tryget(p->inode) ? p->inode : NULL;
	spin_unlock(&os->lock);
	if (!inode)
		return;
	odir_i(inode)->node.a = (uintptr_t)p->upper;
	other = ihash_add(&os->inodes, &odir_i(inode)->node);
	if (other) /* the name was looked up anew since: then there are two, until this one goes */
		inode_put(other);
	inode_put(inode);
}

u64 odir_number_of(struct super_block *sb, const struct inode *upper)
{
	struct inode *inode = ihash_find(&odir_sb(sb)->inodes, (uintptr_t)upper, 0);
	u64 ino = inode ? inode->ino : upper_ino(upper->ino);

	if (inode)
		inode_put(inode);
	return ino;
}

static char *odir_readlink(struct inode *inode)
{
	struct inode *real = real_inode(inode);

	return real->ops->readlink(real);
}

const struct inode_operations odir_file_ops = {
	.readlink = odir_readlink,
	.getattr = odir_getattr,
	.setattr = odir_setattr,
	.getxattr = odir_getxattr,
	.listxattr = odir_listxattr,
	.setxattr = odir_setxattr,
};

/* Takes the place. */
static struct inode *bare_inode(struct super_block *sb, struct odir_place *place, u64 ino, u32 mode)
{
	struct odir_inode *oi = kzalloc(sizeof(*oi));
	struct inode *inode = oi ? inode_alloc(sb, ino, mode) : NULL;

	if (!inode) {
		kfree(oi);
		odir_place_put(place);
		return NULL;
	}
	oi->place = place;
	place->inode = inode;
	oi->node.inode = inode;
	inode->priv = oi;
	if (S_ISDIR(mode)) {
		inode->ops = &odir_dir_ops;
		inode->fops = &odir_dir_fops;
	} else {
		inode->ops = &odir_file_ops;
		inode->fops = S_ISREG(mode) ? &odir_file_fops : NULL;
	}
	return inode;
}

static struct inode *new_inode(struct super_block *sb, struct odir_place *place)
{
	struct inode *upper = place->upper, *real = upper ? upper : place->lower;
	struct inode *inode = bare_inode(sb, place, upper ? upper_ino(real->ino) : real->ino,
					 real->mode);

	if (!inode)
		return NULL;
	odir_i(inode)->node.a = (uintptr_t)upper;
	inode->rdev = real->rdev;
	return inode;
}

struct inode *odir_inode_ahead(struct inode *dir, const char *name, u32 mode)
{
	struct odir_place *place = odir_place_new(odir_i(dir)->place, name, NULL, NULL);

	return place ? bare_inode(dir->sb, place, 0, mode) : NULL;
}

struct inode *odir_inode_made(struct inode *inode, struct inode *upper)
{
	struct odir_inode *oi = odir_i(inode);
	struct inode *other;

	store_release(&oi->place->upper, upper);
	oi->node.a = (uintptr_t)upper;
	inode->ino = upper_ino(upper->ino);
	inode->rdev = upper->rdev;
	odir_take_known_attrs(inode);
	other = ihash_add(&odir_sb(inode->sb)->inodes, &oi->node);
	if (other)
		inode_put(inode);
	return other ? other : inode;
}

struct inode *odir_iget(struct super_block *sb, struct odir_place *place)
{
	struct ihash *table = &odir_sb(sb)->inodes;
	bool shared = place->upper != NULL;
	struct inode *inode, *other;
	int err;

	inode = shared ? ihash_find(table, (uintptr_t)place->upper, 0) : NULL;
	if (inode) {
		odir_place_put(place);
		return inode;
	}
	inode = new_inode(sb, place);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	err = odir_take_attrs(inode);
	if (err) {
		inode_put(inode);
		return ERR_PTR(err);
	}
	other = shared ? ihash_add(table, &odir_i(inode)->node) : NULL;
	if (other) {
		inode_put(inode);
		inode = other;
	}
	return inode;
}

void odir_evict(struct inode *inode)
{
	struct odir_inode *oi = odir_i(inode);

	if (!oi)
		return;
	spin_lock(&odir_sb(inode->sb)->lock);
	oi->place->inode = NULL;
	spin_unlock(&odir_sb(inode->sb)->lock);
	ihash_remove(&odir_sb(inode->sb)->inodes, &oi->node);
	if (oi->lower_file)
		file_put(oi->lower_file);
	if (oi->upper_file)
		file_put(oi->upper_file);
	odir_place_put(oi->place);
	kfree(oi);
}
