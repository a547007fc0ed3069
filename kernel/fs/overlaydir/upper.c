/*
 * Operations on the inodes of the layer. Its own name cache isn't used: each name is looked up when
 * it is needed, and the dentries that its operations want are made for one call.
 */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"

#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

static struct dentry *scratch(struct inode *dir, const char *name, struct inode *inode)
{
	struct dentry *d = d_alloc(dir->sb->root, name, strlen(name));

	if (d && inode)
		d_instantiate(d, inode_get(inode));
	return d;
}

static int make_in(struct inode *dir, struct dentry *d, u32 mode, dev_t dev, const char *target)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return dir->ops->create(dir, d, mode);
	case S_IFDIR:
		return dir->ops->mkdir(dir, d, mode);
	case S_IFLNK:
		return dir->ops->symlink(dir, d, target);
	}
	return dir->ops->mknod(dir, d, mode, dev);
}

int upper_make(struct inode *dir, const char *name, u32 mode, dev_t dev, const char *target,
	       struct inode **out)
{
	struct dentry *d = scratch(dir, name, NULL);
	int err;

	if (!d)
		return -ENOMEM;
	down_write(&dir->lock);
	err = make_in(dir, d, mode, dev, target);
	up_write(&dir->lock);
	if (!err)
		*out = inode_get(d->inode);
	d_put(d);
	return err;
}

int upper_link(struct inode *dir, const char *name, struct inode *target)
{
	struct dentry *d = scratch(dir, name, NULL);
	int err;

	if (!d)
		return -ENOMEM;
	down_write(&dir->lock);
	down_write_nested(&target->lock); /* files after directories */
	err = dir->ops->link(dir, d, target);
	up_write(&target->lock);
	up_write(&dir->lock);
	d_put(d);
	return err;
}

int upper_remove(struct inode *dir, const char *name, struct inode *inode)
{
	struct dentry *d = scratch(dir, name, inode);
	int err;

	if (!d)
		return -ENOMEM;
	down_write(&dir->lock);
	err = S_ISDIR(inode->mode) ? dir->ops->rmdir(dir, d) : dir->ops->unlink(dir, d);
	up_write(&dir->lock);
	d_put(d);
	return err;
}

static void lock_two(struct inode *a, struct inode *b)
{
	struct inode *first = a < b ? a : b, *second = a < b ? b : a;

	down_write(&first->lock);
	if (first != second)
		down_write_nested(&second->lock);
}

static void unlock_two(struct inode *a, struct inode *b)
{
	up_write(&a->lock);
	if (a != b)
		up_write(&b->lock);
}

int upper_rename(struct inode *od, const char *on, struct inode *oi, struct inode *nd,
		 const char *nn, struct inode *ni, unsigned flags)
{
	struct rename_ctx rc = {.old_dir = od, .new_dir = nd, .flags = flags};
	int err = -ENOMEM;

	rc.old = scratch(od, on, oi);
	rc.new = scratch(nd, nn, ni);
	if (rc.old && rc.new) {
		lock_two(od, nd);
		err = od->ops->rename(&rc);
		unlock_two(od, nd);
	}
	if (rc.old)
		d_put(rc.old);
	if (rc.new)
		d_put(rc.new);
	return err;
}

int upper_setattr(struct inode *inode, struct iattr *a)
{
	int err;

	down_write(&inode->lock);
	err = inode->ops->setattr(inode, a);
	up_write(&inode->lock);
	return err;
}

int upper_getattr(struct inode *inode, struct kstat *st)
{
	if (inode->ops->getattr)
		return inode->ops->getattr(inode, st);
	generic_getattr(inode, st);
	return 0;
}

struct inode *layer_lookup(struct inode *dir, const char *name)
{
	return dir ? dir->ops->lookup_inode(dir, name) : NULL;
}

void odir_tmp_name(struct odir_sb *os, char name[TMP_NAME_MAX])
{
	snprintf(name, TMP_NAME_MAX, "#%lx",
		 __atomic_fetch_add(&os->next_tmp, 1, __ATOMIC_RELAXED));
}

/* ---- whiteouts ---- */

int odir_hide(struct inode *upper, struct inode *lower)
{
	struct dir_list l = {};
	struct inode *there;
	int err = odir_list_layer(lower, &l);

	for (u32 i = 0; i < l.nr && !err; i++) {
		there = layer_lookup(upper, dir_list_name(&l, i));
		if (IS_ERR(there)) {
			err = PTR_ERR(there);
			break;
		}
		if (!there)
			err = upper_make(upper, dir_list_name(&l, i), S_IFCHR, 0, NULL, &there);
		if (!err)
			inode_put(there);
	}
	dir_list_free(&l);
	return err;
}

int odir_remove_whiteouts(struct inode *dir)
{
	struct dir_list l = {};
	struct inode *w;
	int err = odir_list_layer(dir, &l);

	for (u32 i = 0; i < l.nr && !err; i++) {
		w = layer_lookup(dir, dir_list_name(&l, i));
		if (IS_ERR_OR_NULL(w)) {
			err = PTR_ERR(w);
			continue;
		}
		err = is_whiteout(w) ? upper_remove(dir, dir_list_name(&l, i), w) : -ENOTEMPTY;
		inode_put(w);
	}
	dir_list_free(&l);
	return err;
}

/*
 * What an operation that was cut off has left: files, and directories with nothing but whiteouts.
 */
int odir_clear_work(struct odir_sb *os)
{
	struct dir_list l = {};
	struct inode *i;
	int err = odir_list_layer(os->work, &l);

	for (u32 n = 0; n < l.nr && !err; n++) {
		i = layer_lookup(os->work, dir_list_name(&l, n));
		if (IS_ERR_OR_NULL(i)) {
			err = PTR_ERR(i);
			continue;
		}
		if (S_ISDIR(i->mode))
			err = odir_remove_whiteouts(i);
		if (!err)
			err = upper_remove(os->work, dir_list_name(&l, n), i);
		inode_put(i);
	}
	dir_list_free(&l);
	return err;
}
