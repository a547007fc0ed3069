/*
 * Descriptor tables.
 *
 * struct files is what CLONE_FILES shares. Its table is an array of file pointers with two bit
 * maps: which descriptors are taken (a taken one without a file is reserved), and which close on
 * exec. files->lock serialises changes; lookups take no lock: they read the table and the pointer
 * under RCU, take a reference, and look again whether both are still what they were. A table that
 * is too small is replaced by a copy and freed after a grace period.
 */
#include "fdtable.h"
#include <linux/close_range.h>

#define FIRST_SIZE 64
#define FDS_MAX (1u << 20) /* /proc/sys/fs/nr_open */
#define CLOSE_BATCH 16	   /* files at a time: each close may walk 65536 locks */

/* ---- bit maps ---- */

static void bit_set(u64 *map, u32 i)
{
	map[i / 64] |= 1ULL << i % 64;
}

static void bit_clear(u64 *map, u32 i)
{
	map[i / 64] &= ~(1ULL << i % 64);
}

static bool bit_test(const u64 *map, u32 i)
{
	return map[i / 64] >> i % 64 & 1;
}

/* The next set (or, inverted, clear) bit >= from, or size. */
static u32 bit_next(const u64 *map, u32 size, u32 from, u64 invert)
{
	while (from < size) {
		u64 word = (map[from / 64] ^ invert) >> from % 64;

		if (word)
			return from + __builtin_ctzll(word);
		from = (from | 63) + 1;
	}
	return size;
}

/* ---- tables ---- */

static struct fdtable *table_alloc(u32 size)
{
	size_t maps = size / 8;
	struct fdtable *t = kzalloc(sizeof(*t) + size * sizeof(t->file[0]) + 2 * maps);

	if (!t)
		return NULL;
	t->size = size;
	t->taken = (u64 *)&t->file[size];
	t->cloexec = t->taken + size / 64;
	return t;
}

static u32 table_size(u32 want)
{
	u32 size = FIRST_SIZE;

	while (size < want)
		size *= 2;
	return size;
}

/*
 * Makes room for fd. files->lock is held, given up for the allocation, and held again. 0, -EMFILE,
 * -ENOMEM.
 */
static int make_room(struct files *fs, u32 fd)
{
	struct fdtable *t, *old;

	if (fd < fs->table->size)
		return 0;
	if (fd >= FDS_MAX)
		return -EMFILE;
	spin_unlock(&fs->lock);
	t = table_alloc(table_size(fd + 1));
	spin_lock(&fs->lock);
	if (!t)
		return -ENOMEM;
	old = fs->table;
	if (old->size >= t->size) { /* somebody else was quicker */
		kfree(t);
		return 0;
	}
	memcpy(t->file, old->file, old->size * sizeof(old->file[0]));
	memcpy(t->taken, old->taken, old->size / 8);
	memcpy(t->cloexec, old->cloexec, old->size / 8);
	rcu_assign_pointer(fs->table, t);
	kfree_rcu(old);
	return 0;
}

struct files *files_new(void)
{
	struct files *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	fs->refs = 1;
	spin_init(&fs->lock, "files", RANK_FILES);
	fs->table = table_alloc(FIRST_SIZE);
	if (fs->table)
		return fs;
	kfree(fs);
	return NULL;
}

/* One more than the highest descriptor that is taken. */
static u32 taken_end(const struct fdtable *t)
{
	for (u32 w = t->size / 64; w-- > 0;) {
		if (t->taken[w])
			return w * 64 + 64 - __builtin_clzll(t->taken[w]);
	}
	return 0;
}

/* files_dup() of the descriptors below `limit`, and those above `from`. */
static struct files *dup_but(struct files *from, u32 limit, u32 resume)
{
	struct files *fs = kzalloc(sizeof(*fs));
	struct fdtable *t = NULL;
	u32 size;

