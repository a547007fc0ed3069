/*
 * Owners of open files, F_SETOWN and F_SETSIG of fcntl(2), and the signals that they get.
 *
 * The owner is a pid: when the process ends nothing is sent any more, also not to who gets its
 * number later. The ids are those at the time of F_SETOWN: a file that goes on to others signals
 * whom its owner's setter might have signalled.
 */
#include "fowner.h"
#include "signals.h"
#include "vfs.h"
#include <poll.h>
#include <string.h>

/* ---- setting and asking ---- */

static void set_owner(struct file *f, struct pid *pid, int type, bool force)
{
	struct pid *old;

	spin_lock(&f->lock);
	old = f->owner.pid;
	if (old && !force) {
		old = pid;
	} else {
		f->owner.pid = pid;
		f->owner.type = type;
		f->owner.uid = current->cred->uid;
		f->owner.euid = current->cred->euid;
	}
	spin_unlock(&f->lock);
	if (old)
		pid_put(old);
}

void file_own_default(struct file *f, struct pid *pid, int type)
{
	set_owner(f, pid_get(pid), type, false);
}

static long set_owner_nr(struct file *f, int type, pid_t nr)
{
	struct pid *pid = NULL;

	if (nr) {
		pid = find_pid(nr);
		if (!pid)
			return -ESRCH;
	}
	set_owner(f, pid, type, true);
	return 0;
}

long file_setown(struct file *f, int who)
{
	if (who == INT_MIN)
		return -EINVAL;
	return who < 0 ? set_owner_nr(f, F_OWNER_PGRP, -who) : set_owner_nr(f, F_OWNER_PID, who);
}

bool file_owner_get(struct file *f, struct file_owner *copy)
{
	spin_lock(&f->lock);
	*copy = f->owner;
	if (copy->pid)
		pid_get(copy->pid);
	spin_unlock(&f->lock);
	return copy->pid;
}

static bool pid_in_use(struct pid *pid, int type)
{
	bool used;

	switch (type) {
	case F_OWNER_TID:
		return load_relaxed(&pid->task);
	case F_OWNER_PID:
		return load_relaxed(&pid->tg);
	default:
		spin_lock(&tasklist_lock);
		used = !cds_list_empty(&pid->tasks[PIDTYPE_PGID]);
		spin_unlock(&tasklist_lock);
		return used;
	}
}

static struct f_owner_ex get_owner(struct file *f)
{
	struct file_owner o;
	struct f_owner_ex ex = {0};

	if (file_owner_get(f, &o)) {
		if (pid_in_use(o.pid, o.type))
			ex.pid = o.pid->nr;
		pid_put(o.pid);
	}
	ex.type = o.type;
	return ex;
}

long file_getown(struct file *f)
{
	struct f_owner_ex ex = get_owner(f);

	return ex.type == F_OWNER_PGRP ? -ex.pid : ex.pid;
}

long file_setown_ex(struct file *f, uaddr_t arg)
{
	struct f_owner_ex ex;

	if (copy_from_user(&ex, arg, sizeof(ex)))
		return -EFAULT;
	if (ex.type != F_OWNER_TID && ex.type != F_OWNER_PID && ex.type != F_OWNER_PGRP)
		return -EINVAL;
	if (ex.pid < 0)
		return -ESRCH;
	return set_owner_nr(f, ex.type, ex.pid);
}

long file_getown_ex(struct file *f, uaddr_t arg)
{
	struct f_owner_ex ex = get_owner(f);

	return copy_to_user(arg, &ex, sizeof(ex)) ? -EFAULT : 0;
}

long file_setsig(struct file *f, int sig)
{
	if (sig < 0 || sig > NSIG)
		return -EINVAL;
	spin_lock(&f->lock);
	f->owner.sig = sig;
	spin_unlock(&f->lock);
	return 0;
}

long file_getsig(struct file *f)
{
	long sig;

	spin_lock(&f->lock);
	sig = f->owner.sig;
	spin_unlock(&f->lock);
	return sig;
}

/* ---- signals ---- */

static bool may_send(const struct file_owner *o, const struct task *t)
{
	const struct cred *c;
	bool ok;

	rcu_read_lock();
	c = rcu_dereference(t->cred);
	ok = !o->euid || o->euid == c->suid || o->euid == c->uid || o->uid == c->suid ||
	     o->uid == c->uid;
	rcu_read_unlock();
	return ok;
}

/* Signals whose si_code has meanings of its own. */
static bool has_own_codes(int sig)
{
	switch (sig) {
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGTRAP:
	case SIGCHLD:
	case SIGSYS:
		return true;
	default:
		return false;
	}
}

static void fill(siginfo_t *si, const struct file_owner *o, int fd, int code)
{
	static const short band[] = {
		[POLL_IN] = POLLIN | POLLRDNORM,
		[POLL_OUT] = POLLOUT | POLLWRNORM | POLLWRBAND,
		[POLL_MSG] = POLLIN | POLLRDNORM | POLLMSG,
		[POLL_ERR] = POLLERR,
		[POLL_PRI] = POLLPRI | POLLRDBAND,
		[POLL_HUP] = POLLHUP | POLLERR,
	};

	memset(si, 0, sizeof(*si));
	si->si_signo = o->sig;
	si->si_code = has_own_codes(o->sig) ? SI_SIGIO : code;
	si->si_band = band[code];
	si->si_fd = fd;
}

static int send(const struct file_owner *o, struct thread_group *tg, struct task *t,
		const siginfo_t *si)
{
	if (o->type == F_OWNER_TID)
		return send_signal_task(t, si);
	return o->type == F_OWNER_PGRP ? send_signal_to_many(tg, si) : send_signal_group(tg, si);
}

/* t: the thread, or who stands for the process. */
static void send_to(const struct file_owner *o, struct thread_group *tg, struct task *t, int fd,
		    int code)
{
	siginfo_t si;

	if (!may_send(o, t))
		return;
	if (o->sig) {
		fill(&si, o, fd, code);
		if (!send(o, tg, t, &si))
			return;
	}
	/* So one knows that something is ready, if not what: SIGIO needs no room in the queue. */
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGIO;
	si.si_code = SI_KERNEL;
	(void)send(o, tg, t, &si); /* not a real-time signal: doesn't fail */
}

void send_sigio(const struct file_owner *o, int fd, int code)
{
	struct thread_group *tg;
	struct task *t;

	if (o->type != F_OWNER_PGRP) {
		t = pid_task(o->pid);
		if (t) {
			send_to(o, t->tg, t, fd, code);
			task_put(t);
		}
		return;
	}
	spin_lock(&tasklist_lock);
	cds_list_for_each_entry(tg, &o->pid->tasks[PIDTYPE_PGID], pgrp_link)
		send_to(o, tg, tg->leader, fd, code);
	spin_unlock(&tasklist_lock);
}
