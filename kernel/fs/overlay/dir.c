/*
 * Overlay names. A directory's own entries come first: an inode, or a whiteout that says there is
 * none. A name without an entry is the lower directory's business. `covers` of an entry tells that
 * the lower directory has the name as well, so that a whiteout must stay when the entry goes.
 *
 * Renaming something lower needs no copy: an entry in the new place refers to its inode, which
 * knows its lower one; the old name gets a whiteout.
 *
 * Called with the directory's lock for writing, see fs.h. All steps that can fail come before the
 * first change.
 */
#include "kernel/fs/overlay/overlay_priv.h"

#include "alloc.h"
#include "log.h"

#include <linux/fs.h>
#include <string.h>

static struct memdir *dir_names(const struct inode *dir)
{
	return &ovl_i(dir)->names;
}

/* Link counts of directories: on some hosts 1 means that subdirectories aren't counted. */
static void subdirs_changed(struct inode *dir, int by)
{
	if (dir->nlink < 2)
		return;
	if (by > 0)
		inode_inc_nlink(dir);
	else
		inode_dec_nlink(dir);
}

static int ovl_lookup(struct inode *dir, struct dentry *d)
{
	struct memdirent *e = memdir_find(dir_names(dir), d->name, d->name_len);
	struct inode *lower_dir = ovl_i(dir)->lower, *lower, *inode;

	if (e) {
		if (e->inode)
			d_instantiate(d, inode_get(e->inode));
		return 0;
	}
	if (!lower_dir)
		return 0;
	lower = lower_dir->ops->lookup_inode(lower_dir, d->name);
	if (!lower || IS_ERR(lower))
		return PTR_ERR(lower);
	inode = ovl_iget(dir->sb, lower);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	d_instantiate(d, inode);
	return 0;
}

/*
 * The entry of d, made if there is none: then it says what is so already. Nothing has changed,
 * should a later step fail. NULL: no memory.
 */
static struct memdirent *entry_of(struct inode *dir, struct dentry *d)
{
	struct memdirent *e = memdir_find(dir_names(dir), d->name, d->name_len);

	if (e)
		return e;
	e = memdir_add(dir_names(dir), d->name, d->name_len, d->inode);
	if (!e)
		return NULL;
	if (d->inode) {
		e->covers = true; /* it was found below */
		inode_get(d->inode);
	}
	ovl_pin(dir);
	return e;
}

/* Takes the inode out of the entry. Returns its reference. */
static struct inode *entry_clear(struct inode *dir, struct memdirent *e)
{
	return e->covers ? memdir_replace(dir_names(dir), e, NULL)
			 : memdir_remove(dir_names(dir), e);
}

static void dir_changed(struct inode *dir)
{
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
}

/* Gives an inode the name of the negative d; takes its reference, also on failure. */
static int add_name(struct inode *dir, struct dentry *d, struct inode *inode)
{
	struct memdirent *e = entry_of(dir, d);

	if (!e) {
		inode_put(inode);
		return -ENOMEM;
	}
	memdir_replace(dir_names(dir), e, inode);
	if (S_ISDIR(inode->mode))
		subdirs_changed(dir, 1);
	dir_changed(dir);
	d_instantiate(d, inode_get(inode));
	return 0;
}

static int ovl_mknod(struct inode *dir, struct dentry *d, u32 mode, dev_t dev)
{
	struct inode *inode = ovl_new_inode(dir, mode, dev);

	return IS_ERR(inode) ? (int)PTR_ERR(inode) : add_name(dir, d, inode);
}

static int ovl_create(struct inode *dir, struct dentry *d, u32 mode)
{
	return ovl_mknod(dir, d, S_IFREG | (mode & 07777), 0);
}

static int ovl_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	return ovl_mknod(dir, d, S_IFDIR | (mode & 07777), 0);
}

static int ovl_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *inode = ovl_new_inode(dir, S_IFLNK | 0777, 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	ovl_i(inode)->target = kstrdup(target);
	if (!ovl_i(inode)->target) {
		inode_put(inode);
		return -ENOMEM;
	}
	inode->size = strlen(target);
	return add_name(dir, d, inode);
}

static int ovl_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	int err = add_name(dir, d, inode_get(target));

	if (err)
		return err;
	ovl_pin(target);
	inode_inc_nlink(target);
	inode_touch(target, ATTR_CTIME);
	return 0;
}

