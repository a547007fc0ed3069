/* hostfs directories: reading passes the host's entries and cookies through. An open directory has a host handle of its own. */
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

static bool emit_one(struct file *f, struct dir_context *dc, const struct dirent64 *e)
{
	struct inode *dir = f->inode;
	u64 ino = hostfs_ino(dir->sb, hostfs_i(dir)->node.a, e->d_ino);
	size_t len = strlen(e->d_name);
	unsigned type = e->d_type;
	const struct hostfs_kind *kind = hostfs_sb(dir->sb)->kind;

	if (hostfs_hides(dir, e->d_name))
		return true;
	if (type == DT_REG && kind->entry_type)
		type = kind->entry_type(dir, e->d_name);
	if (!strcmp(e->d_name, ".."))
		ino = d_parent_ino(
			f->path.dentry); /* above the root, or where it was moved to, is not the guest's business */
	return dc->emit(dc, e->d_name, len, ino, type, e->d_off);
}

int hostfs_iterate(struct file *f, struct dir_context *dc)
{
	struct fh *h = f->priv;
	char *buf;
	ssize_t n;
	u64 pos = dc->pos;
	bool more = true;

	buf = kmalloc(DENTS_SIZE);
	if (!buf)
		return -ENOMEM;
	while (more) {
		n = fh_getdents(h, buf, DENTS_SIZE, &pos);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && more;) {
			const struct dirent64 *e = (const void *)(buf + i);

			more = emit_one(f, dc, e);
			i += e->d_reclen;
		}
	}
	kfree(buf);
	return more && n < 0 ? n : 0;
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
