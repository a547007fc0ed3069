/*
 * hostfs inodes' handles: opened when they are first needed, shared by all who have the file open,
 * and taken along when the guest renames it.
 *
 * A handle is published in its slot while it is closed, and opened by the first get_fh(): a rename
 * meanwhile either finds it in the slot, or has given the inode the place that the handle gets
 * there (hostfs_settle).
 */
#include "kernel/fs/hostfs/hostfs.h"

#include "alloc.h"
#include "log.h"

static const int slot_flags[HANDLES] = {
	[H_PATH] = O_PATH,
	[H_RO] = O_RDONLY,
	[H_RW] = O_RDWR,
	[H_WO] = O_WRONLY,
	[H_DIRECT_RO] = O_RDONLY | O_DIRECT,
	[H_DIRECT_RW] = O_RDWR | O_DIRECT,
	[H_DIRECT_WO] = O_WRONLY | O_DIRECT,
};

/* ---- slots ---- */

struct fh **hostfs_slot(struct hostfs_inode *hi, int k)
{
	if (k < H_COMMON)
		return &hi->handle[k];
	return S_ISREG(hi->node.inode->mode) && hi->more ? &hi->more[k - H_COMMON] : NULL;
}

static int make_more(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh **more = kzalloc((HANDLES - H_COMMON) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	spin_lock(&inode->spin);
	if (!hi->more) {
		hi->more = more;
		more = NULL;
	}
	spin_unlock(&inode->spin);
	kfree(more);
	return 0;
}

int hostfs_all_handles(struct inode *inode, struct fh *h[HANDLES])
{
	int n = 0;

	spin_lock(&inode->spin);
	for (int k = 0; k < HANDLES; k++) {
		struct fh **slot = hostfs_slot(hostfs_i(inode), k);

		if (slot && *slot)
			h[n++] = fh_get(*slot);
	}
	spin_unlock(&inode->spin);
	return n;
}

static void put_handles(struct fh **h, int n)
{
	for (int i = 0; i < n; i++)
		fh_put(h[i]);
}

/* Of the slot, +1, or NULL. */
static struct fh *from_slot(struct inode *inode, int k)
{
	struct fh **slot, *h;

	spin_lock(&inode->spin);
	slot = hostfs_slot(hostfs_i(inode), k);
	h = slot && *slot ? fh_get(*slot) : NULL;
	spin_unlock(&inode->spin);
	return h;
}

struct fh_place *hostfs_settle(struct inode *inode, struct fh *h)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh_place *left;

	/* The root's has none, and is kept. */
	if (!hi->place || hi->unnamed)
		return NULL;
	left = fh_set_place(h, hi->place);
	fh_named(h);
	return left;
}

/*
 * Puts h (reference taken over) into the slot, unless one is there; what is there then, +1 for the
 * caller.
 */
static struct fh *publish(struct inode *inode, int k, struct fh *h)
{
	struct fh **slot, *there;
	struct fh_place *left = NULL;

	spin_lock(&inode->spin);
	slot = hostfs_slot(hostfs_i(inode), k);
	ASSERT(slot);
	if (!*slot) {
		*slot = h;
		left = hostfs_settle(inode, h);
	}
	there = fh_get(*slot);
	spin_unlock(&inode->spin);
	fh_place_put(left);
	if (there != h)
		fh_put(h);
	return there;
}

/* The slot's handle, made if there is none; +1. ERR_PTR. */
static struct fh *handle(struct inode *inode, int k, int more_flags)
{
	struct fh_id id = hostfs_id(inode);
	struct fh *h = from_slot(inode, k), *path;
	struct fh_place *p;
	int err = k < H_COMMON || h ? 0 : make_more(inode);

	if (err || h)
		return err ? ERR_PTR(err) : h;
	if (load_acquire(&hostfs_i(inode)->unnamed)) {
		path = k == H_PATH ? NULL : hostfs_any_handle(inode);
		h = path ? fh_open_again(path, slot_flags[k]) : ERR_PTR(-ESTALE);
		fh_put(path);
		return IS_ERR(h) ? h : publish(inode, k, h);
	}
	p = hostfs_place(inode);
	if (!p)
		return S_ISDIR(inode->mode) ? publish(inode, k, fh_get(hostfs_sb(inode->sb)->root))
					    : ERR_PTR(-ESTALE);
	h = fh_known(p, slot_flags[k] | more_flags, &id);
	if (!h) {
		fh_place_put(p);
		return ERR_PTR(-ENOMEM);
	}
	fh_place_put(p);
	return publish(inode, k, h);
}

struct fh *hostfs_path_handle(struct inode *inode)
{
	return handle(inode, H_PATH, 0);
}

/* ---- directories ---- */

