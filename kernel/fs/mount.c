/*
 * The mount tree. A mount shows a tree of dentries (root and below) of a super block at a place:
 * (parent mount, mount point), an immutable struct mount_at which is replaced whole, so that walks
 * cross mounts under RCU without seeing halves of a move.
 *
 * mount_mutex (rank MOUNT) serialises changes: the tree's links, the list, the hash. Walks look up
 * the hash under RCU and take a reference unless the last is gone. The tree holds a reference on
 * each mount in it, a mount_at one on the parent and on the mount point. A mount that was detached
 * lives on for those who still use it; its `at` is NULL.
 */
#include "mount.h"

#define HASH_BUCKETS 64

struct mount *root_mount; /* constant after boot */
struct mutex mount_mutex;
CDS_LIST_HEAD(mount_list); /* mount_mutex */
u32 mount_seq;		   /* mount_mutex to write; atomic */
static int next_id = 20;   /* mount_mutex */
static int nr_mounts;	   /* mount_mutex: on the list */
static struct cds_lfht *hash_table;

int mount_init(void)
{
	mutex_init(&mount_mutex, "mounts", RANK_MOUNT);
	hash_table = cds_lfht_new_flavor(HASH_BUCKETS, HASH_BUCKETS, HASH_BUCKETS, 0,
					 &urcu_qsbr_flavor, NULL);
	return hash_table ? 0 : -ENOMEM;
}

/* ---- lookup ---- */

