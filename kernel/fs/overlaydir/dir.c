/*
 * Names. The upper layer's count; a whiteout there (a character device 0:0) says that there is
 * none; what it hasn't is looked up below, unless the directory has no lower one. Called with the
 * directory's lock, see fs.h.
 *
 * What takes the place of a whiteout is made in work/ and renamed over it, so that the lower name
 * doesn't show in between.
 */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"
#include "cred.h"

#include <linux/fs.h>
#include <string.h>

/* ---- lookup ---- */

static struct odir_place *dir_place(const struct inode *dir)
{
	return odir_i(dir)->place;
}

static int odir_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *upper = layer_lookup(odir_upper(dir), d->name), *lower = NULL, *inode;
	struct odir_place *place;

	if (IS_ERR(upper))
		return PTR_ERR(upper);
	if (upper && is_whiteout(upper)) {
		inode_put(upper);
		return 0;
	}
	if (!upper || S_ISDIR(upper->mode))
		lower = layer_lookup(odir_lower(dir), d->name);
	if (upper && !IS_ERR_OR_NULL(lower) && (!S_ISDIR(lower->mode) || odir_opaque(upper))) {
		inode_put(lower);
		lower = NULL;
	}
	if (IS_ERR(lower)) {
		if (upper)
			inode_put(upper);
		return PTR_ERR(lower);
	}
	if (!upper && !lower)
		return 0;
	place = odir_place_new(dir_place(dir), d->name, lower, upper);
	if (!place)
		return -ENOMEM;
	inode = odir_iget(dir->sb, place);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	d_instantiate(d, inode);
	return 0;
}

/*
 * What a change of name in dir meets: its upper directory (copied up), the whiteout or file there,
 * and what is below.
 */
struct spot {
	struct inode *dir;   /* not a reference */
	struct inode *upper; /* +1 or NULL */
	struct inode *lower; /* +1 or NULL */
};

static void spot_put(struct spot *s)
{
	if (!IS_ERR_OR_NULL(s->upper))
		inode_put(s->upper);
	if (!IS_ERR_OR_NULL(s->lower))
		inode_put(s->lower);
}

static int spot_find(struct inode *dir, const char *name, struct spot *s)
{
	*s = (struct spot){.dir = odir_copy_up(dir, 0)};
	if (IS_ERR(s->dir))
		return PTR_ERR(s->dir);
	s->upper = layer_lookup(s->dir, name);
	s->lower = layer_lookup(odir_lower(dir), name);
	if (!IS_ERR(s->upper) && !IS_ERR(s->lower))
		return 0;
	spot_put(s);
	return IS_ERR(s->upper) ? PTR_ERR(s->upper) : PTR_ERR(s->lower);
}

static void dir_changed(struct inode *dir)
{
	if (odir_take_attrs(dir))
		inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
}

/* Drops what lies in work/: what stays there goes when the overlay is used next. */
static void drop_tmp(struct odir_sb *os, const char *tmp, struct inode *made)
{
	if (S_ISDIR(made->mode) && odir_remove_whiteouts(made))
		return;
	if (upper_remove(os->work, tmp, made))
		trace("overlay: left in work", 0, 0);
}

/* ---- making ---- */

/* Puts what lies in work/ under tmp into the spot, over the whiteout or file there (or nothing). */
static int put_in_place(struct super_block *sb, const char *tmp, struct inode *made, struct spot *s,
			const char *name)
{
	struct odir_sb *os = odir_sb(sb);
	int err;

	if (S_ISDIR(made->mode) && s->lower && S_ISDIR(s->lower->mode)) {
		err = odir_hide(made, s->lower);
		if (err)
			return err;
	}
	/* A directory can't be renamed over a whiteout: they are exchanged. */
	if (!S_ISDIR(made->mode) || !s->upper)
		return upper_rename(os->work, tmp, made, s->dir, name, s->upper, 0);
	err = upper_rename(os->work, tmp, made, s->dir, name, s->upper, RENAME_EXCHANGE);
	if (!err)
		drop_tmp(os, tmp, s->upper);
	return err;
}

