/*
 * Delivery: on the way back to the guest, the current task takes its pending signals one by one and
 * stops, dies, ignores them, or gets a frame on its stack for each handler; and the interrupted
 * system call is restarted or fails with EINTR.
 */
#include "signal_priv.h"

#include "cputime.h"
#include "rseq.h"
#include "strace.h"
#include "tty.h"
#include <asm/unistd_64.h>
#include <string.h>

struct ksignal {
	int sig;
	siginfo_t info;
	struct ksigaction sa;
};

enum verdict { VERDICT_IGNORE, VERDICT_HANDLE, VERDICT_STOP, VERDICT_CORE, VERDICT_KILL };

/* What the disposition says; a one-shot handler is used up. siglock. */
static enum verdict judge_locked(struct thread_group *tg, struct ksignal *ks)
{
	struct ksigaction *sa = &tg->sighand->action[ks->sig - 1];
	ksigset_t bit = sig_bit(ks->sig);

	spin_lock(&tg->sighand->lock);
	ks->sa = *sa;
	if (ks->sa.handler > SIG_HANDLER_IGN && (ks->sa.flags & KSA_RESETHAND))
		sa->handler = SIG_HANDLER_DFL;
	spin_unlock(&tg->sighand->lock);
	if (ks->sa.handler > SIG_HANDLER_IGN)
		return VERDICT_HANDLE;
	if (ks->sa.handler == SIG_HANDLER_IGN || (bit & SIG_DFL_IGNORE_SET))
		return VERDICT_IGNORE;
	if (bit & SIG_STOP_SET)
		return VERDICT_STOP;
	return bit & SIG_CORE_SET ? VERDICT_CORE : VERDICT_KILL;
}

/*
 * Obeys a stop signal, unless its process group is orphaned or SIGCONT came after it: nobody in the
 * guest could continue that group, but whoever started this kernel can continue all of it. Called
 * with siglock, which it drops in between.
 */
static void obey_stop_locked(struct task *t, int sig)
{
	struct thread_group *tg = t->tg;

	if (sig != SIGSTOP) {
		bool orphaned, leads;

		spin_unlock(&tg->siglock);
		spin_lock(&tasklist_lock);
		orphaned = pgrp_orphaned_locked(tg->pgrp, NULL);
		leads = tg->pgrp->nr == tg_nr(tg);
		spin_unlock(&tasklist_lock);
		if (orphaned && leads && sig == SIGTSTP)
			console_suspend(tg);
		spin_lock(&tg->siglock);
		if (orphaned)
			return;
	}
	if (t->stop_dequeued && !tg->group_exit)
		stop_begin_locked(tg, sig);
	t->stop_dequeued = false;
}

noreturn_ static void die(struct ksignal *ks, bool core)
{
	group_exit(ks->sig | (core && coredump(ks->sig, &ks->info) ? 0x80 : 0));
}

/*
 * Writing may take its time, so siglock is dropped meanwhile. What comes then is as if it came
 * later; a stop that SIGCONT ends isn't begun (stop_dequeued).
 */
static void trace_taken_locked(struct thread_group *tg, const siginfo_t *si)
{
	spin_unlock(&tg->siglock);
	strace_signal(si);
	spin_lock(&tg->siglock);
}

/* The next signal that has a handler; false if none is left. Does not return for a fatal one. */
static bool next_signal(struct task *t, struct ksignal *ks)
{
	struct thread_group *tg = t->tg;
	enum verdict verdict;

	spin_lock(&tg->siglock);
	for (;;) {
		if (fatal_signal_pending(t)) {
			int status = tg->group_exit ? tg->group_exit_code : SIGKILL;

			spin_unlock(&tg->siglock);
			task_exit(status);
		}
		if (tg->cld_notify) {
			spin_unlock(&tg->siglock);
			stop_notify(tg);
			spin_lock(&tg->siglock);
			continue;
		}
		if (t->stopped_by) {
			stop_sleep_locked(t);
			continue;
		}
		ks->sig = dequeue_signal_locked(t, ~t->blocked, &ks->info);
		if (!ks->sig)
			break;
		verdict = judge_locked(tg, ks);
		if (unlikely(strace_enabled))
			trace_taken_locked(tg, &ks->info);
		switch (verdict) {
		case VERDICT_IGNORE:
			continue;
		case VERDICT_STOP:
			obey_stop_locked(t, ks->sig);
			continue;
		case VERDICT_HANDLE:
			recalc_sigpending_locked(t);
			spin_unlock(&tg->siglock);
			return true;
		case VERDICT_CORE:
		case VERDICT_KILL:
			spin_unlock(&tg->siglock);
			die(ks, sig_bit(ks->sig) & SIG_CORE_SET);
		}
	}
	recalc_sigpending_locked(t);
	spin_unlock(&tg->siglock);
	return false;
}

