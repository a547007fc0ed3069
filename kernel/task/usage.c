/* Sums over ended processes and reaped children: see usage.h. */
#include "kernel/task/usage.h"
#include "alloc.h"
#include "engine.h"
#include "lock.h"

static struct spinlock usage_lock = SPINLOCK_INIT("usage", RANK_MISC);

/* l usage_lock */
struct usage {
	u32 refs; /* atomic: of the process, of who waits for its usage, of those whose heir it is
		   */
	struct usage_sums self;	    /* l: its ended host processes */
	struct usage_sums children; /* l: reaped */
	struct usage *heir;	    /* l, +1: the parent that reaped it */
};

struct usage *usage_alloc(void)
{
	struct usage *u = kzalloc(sizeof(*u));

	if (u)
		u->refs = 1;
	return u;
}

struct usage *usage_get(struct usage *u)
{
	__atomic_add_fetch(&u->refs, 1, __ATOMIC_RELAXED);
	return u;
}

void usage_put(struct usage *u)
{
	while (u && !__atomic_sub_fetch(&u->refs, 1, __ATOMIC_ACQ_REL)) {
		struct usage *heir = u->heir;

		kfree(u);
		u = heir;
	}
}

static void add(struct usage_sums *to, const struct usage_sums *s)
{
	to->minflt += s->minflt;
	to->majflt += s->majflt;
	to->maxrss_kb = max(to->maxrss_kb, s->maxrss_kb);
}

void usage_ended(void *arg, const struct host_usage *h)
{
	struct usage *u = arg;
	const struct usage_sums s = {h->minflt, h->majflt, h->resident << (PAGE_SHIFT - 10)};

	spin_lock(&usage_lock);
	add(&u->self, &s);
	for (struct usage *heir = u->heir; heir; heir = heir->heir)
		add(&heir->children, &s);
	spin_unlock(&usage_lock);
	usage_put(u);
}

void usage_inherit(struct usage *parent, struct usage *child)
{
	spin_lock(&usage_lock);
	for (struct usage *heir = parent; heir; heir = heir->heir) {
		add(&heir->children, &child->self);
		add(&heir->children, &child->children);
	}
	child->heir = usage_get(parent);
	spin_unlock(&usage_lock);
}

void usage_read(struct usage *u, struct usage_sums *self, struct usage_sums *children)
{
	spin_lock(&usage_lock);
	*self = u->self;
	*children = u->children;
	spin_unlock(&usage_lock);
}
