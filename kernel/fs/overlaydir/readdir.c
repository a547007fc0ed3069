/*
 * Reading directories. What is in one layer only is read from there, less whiteouts, with that
 * layer's cookies. What is in both comes from a list that is made when reading starts: what the
 * upper layer has, then what the lower one has and the upper one hasn't; the cookie is the index.
 */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"
#include "kernel/fs/layer.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_COOKIE 2

struct collect_ctx {
	struct dir_context dc;
	struct dir_list *list;
	int err;
};

static bool collect(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		    u64 next_pos)
{
	struct collect_ctx *c = caa_container_of(dc, struct collect_ctx, dc);

	if (is_dots(name, len))
		return true;
	c->err = dir_list_add(c->list, name, len, ino, type);
	return !c->err;
}

int odir_list_layer(struct inode *dir, struct dir_list *l)
{
	struct collect_ctx c = {.dc.emit = collect, .list = l};
	struct file *f = layer_open(dir, O_RDONLY | O_DIRECTORY);
	int err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	err = f->ops->iterate(f, &c.dc);
	file_put(f);
	return err ? err : c.err;
}

/* ---- merging ---- */

/* A hash of names: indices in a list, plus one. */
struct name_set {
	const struct dir_list *list;
	u32 *slots, mask;
};

static u32 name_hash(const char *name)
{
	u32 h = 2166136261u;

	while (*name)
		h = (h ^ (u8)*name++) * 16777619;
	return h;
}

static int set_build(struct name_set *s, const struct dir_list *l)
{
	u32 n = 16;

	while (n < l->nr * 2)
		n *= 2;
	*s = (struct name_set){.list = l, .mask = n - 1, .slots = kcalloc(n, sizeof(u32))};
	if (!s->slots)
		return -ENOMEM;
	for (u32 i = 0; i < l->nr; i++) {
		u32 at = name_hash(dir_list_name(l, i)) & s->mask;

		while (s->slots[at])
			at = (at + 1) & s->mask;
		s->slots[at] = i + 1;
	}
	return 0;
}

static bool set_has(const struct name_set *s, const char *name)
{
	u32 at = name_hash(name) & s->mask;

	for (; s->slots[at]; at = (at + 1) & s->mask)
		if (!strcmp(dir_list_name(s->list, s->slots[at] - 1), name))
			return true;
	return false;
}

/*
 * What the guest finds of an entry of the upper layer: its type is learnt on the way (DT_WHT:
 * nothing), and in a directory that has something below its number: it may have been copied up a
 * while ago. (So may those elsewhere, once one was renamed.)
 */
static int see_upper(struct inode *dir, const char *name, u64 *ino, unsigned *type)
{
	struct inode *upper = odir_upper(dir), *inode;

	*ino = upper_ino(*ino);
	if (*type != DT_CHR && *type != DT_UNKNOWN && !odir_lower(dir) &&
	    !load_relaxed(&odir_sb(dir->sb)->strayed))
		return 0;
	/*
	 * An unlink up there is over, or hasn't begun: else what it has noted of the file would be
	 * taken back.
	 */
	down_read(&upper->lock);
	inode = layer_lookup(upper, name);
	up_read(&upper->lock);
	if (inode == ERR_PTR(-EUCLEAN))
		return 0; /* shown, so that somebody asks for it and is told */
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (!inode) {
		*type = DT_WHT;
		return 0;
	}
	*type = is_whiteout(inode) ? DT_WHT : IFTODT(inode->mode);
	*ino = odir_number_of(dir->sb, inode);
	inode_put(inode);
	return 0;
}

static int add_upper(struct inode *dir, const struct dir_list *from, u32 i, struct dir_list *l)
{
	const struct dir_list_entry *e = &from->entries[i];
	const char *name = dir_list_name(from, i);
	unsigned type = e->type;
	u64 ino = e->ino;
	int err = see_upper(dir, name, &ino, &type);

	return err || type == DT_WHT ? err : dir_list_add(l, name, e->len, ino, type);
}

int odir_list_merged(struct inode *dir, struct dir_list *l)
{
	struct inode *upper = odir_upper(dir), *lower = odir_lower(dir);
	struct dir_list up = {}, low = {};
	struct name_set set = {};
	int err = 0;

	if (upper)
		err = odir_list_layer(upper, &up);
	for (u32 i = 0; i < up.nr && !err; i++)
		err = add_upper(dir, &up, i, l);
	if (!err && lower)
		err = odir_list_layer(lower, &low);
	if (!err && lower)
		err = set_build(&set, &up);
	for (u32 i = 0; i < low.nr && !err; i++) {
		const struct dir_list_entry *e = &low.entries[i];

		if (!set_has(&set, dir_list_name(&low, i)))
			err = dir_list_add(l, dir_list_name(&low, i), e->len, e->ino, e->type);
	}
	kfree(set.slots);
	dir_list_free(&up);
	dir_list_free(&low);
	return err;
}

