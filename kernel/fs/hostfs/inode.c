/* hostfs inodes: one for each host file, found by the host's device and inode number, with lazily opened handles. */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"

#include <string.h>

/* ---- places ---- */

struct place *place_new(struct fh *dir, const char *name)
{
	size_t len = strlen(name);
	struct place *p = kmalloc(sizeof(*p) + len + 1);

	if (p) {
		p->refs = 1;
		p->dir = fh_get(dir);
		memcpy(p->name, name, len + 1);
	}
	return p;
}

struct place *place_get(struct inode *inode)
{
	struct place *p;

	spin_lock(&inode->spin);
	p = hostfs_i(inode)->place;
	if (p)
		__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	spin_unlock(&inode->spin);
	return p;
}

void place_put(struct place *p)
{
	if (p && !__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL)) {
		fh_put(p->dir);
		kfree(p);
	}
}

int place_set(struct inode *inode, struct fh *dir, const char *name)
{
	struct place *p = place_new(dir, name), *old;

	if (!p)
		return -ENOMEM;
	spin_lock(&inode->spin);
	old = hostfs_i(inode)->place;
	hostfs_i(inode)->place = p;
	spin_unlock(&inode->spin);
	place_put(old);
	return 0;
}

void place_clear(struct inode *inode)
{
	struct place *old;

	spin_lock(&inode->spin);
	old = hostfs_i(inode)->place;
	hostfs_i(inode)->place = NULL;
	spin_unlock(&inode->spin);
	place_put(old);
}

/* ---- identity ---- */

/*
 * The guest sees one device. Inode numbers of the root's host device stay as they are; those of other host file systems below get the
 * number of the device in their upper bits.
 */
u64 hostfs_ino(struct super_block *sb, dev_t dev, u64 ino)
{
	struct hostfs_sb *hs = hostfs_sb(sb);
	u32 n = __atomic_load_n(&hs->nr_devs, __ATOMIC_ACQUIRE), i;

	for (i = 0; i < n; i++)
		if (hs->devs[i] == dev)
			return ino ^ (u64)i << 48;
	spin_lock(&hs->lock);
	for (i = 0; i < hs->nr_devs && hs->devs[i] != dev; i++)
		;
	if (i == hs->nr_devs && i < HOSTFS_MAX_DEVS) {
		hs->devs[i] = dev;
		__atomic_store_n(&hs->nr_devs, i + 1, __ATOMIC_RELEASE);
	}
	spin_unlock(&hs->lock);
	/* Too many to tell apart: spread by the device number. */
	return ino ^ (i < HOSTFS_MAX_DEVS ? (u64)i : 16 + (dev * 0x9e3779b1u >> 4 & 0x3fff)) << 48;
}

bool hostfs_same(const struct inode *inode, const struct kstat *st)
{
	const struct hostfs_inode *hi = hostfs_i(inode);
	struct fh_id id = fh_id_of(st);

	return hi->node.a == id.dev && hi->node.b == id.ino && hi->btime_ns == id.btime_ns &&
	       (hostfs_sb(inode->sb)->kind->own_attrs ||
		(__atomic_load_n(&inode->mode, __ATOMIC_RELAXED) & S_IFMT) == (st->mode & S_IFMT));
}

struct fh_id hostfs_id(const struct inode *inode)
{
	const struct hostfs_inode *hi = hostfs_i(inode);

	return (struct fh_id){.dev = hi->node.a, .ino = hi->node.b, .btime_ns = hi->btime_ns};
}

