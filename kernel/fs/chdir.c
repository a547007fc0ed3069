/* The working directory and the root of a task. */
#include "vfs.h"

/* Replaces one of current's two paths; takes p's references over. */
static void set_path(struct path *which, struct path *p)
{
	struct fs_context *fs = current->fs;
	struct path old;

	spin_lock(&fs->lock);
	old = *which;
	*which = *p;
	spin_unlock(&fs->lock);
	path_put(&old);
}

static int chdir_to(struct path *p)
{
	int err = inode_permission(p->dentry->inode, MAY_EXEC);

	if (err)
		path_put(p);
	else
		set_path(&current->fs->pwd, p);
	return err;
}

long sys_chdir(uaddr_t path)
{
	struct path p;
	int err = user_path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	return err ? err : chdir_to(&p);
}

long sys_fchdir(int fd)
{
	struct file *f = fd_get_raw(fd);
	struct path p;
	int err = -ENOTDIR;

	if (!f)
		return -EBADF;
	if (S_ISDIR(f->inode->mode)) {
		p = f->path;
		path_get(&p);
		err = chdir_to(&p);
	}
	file_put(f);
	return err;
}

long sys_chroot(uaddr_t path)
{
	struct path p;
	int err = user_path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->inode, MAY_EXEC);
	if (!err && !capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (err)
		path_put(&p);
	else
		set_path(&current->fs->root, &p);
	return err;
}
