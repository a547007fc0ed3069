/*
 * Clocks. The host's clocks are the guest's, so nobody in the guest can set them; CPU-time clocks
 * are computed from the scheduler's accounts.
 */
#include "clock.h"

#include "cputimer.h"
#include "cred.h"
#include "syscall_protos.h"
#include "timeout.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>

ktime_t deadline_in(ktime_t ns)
{
	ktime_t now = ktime_mono();

	return ns < KTIME_MAX - 1 - now ? now + ns : KTIME_MAX - 1;
}

int clock_now(int clockid, ktime_t *ns)
{
	struct timespec ts;

	switch (clockid) {
	case CLOCK_MONOTONIC:
		*ns = ktime_mono();
		return 0;
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
		*ns = ktime_real();
		return 0;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		clockid = CLOCK_BOOTTIME;
		break;
	case CLOCK_TAI:
		break;
	default:
		return -EINVAL;
	}
	if (ktime_get(clockid, &ts))
		return -EINVAL;
	return timespec_to_ns(&ts, ns);
}

int deadline_at(int clockid, ktime_t ns, ktime_t *deadline)
{
	ktime_t now;
	int err = clock_now(clockid, &now);

	if (err)
		return err;
	*deadline = clockid == CLOCK_MONOTONIC ? max(ns, (ktime_t)1)
					       : deadline_in(ns > now ? ns - now : 0);
	return 0;
}

/*
 * Clock ids below zero: ~pid << 3, a bit for "one thread", and which of its times. pid 0 is the
 * caller. The clock's owner is *tg, with a reference, and *t for a thread's clock, likewise.
 */
int cpu_clock_find(int clockid, struct thread_group **tg, struct task **t, enum cpu_clock *which)
{
	pid_t pid = ~(clockid >> 3);

	*t = NULL;
	if (clockid == CLOCK_PROCESS_CPUTIME_ID || clockid == CLOCK_THREAD_CPUTIME_ID) {
		*which = CPU_CLOCK_SCHED;
		pid = 0;
	} else if (clockid >= 0 || (clockid & 3) == 3) {
		return -EINVAL;
	} else {
		*which = (enum cpu_clock)(clockid & 3);
	}
	if (clockid == CLOCK_THREAD_CPUTIME_ID || (clockid < 0 && (clockid & 4))) {
		*t = pid ? find_task(pid) : task_get(current);
		if (!*t)
			return -EINVAL;
		if ((*t)->tg != current->tg) {
			task_put(*t);
			return -EINVAL;
		}
		*tg = tg_get((*t)->tg);
		return 0;
	}
	*tg = pid ? find_process(pid) : tg_get(current->tg);
	return *tg ? 0 : -EINVAL;
}

bool clock_is_cpu(int clockid)
{
	return clockid < 0 || clockid == CLOCK_PROCESS_CPUTIME_ID ||
	       clockid == CLOCK_THREAD_CPUTIME_ID;
}

static int cpu_clock_gettime(int clockid, struct timespec *ts)
{
	struct thread_group *tg;
	struct task *t;
	enum cpu_clock which;
	int err = cpu_clock_find(clockid, &tg, &t, &which);
	u64 ns;

	if (err)
		return err;
	spin_lock(&tg->siglock);
	ns = cpu_clock_read_locked(tg, t, which);
	spin_unlock(&tg->siglock);
	tg_put(tg);
	if (t)
		task_put(t);
	*ts = ns_to_timespec(ns);
	return 0;
}

static bool is_host_clock(int clockid)
{
	return clockid >= 0 && clockid <= CLOCK_TAI && clockid != 10 && !clock_is_cpu(clockid);
}

static int host_clock_id(int clockid)
{
	if (clockid == CLOCK_REALTIME_ALARM)
		return CLOCK_REALTIME;
	return clockid == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clockid;
}