/* Owner and group as a directory of the guest's gives them: work/ is another one. */
static int set_owner(struct inode *dir, struct inode *made, u32 mode)
{
	struct inode like = {.mode = mode, .uid = vfs_cred()->fsuid, .gid = vfs_cred()->fsgid};
	struct iattr a = {.valid = ATTR_UID | ATTR_GID};

	inode_init_owner(&like, dir);
	a.uid = like.uid;
	a.gid = like.gid;
	a.mode = like.mode;
	if (!S_ISLNK(mode))
		a.valid |= ATTR_MODE;
	return upper_setattr(made, &a);
}

static int make_upper(struct inode *dir, struct dentry *d, u32 mode, dev_t dev, const char *target,
		      struct inode **made)
{
	struct odir_sb *os = odir_sb(dir->sb);
	char tmp[TMP_NAME_MAX];
	struct spot s;
	int err = spot_find(dir, d->name, &s);

	if (err)
		return err;
	if (!s.upper && !s.lower) {
		err = upper_make(s.dir, d->name, mode, dev, target, made);
	} else {
		odir_tmp_name(os, tmp);
		err = upper_make(os->work, tmp, mode, dev, target, made);
		if (!err) {
			err = set_owner(dir, *made, mode);
			if (!err)
				err = put_in_place(dir->sb, tmp, *made, &s, d->name);
			if (err) {
				drop_tmp(os, tmp, *made);
				inode_put(*made);
			}
		}
	}
	spot_put(&s);
	return err;
}

static int make(struct inode *dir, struct dentry *d, u32 mode, dev_t dev, const char *target)
{
	/* A directory that is new here has nothing below. */
	struct inode *inode = odir_inode_ahead(dir, d->name, mode), *made;
	int err = inode ? make_upper(dir, d, mode, dev, target, &made) : -ENOMEM;

	if (err) {
		if (inode)
			inode_put(inode);
		return err;
	}
	dir_changed(dir);
	d_instantiate(d, odir_inode_made(inode, made));
	return 0;
}

static int odir_create(struct inode *dir, struct dentry *d, u32 mode)
{
	return make(dir, d, S_IFREG | (mode & 07777), 0, NULL);
}

static int odir_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	return make(dir, d, S_IFDIR | (mode & 07777), 0, NULL);
}

static int odir_mknod(struct inode *dir, struct dentry *d, u32 mode, dev_t dev)
{
	if (S_ISCHR(mode) && !dev)
		return -EPERM; /* it would be a whiteout */
	return make(dir, d, mode, dev, NULL);
}

static int odir_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	return make(dir, d, S_IFLNK | 0777, 0, target);
}

static int odir_tmpfile(struct inode *dir, struct inode **out, u32 mode)
{
	struct inode *upper = odir_copy_up(dir, 0), *made, *inode;
	struct odir_place *place;
	int err;

	if (IS_ERR(upper))
		return PTR_ERR(upper);
	if (!upper->ops->tmpfile)
		return -EOPNOTSUPP;
	down_write(&upper->lock);
	err = upper->ops->tmpfile(upper, &made, mode);
	up_write(&upper->lock);
	if (err)
		return err;
	place = odir_place_new(dir_place(dir), "", NULL, made);
	inode = place ? odir_iget(dir->sb, place) : ERR_PTR(-ENOMEM);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	*out = inode;
	return 0;
}

/* An inode gets one more name, or another. */
static void note_name(const struct inode *inode)
{
	if (odir_lower(inode))
		store_relaxed(&odir_sb(inode->sb)->strayed, true);
}

static int link_upper(struct inode *dir, struct dentry *d, struct inode *upper)
{
	struct odir_sb *os = odir_sb(dir->sb);
	char tmp[TMP_NAME_MAX];
	struct spot s;
	int err = spot_find(dir, d->name, &s);

	if (err)
		return err;
	if (!s.upper) {
		err = upper_link(s.dir, d->name, upper);
	} else {
		odir_tmp_name(os, tmp);
		err = upper_link(os->work, tmp, upper);
		if (!err) {
			err = upper_rename(os->work, tmp, upper, s.dir, d->name, s.upper, 0);
			if (err)
				drop_tmp(os, tmp, upper);
		}
	}
	spot_put(&s);
	return err;
}

