/* Inotify instances, their watches by descriptor, and the system calls. */
#include "alloc.h"
#include "commit.h"
#include "kernel/fs/notify/instance.h"
#include "kernel/fs/vfs.h"
#include <sys/ioctl.h>

#define WATCH_COST 1280 /* bytes that Linux counts for a watch and the inode that it holds */
#define FIRST_BUCKETS 16

struct inotify_limits inotify_limits = {.events = 16384, .instances = 128};

/*
 * As Linux has it: a hundredth of memory may go into watches. What waits in queues may take
 * another.
 */
void notify_init(void)
{
	u64 share = memory_size() / 100;

	inotify_limits.watches = (u32)max(min(share / WATCH_COST, (u64)1048576), (u64)8192);
	queue_limit(max(share, (u64)16 << 20));
}

/* ---- life ---- */

struct inotify *inotify_get(struct inotify *in)
{
	__atomic_fetch_add(&in->refs, 1, __ATOMIC_RELAXED);
	return in;
}

void inotify_put(struct inotify *in)
{
	if (__atomic_sub_fetch(&in->refs, 1, __ATOMIC_ACQ_REL))
		return;
	queue_destroy(in);
	user_put(in->user);
	kfree(in->buckets);
	kfree(in);
}

static bool charge(u32 *count, u32 limit)
{
	if (__atomic_add_fetch(count, 1, __ATOMIC_RELAXED) <= limit)
		return true;
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
	return false;
}

static void uncharge(u32 *count)
{
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
}

bool inotify_charge_watch(struct inotify *in)
{
	return charge(&in->user->inotify_watches, load_relaxed(&inotify_limits.watches));
}

void inotify_uncharge_watch(struct inotify *in)
{
	uncharge(&in->user->inotify_watches);
}

static struct inotify *inotify_alloc(void)
{
	struct user *user = current->cred->user;
	struct inotify *in;

	if (!charge(&user->inotify_instances, load_relaxed(&inotify_limits.instances)))
		return ERR_PTR(-EMFILE);
	in = kzalloc(sizeof(*in));
	if (in)
		in->buckets = kcalloc(FIRST_BUCKETS, sizeof(*in->buckets));
	if (!in || !in->buckets) {
		kfree(in);
		uncharge(&user->inotify_instances);
		return ERR_PTR(-ENOMEM);
	}
	in->refs = 1;
	in->user = user_get(user);
	in->nr_buckets = FIRST_BUCKETS;
	spin_init(&in->lock, "inotify", RANK_MISC);
	wait_queue_init(&in->wait);
	fasync_list_init(&in->async);
	CDS_INIT_LIST_HEAD(&in->watches);
	queue_init(in);
	return in;
}

/* Some watch, +1, or NULL. */
static struct watch *any_watch(struct inotify *in)
{
	struct watch *w = NULL;

	spin_lock(&in->lock);
	if (!cds_list_empty(&in->watches)) {
		w = cds_list_first_entry(&in->watches, struct watch, of_instance);
		watch_get(w);
	}
	spin_unlock(&in->lock);
	return w;
}

/* The file is gone: nobody adds watches any more. */
static void inotify_close(struct inotify *in)
{
	struct watch *w;

	while ((w = any_watch(in))) {
		watch_remove(w, false);
		watch_put(w);
	}
	uncharge(&in->user->inotify_instances);
	inotify_put(in);
}

/* ---- watches by descriptor ---- */

static struct watch **bucket_of(struct watch **buckets, u32 nr, int wd)
{
	return &buckets[(u32)wd & (nr - 1)]; /* descriptors are given in order */
}

static struct watch *find_locked(const struct inotify *in, int wd)
{
	struct watch *w = *bucket_of(in->buckets, in->nr_buckets, wd);

	while (w && w->wd != wd)
		w = w->of_bucket;
	return w;
}

/* Without memory chains just get longer. */
static void grow_locked(struct inotify *in)
{
	u32 nr = in->nr_buckets * 2;
	struct watch **buckets = kcalloc(nr, sizeof(*buckets)), **b, *w;

	if (!buckets)
		return;
	cds_list_for_each_entry(w, &in->watches, of_instance) {
		b = bucket_of(buckets, nr, w->wd);
		w->of_bucket = *b;
		*b = w;
	}
	kfree(in->buckets);
	in->buckets = buckets;
	in->nr_buckets = nr;
}

void inotify_add(struct inotify *in, struct watch *w)
{
	struct watch **b;

	spin_lock(&in->lock);
	if (in->nr_watches >= in->nr_buckets)
		grow_locked(in);
	/* A number comes again only when all have been used. */
	do {
		in->last_wd = in->last_wd == INT_MAX ? 1 : in->last_wd + 1;
	} while (find_locked(in, in->last_wd));
	w->wd = in->last_wd;
	b = bucket_of(in->buckets, in->nr_buckets, w->wd);
	w->of_bucket = *b;
	*b = w;
	cds_list_add(&w->of_instance, &in->watches);
	in->nr_watches++;
	spin_unlock(&in->lock);
}

void inotify_remove(struct inotify *in, struct watch *w, bool tell, struct inotify **due)
{
	const struct notify_event ignored = {.mask = IN_IGNORED};
	struct watch **at;

	if (tell)
		inotify_queue(in, w->wd, &ignored, due);
	spin_lock(&in->lock);
	for (at = bucket_of(in->buckets, in->nr_buckets, w->wd); *at != w; at = &(*at)->of_bucket)
		;
	*at = w->of_bucket;
	cds_list_del(&w->of_instance);
	in->nr_watches--;
	spin_unlock(&in->lock);
	inotify_uncharge_watch(in);
}

