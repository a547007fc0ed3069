/*
 * For unit tests of files that need no file system: one descriptor table, anonymous files,
 * iterators over the test's own memory. Files and pages of memory below PAGE_SIZE are bad, as in
 * task_util.h.
 */
#ifndef TESTS_UNIT_FILE_UTIL_H
#define TESTS_UNIT_FILE_UTIL_H

#include "epoll.h"
#include "fs.h"
#include "signals.h"
#include "task_util.h"

#define FU_FDS 8192

static struct file *fu_table[FU_FDS]; /* fu_lock */
static bool fu_taken[FU_FDS];	      /* fu_lock */
static struct spinlock fu_lock = SPINLOCK_INIT("test files", RANK_FILES);
static int fu_live_files, fu_live_inodes; /* atomic */
static struct super_block fu_sb = {.dev = 9};

/* ---- files ---- */

static inline struct file *fu_file(const struct file_operations *ops, void *priv, int flags)
{
	struct file *f = kzalloc(sizeof(*f));

	must(f);
	f->refs = 1;
	f->flags = (u32)flags;
	f->mode = (flags & O_ACCMODE) == O_RDONLY   ? FMODE_READ
		  : (flags & O_ACCMODE) == O_WRONLY ? FMODE_WRITE
						    : FMODE_READ | FMODE_WRITE;
	f->ops = ops;
	f->priv = priv;
	spin_init(&f->lock, "file", RANK_MISC);
	CDS_INIT_LIST_HEAD(&f->epoll_links);
	__atomic_fetch_add(&fu_live_files, 1, __ATOMIC_SEQ_CST);
	return f;
}

struct inode *inode_get(struct inode *i)
{
	__atomic_fetch_add(&i->refs, 1, __ATOMIC_SEQ_CST);
	return i;
}

void inode_put(struct inode *i)
{
	if (__atomic_sub_fetch(&i->refs, 1, __ATOMIC_SEQ_CST))
		return;
	must(!i->pipe && !i->sock);
	__atomic_fetch_sub(&fu_live_inodes, 1, __ATOMIC_SEQ_CST);
	kfree(i);
}

static inline struct inode *fu_inode(u32 mode)
{
	struct inode *i = kzalloc(sizeof(*i));

	must(i);
	i->refs = 1;
	i->mode = mode;
	i->sb = &fu_sb;
	spin_init(&i->spin, "inode", RANK_INODE_SPIN);
	__atomic_fetch_add(&fu_live_inodes, 1, __ATOMIC_SEQ_CST);
	return i;
}

struct file *file_open_anon_inode(const char *prefix, u32 mode, const struct file_operations *ops,
				  void *priv, int flags)
{
	struct file *f = fu_file(ops, priv, flags);

	f->inode = fu_inode(mode);
	return f;
}

struct file *file_open_anon(const char *name, const struct file_operations *ops, void *priv,
			    int flags)
{
	return file_open_anon_inode(name, 0600, ops, priv, flags);
}

struct file *file_open_anon_again(struct file *f, const struct file_operations *ops, void *priv,
				  int flags)
{
	struct file *g = fu_file(ops, priv, flags);

	g->inode = inode_get(f->inode);
	return g;
}

struct file *file_get(struct file *f)
{
	must(__atomic_fetch_add(&f->refs, 1, __ATOMIC_SEQ_CST) > 0);
	return f;
}

void file_put(struct file *f)
{
	u64 refs = __atomic_sub_fetch(&f->refs, 1, __ATOMIC_SEQ_CST);

	must((s64)refs >= 0);
	if (refs)
		return;
	epoll_file_released(f);
	must(cds_list_empty(&f->epoll_links));
	if (f->ops->release)
		f->ops->release(f);
	inode_put(f->inode);
	memset(f, 0x5a, sizeof(*f));
	kfree(f);
	__atomic_fetch_sub(&fu_live_files, 1, __ATOMIC_SEQ_CST);
}

s64 noop_llseek(struct file *f, s64 off, int whence)
{
	return 0;
}

s64 no_llseek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

void inode_touch(struct inode *i, u32 mask)
{
}

/* ---- descriptors ---- */

