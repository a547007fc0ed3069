/* sched_*: policies, priorities, CPU sets. */
#include "sched_priv.h"

#include "cred.h"
#include "ktime.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <linux/sched.h>

#define RT_MAX 99

struct attr {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max;
};
#define ATTR_SIZE_MIN 48

bool sched_may_change(struct task *t)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	rcu_read_lock();
	c = rcu_dereference(t->cred);
	ok = me->euid == c->euid || me->euid == c->uid;
	rcu_read_unlock();
	return ok || capable(CAP_SYS_NICE);
}

bool sched_may_nice(struct task *t, int nice)
{
	return (u64)(20 - nice) <= t->tg->rlim[RLIMIT_NICE].rlim_cur || capable(CAP_SYS_NICE);
}

static struct task *find_target(int pid)
{
	return pid ? find_task(pid) : task_get(current);
}

struct change {
	int policy, priority, nice;
	bool reset_on_fork;
};

/* What an unprivileged caller may not do. */
static long check_unprivileged(struct task *t, const struct change *c)
{
	u64 rt_limit = t->tg->rlim[RLIMIT_RTPRIO].rlim_cur;

	if (capable(CAP_SYS_NICE))
		return 0;
	if (!policy_is_rt(c->policy) && c->nice < load_relaxed(&t->kt.nice) &&
	    !sched_may_nice(t, c->nice))
		return -EPERM;
	if (policy_is_rt(c->policy)) {
		if (c->policy != load_relaxed(&t->kt.policy) && !rt_limit)
			return -EPERM;
		if (c->priority > load_relaxed(&t->kt.rt_priority) && (u64)c->priority > rt_limit)
			return -EPERM;
	}
	if (load_relaxed(&t->kt.policy) == SCHED_IDLE && c->policy != SCHED_IDLE &&
	    !sched_may_nice(t, load_relaxed(&t->kt.nice)))
		return -EPERM;
	if (!sched_may_change(t) || (t->sched_reset_on_fork && !c->reset_on_fork))
		return -EPERM;
	return 0;
}

static long apply(struct task *t, const struct change *c)
{
	long err;

	switch (c->policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		if (c->priority)
			return -EINVAL;
		break;
	case SCHED_FIFO:
	case SCHED_RR:
		if (c->priority < 1 || c->priority > RT_MAX)
			return -EINVAL;
		break;
	default: /* SCHED_DEADLINE isn't offered */
		return -EINVAL;
	}
	err = check_unprivileged(t, c);
	if (err)
		return err;
	t->sched_reset_on_fork = c->reset_on_fork;
	sched_set_policy(&t->kt, c->policy, c->priority, c->nice);
	return 0;
}

static long set_scheduler(int pid, int policy, bool keep_policy, uaddr_t param)
{
	struct change c;
	struct sched_param sp;
	struct task *t;
	long err;

	if (!param || pid < 0 || (!keep_policy && policy < 0))
		return -EINVAL;
	if (copy_from_user(&sp, param, sizeof(sp)))
		return -EFAULT;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	c.policy = keep_policy ? load_relaxed(&t->kt.policy) : policy & ~SCHED_RESET_ON_FORK;
	c.priority = sp.sched_priority;
	c.nice = load_relaxed(&t->kt.nice);
	c.reset_on_fork = keep_policy ? t->sched_reset_on_fork : policy & SCHED_RESET_ON_FORK;
	err = apply(t, &c);
	task_put(t);
	return err;
}

long sys_sched_setscheduler(int pid, int policy, uaddr_t param)
{
	return set_scheduler(pid, policy, false, param);
}

long sys_sched_setparam(int pid, uaddr_t param)
{
	return set_scheduler(pid, 0, true, param);
}

long sys_sched_getscheduler(int pid)
{
	struct task *t = pid < 0 ? NULL : find_target(pid);
	long policy;

	if (!t)
		return pid < 0 ? -EINVAL : -ESRCH;
	policy = load_relaxed(&t->kt.policy) | (t->sched_reset_on_fork ? SCHED_RESET_ON_FORK : 0);
	task_put(t);
	return policy;
}

long sys_sched_getparam(int pid, uaddr_t param)
{
	struct sched_param sp = {0};
	struct task *t;

	if (!param || pid < 0)
		return -EINVAL;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	if (policy_is_rt(load_relaxed(&t->kt.policy)))
		sp.sched_priority = load_relaxed(&t->kt.rt_priority);
	task_put(t);
	return copy_to_user(param, &sp, sizeof(sp));
}

/* Who gives more than we know, or too little, is told the size that we know. */
static long read_attr(uaddr_t uattr, struct attr *a)
{
	u32 size;
	int err = -E2BIG;

	if (get_user(size, uattr))
		return -EFAULT;
	if (!size)
		size = ATTR_SIZE_MIN;
	if (size >= ATTR_SIZE_MIN && size <= PAGE_SIZE)
		err = copy_struct_from_user(a, sizeof(*a), uattr, size);
	if (err != -E2BIG)
		return err;
	size = sizeof(*a);
	return put_user(size, uattr) ? -EFAULT : -E2BIG;
}