static int odir_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	struct inode *upper = odir_copy_up(target, UINT64_MAX);
	int err;

	if (IS_ERR(upper))
		return PTR_ERR(upper);
	err = link_upper(dir, d, upper);
	if (err)
		return err;
	note_name(target);
	dir_changed(dir);
	if (odir_take_attrs(target))
		inode_inc_nlink(target);
	d_instantiate(d, inode_get(target));
	return 0;
}

/* ---- removing ---- */

static int put_whiteout(struct super_block *sb, struct spot *s, const char *name)
{
	struct odir_sb *os = odir_sb(sb);
	char tmp[TMP_NAME_MAX];
	struct inode *w;
	int err;

	if (!s->upper) {
		err = upper_make(s->dir, name, S_IFCHR, 0, NULL, &w);
		if (!err)
			inode_put(w);
		return err;
	}
	odir_tmp_name(os, tmp);
	err = upper_make(os->work, tmp, S_IFCHR, 0, NULL, &w);
	if (err)
		return err;
	if (S_ISDIR(s->upper->mode)) {
		err = upper_rename(os->work, tmp, w, s->dir, name, s->upper, RENAME_EXCHANGE);
		if (!err)
			drop_tmp(os, tmp, s->upper); /* with the whiteouts in it */
	} else {
		err = upper_rename(os->work, tmp, w, s->dir, name, s->upper, 0);
	}
	if (err)
		drop_tmp(os, tmp, w);
	inode_put(w);
	return err;
}

/*
 * Something has lost a name: what isn't in the upper layer, its only one here, whatever else there
 * is below.
 */
static void lost_name(struct inode *inode)
{
	if (S_ISDIR(inode->mode) || odir_gone(inode))
		inode_set_nlink(inode, 0);
	else
		inode_dec_nlink(inode);
}

/*
 * What is in the upper layer only: a directory may hold whiteouts, for names that were below
 * something else once.
 */
static int remove_upper(struct spot *s, const char *name)
{
	int err = S_ISDIR(s->upper->mode) ? odir_remove_whiteouts(s->upper) : 0;

	return err ? err : upper_remove(s->dir, name, s->upper);
}

static int remove_at_spot(struct inode *dir, const char *name)
{
	struct spot s;
	int err = spot_find(dir, name, &s);

	if (err)
		return err;
	err = s.lower	? put_whiteout(dir->sb, &s, name)
	      : s.upper ? remove_upper(&s, name)
			: -ENOENT;
	spot_put(&s);
	return err;
}

static int remove_name(struct inode *dir, struct dentry *d)
{
	struct inode *inode = d->inode, *upper = odir_copy_up(dir, 0);
	bool held;
	int err;

	if (IS_ERR(upper))
		return PTR_ERR(upper);
	held = odir_removal_begin(inode);
	err = remove_at_spot(dir, d->name);
	odir_removal_end(inode, held, !err);
	if (err)
		return err;
	dir_changed(dir);
	lost_name(inode);
	inode_touch(inode, ATTR_CTIME);
	return 0;
}

static int dir_empty(struct inode *dir)
{
	struct dir_list l = {};
	int err = odir_list_merged(dir, &l);

	if (!err && l.nr)
		err = -ENOTEMPTY;
	dir_list_free(&l);
	return err;
}

static int odir_rmdir(struct inode *dir, struct dentry *d)
{
	int err = dir_empty(d->inode);

	return err ? err : remove_name(dir, d);
}

/* ---- renaming ---- */

static int swap_spots(const struct rename_ctx *rc, struct spot *from, struct spot *to)
{
	return upper_rename(from->dir, rc->old->name, from->upper, to->dir, rc->new->name,
			    to->upper, RENAME_EXCHANGE);
}

/* The whiteout that is there goes to the old place, where it is needed or means nothing. */
static int move_to_whiteout(const struct rename_ctx *rc, struct spot *from, struct spot *to)
{
	int err = swap_spots(rc, from, to);

	if (!err && !from->lower && upper_remove(from->dir, rc->old->name, to->upper))
		trace("overlay: a whiteout has stayed", 0, 0);
	return err;
}

/*
 * To where the upper layer has nothing, and the lower one a directory at most, while the lower one
 * has the old name: a whiteout comes there first, and the two are exchanged.
 */
