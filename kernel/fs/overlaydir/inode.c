/* Inodes: of a place. What is in the upper layer is found by its inode there: names of one file are one inode. */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"

static struct inode *real_inode(const struct inode *inode)
{
	struct inode *upper = odir_upper(inode);

	return upper ? upper : odir_lower(inode);
}

int odir_take_attrs(struct inode *inode)
{
	struct kstat st;
	int err = upper_getattr(real_inode(inode), &st);

	if (err)
		return err;
	if (S_ISDIR(st.mode) && odir_upper(inode) && odir_lower(inode))
		st.nlink = 1; /* subdirectories of both layers are not counted, as on Linux */
	spin_lock(&inode->spin);
	__atomic_store_n(&inode->mode, st.mode, __ATOMIC_RELAXED);
	__atomic_store_n(&inode->uid, st.uid, __ATOMIC_RELAXED);
	__atomic_store_n(&inode->gid, st.gid, __ATOMIC_RELAXED);
	__atomic_store_n(&inode->nlink, st.nlink, __ATOMIC_RELAXED);
	__atomic_store_n(&inode->size, st.size, __ATOMIC_RELAXED);
	__atomic_store_n(&inode->blocks, st.blocks, __ATOMIC_RELAXED);
	inode->atime = st.atime;
	inode->mtime = st.mtime;
	inode->ctime = st.ctime;
	inode->btime = st.has_btime ? st.btime : st.ctime;
	spin_unlock(&inode->spin);
	return 0;
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
	return err ? err : odir_take_attrs(inode);
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

static struct inode *new_inode(struct super_block *sb, struct odir_place *place)
{
	struct inode *real = place->upper ? place->upper : place->lower;
	u64 ino = place->upper ? upper_ino(real->ino) : real->ino;
	struct odir_inode *oi = kzalloc(sizeof(*oi));
	struct inode *inode = oi ? inode_alloc(sb, ino, real->mode) : NULL;

	if (!inode) {
		kfree(oi);
		odir_place_put(place);
		return NULL;
	}
	oi->place = place;
	place->inode = inode;
	oi->node.a = (uintptr_t)place->upper;
	oi->node.inode = inode;
	inode->priv = oi;
	inode->rdev = real->rdev;
	if (S_ISDIR(inode->mode)) {
		inode->ops = &odir_dir_ops;
		inode->fops = &odir_dir_fops;
	} else {
		inode->ops = &odir_file_ops;
		inode->fops = S_ISREG(inode->mode) ? &odir_file_fops : NULL;
	}
	return inode;
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
