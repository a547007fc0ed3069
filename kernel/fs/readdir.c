/* getdents64 and its older form: entries are gathered in a kernel buffer and copied out at once. */
#include "kernel/fs/notify/notify.h"
#include "vfs.h"
#include <dirent.h>

#define BUF_MAX (32u << 10)

struct old_dirent {
	u64 ino, off;
	u16 reclen;
	char name[]; /* NUL, padding, and the type in the last byte */
};

struct new_dirent {
	u64 ino, off;
	u16 reclen;
	u8 type;
	char name[];
};

struct gather {
	struct dir_context dc;
	char *buf;
	size_t size, used;
	u64 pos; /* behind what was gathered */
	bool old, too_small;
};

static bool emit(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		 u64 next_pos)
{
	struct gather *g = caa_container_of(dc, struct gather, dc);
	size_t reclen = g->old ? offsetof(struct old_dirent, name) + len + 2
			       : offsetof(struct new_dirent, name) + len + 1;
	char *at = g->buf + g->used;

	reclen = ROUND_UP(reclen, 8);
	if (g->size - g->used < reclen) {
		g->too_small = !g->used;
		return false;
	}
	memset(at, 0, reclen);
	if (g->old) {
		struct old_dirent *e = (struct old_dirent *)at;

		*e = (struct old_dirent){.ino = ino, .off = next_pos, .reclen = reclen};
		memcpy(e->name, name, len);
		at[reclen - 1] = type;
	} else {
		struct new_dirent *e = (struct new_dirent *)at;

		*e = (struct new_dirent){
			.ino = ino, .off = next_pos, .reclen = reclen, .type = type};
		memcpy(e->name, name, len);
	}
	g->used += reclen;
	g->pos = next_pos;
	return true;
}

static long gather(struct file *f, struct gather *g, uaddr_t ubuf)
{
	int err = -ENOENT;
	u64 from;

	mutex_lock(&f->pos_lock);
	g->dc.pos = g->pos = f->pos;
	if (!(f->inode->state & INODE_DEAD))
		do { /* A piece of which all was passed over isn't the end, which is what nothing
			would mean. */
			from = g->dc.pos;
			err = f->ops->iterate(f, &g->dc);
			cond_resched();
		} while (!err && !g->used && !g->too_small && g->dc.pos != from &&
			 !fatal_signal_pending(current));
	if (!err && g->too_small)
		err = -EINVAL;
	if (!err || g->used) {
		err = copy_to_user(ubuf, g->buf, g->used);
		if (!err)
			store_relaxed(&f->pos, g->pos);
	}
	mutex_unlock(&f->pos_lock);
	notify_file(f, IN_ACCESS);
	if (!err && !(file_flags(f) & O_NOATIME))
		path_accessed(&f->path);
	return err ? err : (long)g->used;
}

static long getdents(int fd, uaddr_t ubuf, unsigned count, bool old)
{
	struct gather g = {.dc.emit = emit,
			   .dc.room = min(count, BUF_MAX),
			   .old = old,
			   .size = min(count, BUF_MAX)};
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	g.buf = kmalloc(g.size ? g.size : 1);
	if (!f->ops->iterate || !S_ISDIR(f->inode->mode))
		ret = -ENOTDIR;
	else if (!g.buf)
		ret = -ENOMEM;
	else
		ret = gather(f, &g, ubuf);
	kfree(g.buf);
	file_put(f);
	return ret;
}

long sys_getdents64(int fd, uaddr_t buf, unsigned int count)
{
	return getdents(fd, buf, count, false);
}

long sys_getdents(int fd, uaddr_t buf, unsigned int count)
{
	return getdents(fd, buf, count, true);
}
