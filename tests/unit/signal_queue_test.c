/*
 * Signal queues: what is kept, dropped, chosen, and in which order.
 * objects: kernel/signal/sigqueue.o kernel/signal/sighand.o kernel/signal/send.o kernel/signal/stop.o kernel/task/cred.o smp/[a-z]*.o os/alloc.o os/fault.o os/clock.o os/log.o os/panic.o os/slice.o os/stack.o os/symbols.o os/thread.o
 */
#include "kernel/signal/signal_priv.h"
#include "posix_timer.h"
#include "task_util.h"
#include "unit.h"
#include "cputime.h"

/* ---- what isn't linked ---- */

static int taken, dropped;
void posix_timer_taken_locked(struct ktimer *kt, siginfo_t *si)
{
	taken++;
}
void posix_timer_dropped_locked(struct ktimer *kt)
{
	dropped++;
}
void itimer_real_taken_locked(struct thread_group *tg)
{
}
void group_cputime(struct thread_group *tg, u64 *ut, u64 *st)
{
	*ut = *st = 0;
}
const struct engine_ops *engine;

static siginfo_t info(int sig, int code, int value)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = sig;
	si.si_code = code;
	si.si_value.sival_int = value;
	return si;
}

static int send(struct thread_group *tg, struct task *t, int sig, int code, int value)
{
	siginfo_t si = info(sig, code, value);

	return t ? send_signal_task(t, &si) : send_signal_group(tg, &si);
}

static void handle(struct thread_group *tg, int sig, u64 handler)
{
	tg->sighand->action[sig - 1].handler = handler;
}

static int take(struct task *t, siginfo_t *si)
{
	return dequeue_signal(t, ~t->blocked, si);
}

START_TEST(standard_signals_queue_once_and_real_time_ones_in_order)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);
	siginfo_t si;
	int i;

	handle(tg, SIGUSR1, 0x1000);
	handle(tg, 40, 0x1000);
	t->blocked = sig_bit(SIGUSR1) | sig_bit(40);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(send(tg, t, SIGUSR1, SI_QUEUE, i), 0);
		ck_assert_int_eq(send(tg, t, 40, SI_QUEUE, i), 0);
	}
	ck_assert(!signal_pending(t));
	t->blocked = 0;
	ck_assert_int_eq(take(t, &si), SIGUSR1);
	ck_assert_int_eq(si.si_value.sival_int, 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(take(t, &si), 40);
		ck_assert_int_eq(si.si_value.sival_int, i);
	}
	ck_assert_int_eq(take(t, &si), 0);
	ck_assert_uint_eq(signals_pending_set(t), 0);
	ck_assert_uint_eq(t->cred->user->sigpending, 0);
	free_group(tg);
}
END_TEST

START_TEST(faults_come_first_then_the_lowest_number_and_ones_own_before_the_groups)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);
	siginfo_t si;

	handle(tg, SIGHUP, 0x1000);
	handle(tg, SIGSEGV, 0x1000);
	handle(tg, SIGUSR2, 0x1000);
	send(tg, NULL, SIGHUP, SI_USER, 0);
	send(tg, t, SIGUSR2, SI_USER, 0);
	send(tg, t, SIGHUP, SI_USER, 0);
	send(tg, t, SIGSEGV, SI_USER, 0);
	ck_assert_int_eq(take(t, &si), SIGSEGV);
	ck_assert_int_eq(take(t, &si), SIGHUP);
	ck_assert_int_eq(take(t, &si), SIGUSR2);
	ck_assert_int_eq(take(t, &si), SIGHUP);
	ck_assert_int_eq(take(t, &si), 0);
	free_group(tg);
}
END_TEST

START_TEST(a_full_queue_refuses_sigqueue_but_not_kill)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);
	siginfo_t si;

	tg->rlim[RLIMIT_SIGPENDING].rlim_cur = 2;
	t->blocked = ~0ul;
	ck_assert_int_eq(send(tg, t, 40, SI_QUEUE, 1), 0);
	ck_assert_int_eq(send(tg, t, 40, SI_QUEUE, 2), 0);
	ck_assert_int_eq(send(tg, t, 40, SI_QUEUE, 3), -EAGAIN);
	ck_assert_int_eq(send(tg, t, SIGUSR1, SI_USER, 4), 0);
	/* A real-time signal by kill() loses its details instead of failing. */
	ck_assert_int_eq(send(tg, t, 41, SI_USER, 5), 0);
	ck_assert_int_eq(dequeue_signal(t, sig_bit(41), &si), 41);
	ck_assert_int_eq(si.si_value.sival_int, 0);
	ck_assert_int_eq(dequeue_signal(t, sig_bit(40), &si), 40);
	ck_assert_int_eq(dequeue_signal(t, sig_bit(40), &si), 40);
	ck_assert_int_eq(dequeue_signal(t, sig_bit(40), &si), 0);
	free_group(tg);
}
END_TEST

