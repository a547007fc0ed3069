/*
 * Reader-writer semaphores. Everything happens under guard; those who wait stand in one line, and a
 * reader joins the others inside only if nobody waits: so writers aren't starved by readers, nor
 * readers by writers. Whoever leaves lets in as many from the head of the line as fit, who need not
 * ask again.
 */
#include "log.h"
#include "smp.h"

struct rwsem_waiter {
	struct cds_list_head link; /* guard */
	struct kthread *kt;
	bool writer;
	bool granted; /* atomic, written under guard */
};

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank)
{
	spin_init(&s->guard, name, RANK_WAITQ);
	CDS_INIT_LIST_HEAD(&s->waiters);
	s->count = 0;
	s->owner = NULL;
	s->rank = rank;
	s->name = name;
}

static bool fits(const struct rwsem *s, bool writer)
{
	return writer ? s->count == 0 : s->count >= 0;
}

static void enter(struct rwsem *s, struct kthread *kt, bool writer)
{
	if (writer) {
		s->count = -1;
		store_relaxed(&s->owner, kt);
	} else {
		s->count++;
	}
}

static void down(struct rwsem *s, bool writer, enum lock_how how, const void *where)
{
	struct rwsem_waiter w = {.kt = current_kthread(), .writer = writer};

	lockcheck_acquire(s, s->name, s->rank, how);
	spin_lock(&s->guard);
	if (cds_list_empty(&s->waiters) && fits(s, writer)) {
		enter(s, w.kt, writer);
		spin_unlock(&s->guard);
	} else {
		cds_list_add_tail(&w.link, &s->waiters);
		kthread_set_state(KT_UNINTERRUPTIBLE);
		spin_unlock(&s->guard);
		while (!load_acquire(&w.granted)) {
			schedule();
			kthread_set_state(KT_UNINTERRUPTIBLE);
		}
		kthread_set_state(KT_RUNNING);
		/* The one who granted it may still hold the guard with w in use. */
		spin_lock(&s->guard);
		spin_unlock(&s->guard);
	}
	lockcheck_acquired(s, s->name, s->rank, where);
}

/* Lets in the head of the line. guard held. */
static void admit(struct rwsem *s)
{
	struct rwsem_waiter *w;
	struct kthread *kt;

	while (!cds_list_empty(&s->waiters)) {
		w = cds_list_first_entry(&s->waiters, struct rwsem_waiter, link);
		if (!fits(s, w->writer))
			return;
		cds_list_del(&w->link);
		kt = w->kt;
		enter(s, kt, w->writer);
		store_release(&w->granted, true);
		wake_up_kthread(kt);
	}
}

void down_read(struct rwsem *s)
{
	down(s, false, LOCK_NORMAL, __builtin_return_address(0));
}

bool down_read_trylock(struct rwsem *s)
{
	bool ok;

	lockcheck_acquire(s, s->name, s->rank, LOCK_TRY);
	spin_lock(&s->guard);
	ok = cds_list_empty(&s->waiters) && fits(s, false);
	if (ok)
		enter(s, NULL, false);
	spin_unlock(&s->guard);
	if (ok)
		lockcheck_acquired(s, s->name, s->rank, __builtin_return_address(0));
	return ok;
}

void up_read(struct rwsem *s)
{
	lockcheck_release(s, s->name, s->rank);
	spin_lock(&s->guard);
	ASSERT(s->count > 0);
	s->count--;
	admit(s);
	spin_unlock(&s->guard);
}

void down_write(struct rwsem *s)
{
	down(s, true, LOCK_NORMAL, __builtin_return_address(0));
}

void down_write_nested(struct rwsem *s)
{
	down(s, true, LOCK_NESTED, __builtin_return_address(0));
}

void up_write(struct rwsem *s)
{
	lockcheck_release(s, s->name, s->rank);
	spin_lock(&s->guard);
	ASSERT(s->count == -1 && s->owner == current_kthread());
	s->count = 0;
	store_relaxed(&s->owner, NULL);
	admit(s);
	spin_unlock(&s->guard);
}
