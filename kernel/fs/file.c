/*
 * Open files: their memory, references, and files without a name.
 *
 * The memory is type-stable (see struct file): each CPU keeps some free ones, which it hands out
 * again at once.
 */
#include "commit.h"
#include "epoll.h"
#include "fasync.h"
#include "kernel/fs/notify/notify.h"
#include "pipe.h"
#include "vfs.h"

#define POOL_MAX 32

/* Owned by its CPU; kernel code isn't preempted. */
static struct file_pool {
	struct file *free;
	int nr;
} __attribute__((aligned(64))) pools[MAX_CPUS];

static u64 nr_files;  /* atomic */
static u64 max_files; /* constant after boot: -ENFILE; what a guest can make the kernel hold has to
			 end somewhere */
static struct inode *anon_ino; /* constant after boot: the one inode of eventfds, epolls ... */

u64 file_count(void)
{
	return load_relaxed(&nr_files);
}

u64 file_max(void)
{
	return max_files;
}

/*
 * As Linux has it: an open file and what belongs to it take 1 KiB, and a tenth of memory may be
 * used for that.
 */
int file_cache_init(void)
{
	max_files = max(memory_size() / 10 / 1024, (u64)8192);
	anon_ino = inode_alloc(anon_sb, sb_next_ino(anon_sb), 0600);
	if (!anon_ino)
		return -ENOMEM;
	anon_ino->nlink = 1;
	return 0;
}

/* A free file's link to the next is its priv. */
static struct file *pool_get(void)
{
	struct cpu *c = this_cpu();
	struct file *f;

	if (!c || !pools[c->id].free)
		return kzalloc(sizeof(*f));
	f = pools[c->id].free;
	pools[c->id].free = f->priv;
	pools[c->id].nr--;
	return f;
}

static void file_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct file, rcu));
}

static void pool_put(struct file *f)
{
	struct cpu *c = this_cpu();

	__atomic_fetch_sub(&nr_files, 1, __ATOMIC_RELAXED);
	if (!c || pools[c->id].nr >= POOL_MAX) {
		call_rcu(&f->rcu, file_free_rcu);
		return;
	}
	f->priv = pools[c->id].free;
	pools[c->id].free = f;
	pools[c->id].nr++;
}

struct file *file_alloc(int flags)
{
	struct file *f;

	if (file_count() >= max_files)
		return ERR_PTR(-ENFILE);
	f = pool_get();
	if (!f)
		return ERR_PTR(-ENOMEM);
	/* refs stays 0 until the rest is set: lock-free readers may look at it. */
	store_relaxed(&f->flags, flags);
	f->mode = 0;
	f->ops = NULL;
	f->inode = NULL;
	f->path = (struct path){NULL, NULL};
	mutex_init(&f->pos_lock, "file_pos", RANK_FILE_POS);
	f->pos = 0;
	f->cred = cred_get((struct cred *)vfs_cred());
	f->priv = NULL;
	spin_init(&f->lock, "file", RANK_MISC);
	f->owner = (struct file_owner){.type = F_OWNER_TID};
	f->fasync = NULL;
	CDS_INIT_LIST_HEAD(&f->epoll_links);
	__atomic_fetch_add(&nr_files, 1, __ATOMIC_RELAXED);
	store_release(&f->refs, 1);
	return f;
}

struct file *file_get(struct file *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
	return f;
}

bool file_tryget(struct file *f)
{
	u64 refs = load_relaxed(&f->refs);

	do {
		if (!refs)
			return false;
	} while (!__atomic_compare_exchange_n(&f->refs, &refs, refs + 1, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return true;
}

static void file_release(struct file *f)
{
	epoll_file_released(f);
	fasync_file_released(f);
	if (f->inode && !(f->mode & FMODE_PATH)) {
		if (f->ops)
			notify_file(f, f->mode & FMODE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
		file_locks_release_flock(f);
		if (f->ops && f->ops->release)
			f->ops->release(f);
	}
	if (f->mode & FMODE_WRITER) {
		inode_put_write_access(f->inode);
		if (f->path.mnt)
			__atomic_fetch_sub(&f->path.mnt->writers, 1, __ATOMIC_RELEASE);
	}
	if (f->owner.pid)
		pid_put(f->owner.pid);
	cred_put(f->cred);
	path_put(&f->path);
	pool_put(f);
}

void file_put(struct file *f)
{
	if (!__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		file_release(f);
}

int file_close(struct file *f, struct files *files)
{
	int err = 0;

	if (!(f->mode & FMODE_PATH)) {
		if (f->ops && f->ops->flush)
			err = f->ops->flush(f);
		file_locks_release_posix(f, files);
	}
	file_put(f);
	return err;
}

/* ---- files without a name ---- */

static u32 mode_of_flags(int flags)
{
	return ((flags & O_ACCMODE) + 1) & (FMODE_READ | FMODE_WRITE);
}

/* Takes d's reference, also on failure. */
static struct file *open_dentry(struct dentry *d, const struct file_operations *ops, void *priv,
				int flags)
{
	struct file *f;

	if (!d)
		return ERR_PTR(-ENOMEM);
	f = file_alloc(flags & ~O_CLOEXEC);
	if (IS_ERR(f)) {
		d_put(d);
		return f;
	}
	f->path.dentry = d;
	f->inode = d->inode;
	f->ops = ops;
	f->priv = priv;
	f->mode = mode_of_flags(flags);
	return f;
}

struct file *file_open_anon(const char *name, const struct file_operations *ops, void *priv,
			    int flags)
{
	return open_dentry(d_alloc_anon(anon_sb, inode_get(anon_ino), name), ops, priv, flags);
}

struct file *file_open_anon_inode(const char *prefix, u32 mode, const struct file_operations *ops,
				  void *priv, int flags)
{
	u64 ino = sb_next_ino(anon_sb);
	struct inode *inode = inode_alloc(anon_sb, ino, mode);
	char name[64];

	if (!inode)
		return ERR_PTR(-ENOMEM);
	snprintf(name, sizeof(name), "%s:[%llu]", prefix, (unsigned long long)ino);
	return open_dentry(d_alloc_anon(anon_sb, inode, name), ops, priv, flags);
}

struct file *file_open_anon_again(struct file *f, const struct file_operations *ops, void *priv,
				  int flags)
{
	return open_dentry(d_get(f->path.dentry), ops, priv, flags);
}

/* ---- reading by the kernel ---- */

ssize_t kernel_read(struct file *f, void *buf, size_t n, u64 pos)
{
	size_t done = 0;

	if (!f->ops || !f->ops->read)
		return -EINVAL;
	while (done < n) {
		struct iov_iter it;
		ssize_t got;

		iov_iter_kernel(&it, (char *)buf + done, n - done);
		got = f->ops->read(f, &it, &pos);
		if (got < 0)
			return done ? (ssize_t)done : got;
		if (!got)
			break;
		done += got;
	}
	return done;
}
