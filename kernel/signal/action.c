/* rt_sigaction and sigaltstack. */
#include "signal_priv.h"

#include "sigframe.h"
#include "syscall_protos.h"
#include "uaccess.h"

#define MINSIGSTKSZ_ 2048

long sys_rt_sigaction(int sig, uaddr_t act, uaddr_t oact, size_t setsize)
{
	struct thread_group *tg = current->tg;
	struct ksigaction new, old, *sa;

	if (setsize != sizeof(ksigset_t))
		return -EINVAL;
	if (act && copy_from_user(&new, act, sizeof(new)))
		return -EFAULT;
	if (!sig_valid(sig) || (act && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;
	spin_lock(&tg->siglock);
	spin_lock(&tg->sighand->lock);
	sa = &tg->sighand->action[sig - 1];
	old = *sa;
	if (act) {
		new.mask &= ~SIG_UNBLOCKABLE;
		/*
		 * Unknown flags read back as absent: that is how programs find out about new ones.
		 */
		new.flags &= KSA_KNOWN;
		*sa = new;
	}
	spin_unlock(&tg->sighand->lock);
	if (act && sig_action_ignores(&new, sig))
		signals_drop_locked(tg, sig_bit(sig));
	spin_unlock(&tg->siglock);
	return oact ? copy_to_user(oact, &old, sizeof(old)) : 0;
}

bool on_altstack(const struct task *t, uaddr_t sp)
{
	const struct sigaltstack_state *a = &t->altstack;

	if (a->flags & SS_AUTODISARM_)
		return false;
	return sp > a->sp && sp - a->sp <= a->size;
}

u32 altstack_flags(const struct task *t, uaddr_t sp)
{
	if (!t->altstack.size)
		return SS_DISABLE;
	return on_altstack(t, sp) ? SS_ONSTACK : 0;
}

/* Also used by sigreturn, which ignores all errors. */
int altstack_set(struct task *t, const stack_t *ss, uaddr_t sp)
{
	u32 flags = (u32)ss->ss_flags, mode = flags & ~SS_AUTODISARM_;

	if (on_altstack(t, sp))
		return -EPERM;
	if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack = (struct sigaltstack_state){.flags = flags};
		return 0;
	}
	if (ss->ss_size < MINSIGSTKSZ_)
		return -ENOMEM;
	t->altstack.sp = (uaddr_t)ss->ss_sp;
	t->altstack.size = ss->ss_size;
	t->altstack.flags = flags;
	return 0;
}

void altstack_get(const struct task *t, stack_t *ss, uaddr_t sp)
{
	*ss = (stack_t){
		.ss_sp = (void *)t->altstack.sp,
		.ss_size = t->altstack.size,
		.ss_flags = (int)(altstack_flags(t, sp) | (t->altstack.flags & SS_AUTODISARM_)),
	};
}

long sys_sigaltstack(uaddr_t ss, uaddr_t oss)
{
	struct task *t = current;
	uaddr_t sp = t->event.sys.sp;
	stack_t new, old = {0};
	int err;

	if (ss && copy_from_user(&new, ss, sizeof(new)))
		return -EFAULT;
	altstack_get(t, &old, sp);
	if (ss) {
		err = altstack_set(t, &new, sp);
		if (err)
			return err;
	}
	return oss ? copy_to_user(oss, &old, sizeof(old)) : 0;
}
