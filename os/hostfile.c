/* Host calls on files. See hostfile.h. */
#include "os/hostfile.h"
#include "os/fault.h"
#include "os/newer.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As HOST_CALL(); repeated while a signal (a kick meant for somebody else) interrupts it. */
#define RETRY(id, call)                                                                            \
	({                                                                                         \
		long rt_ret;                                                                       \
		do                                                                                 \
			rt_ret = HOST_CALL(id, call);                                              \
		while (rt_ret == -EINTR);                                                          \
		rt_ret;                                                                            \
	})

#define OPEN_ALWAYS (O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

int host_openat(int dirfd, const char *name, int flags, u32 mode)
{
	return RETRY(open, openat(dirfd, name, flags | O_NOFOLLOW | OPEN_ALWAYS, mode));
}

int host_open_path(const char *path, int flags)
{
	return RETRY(open, open(path, flags | OPEN_ALWAYS));
}

int host_close(int fd)
{
	/* EINTR: Linux has closed it all the same. */
	int err = close(fd) < 0 && errno != EINTR ? -errno : 0;

	return err ? err : fault_inject(FAULT_close);
}

int host_flush(int fd)
{
	int copy = RETRY(dup, fcntl(fd, F_DUPFD_CLOEXEC, 3));

	return copy < 0 ? copy : host_close(copy);
}

bool host_flushes(int fd)
{
	struct statfs s;

	if (RETRY(statfs, fstatfs(fd, &s)))
		return true;
	switch ((u32)s.f_type) {
	case BTRFS_SUPER_MAGIC:
	case EXT4_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case RAMFS_MAGIC:
	case TMPFS_MAGIC:
	case XFS_SUPER_MAGIC:
		return false;
	}
	return true;
}

int host_memfd(const char *name)
{
	int fd = RETRY(memfd, memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));

	if (fd == -EINVAL) /* a host before 6.3 */
		fd = RETRY(memfd, memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
	return fd;
}

/*
 * ThreadSanitizer sees what descriptor pread() is given, and so whether it may be closed just then,
 * but not that of the newer calls: it is told by a call that does nothing else.
 */
static void show_use(int fd)
{
#ifdef __SANITIZE_THREAD__
	(void)!pread(fd, NULL, 0, 0);
#else
	(void)fd;
#endif
}

ssize_t host_pread(int fd, void *buf, size_t n, u64 off, unsigned how)
{
	struct iovec iov = {buf, n};

	if (!(how & HOST_NOWAIT))
		return RETRY(pread, pread(fd, buf, n, off));
	show_use(fd);
	return RETRY(pread, preadv2(fd, &iov, 1, off, RWF_NOWAIT));
}

ssize_t host_pwrite(int fd, const void *buf, size_t n, u64 off)
{
	return RETRY(pwrite, pwrite(fd, buf, n, off));
}

static ssize_t pwrite_flags(int fd, const void *buf, size_t n, u64 off, int flags)
{
	struct iovec iov = {(void *)buf, n};

	show_use(fd);
	return RETRY(pwrite, pwritev2(fd, &iov, 1, off, flags));
}

ssize_t host_append(int fd, const void *buf, size_t n)
{
	return pwrite_flags(fd, buf, n, 0, RWF_APPEND);
}

ssize_t host_pwrite_nowait(int fd, const void *buf, size_t n, u64 off)
{
	return pwrite_flags(fd, buf, n, off, RWF_NOWAIT);
}

ssize_t host_append_nowait(int fd, const void *buf, size_t n)
{
	return pwrite_flags(fd, buf, n, 0, RWF_APPEND | RWF_NOWAIT);
}

ssize_t host_copy_range(int in, u64 pos_in, int out, u64 pos_out, size_t n)
{
	off64_t from = pos_in, to = pos_out;

	show_use(in);
	show_use(out);
	return RETRY(copy_range, copy_file_range(in, &from, out, &to, n, 0));
}

ssize_t host_clone_range(int in, u64 pos_in, int out, u64 pos_out, size_t n)
{
	struct file_clone_range range = {
		.src_fd = in,
		.src_offset = pos_in,
		.src_length = n,
		.dest_offset = pos_out,
	};
	int err = RETRY(copy_range, ioctl(out, FICLONERANGE, &range));

	return err ? err : (ssize_t)n;
}

int host_fsync(int fd, bool datasync)
{
	return datasync ? RETRY(fsync, fdatasync(fd)) : RETRY(fsync, fsync(fd));
}

int host_syncfs(int fd)
{
	return RETRY(fsync, syncfs(fd));
}

int host_ftruncate(int fd, u64 size)
{
	return RETRY(truncate, ftruncate(fd, size));
}

int host_fallocate(int fd, int mode, u64 off, u64 len)
{
	return RETRY(truncate, fallocate(fd, mode, off, len));
}

s64 host_lseek(int fd, u64 off, int whence)
{
	return RETRY(lseek, lseek(fd, off, whence));
}

int host_flock(int fd, bool exclusive)
{
	return RETRY(flock, flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB));
}

int host_add_seals(int fd, unsigned seals)
{
	return RETRY(seals, fcntl(fd, F_ADD_SEALS, seals));
}

int host_get_seals(int fd)
{
	return RETRY(seals, fcntl(fd, F_GET_SEALS));
}

