/*
 * hostfs inodes: one for each host file, found by the host's device and inode number, with lazily
 * opened handles.
 */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"

/* ---- identity ---- */

/*
 * The guest sees one device. Inode numbers of the root's host device stay as they are; those of
 * other host file systems below get the number of the device in their upper bits.
 */
u64 hostfs_ino(struct super_block *sb, dev_t dev, u64 ino)
{
	struct hostfs_sb *hs = hostfs_sb(sb);
	u32 n = load_acquire(&hs->nr_devs), i;

	for (i = 0; i < n; i++)
		if (hs->devs[i] == dev)
			return ino ^ (u64)i << 48;
	spin_lock(&hs->lock);
	for (i = 0; i < hs->nr_devs && hs->devs[i] != dev; i++)
		;
	if (i == hs->nr_devs && i < HOSTFS_MAX_DEVS) {
		hs->devs[i] = dev;
		store_release(&hs->nr_devs, i + 1);
	}
	spin_unlock(&hs->lock);
	/* Too many to tell apart: spread by the device number. */
	return ino ^ (i < HOSTFS_MAX_DEVS ? (u64)i : 16 + (dev * 0x9e3779b1u >> 4 & 0x3fff)) << 48;
}

struct fh_id hostfs_id(const struct inode *inode)
{
	const struct hostfs_inode *hi = hostfs_i(inode);

	return (struct fh_id){.dev = hi->node.a, .ino = hi->node.b, .btime_ns = hi->btime_ns};
}

bool hostfs_same(const struct inode *inode, const struct kstat *st)
{
	struct fh_id id = fh_id_of(st), ours = hostfs_id(inode);

	return fh_same_id(&id, &ours) &&
	       (hostfs_sb(inode->sb)->kind->own_attrs ||
		(load_relaxed(&inode->mode) & S_IFMT) == (st->mode & S_IFMT));
}

/* Others read these without the lock: whole, and left alone when nothing changed. */
static void update_u32(racy_u32 *field, u32 value)
{
	if (load_relaxed(field) != value)
		store_relaxed(field, value);
}

static void update_u64(u64 *field, u64 value)
{
	if (load_relaxed(field) != value)
		store_relaxed(field, value);
}

void hostfs_update_locked(struct inode *inode, const struct kstat *st)
{
	const struct hostfs_sb *hs = hostfs_sb(inode->sb);
	const struct hostfs_options *o = &hs->opt;

	if (!hs->kind->own_attrs) {
		update_u32(&inode->mode, st->mode);
		update_u32(&inode->uid, o->map_uid ? o->uid : st->uid);
		update_u32(&inode->gid, o->map_gid ? o->gid : st->gid);
	}
	update_u32(&inode->nlink, st->nlink);
	update_u64(&inode->size, st->size);
	update_u64(&inode->blocks, st->blocks);
	inode->atime = st->atime;
	inode->mtime = st->mtime;
	inode->ctime = st->ctime;
	inode->btime = st->has_btime ? st->btime : st->ctime;
}

