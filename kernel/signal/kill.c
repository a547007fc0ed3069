/* Sending by system calls: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo; and who may. */
#include "signal_priv.h"

#include "cred.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <string.h>

void siginfo_user(siginfo_t *si, int sig, int code)
{
	memset(si, 0, sizeof(*si));
	si->si_signo = sig;
	si->si_code = code;
	si->si_pid = tg_nr(current->tg);
	si->si_uid = current->cred->uid;
}

void raise_sigpipe(void)
{
	siginfo_t si;

	siginfo_user(&si, SIGPIPE, SI_USER);
	(void)send_signal_task(current, &si);
}

bool may_signal(const struct task *target, int sig)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	if (target->tg == current->tg)
		return true;
	rcu_read_lock();
	c = rcu_dereference(target->cred);
	ok = me->euid == c->suid || me->euid == c->uid || me->uid == c->suid || me->uid == c->uid;
	/*
	 * Anybody may continue the jobs of their session. Pointers of two live groups: compared,
	 * not followed.
	 */
	if (!ok && sig == SIGCONT)
		ok = load_relaxed(&target->tg->session) == load_relaxed(&current->tg->session);
	rcu_read_unlock();
	return ok || capable(CAP_KILL);
}

/* Permission, then the signal; sig 0 only asks. */
static int signal_group_checked(struct thread_group *tg, const siginfo_t *si, bool many)
{
	if (!may_signal(tg->leader, si->si_signo))
		return -EPERM;
	if (!si->si_signo)
		return 0;
	return many ? send_signal_to_many(tg, si) : send_signal_group(tg, si);
}

int kill_pgrp(struct pid *pgrp, int sig, bool from_kernel)
{
	struct thread_group *tg;
	siginfo_t si;
	int err = -ESRCH, r;
	bool sent = false;

	if (from_kernel) {
		memset(&si, 0, sizeof(si));
		si.si_signo = sig;
		si.si_code = SI_KERNEL;
	} else {
		siginfo_user(&si, sig, SI_USER);
	}
	spin_lock(&tasklist_lock);
	cds_list_for_each_entry(tg, &pgrp->tasks[PIDTYPE_PGID], pgrp_link) {
		r = from_kernel ? send_signal_to_many(tg, &si)
				: signal_group_checked(tg, &si, true);
		sent |= !r;
		err = r;
	}
	spin_unlock(&tasklist_lock);
	return sent ? 0 : err;
}

/* A process, also by the number of one of its threads. */
static long kill_one(pid_t pid, const siginfo_t *si)
{
	struct thread_group *tg = find_process(pid);
	struct task *t;
	long err;

	if (!tg) {
		t = find_task(pid);
		if (!t)
			return -ESRCH;
		tg = tg_get(t->tg);
		task_put(t);
	}
	err = signal_group_checked(tg, si, false);
	tg_put(tg);
	return err;
}

/*
 * Every process but the first and the caller's own. That some of them, or all, may not be signalled
 * is no error.
 */
static long kill_all(const siginfo_t *si)
{
	struct thread_group *tg;
	long err = -ESRCH, r;
	pid_t nr = 1;

	while ((tg = next_process(nr + 1))) {
		nr = tg_nr(tg);
		if (tg != current->tg && tg != init_task->tg) {
			r = signal_group_checked(tg, si, true);
			if (r != -EPERM)
				err = r;
			else if (err == -ESRCH)
				err = 0;
		}
		tg_put(tg);
	}
	return err;
}

long sys_kill(int pid, int sig)
{
	struct pid *pgrp;
	siginfo_t si;
	long err;

	if (sig < 0 || sig > NSIG)
		return -EINVAL;
	siginfo_user(&si, sig, SI_USER);
	if (pid > 0)
		return kill_one(pid, &si);
	if (pid == -1)
		return kill_all(&si);
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == 0) {
		spin_lock(&tasklist_lock);
		pgrp = pid_get(current->tg->pgrp);
		spin_unlock(&tasklist_lock);
	} else {
		pgrp = find_pid(-pid);
	}
	if (!pgrp)
		return -ESRCH;
	err = kill_pgrp(pgrp, sig, false);
	pid_put(pgrp);
	return err;
}

/* tgid 0: of whatever group. */
static long signal_thread(pid_t tgid, pid_t tid, const siginfo_t *si)
{
	struct task *t = find_task(tid);
	long err = -ESRCH;

	if (!t)
		return -ESRCH;
	if (!tgid || tg_nr(t->tg) == tgid) {
		err = may_signal(t, si->si_signo) ? 0 : -EPERM;
		if (!err && si->si_signo)
			err = send_signal_task(t, si);
	}
	task_put(t);
	return err;
}

long sys_tgkill(int tgid, int pid, int sig)
{
	siginfo_t si;

	if (tgid <= 0 || pid <= 0 || sig < 0 || sig > NSIG)
		return -EINVAL;
	siginfo_user(&si, sig, SI_TKILL);
	return signal_thread(tgid, pid, &si);
}

long sys_tkill(int pid, int sig)
{
	siginfo_t si;

	if (pid <= 0 || sig < 0 || sig > NSIG)
		return -EINVAL;
	siginfo_user(&si, sig, SI_TKILL);
	return signal_thread(0, pid, &si);
}

/*
 * Reads the sender's own siginfo. Only to itself may a process pretend that a signal came from
 * kill() or the kernel.
 */
static long read_info(siginfo_t *si, uaddr_t info, int sig, bool to_self)
{
	if (copy_from_user(si, info, sizeof(*si)))
		return -EFAULT;
	si->si_signo = sig;
	if ((si->si_code >= 0 || si->si_code == SI_TKILL) && !to_self)
		return -EPERM;
	return sig < 0 || sig > NSIG ? -EINVAL : 0;
}

long sys_rt_sigqueueinfo(int pid, int sig, uaddr_t info)
{
	siginfo_t si;
	long err = read_info(&si, info, sig, pid == tg_nr(current->tg));

	return err ? err : kill_one(pid, &si);
}

long sys_rt_tgsigqueueinfo(int tgid, int pid, int sig, uaddr_t info)
{
	siginfo_t si;
	long err;

	if (tgid <= 0 || pid <= 0)
		return -EINVAL;
	err = read_info(&si, info, sig, pid == current->tid);
	return err ? err : signal_thread(tgid, pid, &si);
}

long sys_restart_syscall(void)
{
	struct task *t = current;
	long (*fn)(struct task *) = t->restart.fn;

	t->restart.fn = NULL;
	return fn ? fn(t) : -EINTR;
}
