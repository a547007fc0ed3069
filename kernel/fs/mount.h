/* The mount tree, for the files that change it. See mount.c. */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "vfs.h"

#define MOUNTS_MAX                                                                                 \
	10000 /* -ENOSPC: a guest that binds trees into themselves doubles them each time */

/* A mount that is nowhere yet; NULL: no memory. */
must_check struct mount *mount_alloc(struct super_block *sb, struct dentry *root, u64 flags);
/* The rest with mount_mutex held. */
bool mount_is_attached(const struct mount *m);
/* The topmost mount's root at a place; no references. */
struct path mount_topmost(const struct path *where);
/* May something with this root be mounted there? -EINVAL, -ENOENT, -ENOTDIR. */
must_check int mount_check_place(const struct path *where, const struct dentry *root);
/*
 * Takes its own references on the place, and for a moment its inode's lock. -ENOMEM, -ENOENT: it
 * was removed.
 */
must_check int mount_attach(struct mount *m, const struct path *where);
must_check int mount_list_add(struct mount *m); /* -ENOSPC */
/*
 * Detaches m and all that is mounted on it and moves them to `out`, whose references are then the
 * caller's: mount_put_list().
 */
void mount_take_tree(struct mount *m, struct cds_list_head *out);

/* These take mount_mutex. */
void mount_put_list(struct cds_list_head *gone);
must_check int mount_move(const struct path *from, const struct path *to);
void mount_remove_all(void); /* the root, too */
must_check int mount_remove(const struct path *target, bool lazy);
must_check int mount_bind(const struct path *from, const struct path *to, bool rec);

#endif
