/*
 * Names of hostfs inodes: where a file is found, and what becomes of its handles when it isn't found there any more.
 *
 * The place, `unnamed`, the places of the handles in the slots and whether these are kept change together, under inode->spin.
 */
#include "kernel/fs/hostfs/hostfs.h"

struct fh_place *hostfs_place(struct inode *inode)
{
	struct fh_place *p;

	spin_lock(&inode->spin);
	p = hostfs_i(inode)->place;
	if (p)
		fh_place_get(p);
	spin_unlock(&inode->spin);
	return p;
}

/* Places that nobody refers to any more, to be put without the spinlock. */
struct left {
	struct fh_place *p[HANDLES + 1];
	int n;
};

static void put_left(struct left *l)
{
	while (l->n)
		fh_place_put(l->p[--l->n]);
}

/* p, taken over, is the place now, also of the handles. inode->spin. */
static void set_place(struct inode *inode, struct fh_place *p, struct left *l)
{
	struct hostfs_inode *hi = hostfs_i(inode);

	l->p[l->n++] = hi->place;
	hi->place = p;
	__atomic_store_n(&hi->unnamed, false, __ATOMIC_RELEASE);
	for (int k = 0; k < HANDLES; k++) {
		struct fh **slot = hostfs_slot(hi, k);

		if (slot && *slot)
			l->p[l->n++] = hostfs_settle(inode, *slot);
	}
}

void hostfs_moved(struct inode *inode, struct fh_place *p)
{
	struct left l = {.n = 0};

	spin_lock(&inode->spin);
	set_place(inode, fh_place_get(p), &l);
	spin_unlock(&inode->spin);
	put_left(&l);
	if (S_ISDIR(inode->mode))
		hostfs_adopt_orphan(inode);
}

/* ---- names that go ---- */

/* What is in the slots, +1; and what of it is open, and pinned. */
struct handles {
	struct fh *h[HANDLES];
	bool pinned[HANDLES];
	int n;
};

static void put_handles(struct handles *s)
{
	while (s->n--) {
		if (s->pinned[s->n])
			put_fh(s->h[s->n]);
		fh_put(s->h[s->n]);
	}
}

/* To be put, also on failure: -errno, not all of them can be opened. */
static int pin_handles(struct inode *inode, struct handles *s)
{
	int err = 0;

	*s = (struct handles){.n = 0};
	s->n = hostfs_all_handles(inode, s->h);
	for (int i = 0; i < s->n && !err; i++) {
		err = min(get_fh(s->h[i]), 0);
		s->pinned[i] = !err;
		/* It has gone already, without us; or the host won't give us another descriptor of it than those we have. */
		if (err == -ESTALE || err == -EACCES || err == -EPERM)
			err = 0;
	}
	return err;
}

static bool is_among(const struct handles *s, const struct fh *h)
{
	for (int i = 0; i < s->n; i++)
		if (s->h[i] == h)
			return true;
	return false;
}

/* Are these what is in the slots still? inode->spin. */
static bool are_all(struct inode *inode, const struct handles *s)
{
	int n = 0;

	for (int k = 0; k < HANDLES; k++) {
		struct fh **slot = hostfs_slot(hostfs_i(inode), k);

		if (!slot || !*slot)
			continue;
		if (!is_among(s, *slot))
			return false;
		n++;
	}
	return n == s->n;
}

/* It is found at (dir, name), and these are all handles: they keep their descriptors. False: not so, any more. */
static bool keep_handles(struct inode *inode, const struct fh *dir, const char *name,
			 const struct handles *s)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool so;

	spin_lock(&inode->spin);
	so = !hi->unnamed && fh_is_place(hi->place, dir, name) && are_all(inode, s);
	for (int i = 0; so && i < s->n; i++)
		if (s->pinned[i])
			fh_keep(s->h[i]);
	if (so)
		__atomic_store_n(&hi->unnamed, true, __ATOMIC_RELEASE);
	spin_unlock(&inode->spin);
	return so;
}

/* in_use: there has to be a handle. -ESTALE: things are not what they were. */
static int unname(struct inode *inode, const struct fh *dir, const char *name, bool in_use)
{
	struct fh *h = hostfs_any_handle(inode);
	struct handles s;
	int err;

	if (!h && in_use) {
		h = hostfs_path_handle(inode);
		if (IS_ERR(h))
			return PTR_ERR(h);
	}
	err = pin_handles(inode, &s);
	/* Without it: who closed the last file a moment ago has taken all. */
	if (!err && ((in_use && !s.n) || !keep_handles(inode, dir, name, &s)))
		err = -ESTALE;
	put_handles(&s);
	fh_put(h);
	return err;
}

static bool is_its_place(struct inode *inode, const struct fh *dir, const char *name)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool is;

	spin_lock(&inode->spin);
	is = !hi->unnamed && fh_is_place(hi->place, dir, name);
	spin_unlock(&inode->spin);
	return is;
}

int hostfs_name_goes(struct inode *inode, struct fh *dir, const char *name, bool in_use)
{
	int err = -ESTALE;

	if (S_ISDIR(inode->mode))
		return 0;
	in_use = in_use || __atomic_load_n(&inode->nlink, __ATOMIC_RELAXED) > 1;
	while (err == -ESTALE && is_its_place(inode, dir, name))
		err = unname(inode, dir, name, in_use);
	return err == -ESTALE ? 0 : err;
}

void hostfs_not_unnamed(struct inode *inode)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct left l = {.n = 0};

	spin_lock(&inode->spin);
	if (hi->unnamed && hi->place)
		set_place(inode, fh_place_get(hi->place), &l);
	spin_unlock(&inode->spin);
	put_left(&l);
}
