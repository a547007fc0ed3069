/*
 * Sending: a signal is put on the queue of a task or a group, and one task that can take it is made
 * to look.
 *
 * WORK_SIGNAL in task->work says "look at your signals": it is set and cleared only under siglock,
 * and read without it by those who are about to sleep. Sender: set bit, then wake. Sleeper: set
 * state, then test the bit. So none is missed.
 */
#include "signal_priv.h"

#include "posix_timer.h"
#include "strace.h"
#include <poll.h>
#include <string.h>

bool signal_pending(struct task *t)
{
	return __atomic_load_n(&t->work, __ATOMIC_SEQ_CST) & (WORK_SIGNAL | WORK_DIE);
}

bool fatal_signal_pending(struct task *t)
{
	return __atomic_load_n(&t->killed, __ATOMIC_SEQ_CST);
}

static void work_set(struct task *t, u32 bits)
{
	__atomic_or_fetch(&t->work, bits, __ATOMIC_SEQ_CST);
}

void recalc_sigpending_locked(struct task *t)
{
	ksigset_t set = t->pending.set | t->tg->shared_pending.set;

	lockdep_assert_held(&t->tg->siglock);
	if ((set & ~t->blocked) || t->stopped_by || t->tg->cld_notify || t->tg->group_exit)
		work_set(t, WORK_SIGNAL);
	else
		__atomic_and_fetch(&t->work, ~WORK_SIGNAL, __ATOMIC_SEQ_CST);
}

static void wake_in_states(struct task *t, u32 states)
{
	if (!wake_up_state(&t->kt, states) && t != current)
		kick_kthread(&t->kt);
}

void signal_wake_locked(struct task *t)
{
	work_set(t, WORK_SIGNAL);
	wake_in_states(t, 1u << KT_INTERRUPTIBLE);
}

void group_exit_locked(struct thread_group *tg, int status)
{
	struct task *t;

	lockdep_assert_held(&tg->siglock);
	if (!tg->group_exit) {
		tg->group_exit = true;
		tg->group_exit_code = status;
	}
	stop_end_locked(tg, false);
	for_each_thread(t, tg) {
		__atomic_store_n(&t->killed, true, __ATOMIC_SEQ_CST);
		work_set(t, WORK_SIGNAL | WORK_DIE);
		wake_in_states(t, 1u << KT_INTERRUPTIBLE | 1u << KT_KILLABLE | 1u << KT_STOPPED);
	}
}

void signals_kill_thread_locked(struct task *t)
{
	lockdep_assert_held(&t->tg->siglock);
	__atomic_store_n(&t->killed, true, __ATOMIC_SEQ_CST);
	t->stopped_by = 0;
	if (t->stop_counted) {
		t->stop_counted = false;
		t->tg->stop_pending--;
	}
	work_set(t, WORK_SIGNAL | WORK_DIE);
	wake_in_states(t, 1u << KT_INTERRUPTIBLE | 1u << KT_KILLABLE | 1u << KT_STOPPED);
}

/* May t take a new signal now? One that has others to look at already is not asked. */
static bool wants_signal(struct task *t, int sig)
{
	if (t->exiting || ((t->blocked & ~t->sigwait_set) & sig_bit(sig)))
		return false;
	if (sig == SIGKILL)
		return true;
	if (t->stopped_by && !t->stop_counted) /* it sleeps, stopped */
		return false;
	return t == current || !signal_pending(t);
}

/*
 * The member that is to take a process-directed signal: the leader if it can, else any; NULL: who
 * unblocks it will find it.
 */
static struct task *choose_target(struct thread_group *tg, int sig)
{
	struct task *t;

	if (wants_signal(tg->leader, sig))
		return tg->leader;
	for_each_thread(t, tg)
		if (wants_signal(t, sig))
			return t;
	return NULL;
}

static bool is_fatal(struct thread_group *tg, struct task *t, int sig)
{
	struct ksigaction sa = sighand_action_locked(tg, sig);

	if (sig == SIGKILL)
		return true;
	if (sa.handler != SIG_HANDLER_DFL || ((t->blocked | t->sigwait_set) & sig_bit(sig)))
		return false;
	/*
	 * Those that dump core are decided by the thread that takes them; and so, as on Linux, are
	 * all that it is to show.
	 */
	if (strace_enabled)
		return false;
	return !(sig_bit(sig) & (SIG_DFL_IGNORE_SET | SIG_STOP_SET | SIG_CORE_SET));
}

