/* Pipes and fifos, as the rest of the kernel sees them (kernel/ipc/pipe.c, fifo.c). */
#ifndef HEDDLE_PIPE_H
#define HEDDLE_PIPE_H

#include "types.h"

struct file;

#define PIPE_MAX_SIZE 1048576	   /* /proc/sys/fs/pipe-max-size */
#define PIPE_USER_PAGES_SOFT 16384 /* /proc/sys/fs/pipe-user-pages-soft */

/* Is f one end of a pipe, or an open fifo? */
bool file_is_pipe(const struct file *f);
/*
 * fcntl F_SETPIPE_SZ and F_GETPIPE_SZ: the capacity in bytes. -EBADF: not a pipe. F_SETPIPE_SZ rounds up to a power of two of pages;
 * -EBUSY: holds more; -EPERM: beyond PIPE_MAX_SIZE, or beyond what an ordinary user's pipes may have together; -EINVAL, -ENOMEM.
 */
long pipe_set_size(struct file *f, u64 size);
long pipe_get_size(struct file *f);

#endif
