/*
 * Renaming, and the journal that makes it safe.
 *
 * A name lies in two trees, a directory's in three, and the host renames in one at a time. So the journal says first what is going to
 * happen; then the data is renamed, which decides; the metadata follows; the journal is idle again. Whoever finds a record in the
 * journal sees from the data whether the rename has happened, and if so moves what metadata is still in the old place.
 *
 * Metadata in a new place where no data was is an orphan; it is removed when it is in the way.
 */
#include "kernel/fs/humfs/humfs.h"

#include "alloc.h"
#include "log.h"

#include <linux/fs.h>
#include <string.h>

/* ---- the journal ---- */

int humfs_journal_open(struct humfs_sb *hs)
{
	struct fh *h = fh_open_at(hs->base, HUMFS_JOURNAL, O_RDWR | O_CREAT | O_EXCL, 0666);
	size_t n = strlen(HUMFS_JOURNAL_IDLE);
	ssize_t done;

	if (h == ERR_PTR(-EEXIST))
		return -EUCLEAN;
	if (IS_ERR(h))
		return PTR_ERR(h);
	done = fh_pwrite(h, HUMFS_JOURNAL_IDLE, n, 0);
	if (done != (ssize_t)n) {
		fh_put(h);
		return done < 0 ? done : -EIO;
	}
	hs->journal = h;
	return 0;
}

void humfs_journal_close(struct humfs_sb *hs)
{
	if (!hs->journal)
		return;
	fh_put(hs->journal);
	hs->journal = NULL;
	fh_unlink_at(hs->base, HUMFS_JOURNAL, 0);
}

static int append_name(char *path, size_t size, const char *name)
{
	size_t n = strlen(path), m = strlen(name);

	if (n + m + 2 > size)
		return -ENAMETOOLONG;
	if (n)
		path[n++] = '/';
	memcpy(path + n, name, m + 1);
	return 0;
}

/* The path of name in dir, in fresh memory. ERR_PTR. */
static char *path_of(struct humfs_sb *hs, struct fh *dir, const char *name)
{
	char *buf = kmalloc(HUMFS_JOURNAL_MAX), *p;
	int err;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	p = fh_path(dir, hs->host.root, buf, HUMFS_JOURNAL_MAX);
	if (IS_ERR(p)) {
		kfree(buf);
		return p;
	}
	memmove(buf, p, strlen(p) + 1);
	err = append_name(buf, HUMFS_JOURNAL_MAX, name);
	if (!err)
		return buf;
	kfree(buf);
	return ERR_PTR(err);
}

static int journal_write(struct humfs_sb *hs, const struct humfs_rename *r)
{
	char *buf = kmalloc(HUMFS_JOURNAL_MAX);
	ssize_t n, done;

	if (!buf)
		return -ENOMEM;
	n = humfs_journal_format(r, buf, HUMFS_JOURNAL_MAX);
	if (n > 0) {
		done = fh_pwrite(hs->journal, buf, n, 0);
		n = done < 0 ? done : done == n ? 0 : -EIO;
	}
	kfree(buf);
	return n;
}

/* The number in a tree of metadata. */
static int number_of(struct fh *dir, const char *name, u64 *ino)
{
	struct kstat st;
	int err = fh_stat_at(dir, name, &st);

	*ino = err ? 0 : st.ino;
	return err;
}

static int dir_number_of(struct inode *dir, const struct dentry *d, u64 *ino)
{
	char dname[NAME_MAX + 1];
	int err = 0;

	if (S_ISDIR(d->inode->mode)) {
		err = humfs_dir_name(d->name, dname);
		if (!err)
			err = number_of(humfs_i(dir)->dmeta, dname, ino);
	}
	return err;
}

static int exchange_numbers(const struct rename_ctx *rc, struct humfs_rename *r)
{
	int err = number_of(humfs_i(rc->old_dir)->fmeta, rc->old->name, &r->meta);

	if (!err)
		err = dir_number_of(rc->old_dir, rc->old, &r->from_dir);
	return err ? err : dir_number_of(rc->new_dir, rc->new, &r->to_dir);
}

static int journal_begin(struct humfs_sb *hs, const struct rename_ctx *rc, struct fh *od,
			 struct fh *nd)
{
	char *from = path_of(hs, od, rc->old->name), *to = path_of(hs, nd, rc->new->name);
	struct humfs_rename r = {
		.ino = hostfs_i(rc->old->inode)->node.b,
		.exchange = rc->flags & RENAME_EXCHANGE,
		.from = from,
		.to = to,
	};
	int err = IS_ERR(from) ? PTR_ERR(from) : IS_ERR(to) ? PTR_ERR(to) : 0;