/* An inode lost a name in dir. The caller holds a reference. */
static void lost_name(struct inode *dir, struct inode *inode)
{
	if (S_ISDIR(inode->mode)) {
		inode_set_nlink(inode, 0);
		subdirs_changed(dir, -1);
	} else {
		inode_dec_nlink(inode);
	}
	inode_touch(inode, ATTR_CTIME);
	if (load_relaxed(&inode->nlink))
		ovl_pin(inode);
	/* Last: another name of it may have gone elsewhere meanwhile. */
	if (!load_relaxed(&inode->nlink))
		ovl_unpin(inode);
}

static int ovl_unlink(struct inode *dir, struct dentry *d)
{
	struct memdirent *e = entry_of(dir, d);
	struct inode *inode;

	if (!e)
		return -ENOMEM;
	if (e->inode != d->inode)
		return -ENOENT;
	inode = entry_clear(dir, e);
	lost_name(dir, inode);
	dir_changed(dir);
	inode_put(inode);
	return 0;
}

static int ovl_rmdir(struct inode *dir, struct dentry *d)
{
	int empty = ovl_dir_empty(d->inode);

	if (empty <= 0)
		return empty ? empty : -ENOTEMPTY;
	return ovl_unlink(dir, d);
}

/* A directory went from one parent to another. */
static void dir_moved(const struct inode *inode, struct inode *from, struct inode *to)
{
	if (S_ISDIR(inode->mode) && from != to) {
		subdirs_changed(from, -1);
		subdirs_changed(to, 1);
	}
}

static void exchange(const struct rename_ctx *rc, struct memdirent *oe, struct memdirent *ne)
{
	struct inode *a = oe->inode, *b;

	ASSERT(a);
	b = memdir_replace(dir_names(rc->new_dir), ne, a);
	ASSERT(b);
	memdir_replace(dir_names(rc->old_dir), oe, b);
	dir_moved(a, rc->old_dir, rc->new_dir);
	dir_moved(b, rc->new_dir, rc->old_dir);
	inode_touch(b, ATTR_CTIME);
}

static void move(const struct rename_ctx *rc, struct memdirent *oe, struct memdirent *ne)
{
	struct inode *inode = rc->old->inode, *victim;

	victim = memdir_replace(dir_names(rc->new_dir), ne, inode);
	entry_clear(rc->old_dir, oe); /* its reference went along */
	if (victim) {
		lost_name(rc->new_dir, victim);
		inode_put(victim);
	}
	dir_moved(inode, rc->old_dir, rc->new_dir);
}

static int ovl_rename(const struct rename_ctx *rc)
{
	struct inode *victim = rc->new->inode;
	bool swap = rc->flags & RENAME_EXCHANGE;
	struct memdirent *oe, *ne;
	int empty;

	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (swap && !victim)
		return -ENOENT;
	if (victim && S_ISDIR(victim->mode) && !swap) {
		empty = ovl_dir_empty(victim);
		if (empty <= 0)
			return empty ? empty : -ENOTEMPTY;
	}
	oe = entry_of(rc->old_dir, rc->old);
	ne = entry_of(rc->new_dir, rc->new);
	if (!oe || !ne)
		return -ENOMEM;
	if (oe->inode != rc->old->inode || ne->inode != victim)
		return -ENOENT;
	if (swap)
		exchange(rc, oe, ne);
	else
		move(rc, oe, ne);
	inode_touch(rc->old->inode, ATTR_CTIME);
	ovl_pin(rc->old->inode);
	dir_changed(rc->old_dir);
	dir_changed(rc->new_dir);
	return 0;
}

static int ovl_tmpfile(struct inode *dir, struct inode **out, u32 mode)
{
	struct inode *inode = ovl_new_inode(dir, S_IFREG | (mode & 07777), 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	inode_set_nlink(inode, 0);
	*out = inode;
	return 0;
}

static int ovl_dir_setattr(struct inode *dir, struct iattr *a)
{
	ovl_pin(dir);
	return generic_setattr(dir, a);
}

const struct inode_operations ovl_dir_ops = {
	.lookup = ovl_lookup,
	.create = ovl_create,
	.mkdir = ovl_mkdir,
	.mknod = ovl_mknod,
	.symlink = ovl_symlink,
	.link = ovl_link,
	.unlink = ovl_unlink,
	.rmdir = ovl_rmdir,
	.rename = ovl_rename,
	.tmpfile = ovl_tmpfile,
	.setattr = ovl_dir_setattr,
	.getxattr = ovl_getxattr,
	.listxattr = ovl_listxattr,
	.setxattr = ovl_setxattr,
};
