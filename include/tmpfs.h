/* Files and file systems in memory. */
#ifndef HEDDLE_TMPFS_H
#define HEDDLE_TMPFS_H

#include "types.h"

struct file;
struct fs_type;

extern const struct fs_type tmpfs_fs_type;

/*
 * A file in memory without a name in any file system, open for reading and writing:
 * memfd_create(2), MAP_SHARED|MAP_ANONYMOUS, shared memory segments. name is what /proc/PID/maps
 * and fd show ("/memfd:x (deleted)", "/dev/zero (deleted)"). ERR_PTR.
 */
#define MEMFILE_SEALABLE 1 /* else it bears F_SEAL_SEAL from the start */
must_check struct file *tmpfs_memfile(const char *name, u64 size, int flags);

#endif