/* Makes the registers those of before the call, so that it is made again as call nr. */
static void rewind_call(struct task *t, struct pt_regs *regs, u64 nr)
{
	regs->rax = nr;
	regs->rip -= 2; /* the length of the syscall instruction */
	t->regs_set = true;
	t->in_syscall = false;
}

void signals_no_restart(void)
{
	struct task *t = current;
	struct pt_regs *regs;
	u64 nr = t->sys_nr;

	if (!t->in_syscall || t->regs_set)
		return;
	switch (t->sys_ret) {
	case -ERESTART_RESTARTBLOCK:
		nr = __NR_restart_syscall;
		/* fall through */
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		regs = engine->regs(t->ctx);
		rewind_call(t, regs, nr);
		engine->regs_changed(t->ctx);
		break;
	default:
		break;
	}
}

/*
 * Before a handler runs: the interrupted call's result, or its restart, goes into the registers
 * that the frame keeps.
 */
static void settle_call(struct task *t, struct pt_regs *regs, const struct ksigaction *sa)
{
	if (!t->in_syscall || t->regs_set)
		return;
	switch (t->sys_ret) {
	case -ERESTARTSYS:
		if (sa->flags & KSA_RESTART) {
			rewind_call(t, regs, t->sys_nr);
			return;
		}
		regs->rax = -EINTR;
		break;
	case -ERESTARTNOINTR:
		rewind_call(t, regs, t->sys_nr);
		return;
	case -ERESTART_RESTARTBLOCK:
	case -ERESTARTNOHAND:
		regs->rax = -EINTR;
		break;
	default:
		regs->rax = t->sys_ret;
		break;
	}
	t->regs_set = true;
	t->in_syscall = false;
}

/*
 * The frame could not be written: SIGSEGV, which kills if it was itself that could not be
 * delivered.
 */
static void frame_failed(struct task *t, int sig)
{
	if (sig == SIGSEGV) {
		spin_lock(&t->tg->siglock);
		spin_lock(&t->tg->sighand->lock);
		t->tg->sighand->action[SIGSEGV - 1].handler = SIG_HANDLER_DFL;
		spin_unlock(&t->tg->sighand->lock);
		spin_unlock(&t->tg->siglock);
	}
	force_sigsegv(t);
}

static void handle(struct task *t, struct ksignal *ks)
{
	struct pt_regs *regs = engine->regs(t->ctx);
	bool saved = load_relaxed(&t->work) & WORK_RESTORE_MASK;
	ksigset_t oldmask = saved ? t->saved_mask : t->blocked;
	ksigset_t mask = t->blocked | ks->sa.mask;
	int err;

	settle_call(t, regs, &ks->sa);
	err = rseq_restart(t, regs);
	if (!err)
		err = sigframe_setup(t, ks->sig, &ks->info, &ks->sa, oldmask);
	engine->regs_changed(t->ctx);
	if (err) {
		frame_failed(t, ks->sig);
		return;
	}
	/* The saved mask is in the frame now. */
	__atomic_and_fetch(&t->work, ~WORK_RESTORE_MASK, __ATOMIC_RELAXED);
	if (!(ks->sa.flags & KSA_NODEFER))
		mask |= sig_bit(ks->sig);
	set_current_blocked(mask);
}

void signals_deliver(void)
{
	struct task *t = current;
	struct ksignal ks;

	if (load_relaxed(&t->work) & WORK_CPUTIMER)
		cpu_timers_resume(t);
	for (;;) {
		while (next_signal(t, &ks))
			handle(t, &ks);
		signals_no_restart();
		if (!(__atomic_fetch_and(&t->work, ~WORK_RESTORE_MASK, __ATOMIC_RELAXED) &
		      WORK_RESTORE_MASK))
			return;
		/* A signal that only the temporary mask held back may come now. */
		set_current_blocked(t->saved_mask);
		if (!signal_pending(t))
			return;
	}
}