START_TEST(ignored_signals_are_dropped_unless_blocked)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);

	handle(tg, SIGUSR1, SIG_HANDLER_IGN);
	send(tg, t, SIGUSR1, SI_USER, 0);
	send(tg, NULL, SIGCHLD, SI_USER, 0);
	send(tg, NULL, SIGWINCH, SI_USER, 0);
	ck_assert_uint_eq(signals_pending_set(t), 0);
	t->blocked = sig_bit(SIGUSR1) | sig_bit(SIGCHLD);
	send(tg, t, SIGUSR1, SI_USER, 0);
	send(tg, NULL, SIGCHLD, SI_USER, 0);
	ck_assert_uint_eq(signals_pending_set(t), sig_bit(SIGUSR1) | sig_bit(SIGCHLD));
	free_group(tg);
}
END_TEST

START_TEST(a_stop_and_a_continue_remove_each_other)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);

	t->blocked = ~0ul & ~SIG_UNBLOCKABLE;
	send(tg, t, SIGTSTP, SI_USER, 0);
	send(tg, NULL, SIGTTIN, SI_USER, 0);
	ck_assert_uint_eq(signals_pending_set(t), sig_bit(SIGTSTP) | sig_bit(SIGTTIN));
	send(tg, NULL, SIGCONT, SI_USER, 0);
	ck_assert_uint_eq(signals_pending_set(t), sig_bit(SIGCONT));
	send(tg, NULL, SIGTTOU, SI_USER, 0);
	ck_assert_uint_eq(signals_pending_set(t), sig_bit(SIGTTOU));
	free_group(tg);
}
END_TEST

START_TEST(a_process_signal_goes_to_a_thread_that_does_not_block_it)
{
	struct thread_group *tg = make_group();
	struct task *a = make_task(tg), *b = make_task(tg), *c = make_task(tg);

	handle(tg, SIGUSR1, 0x1000);
	handle(tg, SIGUSR2, 0x1000);
	a->blocked = b->blocked = sig_bit(SIGUSR1);
	send(tg, NULL, SIGUSR1, SI_USER, 0);
	ck_assert(!signal_pending(a) && !signal_pending(b) && signal_pending(c));
	/* Who blocks what it was to take hands it on. */
	spin_lock(&tg->siglock);
	b->blocked = 0;
	set_blocked_locked(c, sig_bit(SIGUSR1));
	spin_unlock(&tg->siglock);
	ck_assert(!signal_pending(a) && signal_pending(b) && !signal_pending(c));
	/* The leader is asked first. */
	send(tg, NULL, SIGUSR2, SI_USER, 0);
	ck_assert(signal_pending(a) && !signal_pending(c));
	/* An exiting one too. */
	a->blocked = ~0ul;
	signals_exit(b);
	ck_assert(!signal_pending(c) || c->blocked);
	free_group(tg);
}
END_TEST

START_TEST(a_fatal_signal_starts_the_end_of_the_group_while_it_is_sent)
{
	struct thread_group *tg = make_group();
	struct task *a = make_task(tg), *b = make_task(tg);

	a->blocked = sig_bit(SIGTERM);
	send(tg, a, SIGTERM, SI_USER, 0);
	ck_assert(!tg->group_exit);
	send(tg, NULL, SIGQUIT, SI_USER, 0); /* dumps core: decided by who takes it */
	ck_assert(!tg->group_exit);
	send(tg, b, SIGTERM, SI_USER, 0);
	ck_assert(tg->group_exit);
	ck_assert_int_eq(tg->group_exit_code, SIGTERM);
	ck_assert(fatal_signal_pending(a) && fatal_signal_pending(b));
	/* The first reason stays. */
	send(tg, NULL, SIGKILL, SI_USER, 0);
	spin_lock(&tg->siglock);
	group_exit_locked(tg, 3 << 8);
	spin_unlock(&tg->siglock);
	ck_assert_int_eq(tg->group_exit_code, SIGTERM);
	free_group(tg);
}
END_TEST

START_TEST(a_stop_counts_every_thread_and_sigcont_undoes_it)
{
	struct thread_group *tg = make_group();
	struct task *a = make_task(tg), *b = make_task(tg), *c = make_task(tg);

	spin_lock(&tg->siglock);
	stop_begin_locked(tg, SIGTSTP);
	spin_unlock(&tg->siglock);
	ck_assert_int_eq(tg->stop_pending, 3);
	ck_assert(a->stopped_by && b->stopped_by && c->stopped_by && !tg->stopped);
	/* One ends, and doesn't hold up the others. */
	signals_exit(c);
	ck_assert_int_eq(tg->stop_pending, 2);
	send(tg, NULL, SIGCONT, SI_USER, 0);
	ck_assert_int_eq(tg->stop_pending, 0);
	ck_assert(!a->stopped_by && !b->stopped_by && !tg->stop_signal);
	/* It had not stopped for good: that is what SIGCHLD tells. wait() tells that it goes on. */
	ck_assert_int_eq(tg->cld_notify, CLD_STOPPED);
	ck_assert(tg->continued);
	free_group(tg);
}
END_TEST

