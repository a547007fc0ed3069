/* Dispositions: reference-counted, shared by the members of a group (and, rarely, by groups). */
#include "signal_priv.h"

#include "alloc.h"
#include <string.h>

struct sighand *sighand_new(const struct sighand *from)
{
	struct sighand *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	spin_init(&s->lock, "sighand", RANK_SIGACTION);
	if (from) {
		/*
		 * The lock belongs to the source's sharers; taking it does not change the source.
		 */
		struct spinlock *l = (struct spinlock *)&from->lock;

		spin_lock(l);
		memcpy(s->action, from->action, sizeof(s->action));
		spin_unlock(l);
	}
	return s;
}

struct sighand *sighand_get(struct sighand *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void sighand_put(struct sighand *s)
{
	if (s && !__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		kfree(s);
}

struct ksigaction sighand_action_locked(struct thread_group *tg, int sig)
{
	struct ksigaction sa;

	spin_lock(&tg->sighand->lock);
	sa = tg->sighand->action[sig - 1];
	spin_unlock(&tg->sighand->lock);
	return sa;
}

struct ksigaction sighand_action(struct thread_group *tg, int sig)
{
	struct ksigaction sa;

	spin_lock(&tg->siglock);
	sa = sighand_action_locked(tg, sig);
	spin_unlock(&tg->siglock);
	return sa;
}

int sighand_unshare(struct task *t)
{
	struct sighand *old = t->tg->sighand, *s;

	if (load_acquire(&old->refs) == 1)
		return 0;
	s = sighand_new(old);
	if (!s)
		return -ENOMEM;
	spin_lock(&t->tg->siglock);
	t->tg->sighand = s;
	spin_unlock(&t->tg->siglock);
	sighand_put(old);
	return 0;
}

/* The caller is the only member left, and has called sighand_unshare(). */
void sighand_flush_exec(struct task *t)
{
	struct sighand *s = t->tg->sighand;
	int i;

	spin_lock(&t->tg->siglock);
	spin_lock(&s->lock);
	for (i = 0; i < NSIG; i++) {
		if (s->action[i].handler != SIG_HANDLER_IGN)
			s->action[i].handler = SIG_HANDLER_DFL;
		s->action[i].flags = 0;
		s->action[i].restorer = 0;
		s->action[i].mask = 0;
	}
	spin_unlock(&s->lock);
	spin_unlock(&t->tg->siglock);
	t->altstack = (struct sigaltstack_state){.flags = SS_DISABLE};
}

bool sig_action_ignores(const struct ksigaction *sa, int sig)
{
	return sa->handler == SIG_HANDLER_IGN ||
	       (sa->handler == SIG_HANDLER_DFL && (sig_bit(sig) & SIG_DFL_IGNORE_SET));
}

void signals_group_init(struct thread_group *tg)
{
	sigpending_init(&tg->shared_pending);
	wait_queue_init(&tg->signalfd_wait);
	tg->group_exit = false;
	tg->group_exit_code = 0;
	tg->stop_signal = 0;
	tg->stop_pending = 0;
	tg->stopped = tg->stop_reported = tg->continued = false;
	tg->cld_notify = 0;
}
