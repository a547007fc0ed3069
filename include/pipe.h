/* Pipes and fifos, as the rest of the kernel sees them (kernel/ipc/pipe.c, fifo.c). */
#ifndef HEDDLE_PIPE_H
#define HEDDLE_PIPE_H

#include "types.h"

struct file;

#define PIPE_MAX_SIZE 1048576	   /* /proc/sys/fs/pipe-max-size */
#define PIPE_USER_PAGES_SOFT 16384 /* /proc/sys/fs/pipe-user-pages-soft */

/* Is f one end of a pipe, or an open fifo? */
bool file_is_pipe(const struct file *f);
struct pipe;
/* Its pipe, as long as f is open; NULL if it has none. */
struct pipe *file_pipe(const struct file *f);
/*
 * fcntl F_SETPIPE_SZ and F_GETPIPE_SZ: the capacity in bytes. -EBADF: not a pipe. F_SETPIPE_SZ
 * rounds up to a power of two of pages; -EBUSY: holds more; -EPERM: beyond PIPE_MAX_SIZE, or beyond
 * what an ordinary user's pipes may have together; -EINVAL, -ENOMEM.
 */
long pipe_set_size(struct file *f, u64 size);
long pipe_get_size(struct file *f);

/*
 * For splices between a pipe and something else (kernel/ipc/pipe_splice.c). Between begin and end
 * the end of the pipe is the caller's, and others who want to read, or to write, wait. All may
 * sleep. nonblock: -EAGAIN instead of waiting for data or room. -ERESTARTSYS.
 */

/*
 * Copies the oldest bytes, at most n, to buf; they stay in the pipe until pipe_take_end() says how
 * many were used. 0: empty, and no writers: nothing was begun.
 */
must_check ssize_t pipe_take_begin(struct pipe *p, void *buf, size_t n, bool nonblock);
void pipe_take_end(struct pipe *p, size_t used);
/* How many bytes there is room for. -EPIPE, with SIGPIPE; -ENOMEM. */
must_check ssize_t pipe_store_begin(struct pipe *p, bool nonblock);
/*
 * Stores n bytes; all but the last call a multiple of a page, and not more than there is room for.
 */
void pipe_store(struct pipe *p, const void *buf, size_t n);
void pipe_store_end(struct pipe *p);

struct iov_iter;
/*
 * From and to the guest's memory, as vmsplice(2): what there is, or room for. Bytes; 0: no writers;
 * -EFAULT, and the errors above.
 */
must_check ssize_t pipe_take_iter(struct pipe *p, struct iov_iter *to, bool nonblock);
must_check ssize_t pipe_store_iter(struct pipe *p, struct iov_iter *from, bool nonblock);
/*
 * From one pipe to another; keep: a copy, as tee(2). Bytes; 0: in is empty and has no writers; the
 * errors above.
 */
must_check ssize_t pipe_move(struct pipe *in, struct pipe *out, size_t len, bool nonblock,
			     bool keep);

#endif
