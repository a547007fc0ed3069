/* access(2): may the real user do it? */
#include "vfs.h"
#include <linux/securebits.h>
#include <unistd.h>

/* Credentials by which the real ids act as the file system ones. Shares the groups with `from`. */
static struct cred real_cred(const struct cred *from)
{
	struct cred c;

	cred_copy_values(&c, from);
	c.fsuid = c.uid;
	c.fsgid = c.gid;
	if (!(c.securebits & (1u << SECURE_NO_SETUID_FIXUP)))
		c.cap_effective = c.uid ? 0 : c.cap_permitted;
	return c;
}

static int check(const struct path *p, int mode, const struct cred *cred)
{
	struct inode *inode = p->dentry->inode;
	int err;

	if (!mode)
		return 0;
	if (mode & MAY_EXEC && S_ISREG(inode->mode) && path_mnt_flags(p) & MS_NOEXEC)
		return -EACCES;
	err = inode_permission_cred(inode, mode, cred);
	if (!err && mode & MAY_WRITE &&
	    (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode)))
		err = path_want_write(p);
	return err;
}

long sys_faccessat2(int dfd, uaddr_t upath, int mode, int flags)
{
	const struct cred *cred = vfs_cred();
	struct cred real;
	struct path p;
	char *name;
	int err;

	if (mode & ~(R_OK | W_OK | X_OK) ||
	    flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!(flags & AT_EACCESS)) {
		real = real_cred(cred);
		cred = &real;
	}
	name = path_from_user(upath);
	if (IS_ERR(name))
		return PTR_ERR(name);
	err = path_lookup_cred(dfd, name,
			       (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
				       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			       cred, &p);
	if (!err) {
		err = check(&p, mode, cred);
		path_put(&p);
	}
	kfree(name);
	return err;
}

long sys_faccessat(int dfd, uaddr_t path, int mode)
{
	return sys_faccessat2(dfd, path, mode, 0);
}

long sys_access(uaddr_t path, int mode)
{
	return sys_faccessat2(AT_FDCWD, path, mode, 0);
}
