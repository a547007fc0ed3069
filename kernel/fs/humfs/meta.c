/*
 * Files of metadata.
 *
 * A file's metadata is one line, replaced by one write in place: names of one file share it as they
 * share the data. Metadata without data means nothing: an interrupted operation has left it, and
 * whoever needs the name removes it.
 */
#include "kernel/fs/humfs/humfs.h"

#include "alloc.h"
#include "log.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define FILE_MODE 0666 /* less heddle's umask */
#define DIR_MODE 0777

int humfs_complain(struct super_block *sb, struct fh *dir, const char *name, const char *what)
{
	struct humfs_sb *hs = humfs_sb(sb);
	u32 hash = 2166136261u;
	char *buf = kmalloc(PATH_MAX), *path;
	bool known = false, full;

	path = buf ? fh_path(dir, hs->host.root, buf, PATH_MAX) : ERR_PTR(-ENOMEM);
	if (IS_ERR(path))
		path = "...";
	for (const char *p = path; *p; p++)
		hash = (hash ^ (u8)*p) * 16777619;
	for (const char *p = name; *p; p++)
		hash = (hash ^ (u8)*p) * 16777619;
	spin_lock(&hs->reported_lock);
	for (u32 i = 0; i < hs->nr_reported && !known; i++)
		known = hs->reported[i] == hash;
	full = hs->nr_reported == ARRAY_SIZE(hs->reported);
	if (!known && !full)
		hs->reported[hs->nr_reported++] = hash;
	spin_unlock(&hs->reported_lock);
	if (!known && !full)
		log_warn("humfs %s: %s%s%s: %s\n", sb->source, path, *path ? "/" : "", name, what);
	kfree(buf);
	return -EUCLEAN;
}

/* What is wrong with the tree, rather than with the host. */
static int tree_error(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
	case -EISDIR:
	case -ELOOP:
	case -ENXIO:
		return -EUCLEAN;
	}
	return err;
}

int humfs_meta_read(struct fh *dir, const char *name, struct humfs_meta *m, struct timespec *ctime)
{
	char text[HUMFS_META_MAX + 1];
	struct fh *h = fh_open_at(dir, name, O_RDONLY, 0);
	struct kstat st;
	ssize_t n;

	if (IS_ERR(h))
		return tree_error(PTR_ERR(h));
	n = fh_stat(h, &st);
	if (!n)
		n = fh_pread(h, text, sizeof(text), 0);
	fh_put(h);
	*ctime = st.ctime;
	return n < 0 ? tree_error(n) : humfs_meta_parse(text, n, m);
}

static int write_line(struct fh *h, const struct humfs_meta *m)
{
	char text[HUMFS_META_SIZE];
	ssize_t n;

	humfs_meta_format(m, text);
	n = fh_pwrite(h, text, sizeof(text), 0);
	return n < 0 ? n : n == sizeof(text) ? 0 : -EIO;
}

int humfs_meta_create(struct fh *dir, const char *name, const struct humfs_meta *m)
{
	struct fh *h = fh_open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
	int err;

	if (h == ERR_PTR(-EEXIST)) {
		err = humfs_meta_purge(dir, name);
		if (err)
			return err;
		h = fh_open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
	}
	if (IS_ERR(h))
		return PTR_ERR(h);
	err = write_line(h, m);
	fh_put(h);
	if (err)
		fh_unlink_at(dir, name, 0);
	return err;
}

/* ---- the file of an inode's metadata ---- */

/*
 * While it is pinned it isn't looked for by name again. ERR_PTR, also if h is one; then there is no
 * reference.
 */
static struct fh *pinned(struct fh *h)
{
	int err;

	if (IS_ERR_OR_NULL(h))
		return h;
	err = min(get_fh(h), 0);
	if (!err)
		return h;
	fh_put(h);
	return ERR_PTR(err);
}

/* As it is known at the moment: *moves. NULL: no name, and not open. */
static struct fh *open_known(struct inode *inode, u32 *moves)
{
	struct humfs_inode *hi = humfs_i(inode);
	struct fh_place *p = NULL;
	struct fh *h;

