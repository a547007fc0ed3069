/*
 * Renaming, and the journal that makes it safe.
 *
 * A name lies in two trees, a directory's in three, and the host renames in one at a time. So the
 * journal says first what is going to happen; then the data is renamed, which decides; the metadata
 * follows; the journal is idle again. Whoever finds a record in the journal sees from the data
 * whether the rename has happened, and if so moves what metadata is still in the old place.
 *
 * Where the host won't rename metadata, the data is renamed back if it has replaced nothing.
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

/*
 * The host won't rename a file's metadata: what we know is written in the new place. What is left
 * in the old one means nothing.
 */
static int write_anew(const struct rename_ctx *rc)
{
	struct inode *inode = rc->old->inode;
	struct humfs_meta m = humfs_meta_of(inode->mode, inode->uid, inode->gid, inode->rdev);
	int err = humfs_meta_create(humfs_i(rc->new_dir)->fmeta, rc->new->name, &m);

	if (!err)
		(void)!fh_unlink_at(humfs_i(rc->old_dir)->fmeta, rc->old->name, 0);
	return err;
}

/* If it fails: torn, is some of it in the new place? */
static int move_meta(const struct rename_ctx *rc, bool *torn)
{
	struct fh *of = humfs_i(rc->old_dir)->fmeta, *nf = humfs_i(rc->new_dir)->fmeta;
	const char *old = rc->old->name, *new = rc->new->name;
	int err;

	if (rc->flags & RENAME_EXCHANGE) {
		err = fh_rename_at(of, old, nf, new, RENAME_EXCHANGE, NULL);
		if (err)
			return err;
		err = exchange_dir_meta(rc);
		*torn = err && fh_rename_at(of, old, nf, new, RENAME_EXCHANGE, NULL);
		return err;
	}
	err = move_over(of, old, nf, new);
	/* Other names of a file have to share its metadata. */
	if (err && !S_ISDIR(rc->old->inode->mode) && rc->old->inode->nlink == 1)
		err = write_anew(rc);
	if (!err && S_ISDIR(rc->old->inode->mode)) {
		err = move_dir_meta(rc->old_dir, old, rc->new_dir, new);
		*torn = err && fh_rename_at(nf, new, of, old, 0, NULL);
	}
	return err;
}

/* ---- our own state follows ---- */

/* Where an entry's metadata is going to be. Made first: nothing may fail once it is there. */
struct meta_place {
	struct fh_place *file, *dir; /* +1, or NULL; dir: a directory's in dir_metadata/ */
};

static void meta_place_put(struct meta_place *m)
{
	fh_place_put(m->file);
	fh_place_put(m->dir);
}

/*
 * To be put, also on failure. A directory's name in dir_metadata may be longer than its own:
 * -ENAMETOOLONG.
 */
static int meta_place_new(struct meta_place *m, const struct inode *inode, const struct inode *dir,
			  const char *name)
{
	char dname[NAME_MAX + 1];
	struct fh_place *p = fh_place_new(humfs_i(dir)->fmeta, name);
	int err;

	if (IS_ERR(p))
		return PTR_ERR(p);
	m->file = p;
	if (!S_ISDIR(inode->mode))
		return 0;
	err = humfs_dir_name(name, dname);
	if (err)
		return err;
	p = fh_place_new(humfs_i(dir)->dmeta, dname);
	if (IS_ERR(p))
		return PTR_ERR(p);
	m->dir = p;
	return 0;
}

/* Its metadata, from (dir, name). */
static void meta_moved(struct inode *inode, struct inode *dir, const char *name,
		       const struct meta_place *m)
{
	struct humfs_inode *hi = humfs_i(inode);

	if (S_ISDIR(inode->mode)) {
		fh_moved(hi->fmeta, m->file);
		fh_moved(hi->dmeta, m->dir);
	} else {
		humfs_meta_moved(inode, humfs_i(dir)->fmeta, name, fh_place_get(m->file));
	}
}

/* What a rename needs memory for. */
struct places {
	struct fh_place *from, *to;	      /* of the data */
	struct meta_place old_meta, new_meta; /* old_meta: where the victim of an exchange goes */
};

