/* humfs inodes: of the data's identity, with mode, owner and device from the metadata. */
#include "kernel/fs/humfs/humfs.h"

#include "alloc.h"

#include <string.h>
#include <sys/sysmacros.h>

/* ---- names of metadata: as those of data, see hostfs's names.c ---- */

void humfs_meta_moved(struct inode *inode, const struct fh *dir, const char *name,
		      struct fh_place *to)
{
	struct humfs_inode *hi = humfs_i(inode);
	struct fh_place *old;
	struct fh *open;

	spin_lock(&inode->spin);
	old = hi->meta;
	if (old && !fh_is_place(old, dir, name)) {
		hi->meta = hi->meta_other;
		hi->meta_other = old;
	}
	old = hi->meta;
	hi->meta = to;
	open = hi->meta_fh;
	hi->meta_fh = NULL;
	hi->meta_moves += 2;
	spin_unlock(&inode->spin);
	fh_place_put(old);
	fh_put(open);
}

void humfs_meta_moving(struct inode *inode)
{
	if (S_ISDIR(inode->mode))
		return;
	spin_lock(&inode->spin);
	humfs_i(inode)->meta_moves++;
	spin_unlock(&inode->spin);
}

/* p, taken over, is a name of it. */
static void meta_has_name(struct inode *inode, struct fh_place *p)
{
	struct humfs_inode *hi = humfs_i(inode);
	struct fh *open = NULL;

	spin_lock(&inode->spin);
	hi->meta_moves += 2;
	if (!hi->meta) {
		hi->meta = p;
		p = NULL;
		open = hi->meta_fh;
		hi->meta_fh = NULL;
	} else if (!hi->meta_other && !fh_is_place(hi->meta, p->dir, p->name)) {
		hi->meta_other = p;
		p = NULL;
	}
	spin_unlock(&inode->spin);
	fh_place_put(p);
	fh_put(open);
}

/*
 * Other names may be left, but we know none: what is open stays, through which the metadata is
 * reached. The directory is locked.
 */
static int keep_meta_open(struct inode *inode, struct fh *dir, const char *name)
{
	struct humfs_inode *hi = humfs_i(inode);
	struct fh *h = fh_open_at(dir, name, O_RDWR, 0);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_unlinked(h);
	spin_lock(&inode->spin);
	if (!err && !hi->meta_fh && !hi->meta_other && fh_is_place(hi->meta, dir, name)) {
		hi->meta_fh = h;
		h = NULL;
	}
	spin_unlock(&inode->spin);
	fh_put(h);
	return err;
}

/*
 * (dir, name) is about to go. *gone: what was known by it, +1, or NULL. False: it is all that is
 * known of a file that may have others.
 */
static bool forget_meta_name(struct inode *inode, const struct fh *dir, const char *name,
			     struct fh_place **gone)
{
	struct humfs_inode *hi = humfs_i(inode);
	bool may_go = true;

	*gone = NULL;
	spin_lock(&inode->spin);
	hi->meta_moves += 2;
	if (fh_is_place(hi->meta_other, dir, name)) {
		*gone = hi->meta_other;
		hi->meta_other = NULL;
	} else if (fh_is_place(hi->meta, dir, name)) {
		may_go = hi->meta_other || hi->meta_fh || inode->nlink <= 1;
		if (may_go) {
			*gone = hi->meta;
			hi->meta = hi->meta_other;
			hi->meta_other = NULL;
		}
	}
	spin_unlock(&inode->spin);
	return may_go;
}

/* ---- names of both ---- */

struct both {
	struct fh_place *data, *meta; /* +1 */
};

static int both_new(struct both *b, struct inode *dir, const char *name)
{
	struct fh *h = hostfs_dir(dir);

	if (IS_ERR(h))
		return PTR_ERR(h);
	b->data = fh_place_new(h, name);
	if (IS_ERR(b->data))
		return PTR_ERR(b->data);
	b->meta = fh_place_new(humfs_i(dir)->fmeta, name);
	if (!IS_ERR(b->meta))
		return 0;
	fh_place_put(b->data);
	return PTR_ERR(b->meta);
}