struct file *fd_get(int fd)
{
	struct file *f = NULL;

	spin_lock(&fu_lock);
	if (fd >= 0 && fd < FU_FDS && fu_table[fd])
		f = file_get(fu_table[fd]);
	spin_unlock(&fu_lock);
	return f;
}

struct file *fd_get_raw(int fd)
{
	return fd_get(fd);
}

int fd_reserve(int from, bool cloexec)
{
	int fd;

	spin_lock(&fu_lock);
	for (fd = from; fd < FU_FDS && fu_taken[fd]; fd++)
		;
	if (fd < FU_FDS)
		fu_taken[fd] = true;
	spin_unlock(&fu_lock);
	return fd < FU_FDS ? fd : -EMFILE;
}

void fd_install(int fd, struct file *f)
{
	spin_lock(&fu_lock);
	fu_table[fd] = f;
	spin_unlock(&fu_lock);
}

void fd_unreserve(int fd)
{
	spin_lock(&fu_lock);
	fu_taken[fd] = false;
	spin_unlock(&fu_lock);
}

int fd_add(struct file *f, bool cloexec)
{
	int fd;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	fd = fd_reserve(0, cloexec);
	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

int fd_close(int fd)
{
	struct file *f = NULL;

	spin_lock(&fu_lock);
	if (fd >= 0 && fd < FU_FDS && fu_table[fd]) {
		f = fu_table[fd];
		fu_table[fd] = NULL;
		fu_taken[fd] = false;
	}
	spin_unlock(&fu_lock);
	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}

int files_next(struct files *files, int from)
{
	return -1;
}

static inline int fu_dup(int fd)
{
	return fd_add(fd_get(fd), false);
}

/* ---- iterators: one piece ---- */

int iov_iter_user(struct iov_iter *it, uaddr_t base, size_t len)
{
	*it = (struct iov_iter){.nr = 1, .count = len, .single = {(void *)base, len}};
	return 0;
}

int iov_iter_user_iov(struct iov_iter *it, uaddr_t iov, unsigned long n)
{
	must(n == 1); /* tests need no more */
	return iov_iter_user(it, (uaddr_t)((struct iovec *)iov)->iov_base,
			     ((struct iovec *)iov)->iov_len);
}

void iov_iter_kernel(struct iov_iter *it, void *base, size_t len)
{
	must(!iov_iter_user(it, (uaddr_t)base, len));
}

void iov_iter_done(struct iov_iter *it)
{
}

static uaddr_t fu_fault_at = ~0ull; /* from here on user memory is bad */

static inline size_t fu_copy(struct iov_iter *it, void *mem, size_t n, bool to)
{
	u8 *at = (u8 *)it->single.iov_base + it->off;

	n = min(n, it->count);
	if ((uaddr_t)at < PAGE_SIZE)
		return 0;
	if ((uaddr_t)at + n > fu_fault_at)
		n = (uaddr_t)at < fu_fault_at ? fu_fault_at - (uaddr_t)at : 0;
	if (to)
		memcpy(at, mem, n);
	else
		memcpy(mem, at, n);
	it->off += n;
	it->count -= n;
	return n;
}

size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it)
{
	return fu_copy(it, (void *)from, n, true);
}

size_t copy_from_iter(void *to, size_t n, struct iov_iter *it)
{
	return fu_copy(it, to, n, false);
}

/* ---- as system calls ---- */

static inline ssize_t fu_rw(int fd, void *buf, size_t n, bool write)
{
	struct file *f = fd_get(fd);
	struct iov_iter it;
	u64 pos = 0;
	ssize_t r;

	if (!f)
		return -EBADF;
	must(!iov_iter_user(&it, (uaddr_t)buf, n));
	r = write ? f->ops->write(f, &it, &pos) : f->ops->read(f, &it, &pos);
	file_put(f);
	return r;
}

static inline ssize_t fu_read(int fd, void *buf, size_t n)
{
	return fu_rw(fd, buf, n, false);
}

static inline ssize_t fu_write(int fd, const void *buf, size_t n)
{
	return fu_rw(fd, (void *)buf, n, true);
}

#endif
