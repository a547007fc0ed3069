/*
 * Interval timers: ITIMER_REAL (and alarm) by one ordinary timer, ITIMER_VIRTUAL and ITIMER_PROF by
 * CPU time.
 *
 * A repeating ITIMER_REAL is armed anew when its signal is taken: see posix_timer.h.
 */
#include "clock.h"

#include "cputime.h"
#include "posix_timer.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <string.h>
#include <sys/time.h>

/* A repeating timer whose signal is ignored wakes the kernel no more often than this. */
#define IGNORED_MIN_NS (10 * NSEC_PER_MSEC)

static ktime_t next_expiry(ktime_t expires, ktime_t interval, ktime_t now)
{
	return expires > now ? expires : expires + ((now - expires) / interval + 1) * interval;
}

static void real_fn(struct timer *timer)
{
	struct thread_group *tg = caa_container_of(timer, struct thread_group, itimer_real);
	siginfo_t si;

	spin_lock(&tg->siglock);
	/* Set anew, or off, since it expired? */
	if (!tg->itimer_real_on || timer_is_armed(timer)) {
		spin_unlock(&tg->siglock);
		return;
	}
	tg->itimer_real_on = false;
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGALRM;
	si.si_code = SI_KERNEL;
	(void)signal_group_send_locked(tg, &si);
	if (tg->itimer_real_interval && !tg->group_exit &&
	    !(tg->shared_pending.set & sig_bit(SIGALRM))) {
		tg->itimer_real_on = true;
		timer_arm(timer, ktime_mono() + max(tg->itimer_real_interval, IGNORED_MIN_NS));
	}
	spin_unlock(&tg->siglock);
}

void itimer_real_taken_locked(struct thread_group *tg)
{
	struct timer *t = &tg->itimer_real;

	if (!tg->itimer_real_interval || tg->itimer_real_on)
		return;
	tg->itimer_real_on = true;
	timer_arm(t, next_expiry(t->deadline, tg->itimer_real_interval, ktime_mono()));
}

void itimers_init(struct thread_group *tg)
{
	timer_init(&tg->itimer_real, real_fn);
	tg->itimer_real_interval = 0;
	tg->itimer_real_on = false;
	tg->cpu_timers = NULL;
	tg->timers = NULL;
}

void itimers_exit(struct thread_group *tg)
{
	spin_lock(&tg->siglock);
	tg->itimer_real_on = false;
	tg->itimer_real_interval = 0;
	spin_unlock(&tg->siglock);
	timer_cancel_sync(&tg->itimer_real);
	cpu_timers_exit(tg);
}

/* Remaining time and interval in ns; a running timer never shows 0. */
static void real_get_locked(struct thread_group *tg, u64 *left, u64 *interval)
{
	ktime_t now = ktime_mono();

	*interval = tg->itimer_real_interval;
	*left = 0;
	if (tg->itimer_real_on)
		*left = tg->itimer_real.deadline > now ? tg->itimer_real.deadline - now
						       : NSEC_PER_USEC;
}

static void real_set_locked(struct thread_group *tg, u64 value, u64 interval)
{
	tg->itimer_real_interval = value ? interval : 0;
	tg->itimer_real_on = value != 0;
	if (value)
		timer_arm(&tg->itimer_real, ktime_mono() + value);
	else
		timer_cancel(&tg->itimer_real);
}

static void cpu_get_locked(struct thread_group *tg, int which, u64 *left, u64 *interval)
{
	struct cpu_itimer *it = &tg->cpu_timers->itimer[which - ITIMER_VIRTUAL];
	u64 now;

	*interval = it->interval;
	*left = 0;
	if (cpu_timer_armed(&it->ct)) {
		now = cpu_clock_read_locked(tg, NULL, it->ct.clock);
		*left = it->ct.expires > now ? it->ct.expires - now : NSEC_PER_USEC;
	}
}

static void cpu_set_locked(struct thread_group *tg, int which, u64 value, u64 interval)
{
	struct cpu_itimer *it = &tg->cpu_timers->itimer[which - ITIMER_VIRTUAL];

	it->interval = interval;
	if (value)
		cpu_timer_arm_locked(tg, &it->ct,
				     cpu_clock_read_locked(tg, NULL, it->ct.clock) + value);
	else
		cpu_timer_disarm_locked(&it->ct);
}

static struct timeval ns_to_timeval(u64 ns)
{
	ns = (ns + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
	return (struct timeval){.tv_sec = (long)(ns / 1000000), .tv_usec = (long)(ns % 1000000)};
}

static int timeval_to_ns(const struct timeval *tv, u64 *ns)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return -EINVAL;
	/* Saturates at 146 years, so that sums don't overflow. */
	*ns = (u64)tv->tv_sec >= (1ull << 62) / NSEC_PER_SEC
		      ? 1ull << 62
		      : (u64)tv->tv_sec * NSEC_PER_SEC + (u64)tv->tv_usec * NSEC_PER_USEC;
	return 0;
}

/* Sets the timer if set is true; *value and *interval become what they were. */
static int itimer_exchange(int which, bool set, u64 *value, u64 *interval)
{
	struct thread_group *tg = current->tg;
	u64 left, old_interval;
	int err;

	if (which != ITIMER_REAL) {
		err = cpu_timers_alloc(tg);
		if (err)
			return err;
	}
	spin_lock(&tg->siglock);
	if (which == ITIMER_REAL)
		real_get_locked(tg, &left, &old_interval);
	else
		cpu_get_locked(tg, which, &left, &old_interval);
	if (set && which == ITIMER_REAL)
		real_set_locked(tg, *value, *interval);
	else if (set)
		cpu_set_locked(tg, which, *value, *interval);
	spin_unlock(&tg->siglock);
	*value = left;
	*interval = old_interval;
	return 0;
}

static long put_itimerval(uaddr_t to, u64 value, u64 interval)
{
	struct itimerval itv = {.it_interval = ns_to_timeval(interval),
				.it_value = ns_to_timeval(value)};

	return copy_to_user(to, &itv, sizeof(itv));
}

long sys_getitimer(int which, uaddr_t value)
{
	u64 v, i;
	int err;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	err = itimer_exchange(which, false, &v, &i);
	return err ? err : put_itimerval(value, v, i);
}

long sys_setitimer(int which, uaddr_t value, uaddr_t ovalue)
{
	struct itimerval itv = {0}; /* no value: off, as Linux has it */
	u64 v, i;
	int err;

	if (value && copy_from_user(&itv, value, sizeof(itv)))
		return -EFAULT;
	if (which < ITIMER_REAL || which > ITIMER_PROF || timeval_to_ns(&itv.it_value, &v) ||
	    timeval_to_ns(&itv.it_interval, &i))
		return -EINVAL;
	err = itimer_exchange(which, true, &v, &i);
	if (err || !ovalue)
		return err;
	return put_itimerval(ovalue, v, i);
}

long sys_alarm(unsigned int seconds)
{
	u64 v = seconds * NSEC_PER_SEC, i = 0;

	if (itimer_exchange(ITIMER_REAL, true, &v, &i))
		return 0;
	/* Rounded, but never to "no alarm". */
	return v && v < NSEC_PER_SEC ? 1 : (long)((v + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
}
