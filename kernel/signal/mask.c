/*
 * Signal masks: rt_sigprocmask and the temporary masks of ppoll, pselect, epoll_pwait and
 * sigsuspend.
 */
#include "signal_priv.h"

#include "syscall_protos.h"
#include "uaccess.h"

long sys_rt_sigprocmask(int how, uaddr_t set, uaddr_t oset, size_t setsize)
{
	struct task *t = current;
	ksigset_t old = t->blocked, arg;

	if (setsize != sizeof(ksigset_t))
		return -EINVAL;
	if (set) {
		if (get_user(arg, set))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			arg |= old;
			break;
		case SIG_UNBLOCK:
			arg = old & ~arg;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		set_current_blocked(arg);
	}
	if (oset && put_user(old, oset))
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(uaddr_t set, size_t setsize)
{
	struct task *t = current;
	ksigset_t pending;

	if (setsize > sizeof(ksigset_t))
		return -EINVAL;
	spin_lock(&t->tg->siglock);
	pending = (t->pending.set | t->tg->shared_pending.set) & t->blocked;
	spin_unlock(&t->tg->siglock);
	return copy_to_user(set, &pending, setsize);
}

int sigmask_install(uaddr_t mask, size_t size)
{
	struct task *t = current;
	ksigset_t set;

	if (!mask)
		return 0;
	if (size != sizeof(ksigset_t))
		return -EINVAL;
	if (get_user(set, mask))
		return -EFAULT;
	t->saved_mask = t->blocked;
	__atomic_or_fetch(&t->work, WORK_RESTORE_MASK, __ATOMIC_RELAXED);
	set_current_blocked(set);
	return 0;
}

/*
 * An interrupted call leaves its mask in force until its signal was delivered: signals_deliver()
 * restores it.
 */
void sigmask_restore(bool interrupted)
{
	struct task *t = current;

	if (interrupted || !(load_relaxed(&t->work) & WORK_RESTORE_MASK))
		return;
	__atomic_and_fetch(&t->work, ~WORK_RESTORE_MASK, __ATOMIC_RELAXED);
	set_current_blocked(t->saved_mask);
}