static struct timespec stx_time(const struct statx_timestamp *t)
{
	return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

static int stat_call(int dirfd, const char *name, int flags, struct kstat *st)
{
	struct statx sx;
	long err = RETRY(stat, statx(dirfd, name, flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				     STATX_BASIC_STATS | STATX_BTIME, &sx));

	if (err)
		return err;
	*st = (struct kstat){
		.dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor),
		.ino = sx.stx_ino,
		.nlink = sx.stx_nlink,
		.size = sx.stx_size,
		.blocks = sx.stx_blocks,
		.mode = sx.stx_mode,
		.uid = sx.stx_uid,
		.gid = sx.stx_gid,
		.blksize = sx.stx_blksize,
		.atime = stx_time(&sx.stx_atime),
		.mtime = stx_time(&sx.stx_mtime),
		.ctime = stx_time(&sx.stx_ctime),
		.has_btime = sx.stx_mask & STATX_BTIME,
	};
	if (st->has_btime)
		st->btime = stx_time(&sx.stx_btime);
	return 0;
}

int host_fstat(int fd, struct kstat *st)
{
	return stat_call(fd, "", AT_EMPTY_PATH, st);
}

int host_statat(int dirfd, const char *name, struct kstat *st)
{
	return stat_call(dirfd, name, 0, st);
}

int host_fstatfs(int fd, struct kstatfs *st)
{
	struct statfs s;
	long err = RETRY(statfs, fstatfs(fd, &s));

	if (err)
		return err;
	*st = (struct kstatfs){
		.type = s.f_type,
		.bsize = s.f_bsize,
		.blocks = s.f_blocks,
		.bfree = s.f_bfree,
		.bavail = s.f_bavail,
		.files = s.f_files,
		.ffree = s.f_ffree,
		.namelen = s.f_namelen,
		.frsize = s.f_frsize,
	};
	return 0;
}

ssize_t host_freadlink(int fd, char *buf, size_t size)
{
	return RETRY(readlink, readlinkat(fd, "", buf, size));
}

ssize_t host_getdents(int fd, void *buf, size_t size)
{
	return RETRY(getdents, syscall(SYS_getdents64, fd, buf, size));
}

int host_mkdirat(int dirfd, const char *name, u32 mode)
{
	return RETRY(mkdir, mkdirat(dirfd, name, mode));
}

int host_mknodat(int dirfd, const char *name, u32 mode, dev_t dev)
{
	return RETRY(mknod, mknodat(dirfd, name, mode, dev));
}

int host_symlinkat(const char *target, int dirfd, const char *name)
{
	return RETRY(symlink, symlinkat(target, dirfd, name));
}

/* AT_EMPTY_PATH would want CAP_DAC_READ_SEARCH; the proc link works for everybody. */
static const char *proc_fd_path(char *buf, size_t size, int fd)
{
	snprintf(buf, size, "/proc/self/fd/%d", fd);
	return buf;
}

int host_reopen(int fd, int flags)
{
	char path[40];

	return RETRY(open, open(proc_fd_path(path, sizeof(path), fd), flags | OPEN_ALWAYS));
}

int host_link_fd(int fd, int dirfd, const char *name)
{
	char path[40];

	return RETRY(link, linkat(AT_FDCWD, proc_fd_path(path, sizeof(path), fd), dirfd, name,
				  AT_SYMLINK_FOLLOW));
}

int host_unlinkat(int dirfd, const char *name, int flags)
{
	return RETRY(unlink, unlinkat(dirfd, name, flags));
}

int host_renameat(int odfd, const char *on, int ndfd, const char *nn, unsigned flags)
{
	return RETRY(rename, renameat2(odfd, on, ndfd, nn, flags));
}

/* Also of O_PATH descriptors: hence AT_EMPTY_PATH, and the proc link. */
int host_fchmod(int fd, u32 mode)
{
	char path[40];
	int err = RETRY(chmod, fchmod(fd, mode));

	return err == -EBADF ? RETRY(chmod, chmod(proc_fd_path(path, sizeof(path), fd), mode))
			     : err;
}

int host_fchown(int fd, u32 uid, u32 gid)
{
	return RETRY(chown, fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

int host_futimens(int fd, const struct timespec times[2])
{
	char path[40];
	int err = RETRY(utimens, futimens(fd, times));

	return err == -EBADF
		       ? RETRY(utimens,
			       utimensat(AT_FDCWD, proc_fd_path(path, sizeof(path), fd), times, 0))
		       : err;
}

/*
 * Paths by way of /proc, which leads to the descriptor's file: calls on descriptors refuse those of
 * O_PATH before Linux 6.13.
 */

ssize_t host_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	char path[40];

	return RETRY(xattr, getxattr(proc_fd_path(path, sizeof(path), fd), name, value, size));
}

ssize_t host_flistxattr(int fd, char *names, size_t size)
{
	char path[40];

	return RETRY(xattr, listxattr(proc_fd_path(path, sizeof(path), fd), names, size));
}

int host_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	char path[40];

	return RETRY(xattr,
		     setxattr(proc_fd_path(path, sizeof(path), fd), name, value, size, flags));
}

int host_fremovexattr(int fd, const char *name)
{
	char path[40];

	return RETRY(xattr, removexattr(proc_fd_path(path, sizeof(path), fd), name));
}

u64 host_raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return 256;
	if (rl.rlim_cur < rl.rlim_max) {
		struct rlimit more = {rl.rlim_max, rl.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			rl = more;
	}
	return rl.rlim_cur;
}

u64 host_ram_bytes(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? 1ULL << 30 : (u64)si.totalram * si.mem_unit;
}
