/* What removing and renaming share. */
#ifndef FS_DIROPS_H
#define FS_DIROPS_H

#include "vfs.h"

/* May current take the entry d, a directory or not, out of its (locked) directory? */
must_check int may_remove(const struct path *parent, const struct dentry *d, bool is_dir);
/* A directory was removed; its lock is held. */
void dir_died(struct dentry *d);

#endif
