/*
 * hostfs names: lookup, and changes of directories (read-write mounts only). Called with the
 * directory's lock, see fs.h.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"
#include "cred.h"
#include "host.h"

#include <dirent.h>
#include <elf.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

static struct inode *hostfs_lookup_inode(struct inode *dir, const char *name)
{
	struct fh *h = hostfs_dir(dir);
	struct inode *inode;
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return ERR_PTR(PTR_ERR(h));
	if (hostfs_hides(dir, name))
		return NULL;
	err = fh_stat_at(h, name, &st);
	if (err == -ENOENT)
		return NULL;
	if (!err)
		err = hostfs_in_procfs(dir, h, name, &st);
	if (err < 0)
		return ERR_PTR(err);
	inode = hostfs_iget(dir->sb, &st, h, name);
	if (!IS_ERR(inode) && err)
		store_relaxed(&hostfs_i(inode)->procfs, true);
	return inode;
}

static int hostfs_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *inode = hostfs_lookup_inode(dir, d->name);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (inode)
		d_instantiate(d, inode);
	return 0;
}

/* The handle of a directory that may be changed. */
static struct fh *writable_dir(struct inode *dir)
{
	return hostfs_sb(dir->sb)->opt.rw ? hostfs_dir(dir) : ERR_PTR(-EROFS);
}

/* ---- what was just made ---- */

/*
 * A new host file belongs to the user who runs heddle, with heddle's umask applied. What the guest
 * wants of it that it hasn't got yet.
 */
static struct iattr missing(const struct inode *dir, u32 mode, const struct kstat *st)
{
	const struct hostfs_options *o = &hostfs_sb(dir->sb)->opt;
	const struct cred *cred = vfs_cred();
	struct iattr a = {
		.mode = mode,
		.uid = cred->fsuid,
		.gid = dir->mode & S_ISGID ? dir->gid : cred->fsgid,
	};

	if (S_ISDIR(mode) && dir->mode & S_ISGID)
		a.mode |= S_ISGID;
	if (st->uid != a.uid && !o->map_uid)
		a.valid |= ATTR_UID;
	if (st->gid != a.gid && !o->map_gid)
		a.valid |= ATTR_GID;
	if (!S_ISLNK(mode) && (a.valid || (st->mode ^ a.mode) & 07777))
		a.valid |= ATTR_MODE;
	return a;
}

/*
 * By handle: the name may be another's by now. Where the host does not let us give files away they
 * stay ours.
 */
static int set_missing(struct fh *file, const struct iattr *a, struct kstat *st)
{
	u32 owner = a->valid & (ATTR_UID | ATTR_GID);
	int err = owner ? fh_setattr(file, owner, 0, a->uid, a->gid, NULL) : 0;

	if (err && err != -EPERM)
		return err;
	err = a->valid & ATTR_MODE ? fh_setattr(file, ATTR_MODE, a->mode & 07777, 0, 0, NULL) : 0;
	if (err)
		return err;
	return a->valid ? fh_stat(file, st) : 0;
}

static int fix_attributes(struct inode *dir, struct fh *file, u32 mode, struct kstat *st)
{
	struct iattr a = missing(dir, mode, st);

	return set_missing(file, &a, st);
}

static int add_inode(struct inode *dir, struct dentry *d, struct fh *h, const struct kstat *st)
{
	struct inode *inode = hostfs_made(dir->sb, st, h, d->name);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	hostfs_changed(dir);
	d_instantiate(d, inode);
	return 0;
}

static int hostfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	struct fh *h = writable_dir(dir), *file;
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	file = fh_open_at(h, d->name, O_RDWR | O_CREAT | O_EXCL, mode & 07777);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = fh_stat(file, &st);
	if (!err)
		err = fix_attributes(dir, file, mode, &st);
	if (!err)
		err = add_inode(dir, d, h, &st);
	if (err) {
		fh_unlink_at(h, d->name, 0);
		fh_put(file);
		return err;
	}
	/* Its mode may not let us open it another time. */
	if ((mode & 0600) != 0600 && get_fh(file) >= 0) {
		fh_check_reopen(file);
		put_fh(file);
	}
	hostfs_adopt(d->inode, file);
	return 0;
}