/* ---- open directories ---- */

/* f->priv; under the file's position lock. */
struct odir_reader {
	struct file *one; /* +1: of the only layer that has it; NULL: the list */
	bool of_upper;	  /* that is the upper one */
	struct dir_list list;
};

static int odir_dir_open(struct inode *dir, struct file *f)
{
	f->priv = kzalloc(sizeof(struct odir_reader));
	return f->priv ? 0 : -ENOMEM;
}

static void reader_clear(struct odir_reader *r)
{
	if (r->one)
		file_put(r->one);
	r->one = NULL;
	dir_list_free(&r->list);
}

static void odir_dir_release(struct file *f)
{
	reader_clear(f->priv);
	kfree(f->priv);
}

static int reader_start(struct inode *dir, struct odir_reader *r)
{
	struct inode *upper, *lower = odir_lower(dir);
	struct file *one;
	int err = 0;

	reader_clear(r);
	down_read(&dir->lock);
	upper = odir_upper(dir);
	if (!upper || !lower) {
		one = layer_open(upper ? upper : lower, O_RDONLY | O_DIRECTORY);
		err = IS_ERR(one) ? (int)PTR_ERR(one) : 0;
		r->one = err ? NULL : one;
		r->of_upper = upper;
	} else {
		err = odir_list_merged(dir, &r->list);
	}
	up_read(&dir->lock);
	return err;
}

struct pass_ctx {
	struct dir_context dc, *to;
	struct file *f;
	bool of_upper;
	int err;
};

/* An entry of the only layer. */
static bool pass(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		 u64 next_pos)
{
	struct pass_ctx *c = caa_container_of(dc, struct pass_ctx, dc);
	struct inode *dir = c->f->inode;

	if (is_dots(name, len))
		ino = len == 1 ? dir->ino : d_parent_ino(c->f->path.dentry);
	else if (c->of_upper)
		c->err = see_upper(dir, name, &ino, &type);
	if (c->err)
		return false;
	if (type == DT_WHT) {
		c->to->pos = next_pos;
		return true;
	}
	return c->to->emit(c->to, name, len, ino, type, next_pos);
}

static int read_one(struct file *f, struct odir_reader *r, struct dir_context *dc)
{
	struct pass_ctx c = {
		.dc = {.emit = pass, .pos = dc->pos, .room = dc->room},
		.to = dc,
		.f = f,
		.of_upper = r->of_upper,
	};
	int err;

	down_read(&f->inode->lock);
	err = r->one->ops->iterate(r->one, &c.dc);
	up_read(&f->inode->lock);
	return err ? err : c.err;
}

static void read_list(struct file *f, const struct dir_list *l, struct dir_context *dc)
{
	u64 pos = dc->pos;
	bool more = true;

	if (pos == 0) {
		more = dc->emit(dc, ".", 1, f->inode->ino, DT_DIR, 1);
		pos = 1;
	}
	if (more && pos == 1) {
		more = dc->emit(dc, "..", 2, d_parent_ino(f->path.dentry), DT_DIR, FIRST_COOKIE);
		pos = FIRST_COOKIE;
	}
	for (u64 i = pos - FIRST_COOKIE; more && i < l->nr; i++) {
		const struct dir_list_entry *e = &l->entries[i];

		more = dc->emit(dc, dir_list_name(l, i), e->len, e->ino, e->type,
				i + FIRST_COOKIE + 1);
	}
}

static int odir_iterate(struct file *f, struct dir_context *dc)
{
	struct odir_reader *r = f->priv;
	int err = 0;

	if (!dc->pos || (!r->one && !r->list.entries))
		err = reader_start(f->inode, r);
	if (err)
		return err;
	if (r->one)
		return read_one(f, r, dc);
	read_list(f, &r->list, dc);
	return 0;
}

static int odir_dir_fsync(struct file *f, bool datasync)
{
	struct inode *upper = odir_upper(f->inode);
	struct file *real;
	int err;

	if (!upper)
		return 0;
	real = layer_open(upper, O_RDONLY | O_DIRECTORY);
	if (IS_ERR(real))
		return PTR_ERR(real);
	err = real->ops->fsync ? real->ops->fsync(real, datasync) : 0;
	file_put(real);
	return err;
}

const struct file_operations odir_dir_fops = {
	.open = odir_dir_open,
	.iterate = odir_iterate,
	.release = odir_dir_release,
	.fsync = odir_dir_fsync,
};
