/*
 * The dentry cache.
 *
 * A dentry is found by (directory, name) in a lock-free hash table of struct dname. A reader under
 * RCU takes a reference (d_tryget) unless the dentry is dead, and is then as good as any other
 * holder. Refs at 0 mean "only cached": it stays in the table and on the LRU list until memory is
 * wanted; whoever moves refs from 0 to DENTRY_DEAD owns it and frees it. A dentry holds a reference
 * on its directory's, so a cached name keeps its path cached.
 *
 * What the LRU holds is bounded (MAX_UNUSED): whoever adds one too many evicts the oldest. The
 * second chance is a bit that each use sets.
 *
 * Locks: the directory's inode lock orders lookups that miss, creations and removals of names.
 * dentry->lock: its children list, its own name and parent, and whether that name is hashed.
 * lru_lock: the list. rename_lock comes first; of lru_lock and all dentries' locks one is held at a
 * time.
 */
#include "kernel/fs/notify/notify.h"
#include "fh.h"
#include "vfs.h"

#define HASH_BUCKETS 16384
#define MAX_UNUSED 32768u
#define EVICT_BATCH 64

static struct cds_lfht *hash_table; /* constant after boot */
static struct spinlock lru_lock = SPINLOCK_INIT("dcache_lru", RANK_DCACHE);
static CDS_LIST_HEAD(lru); /* lru_lock; oldest first */
static u32 lru_count;	   /* lru_lock to write */
static struct spinlock rename_lock = SPINLOCK_INIT("rename", RANK_DCACHE);
u32 rename_seq;			       /* rename_lock to write; atomic */
static struct wait_queue killers_wait; /* of sb->killers to reach 0 */

static unsigned forget_some(void);

int dcache_init(void)
{
	wait_queue_init(&killers_wait);
	fh_forget_names = forget_some;
	hash_table = cds_lfht_new_flavor(HASH_BUCKETS, HASH_BUCKETS, HASH_BUCKETS, 0,
					 &urcu_qsbr_flavor, NULL);
	return hash_table ? 0 : -ENOMEM;
}

u64 dcache_unused(void)
{
	return load_relaxed(&lru_count);
}

/* ---- names ---- */

static unsigned long name_hash(const struct dentry *dir, const char *name, size_t len)
{
	const u64 k = 0x9e3779b97f4a7c15ULL;
	u64 h = ((uintptr_t)dir >> 5) * k, w;

	for (; len >= 8; len -= 8, name += 8) {
		memcpy(&w, name, 8);
		h = (h ^ w) * k;
		h ^= h >> 29;
	}
	w = len;
	for (size_t i = 0; i < len; i++)
		w = w << 8 | (u8)name[i];
	h = (h ^ w) * k;
	return h ^ h >> 32;
}

struct dname *dname_alloc(const struct dentry *dir, const char *name, size_t len)
{
	struct dname *dn = kmalloc(sizeof(*dn) + len + 1);

	if (!dn)
		return NULL;
	cds_lfht_node_init(&dn->node);
	dn->parent = dir;
	dn->dentry = NULL;
	dn->len = len;
	dn->hash = name_hash(dir, name, len);
	memcpy(dn->str, name, len);
	dn->str[len] = 0;
	return dn;
}

void dname_free(struct dname *dn)
{
	kfree(dn);
}

static void dname_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct dname, rcu));
}

struct name_key {
	const struct dentry *dir;
	const char *name;
	size_t len;
};

static int name_match(struct cds_lfht_node *node, const void *key)
{
	const struct dname *dn = caa_container_of(node, struct dname, node);
	const struct name_key *k = key;

	rcu_node_observe(node);
	return dn->parent == k->dir && dn->len == k->len && !memcmp(dn->str, k->name, k->len);
}

struct dentry *d_find(const struct dentry *dir, const char *name, size_t len)
{
	struct name_key key = {dir, name, len};
	struct cds_lfht_iter it;
	struct cds_lfht_node *node;

