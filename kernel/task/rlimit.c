/* Limits, and what was used: getrlimit, prlimit64, getrusage, times. */
#include "cputime.h"
#include "cred.h"
#include "kernel/task/usage.h"
#include "ktime.h"
#include "mm.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <string.h>
#include <sys/times.h>

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

/* ---- usage ---- */

static void put_time(u64 ns, struct timeval *tv)
{
	tv->tv_sec = (long)(ns / NSEC_PER_SEC);
	tv->tv_usec = (long)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
}

/* The most memory that the caller's process had resident, as far as somebody looked. */
static u64 maxrss_kb(void)
{
	struct mm *mm = current->mm;
	u64 pages[7], now = 0;

	if (!host_mm_statm(mm->host, pages))
		now = pages[1] * (PAGE_SIZE / 1024);
	return mm_note_rss(mm, now);
}

/* The current thread's page faults, as the host counts them; other threads' as they were when they asked last. */
static void fetch_faults(struct task *t)
{
	struct host_usage u;

	if (context_usage(t->ctx, &u))
		return;
	t->minflt = u.minflt;
	t->majflt = u.majflt;
}

static void usage_thread(struct task *t, struct rusage *ru)
{
	u64 ut, st;

	fetch_faults(t);
	task_cputime(t, &ut, &st);
	put_time(ut, &ru->ru_utime);
	put_time(st, &ru->ru_stime);
	ru->ru_nvcsw = (long)t->kt.nvcsw;
	ru->ru_nivcsw = (long)t->kt.nivcsw;
	ru->ru_minflt = (long)t->minflt;
	ru->ru_majflt = (long)t->majflt;
	ru->ru_maxrss = (long)maxrss_kb();
}

static void usage_self(struct thread_group *tg, struct rusage *ru)
{
	struct task *t;
	u64 ut, st;

	fetch_faults(current);
	spin_lock(&tg->siglock);
	group_cputime_locked(tg, &ut, &st);
	ru->ru_nvcsw = (long)tg->nvcsw;
	ru->ru_nivcsw = (long)tg->nivcsw;
	cds_list_for_each_entry(t, &tg->threads, group_link) {
		if (t->times_folded)
			continue;
		ru->ru_nvcsw += (long)__atomic_load_n(&t->kt.nvcsw, __ATOMIC_RELAXED);
		ru->ru_nivcsw += (long)__atomic_load_n(&t->kt.nivcsw, __ATOMIC_RELAXED);
		ru->ru_minflt += (long)t->minflt;
		ru->ru_majflt += (long)t->majflt;
	}
	spin_unlock(&tg->siglock);
	put_time(ut, &ru->ru_utime);
	put_time(st, &ru->ru_stime);
	ru->ru_maxrss = (long)maxrss_kb();
}

static void usage_children(struct thread_group *tg, struct rusage *ru)
{
	struct usage_sums self, children;

	host_reaper_flush();
	usage_read(tg->usage, &self, &children);
	spin_lock(&tg->siglock);
	put_time(tg->cutime_ns, &ru->ru_utime);
	put_time(tg->cstime_ns, &ru->ru_stime);
	ru->ru_nvcsw = (long)tg->cnvcsw;
	ru->ru_nivcsw = (long)tg->cnivcsw;
	ru->ru_minflt = (long)children.minflt;
	ru->ru_majflt = (long)children.majflt;
	ru->ru_maxrss = (long)children.maxrss_kb;
	spin_unlock(&tg->siglock);
}

long sys_getrusage(int who, uaddr_t ru)
{
	struct rusage r;

	memset(&r, 0, sizeof(r));
	switch (who) {
	case RUSAGE_SELF:
		usage_self(current->tg, &r);
		break;
	case RUSAGE_CHILDREN:
		usage_children(current->tg, &r);
		break;
	case RUSAGE_THREAD:
		usage_thread(current, &r);
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(ru, &r, sizeof(r));
}

long sys_times(uaddr_t buf)
{
	struct thread_group *tg = current->tg;
	struct tms tms;
	u64 ut, st;

	if (buf) {
		spin_lock(&tg->siglock);
		group_cputime_locked(tg, &ut, &st);
		tms.tms_utime = (clock_t)ns_to_clock_ticks(ut);
		tms.tms_stime = (clock_t)ns_to_clock_ticks(st);
		tms.tms_cutime = (clock_t)ns_to_clock_ticks(tg->cutime_ns);
		tms.tms_cstime = (clock_t)ns_to_clock_ticks(tg->cstime_ns);
		spin_unlock(&tg->siglock);
		if (copy_to_user(buf, &tms, sizeof(tms)))
			return -EFAULT;
	}
	return (long)ns_to_clock_ticks(ktime_mono());
}
