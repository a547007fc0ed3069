/*
 * humfs names. Called with the directory's lock, see fs.h.
 *
 * A name is there if its data is. So that data never has wrong metadata, or none, whenever the
 * kernel is killed: what is made gets its metadata first, what is removed loses it last. Renaming
 * takes more: rename.c.
 */
#include "kernel/fs/humfs/humfs.h"

#include "alloc.h"
#include "cred.h"

#include <dirent.h>
#include <string.h>

static int humfs_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *inode = humfs_lookup_inode(dir, d->name);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (inode)
		d_instantiate(d, inode);
	return 0;
}

/* ---- making ---- */

struct new_file {
	struct inode *dir;
	const char *name;
	u32 mode, uid, gid;
	dev_t dev;
	const char *target; /* a symlink's */
	struct fh *file;    /* a regular file's, open */
};

static void set_owner(struct new_file *n)
{
	struct inode like = {.mode = n->mode, .uid = vfs_cred()->fsuid, .gid = vfs_cred()->fsgid};

	inode_init_owner(&like, n->dir);
	n->mode = like.mode;
	n->uid = like.uid;
	n->gid = like.gid;
}

static int make_meta(const struct new_file *n)
{
	struct humfs_meta m = humfs_meta_of(n->mode, n->uid, n->gid, n->dev);

	return S_ISDIR(n->mode) ? humfs_meta_mkdir(n->dir, n->name, &m)
				: humfs_meta_create(humfs_i(n->dir)->fmeta, n->name, &m);
}

static void unmake_meta(const struct new_file *n)
{
	if (S_ISDIR(n->mode))
		humfs_meta_rmdir(n->dir, n->name);
	else
		fh_unlink_at(humfs_i(n->dir)->fmeta, n->name, 0);
}

static int make_data(struct new_file *n, struct fh *h)
{
	struct fh *file;

	if (S_ISDIR(n->mode))
		return fh_mkdir_at(h, n->name, 0777);
	if (S_ISLNK(n->mode))
		return fh_symlink_at(h, n->name, n->target);
	file = fh_open_at(h, n->name, O_RDWR | O_CREAT | O_EXCL, 0666);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (S_ISREG(n->mode))
		n->file = file; /* somebody is going to use it */
	else
		fh_put(file);
	return 0;
}

static struct inode *make_inode(struct new_file *n, struct fh *h)
{
	struct kstat st;
	int err = fh_stat_at(h, n->name, &st);

	if (err) {
		fh_put(n->file);
		return ERR_PTR(err);
	}
	st.mode = n->mode;
	st.uid = n->uid;
	st.gid = n->gid;
	st.rdev = n->dev;
	return humfs_new_inode(n->dir, n->name, &st, n->file);
}

static int make_locked(struct new_file *n, struct dentry *d, struct fh *h)
{
	struct inode *inode;
	int err = make_meta(n);

	if (err)
		return err;
	err = make_data(n, h);
	if (err) {
		unmake_meta(n);
		return err;
	}
	inode = make_inode(n, h);
	if (IS_ERR(inode)) {
		fh_unlink_at(h, n->name, S_ISDIR(n->mode) ? AT_REMOVEDIR : 0);
		unmake_meta(n);
		return PTR_ERR(inode);
	}
	humfs_refresh(n->dir);
	d_instantiate(d, inode);
	return 0;
}

/* The handle of a directory that may be changed. */
static struct fh *writable_dir(struct inode *dir)
{
	if (humfs_stuck(dir->sb))
		return ERR_PTR(-EIO);
	return hostfs_sb(dir->sb)->opt.rw ? hostfs_dir(dir) : ERR_PTR(-EROFS);
}

static int make(struct inode *dir, struct dentry *d, u32 mode, dev_t dev, const char *target)
{
	struct new_file n = {
		.dir = dir, .name = d->name, .mode = mode, .dev = dev, .target = target};
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	set_owner(&n);
	humfs_begin(dir->sb);
	err = make_locked(&n, d, h);
	humfs_end(dir->sb);
	return err;
}

static int humfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	return make(dir, d, S_IFREG | (mode & 07777), 0, NULL);
}

static int humfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	return make(dir, d, S_IFDIR | (mode & 07777), 0, NULL);
}

static int humfs_mknod(struct inode *dir, struct dentry *d, u32 mode, dev_t dev)
{
	return make(dir, d, mode, dev, NULL);
}

static int humfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	return make(dir, d, S_IFLNK | 0777, 0, target);
}

static int humfs_tmpfile(struct inode *dir, struct inode **out, u32 mode)
{
	struct new_file n = {.dir = dir, .mode = S_IFREG | (mode & 07777)};
	struct fh *h = writable_dir(dir), *file;
	struct inode *inode;
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	file = fh_open_at(h, ".", O_TMPFILE | O_RDWR, 0666);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = fh_stat(file, &st);
	if (err) {
		fh_put(file);
		return err;
	}
	set_owner(&n);
	st.mode = n.mode;
	st.uid = n.uid;
	st.gid = n.gid;
	inode = humfs_new_inode(dir, NULL, &st, file);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	*out = inode;
	return 0;
}

