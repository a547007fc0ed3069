/* Files of layers. See layer.h. */
#include "kernel/fs/layer.h"

#include "kernel/fs/vfs.h"
#include "signals.h"

#include <linux/fs.h>

struct file *layer_open(struct inode *inode, int flags)
{
	struct path path = {};
	struct file *f;

	path.dentry = d_alloc_anon(inode->sb, inode_get(inode), "layer");
	if (!path.dentry)
		return ERR_PTR(-ENOMEM);
	f = file_open_path(&path, flags);
	d_put(path.dentry);
	return f;
}

u64 layer_next_data(struct file *f, u64 off)
{
	s64 data = f->ops->llseek ? f->ops->llseek(f, off, SEEK_DATA) : (s64)off;

	if (data == -ENXIO)
		return UINT64_MAX;
	return data < 0 ? off : (u64)data;
}

bool layer_copier_dies(void)
{
	struct task *t = vfs_task();

	return t && fatal_signal_pending(t);
}