/* What sending does before anything is queued. False: the signal has no further effect. */
static bool prepare_locked(struct thread_group *tg, struct task *t, int sig)
{
	struct ksigaction sa;

	if (tg->group_exit)
		return sig == SIGKILL;
	if (sig_bit(sig) & SIG_STOP_SET) {
		signals_drop_locked(tg, sig_bit(SIGCONT));
	} else if (sig == SIGCONT) {
		struct task *m;

		signals_drop_locked(tg, SIG_STOP_SET);
		for_each_thread(m, tg)
			m->stop_dequeued = false;
		stop_end_locked(tg, true);
	}
	/*
	 * A blocked signal is kept even if it is ignored now: that may change before it is
	 * unblocked.
	 */
	if ((t->blocked | t->sigwait_set) & sig_bit(sig))
		return true;
	sa = sighand_action_locked(tg, sig);
	return !sig_action_ignores(&sa, sig);
}

/*
 * Puts si on the queue. -EAGAIN only where sigqueue(3) has to say so; other signals lose their
 * details instead.
 */
static int enqueue_locked(struct task *t, struct sigpending *p, const siginfo_t *si)
{
	int sig = si->si_signo;
	bool kernel_or_kill = si->si_code >= 0;
	struct sigqueue *q;

	if (sig < SIG_KERNEL_MIN_RT && (p->set & sig_bit(sig)))
		return 0;
	if (sig == SIGKILL) {
		sigpending_set_locked(p, p->set | sig_bit(sig));
		return 0;
	}
	q = sigqueue_alloc(t, sig < SIG_KERNEL_MIN_RT && kernel_or_kill);
	if (q) {
		q->info = *si;
		cds_list_add_tail(&q->link, &p->queue);
	} else if (sig >= SIG_KERNEL_MIN_RT && si->si_code != SI_USER) {
		return -EAGAIN;
	}
	sigpending_set_locked(p, p->set | sig_bit(sig));
	return 0;
}

/* The signal is pending: whoever is to take it, or to die of it, is woken. */
static void signal_complete_locked(struct thread_group *tg, struct task *t, int sig)
{
	struct task *target = t;

	wake_up_poll(&tg->signalfd_wait, POLLIN);
	if (!t)
		target = choose_target(tg, sig);
	else if (!wants_signal(t, sig))
		return;
	if (!target)
		return;
	if (is_fatal(tg, target, sig))
		group_exit_locked(tg, sig);
	else
		signal_wake_locked(target);
}

/* To the group if t is NULL. */
static int send_signal_locked(struct thread_group *tg, struct task *t, const siginfo_t *si)
{
	struct task *whose = t ? t : tg->leader;
	int err;

	lockdep_assert_held(&tg->siglock);
	if (!prepare_locked(tg, whose, si->si_signo))
		return 0;
	err = enqueue_locked(whose, t ? &t->pending : &tg->shared_pending, si);
	if (!err)
		signal_complete_locked(tg, t, si->si_signo);
	return err;
}

int signal_group_send_locked(struct thread_group *tg, const siginfo_t *si)
{
	return send_signal_locked(tg, NULL, si);
}

int send_signal_task(struct task *t, const siginfo_t *si)
{
	struct thread_group *tg = t->tg;
	int err;

	spin_lock(&tg->siglock);
	err = send_signal_locked(tg, t, si);
	spin_unlock(&tg->siglock);
	return err;
}

int send_signal_group(struct thread_group *tg, const siginfo_t *si)
{
	int err;

	spin_lock(&tg->siglock);
	err = send_signal_locked(tg, NULL, si);
	spin_unlock(&tg->siglock);
	return err;
}

int send_signal_to_many(struct thread_group *tg, const siginfo_t *si)
{
	int err;

	spin_lock(&tg->siglock);
	err = send_signal_locked(tg, NULL, si);
	tg->sent_to_many |= tg->shared_pending.set & sig_bit(si->si_signo);
	spin_unlock(&tg->siglock);
	return err;
}

