/*
 * Group stops and continues (job control).
 *
 * A stop begins when a member obeys a stop signal: every member gets stopped_by and is counted in
 * tg->stop_pending (stop_counted), and goes to sleep in KT_STOPPED when it next looks at its
 * signals. The last one makes the group `stopped` and tells the parent. SIGCONT undoes all of it at
 * once, while it is being sent; but because a sender holds the siglock of the group and not
 * tasklist_lock, the parent is told by the first member that looks (tg->cld_notify).
 */
#include "signal_priv.h"

#include "cputime.h"
#include "cred.h"
#include <string.h>

void stop_begin_locked(struct thread_group *tg, int sig)
{
	struct task *t;

	lockdep_assert_held(&tg->siglock);
	tg->stop_signal = sig;
	tg->stopped = false;
	tg->continued = false;
	tg->cld_notify = 0;
	for_each_thread(t, tg) {
		bool sleeps = t->stopped_by && !t->stop_counted;

		if (t->exiting || sleeps)
			continue;
		if (!t->stop_counted)
			tg->stop_pending++;
		t->stopped_by = sig;
		t->stop_counted = true;
		signal_wake_locked(t);
	}
}

void stop_end_locked(struct thread_group *tg, bool by_cont)
{
	struct task *t, *teller = NULL;

	lockdep_assert_held(&tg->siglock);
	if (!tg->stop_signal)
		return;
	for_each_thread(t, tg) {
		t->stopped_by = 0;
		t->stop_counted = false;
		if (!t->exiting && (!teller || t == tg->leader))
			teller = t;
		wake_up_state(&t->kt, 1u << KT_STOPPED);
	}
	if (by_cont) {
		tg->cld_notify = tg->stopped ? CLD_CONTINUED : CLD_STOPPED;
		tg->continued = true; /* also of a stop that wasn't complete */
		if (teller)
			signal_wake_locked(teller);
	}
	tg->stop_signal = 0;
	tg->stop_pending = 0;
	tg->stopped = false;
}

void stop_sleep_locked(struct task *t)
{
	struct thread_group *tg = t->tg;
	bool notify = false;

	if (t->stop_counted) {
		t->stop_counted = false;
		if (--tg->stop_pending == 0) {
			tg->stopped = true;
			tg->stop_reported = false;
			tg->cld_notify = CLD_STOPPED;
			notify = true;
		}
	}
	while (t->stopped_by && !fatal_signal_pending(t)) {
		/* Before the parent is told: it may look at our state at once. */
		kthread_set_state(KT_STOPPED);
		spin_unlock(&tg->siglock);
		if (notify)
			stop_notify(tg);
		notify = false;
		schedule();
		spin_lock(&tg->siglock);
	}
	kthread_set_state(KT_RUNNING);
}

/* Fills what a parent learns of a stop or a continuation. */
static void fill_cld(siginfo_t *si, struct thread_group *tg, int why, int stop_signal)
{
	u64 ut, st;

	memset(si, 0, sizeof(*si));
	si->si_signo = SIGCHLD;
	si->si_code = why;
	si->si_pid = tg_nr(tg);
	rcu_read_lock();
	si->si_uid = rcu_dereference(tg->leader->cred)->uid;
	rcu_read_unlock();
	group_cputime(tg, &ut, &st);
	si->si_utime = ns_to_clock_ticks(ut);
	si->si_stime = ns_to_clock_ticks(st);
	si->si_status = why == CLD_CONTINUED ? SIGCONT : stop_signal;
}

void stop_notify(struct thread_group *tg)
{
	struct thread_group *parent;
	struct ksigaction sa;
	siginfo_t si;
	int why, stop_signal;

	spin_lock(&tasklist_lock);
	spin_lock(&tg->siglock);
	why = tg->cld_notify;
	stop_signal = tg->stop_signal ? tg->stop_signal : SIGSTOP;
	tg->cld_notify = 0;
	spin_unlock(&tg->siglock);
	parent = tg->parent;
	if (!why || !parent) {
		spin_unlock(&tasklist_lock);
		return;
	}
	fill_cld(&si, tg, why, stop_signal);
	sa = sighand_action(parent, SIGCHLD);
	if (sa.handler != SIG_HANDLER_IGN && !(sa.flags & KSA_NOCLDSTOP))
		(void)send_signal_group(parent, &si);
	wake_up_all(&parent->child_wait);
	spin_unlock(&tasklist_lock);
}

bool pgrp_orphaned_locked(struct pid *pgrp, const struct thread_group *ignored)
{
	struct thread_group *tg;

	lockdep_assert_held(&tasklist_lock);
	cds_list_for_each_entry(tg, &pgrp->tasks[PIDTYPE_PGID], pgrp_link) {
		if (tg->zombie || !tg->parent || tg == ignored)
			continue;
		if (tg->parent->pgrp != pgrp && tg->parent->session == tg->session)
			return false;
	}
	return true;
}

static bool has_stopped_member(struct pid *pgrp)
{
	struct thread_group *tg;

	cds_list_for_each_entry(tg, &pgrp->tasks[PIDTYPE_PGID], pgrp_link)
		if (tg->stopped)
			return true;
	return false;
}

/* To every process of the group, without any check. */
static void signal_pgrp_locked(struct pid *pgrp, const siginfo_t *si)
{
	struct thread_group *tg;

	cds_list_for_each_entry(tg, &pgrp->tasks[PIDTYPE_PGID], pgrp_link)
		send_signal_to_many(tg, si);
}

void pgrp_check_orphaned_locked(struct thread_group *tg, const struct thread_group *parent)
{
	siginfo_t si;
	const struct thread_group *ignored = parent == tg->parent ? tg : NULL;

	if (!parent || parent->pgrp == tg->pgrp || parent->session != tg->session)
		return;
	if (!pgrp_orphaned_locked(tg->pgrp, ignored) || !has_stopped_member(tg->pgrp))
		return;
	memset(&si, 0, sizeof(si));
	si.si_code = SI_KERNEL;
	si.si_signo = SIGHUP;
	signal_pgrp_locked(tg->pgrp, &si);
	si.si_signo = SIGCONT;
	signal_pgrp_locked(tg->pgrp, &si);
}
