/*
 * Credentials. A struct cred is immutable once a task points to it; a change makes a copy, changes
 * that, and swaps the pointer, so that readers in other tasks (signals, /proc) see the old one or
 * the new one whole. Freed after a grace period.
 */
#include "cred.h"

#include "alloc.h"
#include "mm.h"
#include "patch.h"
#include "task.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- users ---- */

#define USER_BUCKETS 64
static struct spinlock user_lock = SPINLOCK_INIT("users", RANK_MISC);
static struct user *user_table[USER_BUCKETS]; /* user_lock: chains by uid */

struct user *user_find(u32 uid)
{
	struct user **head = &user_table[uid % USER_BUCKETS], *u;

	spin_lock(&user_lock);
	for (u = *head; u && u->uid != uid; u = u->next)
		;
	if (u) {
		__atomic_add_fetch(&u->refs, 1, __ATOMIC_RELAXED);
	} else if ((u = kzalloc(sizeof(*u)))) {
		u->refs = 1;
		u->uid = uid;
		u->next = *head;
		*head = u;
	}
	spin_unlock(&user_lock);
	return u;
}

struct user *user_get(struct user *u)
{
	__atomic_add_fetch(&u->refs, 1, __ATOMIC_RELAXED);
	return u;
}

void user_put(struct user *u)
{
	u32 refs = load_relaxed(&u->refs);
	struct user **p;

	/*
	 * All but the last reference go without the lock; the last with it, so that user_find()
	 * can't revive it.
	 */
	while (refs > 1)
		if (__atomic_compare_exchange_n(&u->refs, &refs, refs - 1, false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return;
	spin_lock(&user_lock);
	if (__atomic_sub_fetch(&u->refs, 1, __ATOMIC_ACQ_REL)) {
		spin_unlock(&user_lock);
		return;
	}
	for (p = &user_table[u->uid % USER_BUCKETS]; *p != u; p = &(*p)->next)
		;
	*p = u->next;
	spin_unlock(&user_lock);
	kfree(u);
}

void users_get_stats(struct user_stats *st)
{
	*st = (struct user_stats){0};
	spin_lock(&user_lock);
	for (int i = 0; i < USER_BUCKETS; i++) {
		for (const struct user *u = user_table[i]; u; u = u->next) {
			st->processes += load_relaxed(&u->processes);
			st->sigpending += load_relaxed(&u->sigpending);
			st->pipe_slots += load_relaxed(&u->pipe_slots);
			st->inotify_instances += load_relaxed(&u->inotify_instances);
			st->inotify_watches += load_relaxed(&u->inotify_watches);
		}
	}
	spin_unlock(&user_lock);
}

/* ---- credentials ---- */

#define CRED_CONSTANT offsetof(struct cred, uid)

struct cred *cred_new(u32 uid, u32 gid)
{
	struct cred *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->user = user_find(uid);
	if (!c->user) {
		kfree(c);
		return NULL;
	}
	c->refs = 1;
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	c->cap_bounding = CAP_FULL;
	if (!uid)
		c->cap_permitted = c->cap_effective = CAP_FULL;
	return c;
}

struct cred *cred_get(struct cred *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

static void cred_free(struct rcu_head *head)
{
	struct cred *c = caa_container_of(head, struct cred, rcu);

	user_put(c->user);
	kfree(c->groups);
	kfree(c);
}

void cred_put(struct cred *c)
{
	if (c && !__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		call_rcu(&c->rcu, cred_free);
}

struct cred *task_cred_get(struct task *t)
{
	struct cred *c;
	u32 refs;

	rcu_read_lock();
	do {
		c = rcu_dereference(t->cred);
		refs = load_relaxed(&c->refs);
		/* 0: it was replaced just now, and is on its way out. */
		while (refs && !__atomic_compare_exchange_n(&c->refs, &refs, refs + 1, false,
							    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			;
	} while (!refs);
	rcu_read_unlock();
	return c;
}

/* Not what changes in the source: its count and its place on the way out. */
void cred_copy_values(struct cred *to, const struct cred *from)
{
	memset(to, 0, CRED_CONSTANT);
	memcpy((char *)to + CRED_CONSTANT, (const char *)from + CRED_CONSTANT,
	       sizeof(*to) - CRED_CONSTANT);
}

struct cred *cred_dup(const struct cred *c)
{
	struct cred *n = kzalloc(sizeof(*c));

	if (!n)
		return NULL;
	cred_copy_values(n, c);
	n->refs = 1;
	n->user = c->user;
	if (c->ngroups) {
		n->groups = kmemdup(c->groups, (size_t)c->ngroups * sizeof(u32));
		if (!n->groups) {
			kfree(n);
			return NULL;
		}
	} else {
		n->groups = NULL;
	}
	user_get(n->user);
	return n;
}

/*
 * Processes are counted for their real user: those who count see to it when the real uid changes.
 */
void cred_commit(struct cred *c)
{
	struct task *t = current;
	struct cred *old = t->cred;

	if (old->user != c->user) {
		__atomic_add_fetch(&c->user->processes, 1, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&old->user->processes, 1, __ATOMIC_RELAXED);
	}
	/*
	 * Who may do what to it changes: no core dumps, and a parent's death signal is off, as
	 * prctl(2) says.
	 */
	if (old->euid != c->euid || old->egid != c->egid || old->fsuid != c->fsuid ||
	    old->fsgid != c->fsgid || (c->cap_permitted & ~old->cap_permitted)) {
		if (t->mm)
			store_relaxed(&t->mm->dumpable, 0);
		t->pdeath_signal = 0;
	}
	rcu_assign_pointer(t->cred, c);
	t->ids_published = false;
	cred_put(old);
}

bool in_group(const struct cred *c, u32 gid)
{
	int lo = 0, hi = c->ngroups;

	if (gid == c->fsgid)
		return true;
	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if (c->groups[mid] == gid)
			return true;
		if (c->groups[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

bool cred_capable(const struct cred *c, int cap)
{
	return c->cap_effective & 1ull << cap;
}

bool capable(int cap)
{
	return cred_capable(current->cred, cap);
}

/* ---- exec ---- */

/*
 * capabilities(7), "Transformation of capabilities during execve()", for files without capabilities
 * of their own.
 */
static void exec_caps(struct cred *c, bool changed)
{
	kcap_t file_permitted = 0, file_inheritable = 0;
	bool root = c->uid == 0 || c->euid == 0, file_effective = false;

	if (root && !(c->securebits & SECBIT_NOROOT)) {
		file_permitted = file_inheritable = CAP_FULL;
		file_effective = c->euid == 0;
	}
	if (changed)
		c->cap_ambient = 0;
	c->cap_permitted = (c->cap_inheritable & file_inheritable) |
			   (file_permitted & c->cap_bounding) | c->cap_ambient;
	c->cap_effective = file_effective ? c->cap_permitted : c->cap_ambient;
}

bool cred_exec(struct cred *c, u32 mode, u32 uid, u32 gid, bool shared)
{
	u32 old_euid = c->euid, old_egid = c->egid;
	kcap_t old_permitted = c->cap_permitted;
	bool limited = shared || c->no_new_privs;
	bool may_set = cred_capable(c, CAP_SETUID), changed;

	if (!c->no_new_privs) {
		if (mode & S_ISUID)
			c->euid = uid;
		if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			c->egid = gid;
	}
	changed = c->euid != old_euid || c->egid != old_egid;
	exec_caps(c, changed);
	if (limited && (changed || (c->cap_permitted & ~old_permitted))) {
		if (!may_set) {
			c->euid = old_euid;
			c->egid = old_egid;
		}
		c->cap_permitted &= old_permitted;
		c->cap_effective &= old_permitted;
	}
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	c->securebits &= ~(u32)SECBIT_KEEP_CAPS;
	return changed || (c->uid != 0 && (c->cap_permitted & ~old_permitted & ~c->cap_ambient));
}
