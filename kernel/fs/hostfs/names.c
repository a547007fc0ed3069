/*
 * Names of hostfs inodes: where a file is found, and what becomes of its handles when it isn't
 * found there any more.
 *
 * Two names are known of a file that has several: its place, and another one for when that goes.
 * Both, `unnamed`, the places of the handles in the slots and whether these are kept change
 * together, under inode->spin. Who removes a name makes it one that isn't known first
 * (hostfs_name_goes), with its directory locked: so of two who remove the last two names one finds
 * that there is no other.
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
	store_release(&hi->unnamed, false);
	for (int k = 0; k < HANDLES; k++) {
		struct fh **slot = hostfs_slot(hi, k);

		if (slot && *slot)
			l->p[l->n++] = hostfs_settle(inode, *slot);
	}
}

void hostfs_moved(struct inode *inode, const struct fh_place *from, struct fh_place *to)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh_place *place;
	struct left l = {.n = 0};

	spin_lock(&inode->spin);
	place = hi->place;
	/* Not that one has gone: it is the other one from now on. */
	if (place && !hi->unnamed && !S_ISDIR(inode->mode) &&
	    !(from && fh_is_place(place, from->dir, from->name))) {
		hi->place = hi->other;
		hi->other = place;
	}
	set_place(inode, fh_place_get(to), &l);
	spin_unlock(&inode->spin);
	put_left(&l);
	if (S_ISDIR(inode->mode))
		hostfs_adopt_orphan(inode);
}

bool hostfs_is_new_name(struct inode *inode, const struct fh *dir, const char *name)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool is_new;

	spin_lock(&inode->spin);
	is_new = hi->unnamed || (hi->place && !fh_is_place(hi->place, dir, name) &&
				 !(hostfs_sb(inode->sb)->opt.exclusive && hi->other));
	spin_unlock(&inode->spin);
	return is_new;
}

void hostfs_has_name(struct inode *inode, struct fh_place *p)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct left l = {.n = 0};

	spin_lock(&inode->spin);
	if (hi->unnamed)
		set_place(inode, fh_place_get(p), &l);
	else if (!hi->other && !fh_is_place(hi->place, p->dir, p->name))
		hi->other = fh_place_get(p);
	spin_unlock(&inode->spin);
	put_left(&l);
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
		/*
		 * It has gone already, without us; or the host won't give us another descriptor of
		 * it than those we have.
		 */
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

/*
 * (dir, name) is all that is known, and these are all handles: they keep their descriptors. False:
 * not so, any more.
 */
static bool keep_handles(struct inode *inode, const struct fh *dir, const char *name,
			 const struct handles *s)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool so;

	spin_lock(&inode->spin);
	so = !hi->unnamed && !hi->other && fh_is_place(hi->place, dir, name) && are_all(inode, s);
	for (int i = 0; so && i < s->n; i++)
		if (s->pinned[i])
			fh_keep(s->h[i]);
	if (so)
		store_release(&hi->unnamed, true);
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

/*
 * Is (dir, name), which is about to go, where the inode is found? Then *other is what else is
 * known, +1, or NULL. If it is that other one, it is forgotten.
 */
static bool is_its_place(struct inode *inode, const struct fh *dir, const char *name,
			 struct fh_place **other)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	struct fh_place *gone = NULL;
	bool is;

	spin_lock(&inode->spin);
	if (fh_is_place(hi->other, dir, name)) {
		gone = hi->other;
		hi->other = NULL;
	}
	is = !hi->unnamed && fh_is_place(hi->place, dir, name);
	*other = is && hi->other ? fh_place_get(hi->other) : NULL;
	spin_unlock(&inode->spin);
	fh_place_put(gone);
	return is;
}

static bool is_found_at(struct inode *inode, struct fh *dir, const char *name)
{
	struct kstat st;

	return !fh_stat_at(dir, name, &st) && hostfs_same(inode, &st);
}

/*
 * Its place from now on, if it still is a name of the inode; else it is forgotten. Unless others
 * have made it something else meanwhile.
 */
static void go_to_other(struct inode *inode, struct fh_place *other)
{
	struct hostfs_inode *hi = hostfs_i(inode);
	bool found = is_found_at(inode, other->dir, other->name);
	struct left l = {.n = 0};

	spin_lock(&inode->spin);
	if (hi->other == other) {
		hi->other = NULL;
		if (found)
			set_place(inode, other, &l); /* takes over what `other` had */
		else
			l.p[l.n++] = other;
	}
	spin_unlock(&inode->spin);
	put_left(&l);
}

int hostfs_name_goes(struct inode *inode, struct fh *dir, const char *name, bool in_use)
{
	struct fh_place *other;
	int err = -ESTALE;

	if (S_ISDIR(inode->mode))
		return 0;
	in_use = in_use || load_relaxed(&inode->nlink) > 1;
	while (err == -ESTALE && is_its_place(inode, dir, name, &other)) {
		if (other)
			go_to_other(inode, other);
		else
			err = unname(inode, dir, name, in_use);
		fh_place_put(other);
	}
	return err == -ESTALE ? 0 : err;
}

void hostfs_name_stays(struct inode *inode, struct fh *dir, const char *name)
{
	struct fh_place *p;

	/* Maybe it has gone without us, or is another's: then what is kept stays so. */
	if (S_ISDIR(inode->mode) || !is_found_at(inode, dir, name))
		return;
	p = fh_place_new(dir, name);
	if (IS_ERR(p))
		return;
	hostfs_has_name(inode, p);
	fh_place_put(p);
}
