/* From file to file within the kernel: sendfile and copy_file_range. */
#include "copy.h"
#include "kernel/fs/notify/notify.h"
#include "net.h"
#include "vfs.h"

#define CHUNK (64 << 10)

static ssize_t write_all(struct copy_end *out, char *buf, size_t n)
{
	struct iov_iter it;
	size_t done = 0;

	while (done < n) {
		ssize_t put;

		iov_iter_kernel(&it, buf + done, n - done);
		put = file_write_iter(out->file, &it, &out->pos);
		if (put <= 0)
			return done ? (ssize_t)done : put;
		done += put;
	}
	return done;
}

/* Where the data of messages come from. */
struct source {
	struct file *file;
	u64 pos;
	bool ended; /* before it had given what was to be there */
};

static size_t give(void *arg, void *to, size_t n)
{
	struct source *s = arg;
	struct iov_iter it;
	size_t done = 0;
	ssize_t got = 0;

	do {
		iov_iter_kernel(&it, (u8 *)to + done, n - done);
		got = file_read_iter(s->file, &it, &s->pos);
		done += got > 0 ? (size_t)got : 0;
	} while (got > 0 && done < n);
	s->ended = done < n;
	return done;
}

/*
 * To a stream socket, as far as the file's size is known: read into the messages. 0: not to be had
 * so; else bytes, of *n that there were to be, or an error.
 */
static ssize_t copy_to_socket(struct copy_end *in, struct copy_end *out, size_t *n)
{
	u64 size = load_relaxed(&in->file->inode->size);
	struct source s = {.file = in->file, .pos = in->pos};
	struct iov_iter it;
	ssize_t put;

	if (!file_is_stream_socket(out->file) || !S_ISREG(in->file->inode->mode) || in->pos >= size)
		return 0;
	*n = min(*n, size - in->pos);
	iov_iter_giver(&it, give, &s, *n);
	put = file_write_iter(out->file, &it, &out->pos);
	if (put > 0)
		in->pos += put;
	if (s.ended)
		*n = put = max(put, 0L);
	return put;
}

/* Through a buffer; 0: the end. */
static ssize_t copy_by_buffer(struct copy_end *in, struct copy_end *out, char *buf, size_t *n)
{
	u64 start = in->pos;
	struct iov_iter it;
	ssize_t got, put;

	iov_iter_kernel(&it, buf, *n);
	got = file_read_iter(in->file, &it, &in->pos);
	if (got <= 0)
		return got;
	*n = got;
	put = write_all(out, buf, got);
	in->pos = start + (put > 0 ? put : 0);
	return put;
}

/*
 * Copies until `count`, the end of the input, an error, or a signal. Bytes, or the error if there
 * are none.
 */
static ssize_t copy(struct copy_end *in, struct copy_end *out, size_t count)
{
	size_t done = 0, n;
	char *buf = NULL;
	ssize_t put = 0;

	while (done < count) {
		n = min(count - done, (size_t)CHUNK);
		put = copy_to_socket(in, out, &n);
		if (!put) {
			n = min(count - done, (size_t)CHUNK);
			buf = buf ? buf : kmalloc(n);
			put = buf ? copy_by_buffer(in, out, buf, &n) : -ENOMEM;
		}
		if (put <= 0)
			break;
		done += put;
		if ((size_t)put < n || signal_pending(current))
			break;
		cond_resched();
	}
	kfree(buf);
	return done ? (ssize_t)done : put;
}

/* A call that is a read and a write. */
static void count_both(ssize_t n)
{
	io_count_call(n, false);
	io_count_call(n, true);
}

/* ---- within a file system ---- */

/*
 * Up to `end` of out: not beyond a limit, and no set-id bits to be taken away, which is a write's
 * business.
 */
bool can_copy_range(const struct file *in, const struct file *out, u64 end)
{
	const u32 setid = S_ISUID | S_ISGID;

	return in->ops == out->ops && in->ops->copy_range && in->inode->sb == out->inode->sb &&
	       end <= current->tg->rlim[RLIMIT_FSIZE].rlim_cur &&
	       !(load_relaxed(&out->inode->mode) & setid);
}

#define RANGE_CHUNK (256UL << 20) /* then signals are looked at */

/* As copy(), if the file system can; -EOPNOTSUPP. */
static ssize_t copy_in_fs(struct copy_end *in, struct copy_end *out, size_t count)
{
	size_t done = 0;
	ssize_t n = 0;

	if (!can_copy_range(in->file, out->file, out->pos + count))
		return -EOPNOTSUPP;
	while (done < count) {
		n = in->file->ops->copy_range(in->file, in->pos, out->file, out->pos,
					      min(count - done, RANGE_CHUNK), false);
		if (n <= 0)
			break;
		done += n;
		in->pos += n;
		out->pos += n;
		if (signal_pending(current))
			break;
	}
	return done ? (ssize_t)done : n;
}

/* ---- positions: the file's own, or a guest's variable ---- */