/* ---- links ---- */

/* The target's metadata under one more name; made now, if it had no name at all. */
static int link_meta(struct inode *dir, const char *name, struct inode *target)
{
	struct humfs_meta m = humfs_meta_of(target->mode, target->uid, target->gid, target->rdev);
	struct fh *to = humfs_i(dir)->fmeta, *h = humfs_meta_open(target);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	if (!h)
		return humfs_meta_create(to, name, &m);
	err = humfs_meta_purge(to, name);
	if (!err)
		err = fh_link_into(h, to, name);
	humfs_meta_close(h);
	return err;
}

static int link_locked(struct inode *dir, struct dentry *d, struct inode *target, struct fh *h)
{
	int err = link_meta(dir, d->name, target);

	if (err)
		return err;
	err = hostfs_link_into(target, h, d->name);
	if (err) {
		fh_unlink_at(humfs_i(dir)->fmeta, d->name, 0);
		return err;
	}
	/*
	 * The newest name is likely to stay: others link a temporary name to the final one, then
	 * remove it.
	 */
	(void)humfs_linked(target, dir, d->name);
	inode_inc_nlink(target);
	humfs_refresh(target);
	humfs_refresh(dir);
	d_instantiate(d, inode_get(target));
	return 0;
}

static int humfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	humfs_begin(dir->sb);
	err = link_locked(dir, d, target, h);
	humfs_end(dir->sb);
	return err;
}

/* ---- removing ---- */

static int remove_locked(struct inode *dir, struct dentry *d, struct fh *h, bool is_dir)
{
	int err = humfs_name_goes(d->inode, dir, d->name);

	if (err)
		return err;
	err = fh_unlink_at(h, d->name, is_dir ? AT_REMOVEDIR : 0);
	if (err) {
		if (!is_dir)
			(void)humfs_has_name(d->inode, dir, d->name);
		return err;
	}
	if (is_dir) {
		fh_unlink_at(humfs_i(d->inode)->dmeta, HUMFS_DIR_FILE, 0);
		humfs_meta_rmdir(dir, d->name);
		inode_set_nlink(d->inode, 0);
	} else {
		fh_unlink_at(humfs_i(dir)->fmeta, d->name, 0);
		inode_dec_nlink(d->inode);
	}
	inode_touch(d->inode, ATTR_CTIME);
	humfs_refresh(dir);
	return 0;
}

static int remove_name(struct inode *dir, struct dentry *d, bool is_dir)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	humfs_begin(dir->sb);
	err = remove_locked(dir, d, h, is_dir);
	humfs_end(dir->sb);
	return err;
}

static int humfs_unlink(struct inode *dir, struct dentry *d)
{
	return remove_name(dir, d, false);
}

static int humfs_rmdir(struct inode *dir, struct dentry *d)
{
	return remove_name(dir, d, true);
}

const struct inode_operations humfs_dir_ops = {
	.lookup = humfs_lookup,
	.lookup_inode = humfs_lookup_inode,
	.create = humfs_create,
	.mkdir = humfs_mkdir,
	.mknod = humfs_mknod,
	.symlink = humfs_symlink,
	.link = humfs_link,
	.unlink = humfs_unlink,
	.rmdir = humfs_rmdir,
	.rename = humfs_rename,
	.tmpfile = humfs_tmpfile,
	.getattr = humfs_getattr,
	.setattr = humfs_setattr,
	.getxattr = humfs_getxattr,
	.listxattr = humfs_listxattr,
	.setxattr = humfs_setxattr,
};

/* ---- open directories ---- */

/* Who is told nothing would ask for the attributes, which costs more than this. */
unsigned humfs_entry_type(struct inode *dir, const char *name)
{
	struct humfs_meta m;
	struct timespec ctime;
	u32 mode;

	if (humfs_meta_read(humfs_i(dir)->fmeta, name, &m, &ctime) ||
	    humfs_meta_mode(&m, S_IFREG, &mode))
		return DT_UNKNOWN;
	return IFTODT(mode);
}

static int sync_dir(struct fh *h)
{
	struct fh *open = fh_open_at(h, ".", O_RDONLY | O_DIRECTORY, 0);
	int err;

	if (IS_ERR(open))
		return PTR_ERR(open);
	err = fh_fsync(open, false);
	fh_put(open);
	return err;
}

/* Metadata first: data whose metadata is lost is lost too. */
static int humfs_dir_fsync(struct file *f, bool datasync)
{
	struct humfs_inode *di = humfs_i(f->inode);
	int err = humfs_meta_sync(f->inode);

	if (!err)
		err = sync_dir(di->fmeta);
	if (!err)
		err = sync_dir(di->dmeta);
	return err ? err : hostfs_dir_fsync(f, datasync);
}

const struct file_operations humfs_dir_fops = {
	.open = hostfs_dir_open,
	.iterate = hostfs_iterate,
	.release = hostfs_dir_release,
	.fsync = humfs_dir_fsync,
};
