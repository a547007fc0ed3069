/*
 * splice(2), tee(2), vmsplice(2): to and from pipes. What a pipe does is kernel/ipc/pipe_splice.c;
 * here are the calls, and files at the other end. Data is copied, through a buffer where a file is
 * concerned, so SPLICE_F_MOVE and SPLICE_F_GIFT mean nothing, as SPLICE_F_MORE doesn't to AF_UNIX.
 */
#include "copy.h"
#include "kernel/fs/notify/notify.h"
#include "net.h"
#include "pipe.h"

#define CHUNK ((size_t)64 << 10)
#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* Files, devices and sockets can be spliced; directories and event descriptors can't. */
static bool can_splice(const struct file *f)
{
	u32 type = f->inode->mode & S_IFMT;

	return type == S_IFREG || type == S_IFCHR || type == S_IFSOCK || type == S_IFIFO;
}

/* What is wrong with len bytes from this end's position on; upos: the guest gave one. */
static int check_range(const struct copy_end *e, uaddr_t upos, size_t len)
{
	if (upos && !(e->file->mode & FMODE_LSEEK))
		return -EINVAL;
	if ((s64)e->pos < 0 || len > FILE_POS_MAX - e->pos)
		return -EINVAL;
	return can_splice(e->file) ? 0 : -EINVAL;
}

/* ---- from a file to a pipe ---- */

static ssize_t read_some(struct copy_end *in, void *buf, size_t n, bool nonblock)
{
	struct iov_iter it;

	iov_iter_kernel(&it, buf, n);
	if (file_is_socket(in->file))
		return socket_read(in->file, &it, nonblock);
	return file_read_iter(in->file, &it, &in->pos);
}

/* One read; of a regular file as many as there is room for in the pipe. */
static ssize_t fill_pipe(struct copy_end *in, struct pipe *p, void *buf, size_t len, bool nonblock)
{
	size_t done = 0;
	ssize_t n;

	do {
		n = read_some(in, buf, min(len - done, CHUNK), nonblock);
		if (n <= 0)
			break;
		pipe_store(p, buf, n);
		done += n;
	} while (done < len && n == (ssize_t)CHUNK && S_ISREG(in->file->inode->mode));
	return done ? (ssize_t)done : n;
}

static ssize_t file_to_pipe(struct copy_end *in, struct file *out, uaddr_t uin, size_t len,
			    unsigned flags)
{
	struct pipe *p = file_pipe(out);
	ssize_t ret = check_range(in, uin, len);
	char *buf;

	if (ret)
		return ret;
	buf = kmalloc(min(len, CHUNK));
	if (!buf)
		return -ENOMEM;
	ret = pipe_store_begin(p, flags & SPLICE_F_NONBLOCK || file_nonblock(out));
	if (ret > 0) {
		ret = fill_pipe(in, p, buf, min(len, (size_t)ret), flags & SPLICE_F_NONBLOCK);
		pipe_store_end(p);
	}
	kfree(buf);
	return ret;
}

/* ---- from a pipe to a file ---- */

/* Until the pipe is empty. */
static ssize_t drain_pipe(struct pipe *p, struct copy_end *out, void *buf, size_t len,
			  bool nonblock)
{
	size_t done = 0;
	ssize_t n = 0;

	while (done < len) {
		struct iov_iter it;

		n = signal_pending(current)
			    ? -ERESTARTSYS
			    : pipe_take_begin(p, buf, min(len - done, CHUNK), nonblock || done);
		if (n <= 0)
			break;
		iov_iter_kernel(&it, buf, n);
		n = file_write_iter(out->file, &it, &out->pos);
		pipe_take_end(p, max(n, (ssize_t)0));
		if (n <= 0)
			break;
		done += n;
		cond_resched();
	}
	return done ? (ssize_t)done : n;
}

static ssize_t pipe_to_file(struct file *in, struct copy_end *out, uaddr_t uout, size_t len,
			    unsigned flags)
{
	ssize_t ret;
	char *buf;

	if (file_flags(out->file) & O_APPEND)
		return -EINVAL;
	ret = check_range(out, uout, len);
	if (ret)
		return ret;
	buf = kmalloc(min(len, CHUNK));
	if (!buf)
		return -ENOMEM;
	ret = drain_pipe(file_pipe(in), out, buf, len,
			 flags & SPLICE_F_NONBLOCK || file_nonblock(in));
	kfree(buf);
	return ret;
}