int humfs_linked(struct inode *inode, struct inode *dir, const char *name)
{
	struct both b = {};
	int err = both_new(&b, dir, name);

	if (err)
		return err;
	humfs_meta_moved(inode, NULL, NULL, b.meta);
	hostfs_moved(inode, NULL, b.data);
	fh_place_put(b.data);
	return 0;
}

int humfs_has_name(struct inode *inode, struct inode *dir, const char *name)
{
	struct both b = {};
	int err = both_new(&b, dir, name);

	if (err)
		return err;
	meta_has_name(inode, b.meta);
	hostfs_has_name(inode, b.data);
	fh_place_put(b.data);
	return 0;
}

int humfs_name_goes(struct inode *inode, struct inode *dir, const char *name)
{
	struct fh *h = hostfs_dir(dir);
	struct fh_place *gone;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	if (S_ISDIR(inode->mode))
		return 0;
	while (!forget_meta_name(inode, humfs_i(dir)->fmeta, name, &gone)) {
		err = keep_meta_open(inode, humfs_i(dir)->fmeta, name);
		if (err)
			return err;
	}
	err = hostfs_name_goes(inode, h, name, false);
	if (err && gone)
		meta_has_name(inode, gone);
	else
		fh_place_put(gone);
	return err;
}

/* ---- inodes ---- */

/* Frees what humfs_i() has beyond hostfs's. */
static void release_meta(struct inode *inode)
{
	struct humfs_inode *hi = humfs_i(inode);

	fh_put(hi->fmeta);
	fh_put(hi->dmeta);
	fh_put(hi->meta_fh);
	fh_place_put(hi->meta);
	fh_place_put(hi->meta_other);
}

void humfs_evict(struct inode *inode)
{
	if (!humfs_i(inode))
		return;
	if (S_ISREG(inode->mode) && !inode->nlink)
		humfs_unreserve(inode->sb, inode_size(inode));
	release_meta(inode);
	hostfs_evict(inode);
}

/* A directory's own handles. */
static int open_meta_dirs(struct inode *dir, const char *name, struct fh **fmeta, struct fh **dmeta)
{
	struct humfs_inode *di = humfs_i(dir);
	char dname[NAME_MAX + 1];
	int err = humfs_dir_name(name, dname);

	if (err)
		return err;
	*dmeta = fh_open_at(di->dmeta, dname, O_PATH | O_DIRECTORY, 0);
	if (IS_ERR(*dmeta))
		return PTR_ERR(*dmeta);
	*fmeta = fh_open_at(di->fmeta, name, O_PATH | O_DIRECTORY, 0);
	if (!IS_ERR(*fmeta))
		return 0;
	fh_put(*dmeta);
	return PTR_ERR(*fmeta);
}

/* Fills in a new inode and makes it known, see hostfs_hash(). ERR_PTR. */
static struct inode *add_inode(struct inode *inode, struct inode *dir, const char *name, bool made)
{
	struct humfs_inode *hi = humfs_i(inode);
	int err = 0;

	if (!dir) {
		hi->fmeta = fh_get(humfs_sb(inode->sb)->fmeta);
		hi->dmeta = fh_get(humfs_sb(inode->sb)->dmeta);
	} else if (S_ISDIR(inode->mode)) {
		err = open_meta_dirs(dir, name, &hi->fmeta, &hi->dmeta);
		if (err)
			hi->fmeta = hi->dmeta = NULL;
	} else if (name) {
		hi->meta = fh_place_new(humfs_i(dir)->fmeta, name);
		if (IS_ERR(hi->meta)) {
			err = PTR_ERR(hi->meta);
			hi->meta = NULL;
		}
	}
	if (err) {
		inode_put(inode);
		return ERR_PTR(err);
	}
	return hostfs_hash(inode, made);
}

static int load_meta(struct super_block *sb, struct inode *dir, const char *name, bool is_dir,
		     struct humfs_meta *m, struct timespec *ctime)
{
	struct fh *h;
	int err;
	char dname[NAME_MAX + 1];