	rcu_check_reader();
	/* Two may match for a moment, when one is on its way out. */
	cds_lfht_lookup(hash_table, name_hash(dir, name, len), name_match, &key, &it);
	while ((node = cds_lfht_iter_get_node(&it))) {
		struct dname *dn = caa_container_of(node, struct dname, node);
		struct dentry *d = dn->dentry;

		if (rcu_dereference(d->dn) == dn && !(load_relaxed(&d->refs) & DENTRY_DEAD))
			return d;
		cds_lfht_next_duplicate(hash_table, name_match, &key, &it);
	}
	return NULL;
}

/* The directory's inode lock is held for writing, so nobody else adds this name. */
static void hash_add_locked(struct dentry *d)
{
	lockdep_assert_held(&d->lock);
	__atomic_fetch_or(&d->flags, DENTRY_HASHED, __ATOMIC_RELAXED);
	rcu_read_lock();
	rcu_node_publish(&d->dn->node);
	cds_lfht_add(hash_table, d->dn->hash, &d->dn->node);
	rcu_read_unlock();
}

static void hash_add(struct dentry *d)
{
	spin_lock(&d->lock);
	hash_add_locked(d);
	spin_unlock(&d->lock);
}

/* d->lock held. */
static void unhash_locked(struct dentry *d)
{
	lockdep_assert_held(&d->lock);
	if (!(__atomic_fetch_and(&d->flags, ~DENTRY_HASHED, __ATOMIC_RELEASE) & DENTRY_HASHED))
		return;
	rcu_read_lock();
	cds_lfht_del(hash_table, &d->dn->node);
	rcu_read_unlock();
}

void d_drop(struct dentry *d)
{
	spin_lock(&d->lock);
	unhash_locked(d);
	spin_unlock(&d->lock);
}

/* ---- birth ---- */

static struct dentry *dentry_alloc(struct super_block *sb)
{
	struct dentry *d = kzalloc(sizeof(*d));

	if (!d)
		return NULL;
	d->refs = 1;
	d->sb = sb;
	spin_init(&d->lock, "dentry", RANK_DCACHE);
	CDS_INIT_LIST_HEAD(&d->children);
	CDS_INIT_LIST_HEAD(&d->sibling);
	CDS_INIT_LIST_HEAD(&d->lru);
	__atomic_fetch_add(&sb->dentries, 1, __ATOMIC_RELAXED);
	return d;
}

static void set_name(struct dentry *d, struct dname *dn)
{
	dn->dentry = d;
	rcu_assign_pointer(d->name, dn->str);
	d->name_len = dn->len;
	rcu_assign_pointer(d->dn, dn);
}

struct dentry *d_alloc(struct dentry *parent, const char *name, size_t len)
{
	struct dname *dn = dname_alloc(parent, name, len);
	struct dentry *d = dn ? dentry_alloc(parent->sb) : NULL;

	if (!d) {
		kfree(dn);
		return NULL;
	}
	set_name(d, dn);
	d->parent = d_get(parent);
	spin_lock(&parent->lock);
	cds_list_add_tail(&d->sibling, &parent->children);
	spin_unlock(&parent->lock);
	return d;
}

static struct dentry *alloc_alone(struct super_block *sb, struct inode *inode, const char *name,
				  u32 flags)
{
	struct dname *dn = dname_alloc(NULL, name, strlen(name));
	struct dentry *d = dn ? dentry_alloc(sb) : NULL;

	if (!d) {
		kfree(dn);
		inode_put(inode);
		return NULL;
	}
	set_name(d, dn);
	d->parent = d;
	d->flags = flags;
	d->inode = inode;
	return d;
}

struct dentry *d_alloc_root(struct super_block *sb, struct inode *root)
{
	return alloc_alone(sb, root, "/", 0);
}

struct dentry *d_alloc_anon(struct super_block *sb, struct inode *inode, const char *name)
{
	return alloc_alone(sb, inode, name, DENTRY_DISCONNECTED);
}

void d_instantiate(struct dentry *d, struct inode *inode)
{
	ASSERT(!d->inode);
	rcu_assign_pointer(d->inode, inode);
}

void d_make_negative(struct dentry *d)
{
	struct dentry *n;

	if (!(d_flags(d) & DENTRY_HASHED))
		return;
	d_drop(d);
	if (d->sb->no_dcache)
		return;
	n = d_alloc(d->parent, d->name, d->name_len);
	if (!n)
		return; /* the next lookup asks the file system */
	hash_add(n);
	d_put(n);
}