/* ---- the file ---- */

static int copy_event(const struct queued *q, struct iov_iter *to)
{
	struct inotify_event e = {.wd = q->wd, .mask = q->mask, .cookie = q->cookie};
	size_t padding;

	e.len = queued_size(q) - sizeof(e);
	padding = e.len - q->len;
	if (copy_to_iter(&e, sizeof(e), to) != sizeof(e) ||
	    copy_to_iter(q->name, q->len, to) != q->len || zero_iter(padding, to) != padding)
		return -EFAULT;
	return 0;
}

/* What there is, as far as it fits. Bytes; 0: nothing there; -EFAULT, and the event is lost. */
static ssize_t read_events(struct inotify *in, struct iov_iter *to)
{
	ssize_t done = 0;
	struct queued *q;

	while ((q = inotify_take(in, iov_iter_count(to)))) {
		size_t size;
		int err;

		if (IS_ERR(q))
			return done ? done : PTR_ERR(q);
		size = queued_size(q);
		err = copy_event(q, to);
		queued_free(in, q);
		if (err)
			return err;
		done += size;
	}
	return done;
}

static ssize_t inotify_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct inotify *in = f->priv;
	ssize_t n;
	int err;

	while (!(n = read_events(in, to))) {
		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_expr(&in->wait, inotify_queued(in), NULL);
		if (err)
			return err;
	}
	return n;
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *in = f->priv;

	poll_wait(pt, &in->wait);
	return inotify_queued(in) ? POLLIN | POLLRDNORM : 0;
}

static long inotify_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	const struct inotify *in = f->priv;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	return put_user((int)load_relaxed(&in->bytes), arg);
}

static int inotify_fasync(int fd, struct file *f, bool on)
{
	struct inotify *in = f->priv;

	return fasync_helper(fd, f, on, &in->async);
}

static void inotify_release(struct file *f)
{
	inotify_close(f->priv);
}

/*
 * A line for each watch, as many as fit; without file handles, as for a file system that has none.
 */
static void inotify_fdinfo(struct file *f, char *buf, size_t size)
{
	struct inotify *in = f->priv;
	struct watch *w;
	size_t at = 0;

	spin_lock(&in->lock);
	cds_list_for_each_entry(w, &in->watches, of_instance) {
		dev_t dev = w->inode->sb->dev;
		u32 mask = load_relaxed(&w->mask) & IN_ALL_EVENTS;
		size_t n = snprintf(buf + at, size - at,
				    "inotify wd:%x ino:%llx sdev:%x mask:%x ignored_mask:0 \n",
				    w->wd, (unsigned long long)w->inode->ino,
				    major(dev) << 20 | minor(dev), mask);

		if (n >= size - at) {
			buf[at] = '\0';
			break;
		}
		at += n;
	}
	spin_unlock(&in->lock);
}

static const struct file_operations inotify_ops = {
	.read = inotify_read,
	.llseek = noop_llseek,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.fasync = inotify_fasync,
	.release = inotify_release,
	.show_fdinfo = inotify_fdinfo,
};

/* ---- system calls ---- */

long sys_inotify_init1(int flags)
{
	struct inotify *in;
	struct file *f;

	if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	in = inotify_alloc();
	if (IS_ERR(in))
		return PTR_ERR(in);
	f = file_open_anon("anon_inode:inotify", &inotify_ops, in,
			   O_RDONLY | (flags & IN_NONBLOCK));
	if (IS_ERR(f))
		inotify_close(in);
	return fd_add(f, flags & IN_CLOEXEC);
}

long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}

/* The instance's file: -EBADF; -EINVAL if it is something else. +1. */
static struct file *inotify_file(int fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (f->ops == &inotify_ops)
		return f;
	file_put(f);
	return ERR_PTR(-EINVAL);
}

static int add_watch(struct inotify *in, uaddr_t upath, u32 mask)
{
	unsigned lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) |
			  (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct path p;
	int ret = user_path_lookup(AT_FDCWD, upath, lookup, &p);

	if (ret)
		return ret;
	ret = inode_permission(p.dentry->inode, MAY_READ);
	if (!ret)
		ret = watch_set(in, p.dentry->inode, mask);
	path_put(&p);
	return ret;
}

long sys_inotify_add_watch(int fd, uaddr_t path, unsigned int mask)
{
	const u32 known = IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR |
			  IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD |
			  IN_ISDIR | IN_ONESHOT;
	struct file *f;
	long ret;

	if (mask & ~known || !(mask & known))
		return -EINVAL;
	f = inotify_file(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if ((mask & (IN_MASK_ADD | IN_MASK_CREATE)) == (IN_MASK_ADD | IN_MASK_CREATE))
		ret = -EINVAL;
	else
		ret = add_watch(f->priv, path, mask);
	file_put(f);
	return ret;
}

long sys_inotify_rm_watch(int fd, int wd)
{
	struct file *f = inotify_file(fd);
	struct inotify *in;
	struct watch *w;

	if (IS_ERR(f))
		return PTR_ERR(f);
	in = f->priv;
	spin_lock(&in->lock);
	w = find_locked(in, wd);
	if (w)
		watch_get(w);
	spin_unlock(&in->lock);
	if (w) {
		watch_remove(w, true);
		watch_put(w);
	}
	file_put(f);
	return w ? 0 : -EINVAL;
}
