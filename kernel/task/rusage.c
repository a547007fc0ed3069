/* What was used: getrusage, times. */
#include "cputime.h"
#include "kernel/task/usage.h"
#include "ktime.h"
#include "mm.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include <string.h>
#include <sys/times.h>

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

/*
 * The current thread's page faults, as the host counts them; other threads' as they were when they
 * asked last.
 */
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
		ru->ru_nvcsw += (long)load_relaxed(&t->kt.nvcsw);
		ru->ru_nivcsw += (long)load_relaxed(&t->kt.nivcsw);
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