/*
 * A directory's handle lives on when its inode is evicted, if files have it as their place. A new
 * inode of that directory takes it over, so that it goes along when the directory is renamed.
 */
struct orphan {
	struct cds_list_head link;
	struct fh_id id;
	struct fh *h; /* +1 */
};

/* Under hs->lock: moves those that nobody else has any more to `old`. */
static void sweep_orphans(struct hostfs_sb *hs, struct cds_list_head *old)
{
	struct orphan *o, *tmp;

	cds_list_for_each_entry_safe(o, tmp, &hs->orphans, link) {
		if (fh_shared(o->h))
			continue;
		cds_list_del(&o->link);
		cds_list_add(&o->link, old);
		hs->nr_orphans--;
	}
	hs->sweep_orphans = 2 * hs->nr_orphans + 64;
}

static void put_orphans(struct cds_list_head *list)
{
	struct orphan *o, *tmp;

	cds_list_for_each_entry_safe(o, tmp, list, link) {
		fh_put(o->h);
		kfree(o);
	}
}

static void orphan_add(struct hostfs_sb *hs, const struct fh_id *id, struct fh *h)
{
	struct orphan *o = kmalloc(sizeof(*o));
	CDS_LIST_HEAD(old);

	if (!o) { /* files below it may turn stale when it is renamed */
		fh_put(h);
		return;
	}
	*o = (struct orphan){.id = *id, .h = h};
	spin_lock(&hs->lock);
	if (hs->nr_orphans >= hs->sweep_orphans)
		sweep_orphans(hs, &old);
	cds_list_add(&o->link, &hs->orphans);
	hs->nr_orphans++;
	spin_unlock(&hs->lock);
	put_orphans(&old);
}

static struct fh *orphan_take(struct hostfs_sb *hs, const struct fh_id *id)
{
	struct orphan *o, *found = NULL;
	struct fh *h;

	if (!load_relaxed(&hs->nr_orphans))
		return NULL;
	spin_lock(&hs->lock);
	cds_list_for_each_entry(o, &hs->orphans, link) {
		if (fh_same_id(&o->id, id)) {
			found = o;
			cds_list_del(&o->link);
			hs->nr_orphans--;
			break;
		}
	}
	spin_unlock(&hs->lock);
	h = found ? found->h : NULL;
	kfree(found);
	return h;
}

void hostfs_adopt_orphan(struct inode *dir)
{
	struct fh_id id = hostfs_id(dir);
	struct fh *h = orphan_take(hostfs_sb(dir->sb), &id);

	if (h)
		fh_put(publish(dir, H_PATH, h));
}

struct fh *hostfs_dir(struct inode *dir)
{
	struct hostfs_inode *hi = hostfs_i(dir);
	struct fh *h;

	spin_lock(&dir->spin);
	h = hi->handle[H_PATH];
	spin_unlock(&dir->spin);
	if (h)
		return h;
	hostfs_adopt_orphan(dir);
	h = handle(dir, H_PATH, O_DIRECTORY);
	if (!IS_ERR(h))
		fh_put(h); /* the slot's reference is enough */
	return h;
}

void hostfs_orphans_free(struct hostfs_sb *hs)
{
	put_orphans(&hs->orphans);
}

void hostfs_handles_free(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh_id id = hostfs_id(inode);

	for (int k = 0; k < H_COMMON; k++) {
		struct fh *h = hi->handle[k];

		if (k == H_PATH && S_ISDIR(inode->mode) && h && fh_shared(h) && hi->place)
			orphan_add(hostfs_sb(inode->sb), &id, h);
		else
			fh_put(h);
	}
	if (S_ISREG(inode->mode) && hi->more) {
		for (int k = 0; k < HANDLES - H_COMMON; k++)
			fh_put(hi->more[k]);
		kfree(hi->more);
	}
}

/* ---- files ---- */

/* h, pinned, was made while the inode had a name, but maybe opened when that was on its way out. */
static void keep_if_unnamed(struct inode *inode, struct fh *h)
{
	spin_lock(&inode->spin);
	if (hostfs_i(inode)->unnamed)
		fh_keep(h);
	spin_unlock(&inode->spin);
}

struct fh *hostfs_open_handle(struct inode *inode, bool read, bool write, bool direct)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	int k = (write ? H_RW : H_RO) + (direct ? H_DIRECT : 0), fd;
	struct fh *h;

	spin_lock(&inode->spin);
	hi->opens++;
	spin_unlock(&inode->spin);
	for (;;) {
		h = handle(inode, k, 0);
		fd = IS_ERR(h) ? (int)PTR_ERR(h) : get_fh(h);
		if (fd >= 0) {
			keep_if_unnamed(inode, h);
			put_fh(h);
			return h;
		}
		if (!IS_ERR(h))
			fh_put(h);
		/* A file that the host lets us only write: it can't be mapped. */
		if (fd != -EACCES || read || k % H_DIRECT != H_RW)
			break;
		k += H_WO - H_RW;
	}
	hostfs_close_handle(inode, NULL);
	return ERR_PTR(fd);
}

