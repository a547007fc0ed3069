/*
 * Host file handles: reference-counted handles of host files and directories whose descriptor may be reclaimed at any time while nobody
 * has it pinned, and is reopened (and verified to be the same file) when next used.
 *
 *	int fd = get_fh(h);      pins; reopens if it must; the descriptor or -errno (-ESTALE: not the same file any more)
 *	... use fd ...
 *	put_fh(h);               unpins
 *
 * Nothing outside fh/ keeps a host descriptor of a file beyond such a pair.
 */
#ifndef HEDDLE_FH_H
#define HEDDLE_FH_H

#include "types.h"
#include "uaccess.h"
#include <dirent.h>
#include <sys/stat.h>

struct fh;
struct kstat;

must_check int fh_init(void); /* budget from RLIMIT_NOFILE */

/* A handle on the directory or file at a host path; the root of a hostfs. ERR_PTR. */
must_check struct fh *fh_open_root(const char *host_path);
/*
 * Opens `name` (one component, no slash; O_NOFOLLOW always added) in dir. flags: O_PATH for anything, O_RDONLY|O_DIRECTORY, O_RDWR ...
 * The handle remembers (dir, name) for reopening and holds a reference on dir. ERR_PTR.
 */
must_check struct fh *fh_open_at(struct fh *dir, const char *name, int flags, u32 mode);
void fh_put(struct fh *h); /* drops the reference; closes with the last */
struct fh *fh_get(struct fh *h); /* another reference (not a pin) */
/* The guest renamed it: reopening goes by the new place. */
must_check int fh_moved(struct fh *h, struct fh *dir, const char *name);
void fh_unlinked(struct fh *h); /* it has no name any more: keep the descriptor for good */

must_check int get_fh(struct fh *h);
void put_fh(struct fh *h);

/* Operations; each pins for its own time. 0 or bytes, or -errno of the host. Cold data is read by an I/O worker: these may sleep the task. */
ssize_t fh_pread(struct fh *h, void *buf, size_t n, u64 off);
ssize_t fh_pwrite(struct fh *h, const void *buf, size_t n, u64 off);
/* Straight between file and iterator, through a per-CPU buffer. */
ssize_t fh_read_iter(struct fh *h, struct iov_iter *to, u64 off);
ssize_t fh_write_iter(struct fh *h, struct iov_iter *from, u64 off);
int fh_fsync(struct fh *h, bool datasync);
int fh_truncate(struct fh *h, u64 size);
int fh_fallocate(struct fh *h, int mode, u64 off, u64 len);
s64 fh_seek_data(struct fh *h, u64 off, int whence); /* SEEK_DATA, SEEK_HOLE */
int fh_stat(struct fh *h, struct kstat *st);
int fh_stat_at(struct fh *dir, const char *name, struct kstat *st); /* never follows */
int fh_statfs(struct fh *h, void *kstatfs);
char *fh_readlink_at(struct fh *dir, const char *name); /* fresh memory; ERR_PTR */
int fh_mkdir_at(struct fh *dir, const char *name, u32 mode);
int fh_mknod_at(struct fh *dir, const char *name, u32 mode, dev_t dev);
int fh_symlink_at(struct fh *dir, const char *name, const char *target);
int fh_link_at(struct fh *dir, const char *name, struct fh *olddir, const char *oldname);
int fh_unlink_at(struct fh *dir, const char *name, int flags); /* AT_REMOVEDIR */
int fh_rename_at(struct fh *od, const char *on, struct fh *nd, const char *nn, unsigned flags);
int fh_setattr_at(struct fh *dir, const char *name, u32 valid, u32 mode, u32 uid, u32 gid, const struct timespec times[2]);
/* One step of reading a directory: raw host getdents64 entries from cookie *pos (0: start), which advances. Bytes in buf; 0: end. */
ssize_t fh_getdents(struct fh *h, void *buf, size_t size, u64 *pos);

struct fh_stats {
	u64 open, pinned, handles, reclaimed, reopened, stale, waits, budget;
};
void fh_get_stats(struct fh_stats *s);

#endif