static bool is_empty(struct fh *dir)
{
	struct fh *h = fh_open_again(dir, O_RDONLY | O_DIRECTORY);
	char buf[1024] __attribute__((aligned(8)));
	ssize_t n = 0;
	u64 pos = 0;
	bool empty = !IS_ERR(h);

	if (!empty)
		return false;
	while (empty && (n = fh_getdents(h, buf, sizeof(buf), &pos)) > 0) {
		for (ssize_t i = 0; i < n;) {
			const struct dirent64 *e = (const void *)(buf + i);

			i += e->d_reclen;
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				empty = false;
		}
	}
	fh_put(h);
	return empty && !n;
}

/*
 * What only a call by name makes is opened afterwards, and may be another's by then: of yet another
 * user, or of this one, from elsewhere, or by a further name of it. Then it stays as it is. What we
 * have made is ours, has one name, and nothing in it.
 */
static bool is_as_made(struct fh *file, const struct kstat *st, dev_t dev)
{
	if (st->uid != host_auxv(AT_EUID))
		return false;
	if (S_ISDIR(st->mode))
		return st->nlink <= 2 && is_empty(file);
	return st->nlink == 1 && st->rdev == dev;
}

static int finish_new(struct inode *dir, struct dentry *d, struct fh *h, struct fh *file, u32 mode,
		      dev_t dev)
{
	struct iattr a;
	struct kstat st;
	int err = fh_stat(file, &st);

	if (err)
		return err;
	if ((st.mode ^ mode) & S_IFMT)
		return -ESTALE;
	a = missing(dir, mode, &st);
	if (a.valid && is_as_made(file, &st, dev))
		err = set_missing(file, &a, &st);
	return err ? err : add_inode(dir, d, h, &st);
}

/*
 * The host has made it. -ESTALE: it has gone, and something else is there, which stays; after other
 * errors it goes again.
 */
static int open_new(struct inode *dir, struct dentry *d, struct fh *h, u32 mode, dev_t dev)
{
	int is_dir = S_ISDIR(mode) ? O_DIRECTORY : 0, err;
	struct fh *file = fh_open_at(h, d->name, O_PATH | is_dir, 0);

	if (file == ERR_PTR(-ENOTDIR) || file == ERR_PTR(-ENOENT))
		return -ESTALE;
	err = IS_ERR(file) ? (int)PTR_ERR(file) : finish_new(dir, d, h, file, mode, dev);
	if (err && err != -ESTALE)
		fh_unlink_at(h, d->name, is_dir ? AT_REMOVEDIR : 0);
	if (!err && is_dir)
		hostfs_adopt(d->inode, file);
	else if (!IS_ERR(file))
		fh_put(file);
	return err;
}

static int hostfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_mkdir_at(h, d->name, (mode & 07777) | 0700); /* is_empty() looks into it */
	return err ? err : open_new(dir, d, h, mode, 0);
}

static int hostfs_mknod(struct inode *dir, struct dentry *d, u32 mode, dev_t dev)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_mknod_at(h, d->name, mode, dev);
	return err ? err : open_new(dir, d, h, mode, dev);
}

static int hostfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_symlink_at(h, d->name, target);
	return err ? err : open_new(dir, d, h, S_IFLNK | 0777, 0);
}

/* ---- other names ---- */

static int hostfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	struct fh *h = writable_dir(dir);
	struct fh_place *to;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	to = fh_place_new(h, d->name);
	if (IS_ERR(to))
		return PTR_ERR(to);
	err = hostfs_link_into(target, h, d->name);
	/*
	 * The newest name is likely to stay: others link a temporary name to the final one, then
	 * remove it.
	 */
	if (!err)
		hostfs_moved(target, NULL, to);
	fh_place_put(to);
	if (err)
		return err;
	inode_inc_nlink(target);
	hostfs_changed(target);
	hostfs_changed(dir);
	d_instantiate(d, inode_get(target));
	return 0;
}

static int name_goes(struct dentry *d, struct fh *dir)
{
	/* We have one reference. */
	bool in_use = load_relaxed(&d->refs) > 1;

	return hostfs_name_goes(d->inode, dir, d->name, in_use);
}

static int remove_name(struct inode *dir, struct dentry *d, int flags)
{
	struct fh *h = writable_dir(dir);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = name_goes(d, h);
	if (err)
		return err;
	err = fh_unlink_at(h, d->name, flags);
	if (err) {
		hostfs_name_stays(d->inode, h, d->name);
		return err;
	}
	inode_dec_nlink(d->inode);
	hostfs_changed(d->inode);
	hostfs_changed(dir);
	return 0;
}