/*
 * A file's handles, if nobody has it open: all, or those that keep a descriptor although there is a
 * name. They leave their slots; for the caller to put; how many. inode->spin.
 */
static int take_unused(struct inode *inode, bool all, struct fh *h[HANDLES])
{
	struct hostfs_inode *hi = hostfs_i(inode);
	int n = 0;

	if (hi->opens || hi->unnamed)
		return 0;
	for (int k = 0; k < HANDLES; k++) {
		struct fh **slot = hostfs_slot(hi, k);

		if (!slot || !*slot || !(all || fh_kept(*slot)))
			continue;
		h[n++] = *slot;
		*slot = NULL;
	}
	return n;
}

void hostfs_close_handle(struct inode *inode, struct fh *h)
{
	struct fh *unused[HANDLES];
	int n;

	spin_lock(&inode->spin);
	hostfs_i(inode)->opens--;
	n = take_unused(inode, !hostfs_sb(inode->sb)->opt.exclusive, unused);
	spin_unlock(&inode->spin);
	put_handles(unused, n);
	fh_put(h);
}

void hostfs_adopt(struct inode *inode, struct fh *h)
{
	fh_put(publish(inode, S_ISDIR(inode->mode) ? H_PATH : H_RW, h));
}

/* Those with which everything can be done first. */
struct fh *hostfs_any_handle(struct inode *inode)
{
	static const int order[] = {H_RW,	 H_RO,	      H_WO,	  H_PATH,
				    H_DIRECT_RW, H_DIRECT_RO, H_DIRECT_WO};
	struct fh *h = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(order) && !h; i++)
		h = from_slot(inode, order[i]);
	return h;
}

/* By the place p. ERR_PTR(-ESTALE): it isn't there. */
static struct fh *open_at_place(struct inode *inode, struct fh_place *p)
{
	struct fh_id id = hostfs_id(inode);
	struct fh *h = fh_known(p, O_PATH, &id);
	int err;

	if (!h)
		return ERR_PTR(-ENOMEM);
	err = min(get_fh(h), 0);
	if (!err) {
		put_fh(h);
		return h;
	}
	fh_put(h);
	return ERR_PTR(err);
}

static bool is_at_place(struct inode *inode, const struct fh_place *p)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool is;

	spin_lock(&inode->spin);
	is = hi->place == p && !hi->unnamed;
	spin_unlock(&inode->spin);
	return is;
}

struct fh *hostfs_get_handle(struct inode *inode)
{
	struct fh_place *p;
	struct fh *h;
	bool again;

	do {
		h = hostfs_any_handle(inode);
		if (h)
			return h;
		if (load_acquire(&hostfs_i(inode)->unnamed))
			return ERR_PTR(-ENOENT);
		p = hostfs_place(inode);
		if (!p)
			return fh_get(hostfs_sb(inode->sb)->root);
		h = open_at_place(inode, p);
		/*
		 * get_fh() has waited for the renames under way. Has one of them given it another
		 * place?
		 */
		again = h == ERR_PTR(-ESTALE) && !is_at_place(inode, p);
		fh_place_put(p);
	} while (again);
	return h == ERR_PTR(-ESTALE) ? ERR_PTR(-ENOENT) : h;
}

int hostfs_link_into(struct inode *inode, struct fh *dir, const char *name)
{
	struct fh *h = hostfs_get_handle(inode);
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	err = fh_link_into(h, dir, name);
	fh_put(h);
	return err == -ESTALE ? -ENOENT : err;
}

/* ---- permissions ---- */

int hostfs_pin_all(struct inode *inode, struct fh *h[HANDLES])
{
	int n = hostfs_all_handles(inode, h), pinned = 0;

	for (int i = 0; i < n; i++) {
		if (get_fh(h[i]) < 0)
			fh_put(h[i]); /* couldn't be opened before, either */
		else
			h[pinned++] = h[i];
	}
	return pinned;
}

void hostfs_unpin_all(struct inode *inode, struct fh **h, int n)
{
	struct fh *unused[HANDLES];
	int nr_unused;

	for (int i = 0; i < n; i++) {
		fh_check_reopen(h[i]);
		put_fh(h[i]);
		fh_put(h[i]);
	}
	if (!n)
		return;
	spin_lock(&inode->spin);
	nr_unused = take_unused(inode, false, unused);
	spin_unlock(&inode->spin);
	put_handles(unused, nr_unused);
}