static unsigned long at_hash(const struct mount *mnt, const struct dentry *d)
{
	u64 h = ((uintptr_t)mnt >> 4) * 0x9e3779b97f4a7c15ULL ^ (uintptr_t)d >> 4;

	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

static int at_match(struct cds_lfht_node *node, const void *key)
{
	const struct mount_at *at = caa_container_of(node, struct mount_at, node);
	const struct path *k = key;

	rcu_node_observe(node);
	return at->parent == k->mnt && at->point == k->dentry;
}

struct mount *mount_lookup(const struct mount *mnt, const struct dentry *d)
{
	struct path key = {(struct mount *)mnt, (struct dentry *)d};
	struct cds_lfht_iter it;
	struct cds_lfht_node *node;

	rcu_check_reader();
	cds_lfht_lookup(hash_table, at_hash(mnt, d), at_match, &key, &it);
	node = cds_lfht_iter_get_node(&it);
	return node ? caa_container_of(node, struct mount_at, node)->mnt : NULL;
}

/* ---- references ---- */

struct mount *mnt_get(struct mount *m)
{
	if (m)
		__atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

bool mnt_tryget(struct mount *m)
{
	u32 refs;

	if (!m)
		return true;
	refs = load_relaxed(&m->refs);
	do {
		if (!refs)
			return false;
	} while (!__atomic_compare_exchange_n(&m->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

void mnt_put(struct mount *m)
{
	if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ASSERT(!m->at);
	d_put(m->root);
	sb_put(m->sb);
	kfree_rcu(m);
}

void path_get(const struct path *p)
{
	mnt_get(p->mnt);
	d_get(p->dentry);
}

void path_put(struct path *p)
{
	if (p->dentry)
		d_put(p->dentry);
	mnt_put(p->mnt);
	p->dentry = NULL;
	p->mnt = NULL;
}

/* ---- changes ---- */

/* A mount that is nowhere yet. */
struct mount *mount_alloc(struct super_block *sb, struct dentry *root, u64 flags)
{
	struct mount *m = kzalloc(sizeof(*m));

	if (!m)
		return NULL;
	m->refs = 1;
	m->flags = flags;
	m->root = d_get(root);
	sb_get(sb);
	m->sb = sb;
	CDS_INIT_LIST_HEAD(&m->link);
	CDS_INIT_LIST_HEAD(&m->children);
	CDS_INIT_LIST_HEAD(&m->sibling);
	return m;
}

static void changed(void)
{
	__atomic_fetch_add(&mount_seq, 1, __ATOMIC_SEQ_CST);
}

/* The topmost mount at a place; mount_mutex held. */
struct path mount_topmost(const struct path *where)
{
	struct path p = *where;
	struct mount *m;

	rcu_read_lock();
	while ((m = mount_lookup(p.mnt, p.dentry)))
		p = (struct path){m, m->root};
	rcu_read_unlock();
	return p;
}

bool mount_is_attached(const struct mount *m)
{
	return m == root_mount || m->at;
}

/*
 * Whoever removes the directory holds its lock, too, and then either sees that it is a mount point
 * or has left it dead.
 */
static int count_mounted(struct dentry *point)
{
	struct inode *inode = point->inode;
	int err = 0;

	down_write(&inode->lock);
	if (inode->state & INODE_DEAD)
		err = -ENOENT;
	else
		__atomic_fetch_add(&point->mounted, 1, __ATOMIC_RELEASE);
	up_write(&inode->lock);
	return err;
}

/* Puts m at a place. mount_mutex held. Takes references on the place. */
int mount_attach(struct mount *m, const struct path *where)
{
	struct mount_at *at = kzalloc(sizeof(*at));
	int err = at ? count_mounted(where->dentry) : -ENOMEM;

	if (err) {
		kfree(at);
		return err;
	}
	cds_lfht_node_init(&at->node);
	at->mnt = m;
	at->parent = mnt_get(where->mnt);
	at->point = d_get(where->dentry);
	cds_list_add_tail(&m->sibling, &where->mnt->children);
	rcu_assign_pointer(m->at, at);
	rcu_read_lock();
	rcu_node_publish(&at->node);
	cds_lfht_add(hash_table, at_hash(at->parent, at->point), &at->node);
	rcu_read_unlock();
	changed();
	return 0;
}

/* Takes m from its place; the caller puts *old when mount_mutex is free. */
static void detach(struct mount *m, struct path *old)
{
	struct mount_at *at = m->at;

	*old = (struct path){at->parent, at->point};
	rcu_read_lock();
	cds_lfht_del(hash_table, &at->node);
	rcu_read_unlock();
	__atomic_fetch_sub(&at->point->mounted, 1, __ATOMIC_RELEASE);
	cds_list_del_init(&m->sibling);
	rcu_assign_pointer(m->at, NULL);
	kfree_rcu(at);
	changed();
}

int mount_list_add(struct mount *m)
{
	if (nr_mounts >= MOUNTS_MAX)
		return -ENOSPC;
	nr_mounts++;
	m->id = ++next_id;
	cds_list_add_tail(&m->link, &mount_list);
	return 0;
}

int mount_root(struct super_block *sb, u64 flags)
{
	struct mount *m;

	if (root_mount)
		return -EBUSY;
	m = mount_alloc(sb, sb->root, flags);
	if (!m)
		return -ENOMEM;
	mutex_lock(&mount_mutex);
	if (mount_list_add(m))
		ASSERT(false); /* the first one */
	root_mount = m;
	mutex_unlock(&mount_mutex);
	return 0;
}

int mount_check_place(const struct path *where, const struct dentry *root)
{
	if (!where->mnt || !mount_is_attached(where->mnt))
		return -EINVAL;
	if (where->dentry->inode->state & INODE_DEAD)
		return -ENOENT;
	return S_ISDIR(where->dentry->inode->mode) == S_ISDIR(root->inode->mode) ? 0 : -ENOTDIR;
}

int mount_at(const struct path *where, struct super_block *sb, struct dentry *root, u64 flags)
{
	struct mount *m = mount_alloc(sb, root, flags);
	struct path p;
	int err;

	if (!m)
		return -ENOMEM;
	mutex_lock(&mount_mutex);
	p = mount_topmost(where);
	err = mount_check_place(&p, root);
	if (!err && nr_mounts >= MOUNTS_MAX)
		err = -ENOSPC;
	if (!err)
		err = mount_attach(m, &p);
	if (!err)
		err = mount_list_add(m);
	mutex_unlock(&mount_mutex);
	if (err)
		mnt_put(m);
	return err;
}

static void list_del(struct mount *m)
{
	cds_list_del_init(&m->link);
	nr_mounts--;
}

/* Is m below (or the same as) top? mount_mutex held. */
static bool mount_below(const struct mount *m, const struct mount *top)
{
	while (m != top && m->at)
		m = m->at->parent;
	return m == top;
}

int mount_move(const struct path *from, const struct path *to)
{
	struct mount *m = from->mnt;
	struct path old = {NULL, NULL}, p;
	int err = -EINVAL, detached = 0;

	mutex_lock(&mount_mutex);
	p = mount_topmost(to);
	if (from->dentry == m->root && m->at) {
		err = mount_check_place(&p, m->root);
		if (!err && mount_below(p.mnt, m))
			err = -ELOOP;
		if (!err) {
			detach(m, &old);
			err = mount_attach(m, &p);
			if (err)
				detached = mount_attach(
					m, &old); /* memory ran out twice: it is unmounted */
		}
	}
	if (detached)
		list_del(m);
	mutex_unlock(&mount_mutex);
	path_put(&old);
	if (detached)
		mnt_put(m);
	return err;
}

void mount_take_tree(struct mount *m, struct cds_list_head *out)
{
	struct mount *cur = m;

	/*
	 * Depth first without recursion: the deepest first child is taken, then its parent is
	 * looked at again.
	 */
	for (;;) {
		struct path old;
		struct mount *up;

		while (!cds_list_empty(&cur->children))
			cur = cds_list_first_entry(&cur->children, struct mount, sibling);
		up = cur->at ? cur->at->parent : NULL;
		if (cur->at)
			detach(cur, &old);
		else
			old = (struct path){NULL, NULL};
		if (!cds_list_empty(&cur->link))
			list_del(cur);
		cds_list_add_tail(&cur->link, out);
		path_put(&old); /* not the parent's last reference: it is the tree's, or our
				   caller's */
		if (cur == m)
			return;
		ASSERT(up); /* below m */
		cur = up;
	}
}

void mount_put_list(struct cds_list_head *gone)
{
	struct mount *m, *next;

	cds_list_for_each_entry_safe(m, next, gone, link) {
		cds_list_del_init(&m->link);
		mnt_put(m); /* the tree's */
	}
}

void mount_remove_all(void)
{
	CDS_LIST_HEAD(gone);

	mutex_lock(&mount_mutex);
	if (root_mount)
		mount_take_tree(root_mount, &gone);
	root_mount = NULL;
	mutex_unlock(&mount_mutex);
	mount_put_list(&gone);
}

int mount_remove(const struct path *target, bool lazy)
{
	struct mount *m = target->mnt;
	CDS_LIST_HEAD(gone);
	int err = 0;

	mutex_lock(&mount_mutex);
	if (!m || target->dentry != m->root || !mount_is_attached(m))
		err = -EINVAL;
	else if (m == root_mount)
		err = -EBUSY;
	/*
	 * One reference is the tree's, one the caller's. A walk that takes one now finds it
	 * detached.
	 */
	else if (!lazy && (!cds_list_empty(&m->children) || load_acquire(&m->refs) > 2))
		err = -EBUSY;
	else
		mount_take_tree(m, &gone);
	mutex_unlock(&mount_mutex);
	mount_put_list(&gone);
	return err;
}
