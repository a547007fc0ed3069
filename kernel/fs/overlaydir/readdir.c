/*
 * Reading directories: from a list that is made when reading starts: what the upper layer has, less whiteouts, then what the lower one has and
 * the upper one hasn't. The cookie is the index.
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
 * An entry of the upper layer, unless it is a whiteout; its type is learnt on the way, and in a directory that has something below its
 * number: it may have been copied up a while ago. (So may those elsewhere, once one was renamed.)
 */
static int add_upper(struct inode *dir, const struct dir_list *from, u32 i, struct dir_list *l)
{
	struct inode *upper = odir_upper(dir), *inode;
	const struct dir_list_entry *e = &from->entries[i];
	const char *name = dir_list_name(from, i);
	unsigned type = e->type;
	u64 ino = upper_ino(e->ino);

	if (type == DT_CHR || type == DT_UNKNOWN || odir_lower(dir) ||
	    __atomic_load_n(&odir_sb(dir->sb)->strayed, __ATOMIC_RELAXED)) {
		inode = layer_lookup(upper, name);
		if (inode == ERR_PTR(-EUCLEAN))
			inode = NULL; /* shown, so that somebody asks for it and is told */
		else if (IS_ERR(inode))
			return PTR_ERR(inode);
		else if (!inode)
			return 0;
		if (inode) {
			type = is_whiteout(inode) ? DT_WHT : IFTODT(inode->mode);
			ino = odir_number_of(dir->sb, inode);
			inode_put(inode);
		}
	}
	return type == DT_WHT ? 0 : dir_list_add(l, name, e->len, ino, type);
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

/* ---- open directories; f->priv: the list, under the file's position lock ---- */

static int odir_dir_open(struct inode *dir, struct file *f)
{
	f->priv = kzalloc(sizeof(struct dir_list));
	return f->priv ? 0 : -ENOMEM;
}

static void odir_dir_release(struct file *f)
{
	dir_list_free(f->priv);
	kfree(f->priv);
}

static int odir_iterate(struct file *f, struct dir_context *dc)
{
	struct dir_list *l = f->priv;
	struct inode *dir = f->inode;
	u64 pos = dc->pos;
	bool more = true;
	int err;

	if (!pos || !l->entries) {
		dir_list_free(l);
		down_read(&dir->lock);
		err = odir_list_merged(dir, l);
		up_read(&dir->lock);
		if (err)
			return err;
	}
	if (pos == 0) {
		more = dc->emit(dc, ".", 1, dir->ino, DT_DIR, 1);
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