static int hostfs_unlink(struct inode *dir, struct dentry *d)
{
	return remove_name(dir, d, 0);
}

static int hostfs_rmdir(struct inode *dir, struct dentry *d)
{
	int err = remove_name(dir, d, AT_REMOVEDIR);

	if (!err)
		inode_set_nlink(d->inode, 0);
	return err;
}

/* With memory for what can't fail afterwards. from: where the victim of an exchange goes. */
static int rename_to(const struct rename_ctx *rc, struct fh_place *from, struct fh_place *to)
{
	struct inode *inode = rc->old->inode, *victim = rc->new->inode;
	bool exchange = rc->flags & RENAME_EXCHANGE;
	struct fh_move move;
	int err = 0;

	if (victim && !exchange)
		err = name_goes(rc->new, to->dir);
	if (err)
		return err;
	err = fh_rename_at(from->dir, from->name, to->dir, to->name, rc->flags, &move);
	if (err) {
		if (victim && !exchange)
			hostfs_name_stays(victim, to->dir, to->name);
		return err;
	}
	hostfs_moved(inode, from, to);
	if (exchange)
		hostfs_moved(victim, to, from);
	fh_move_end(&move);
	hostfs_changed(inode);
	hostfs_changed(rc->old_dir);
	hostfs_changed(rc->new_dir);
	if (!victim)
		return 0;
	hostfs_changed(victim);
	if (!exchange && S_ISDIR(victim->mode))
		inode_set_nlink(victim, 0);
	else if (!exchange)
		inode_dec_nlink(victim);
	return 0;
}

static int hostfs_rename(const struct rename_ctx *rc)
{
	struct fh *od = writable_dir(rc->old_dir), *nd = writable_dir(rc->new_dir);
	struct fh_place *from, *to;
	int err;

	if (IS_ERR(od))
		return PTR_ERR(od);
	if (IS_ERR(nd))
		return PTR_ERR(nd);
	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (rc->flags & RENAME_EXCHANGE && !rc->new->inode)
		return -ENOENT;
	from = fh_place_new(od, rc->old->name);
	if (IS_ERR(from))
		return PTR_ERR(from);
	to = fh_place_new(nd, rc->new->name);
	err = IS_ERR(to) ? (int)PTR_ERR(to) : rename_to(rc, from, to);
	if (!IS_ERR(to))
		fh_place_put(to);
	fh_place_put(from);
	return err;
}

static int hostfs_tmpfile(struct inode *dir, struct inode **out, u32 mode)
{
	struct fh *h = writable_dir(dir), *file;
	struct inode *inode;
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	file = fh_open_at(h, ".", O_TMPFILE | O_RDWR, mode & 07777);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = fh_stat(file, &st);
	if (!err)
		err = fix_attributes(dir, file, mode, &st);
	if (!err) {
		inode = hostfs_made(dir->sb, &st, NULL, NULL);
		err = IS_ERR(inode) ? (int)PTR_ERR(inode) : 0;
	}
	if (err) {
		fh_put(file);
		return err;
	}
	/* It has no place, and keeps the handle. */
	hostfs_i(inode)->unnamed = true;
	hostfs_adopt(inode, file);
	*out = inode;
	return 0;
}

#define DIR_OPS                                                                                    \
	.lookup = hostfs_lookup, .lookup_inode = hostfs_lookup_inode, .create = hostfs_create,     \
	.mkdir = hostfs_mkdir, .mknod = hostfs_mknod, .symlink = hostfs_symlink,                   \
	.link = hostfs_link, .unlink = hostfs_unlink, .rmdir = hostfs_rmdir,                       \
	.rename = hostfs_rename, .tmpfile = hostfs_tmpfile, .getattr = hostfs_getattr,             \
	.setattr = hostfs_setattr, .getxattr = hostfs_getxattr, .listxattr = hostfs_listxattr,     \
	.setxattr = hostfs_setxattr

const struct inode_operations hostfs_dir_ops = {DIR_OPS, .revalidate = hostfs_revalidate};
const struct inode_operations hostfs_dir_ops_exclusive = {DIR_OPS};
