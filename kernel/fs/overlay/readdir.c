/*
 * Reading overlay directories. An open directory is read in one of three ways, chosen whenever
 * reading starts at 0:
 *
 * - new, nothing below: straight from its own entries, whose cookies are stable;
 * - nothing of its own but whiteouts: the lower directory's entries and cookies, less what is
 *   whited out;
 * - both: a list made at the start, own entries first; the cookie is the index.
 *
 * What is created or removed while somebody reads may be seen or not, as POSIX has it.
 */
#include "kernel/fs/overlay/overlay_priv.h"

#include "alloc.h"
#include "kernel/fs/dirlist.h"

#include <dirent.h>
#include <string.h>

/* f->priv; under the file's position lock. */
struct ovl_reader {
	enum { READ_UNDECIDED, READ_OWN, READ_LOWER, READ_LIST } way;
	struct file *lower;   /* +1, or NULL */
	struct dir_list list; /* READ_LIST */
};

/* ---- the lower directory ---- */

static int iterate_lower(struct file *lower, struct dir_context *dc)
{
	return lower->ops->iterate(lower, dc);
}

struct merge_ctx {
	struct dir_context dc;
	const struct memdir *names;
	struct dir_list *list; /* NULL: only find out whether there is anything */
	bool any;
	int err;
};

/* Keeps what the directory's own entries don't replace or hide. */
static bool merge_one(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		      u64 next_pos)
{
	struct merge_ctx *m = caa_container_of(dc, struct merge_ctx, dc);

	if (is_dots(name, len) || memdir_find(m->names, name, len))
		return true;
	m->any = true;
	if (!m->list)
		return false;
	m->err = dir_list_add(m->list, name, len, ino, type);
	return !m->err;
}

int ovl_dir_empty(struct inode *dir)
{
	struct merge_ctx m = {.dc.emit = merge_one, .names = &ovl_i(dir)->names};
	struct file *lower;
	int err;

	if (m.names->live)
		return 0;
	if (!ovl_i(dir)->lower)
		return 1;
	lower = ovl_open_lower(dir, O_RDONLY | O_DIRECTORY);
	if (IS_ERR(lower))
		return PTR_ERR(lower);
	err = iterate_lower(lower, &m.dc);
	file_put(lower);
	return err ? err : !m.any;
}

static int build_list(struct inode *dir, struct ovl_reader *r)
{
	const struct memdir *names = &ovl_i(dir)->names;
	struct merge_ctx m = {.dc.emit = merge_one, .names = names, .list = &r->list};
	struct memdirent *e;
	u64 pos = 0;
	int err = 0;

	while (!err && (e = memdir_next(names, pos))) {
		if (e->inode)
			err = dir_list_add(&r->list, e->name, e->len, e->inode->ino,
					   IFTODT(e->inode->mode));
		pos = e->cookie + 1;
	}
	if (!err)
		err = iterate_lower(r->lower, &m.dc);
	return err ? err : m.err;
}

/* ---- readers ---- */

/* The lower directory is opened now, so that its errors are open's. */
static int ovl_dir_open(struct inode *dir, struct file *f)
{
	struct ovl_reader *r = kzalloc(sizeof(*r));
	struct file *lower;

	if (!r)
		return -ENOMEM;
	if (ovl_i(dir)->lower) {
		lower = ovl_open_lower(dir, O_RDONLY | O_DIRECTORY);
		if (IS_ERR(lower)) {
			kfree(r);
			return PTR_ERR(lower);
		}
		r->lower = lower;
	}
	f->priv = r;
	return 0;
}

static void ovl_dir_release(struct file *f)
{
	struct ovl_reader *r = f->priv;

	if (r->lower)
		file_put(r->lower);
	dir_list_free(&r->list);
	kfree(r);
}

/* Position 0 is about to be read (or another one first). */
static int reader_start(struct inode *dir, struct ovl_reader *r)
{
	int err = 0;

	dir_list_free(&r->list);
	down_read(&dir->lock);
	r->way = !r->lower ? READ_OWN : ovl_i(dir)->names.live ? READ_LIST : READ_LOWER;
	if (r->way == READ_LIST)
		err = build_list(dir, r);
	up_read(&dir->lock);
	return err;
}

struct filter_ctx {
	struct dir_context dc;
	struct dir_context *to;
	struct file *f;
};

static bool filter_one(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		       u64 next_pos)
{
	struct filter_ctx *c = caa_container_of(dc, struct filter_ctx, dc);
	struct inode *dir = c->f->inode;
	bool hidden = false;

	if (is_dots(name, len)) {
		ino = len == 1 ? dir->ino : d_parent_ino(c->f->path.dentry);
	} else if (ovl_i(dir)->names.whiteouts || ovl_i(dir)->names.live) {
		const struct memdirent *e = memdir_find(&ovl_i(dir)->names, name, len);

		hidden = e && !e->inode;
	}
	if (hidden) {
		c->to->pos = next_pos;
		return true;
	}
	return c->to->emit(c->to, name, len, ino, type, next_pos);
}

static int read_lower(struct file *f, struct ovl_reader *r, struct dir_context *dc)
{
	struct filter_ctx c = {
		.dc = {.emit = filter_one, .pos = dc->pos, .room = dc->room}, .to = dc, .f = f};
	int err;

	down_read(&f->inode->lock);
	err = iterate_lower(r->lower, &c.dc);
	up_read(&f->inode->lock);
	return err;
}

static void read_own(struct inode *dir, struct dir_context *dc, u64 pos)
{
	const struct memdir *names = &ovl_i(dir)->names;
	struct memdirent *e;
	bool more = true;

	down_read(&dir->lock);
	while (more && (e = memdir_next(names, pos))) {
		pos = e->cookie + 1;
		if (e->inode)
			more = dc->emit(dc, e->name, e->len, e->inode->ino, IFTODT(e->inode->mode),
					pos);
	}
	up_read(&dir->lock);
}

static void read_list(const struct dir_list *l, struct dir_context *dc, u64 pos)
{
	bool more = true;

	for (u64 i = pos - MEMDIR_FIRST_COOKIE; more && i < l->nr; i++) {
		const struct dir_list_entry *e = &l->entries[i];

		more = dc->emit(dc, dir_list_name(l, i), e->len, e->ino, e->type,
				i + MEMDIR_FIRST_COOKIE + 1);
	}
}

static int ovl_iterate(struct file *f, struct dir_context *dc)
{
	struct ovl_reader *r = f->priv;
	u64 pos = dc->pos;
	int err;

	if (!pos || r->way == READ_UNDECIDED) {
		err = reader_start(f->inode, r);
		if (err)
			return err;
	}
	if (r->way == READ_LOWER)
		return read_lower(f, r, dc);
	if (pos == 0) {
		if (!dc->emit(dc, ".", 1, f->inode->ino, DT_DIR, 1))
			return 0;
		pos = 1;
	}
	if (pos == 1) {
		if (!dc->emit(dc, "..", 2, d_parent_ino(f->path.dentry), DT_DIR,
			      MEMDIR_FIRST_COOKIE))
			return 0;
		pos = MEMDIR_FIRST_COOKIE;
	}
	if (r->way == READ_OWN)
		read_own(f->inode, dc, pos);
	else
		read_list(&r->list, dc, pos);
	return 0;
}

static int ovl_dir_fsync(struct file *f, bool datasync)
{
	return 0;
}

const struct file_operations ovl_dir_fops = {
	.open = ovl_dir_open,
	.iterate = ovl_iterate,
	.release = ovl_dir_release,
	.fsync = ovl_dir_fsync,
};