long sys_clock_gettime(int clock, uaddr_t tp)
{
	struct timespec ts;
	int err;

	if (clock_is_cpu(clock))
		err = cpu_clock_gettime(clock, &ts);
	else
		err = is_host_clock(clock) ? ktime_get(host_clock_id(clock), &ts) : -EINVAL;
	if (err)
		return err;
	return copy_to_user(tp, &ts, sizeof(ts));
}

long sys_clock_getres(int clock, uaddr_t tp)
{
	struct timespec ts = {0, 1};
	struct thread_group *tg;
	struct task *t;
	enum cpu_clock which;
	int err;

	if (clock_is_cpu(clock)) {
		err = cpu_clock_find(clock, &tg, &t, &which);
		if (!err) {
			tg_put(tg);
			if (t)
				task_put(t);
		}
	} else {
		err = is_host_clock(clock) ? ktime_getres(host_clock_id(clock), &ts) : -EINVAL;
	}
	if (err || !tp)
		return err;
	return copy_to_user(tp, &ts, sizeof(ts));
}

long sys_clock_settime(int clock, uaddr_t tp)
{
	struct timespec ts;
	ktime_t ns;

	if (!clock_is_cpu(clock) && clock != CLOCK_REALTIME)
		return -EINVAL;
	if (copy_from_user(&ts, tp, sizeof(ts)))
		return -EFAULT;
	return timespec_to_ns(&ts, &ns) ? -EINVAL : -EPERM;
}

long sys_gettimeofday(uaddr_t tv, uaddr_t tz)
{
	struct timezone zone = {0};

	if (tv) {
		ktime_t now = ktime_real();
		struct timeval t = {.tv_sec = now / NSEC_PER_SEC,
				    .tv_usec = now % NSEC_PER_SEC / NSEC_PER_USEC};

		if (copy_to_user(tv, &t, sizeof(t)))
			return -EFAULT;
	}
	return tz ? copy_to_user(tz, &zone, sizeof(zone)) : 0;
}

long sys_settimeofday(uaddr_t tv, uaddr_t tz)
{
	struct timeval t;
	struct timezone zone;

	if (tv) {
		if (copy_from_user(&t, tv, sizeof(t)))
			return -EFAULT;
		if (t.tv_usec < 0 || t.tv_usec > 1000000 || t.tv_sec < 0)
			return -EINVAL;
	}
	if (tz && copy_from_user(&zone, tz, sizeof(zone)))
		return -EFAULT;
	return tv || tz ? -EPERM : 0;
}

long sys_time(uaddr_t tloc)
{
	long now = (long)(ktime_real() / NSEC_PER_SEC);

	return tloc && put_user(now, tloc) ? -EFAULT : now;
}

/* The state of a clock that nothing adjusts; changing it is for the host. */
static long adjust(uaddr_t buf)
{
	struct timex tx, now = {0};
	ktime_t real;

	if (copy_from_user(&tx, buf, sizeof(tx)))
		return -EFAULT;
	if (tx.modes == 0x8001 /* ADJ_OFFSET_SINGLESHOT */)
		return -EPERM;
	if (tx.modes && tx.modes != 0xa001 /* ADJ_OFFSET_SS_READ */)
		return -EPERM;
	real = ktime_real();
	now.modes = tx.modes;
	now.maxerror = now.esterror = 16000000;
	now.status = STA_UNSYNC;
	now.constant = 2;
	now.precision = 1;
	now.tolerance = 32768000;
	now.tick = 10000;
	now.time.tv_sec = (long)(real / NSEC_PER_SEC);
	now.time.tv_usec = (long)(real % NSEC_PER_SEC / NSEC_PER_USEC);
	return copy_to_user(buf, &now, sizeof(now)) ? -EFAULT : TIME_ERROR;
}

long sys_adjtimex(uaddr_t buf)
{
	return adjust(buf);
}

long sys_clock_adjtime(int clock, uaddr_t buf)
{
	if (clock == CLOCK_REALTIME)
		return adjust(buf);
	return is_host_clock(clock) || clock_is_cpu(clock) ? -EOPNOTSUPP : -EINVAL;
}