static void set_ops(struct inode *inode, const struct hostfs_kind *kind)
{
	if (S_ISDIR(inode->mode)) {
		inode->ops = kind->dir_ops;
		inode->fops = kind->dir_fops;
	} else {
		inode->ops = kind->file_ops;
		/*
		 * Devices, fifos and sockets are the guest's own: the VFS finds their operations at
		 * open.
		 */
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
	if (dir && name) {
		hi->place = fh_place_new(dir, name);
		if (IS_ERR(hi->place)) {
			kfree(hi);
			return NULL;
		}
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
	hostfs_update_locked(inode, st); /* nobody else has it yet */
	return inode;
fail:
	fh_place_put(hi->place);
	kfree(hi);
	return NULL;
}

/*
 * A directory that is known under another name: others have moved it, or mounted it at a second
 * place. It gets a second inode there, as what the VFS locks has to be one tree; the first one goes
 * with its dentry. (Of a file system with attributes of its own nothing is moved by others.)
 */
static bool is_other_dir(struct inode *inode, const struct fh *dir, const char *name)
{
	struct fh_place *p;
	bool other;

	if (!S_ISDIR(inode->mode) || hostfs_sb(inode->sb)->kind->own_attrs)
		return false;
	p = hostfs_place(inode);
	other = !fh_is_place(p, dir, name);
	fh_place_put(p);
	return other;
}

bool hostfs_place_holds(struct inode *inode, const struct fh *dir, const char *name)
{
	struct fh_place *p;
	struct kstat st;
	bool holds;

	if (load_acquire(&hostfs_i(inode)->unnamed))
		return false;
	p = hostfs_place(inode);
	holds = fh_is_place(p, dir, name) ||
		(p && !fh_stat_at(p->dir, p->name, &st) && hostfs_same(inode, &st));
	fh_place_put(p);
	return holds;
}

/*
 * It was just seen under (dir, name), with dir's lock held: one of its names, maybe another one
 * than before. -ENOMEM, or what the host says.
 */
static int found(struct inode *inode, struct fh *dir, const char *name)
{
	bool exclusive = hostfs_sb(inode->sb)->opt.exclusive;
	struct fh_place *p;
	int err;

	if (hostfs_is_new_name(inode, dir, name)) {
		p = fh_place_new(dir, name);
		if (IS_ERR(p))
			return PTR_ERR(p);
		if (exclusive)
			hostfs_has_name(inode, p);
		else
			hostfs_moved(inode, NULL, p);
		fh_place_put(p);
	}
	if (exclusive)
		return 0;
	/*
	 * By what was seen it was found; that may be older than what we have changed since, or
	 * known since. So the host is asked once more.
	 */
	err = hostfs_refresh(inode);
	/*
	 * Gone again, or no right to open it anew, or no descriptor for that, where a look-up needs
	 * none: what was known last.
	 */
	if (err == -ENOENT || err == -ESTALE || err == -EACCES || err == -EMFILE || err == -ENFILE)
		err = 0;
	return err;
}

static bool same_file(const struct inode *a, const struct inode *b)
{
	struct fh_id of_a = hostfs_id(a), of_b = hostfs_id(b);

	return fh_same_id(&of_a, &of_b) &&
	       !((load_relaxed(&a->mode) ^ load_relaxed(&b->mode)) & S_IFMT);
}

struct inode *hostfs_hash(struct inode *inode, bool made)
{
	struct ihash *t = &hostfs_sb(inode->sb)->inodes;
	const struct fh_place *p = hostfs_i(inode)->place; /* nobody else has it yet */
	struct inode *other;

	while ((other = ihash_add(t, &hostfs_i(inode)->node))) {
		if (!made && same_file(other, inode) &&
		    !(p && is_other_dir(other, p->dir, p->name))) {
			inode_put(inode);
			return other;
		}
		/* It has gone from there, but not from us: somebody still uses it. */
		ihash_remove(t, &hostfs_i(other)->node);
		inode_put(other);
	}
	return inode;
}

/*
 * The live inode under st's numbers, brought up to date; NULL if there is none, or if the host has
 * used the numbers again.
 */
static struct inode *hostfs_cached(struct super_block *sb, const struct kstat *st, struct fh *dir,
				   const char *name)
{
	struct hostfs_sb *hs = hostfs_sb(sb);
	struct inode *inode = ihash_find(&hs->inodes, st->dev, st->ino);
	int err;

	if (!inode)
		return NULL;
	if (!hostfs_same(inode, st) || (dir && is_other_dir(inode, dir, name))) {
		ihash_remove(&hs->inodes, &hostfs_i(inode)->node);
		inode_put(inode);
		return NULL;
	}
	err = found(inode, dir, name);
	if (err) {
		inode_put(inode);
		return ERR_PTR(err);
	}
	return inode;
}

struct inode *hostfs_iget(struct super_block *sb, const struct kstat *st, struct fh *dir,
			  const char *name)
{
	struct inode *inode = hostfs_cached(sb, st, dir, name);

	if (inode)
		return inode;
	inode = hostfs_new_inode(sb, st, dir, name);
	return inode ? hostfs_hash(inode, false) : ERR_PTR(-ENOMEM);
}

struct inode *hostfs_made(struct super_block *sb, const struct kstat *st, struct fh *dir,
			  const char *name)
{
	struct inode *inode = hostfs_new_inode(sb, st, dir, name);

	return inode ? hostfs_hash(inode, true) : ERR_PTR(-ENOMEM);
}

void hostfs_evict(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);

	if (!hi)
		return;
	ihash_remove(&hostfs_sb(inode->sb)->inodes, &hi->node);
	hostfs_handles_free(inode);
	fh_place_put(hi->place);
	fh_place_put(hi->other);
	if (S_ISLNK(inode->mode))
		kfree(hi->target);
	kfree(hi);
}
