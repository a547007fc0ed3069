/* Watches on inodes, and the events that they get. See watch.h. */
#include "kernel/fs/notify/watch.h"
#include "alloc.h"
#include "kernel/fs/notify/instance.h"
#include "kernel/fs/vfs.h"

u32 notify_watches;

static struct spinlock sb_lock = SPINLOCK_INIT("watches", RANK_MISC); /* sb->watches of all */
static struct wait_queue unwatched = WAIT_QUEUE_INIT(unwatched); /* of sb->watched to reach 0 */

/* ---- birth and death ---- */

static struct watch *watch_alloc(struct inotify *in, struct inode *inode)
{
	struct watch *w = kzalloc(sizeof(*w));

	if (!w)
		return NULL;
	w->refs = 1;
	w->inode = inode_get(inode);
	w->owner = inotify_get(in);
	__atomic_fetch_add(&inode->sb->watched, 1, __ATOMIC_RELAXED);
	return w;
}

void watch_get(struct watch *w)
{
	__atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
}

void watch_put(struct watch *w)
{
	struct super_block *sb = w->inode->sb;

	if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL))
		return;
	inode_put(w->inode);
	inotify_put(w->owner);
	kfree(w);
	rcu_read_lock(); /* the super block may be freed as soon as it isn't counted any more */
	if (!__atomic_sub_fetch(&sb->watched, 1, __ATOMIC_SEQ_CST))
		wake_up_all(&unwatched);
	rcu_read_unlock();
}

/* What an event leaves to be done when no spinlock is held. */
struct afterwards {
	struct watch *gone;  /* unlinked, with a reference that is ours; by of_inode */
	struct inotify *due; /* to send SIGIO for */
};

static void do_afterwards(const struct afterwards *after)
{
	struct watch *w, *next;

	inotify_send_sigio(after->due);
	for (w = after->gone; w; w = next) {
		next = w->of_inode;
		watch_put(w);
	}
}

/* ---- linking; inode->spin is held ---- */

static struct watch *watch_find(struct inode *inode, const struct inotify *in)
{
	struct watch *w = inode->watches;

	while (w && w->owner != in)
		w = w->of_inode;
	return w;
}

/* After a change: what any of them wants. IN_UNMOUNT is in it as long as there are any. */
static void sum_masks(struct inode *inode)
{
	u32 mask = 0;

	for (struct watch *w = inode->watches; w; w = w->of_inode)
		mask |= w->mask;
	store_relaxed(&inode->watch_mask, mask);
}

static void watch_link(struct watch *w)
{
	struct inode *inode = w->inode;

	w->linked = true;
	w->of_inode = inode->watches;
	inode->watches = w;
	inotify_add(w->owner, w);
	spin_lock(&sb_lock);
	cds_list_add(&w->of_sb, &inode->sb->watches);
	spin_unlock(&sb_lock);
	__atomic_fetch_add(&notify_watches, 1, __ATOMIC_RELAXED);
}

/*
 * The reference of those that w was linked to is then the caller's, who also calls sum_masks() when
 * all are unlinked that shall be.
 */
static void watch_unlink(struct watch *w, bool tell, struct afterwards *after)
{
	struct watch **at = &w->inode->watches;

	while (*at != w)
		at = &(*at)->of_inode;
	*at = w->of_inode;
	w->linked = false;
	inotify_remove(w->owner, w, tell, &after->due);
	spin_lock(&sb_lock);
	cds_list_del(&w->of_sb);
	spin_unlock(&sb_lock);
	__atomic_fetch_sub(&notify_watches, 1, __ATOMIC_RELAXED);
}

static int watch_change(struct watch *w, u32 arg)
{
	u32 mask = (arg & IN_ALL_EVENTS) | IN_UNMOUNT, flags = arg & (IN_EXCL_UNLINK | IN_ONESHOT);

	if (arg & IN_MASK_CREATE && w->linked)
		return -EEXIST;
	if (arg & IN_MASK_ADD) {
		mask |= w->mask;
		flags |= w->flags;
	}
	store_relaxed(&w->mask, mask);
	w->flags = flags;
	if (!w->linked)
		watch_link(w);
	sum_masks(w->inode);
	return w->wd;
}

int watch_set(struct inotify *in, struct inode *inode, u32 arg)
{
	struct watch *w, *new = NULL;
	int wd;

	for (;;) {
		spin_lock(&inode->spin);
		w = watch_find(inode, in);
		if (!w)
			w = new;
		wd = w ? watch_change(w, arg) : 0;
		spin_unlock(&inode->spin);
		if (w)
			break;
		if (!inotify_charge_watch(in))
			return -ENOSPC;
		new = watch_alloc(in, inode);
		if (!new) {
			inotify_uncharge_watch(in);
			return -ENOMEM;
		}
	}
	if (new &&w != new) { /* somebody was faster */
		inotify_uncharge_watch(in);
		watch_put(new);
	}
	return wd;
}

void watch_remove(struct watch *w, bool tell)
{
	struct inode *inode = w->inode;
	struct afterwards after = {0};
	bool linked;

	spin_lock(&inode->spin);
	linked = w->linked;
	if (linked) {
		watch_unlink(w, tell, &after);
		sum_masks(inode);
	}
	spin_unlock(&inode->spin);
	do_afterwards(&after);
	if (linked)
		watch_put(w);
}

/* ---- events ---- */

static void unlink_to(struct watch *w, struct afterwards *after)
{
	watch_unlink(w, true, after);
	w->of_inode = after->gone;
	after->gone = w;
}

