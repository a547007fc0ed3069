/*
 * Operations on names in a directory handle, and reading directories. Each pins for its own time;
 * names are never followed.
 */
#include "fh/handle.h"

#include "alloc.h"
#include "fs.h"
#include "os/hostfile.h"

#include <limits.h>

#define WITH_DIR(dir, call)                                                                        \
	({                                                                                         \
		int fd = get_fh(dir);                                                              \
		__typeof__(call) wd_ret = fd;                                                      \
		if (fd >= 0) {                                                                     \
			wd_ret = (call);                                                           \
			put_fh(dir);                                                               \
		}                                                                                  \
		wd_ret;                                                                            \
	})

int fh_stat_at(struct fh *dir, const char *name, struct kstat *st)
{
	return WITH_DIR(dir, host_statat(fd, name, st));
}

char *fh_readlink(struct fh *h)
{
	char *buf = kmalloc(PATH_MAX), *fit;
	ssize_t n;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = WITH_DIR(h, host_freadlink(fd, buf, PATH_MAX - 1));
	if (n < 0) {
		kfree(buf);
		return ERR_PTR(n);
	}
	buf[n] = '\0';
	fit = krealloc(buf, n + 1);
	return fit ? fit : buf;
}

int fh_mkdir_at(struct fh *dir, const char *name, u32 mode)
{
	return WITH_DIR(dir, host_mkdirat(fd, name, mode));
}

int fh_mknod_at(struct fh *dir, const char *name, u32 mode, dev_t dev)
{
	return WITH_DIR(dir, host_mknodat(fd, name, mode, dev));
}

int fh_symlink_at(struct fh *dir, const char *name, const char *target)
{
	return WITH_DIR(dir, host_symlinkat(target, fd, name));
}

int fh_unlink_at(struct fh *dir, const char *name, int flags)
{
	return WITH_DIR(dir, host_unlinkat(fd, name, flags));
}

int fh_link_into(struct fh *h, struct fh *dir, const char *name)
{
	int err, dirfd, fd = get_fh(h);

	if (fd < 0)
		return fd;
	dirfd = get_fh(dir);
	err = dirfd;
	if (dirfd >= 0) {
		err = host_link_fd(fd, dirfd, name);
		put_fh(dir);
	}
	put_fh(h);
	return err;
}

ssize_t fh_getxattr(struct fh *h, const char *name, void *value, size_t size)
{
	return WITH_DIR(h, host_fgetxattr(fd, name, value, size));
}

ssize_t fh_listxattr(struct fh *h, char *names, size_t size)
{
	return WITH_DIR(h, host_flistxattr(fd, names, size));
}

int fh_setxattr(struct fh *h, const char *name, const void *value, size_t size, int flags)
{
	return WITH_DIR(h, value ? host_fsetxattr(fd, name, value, size, flags)
				 : host_fremovexattr(fd, name));
}

ssize_t fh_getdents(struct fh *h, void *buf, size_t size, u64 *pos)
{
	ssize_t n = 0;
	u64 at = 0;
	int fd = get_fh(h);

	if (fd < 0)
		return fd;
	/*
	 * dir_pos is where the descriptor stands; a reopened one starts at 0. Seeking makes some
	 * hosts read the directory anew.
	 */
	if (h->dir_pos != *pos) {
		n = host_lseek(fd, *pos, SEEK_SET);
		if (n >= 0)
			h->dir_pos = *pos;
	}
	if (n >= 0)
		n = host_getdents(fd, buf, size);
	if (n >= 0) {
		for (ssize_t i = 0; i < n;) {
			const struct dirent64 *e = (const void *)((char *)buf + i);

			at = e->d_off;
			i += e->d_reclen;
		}
		if (n)
			*pos = at;
		h->dir_pos = *pos;
	}
	put_fh(h);
	return n;
}