/* ---- references and death ---- */

struct dentry *d_get(struct dentry *d)
{
	__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

bool d_tryget(struct dentry *d)
{
	u32 refs = load_relaxed(&d->refs);

	do {
		if (refs & DENTRY_DEAD)
			return false;
	} while (!__atomic_compare_exchange_n(&d->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

/* Makes an unused dentry ours to free. Under RCU, or where it can't go away. */
static bool d_claim(struct dentry *d)
{
	u32 none = 0;

	return __atomic_compare_exchange_n(&d->refs, &none, DENTRY_DEAD, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static void lru_add_locked(struct dentry *d)
{
	__atomic_fetch_or(&d->flags, DENTRY_ON_LRU, __ATOMIC_SEQ_CST);
	cds_list_add_tail(&d->lru, &lru);
	__atomic_fetch_add(&lru_count, 1, __ATOMIC_RELAXED);
}

static void lru_del_locked(struct dentry *d)
{
	lockdep_assert_held(&lru_lock);
	cds_list_del_init(&d->lru);
	__atomic_fetch_and(&d->flags, ~(DENTRY_ON_LRU | DENTRY_REFERENCED), __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&lru_count, 1, __ATOMIC_RELAXED);
}

static void dentry_free_rcu(struct rcu_head *head)
{
	struct dentry *d = caa_container_of(head, struct dentry, rcu);

	kfree(d->dn);
	kfree(d);
}

/* Frees a claimed dentry; returns its directory, whose reference the caller puts. */
static struct dentry *d_kill(struct dentry *d)
{
	struct dentry *parent = d->parent == d ? NULL : d->parent;
	struct super_block *sb = d->sb;
	struct inode *inode = d->inode;

	spin_lock(&lru_lock);
	if (d_flags(d) & DENTRY_ON_LRU)
		lru_del_locked(d);
	spin_unlock(&lru_lock);
	d_drop(d);
	if (parent) {
		spin_lock(&parent->lock);
		cds_list_del_init(&d->sibling);
		spin_unlock(&parent->lock);
	}
	if (sb->ops && sb->ops->d_release)
		sb->ops->d_release(d);
	call_rcu(&d->rcu, dentry_free_rcu);
	if (inode) {
		notify_inode_unused(inode);
		inode_put(inode);
	}
	__atomic_fetch_sub(&sb->dentries, 1, __ATOMIC_RELEASE);
	return parent;
}

/*
 * Chooses up to EVICT_BATCH of the oldest beyond `most` that nobody uses and claims them. Their
 * super blocks must outlive the killing: killers.
 */
static int choose_victims(struct dentry **victim, u32 most)
{
	int n = 0;

	spin_lock(&lru_lock);
	for (int scan = 4 * EVICT_BATCH; scan && n < EVICT_BATCH && lru_count > most; scan--) {
		struct dentry *d = cds_list_first_entry(&lru, struct dentry, lru);

		if (d_flags(d) & DENTRY_REFERENCED) {
			__atomic_fetch_and(&d->flags, ~DENTRY_REFERENCED, __ATOMIC_SEQ_CST);
			cds_list_del(&d->lru);
			cds_list_add_tail(&d->lru, &lru);
		} else if (d_claim(d)) {
			lru_del_locked(d);
			__atomic_fetch_add(&d->sb->killers, 1, __ATOMIC_RELAXED);
			victim[n++] = d;
		} else {
			/*
			 * In use: the last one who puts it brings it back, unless it just did and
			 * saw it here.
			 */
			lru_del_locked(d);
			if (!__atomic_load_n(&d->refs, __ATOMIC_SEQ_CST))
				lru_add_locked(d);
		}
	}
	spin_unlock(&lru_lock);
	return n;
}

static struct dentry *put_one(struct dentry *d);

static void killer_done(struct super_block *sb)
{
	if (!__atomic_sub_fetch(&sb->killers, 1, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&sb->dying, __ATOMIC_SEQ_CST))
		wake_up_all(&killers_wait);
}

static int evict_batch(u32 most)
{
	struct dentry *victim[EVICT_BATCH];
	int n = choose_victims(victim, most);

	for (int i = 0; i < n; i++) {
		struct super_block *sb = victim[i]->sb;
		struct dentry *parent = d_kill(victim[i]);

		/* An unused parent goes on the list; no loop of evictions from here. */
		while (parent)
			parent = put_one(parent);
		rcu_read_lock();
		killer_done(sb);
		rcu_read_unlock();
	}
	return n;
}

/* Drops a reference. If that frees d, the directory whose reference is to be dropped next. */
static struct dentry *put_one(struct dentry *d)
{
	u32 flags;

	rcu_read_lock(); /* d may be freed by others as soon as we have let go */
	if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_SEQ_CST)) {
		rcu_read_unlock();
		return NULL;
	}
	flags = __atomic_load_n(&d->flags, __ATOMIC_SEQ_CST);
	if (!(flags & DENTRY_HASHED) || d->sb->no_dcache || load_relaxed(&d->sb->dying)) {
		bool ours = d_claim(d);

		rcu_read_unlock();
		return ours ? d_kill(d) : NULL;
	}
	if (flags & DENTRY_ON_LRU) {
		if (!(flags & DENTRY_REFERENCED))
			__atomic_fetch_or(&d->flags, DENTRY_REFERENCED, __ATOMIC_RELAXED);
	} else {
		spin_lock(&lru_lock);
		/* Dead ones have been here already: see d_kill(). */
		if (!(__atomic_load_n(&d->refs, __ATOMIC_SEQ_CST) & DENTRY_DEAD) &&
		    !(d_flags(d) & DENTRY_ON_LRU))
			lru_add_locked(d);
		spin_unlock(&lru_lock);
	}
	rcu_read_unlock();
	return NULL;
}

static bool evicting; /* atomic */

/*
 * One task at a time: to evict an inode may put other dentries (an overlay's layers), and must not
 * lead here again. Who finds it being done leaves it at that; the one who does it sees to what the
 * others have added, but not for ever.
 */
static void evict_oldest(void)
{
	if (__atomic_exchange_n(&evicting, true, __ATOMIC_ACQUIRE))
		return;
	for (int i = 0; i < 16 && load_relaxed(&lru_count) > MAX_UNUSED; i++)
		(void)evict_batch(MAX_UNUSED - EVICT_BATCH);
	store_release(&evicting, false);
}

/* However few there are. A batch may be all second chances: then the next one isn't. */
static unsigned forget_some(void)
{
	u32 batches = 2 + dcache_unused() / EVICT_BATCH;
	unsigned n = 0;

	if (__atomic_exchange_n(&evicting, true, __ATOMIC_ACQUIRE))
		return 0;
	while (!n && dcache_unused() && batches--)
		n = evict_batch(0);
	store_release(&evicting, false);
	return n;
}

void d_put(struct dentry *d)
{
	while (d)
		d = put_one(d);
	if (unlikely(load_relaxed(&lru_count) > MAX_UNUSED))
		evict_oldest();
}

void d_prune_children(struct dentry *dir)
{
	struct dentry *d, *tmp, *victim[32];
	int n;

	do {
		n = 0;
		spin_lock(&dir->lock);
		cds_list_for_each_entry_safe(d, tmp, &dir->children, sibling) {
			if (n == ARRAY_SIZE(victim))
				break;
			if (d_claim(d))
				victim[n++] = d;
		}
		spin_unlock(&dir->lock);
		for (int i = 0; i < n; i++)
			d_put(d_kill(victim[i]));
	} while (n);
}

static bool no_killers(void *sb)
{
	return !__atomic_load_n(&((struct super_block *)sb)->killers, __ATOMIC_SEQ_CST);
}

void dcache_forget_super(struct super_block *sb)
{
	const struct wait_opts opts = {.state = KT_UNINTERRUPTIBLE};
	struct dentry *d, *tmp;
	CDS_LIST_HEAD(victims);

	__atomic_store_n(&sb->dying, true, __ATOMIC_SEQ_CST);
	spin_lock(&lru_lock);
	cds_list_for_each_entry_safe(d, tmp, &lru, lru) {
		if (d->sb != sb || !d_claim(d))
			continue;
		lru_del_locked(d);
		cds_list_add_tail(&d->lru, &victims);
	}
	spin_unlock(&lru_lock);
	cds_list_for_each_entry_safe(d, tmp, &victims, lru) {
		struct dentry *parent;

		cds_list_del_init(&d->lru);
		parent = d_kill(d);
		while (parent)
			parent = put_one(parent); /* dying: nothing gets on the list again */
	}
	if (wait_event(&killers_wait, no_killers, sb, &opts))
		ASSERT(false);
}

/* ---- lookup ---- */

bool d_wants_revalidate(const struct dentry *dir, const struct dentry *d)
{
	const struct inode *inode = d_inode(d);

	if (!inode)
		inode = dir->inode;
	return inode->ops && inode->ops->revalidate;
}

static bool still_valid(struct dentry *dir, struct dentry *d)
{
	const struct inode *inode = d_inode(d);

	return !d_wants_revalidate(dir, d) || (inode ? inode : dir->inode)->ops->revalidate(d);
}

struct dentry *d_lookup(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d;

	for (;;) {
		rcu_read_lock();
		d = d_find(dir, name, len);
		if (d && !d_tryget(d)) {
			rcu_read_unlock();
			return NULL;
		}
		rcu_read_unlock();
		if (!d || still_valid(dir, d))
			return d;
		d_drop(d);
		d_put(d);
	}
}

struct dentry *d_lookup_or_load_locked(struct dentry *dir, const char *name, size_t len)
{
	struct inode *inode = dir->inode;
	struct dentry *d = d_lookup(dir, name, len);
	int err;

	if (d)
		return d;
	if (len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	if (!inode->ops || !inode->ops->lookup)
		return ERR_PTR(-ENOTDIR);
	if (inode->state & INODE_DEAD)
		return ERR_PTR(-ENOENT);
	d = d_alloc(dir, name, len);
	if (!d)
		return ERR_PTR(-ENOMEM);
	err = inode->ops->lookup(inode, d);
	if (err) {
		d_put(d);
		return ERR_PTR(err);
	}
	if (d->inode || !d->sb->no_dcache)
		hash_add(d);
	return d;
}

struct dentry *d_lookup_or_load(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d = d_lookup(dir, name, len);

	if (d)
		return d;
	down_write(&dir->inode->lock);
	d = d_lookup_or_load_locked(dir, name, len);
	up_write(&dir->inode->lock);
	return d;
}

/* ---- rename ---- */

static void rename_begin(void)
{
	spin_lock(&rename_lock);
	__atomic_fetch_add(&rename_seq, 1, __ATOMIC_SEQ_CST);
}

static void rename_end(void)
{
	__atomic_fetch_add(&rename_seq, 1, __ATOMIC_SEQ_CST);
	spin_unlock(&rename_lock);
}

/*
 * Gives d another name and directory; returns the old directory, whose reference the caller puts.
 */
static struct dentry *rehang(struct dentry *d, struct dentry *dir, struct dname *dn)
{
	struct dentry *old = d->parent;
	struct dname *old_dn = d->dn;

	d_get(dir);
	/*
	 * All these rank alike: rename_lock, held, comes first, and of the others one is held at a
	 * time.
	 */
	spin_lock_nested(&old->lock);
	cds_list_del_init(&d->sibling);
	spin_unlock(&old->lock);
	spin_lock_nested(&d->lock);
	unhash_locked(d);
	set_name(d, dn);
	rcu_assign_pointer(d->parent, dir);
	hash_add_locked(d);
	spin_unlock(&d->lock);
	spin_lock_nested(&dir->lock);
	cds_list_add_tail(&d->sibling, &dir->children);
	spin_unlock(&dir->lock);
	call_rcu(&old_dn->rcu, dname_free_rcu);
	return old;
}

void d_move(struct dentry *d, struct dentry *new_dir, struct dname *dn)
{
	struct dentry *old;

	rename_begin();
	old = rehang(d, new_dir, dn);
	rename_end();
	d_put(old);
}

void d_exchange(struct dentry *a, struct dentry *b, struct dname *dna, struct dname *dnb)
{
	struct dentry *dir_a = a->parent, *dir_b = b->parent, *old_a, *old_b;

	rename_begin();
	old_a = rehang(a, dir_b, dna);
	old_b = rehang(b, dir_a, dnb);
	rename_end();
	d_put(old_a);
	d_put(old_b);
}
