/* memfd_create(2): a tmpfs file without a name. */
#include "tmpfs.h"
#include "vfs.h"
#include <linux/memfd.h>

#define NAME_MAX_ (NAME_MAX - 6) /* "memfd:" goes before it */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC 0x10U
#endif

long sys_memfd_create(uaddr_t uname, unsigned int flags)
{
	char user[NAME_MAX_ + 1], name[NAME_MAX + 16];
	ssize_t n;

	/* No huge pages; sealing the execute bits is not implemented. */
	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC))
		return -EINVAL;
	n = strncpy_from_user(user, uname, sizeof(user));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	snprintf(name, sizeof(name), "/memfd:%s (deleted)", user);
	return fd_add(tmpfs_memfile(name, 0, flags & MFD_ALLOW_SEALING ? MEMFILE_SEALABLE : 0),
		      flags & MFD_CLOEXEC);
}