bool send_prepared_locked(struct thread_group *tg, struct task *t, struct sigqueue *q)
{
	struct sigpending *p = t ? &t->pending : &tg->shared_pending;
	int sig = q->info.si_signo;

	if (!prepare_locked(tg, t ? t : tg->leader, sig))
		return false;
	cds_list_add_tail(&q->link, &p->queue);
	sigpending_set_locked(p, p->set | sig_bit(sig));
	signal_complete_locked(tg, t, sig);
	return true;
}

void force_signal(struct task *t, const siginfo_t *si)
{
	struct thread_group *tg = t->tg;
	struct ksigaction *sa = &tg->sighand->action[si->si_signo - 1];
	ksigset_t bit = sig_bit(si->si_signo);

	spin_lock(&tg->siglock);
	spin_lock(&tg->sighand->lock);
	if (sa->handler == SIG_HANDLER_IGN || (t->blocked & bit))
		sa->handler = SIG_HANDLER_DFL;
	spin_unlock(&tg->sighand->lock);
	t->blocked &= ~bit;
	(void)send_signal_locked(tg, t, si);
	recalc_sigpending_locked(t);
	spin_unlock(&tg->siglock);
}

void force_fault(struct task *t, const struct fault *f)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = f->signo;
	si.si_code = f->code;
	si.si_addr = (void *)f->addr;
	t->last_fault.trapno = f->trapno;
	t->last_fault.error_code = f->error_code;
	t->last_fault.cr2 = f->cr2;
	force_signal(t, &si);
}

void force_sigsegv(struct task *t)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGSEGV;
	si.si_code = SI_KERNEL;
	force_signal(t, &si);
}

/* Shared signals that t was to take and no longer can: somebody else is to look at them. */
static void retarget_shared_locked(struct task *t, ksigset_t which)
{
	struct thread_group *tg = t->tg;
	ksigset_t left = tg->shared_pending.set & which;
	struct task *m;

	if (!left)
		return;
	for_each_thread(m, tg) {
		if (m == t || m->exiting || !(left & ~m->blocked))
			continue;
		left &= m->blocked;
		if (!signal_pending(m))
			signal_wake_locked(m);
		if (!left)
			return;
	}
}

void set_blocked_locked(struct task *t, ksigset_t mask)
{
	lockdep_assert_held(&t->tg->siglock);
	mask &= ~SIG_UNBLOCKABLE;
	if (signal_pending(t))
		retarget_shared_locked(t, mask & ~t->blocked);
	t->blocked = mask;
	recalc_sigpending_locked(t);
}

void set_current_blocked(ksigset_t mask)
{
	struct task *t = current;

	if (t->blocked == (mask & ~SIG_UNBLOCKABLE))
		return;
	spin_lock(&t->tg->siglock);
	set_blocked_locked(t, mask);
	spin_unlock(&t->tg->siglock);
}

static bool others_live_locked(struct task *t)
{
	struct task *m;

	for_each_thread(m, t->tg)
		if (m != t && !m->exiting)
			return true;
	return false;
}

void signals_exit(struct task *t)
{
	struct thread_group *tg = t->tg;
	bool notify = false;

	spin_lock(&tg->siglock);
	store_relaxed(&t->exiting, true); /* /proc looks */
	if (t->stop_counted) {
		t->stop_counted = false;
		if (--tg->stop_pending == 0 && others_live_locked(t)) {
			tg->stopped = true;
			tg->stop_reported = false;
			tg->cld_notify = CLD_STOPPED;
			notify = true;
		}
	}
	t->stopped_by = 0;
	if (signal_pending(t) && !tg->group_exit)
		retarget_shared_locked(t, ~t->blocked);
	spin_unlock(&tg->siglock);
	if (notify)
		stop_notify(tg);
}

void signals_join_locked(struct task *t)
{
	struct thread_group *tg = t->tg;

	lockdep_assert_held(&tg->siglock);
	if (tg->group_exit) {
		__atomic_store_n(&t->killed, true, __ATOMIC_SEQ_CST);
		work_set(t, WORK_SIGNAL | WORK_DIE);
	} else if (tg->stop_signal) {
		t->stopped_by = tg->stop_signal;
		if (!tg->stopped) {
			t->stop_counted = true;
			tg->stop_pending++;
		}
		work_set(t, WORK_SIGNAL);
	}
}