	if (!fs)
		return ERR_PTR(-ENOMEM);
	fs->refs = 1;
	spin_init(&fs->lock, "files", RANK_FILES);
	spin_lock(&from->lock);
	while (size = table_size(taken_end(from->table)), !t || t->size < size) {
		spin_unlock(&from->lock);
		kfree(t);
		t = table_alloc(size);
		if (!t) {
			kfree(fs);
			return ERR_PTR(-ENOMEM);
		}
		spin_lock(&from->lock);
	}
	size = min(t->size, from->table->size);
	for (u32 fd = 0; (fd = bit_next(from->table->taken, size, fd, 0)) < size; fd++) {
		struct file *f = from->table->file[fd];

		if (!f || (fd >= limit && fd < resume))
			continue; /* reserved by another task: not ours */
		t->file[fd] = file_get(f);
		bit_set(t->taken, fd);
		if (bit_test(from->table->cloexec, fd))
			bit_set(t->cloexec, fd);
	}
	spin_unlock(&from->lock);
	fs->table = t;
	return fs;
}

struct files *files_dup(struct files *from)
{
	return dup_but(from, UINT32_MAX, UINT32_MAX);
}

struct files *files_get(struct files *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
	return f;
}

bool files_shared(const struct files *fs)
{
	return load_acquire(&fs->refs) > 1;
}

/* One of a table's files, of which there may be a million. Counts them in *n. */
static void close_of_many(struct file *f, struct files *fs, u32 *n)
{
	(void)file_close(f, fs);
	if (++*n % CLOSE_BATCH == 0)
		cond_resched();
}

void files_put(struct files *fs)
{
	struct fdtable *t;
	u32 n = 0;

	if (!fs || __atomic_sub_fetch(&fs->refs, 1, __ATOMIC_ACQ_REL))
		return;
	t = fs->table;
	for (u32 fd = 0; (fd = bit_next(t->taken, t->size, fd, 0)) < t->size; fd++) {
		if (t->file[fd])
			close_of_many(t->file[fd], fs, &n);
	}
	/* Lookups of other tasks' tables (files_lookup) hold a reference: nobody reads any more. */
	kfree(t);
	kfree(fs);
}

/* ---- lookup ---- */

static struct file *lookup(struct files *fs, int fd, u32 refuse)
{
	struct fdtable *t;
	struct file *f;

	for (;;) {
		rcu_read_lock();
		t = rcu_dereference(fs->table);
		f = (u32)fd < t->size ? rcu_dereference(t->file[fd]) : NULL;
		if (!f) {
			rcu_read_unlock();
			return NULL;
		}
		if (!file_tryget(f)) {
			/* Just closed: the table says something else by now. */
			rcu_read_unlock();
			continue;
		}
		if (likely(__atomic_load_n(&t->file[fd], __ATOMIC_SEQ_CST) == f &&
			   __atomic_load_n(&fs->table, __ATOMIC_SEQ_CST) == t)) {
			rcu_read_unlock();
			break;
		}
		rcu_read_unlock();
		file_put(f);
	}
	if (unlikely(f->mode & refuse)) {
		file_put(f);
		return NULL;
	}
	return f;
}

static struct files *my_files(void)
{
	struct task *t = vfs_task();

	return t ? t->files : NULL;
}

struct file *fd_get(int fd)
{
	struct files *fs = my_files();

	return fs ? lookup(fs, fd, FMODE_PATH) : NULL;
}

struct file *fd_get_raw(int fd)
{
	struct files *fs = my_files();

	return fs ? lookup(fs, fd, 0) : NULL;
}

struct file *files_lookup(struct files *f, int fd)
{
	return lookup(f, fd, 0);
}

int files_next(struct files *fs, int from)
{
	u32 fd;

	spin_lock(&fs->lock);
	for (fd = from; (fd = bit_next(fs->table->taken, fs->table->size, fd, 0)) < fs->table->size;
	     fd++) {
		if (fs->table->file[fd])
			break;
	}
	if (fd >= fs->table->size)
		fd = -1;
	spin_unlock(&fs->lock);
	return fd;
}