static void renamed(const struct rename_ctx *rc, const struct places *p)
{
	struct inode *inode = rc->old->inode, *victim = rc->new->inode;

	meta_moved(inode, rc->old_dir, rc->old->name, &p->new_meta);
	humfs_refresh(inode);
	if (rc->flags & RENAME_EXCHANGE) {
		meta_moved(victim, rc->new_dir, rc->new->name, &p->old_meta);
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
			(void)humfs_has_name(victim, rc->new_dir, rc->new->name);
		return err;
	}
	hostfs_moved(rc->old->inode, from, to);
	if (rc->flags & RENAME_EXCHANGE)
		hostfs_moved(rc->new->inode, to, from);
	fh_move_end(&move);
	return 0;
}

/* What replaced nothing can go back. */
static int rename_data_back(const struct rename_ctx *rc, struct fh_place *from, struct fh_place *to)
{
	bool exchange = rc->flags & RENAME_EXCHANGE;
	struct fh_move move;
	int err;

	if (rc->new->inode && !exchange)
		return -EEXIST;
	err = fh_rename_at(to->dir, to->name, from->dir, from->name,
			   exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE, &move);
	if (err)
		return err;
	hostfs_moved(rc->old->inode, to, from);
	if (exchange)
		hostfs_moved(rc->new->inode, from, to);
	fh_move_end(&move);
	return 0;
}

static int rename_announced(struct humfs_sb *hs, const struct rename_ctx *rc,
			    const struct places *p)
{
	bool torn = false;
	int err;

	err = rename_data(rc, p->from, p->to);
	if (err) {
		/* The record says nothing that isn't seen from the data. */
		(void)journal_end(hs);
		return err;
	}
	err = move_meta(rc, &torn);
	if (err && !torn && !rename_data_back(rc, p->from, p->to)) {
		(void)journal_end(hs);
		return err;
	}
	renamed(rc, p);
	if (!err)
		err = journal_end(hs);
	if (err) {
		store_relaxed(&hs->stuck, true);
		log_warn(
			"humfs %s: a rename of %s was left half done (%s); heddle humfs check --repair completes it\n",
			rc->old_dir->sb->source, rc->old->name, strerrordesc_np(-err));
	}
	return 0; /* a name is where its data is */
}

static void begin_or_end(const struct rename_ctx *rc)
{
	humfs_meta_moving(rc->old->inode);
	if (rc->flags & RENAME_EXCHANGE)
		humfs_meta_moving(rc->new->inode);
}

static int rename_locked(struct humfs_sb *hs, const struct rename_ctx *rc, const struct places *p)
{
	int err = hs->stuck ? -EIO : journal_begin(hs, rc, p->from->dir, p->to->dir);

	if (err)
		return err;
	begin_or_end(rc);
	err = rename_announced(hs, rc, p);
	begin_or_end(rc);
	return err;
}

/* ERR_PTR */
static struct fh_place *data_place_new(struct inode *dir, const char *name)
{
	struct fh *h = hostfs_dir(dir);

	return IS_ERR(h) ? ERR_PTR(PTR_ERR(h)) : fh_place_new(h, name);
}

static int rename_to(struct humfs_sb *hs, const struct rename_ctx *rc, struct places *p)
{
	int err = meta_place_new(&p->new_meta, rc->old->inode, rc->new_dir, rc->new->name);

	if (!err && rc->flags & RENAME_EXCHANGE)
		err = meta_place_new(&p->old_meta, rc->new->inode, rc->old_dir, rc->old->name);
	if (!err) {
		humfs_begin(rc->old_dir->sb);
		mutex_lock(&hs->journal_lock);
		err = rename_locked(hs, rc, p);
		mutex_unlock(&hs->journal_lock);
		humfs_end(rc->old_dir->sb);
	}
	meta_place_put(&p->old_meta);
	meta_place_put(&p->new_meta);
	return err;
}

int humfs_rename(const struct rename_ctx *rc)
{
	struct places p = {};
	int err;

	if (rc->flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (rc->flags & RENAME_EXCHANGE && !rc->new->inode)
		return -ENOENT;
	if (rc->old->inode == rc->new->inode)
		return 0; /* two names of one file stay as they are */
	p.from = data_place_new(rc->old_dir, rc->old->name);
	if (IS_ERR(p.from))
		return PTR_ERR(p.from);
	p.to = data_place_new(rc->new_dir, rc->new->name);
	if (IS_ERR(p.to)) {
		err = PTR_ERR(p.to);
	} else {
		err = rename_to(humfs_sb(rc->old_dir->sb), rc, &p);
		fh_place_put(p.to);
	}
	fh_place_put(p.from);
	return err;
}