	if (!err && r.exchange)
		err = exchange_numbers(rc, &r);
	if (!err)
		err = journal_write(hs, &r);
	if (!IS_ERR(from))
		kfree(from);
	if (!IS_ERR(to))
		kfree(to);
	return err;
}

static int journal_end(struct humfs_sb *hs)
{
	ssize_t n = strlen(HUMFS_JOURNAL_IDLE), done;

	done = fh_pwrite(hs->journal, HUMFS_JOURNAL_IDLE, n, 0);
	/* An empty one has no record, either. */
	return done == n ? 0 : fh_truncate(hs->journal, 0);
}

/* ---- metadata follows ---- */

/* Replaces what is there, which means nothing now. */
static int move_over(struct fh *od, const char *on, struct fh *nd, const char *nn)
{
	int err = fh_rename_at(od, on, nd, nn, 0, NULL);

	if (err == -ENOTEMPTY || err == -EEXIST || err == -EISDIR || err == -ENOTDIR) {
		err = humfs_meta_purge(nd, nn);
		if (!err)
			err = fh_rename_at(od, on, nd, nn, 0, NULL);
	}
	return err;
}

static int move_dir_meta(struct inode *from, const char *on, struct inode *to, const char *nn)
{
	char old[NAME_MAX + 1], new[NAME_MAX + 1];
	int err = humfs_dir_name(on, old);

	if (!err)
		err = humfs_dir_name(nn, new);
	return err ? err : move_over(humfs_i(from)->dmeta, old, humfs_i(to)->dmeta, new);
}

static int exchange_dir_meta(const struct rename_ctx *rc)
{
	char old[NAME_MAX + 1], new[NAME_MAX + 1];
	bool a = S_ISDIR(rc->old->inode->mode), b = S_ISDIR(rc->new->inode->mode);
	int err = humfs_dir_name(rc->old->name, old);

	if (!err)
		err = humfs_dir_name(rc->new->name, new);
	if (err)
		return err;
	if (a && b)
		return fh_rename_at(humfs_i(rc->old_dir)->dmeta, old, humfs_i(rc->new_dir)->dmeta,
				    new, RENAME_EXCHANGE, NULL);
	if (a)
		return move_dir_meta(rc->old_dir, rc->old->name, rc->new_dir, rc->new->name);
	return b ? move_dir_meta(rc->new_dir, rc->new->name, rc->old_dir, rc->old->name) : 0;
}

/* The host won't rename a file's metadata: what we know is written in the new place. What is left in the old one means nothing. */
static int write_anew(const struct rename_ctx *rc)
{
	struct inode *inode = rc->old->inode;
	struct humfs_meta m = humfs_meta_of(inode->mode, inode->uid, inode->gid, inode->rdev);
	int err = humfs_meta_create(humfs_i(rc->new_dir)->fmeta, rc->new->name, &m);

	if (!err)
		(void)!fh_unlink_at(humfs_i(rc->old_dir)->fmeta, rc->old->name, 0);
	return err;
}

static int move_meta(const struct rename_ctx *rc)
{
	struct fh *of = humfs_i(rc->old_dir)->fmeta, *nf = humfs_i(rc->new_dir)->fmeta;
	int err;

	if (rc->flags & RENAME_EXCHANGE) {
		err = fh_rename_at(of, rc->old->name, nf, rc->new->name, RENAME_EXCHANGE, NULL);
		return err ? err : exchange_dir_meta(rc);
	}
	err = move_over(of, rc->old->name, nf, rc->new->name);
	/* Other names of a file have to share its metadata. */
	if (err && !S_ISDIR(rc->old->inode->mode) && rc->old->inode->nlink == 1)
		err = write_anew(rc);
	if (!err && S_ISDIR(rc->old->inode->mode))
		err = move_dir_meta(rc->old_dir, rc->old->name, rc->new_dir, rc->new->name);
	return err;
}

/* ---- our own state follows ---- */

static int dir_moved(struct fh *h, struct fh *dir, const char *name)
{
	struct fh_place *p = fh_place_new(dir, name);

	if (IS_ERR(p))
		return PTR_ERR(p);
	fh_moved(h, p);
	fh_place_put(p);
	return 0;
}

/* The metadata. A shortage of memory costs the ability to reopen by name: those handles will be ESTALE once they are closed. */
static void inode_moved(struct inode *inode, struct inode *dir, const char *name)
{
	struct humfs_inode *hi = humfs_i(inode), *di = humfs_i(dir);
	char dname[NAME_MAX + 1];
	struct fh_place *p;
	int err = 0;

	if (S_ISDIR(inode->mode)) {
		err = dir_moved(hi->fmeta, di->fmeta, name);
		if (!err)
			err = humfs_dir_name(name, dname);
		if (!err)
			err = dir_moved(hi->dmeta, di->dmeta, dname);
	} else {
		p = fh_place_new(di->fmeta, name);
		if (IS_ERR(p))
			err = PTR_ERR(p);
		else
			humfs_set_meta_place(inode, p);
	}
	if (err)
		log_warn("humfs: %s was renamed, its handles can't follow: %s\n", name,
			 strerrordesc_np(-err));
}