long sys_sched_setattr(int pid, uaddr_t uattr, unsigned int flags)
{
	struct attr a;
	struct change c;
	struct task *t;
	long err;

	if (!uattr || pid < 0 || flags)
		return -EINVAL;
	err = read_attr(uattr, &a);
	if (err)
		return err;
	if ((s32)a.policy < 0 ||
	    (a.flags &
	     ~(u64)(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)))
		return -EINVAL;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	c.policy = a.flags & SCHED_FLAG_KEEP_POLICY ? load_relaxed(&t->kt.policy) : (int)a.policy;
	c.priority = (int)min(a.priority, 1000u);
	c.nice = max(NICE_MIN, min(NICE_MAX, a.nice));
	if (a.flags & SCHED_FLAG_KEEP_PARAMS) {
		c.priority = load_relaxed(&t->kt.rt_priority);
		c.nice = load_relaxed(&t->kt.nice);
	}
	c.reset_on_fork = a.flags & SCHED_FLAG_RESET_ON_FORK;
	err = apply(t, &c);
	task_put(t);
	return err;
}

long sys_sched_getattr(int pid, uaddr_t uattr, unsigned int bytes, unsigned int flags)
{
	struct attr a = {.size = sizeof(a)};
	struct task *t;

	if (!uattr || pid < 0 || bytes < ATTR_SIZE_MIN || bytes > PAGE_SIZE || flags)
		return -EINVAL;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	a.policy = load_relaxed(&t->kt.policy);
	a.flags = t->sched_reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	if (policy_is_rt(load_relaxed(&t->kt.policy)))
		a.priority = load_relaxed(&t->kt.rt_priority);
	else
		a.nice = load_relaxed(&t->kt.nice);
	a.util_max = 1024;
	task_put(t);
	a.size = min(bytes, (u32)sizeof(a));
	return copy_to_user(uattr, &a, a.size);
}

/* Those that have no priorities; SCHED_DEADLINE among them, although nobody can have it. */
static long no_priorities(int policy)
{
	switch (policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
	case 6: /* SCHED_DEADLINE */
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_sched_get_priority_max(int policy)
{
	return policy_is_rt(policy) ? RT_MAX : no_priorities(policy);
}

long sys_sched_get_priority_min(int policy)
{
	return policy_is_rt(policy) ? 1 : no_priorities(policy);
}

long sys_sched_rr_get_interval(int pid, uaddr_t interval)
{
	struct timespec ts;
	struct task *t;

	if (pid < 0)
		return -EINVAL;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	ts = ns_to_timespec(load_relaxed(&t->kt.policy) == SCHED_RR	? SCHED_RR_SLICE
			    : load_relaxed(&t->kt.policy) == SCHED_FIFO ? 0
									: SCHED_SLICE);
	task_put(t);
	return copy_to_user(interval, &ts, sizeof(ts));
}

long sys_sched_yield(void)
{
	sched_yield_cpu();
	return 0;
}

/* ---- CPU sets ---- */

static u64 all_cpus(void)
{
	return nr_cpus >= 64 ? ~0ull : (1ull << nr_cpus) - 1;
}

/* As on Linux, t runs nowhere else any more when the call returns. */
static long set_affinity(struct task *t, u64 set)
{
	if (!sched_may_change(t))
		return -EPERM;
	if (!set)
		return -EINVAL;
	sched_set_affinity(&t->kt, set);
	return sched_wait_affinity(&t->kt);
}

long sys_sched_setaffinity(int pid, unsigned int len, uaddr_t mask)
{
	u64 set = 0;
	struct task *t;
	long err;

	if (copy_from_user(&set, mask, min((size_t)len, sizeof(set))))
		return -EFAULT;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	err = set_affinity(t, set & all_cpus());
	task_put(t);
	return err;
}

/* The result is how many bytes were written. */
long sys_sched_getaffinity(int pid, unsigned int len, uaddr_t mask)
{
	struct task *t;
	u64 set;

	if ((u64)len * 8 < (u64)nr_cpus || len % sizeof(u64))
		return -EINVAL;
	t = find_target(pid);
	if (!t)
		return -ESRCH;
	set = load_relaxed(&t->kt.allowed) & all_cpus();
	task_put(t);
	return put_user(set, mask) ? -EFAULT : (long)sizeof(set);
}

long sys_getcpu(uaddr_t cpu, uaddr_t node, uaddr_t cache)
{
	unsigned id = (unsigned)this_cpu()->id, zero = 0;

	if (cpu && put_user(id, cpu))
		return -EFAULT;
	return node && put_user(zero, node) ? -EFAULT : 0;
}
