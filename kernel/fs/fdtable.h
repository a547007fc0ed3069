/* Descriptor tables, within this folder. See fdtable.c. */
#ifndef FS_FDTABLE_H
#define FS_FDTABLE_H

#include "vfs.h"

/* f files->lock to write   r RCU to read */
struct fdtable {
	u32 size;	     /* constant: a multiple of 64 */
	u64 *taken;	     /* f */
	u64 *cloexec;	     /* f */
	struct file *file[]; /* f, r */
};

struct files {
	u32 refs;	       /* atomic */
	u32 first_free;	       /* lock: no descriptor below it is free */
	struct spinlock lock;  /* rank FILES */
	struct fdtable *table; /* lock to write, RCU to read */
	bool locked;	       /* atomic: may own POSIX locks */
};

/* RLIMIT_NOFILE of the current process. */
u64 nofile_limit(void);
must_check int files_set_cloexec(struct files *fs, int fd, bool set); /* -EBADF */

#endif
