/* wait4, waitid: children that ended, stopped or went on. */
#include "alloc.h"
#include "cputime.h"
#include "cred.h"
#include "kernel/task/task_priv.h"
#include "kernel/task/usage.h"
#include "hostmm.h"
#include "pidfd.h"
#include "uaccess.h"
#include "syscalls.h"
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

struct wait_request {
	enum pid_type type; /* PIDTYPE_TGID: one process; PIDTYPE_PGID; PIDTYPE_MAX: any child */
	pid_t nr;
	int options; /* WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT, __WALL, __WCLONE ... */
	bool siginfo_style; /* waitid: codes; else a wait status */
	bool nonblock_pidfd;
	/* results */
	pid_t pid; /* 0: nothing yet */
	u32 uid;
	int status, code; /* wait status and CLD_*; for stops and continues too */
	struct rusage ru;
	struct usage *usage;	     /* +1: the host's part of ru */
	struct thread_group *reaped; /* +1: to be reaped when the locks are gone */
	long err;
};

static void to_timeval(u64 ns, struct timeval *tv)
{
	tv->tv_sec = ns / NSEC_PER_SEC;
	tv->tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC;
}

/* What the child and its own reaped children used. */
static void child_rusage(struct thread_group *tg, struct rusage *ru)
{
	u64 utime, stime;

	memset(ru, 0, sizeof(*ru));
	group_cputime(tg, &utime, &stime);
	to_timeval(utime + tg->cutime_ns, &ru->ru_utime);
	to_timeval(stime + tg->cstime_ns, &ru->ru_stime);
	ru->ru_nvcsw = tg->nvcsw + tg->cnvcsw;
	ru->ru_nivcsw = tg->nivcsw + tg->cnivcsw;
}

/* The parent inherits a reaped child's sums. tasklist_lock held. */
static void charge_parent(struct thread_group *parent, struct thread_group *tg)
{
	u64 utime, stime;

	group_cputime(tg, &utime, &stime);
	spin_lock(&parent->siglock);
	parent->cutime_ns += utime + tg->cutime_ns;
	parent->cstime_ns += stime + tg->cstime_ns;
	parent->cnvcsw += tg->nvcsw + tg->cnvcsw;
	parent->cnivcsw += tg->nivcsw + tg->cnivcsw;
	io_count_add(&parent->io, &tg->io);
	spin_unlock(&parent->siglock);
	usage_inherit(parent->usage, tg->usage);
}

static bool eligible(struct thread_group *tg, const struct wait_request *rq)
{
	bool clone_child = tg->exit_signal != SIGCHLD;

	if (rq->type == PIDTYPE_TGID && tg_nr(tg) != rq->nr)
		return false;
	if (rq->options & __WNOTHREAD && tg->parent_tid != current->tid)
		return false;
	if (rq->type == PIDTYPE_PGID && (!tg->pgrp || tg->pgrp->nr != rq->nr))
		return false;
	return rq->options & __WALL || clone_child == !!(rq->options & __WCLONE);
}

static int status_to_code(int status)
{
	if (!(status & 0x7f))
		return CLD_EXITED;
	return status & 0x80 ? CLD_DUMPED : CLD_KILLED;
}

static void found(struct thread_group *tg, struct wait_request *rq, int status, int code)
{
	rq->pid = tg_nr(tg);
	rq->uid = tg->leader->cred->uid;
	rq->status = status;
	rq->code = code;
	child_rusage(tg, &rq->ru);
	rq->usage = usage_get(tg->usage);
}

/* To the user, who may have no use for it. */
static int put_rusage(struct wait_request *rq, uaddr_t ru)
{
	struct usage_sums self, children;

	if (!ru)
		return 0;
	host_reaper_flush();
	usage_read(rq->usage, &self, &children);
	rq->ru.ru_minflt = self.minflt + children.minflt;
	rq->ru.ru_majflt = self.majflt + children.majflt;
	rq->ru.ru_maxrss = max(self.maxrss_kb, children.maxrss_kb);
	return put_user(rq->ru, ru);
}

static bool take_zombie(struct thread_group *tg, struct wait_request *rq)
{
	if (!tg->zombie || !(rq->options & WEXITED))
		return false;
	found(tg, rq, tg->exit_status, status_to_code(tg->exit_status));
	if (rq->options & WNOWAIT)
		return true;
	charge_parent(tg->parent, tg);
	cds_list_del(&tg->child_link);
	CDS_INIT_LIST_HEAD(&tg->child_link);
	rq->reaped = tg_get(tg);
	return true;
}

static bool take_stop(struct thread_group *tg, struct wait_request *rq)
{
	int sig = 0;

	if (!(rq->options & WSTOPPED) || tg->zombie)
		return false;
	spin_lock(&tg->siglock);
	if (tg->stopped && !tg->stop_reported && !tg->group_exit) {
		sig = tg->stop_signal;
		tg->stop_reported = !(rq->options & WNOWAIT);
	}
	spin_unlock(&tg->siglock);
	if (sig)
		found(tg, rq, sig << 8 | 0x7f, CLD_STOPPED);
	return sig;
}

static bool take_continue(struct thread_group *tg, struct wait_request *rq)
{
	bool yes;

	if (!(rq->options & WCONTINUED) || tg->zombie)
		return false;
	spin_lock(&tg->siglock);
	yes = tg->continued;
	if (yes && !(rq->options & WNOWAIT))
		tg->continued = false;
	spin_unlock(&tg->siglock);
	if (yes)
		found(tg, rq, 0xffff, CLD_CONTINUED);
	return yes;
}