int copy_pos_begin(struct copy_end *e, uaddr_t upos)
{
	s64 pos;

	e->own = !upos;
	if (!upos) {
		/*
		 * Copies by several tasks at once through one open file race for its position, as
		 * on Linux.
		 */
		e->pos = e->file->mode & FMODE_LSEEK ? load_relaxed(&e->file->pos) : 0;
		return 0;
	}
	if (get_user(pos, upos))
		return -EFAULT;
	e->pos = pos;
	return 0;
}

int copy_pos_end(struct copy_end *e, uaddr_t upos)
{
	if (!e->own)
		return put_user(e->pos, upos);
	if (e->file->mode & FMODE_LSEEK)
		store_relaxed(&e->file->pos, e->pos);
	return 0;
}

void copy_notify(struct file *in, struct file *out)
{
	notify_file(in, IN_ACCESS);
	notify_file(out, IN_MODIFY);
}

/* ---- sendfile ---- */

static long do_sendfile(struct copy_end *in, struct copy_end *out, uaddr_t uoff, size_t count)
{
	long ret, err;

	if (!in->file || !(in->file->mode & FMODE_READ))
		return -EBADF;
	ret = copy_pos_begin(in, uoff);
	if (ret)
		return ret;
	if (uoff && !(in->file->mode & FMODE_LSEEK))
		return -ESPIPE;
	if (!out->file || !(out->file->mode & FMODE_WRITE))
		return -EBADF;
	ret = copy_pos_begin(out, 0);
	if (ret)
		return ret;
	if ((s64)in->pos < 0 || !(in->file->mode & FMODE_LSEEK) || S_ISDIR(in->file->inode->mode) ||
	    file_flags(out->file) & O_APPEND)
		return -EINVAL;
	ret = copy(in, out, min(count, MAX_RW_COUNT));
	count_both(ret);
	err = ret > 0 || uoff ? copy_pos_end(in, uoff)
			      : 0; /* a guest's variable is written in any case */
	if (ret > 0) {
		(void)!copy_pos_end(out, 0);
		copy_notify(in->file, out->file);
	}
	return err ? err : ret;
}

long sys_sendfile(int out_fd, int in_fd, uaddr_t offset, size_t count)
{
	struct copy_end in = {.file = fd_get(in_fd)}, out = {.file = fd_get(out_fd)};
	long ret = do_sendfile(&in, &out, offset, count);

	if (in.file)
		file_put(in.file);
	if (out.file)
		file_put(out.file);
	return ret;
}

/* ---- copy_file_range ---- */

static int may_copy(const struct copy_end *in, const struct copy_end *out)
{
	const struct file *i = in->file, *o = out->file;

	if (S_ISDIR(i->inode->mode) || S_ISDIR(o->inode->mode))
		return -EISDIR;
	if (!S_ISREG(i->inode->mode) || !S_ISREG(o->inode->mode))
		return -EINVAL;
	if (!(i->mode & FMODE_READ) || !(o->mode & FMODE_WRITE) || file_flags(o) & O_APPEND)
		return -EBADF;
	return i->inode->sb == o->inode->sb ? 0 : -EXDEV;
}

/* The size as the file system knows it now: somebody outside may have changed it. */
static int refresh_size(struct inode *inode)
{
	struct kstat st;

	return inode->ops && inode->ops->getattr ? inode->ops->getattr(inode, &st) : 0;
}

static long copy_range(struct copy_end *in, struct copy_end *out, uaddr_t uin, uaddr_t uout,
		       size_t count)
{
	long ret, err;

	ret = copy_pos_begin(in, uin);
	if (!ret)
		ret = copy_pos_begin(out, uout);
	if (!ret)
		ret = may_copy(in, out);
	if (!ret)
		ret = refresh_size(in->file->inode);
	if (ret)
		return ret;
	if ((s64)in->pos < 0 || (s64)out->pos < 0)
		return -EINVAL;
	count = min(count, MAX_RW_COUNT);
	if (in->pos + count > FILE_POS_MAX || out->pos + count > FILE_POS_MAX)
		return -EOVERFLOW;
	if (in->pos < inode_size(in->file->inode))
		count = min((u64)count, inode_size(in->file->inode) - in->pos);
	else
		count = 0;
	if (in->file->inode == out->file->inode && in->pos < out->pos + count &&
	    out->pos < in->pos + count)
		return -EINVAL;
	if (!count)
		return 0;
	ret = copy_in_fs(in, out, count);
	if (ret == -EOPNOTSUPP)
		ret = copy(in, out, count);
	count_both(ret);
	if (ret <= 0)
		return ret;
	copy_notify(in->file, out->file);
	err = copy_pos_end(in, uin);
	if (!err)
		err = copy_pos_end(out, uout);
	return err ? err : ret;
}

long sys_copy_file_range(int in_fd, uaddr_t in_off, int out_fd, uaddr_t out_off, size_t count,
			 unsigned int flags)
{
	struct copy_end in = {.file = fd_get(in_fd)}, out = {.file = fd_get(out_fd)};
	long ret = -EBADF;

	if (in.file && out.file)
		ret = flags ? -EINVAL : copy_range(&in, &out, in_off, out_off, count);
	if (in.file)
		file_put(in.file);
	if (out.file)
		file_put(out.file);
	return ret;
}
