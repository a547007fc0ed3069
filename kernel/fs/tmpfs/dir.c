/*
 * tmpfs names: directory operations and reading. Called with the directory's lock for writing (not
 * iterate), see fs.h.
 */
#include "kernel/fs/tmpfs/tmpfs_priv.h"

#include "alloc.h"

#include <dirent.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>

/* What Linux counts for an entry in a tmpfs directory's size. */
#define DIRENT_SIZE 20

static struct memdir *dir_names(const struct inode *dir)
{
	return &tmpfs_i(dir)->dir;
}

static void dir_changed(struct inode *dir)
{
	const struct memdir *d = dir_names(dir);

	store_relaxed(&dir->size, (u64)(d->live + 2) * DIRENT_SIZE);
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
}

static int tmpfs_lookup(struct inode *dir, struct dentry *d)
{
	struct memdirent *e = memdir_find(dir_names(dir), d->name, d->name_len);

	if (e)
		d_instantiate(d, inode_get(e->inode));
	return 0;
}

/* Gives the new inode the name; it is dropped if that fails. */
static int add_new(struct inode *dir, struct dentry *d, struct inode *inode)
{
	if (!memdir_add(dir_names(dir), d->name, d->name_len, inode)) {
		inode_put(inode);
		return -ENOMEM;
	}
	if (S_ISDIR(inode->mode))
		inode_inc_nlink(dir);
	dir_changed(dir);
	d_instantiate(d, inode_get(inode));
	return 0;
}

static int tmpfs_mknod(struct inode *dir, struct dentry *d, u32 mode, dev_t dev)
{
	struct inode *inode = tmpfs_new_inode(dir->sb, dir, mode, dev);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (S_ISDIR(mode))
		inode->size = 2 * DIRENT_SIZE;
	return add_new(dir, d, inode);
}

static int tmpfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	return tmpfs_mknod(dir, d, S_IFREG | (mode & 07777), 0);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	return tmpfs_mknod(dir, d, S_IFDIR | (mode & 07777), 0);
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *inode = tmpfs_new_inode(dir->sb, dir, S_IFLNK | 0777, 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	tmpfs_i(inode)->target = kstrdup(target);
	if (!tmpfs_i(inode)->target) {
		inode_put(inode);
		return -ENOMEM;
	}
	inode->size = strlen(target);
	return add_new(dir, d, inode);
}

static int tmpfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	if (!memdir_add(dir_names(dir), d->name, d->name_len, target))
		return -ENOMEM;
	inode_get(target); /* the entry's */
	inode_inc_nlink(target);
	inode_touch(target, ATTR_CTIME);
	dir_changed(dir);
	d_instantiate(d, inode_get(target));
	return 0;
}

/* An inode lost a name in dir. */
static void lost_name(struct inode *dir, struct inode *inode)
{
	if (S_ISDIR(inode->mode)) {
		inode_set_nlink(inode, 0);
		inode_dec_nlink(dir);
	} else {
		inode_dec_nlink(inode);
	}
	inode_touch(inode, ATTR_CTIME);
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	struct memdirent *e = memdir_find(dir_names(dir), d->name, d->name_len);
	struct inode *inode;

	if (!e || e->inode != d->inode)
		return -ENOENT;
	inode = memdir_remove(dir_names(dir), e);
	lost_name(dir, inode);
	dir_changed(dir);
	inode_put(inode);
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (dir_names(d->inode)->live)
		return -ENOTEMPTY;
	return tmpfs_unlink(dir, d);
}

/* A directory went from one parent to another. */
static void dir_moved(const struct inode *inode, struct inode *from, struct inode *to)
{
	if (S_ISDIR(inode->mode) && from != to) {
		inode_dec_nlink(from);
		inode_inc_nlink(to);
	}
}

static int exchange(const struct rename_ctx *rc, struct memdirent *oe, struct memdirent *ne)
{
	struct inode *a = oe->inode, *b;

	b = memdir_replace(dir_names(rc->new_dir), ne, a);
	memdir_replace(dir_names(rc->old_dir), oe, b);
	dir_moved(a, rc->old_dir, rc->new_dir);
	dir_moved(b, rc->new_dir, rc->old_dir);
	inode_touch(b, ATTR_CTIME);
	return 0;
}

static int move(const struct rename_ctx *rc, struct memdirent *oe, struct memdirent *ne)
{
	struct memdir *to = dir_names(rc->new_dir);
	struct inode *inode = oe->inode, *victim = NULL;

	if (ne && S_ISDIR(ne->inode->mode) && dir_names(ne->inode)->live)
		return -ENOTEMPTY;
	if (ne)
		victim = memdir_replace(to, ne, inode);
	else if (!memdir_add(to, rc->new->name, rc->new->name_len, inode))
		return -ENOMEM;
	memdir_remove(dir_names(rc->old_dir), oe); /* its reference went along */
	if (victim) {
		lost_name(rc->new_dir, victim);
		inode_put(victim);
	}
	dir_moved(inode, rc->old_dir, rc->new_dir);
	return 0;
}

static int tmpfs_rename(const struct rename_ctx *rc)
{
	struct memdirent *oe, *ne;
	int err;

	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	oe = memdir_find(dir_names(rc->old_dir), rc->old->name, rc->old->name_len);
	ne = memdir_find(dir_names(rc->new_dir), rc->new->name, rc->new->name_len);
	if (!oe || (rc->flags & RENAME_EXCHANGE && !ne))
		return -ENOENT;
	err = rc->flags & RENAME_EXCHANGE ? exchange(rc, oe, ne) : move(rc, oe, ne);
	if (err)
		return err;
	inode_touch(rc->old->inode, ATTR_CTIME);
	dir_changed(rc->old_dir);
	dir_changed(rc->new_dir);
	return 0;
}

static int tmpfs_tmpfile(struct inode *dir, struct inode **out, u32 mode)
{
	struct inode *inode = tmpfs_new_inode(dir->sb, dir, S_IFREG | (mode & 07777), 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	inode_set_nlink(inode, 0);
	*out = inode;
	return 0;
}

const struct inode_operations tmpfs_dir_ops = {
	.lookup = tmpfs_lookup,
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.mknod = tmpfs_mknod,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.getxattr = tmpfs_getxattr,
	.listxattr = tmpfs_listxattr,
	.setxattr = tmpfs_setxattr,
};

static int tmpfs_iterate(struct file *f, struct dir_context *dc)
{
	struct inode *dir = f->inode;
	struct memdirent *e;
	u64 pos = dc->pos;
	bool more = true;

	if (pos == 0) {
		more = dc->emit(dc, ".", 1, dir->ino, DT_DIR, 1);
		pos = 1;
	}
	if (more && pos == 1) {
		more = dc->emit(dc, "..", 2, d_parent_ino(f->path.dentry), DT_DIR,
				MEMDIR_FIRST_COOKIE);
		pos = MEMDIR_FIRST_COOKIE;
	}
	down_read(&dir->lock);
	while (more && (e = memdir_next(dir_names(dir), pos))) {
		more = dc->emit(dc, e->name, e->len, e->inode->ino, IFTODT(e->inode->mode),
				e->cookie + 1);
		pos = e->cookie + 1;
	}
	up_read(&dir->lock);
	return 0;
}

static int tmpfs_dir_fsync(struct file *f, bool datasync)
{
	return 0;
}

const struct file_operations tmpfs_dir_fops = {
	.iterate = tmpfs_iterate,
	.fsync = tmpfs_dir_fsync,
};
