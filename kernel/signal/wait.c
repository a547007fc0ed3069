/* Waiting for signals: pause, rt_sigsuspend, rt_sigtimedwait. */
#include "signal_priv.h"

#include "syscall_protos.h"
#include "timeout.h"
#include "uaccess.h"

static void sleep_until_signal(struct task *t)
{
	for (;;) {
		kthread_set_state(KT_INTERRUPTIBLE);
		if (signal_pending(t))
			break;
		schedule();
	}
	kthread_set_state(KT_RUNNING);
}

long sys_pause(void)
{
	sleep_until_signal(current);
	return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(uaddr_t set, size_t setsize)
{
	int err;

	if (setsize != sizeof(ksigset_t))
		return -EINVAL;
	if (!set)
		return -EFAULT;
	err = sigmask_install(set, setsize);
	if (err)
		return err;
	sleep_until_signal(current);
	return -ERESTARTNOHAND;
}

/*
 * Sleeps once, until a signal of the set, another one, or the deadline. Senders treat the set as
 * blocked meanwhile (it is kept even if ignored, and does not kill), yet as a reason to wake this
 * task, because it is unblocked. siglock.
 */
static bool sleep_for_set_locked(struct task *t, ksigset_t set, ktime_t deadline)
{
	ksigset_t blocked = t->blocked;
	bool in_time = true;

	t->sigwait_set = set & blocked;
	t->blocked = blocked & ~set;
	recalc_sigpending_locked(t);
	kthread_set_state(KT_INTERRUPTIBLE);
	spin_unlock(&t->tg->siglock);
	if (!signal_pending(t))
		in_time = schedule_deadline(deadline);
	kthread_set_state(KT_RUNNING);
	spin_lock(&t->tg->siglock);
	t->sigwait_set = 0;
	set_blocked_locked(t, blocked);
	return in_time;
}

/* The signal taken; -EINTR, -EAGAIN at the deadline (0: at once). */
static int wait_for_set(struct task *t, ksigset_t set, ktime_t deadline, siginfo_t *si)
{
	struct thread_group *tg = t->tg;
	bool in_time = deadline != 0;
	int sig;

	spin_lock(&tg->siglock);
	while (!(sig = dequeue_signal_locked(t, set, si))) {
		if (!in_time) {
			sig = -EAGAIN;
			break;
		}
		if (signal_pending(t)) {
			sig = -EINTR;
			break;
		}
		in_time = sleep_for_set_locked(t, set, deadline);
	}
	recalc_sigpending_locked(t);
	spin_unlock(&tg->siglock);
	return sig;
}

long sys_rt_sigtimedwait(uaddr_t set, uaddr_t info, uaddr_t timeout, size_t setsize)
{
	struct task *t = current;
	ktime_t deadline = KTIME_MAX, ns;
	struct timespec ts;
	ksigset_t want;
	siginfo_t si;
	int sig;

	if (setsize != sizeof(ksigset_t))
		return -EINVAL;
	if (get_user(want, set))
		return -EFAULT;
	if (timeout) {
		if (copy_from_user(&ts, timeout, sizeof(ts)))
			return -EFAULT;
		if (timespec_to_ns(&ts, &ns))
			return -EINVAL;
		deadline = ns ? deadline_in(ns) : 0;
	}
	sig = wait_for_set(t, want & ~SIG_UNBLOCKABLE, deadline, &si);
	if (sig > 0 && info && copy_to_user(info, &si, sizeof(si)))
		return -EFAULT;
	return sig;
}