/* Others read these without the lock: whole, and left alone when nothing changed. */
static void update_u32(u32 *field, u32 value)
{
	if (__atomic_load_n(field, __ATOMIC_RELAXED) != value)
		__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static void update_u64(u64 *field, u64 value)
{
	if (__atomic_load_n(field, __ATOMIC_RELAXED) != value)
		__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

void hostfs_update(struct inode *inode, const struct kstat *st)
{
	bool own_attrs = hostfs_sb(inode->sb)->kind->own_attrs;

	spin_lock(&inode->spin);
	if (!own_attrs) {
		update_u32(&inode->mode, st->mode);
		update_u32(&inode->uid, st->uid);
		update_u32(&inode->gid, st->gid);
	}
	update_u32(&inode->nlink, st->nlink);
	update_u64(&inode->size, st->size);
	update_u64(&inode->blocks, st->blocks);
	inode->atime = st->atime;
	inode->mtime = st->mtime;
	inode->ctime = st->ctime;
	inode->btime = st->has_btime ? st->btime : st->ctime;
	spin_unlock(&inode->spin);
}

static void set_ops(struct inode *inode, const struct hostfs_kind *kind)
{
	if (S_ISDIR(inode->mode)) {
		inode->ops = kind->dir_ops;
		inode->fops = kind->dir_fops;
	} else {
		inode->ops = kind->file_ops;
		/* Devices, fifos and sockets are the guest's own: the VFS finds their operations at open. */
		inode->fops = S_ISREG(inode->mode) ? kind->file_fops : NULL;
	}
}

struct inode *hostfs_new_inode(struct super_block *sb, const struct kstat *st, struct fh *dir,
			       const char *name)
{
	const struct hostfs_kind *kind = hostfs_sb(sb)->kind;
	struct hostfs_inode *hi = kzalloc(kind->inode_size);
	struct inode *inode = NULL;
	struct fh_id id = fh_id_of(st);

	if (!hi)
		return NULL;
	if (dir) {
		hi->place = place_new(dir, name);
		if (!hi->place)
			goto fail;
	}
	inode = inode_alloc(sb, hostfs_ino(sb, st->dev, st->ino), st->mode);
	if (!inode)
		goto fail;
	hi->node.a = id.dev;
	hi->node.b = id.ino;
	hi->node.inode = inode;
	hi->btime_ns = id.btime_ns;
	inode->priv = hi;
	inode->rdev = st->rdev;
	inode->uid = st->uid;
	inode->gid = st->gid;
	set_ops(inode, kind);
	hostfs_update(inode, st);
	return inode;
fail:
	place_put(hi->place);
	kfree(hi);
	return NULL;
}

int hostfs_found(struct inode *inode, const struct kstat *st, struct fh *dir, const char *name)
{
	struct place *p;
	int err = 0;

	if (hostfs_sb(inode->sb)->exclusive)
		return 0;
	hostfs_update(inode, st);
	p = place_get(inode);
	if (p && (p->dir != dir || strcmp(p->name, name)))
		err = place_set(inode, dir, name);
	place_put(p);
	return err;
}

/* The live inode under st's numbers, brought up to date; NULL if there is none, or if the host has used the numbers again. */
static struct inode *hostfs_cached(struct super_block *sb, const struct kstat *st, struct fh *dir,
				   const char *name)
{
	struct hostfs_sb *hs = hostfs_sb(sb);
	struct inode *inode = ihash_find(&hs->inodes, st->dev, st->ino);
	int err;

	if (!inode)
		return NULL;
	if (!hostfs_same(inode, st)) {
		ihash_remove(&hs->inodes, &hostfs_i(inode)->node);
		inode_put(inode);
		return NULL;
	}
	err = hostfs_found(inode, st, dir, name);
	if (err) {
		inode_put(inode);
		return ERR_PTR(err);
	}
	return inode;
}

struct inode *hostfs_iget(struct super_block *sb, const struct kstat *st, struct fh *dir,
			  const char *name)
{
	struct inode *inode = hostfs_cached(sb, st, dir, name), *other;

	if (inode)
		return inode;
	inode = hostfs_new_inode(sb, st, dir, name);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	other = ihash_add(&hostfs_sb(sb)->inodes, &hostfs_i(inode)->node);
	if (other) {
		inode_put(inode);
		inode = other;
	}
	return inode;
}

void hostfs_evict(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);

	if (!hi)
		return;
	ihash_remove(&hostfs_sb(inode->sb)->inodes, &hi->node);
	fh_put(hi->self);
	fh_put(hi->ro);
	fh_put(hi->rw);
	place_put(hi->place);
	kfree(hi->target);
	kfree(hi);
}

/* ---- handles ---- */

/* Puts h into an empty slot; or drops it and takes what is there. */
static struct fh *publish(struct inode *inode, struct fh **slot, struct fh *h)
{
	struct fh *there;

	spin_lock(&inode->spin);
	there = *slot;
	if (!there)
		*slot = h;
	spin_unlock(&inode->spin);
	if (!there)
		return h;
	fh_put(h);
	return there;
}

struct fh *hostfs_dir(struct inode *dir)
{
	struct hostfs_inode *hi = hostfs_i(dir);
	struct fh_id id = hostfs_id(dir);
	struct place *p;
	struct fh *h;

	spin_lock(&dir->spin);
	h = hi->self;
	spin_unlock(&dir->spin);
	if (h)
		return h;
	p = place_get(dir);
	if (p)
		h = fh_open_known(p->dir, p->name, O_PATH | O_DIRECTORY, &id);
	else
		h = fh_get(hostfs_sb(dir->sb)->root);
	place_put(p);
	return IS_ERR(h) ? h : publish(dir, &hi->self, h);
}

static struct fh *open_by_place(struct inode *inode, int flags)
{
	struct fh_id id = hostfs_id(inode);
	struct place *p = place_get(inode);
	struct fh *h;

	if (!p)
		return ERR_PTR(-EISDIR);
	h = fh_open_known(p->dir, p->name, flags, &id);
	place_put(p);
	return h;
}

struct fh *hostfs_open_handle(struct inode *inode, bool read, bool write)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh **slot = write ? &hi->rw : &hi->ro, *h;

	spin_lock(&inode->spin);
	hi->opens++;
	h = *slot ? fh_get(*slot) : NULL;
	spin_unlock(&inode->spin);
	if (h)
		return h;
	h = open_by_place(inode, write ? O_RDWR : O_RDONLY);
	if (!IS_ERR(h))
		return fh_get(publish(inode, slot, h));
	/* A file that the host lets us only write: a handle for this one, which can't be mapped either. */
	if (h == ERR_PTR(-EACCES) && write && !read) {
		h = open_by_place(inode, O_WRONLY);
		if (!IS_ERR(h))
			return h;
	}
	spin_lock(&inode->spin);
	hi->opens--;
	spin_unlock(&inode->spin);
	return h;
}

void hostfs_close_handle(struct inode *inode, struct fh *h)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh *ro = NULL, *rw = NULL;

	spin_lock(&inode->spin);
	if (!--hi->opens && !hostfs_sb(inode->sb)->exclusive) {
		ro = hi->ro;
		rw = hi->rw;
		hi->ro = hi->rw = NULL;
	}
	spin_unlock(&inode->spin);
	fh_put(ro);
	fh_put(rw);
	fh_put(h);
}

struct fh *hostfs_any_handle(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh *h;

	spin_lock(&inode->spin);
	h = hi->rw ? hi->rw : hi->ro ? hi->ro : hi->self;
	if (h)
		fh_get(h);
	spin_unlock(&inode->spin);
	return h;
}

void hostfs_unnamed(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh *h[3];

	spin_lock(&inode->spin);
	h[0] = hi->self;
	h[1] = hi->ro;
	h[2] = hi->rw;
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++)
		if (h[i])
			fh_get(h[i]);
	spin_unlock(&inode->spin);
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++) {
		if (h[i]) {
			fh_unlinked(h[i]);
			fh_put(h[i]);
		}
	}
}