static int move_by_whiteout(const struct rename_ctx *rc, struct spot *from, struct spot *to)
{
	int err = upper_make(to->dir, rc->new->name, S_IFCHR, 0, NULL, &to->upper);

	if (err)
		return err;
	err = swap_spots(rc, from, to);
	if (err && upper_remove(to->dir, rc->new->name, to->upper))
		trace("overlay: a whiteout has stayed", 0, 0);
	return err;
}

/*
 * A file over another one, while the lower layer has the old name, in a layer that can't leave a
 * whiteout there by renaming. First it gets the new name besides, then a whiteout takes the old
 * one's place: in between it has both, as rename(2) says it may.
 *
 * tmp: another name of the file, in work/. w: a whiteout there.
 */
static int link_and_hide(struct odir_sb *os, const struct rename_ctx *rc, struct spot *from,
			 struct spot *to, const char *tmp, struct inode *w, const char *w_name)
{
	struct inode *victim = to->upper; /* NULL: in the lower layer */
	unsigned how = victim ? RENAME_EXCHANGE : 0;
	const char *new = rc->new->name;
	int err, undo;

	err = upper_rename(os->work, tmp, from->upper, to->dir, new, victim, how);
	if (err) {
		drop_tmp(os, tmp, from->upper);
		return err;
	}
	err = upper_rename(os->work, w_name, w, from->dir, rc->old->name, from->upper, 0);
	if (!err) {
		if (victim)
			drop_tmp(os, tmp, victim);
		return 0;
	}
	undo = victim ? upper_rename(os->work, tmp, victim, to->dir, new, from->upper, how)
		      : upper_remove(to->dir, new, from->upper);
	if (undo)
		d_drop(rc->new); /* so it is found what it is now */
	if (victim)
		drop_tmp(os, tmp, undo ? victim : from->upper);
	return err;
}

static int move_by_link(struct odir_sb *os, const struct rename_ctx *rc, struct spot *from,
			struct spot *to)
{
	char tmp[TMP_NAME_MAX], w_name[TMP_NAME_MAX];
	struct inode *w;
	int err;

	odir_tmp_name(os, tmp);
	odir_tmp_name(os, w_name);
	err = upper_make(os->work, w_name, S_IFCHR, 0, NULL, &w);
	if (err)
		return err;
	err = upper_link(os->work, tmp, from->upper);
	if (!err)
		err = link_and_hide(os, rc, from, to, tmp, w, w_name);
	if (err)
		drop_tmp(os, w_name, w);
	inode_put(w);
	return err;
}

/*
 * A directory over an empty one, where one rename won't do. First a whiteout takes that one's
 * place, as if it had been removed, then the two are exchanged.
 */
static int move_over_dir(struct odir_sb *os, const struct rename_ctx *rc, struct spot *from,
			 struct spot *to)
{
	struct inode *victim = to->upper, *w;
	char tmp[TMP_NAME_MAX];
	int err;

	odir_tmp_name(os, tmp);
	err = upper_make(os->work, tmp, S_IFCHR, 0, NULL, &w);
	if (err)
		return err;
	err = upper_rename(os->work, tmp, w, to->dir, rc->new->name, victim, RENAME_EXCHANGE);
	if (err) {
		drop_tmp(os, tmp, w);
		inode_put(w);
		return err;
	}
	to->upper = w;
	err = swap_spots(rc, from, to);
	if (!err && !from->lower && upper_remove(from->dir, rc->old->name, w))
		trace("overlay: a whiteout has stayed", 0, 0);
	if (err &&
	    !upper_rename(os->work, tmp, victim, to->dir, rc->new->name, w, RENAME_EXCHANGE)) {
		drop_tmp(os, tmp, w);
	} else {
		drop_tmp(os, tmp, victim);
		if (err)
			d_drop(rc->new); /* removed it is */
	}
	to->upper = victim;
	inode_put(w);
	return err;
}
static int move(struct odir_sb *os, const struct rename_ctx *rc, struct spot *from, struct spot *to)
{
	bool dir = S_ISDIR(from->upper->mode), over_dir = to->upper && S_ISDIR(to->upper->mode);
	bool one_call = !over_dir || !to->lower; /* else whiteouts are in it */
	int err = 0;

	if (dir && to->lower && S_ISDIR(to->lower->mode))
		err = odir_hide(from->upper, to->lower);
	else if (over_dir && one_call)
		err = odir_remove_whiteouts(to->upper); /* which mean nothing there */
	if (err)
		return err;
	if (to->upper && is_whiteout(to->upper) && (dir || from->lower))
		return move_to_whiteout(rc, from, to);
	if (one_call) {
		err = upper_rename(from->dir, rc->old->name, from->upper, to->dir, rc->new->name,
				   to->upper, from->lower ? RENAME_WHITEOUT : 0);
		if (err != -EINVAL || !from->lower)
			return err;
	}
	if (!to->upper && (dir || !to->lower))
		return move_by_whiteout(rc, from, to);
	return dir ? move_over_dir(os, rc, from, to) : move_by_link(os, rc, from, to);
}

