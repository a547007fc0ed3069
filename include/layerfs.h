/* File systems that boot mounts by hand: a host directory, and the copy-on-write layer over it. */
#ifndef HEDDLE_LAYERFS_H
#define HEDDLE_LAYERFS_H

#include "types.h"

struct fs_type;
struct super_block;

extern const struct fs_type hostfs_fs_type, humfs_fs_type, overlay_fs_type;

/*
 * rw: guests may change the host's files. exclusive: nobody else is expected to change them while
 * we run, so names, their absence and attributes that were looked up once stay valid (no host call
 * for a cached stat); otherwise each use asks the host. map_uid, map_gid: all files are shown as
 * uid's and gid's, and can't be given away; otherwise owners are the host's.
 */
struct hostfs_options {
	bool rw, exclusive, map_uid, map_gid;
	u32 uid, gid;
};
/* A super block of a host directory. 0 or -errno of the host. */
must_check int hostfs_mount_dir(const char *host_dir, const struct hostfs_options *opt,
				struct super_block **sb);
/*
 * The same of a host directory that holds a humfs. 0 or -errno: -EBUSY: in use by somebody else;
 * -EUCLEAN: somebody's use of it was cut off, or it is damaged: `heddle humfs check` is needed;
 * -EINVAL: not a version that we know.
 */
must_check int humfs_mount_dir(const char *host_dir, bool rw, struct super_block **sb);
/*
 * A writable file system which holds changes of `lower` in memory. Takes the reference on lower,
 * also on failure. ERR_PTR.
 */
must_check struct super_block *overlay_create(struct super_block *lower);
/*
 * The same with the changes in upper/ and work/ of the file system `layer`. Takes both references,
 * also on failure. ERR_PTR.
 */
must_check struct super_block *overlay_create_dir(struct super_block *lower,
						  struct super_block *layer);

#endif