bool files_cloexec(struct files *fs, int fd)
{
	bool set;

	spin_lock(&fs->lock);
	set = (u32)fd < fs->table->size && bit_test(fs->table->cloexec, fd);
	spin_unlock(&fs->lock);
	return set;
}

int files_set_cloexec(struct files *fs, int fd, bool set)
{
	int err = -EBADF;

	spin_lock(&fs->lock);
	if ((u32)fd < fs->table->size && fs->table->file[fd]) {
		if (set)
			bit_set(fs->table->cloexec, fd);
		else
			bit_clear(fs->table->cloexec, fd);
		err = 0;
	}
	spin_unlock(&fs->lock);
	return err;
}

/* ---- taking and giving back ---- */

u64 nofile_limit(void)
{
	return load_relaxed(&current->tg->rlim[RLIMIT_NOFILE].rlim_cur);
}

int fd_reserve(int from, bool cloexec)
{
	struct files *fs = my_files();
	u64 limit = nofile_limit();
	u32 fd;
	int err;

	spin_lock(&fs->lock);
	for (;;) {
		fd = max((u32)from, fs->first_free);
		if (fd < fs->table->size)
			fd = bit_next(fs->table->taken, fs->table->size, fd, ~0ULL);
		err = fd >= limit ? -EMFILE : make_room(fs, fd);
		if (err) {
			spin_unlock(&fs->lock);
			return err;
		}
		if (!bit_test(fs->table->taken, fd))
			break;
		/* make_room() let go of the lock, and somebody took it. */
	}
	bit_set(fs->table->taken, fd);
	if (cloexec)
		bit_set(fs->table->cloexec, fd);
	else
		bit_clear(fs->table->cloexec, fd);
	if ((u32)from <= fs->first_free)
		fs->first_free = fd + 1;
	spin_unlock(&fs->lock);
	return fd;
}

void fd_install(int fd, struct file *f)
{
	struct files *fs = my_files();

	spin_lock(&fs->lock); /* the table may be being replaced */
	ASSERT(!fs->table->file[fd]);
	rcu_assign_pointer(fs->table->file[fd], f);
	spin_unlock(&fs->lock);
}

/* Frees a descriptor; lock held. Its file, whose reference is the caller's, or NULL. */
static struct file *take_out(struct files *fs, u32 fd)
{
	struct fdtable *t = fs->table;
	struct file *f = t->file[fd];

	__atomic_store_n(&t->file[fd], NULL, __ATOMIC_SEQ_CST);
	bit_clear(t->taken, fd);
	bit_clear(t->cloexec, fd);
	if (fd < fs->first_free)
		fs->first_free = fd;
	return f;
}

void fd_unreserve(int fd)
{
	struct files *fs = my_files();

	spin_lock(&fs->lock);
	ASSERT(!fs->table->file[fd]);
	take_out(fs, fd);
	spin_unlock(&fs->lock);
}

