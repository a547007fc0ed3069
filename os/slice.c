/* What the host timer's handler decides about the slice of the guest that it has interrupted. */
#include "os/slice.h"
#include "cpu.h"
#include "host.h"
#include "os/atonce.h"
#include "os/context.h"
#include "sched.h"
#include <fcntl.h>

/* By what a slice is longer at most. */
#define WITHHELD_MAX (100 * NSEC_PER_MSEC)

/* Waits this process for nothing but a host core? That is what proc(5) calls R. */
AT_ONCE static bool is_runnable(pid_t pid)
{
	char path[32] = "/proc/", buf[64], *p = path + sizeof("/proc/") - 1;
	long fd, n;
	pid_t rest;

	for (rest = pid; rest; rest /= 10)
		p++;
	__builtin_memcpy(p, "/stat", sizeof("/stat"));
	for (rest = pid; rest; rest /= 10)
		*--p = '0' + rest % 10;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = syscall(SYS_read, fd, buf, sizeof(buf));
	syscall(SYS_close, fd);
	/* Behind the name, of 15 bytes at most. */
	while (n > 2 && buf[n - 1] != ')')
		n--;
	return n > 2 && n + 1 < (long)sizeof(buf) && buf[n + 1] == 'R';
}

/*
 * A slice is over by the clock. On a host with more to do than it has cores that may be before the
 * guest has run at all, and to stop it takes another turn of the host's: guests would do nothing
 * but give way to each other. So what the host withheld is put on, up to a limit, if it was most of
 * the time.
 */
AT_ONCE static bool extend_slice(struct cpu *c, ktime_t now)
{
	struct kthread *kt = c->current;
	pid_t pid = userspace_pid[c->id];
	u64 used = at_once_cputime(pid) - kt->host_used;
	u64 due = kt->utime_ns + (now - c->last_switch) - kt->host_due;
	u64 withheld = now - kt->slice_start;

	kt->host_used += used;
	kt->host_due += due;
	/* Beyond: a host process that ran another task before. */
	if (used >= due / 4 || !is_runnable(pid))
		return false;
	if (withheld > due - used)
		withheld = due - used;
	if (withheld > WITHHELD_MAX - kt->withheld)
		withheld = WITHHELD_MAX - kt->withheld;
	if (!withheld)
		return false;
	kt->withheld += withheld;
	stat_add(&kt->slice_start, withheld);
	c->slice_end = now + withheld;
	stat_add(&c->stat.extended, 1);
	return true;
}

/*
 * It fired for a plan of before: a timer is never put off. There is nothing to do if the present
 * plan stands, which says nothing of those that were queued since if nobody was then: who saw that
 * the timer would fire soon has left it to that (balance_notify()).
 */
AT_ONCE static bool is_early(const struct cpu *c, ktime_t now)
{
	if (now >= c->slice_end || now >= c->next_event)
		return false;
	/* host_timer before nr_queued; the others the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !load_relaxed(c->nr_queued) ||
	       (c->slice_end != KTIME_MAX && !load_relaxed(&c->runs_rt) &&
		!load_relaxed(&idle_mask));
}

AT_ONCE bool slice_goes_on(struct cpu *c)
{
	ktime_t now = at_once_clock();

	/* 0: of a unit test, with a guest that is none. */
	if (!userspace_pid[c->id] || load_relaxed(&c->need_resched) ||
	    load_relaxed(&c->kick_pending))
		return false;
	if (!is_early(c, now) && (now < c->slice_end || now >= c->next_event ||
				  load_relaxed(&idle_mask) || !extend_slice(c, now)))
		return false;
	host_cpu_timer(c, c->slice_end < c->next_event ? c->slice_end : c->next_event);
	return true;
}