/*
 * To those who watch the inode. no_name: it was caused through a name that is no more. Called under
 * RCU, or by who holds the inode.
 */
static void tell(struct inode *inode, const struct notify_event *ev, bool no_name,
		 struct afterwards *after)
{
	struct watch *w, *next;
	bool unlinked = false;

	if (!(load_relaxed(&inode->watch_mask) & ev->mask))
		return;
	spin_lock(&inode->spin);
	for (w = inode->watches; w; w = next) {
		next = w->of_inode;
		if (!(w->mask & ev->mask) || (no_name && w->flags & IN_EXCL_UNLINK))
			continue;
		inotify_queue(w->owner, w->wd, ev, &after->due);
		if (w->flags & IN_ONESHOT) {
			unlink_to(w, after);
			unlinked = true;
		}
	}
	if (unlinked)
		sum_masks(inode);
	spin_unlock(&inode->spin);
}

static u32 dir_flag(const struct inode *inode)
{
	return S_ISDIR(inode->mode) ? IN_ISDIR : 0;
}

void notify_path_slow(struct dentry *d, u32 event, bool by_file)
{
	struct inode *inode = d->inode, *dir;
	struct notify_event ev = {.mask = event | dir_flag(inode)};
	struct afterwards after = {0};
	const struct dname *dn;
	bool no_name;

	rcu_read_lock();
	dn = rcu_dereference(d->dn);
	no_name = by_file && dn->parent && !(d_flags(d) & DENTRY_HASHED);
	if (dn->parent) {
		dir = d_inode(dn->parent);
		ev.name = dn->str;
		ev.len = dn->len;
		tell(dir, &ev, no_name, &after);
	}
	ev.name = NULL;
	ev.len = 0;
	tell(inode, &ev, no_name, &after);
	rcu_read_unlock();
	do_afterwards(&after);
}

void notify_inode_slow(struct inode *inode, u32 event)
{
	struct notify_event ev = {.mask = event};
	struct afterwards after = {0};

	/* inotify never told of a directory's own going that it is one. */
	if (!(event & (IN_MOVE_SELF | IN_DELETE_SELF)))
		ev.mask |= dir_flag(inode);
	tell(inode, &ev, false, &after);
	do_afterwards(&after);
}

void notify_name_slow(struct inode *dir, const char *name, size_t len, struct inode *inode,
		      u32 event)
{
	struct notify_event ev = {.mask = event | dir_flag(inode), .name = name, .len = len};
	struct afterwards after = {0};

	tell(dir, &ev, false, &after);
	do_afterwards(&after);
}

void notify_remove_slow(struct inode *dir, struct dentry *d)
{
	struct inode *inode = d->inode;

	if (!S_ISDIR(inode->mode))
		notify_inode_slow(inode, IN_ATTRIB);
	/* Ours is the only reference: nobody can find d to take another. */
	if (load_acquire(&d->refs) == 1)
		notify_inode_unused_slow(inode);
	notify_name_slow(dir, d->name, d->name_len, inode, IN_DELETE);
}

void notify_move_slow(const struct notify_name *from, const struct notify_name *to,
		      struct inode *moved, struct inode *victim)
{
	static u32 last_cookie; /* atomic */
	struct notify_event ev = {.cookie = __atomic_add_fetch(&last_cookie, 1, __ATOMIC_RELAXED)};
	struct afterwards after = {0};

	ev.mask = IN_MOVED_FROM | dir_flag(moved);
	ev.name = from->name;
	ev.len = from->len;
	tell(from->dir, &ev, false, &after);
	ev.mask = IN_MOVED_TO | dir_flag(moved);
	ev.name = to->name;
	ev.len = to->len;
	tell(to->dir, &ev, false, &after);
	do_afterwards(&after);
	if (victim)
		notify_inode_slow(victim, IN_ATTRIB);
	notify_inode_slow(moved, IN_MOVE_SELF);
}

/* The last thing that the inode's watches hear. */
static void tell_and_unlink(struct inode *inode, u32 event)
{
	struct notify_event ev = {.mask = event};
	struct afterwards after = {0};

	spin_lock(&inode->spin);
	while (inode->watches) {
		struct watch *w = inode->watches;

		if (w->mask & event)
			inotify_queue(w->owner, w->wd, &ev, &after.due);
		unlink_to(w, &after);
	}
	sum_masks(inode);
	spin_unlock(&inode->spin);
	do_afterwards(&after);
}

void notify_inode_unused_slow(struct inode *inode)
{
	if (load_relaxed(&inode->watch_mask) && !inode->nlink)
		tell_and_unlink(inode, IN_DELETE_SELF);
}

/* ---- unmounting ---- */

static struct watch *first_watch(struct super_block *sb)
{
	struct watch *w = NULL;

	spin_lock(&sb_lock);
	if (!cds_list_empty(&sb->watches)) {
		w = cds_list_first_entry(&sb->watches, struct watch, of_sb);
		watch_get(w);
	}
	spin_unlock(&sb_lock);
	return w;
}

static bool nothing_watched(void *sb)
{
	return !__atomic_load_n(&((struct super_block *)sb)->watched, __ATOMIC_SEQ_CST);
}

void notify_unmount(struct super_block *sb)
{
	const struct wait_opts opts = {.state = KT_UNINTERRUPTIBLE};
	struct watch *w;

	/* None is added: for that it takes a path. */
	while ((w = first_watch(sb))) {
		tell_and_unlink(w->inode, IN_UNMOUNT);
		watch_put(w);
	}
	/* Others may be about to put what they have unlinked. */
	if (wait_event(&unwatched, nothing_watched, sb, &opts))
		ASSERT(false);
}