START_TEST(a_forced_signal_unblocks_and_resets)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);
	siginfo_t si = info(SIGSEGV, 1, 0);

	handle(tg, SIGSEGV, 0x1000);
	force_signal(t, &si);
	ck_assert_uint_eq(tg->sighand->action[SIGSEGV - 1].handler, 0x1000);
	ck_assert_int_eq(take(t, &si), SIGSEGV);
	t->blocked = sig_bit(SIGSEGV);
	si = info(SIGSEGV, 1, 0);
	force_signal(t, &si);
	ck_assert_uint_eq(tg->sighand->action[SIGSEGV - 1].handler, SIG_HANDLER_DFL);
	ck_assert(!(t->blocked & sig_bit(SIGSEGV)));
	ck_assert(signal_pending(t));
	free_group(tg);
}
END_TEST

START_TEST(a_timers_entry_is_never_freed_and_leaves_the_rest_pending)
{
	struct thread_group *tg = make_group();
	struct task *t = make_task(tg);
	struct sigqueue q = {.timer = (struct ktimer *)&q};
	siginfo_t si;

	handle(tg, 40, 0x1000);
	t->blocked = sig_bit(40);
	q.info = info(40, SI_TIMER, 7);
	CDS_INIT_LIST_HEAD(&q.link);
	taken = dropped = 0;
	spin_lock(&tg->siglock);
	ck_assert(send_prepared_locked(tg, NULL, &q));
	spin_unlock(&tg->siglock);
	send(tg, NULL, 40, SI_QUEUE, 8);
	spin_lock(&tg->siglock);
	sigpending_remove_locked(&tg->shared_pending, &q);
	ck_assert(send_prepared_locked(tg, NULL, &q));
	spin_unlock(&tg->siglock);
	ck_assert_int_eq(dequeue_signal(t, sig_bit(40), &si), 40);
	ck_assert_int_eq(si.si_value.sival_int, 8);
	ck_assert_int_eq(dequeue_signal(t, sig_bit(40), &si), 40);
	ck_assert_int_eq(si.si_value.sival_int, 7);
	ck_assert_int_eq(taken, 1);
	spin_lock(&tg->siglock);
	send_prepared_locked(tg, NULL, &q);
	signals_drop_locked(tg, sig_bit(40));
	spin_unlock(&tg->siglock);
	ck_assert_int_eq(dropped, 1);
	ck_assert_uint_eq(signals_pending_set(t), 0);
	free_group(tg);
}
END_TEST

START_TEST(exec_resets_handlers_and_keeps_ignored_signals)
{
	struct thread_group *tg = make_group(), *other = make_group();
	struct task *t = make_task(tg);

	sighand_put(other->sighand);
	other->sighand = sighand_get(tg->sighand); /* clone(CLONE_SIGHAND) */
	handle(tg, SIGUSR1, 0x1000);
	handle(tg, SIGUSR2, SIG_HANDLER_IGN);
	ck_assert_int_eq(sighand_unshare(t), 0);
	sighand_flush_exec(t);
	ck_assert_uint_eq(sighand_action(tg, SIGUSR1).handler, SIG_HANDLER_DFL);
	ck_assert_uint_eq(sighand_action(tg, SIGUSR2).handler, SIG_HANDLER_IGN);
	ck_assert_uint_eq(sighand_action(other, SIGUSR1).handler, 0x1000);
	free_group(tg);
	free_group(other);
}
END_TEST

UNIT_MAIN("signal queues", standard_signals_queue_once_and_real_time_ones_in_order,
	  faults_come_first_then_the_lowest_number_and_ones_own_before_the_groups,
	  a_full_queue_refuses_sigqueue_but_not_kill, ignored_signals_are_dropped_unless_blocked,
	  a_stop_and_a_continue_remove_each_other,
	  a_process_signal_goes_to_a_thread_that_does_not_block_it,
	  a_fatal_signal_starts_the_end_of_the_group_while_it_is_sent,
	  a_stop_counts_every_thread_and_sigcont_undoes_it, a_forced_signal_unblocks_and_resets,
	  a_timers_entry_is_never_freed_and_leaves_the_rest_pending,
	  exec_resets_handlers_and_keeps_ignored_signals)
