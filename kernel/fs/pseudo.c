/* What the kernel's own file systems share. */
#include "kernel/fs/pseudo.h"
#include <dirent.h>

struct super_block *pseudo_mount(struct super_block **slot, const struct fs_type *type,
				 const char *source,
				 struct super_block *(*make)(const struct fs_type *type,
							     const char *source))
{
	struct super_block *sb = load_acquire(slot), *mine;

	if (sb) {
		sb_get(sb);
		return sb;
	}
	mine = make(type, source);
	if (IS_ERR(mine))
		return mine;
	mine->kept = true;
	if (__atomic_compare_exchange_n(slot, &sb, mine, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		sb = mine; /* the slot's reference is the first */
	else
		sb_put(mine);
	sb_get(sb);
	return sb;
}

struct super_block *pseudo_sb(const struct fs_type *type, const struct super_ops *ops,
			      const char *source, u32 mode, const struct inode_operations *dir_ops,
			      const struct file_operations *dir_fops)
{
	struct super_block *sb = sb_alloc(type, ops, source);
	struct inode *root;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	root = inode_alloc(sb, sb_next_ino(sb), S_IFDIR | mode);
	if (root) {
		root->uid = root->gid = 0;
		root->ops = dir_ops;
		root->fops = dir_fops;
		sb->root = d_alloc_root(sb, root);
	}
	if (!sb->root) {
		sb_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}

bool pseudo_dots(struct file *f, struct dir_context *dc)
{
	if (dc->pos == 0) {
		if (!dc->emit(dc, ".", 1, f->inode->ino, DT_DIR, 1))
			return false;
		dc->pos = 1;
	}
	if (dc->pos == 1) {
		if (!dc->emit(dc, "..", 2, d_parent_ino(f->path.dentry), DT_DIR, 2))
			return false;
		dc->pos = 2;
	}
	return true;
}

int pseudo_setattr(struct inode *inode, struct iattr *a)
{
	/* Truncation by shells that write to such files has no effect, but isn't an error. */
	return a->valid & ~(ATTR_SIZE | ATTR_OPEN) & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}