	spin_lock(&inode->spin);
	*moves = hi->meta_moves;
	h = hi->meta_fh ? fh_get(hi->meta_fh) : NULL;
	if (!h && hi->meta)
		p = fh_place_get(hi->meta);
	spin_unlock(&inode->spin);
	if (p) {
		h = fh_open_at(p->dir, p->name, O_RDWR, 0);
		fh_place_put(p);
	}
	return pinned(h);
}

static bool has_moved(struct inode *inode, u32 moves)
{
	bool moved;

	spin_lock(&inode->spin);
	moved = moves & 1 || moves != humfs_i(inode)->meta_moves;
	spin_unlock(&inode->spin);
	return moved;
}

/*
 * What a name leads to is another file's metadata if it was given away between the look at the name
 * and the opening: so the inode is looked at again. A rename changes names on the host first: it is
 * waited for.
 */
struct fh *humfs_meta_open(struct inode *inode)
{
	struct humfs_sb *hs = humfs_sb(inode->sb);
	struct humfs_inode *hi = humfs_i(inode);
	bool locked = false;
	struct fh *h;
	u32 moves;

	if (hi->dmeta)
		return pinned(fh_open_at(hi->dmeta, HUMFS_DIR_FILE, O_RDWR, 0));
	while (h = open_known(inode, &moves), has_moved(inode, moves)) {
		humfs_meta_close(h);
		if (!locked)
			mutex_lock(&hs->journal_lock);
		locked = true;
	}
	if (locked)
		mutex_unlock(&hs->journal_lock);
	return h;
}

void humfs_meta_close(struct fh *h)
{
	if (IS_ERR_OR_NULL(h))
		return;
	put_fh(h);
	fh_put(h);
}

int humfs_meta_update(struct inode *inode, const struct humfs_meta *m)
{
	struct humfs_inode *hi = humfs_i(inode);
	struct fh *h = humfs_stuck(inode->sb) ? ERR_PTR(-EIO) : humfs_meta_open(inode);
	struct kstat st = {.ctime = inode_now()};
	int err;

	if (IS_ERR(h))
		return tree_error(PTR_ERR(h));
	err = h ? write_line(h, m) : 0;
	/* It is written, even if the host won't tell when. */
	if (!err && h && fh_stat(h, &st))
		st.ctime = inode_now();
	humfs_meta_close(h);
	if (err)
		return err;
	store_relaxed(&hi->meta_dirty, true);
	spin_lock(&inode->spin);
	hi->meta_ctime = st.ctime;
	spin_unlock(&inode->spin);
	return 0;
}

int humfs_meta_sync(struct inode *inode)
{
	struct humfs_inode *hi = humfs_i(inode);
	struct fh *h;
	int err;

	if (!__atomic_exchange_n(&hi->meta_dirty, false, __ATOMIC_RELAXED))
		return 0;
	h = humfs_meta_open(inode);
	err = IS_ERR(h) ? (int)PTR_ERR(h) : h ? fh_fsync(h, false) : 0;
	humfs_meta_close(h);
	if (err)
		store_relaxed(&hi->meta_dirty, true);
	return err;
}

/* ---- removing what means nothing ---- */

/*
 * Directories on the way down to the one that is being emptied: their depth is not ours to choose,
 * so not on the stack.
 */
struct purge_level {
	struct purge_level *up;
	struct fh *h;
	char name[NAME_MAX + 1]; /* in the directory above */
};

static struct purge_level *purge_enter(struct purge_level *up, struct fh *dir, const char *name)
{
	struct purge_level *l = kmalloc(sizeof(*l));

	if (!l)
		return ERR_PTR(-ENOMEM);
	l->h = fh_open_at(dir, name, O_RDONLY | O_DIRECTORY, 0);
	if (IS_ERR(l->h)) {
		long err = PTR_ERR(l->h);

		kfree(l);
		return ERR_PTR(err);
	}
	l->up = up;
	snprintf(l->name, sizeof(l->name), "%s", name);
	return l;
}

static struct purge_level *purge_leave(struct purge_level *l)
{
	struct purge_level *up = l->up;

