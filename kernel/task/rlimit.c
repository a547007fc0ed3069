/* Limits: getrlimit, setrlimit, prlimit64. */
#include "cputime.h"
#include "cred.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include <linux/capability.h>

/* RLIMIT_NOFILE can't be raised beyond this (fs.nr_open). */
#define NR_OPEN 1048576

/* May the caller look at, or change, the limits of tg? */
static bool may_limit(struct thread_group *tg)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	if (tg == current->tg)
		return true;
	rcu_read_lock();
	c = rcu_dereference(tg->leader->cred);
	ok = me->uid == c->euid && me->uid == c->suid && me->uid == c->uid && me->gid == c->egid &&
	     me->gid == c->sgid && me->gid == c->gid;
	rcu_read_unlock();
	return ok || capable(CAP_SYS_RESOURCE);
}

/* siglock held. */
static long set_locked(struct thread_group *tg, unsigned int resource, const struct rlimit64 *new)
{
	struct racy_rlimit *r = &tg->rlim[resource];
	const struct rlimit64 old = {r->rlim_cur, r->rlim_max};
	int err;

	if (new->rlim_max > r->rlim_max && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	r->rlim_cur = new->rlim_cur;
	r->rlim_max = new->rlim_max;
	if (resource == RLIMIT_CPU) {
		err = cpu_limit_changed_locked(tg);
		if (err) {
			r->rlim_cur = old.rlim_cur;
			r->rlim_max = old.rlim_max;
			return err;
		}
	}
	return 0;
}

/* Reads the old values and sets new ones, each unless NULL. */
static long exchange(struct thread_group *tg, unsigned int resource, const struct rlimit64 *new,
		     struct rlimit64 *old)
{
	long err = 0;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	if (new &&new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (new &&resource == RLIMIT_NOFILE &&new->rlim_max > NR_OPEN)
		return -EPERM;
	spin_lock(&tg->siglock);
	if (old)
		*old = (struct rlimit64){tg->rlim[resource].rlim_cur, tg->rlim[resource].rlim_max};
	if (new)
		err = set_locked(tg, resource, new);
	spin_unlock(&tg->siglock);
	return err;
}

long sys_getrlimit(unsigned int resource, uaddr_t rlim)
{
	struct rlimit64 old;
	long err = exchange(current->tg, resource, NULL, &old);

	return err ? err : copy_to_user(rlim, &old, sizeof(old));
}

long sys_setrlimit(unsigned int resource, uaddr_t rlim)
{
	struct rlimit64 new;

	if (copy_from_user(&new, rlim, sizeof(new)))
		return -EFAULT;
	return exchange(current->tg, resource, &new, NULL);
}

long sys_prlimit64(int pid, unsigned int resource, uaddr_t unew, uaddr_t uold)
{
	struct rlimit64 new, old;
	struct thread_group *tg;
	struct task *t;
	long err;

	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (pid) {
		t = find_task(pid);
		if (!t)
			return -ESRCH;
		tg = tg_get(t->tg);
		task_put(t);
	} else {
		tg = tg_get(current->tg);
	}
	err = may_limit(tg) ? exchange(tg, resource, unew ? &new : NULL, &old) : -EPERM;
	tg_put(tg);
	if (!err && uold && copy_to_user(uold, &old, sizeof(old)))
		err = -EFAULT;
	return err;
}
