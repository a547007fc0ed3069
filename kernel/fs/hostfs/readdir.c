/*
 * hostfs directories: reading passes the host's entries and cookies through. An open directory has
 * a host handle of its own.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"

#include <dirent.h>
#include <string.h>

#define DENTS_SIZE 32768

int hostfs_dir_open(struct inode *inode, struct file *f)
{
	struct fh *dir = hostfs_dir(inode), *h;

	if (IS_ERR(dir))
		return PTR_ERR(dir);
	h = fh_open_at(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	if (IS_ERR(h))
		return PTR_ERR(h);
	f->priv = h;
	return 0;
}

/* What one call of the host's gave is passed on. */
struct chunk {
	char *buf;
	ssize_t size;
	bool any, full; /* something was taken; or refused */
};

static void emit_one(struct file *f, struct dir_context *dc, struct chunk *c,
		     const struct dirent64 *e)
{
	struct inode *dir = f->inode;
	u64 ino = hostfs_ino(dir->sb, hostfs_i(dir)->node.a, e->d_ino);
	size_t len = strlen(e->d_name);
	unsigned type = e->d_type;
	const struct hostfs_kind *kind = hostfs_sb(dir->sb)->kind;

	if (hostfs_hides(dir, e->d_name))
		return;
	if (type == DT_REG && kind->entry_type)
		type = kind->entry_type(dir, e->d_name);
	/* What is above the root, or where it was moved to, is not the guest's business. */
	if (!strcmp(e->d_name, ".."))
		ino = d_parent_ino(f->path.dentry);
	if (dc->emit(dc, e->d_name, len, ino, type, e->d_off))
		c->any = true;
	else
		c->full = true;
}

static void emit_chunk(struct file *f, struct dir_context *dc, struct chunk *c)
{
	for (ssize_t i = 0; i < c->size && !c->full;) {
		const struct dirent64 *e = (const void *)(c->buf + i);

		emit_one(f, dc, c, e);
		i += e->d_reclen;
	}
}

/*
 * No more is read than the caller takes: the next call then goes on where the host's descriptor
 * stands. Seeking back is dear in large directories, which some hosts' file systems sort anew for
 * it.
 */
int hostfs_iterate(struct file *f, struct dir_context *dc)
{
	struct fh *h = f->priv;
	size_t size = dc->room ? min(dc->room, (size_t)DENTS_SIZE) : DENTS_SIZE;
	struct chunk c = {.buf = kmalloc(size)};
	u64 pos = dc->pos;

	if (!c.buf)
		return -ENOMEM;
	do {
		c.size = fh_getdents(h, c.buf, size, &pos);
		emit_chunk(f, dc, &c);
	} while (c.size > 0 && !c.full && !(dc->room && c.any));
	kfree(c.buf);
	return c.size < 0 ? (int)c.size : 0;
}

void hostfs_dir_release(struct file *f)
{
	fh_put(f->priv);
}

int hostfs_dir_fsync(struct file *f, bool datasync)
{
	return fh_fsync(f->priv, datasync);
}

const struct file_operations hostfs_dir_fops = {
	.open = hostfs_dir_open,
	.iterate = hostfs_iterate,
	.release = hostfs_dir_release,
	.fsync = hostfs_dir_fsync,
};