static int exchange(const struct rename_ctx *rc, struct spot *from, struct spot *to)
{
	int err = 0;

	if (S_ISDIR(from->upper->mode) && to->lower && S_ISDIR(to->lower->mode))
		err = odir_hide(from->upper, to->lower);
	if (!err && S_ISDIR(to->upper->mode) && from->lower && S_ISDIR(from->lower->mode))
		err = odir_hide(to->upper, from->lower);
	return err ? err : swap_spots(rc, from, to);
}

/* As Linux has it: a directory that has something below is not renamed; programs copy it then. */
static int may_move(struct inode *inode)
{
	struct inode *upper;

	if (S_ISDIR(inode->mode) && odir_lower(inode))
		return -EXDEV;
	upper = odir_copy_up(inode, UINT64_MAX);
	return IS_ERR(upper) ? (int)PTR_ERR(upper) : 0;
}

static int rename_spots(const struct rename_ctx *rc)
{
	struct spot from, to;
	int err = spot_find(rc->old_dir, rc->old->name, &from);

	if (err)
		return err;
	err = spot_find(rc->new_dir, rc->new->name, &to);
	if (!err) {
		if (!from.upper)
			err = -ESTALE;
		else if (rc->flags & RENAME_EXCHANGE)
			err = to.upper ? exchange(rc, &from, &to) : -ESTALE;
		else
			err = move(odir_sb(rc->old_dir->sb), rc, &from, &to);
		spot_put(&to);
	}
	spot_put(&from);
	return err;
}

/* The same with a victim, whose name goes. */
static int rename_over(const struct rename_ctx *rc, struct inode *victim)
{
	struct inode *od = odir_copy_up(rc->old_dir, 0), *nd = odir_copy_up(rc->new_dir, 0);
	bool held, dropped;
	int err;

	if (IS_ERR(od) || IS_ERR(nd))
		return IS_ERR(od) ? PTR_ERR(od) : PTR_ERR(nd);
	held = odir_removal_begin(victim);
	err = rename_spots(rc);
	/* One that failed and couldn't be undone has taken the name all the same. */
	dropped = !(load_relaxed(&rc->new->flags) & DENTRY_HASHED);
	odir_removal_end(victim, held, !err || dropped);
	return err;
}

static int odir_rename(const struct rename_ctx *rc)
{
	struct inode *victim = rc->new->inode;
	bool swap = rc->flags & RENAME_EXCHANGE;
	int err;

	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (swap && !victim)
		return -ENOENT;
	if (rc->old->inode == victim)
		return 0;
	err = may_move(rc->old->inode);
	if (!err && swap)
		err = may_move(victim);
	if (!err && victim && !swap && S_ISDIR(victim->mode))
		err = dir_empty(victim);
	if (!err)
		err = victim && !swap ? rename_over(rc, victim) : rename_spots(rc);
	if (err)
		return err;
	note_name(rc->old->inode);
	if (swap)
		note_name(victim);
	dir_changed(rc->old_dir);
	dir_changed(rc->new_dir);
	if (victim && !swap)
		lost_name(victim);
	return 0;
}

const struct inode_operations odir_dir_ops = {
	.lookup = odir_lookup,
	.create = odir_create,
	.mkdir = odir_mkdir,
	.mknod = odir_mknod,
	.symlink = odir_symlink,
	.link = odir_link,
	.unlink = remove_name,
	.rmdir = odir_rmdir,
	.rename = odir_rename,
	.tmpfile = odir_tmpfile,
	.getattr = odir_getattr,
	.setattr = odir_setattr,
	.getxattr = odir_getxattr,
	.listxattr = odir_listxattr,
	.setxattr = odir_setxattr,
};