int fd_add(struct file *f, bool cloexec)
{
	int fd;

	if (IS_ERR(f))
		return PTR_ERR(f);
	fd = fd_reserve(0, cloexec);
	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

int fd_close(int fd)
{
	struct files *fs = my_files();
	struct file *f = NULL;

	spin_lock(&fs->lock);
	if ((u32)fd < fs->table->size && fs->table->file[fd])
		f = take_out(fs, fd);
	spin_unlock(&fs->lock);
	return f ? file_close(f, fs) : -EBADF;
}

void files_close_on_exec(struct files *fs)
{
	u32 n = 0;

	spin_lock(&fs->lock);
	for (u32 fd = 0;
	     (fd = bit_next(fs->table->cloexec, fs->table->size, fd, 0)) < fs->table->size; fd++) {
		struct file *f;

		if (!fs->table->file[fd])
			continue; /* reserved by a task that shares the table */
		f = take_out(fs, fd);
		spin_unlock(&fs->lock);
		close_of_many(f, fs, &n);
		spin_lock(&fs->lock);
	}
	spin_unlock(&fs->lock);
}

/*
 * Puts f (reference taken over, also on failure) in the place of whatever fd was, which is closed.
 * fd, or -EBUSY, -EBADF, -ENOMEM.
 */
static int fd_replace(int fd, struct file *f, bool cloexec)
{
	struct files *fs = my_files();
	struct file *old;
	int err;

	spin_lock(&fs->lock);
	err = make_room(fs, fd);
	if (!err && bit_test(fs->table->taken, fd) && !fs->table->file[fd])
		err = -EBUSY; /* reserved by an open in another thread */
	if (err) {
		spin_unlock(&fs->lock);
		file_put(f);
		return err == -EMFILE ? -EBADF : err;
	}
	old = fs->table->file[fd];
	if (fs->first_free == (u32)fd)
		fs->first_free++;
	bit_set(fs->table->taken, fd);
	if (cloexec)
		bit_set(fs->table->cloexec, fd);
	else
		bit_clear(fs->table->cloexec, fd);
	__atomic_store_n(&fs->table->file[fd], f, __ATOMIC_SEQ_CST);
	spin_unlock(&fs->lock);
	if (old)
		(void)file_close(old, fs);
	return fd;
}

/* ---- close_range ---- */

static void range_cloexec(struct files *fs, u32 first, u32 last)
{
	spin_lock(&fs->lock);
	for (u32 fd = first; fd < fs->table->size && fd <= last; fd++) {
		if (bit_test(fs->table->taken, fd))
			bit_set(fs->table->cloexec, fd);
	}
	spin_unlock(&fs->lock);
}

static void range_close(struct files *fs, u32 first, u32 last)
{
	u32 n = 0;

	spin_lock(&fs->lock);
	for (u32 fd = first;
	     (fd = bit_next(fs->table->taken, fs->table->size, fd, 0)) < fs->table->size &&
	     fd <= last;
	     fd++) {
		struct file *f;

		if (!fs->table->file[fd])
			continue;
		f = take_out(fs, fd);
		spin_unlock(&fs->lock);
		close_of_many(f, fs, &n);
		spin_lock(&fs->lock);
	}
	spin_unlock(&fs->lock);
}

/* A table of our own, without what is about to be closed. */
static int unshare_but(u32 first, u32 last, bool close)
{
	struct files *old = current->files, *fs;

	if (load_acquire(&old->refs) == 1)
		return 0;
	fs = close ? dup_but(old, first, last == UINT32_MAX ? last : last + 1) : files_dup(old);
	if (IS_ERR(fs))
		return PTR_ERR(fs);
	spin_lock(&current->lock);
	current->files = fs;
	spin_unlock(&current->lock);
	files_put(old);
	return 0;
}

long sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	bool cloexec = flags & CLOSE_RANGE_CLOEXEC;
	int err = 0;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE)
		err = unshare_but(first, last, !cloexec);
	if (err)
		return err;
	if (cloexec)
		range_cloexec(current->files, first, last);
	else
		range_close(current->files, first, last);
	return 0;
}

/* ---- close and dup ---- */

long sys_close(int fd)
{
	int err = fd_close(fd);

	/* It is closed whatever happened: nothing to be done again. */
	return err == -ERESTARTSYS || err == -ERESTARTNOINTR || err == -ERESTARTNOHAND ? -EINTR
										       : err;
}

long sys_dup(int fd)
{
	struct file *f = fd_get_raw(fd);

	return f ? fd_add(f, false) : -EBADF;
}

long sys_dup3(int fd, int newfd, int flags)
{
	struct file *f;

	if (flags & ~O_CLOEXEC || fd == newfd)
		return -EINVAL;
	if (newfd < 0 || (u64)newfd >= nofile_limit())
		return -EBADF;
	f = fd_get_raw(fd);
	return f ? fd_replace(newfd, f, flags & O_CLOEXEC) : -EBADF;
}

long sys_dup2(int fd, int newfd)
{
	struct file *f;

	if (fd != newfd)
		return sys_dup3(fd, newfd, 0);
	f = fd_get_raw(fd);
	if (!f)
		return -EBADF;
	file_put(f);
	return newfd;
}
