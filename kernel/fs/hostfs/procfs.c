/*
 * A proc file system of the host's below a mount. Its files aren't stored anywhere: they are
 * windows to the host's processes, of which the kernel is one (/proc/self/mem), and to its memory.
 * So a guest finds there what the host says about itself, to be read, but no processes and no
 * kcore.
 *
 * Such a file system is noticed where a walk enters it, which is where the device changes.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include <linux/magic.h>
#include <string.h>

#define PROC_ROOT_INO 1 /* linux/proc_ns.h */

/* One, which has to be entered by its root: another directory may be a process's. */
static int check_procfs(struct fh *h, const struct kstat *st)
{
	struct kstatfs fs;
	int err = fh_statfs(h, &fs);

	if (err)
		return err;
	if (fs.type != PROC_SUPER_MAGIC)
		return 0;
	return st->ino == PROC_ROOT_INO ? 1 : -EACCES;
}

int hostfs_root_in_procfs(struct fh *root, const struct kstat *st)
{
	return check_procfs(root, st);
}

int hostfs_in_procfs(struct inode *dir, struct fh *h, const char *name, const struct kstat *st)
{
	struct fh_id id = fh_id_of(st);
	struct fh_place *p;
	struct fh *there;
	int err;

	if (st->dev == hostfs_i(dir)->node.a)
		return hostfs_procfs(dir);
	p = fh_place_new(h, name);
	if (IS_ERR(p))
		return PTR_ERR(p);
	there = fh_known(p, O_PATH, &id); /* this file, or -ESTALE */
	fh_place_put(p);
	if (!there)
		return -ENOMEM;
	err = check_procfs(there, st);
	fh_put(there);
	return err;
}

bool hostfs_hides(const struct inode *dir, const char *name)
{
	if (!hostfs_procfs(dir) || hostfs_i(dir)->node.b != PROC_ROOT_INO)
		return false;
	return !name[strspn(name, "0123456789")] || !strcmp(name, "self") ||
	       !strcmp(name, "thread-self") || !strcmp(name, "kcore");
}
