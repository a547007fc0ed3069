/*
 * Host calls on files, for fh/: the host's own semantics, errors as -errno, EINTR retried. Each is
 * one host call in a leaf function, so that nobody's errno is read after a task moved to another
 * host thread. `dirfd, name`: name is one component (or "." ), never followed.
 */
#ifndef HEDDLE_OS_HOSTFILE_H
#define HEDDLE_OS_HOSTFILE_H

#include "fs.h"
#include "types.h"

/* O_CLOEXEC, O_NOCTTY, O_NONBLOCK (a fifo must not block the opener) are added. */
int host_openat(int dirfd, const char *name, int flags, u32 mode);
int host_open_path(const char *path,
		   int flags); /* follows symlinks: for what the user names on the command line */
int host_reopen(int fd, int flags); /* the same file once more, by whatever name or none */
int host_close(int fd); /* closed in any case; an error is about data that was not stored */
/*
 * Has the host's file system something to say when a descriptor is closed, as network file systems
 * do? May take long, then.
 */
bool host_flushes(int fd);
int host_flush(int fd); /* the error of closing one, which it isn't */
int host_memfd(const char *name);

#define HOST_NOWAIT                                                                                \
	1 /* -EAGAIN rather than waiting for a disk; -EOPNOTSUPP where the file can't tell */
ssize_t host_pread(int fd, void *buf, size_t n, u64 off, unsigned how);
ssize_t host_pwrite(int fd, const void *buf, size_t n, u64 off);
ssize_t host_append(int fd, const void *buf, size_t n);
/*
 * As these; -EAGAIN rather than waiting, or less than n; -EOPNOTSUPP or -EINVAL where the host's
 * file system can't do that.
 */
ssize_t host_pwrite_nowait(int fd, const void *buf, size_t n, u64 off);
ssize_t host_append_nowait(int fd, const void *buf, size_t n);
ssize_t host_copy_range(int in, u64 pos_in, int out, u64 pos_out, size_t n);
/*
 * All n bytes share their storage with the file that they come from, or none: -EOPNOTSUPP, -EINVAL
 * (not whole blocks). n.
 */
ssize_t host_clone_range(int in, u64 pos_in, int out, u64 pos_out, size_t n);
int host_fsync(int fd, bool datasync);
int host_syncfs(int fd);
int host_ftruncate(int fd, u64 size);
int host_fallocate(int fd, int mode, u64 off, u64 len);
s64 host_lseek(int fd, u64 off, int whence);
int host_flock(int fd, bool exclusive); /* never waits */
int host_add_seals(int fd, unsigned seals);
int host_get_seals(int fd);

int host_fstat(int fd, struct kstat *st);
int host_statat(int dirfd, const char *name, struct kstat *st);
int host_fstatfs(int fd, struct kstatfs *st);
ssize_t host_freadlink(int fd, char *buf, size_t size);
ssize_t host_getdents(int fd, void *buf, size_t size);

int host_mkdirat(int dirfd, const char *name, u32 mode);
int host_mknodat(int dirfd, const char *name, u32 mode, dev_t dev);
int host_symlinkat(const char *target, int dirfd, const char *name);
int host_link_fd(int fd, int dirfd, const char *name); /* fd may be O_PATH; a symlink itself */
int host_unlinkat(int dirfd, const char *name, int flags);
int host_renameat(int odfd, const char *on, int ndfd, const char *nn, unsigned flags);
int host_fchmod(int fd, u32 mode);
int host_fchown(int fd, u32 uid, u32 gid);		   /* UINT32_MAX: leave */
int host_futimens(int fd, const struct timespec times[2]); /* tv_nsec UTIME_OMIT: leave */

/* Of fd, which may be an O_PATH descriptor. */
ssize_t host_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t host_flistxattr(int fd, char *names, size_t size);
int host_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int host_fremovexattr(int fd, const char *name);

/* Raises the soft limit of descriptors to the hard one, and returns it. */
u64 host_raise_nofile(void);
u64 host_ram_bytes(void);

#endif
