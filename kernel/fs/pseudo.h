/*
 * What the kernel's own file systems (proc, sysfs, devtmpfs, devpts) share: there is one instance
 * of each.
 */
#ifndef HEDDLE_FS_PSEUDO_H
#define HEDDLE_FS_PSEUDO_H

#include "fs.h"

/*
 * The instance in *slot, +1; made by the first mount. It stays for ever. Two mounts at once may
 * both make one: the first to be done wins. ERR_PTR.
 */
must_check struct super_block *pseudo_mount(struct super_block **slot, const struct fs_type *type,
					    const char *source,
					    struct super_block *(*make)(const struct fs_type *type,
									const char *source));

/* A super block with a root directory of that mode, ino 1, owned by root. ERR_PTR. */
must_check struct super_block *pseudo_sb(const struct fs_type *type, const struct super_ops *ops,
					 const char *source, u32 mode,
					 const struct inode_operations *dir_ops,
					 const struct file_operations *dir_fops);

/*
 * emit() of "." and "..", as cookies 0 and 1. False: the buffer is full. Entries go on from
 * cookie 2.
 */
bool pseudo_dots(struct file *f, struct dir_context *dc);

/* setattr of files that nobody may change. */
int pseudo_setattr(struct inode *inode, struct iattr *a);

#endif
