/*
 * Lists of files with O_ASYNC: see fasync.h.
 *
 * An entry is made by F_SETFL or FIOASYNC and goes with the last reference of its file at the
 * latest; it holds no reference. Who sends walks the list under RCU, because signals take locks
 * that come before the list's: it looks at each entry under the list's lock, notes the file's
 * owner, and sends without it. So an entry is freed by RCU, and a file that leaves the list
 * meanwhile may send once more.
 */
#include "fasync.h"
#include "alloc.h"
#include "fowner.h"
#include "rcu.h"
#include "vfs.h"

#define LONG_WALK 64

/* c constant   l list's lock   f file->lock */
struct fasync {
	struct fasync_list *list; /* c */
	struct fasync *next;	  /* l to change; RCU */
	struct fasync **at;	  /* l: what points to it on the list */
	struct file *file;	  /* l: NULL once it has left the list */
	int fd;			  /* l */
	struct fasync *of_file;	  /* f: file's next entry */
	struct rcu_head rcu;
};

void fasync_list_init(struct fasync_list *l)
{
	spin_init(&l->lock, "fasync", RANK_FASYNC);
	l->entries = NULL;
	l->nr = 0;
}

/* A file has one or two. */
static struct fasync *find_locked(struct file *f, const struct fasync_list *l)
{
	struct fasync *fa;

	spin_lock(&f->lock);
	fa = f->fasync;
	while (fa && fa->list != l)
		fa = fa->of_file;
	spin_unlock(&f->lock);
	return fa;
}

static void link_locked(struct fasync *fa, struct file *f, int fd)
{
	struct fasync_list *l = fa->list;

	fa->file = f;
	fa->fd = fd;
	spin_lock(&f->lock);
	fa->of_file = f->fasync;
	store_relaxed(&f->fasync, fa);
	spin_unlock(&f->lock);
	fa->next = l->entries;
	fa->at = &l->entries;
	if (fa->next)
		fa->next->at = &fa->next;
	rcu_assign_pointer(l->entries, fa);
	l->nr++;
	__atomic_fetch_or(&f->flags, O_ASYNC, __ATOMIC_RELAXED);
}

static void fasync_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct fasync, rcu));
}

static void unlink_locked(struct fasync *fa)
{
	struct file *f = fa->file;
	struct fasync **at = &f->fasync;

	spin_lock(&f->lock);
	while (*at != fa)
		at = &(*at)->of_file;
	store_relaxed(at, fa->of_file);
	spin_unlock(&f->lock);
	fa->file = NULL;
	rcu_assign_pointer(*fa->at, fa->next); /* its own stays: somebody may stand on it */
	if (fa->next)
		fa->next->at = fa->at;
	fa->list->nr--;
	__atomic_fetch_and(&f->flags, ~(u32)O_ASYNC, __ATOMIC_RELAXED);
	call_rcu(&fa->rcu, fasync_free_rcu);
}

static int leave(struct file *f, struct fasync_list *l)
{
	struct fasync *fa;

	spin_lock(&l->lock);
	fa = find_locked(f, l);
	if (fa)
		unlink_locked(fa);
	spin_unlock(&l->lock);
	return fa != NULL;
}

int fasync_helper(int fd, struct file *f, bool on, struct fasync_list *l)
{
	struct fasync *fa, *new;
	bool full = false;

	if (!on)
		return leave(f, l);
	new = kzalloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->list = l;
	spin_lock(&l->lock);
	fa = find_locked(f, l);
	if (fa)
		fa->fd = fd;
	else if (l->nr < FASYNC_MAX)
		link_locked(new, f, fd);
	else
		full = true;
	spin_unlock(&l->lock);
	if (!fa && !full)
		return 1;
	kfree(new);
	return full ? -ENOMEM : 0;
}

void fasync_drop_all(struct fasync_list *l)
{
	spin_lock(&l->lock);
	while (l->entries)
		unlink_locked(l->entries);
	spin_unlock(&l->lock);
}

/* Nobody adds entries any more, but a hang-up may take some away. */
void fasync_file_released(struct file *f)
{
	struct fasync_list *l;

	while (load_relaxed(&f->fasync)) {
		spin_lock(&f->lock);
		l = f->fasync ? f->fasync->list : NULL;
		spin_unlock(&f->lock);
		if (l)
			(void)leave(f, l);
	}
}

/* Whom fa's file signals, with a reference on the pid; false: nobody. */
static bool owner_of(const struct fasync *fa, struct file_owner *owner, int *fd)
{
	bool any = false;

	spin_lock(&fa->list->lock);
	if (fa->file) {
		any = file_owner_get(fa->file, owner);
		*fd = fa->fd;
	}
	spin_unlock(&fa->list->lock);
	return any;
}

void kill_fasync_slow(struct fasync_list *l, int code)
{
	struct file_owner owner;
	struct fasync *fa;
	int fd, n = 0;

	rcu_read_lock();
	for (fa = rcu_dereference(l->entries); fa; fa = rcu_dereference(fa->next)) {
		n++;
		if (!owner_of(fa, &owner, &fd))
			continue;
		send_sigio(&owner, fd, code);
		pid_put(owner.pid);
	}
	rcu_read_unlock();
	/*
	 * Who closes thousands of such files comes here for each: grace periods are not to wait for
	 * all of them.
	 */
	if (n > LONG_WALK) {
		rcu_thread_offline();
		rcu_thread_online();
	}
}