	if (!dir)
		return humfs_meta_read(humfs_sb(sb)->dmeta, HUMFS_DIR_FILE, m, ctime);
	if (!is_dir)
		return humfs_meta_read(humfs_i(dir)->fmeta, name, m, ctime);
	err = humfs_dir_name(name, dname);
	if (err)
		return err;
	h = fh_open_at(humfs_i(dir)->dmeta, dname, O_PATH | O_DIRECTORY, 0);
	if (IS_ERR(h))
		return PTR_ERR(h);
	err = humfs_meta_read(h, HUMFS_DIR_FILE, m, ctime);
	fh_put(h);
	return err;
}

/* The data's attributes, made the guest's. */
static int apply_meta(const struct humfs_meta *m, struct kstat *st)
{
	int err = humfs_meta_mode(m, st->mode, &st->mode);

	st->uid = m->uid;
	st->gid = m->gid;
	st->rdev = makedev(m->major, m->minor);
	return err;
}

struct inode *humfs_load(struct super_block *sb, struct inode *dir, const char *name,
			 const struct kstat *data)
{
	struct fh *h = dir ? hostfs_dir(dir) : NULL;
	struct kstat st = *data;
	struct humfs_meta m = {0};
	struct timespec ctime = {0};
	struct inode *inode;
	int err;

	if (IS_ERR(h))
		return ERR_PTR(PTR_ERR(h));
	err = load_meta(sb, dir, name, S_ISDIR(st.mode), &m, &ctime);
	if (!err)
		err = apply_meta(&m, &st);
	if (!err) {
		inode = hostfs_new_inode(sb, &st, h, name);
		if (inode)
			humfs_i(inode)->meta_ctime = ctime;
		inode = inode ? add_inode(inode, dir, name, false) : ERR_PTR(-ENOMEM);
		if (!IS_ERR(inode))
			return inode;
		err = PTR_ERR(inode);
	}
	if (err == -EUCLEAN || err == -ENOENT || err == -ENOTDIR)
		err = humfs_complain(sb, dir ? h : humfs_sb(sb)->host.root, name ? name : "",
				     "its metadata is missing or malformed");
	return ERR_PTR(err);
}

struct inode *humfs_lookup_inode(struct inode *dir, const char *name)
{
	struct hostfs_sb *hs = hostfs_sb(dir->sb);
	struct fh *h = hostfs_dir(dir);
	struct inode *inode;
	struct kstat st;
	int err;

	if (IS_ERR(h))
		return ERR_PTR(PTR_ERR(h));
	err = fh_stat_at(h, name, &st);
	if (err == -ENOENT)
		return NULL;
	if (err)
		return ERR_PTR(err);
	inode = ihash_find(&hs->inodes, st.dev, st.ino);
	if (inode && hostfs_same(inode, &st)) {
		/* Without memory it does with what is known, or open. */
		if (!S_ISDIR(inode->mode) && hostfs_is_new_name(inode, h, name))
			(void)humfs_has_name(inode, dir, name);
		return inode;
	}
	if (inode) { /* numbers that the host has used again */
		ihash_remove(&hs->inodes, &hostfs_i(inode)->node);
		inode_put(inode);
	}
	return humfs_load(dir->sb, dir, name, &st);
}

struct inode *humfs_new_inode(struct inode *dir, const char *name, struct kstat *st,
			      struct fh *file)
{
	struct fh *h = hostfs_dir(dir);
	struct inode *inode;

	if (IS_ERR(h)) {
		fh_put(file);
		return ERR_PTR(PTR_ERR(h));
	}
	inode = hostfs_new_inode(dir->sb, st, name ? h : NULL, name);
	if (!inode) {
		fh_put(file);
		return ERR_PTR(-ENOMEM);
	}
	hostfs_i(inode)->unnamed = !name;
	if (file)
		hostfs_adopt(inode, file);
	humfs_i(inode)->meta_dirty = true;
	return add_inode(inode, dir, name, true);
}
