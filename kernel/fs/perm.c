/* Who may do what with an inode. */
#include "vfs.h"

int generic_permission(struct inode *inode, int mask, const struct cred *cred)
{
	u32 mode = load_relaxed(&inode->mode);
	u32 bits = mode;

	if (cred->fsuid == load_relaxed(&inode->uid))
		bits >>= 6;
	else if (in_group(cred, load_relaxed(&inode->gid)))
		bits >>= 3;
	if (!(mask & ~bits & 7))
		return 0;
	if (S_ISDIR(mode)) {
		if (!(mask & MAY_WRITE) && cred_capable(cred, CAP_DAC_READ_SEARCH))
			return 0;
		return cred_capable(cred, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (mask == MAY_READ && cred_capable(cred, CAP_DAC_READ_SEARCH))
		return 0;
	/* Nobody executes what has no execute bit at all. */
	if ((!(mask & MAY_EXEC) || mode & 0111) && cred_capable(cred, CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

int inode_permission_cred(struct inode *inode, int mask, const struct cred *cred)
{
	if (mask & MAY_WRITE && inode->sb->flags & ST_RDONLY &&
	    (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode)))
		return -EROFS;
	if (inode->ops && inode->ops->permission)
		return inode->ops->permission(inode, mask, cred);
	return generic_permission(inode, mask, cred);
}

int inode_permission(struct inode *inode, int mask)
{
	return inode_permission_cred(inode, mask, vfs_cred());
}

bool inode_owner_or_capable(const struct inode *inode)
{
	const struct cred *cred = vfs_cred();

	return cred->fsuid == inode->uid || cred_capable(cred, CAP_FOWNER);
}

bool sticky_forbids(const struct inode *dir, const struct inode *victim)
{
	const struct cred *cred = vfs_cred();

	return dir->mode & S_ISVTX && cred->fsuid != victim->uid && cred->fsuid != dir->uid &&
	       !cred_capable(cred, CAP_FOWNER);
}

int path_want_write(const struct path *p)
{
	if (path_mnt_flags(p) & MS_RDONLY || p->dentry->sb->flags & ST_RDONLY)
		return -EROFS;
	return 0;
}