static void renamed(const struct rename_ctx *rc)
{
	struct inode *inode = rc->old->inode, *victim = rc->new->inode;

	inode_moved(inode, rc->new_dir, rc->new->name);
	humfs_refresh(inode);
	if (rc->flags & RENAME_EXCHANGE) {
		inode_moved(victim, rc->old_dir, rc->old->name);
		humfs_refresh(victim);
	} else if (victim && S_ISDIR(victim->mode)) {
		inode_set_nlink(victim, 0);
	} else if (victim) {
		inode_dec_nlink(victim);
		inode_touch(victim, ATTR_CTIME);
	}
	humfs_refresh(rc->old_dir);
	humfs_refresh(rc->new_dir);
}

/* A directory's name in dir_metadata may be longer than its own. */
static int check_names(const struct rename_ctx *rc)
{
	char dname[NAME_MAX + 1];
	int err = 0;

	if (S_ISDIR(rc->old->inode->mode))
		err = humfs_dir_name(rc->new->name, dname);
	if (!err && rc->flags & RENAME_EXCHANGE && S_ISDIR(rc->new->inode->mode))
		err = humfs_dir_name(rc->old->name, dname);
	return err;
}

/* The data, and our handles of it. */
static int rename_data(const struct rename_ctx *rc, struct fh_place *from, struct fh_place *to)
{
	struct inode *victim = rc->flags & RENAME_EXCHANGE ? NULL : rc->new->inode;
	struct fh_move move;
	int err = victim ? humfs_name_goes(victim, rc->new_dir, rc->new->name) : 0;

	if (err)
		return err;
	err = fh_rename_at(from->dir, from->name, to->dir, to->name, rc->flags, &move);
	if (err) {
		if (victim && !S_ISDIR(victim->mode))
			(void)humfs_set_place(victim, rc->new_dir, rc->new->name);
		return err;
	}
	hostfs_moved(rc->old->inode, to);
	if (rc->flags & RENAME_EXCHANGE)
		hostfs_moved(rc->new->inode, from);
	fh_move_end(&move);
	return 0;
}

static int rename_locked(struct humfs_sb *hs, const struct rename_ctx *rc, struct fh_place *from,
			 struct fh_place *to)
{
	int err = hs->stuck ? -EIO : journal_begin(hs, rc, from->dir, to->dir);

	if (err)
		return err;
	err = rename_data(rc, from, to);
	if (err) {
		/* The record says nothing that isn't seen from the data. */
		(void)journal_end(hs);
		return err;
	}
	err = move_meta(rc);
	renamed(rc);
	if (!err)
		err = journal_end(hs);
	if (err) {
		hs->stuck = true;
		log_warn(
			"humfs %s: a rename of %s was left half done (%s); heddle humfs check --repair completes it\n",
			rc->old_dir->sb->source, rc->old->name, strerrordesc_np(-err));
	}
	return 0; /* a name is where its data is */
}

int humfs_rename(const struct rename_ctx *rc)
{
	struct humfs_sb *hs = humfs_sb(rc->old_dir->sb);
	struct fh *od = hostfs_dir(rc->old_dir), *nd = hostfs_dir(rc->new_dir);
	struct fh_place *from, *to;
	int err;

	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (rc->flags & RENAME_EXCHANGE && !rc->new->inode)
		return -ENOENT;
	if (rc->old->inode == rc->new->inode)
		return 0; /* two names of one file stay as they are */
	if (IS_ERR(od))
		return PTR_ERR(od);
	if (IS_ERR(nd))
		return PTR_ERR(nd);
	err = check_names(rc);
	if (err)
		return err;
	from = fh_place_new(od, rc->old->name);
	if (IS_ERR(from))
		return PTR_ERR(from);
	to = fh_place_new(nd, rc->new->name);
	if (IS_ERR(to)) {
		fh_place_put(from);
		return PTR_ERR(to);
	}
	humfs_begin(rc->old_dir->sb);
	mutex_lock(&hs->journal_lock);
	err = rename_locked(hs, rc, from, to);
	mutex_unlock(&hs->journal_lock);
	humfs_end(rc->old_dir->sb);
	fh_place_put(to);
	fh_place_put(from);
	return err;
}
