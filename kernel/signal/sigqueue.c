/* Queues of pending signals. All under the siglock of the group they belong to. */
#include "signal_priv.h"

#include "alloc.h"
#include "cred.h"
#include "posix_timer.h"
#include <string.h>

struct sigqueue *sigqueue_alloc(struct task *t, bool over_limit)
{
	struct sigqueue *q;
	struct user *u;
	u64 limit = t->tg->rlim[RLIMIT_SIGPENDING].rlim_cur;

	rcu_read_lock();
	u = user_get(rcu_dereference(t->cred)->user);
	rcu_read_unlock();
	if (__atomic_add_fetch(&u->sigpending, 1, __ATOMIC_RELAXED) > limit && !over_limit)
		goto fail;
	q = kzalloc(sizeof(*q));
	if (!q)
		goto fail;
	q->user = u;
	CDS_INIT_LIST_HEAD(&q->link);
	return q;
fail:
	__atomic_sub_fetch(&u->sigpending, 1, __ATOMIC_RELAXED);
	user_put(u);
	return NULL;
}

/* Leaves a timer's own entry alone, but for the link. */
static void sigqueue_free(struct sigqueue *q)
{
	cds_list_del_init(&q->link);
	if (q->timer) {
		posix_timer_dropped_locked(q->timer);
		return;
	}
	__atomic_sub_fetch(&q->user->sigpending, 1, __ATOMIC_RELAXED);
	user_put(q->user);
	kfree(q);
}

/* Its readers without the lock (signals_pending_set) see the old set or the new one. */
void sigpending_set_locked(struct sigpending *p, ksigset_t set)
{
	store_relaxed(&p->set, set);
}

void sigpending_init(struct sigpending *p)
{
	p->set = 0;
	CDS_INIT_LIST_HEAD(&p->queue);
}

void sigpending_flush(struct sigpending *p)
{
	struct sigqueue *q, *next;

	sigpending_set_locked(p, 0);
	cds_list_for_each_entry_safe(q, next, &p->queue, link)
		sigqueue_free(q);
}

static void sigpending_drop_locked(struct sigpending *p, ksigset_t mask)
{
	struct sigqueue *q, *next;

	if (!(p->set & mask))
		return;
	sigpending_set_locked(p, p->set & ~mask);
	cds_list_for_each_entry_safe(q, next, &p->queue, link)
		if (mask & sig_bit(q->info.si_signo))
			sigqueue_free(q);
}

void signals_drop_locked(struct thread_group *tg, ksigset_t mask)
{
	struct task *t;

	lockdep_assert_held(&tg->siglock);
	sigpending_drop_locked(&tg->shared_pending, mask);
	for_each_thread(t, tg)
		sigpending_drop_locked(&t->pending, mask);
}

void sigpending_remove_locked(struct sigpending *p, struct sigqueue *q)
{
	struct sigqueue *other;

	cds_list_del_init(&q->link);
	cds_list_for_each_entry(other, &p->queue, link)
		if (other->info.si_signo == q->info.si_signo)
			return;
	sigpending_set_locked(p, p->set & ~sig_bit(q->info.si_signo));
}

/* Takes the first entry for sig off the queue and fills si; sig must be in p->set. */
static void sigpending_take_locked(struct sigpending *p, int sig, siginfo_t *si)
{
	struct sigqueue *q, *first = NULL;
	bool more = false;

	cds_list_for_each_entry(q, &p->queue, link) {
		if (q->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = q;
	}
	if (!more)
		sigpending_set_locked(p, p->set & ~sig_bit(sig));
	if (!first) {
		/* Its details found no room when it was sent. */
		memset(si, 0, sizeof(*si));
		si->si_signo = sig;
		si->si_code = SI_USER;
		return;
	}
	*si = first->info;
	if (first->timer) {
		cds_list_del_init(&first->link);
		posix_timer_taken_locked(first->timer, si);
		return;
	}
	sigqueue_free(first);
}

/* The next signal of a set in the order of delivery, or 0. */
static int sigset_next(ksigset_t set)
{
	if (!set)
		return 0;
	if (set & SIG_SYNC_SET)
		set &= SIG_SYNC_SET;
	return __builtin_ctzll(set) + 1;
}

int dequeue_signal_locked(struct task *t, ksigset_t mask, siginfo_t *si)
{
	struct sigpending *p = &t->pending;
	int sig = sigset_next(p->set & mask);

	lockdep_assert_held(&t->tg->siglock);
	if (!sig) {
		p = &t->tg->shared_pending;
		sig = sigset_next(p->set & mask);
	}
	if (!sig)
		return 0;
	sigpending_take_locked(p, sig, si);
	if (p == &t->tg->shared_pending)
		t->tg->sent_to_many &= ~sig_bit(sig);
	if (sig == SIGALRM && p == &t->tg->shared_pending)
		itimer_real_taken_locked(t->tg);
	if (sig_bit(sig) & SIG_STOP_SET)
		t->stop_dequeued = true;
	return sig;
}

int dequeue_signal(struct task *t, ksigset_t mask, siginfo_t *si)
{
	int sig;

	spin_lock(&t->tg->siglock);
	sig = dequeue_signal_locked(t, mask & ~SIG_UNBLOCKABLE, si);
	recalc_sigpending_locked(t);
	spin_unlock(&t->tg->siglock);
	return sig;
}

ksigset_t signals_pending_set(struct task *t)
{
	return load_relaxed(&t->pending.set) | load_relaxed(&t->tg->shared_pending.set);
}