/*
 * Looks at all children once. True: there is an answer in rq (an event, or the error that there is
 * no such child).
 */
static bool scan(void *arg)
{
	struct wait_request *rq = arg;
	struct thread_group *tg;
	bool any = false;

	spin_lock(&tasklist_lock);
	cds_list_for_each_entry(tg, &current->tg->children, child_link) {
		if (!eligible(tg, rq))
			continue;
		any = true;
		if (take_zombie(tg, rq) || take_stop(tg, rq) || take_continue(tg, rq))
			break;
	}
	spin_unlock(&tasklist_lock);
	if (!any)
		rq->err = -ECHILD;
	return rq->pid || rq->err;
}

static long do_wait(struct wait_request *rq)
{
	long err;

	if (rq->options & WNOHANG || rq->nonblock_pidfd) {
		if (!scan(rq) && rq->nonblock_pidfd && !(rq->options & WNOHANG))
			return -EAGAIN;
		err = rq->err;
	} else {
		err = wait_event(&current->tg->child_wait, scan, rq, NULL);
		if (!err)
			err = rq->err;
	}
	if (rq->reaped) {
		tg_reap(rq->reaped);
		tg_put(rq->reaped);
	}
	return err;
}

/* The zombie disappears: off all lists, its ids free. It is on no parent's list any more. */
void tg_reap(struct thread_group *tg)
{
	struct task *leader = tg->leader;
	struct pid *pid = leader->pid;

	spin_lock(&tasklist_lock);
	spin_lock(&tg->siglock);
	cds_list_del_init(&leader->group_link);
	spin_unlock(&tg->siglock);
	pid_detach(pid);
	tg_set_pgrp_locked(tg, NULL);
	tg_set_session_locked(tg, NULL);
	spin_unlock(&tasklist_lock);
	wake_up_nr(&pid->exit_wait, INT32_MAX, POLLIN | POLLHUP);
	pid_put(pid);
	task_put(leader); /* the tree's */
}

long sys_wait4(int pid, uaddr_t status, int options, uaddr_t ru)
{
	struct wait_request rq = {.options = (options & ~WUNTRACED) | WEXITED |
					     (options & WUNTRACED ? WSTOPPED : 0)};
	long err;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	rq.type = pid == -1 ? PIDTYPE_MAX : pid > 0 ? PIDTYPE_TGID : PIDTYPE_PGID;
	rq.nr = pid > 0 ? pid : -pid;
	if (pid == 0) {
		spin_lock(&tasklist_lock);
		rq.nr = current->tg->pgrp->nr;
		spin_unlock(&tasklist_lock);
	}
	err = do_wait(&rq);
	if (err || !rq.pid)
		return err;
	if ((status && put_user(rq.status, status)) || put_rusage(&rq, ru))
		err = -EFAULT;
	usage_put(rq.usage);
	return err ? err : rq.pid;
}

static int waitid_target(int which, int id, struct wait_request *rq)
{
	struct pid *pid;
	int flags;

	switch (which) {
	case P_ALL:
		rq->type = PIDTYPE_MAX;
		return 0;
	case P_PID:
		rq->type = PIDTYPE_TGID;
		rq->nr = id;
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		rq->type = PIDTYPE_PGID;
		spin_lock(&tasklist_lock);
		rq->nr = id ? id : current->tg->pgrp->nr;
		spin_unlock(&tasklist_lock);
		return 0;
	case P_PIDFD:
		if (id < 0)
			return -EINVAL;
		pid = pidfd_to_pid(id, &flags);
		if (IS_ERR(pid))
			return PTR_ERR(pid);
		rq->type = PIDTYPE_TGID;
		rq->nr = pid->nr;
		rq->nonblock_pidfd = flags & PIDFD_NONBLOCK;
		pid_put(pid);
		return 0;
	}
	return -EINVAL;
}

/* si_status: the exit code, or the signal. */
static int code_status(const struct wait_request *rq)
{
	switch (rq->code) {
	case CLD_EXITED:
	case CLD_STOPPED:
		return rq->status >> 8 & 0xff;
	case CLD_CONTINUED:
		return SIGCONT;
	default:
		return rq->status & 0x7f;
	}
}

long sys_waitid(int which, int id, uaddr_t info, int options, uaddr_t ru)
{
	struct wait_request rq = {.options = options, .siginfo_style = true};
	siginfo_t si;
	long err;

	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
			__WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	err = waitid_target(which, id, &rq);
	if (!err)
		err = do_wait(&rq);
	if (err)
		return err;
	if (rq.pid && put_rusage(&rq, ru))
		err = -EFAULT;
	usage_put(rq.usage);
	if (err || !info)
		return err;
	memset(&si, 0, sizeof(si));
	if (rq.pid) {
		si.si_signo = SIGCHLD;
		si.si_code = rq.code;
		si.si_pid = rq.pid;
		si.si_uid = rq.uid;
		si.si_status = code_status(&rq);
	}
	/* Linux writes these fields only, and nothing of what lies between and behind. */
	if (copy_to_user(info, &si, offsetof(siginfo_t, si_status) + sizeof(int)))
		return -EFAULT;
	return 0;
}