/* ---- splice ---- */

static ssize_t splice_pipes(struct file *in, struct file *out, size_t len, unsigned flags,
			    bool keep)
{
	struct pipe *from = file_pipe(in), *to = file_pipe(out);

	if (!from || !to || from == to)
		return -EINVAL;
	return pipe_move(from, to, len,
			 flags & SPLICE_F_NONBLOCK || file_nonblock(in) || file_nonblock(out),
			 keep);
}

static ssize_t splice_ends(struct copy_end *in, struct copy_end *out, uaddr_t uin, uaddr_t uout,
			   size_t len, unsigned flags)
{
	if (!(in->file->mode & FMODE_READ) || !(out->file->mode & FMODE_WRITE))
		return -EBADF;
	if (file_pipe(in->file) && file_pipe(out->file))
		return splice_pipes(in->file, out->file, len, flags, false);
	if (file_pipe(in->file))
		return pipe_to_file(in->file, out, uout, len, flags);
	if (file_pipe(out->file))
		return file_to_pipe(in, out->file, uin, len, flags);
	return -EINVAL;
}

static long do_splice(struct copy_end *in, struct copy_end *out, uaddr_t uin, uaddr_t uout,
		      size_t len, unsigned flags)
{
	long ret, err;

	if ((uin && file_pipe(in->file)) || (uout && file_pipe(out->file)))
		return -ESPIPE;
	ret = copy_pos_begin(out, uout);
	if (!ret)
		ret = copy_pos_begin(in, uin);
	if (!ret)
		ret = splice_ends(in, out, uin, uout, len, flags);
	if (ret < 0)
		return ret;
	if (ret > 0)
		copy_notify(in->file, out->file);
	err = copy_pos_end(out, uout);
	if (!err)
		err = copy_pos_end(in, uin);
	return err ? err : ret;
}

static void put_ends(struct file *in, struct file *out)
{
	if (in)
		file_put(in);
	if (out)
		file_put(out);
}

long sys_splice(int in_fd, uaddr_t in_off, int out_fd, uaddr_t out_off, size_t len,
		unsigned int flags)
{
	struct copy_end in = {}, out = {};
	long ret = -EBADF;

	if (!len)
		return 0;
	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	in.file = fd_get(in_fd);
	out.file = fd_get(out_fd);
	if (in.file && out.file)
		ret = do_splice(&in, &out, in_off, out_off, len, flags);
	put_ends(in.file, out.file);
	return ret;
}

long sys_tee(int in_fd, int out_fd, size_t len, unsigned int flags)
{
	struct file *in, *out;
	long ret = -EBADF;

	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	if (!len)
		return 0;
	in = fd_get(in_fd);
	out = fd_get(out_fd);
	if (in && out && in->mode & FMODE_READ && out->mode & FMODE_WRITE)
		ret = splice_pipes(in, out, len, flags, true);
	if (ret > 0)
		copy_notify(in, out);
	put_ends(in, out);
	return ret;
}

/* ---- vmsplice ---- */

/* Only the flag of the call counts here, not the file's. */
static ssize_t splice_memory(struct file *f, struct iov_iter *it, unsigned flags)
{
	struct pipe *p = file_pipe(f);
	bool nonblock = flags & SPLICE_F_NONBLOCK;

	if (!p)
		return -EBADF;
	return f->mode & FMODE_WRITE ? pipe_store_iter(p, it, nonblock)
				     : pipe_take_iter(p, it, nonblock);
}

long sys_vmsplice(int fd, uaddr_t iov, unsigned long cnt, unsigned int flags)
{
	struct iov_iter it;
	struct file *f;
	long ret;

	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = f->mode & (FMODE_READ | FMODE_WRITE) ? iov_iter_user_iov(&it, iov, cnt) : -EBADF;
	if (!ret) {
		if (it.count)
			ret = splice_memory(f, &it, flags);
		if (ret > 0)
			notify_file(f, f->mode & FMODE_WRITE ? IN_MODIFY : IN_ACCESS);
		iov_iter_done(&it);
	}
	file_put(f);
	return ret;
}