	fh_put(l->h);
	kfree(l);
	return up;
}

/*
 * Removes the files in l up to the first directory, whose name it gives. 1: there is one; 0: l is
 * empty.
 */
static int purge_files(struct purge_level *l, char *buf, size_t size, char subdir[NAME_MAX + 1])
{
	u64 pos = 0;
	ssize_t n;
	bool removed;
	int err;

	while ((n = fh_getdents(l->h, buf, size, &pos)) > 0) {
		removed = false;
		for (ssize_t i = 0; i < n;) {
			const struct dirent64 *e = (const void *)(buf + i);

			i += e->d_reclen;
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			err = fh_unlink_at(l->h, e->d_name, 0);
			if (err == -EISDIR || err == -EPERM) {
				snprintf(subdir, NAME_MAX + 1, "%s", e->d_name);
				return 1;
			}
			if (err && err != -ENOENT)
				return err;
			removed = true;
		}
		if (removed)
			pos = 0; /* some hosts would pass over others */
	}
	return n;
}

static int purge_tree(struct fh *dir, const char *name)
{
	size_t size = 32768;
	char *buf = kmalloc(size), sub[NAME_MAX + 1];
	struct purge_level *l = NULL, *next;
	int err = buf ? 0 : -ENOMEM;

	if (!err) {
		l = purge_enter(NULL, dir, name);
		if (IS_ERR(l)) {
			err = PTR_ERR(l);
			l = NULL;
		}
	}
	while (l && !err) {
		err = purge_files(l, buf, size, sub);
		if (err > 0) {
			next = purge_enter(l, l->h, sub);
			err = IS_ERR(next) ? (int)PTR_ERR(next) : 0;
			if (!err)
				l = next;
		} else if (!err) {
			snprintf(sub, sizeof(sub), "%s", l->name);
			l = purge_leave(l);
			err = fh_unlink_at(l ? l->h : dir, sub, AT_REMOVEDIR);
		}
	}
	while (l)
		l = purge_leave(l);
	kfree(buf);
	return err;
}

int humfs_meta_purge(struct fh *dir, const char *name)
{
	int err = fh_unlink_at(dir, name, 0);

	if (err == -EISDIR || err == -EPERM)
		err = fh_unlink_at(dir, name, AT_REMOVEDIR);
	if (err == -ENOTEMPTY || err == -EEXIST)
		err = purge_tree(dir, name);
	return err == -ENOENT ? 0 : err;
}

/* ---- directories ---- */

/* An empty directory, whatever was there. */
static int mkdir_anew(struct fh *dir, const char *name)
{
	int err = fh_mkdir_at(dir, name, DIR_MODE);

	if (err != -EEXIST)
		return err;
	err = humfs_meta_purge(dir, name);
	return err ? err : fh_mkdir_at(dir, name, DIR_MODE);
}

int humfs_meta_mkdir(struct inode *dir, const char *name, const struct humfs_meta *m)
{
	struct humfs_inode *di = humfs_i(dir);
	char dname[NAME_MAX + 1];
	struct fh *h;
	int err = humfs_dir_name(name, dname);

	if (err)
		return err;
	err = mkdir_anew(di->fmeta, name);
	if (err)
		return err;
	err = mkdir_anew(di->dmeta, dname);
	if (!err) {
		h = fh_open_at(di->dmeta, dname, O_PATH | O_DIRECTORY, 0);
		err = IS_ERR(h) ? (int)PTR_ERR(h) : humfs_meta_create(h, HUMFS_DIR_FILE, m);
		if (!IS_ERR(h))
			fh_put(h);
	}
	if (err)
		humfs_meta_rmdir(dir, name);
	return err;
}

/* What can't be removed means nothing either; `heddle humfs check` finds it. */
void humfs_meta_rmdir(struct inode *dir, const char *name)
{
	struct humfs_inode *di = humfs_i(dir);
	char dname[NAME_MAX + 1];

	(void)humfs_meta_purge(di->fmeta, name);
	if (!humfs_dir_name(name, dname))
		(void)humfs_meta_purge(di->dmeta, dname);
}
