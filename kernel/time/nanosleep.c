/* nanosleep and clock_nanosleep. */
#include "clock.h"

#include "syscall_protos.h"
#include "timeout.h"
#include "uaccess.h"

/* Sleeps until the deadline; false if a signal came first. */
static bool sleep_until(ktime_t deadline)
{
	bool timed_out = false;

	while (!timed_out) {
		kthread_set_state(KT_INTERRUPTIBLE);
		if (signal_pending(current))
			break;
		timed_out = !schedule_deadline(deadline);
	}
	kthread_set_state(KT_RUNNING);
	return timed_out || ktime_mono() >= deadline;
}

static long put_remaining(uaddr_t rem, ktime_t deadline)
{
	ktime_t now = ktime_mono();
	struct timespec ts = ns_to_timespec(deadline > now ? deadline - now : 0);

	return rem && copy_to_user(rem, &ts, sizeof(ts)) ? -EFAULT : 0;
}

/* restart.arg: deadline, where to put what remains. */
static long sleep_restart(struct task *t)
{
	ktime_t deadline = t->restart.arg[0];
	uaddr_t rem = t->restart.arg[1];

	if (sleep_until(deadline))
		return 0;
	if (put_remaining(rem, deadline))
		return -EFAULT;
	t->restart.fn = sleep_restart;
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_relative(ktime_t ns, uaddr_t rem)
{
	struct task *t = current;

	t->restart.arg[0] = deadline_in(ns);
	t->restart.arg[1] = rem;
	return sleep_restart(t);
}

long sys_nanosleep(uaddr_t req, uaddr_t rem)
{
	struct timespec ts;
	ktime_t ns;

	if (copy_from_user(&ts, req, sizeof(ts)))
		return -EFAULT;
	if (timespec_to_ns(&ts, &ns))
		return -EINVAL;
	return sleep_relative(ns, rem);
}

/* A sleeper by CPU time: a timer that wakes it. */
struct cpu_sleeper {
	struct cpu_timer ct;
	struct task *task;
	bool fired; /* siglock */
};

static void cpu_sleeper_fire(struct cpu_timer *ct, struct thread_group *tg, u64 now)
{
	struct cpu_sleeper *s = caa_container_of(ct, struct cpu_sleeper, ct);

	s->fired = true;
	wake_up_kthread(&s->task->kt);
}

/* Sleeps until the clock shows `expires`; what remains in *left. */
static long cpu_sleep_until(struct thread_group *tg, struct task *thread, enum cpu_clock which,
			    u64 expires, u64 *left)
{
	struct cpu_sleeper s = {.task = current};
	bool fired;
	u64 now;

	cpu_timer_init(&s.ct, thread, which, cpu_sleeper_fire);
	spin_lock(&tg->siglock);
	now = cpu_clock_read_locked(tg, thread, which);
	if (expires <= now)
		s.fired = true;
	else if (tg->cpu_timers) /* else it is ending */
		cpu_timer_arm_locked(tg, &s.ct, expires);
	while (!s.fired) {
		kthread_set_state(KT_INTERRUPTIBLE);
		if (signal_pending(current))
			break;
		spin_unlock(&tg->siglock);
		schedule();
		spin_lock(&tg->siglock);
	}
	kthread_set_state(KT_RUNNING);
	cpu_timer_disarm_locked(&s.ct);
	now = cpu_clock_read_locked(tg, thread, which);
	fired = s.fired;
	spin_unlock(&tg->siglock);
	*left = expires > now ? expires - now : 0;
	return fired ? 0 : -ERESTARTNOHAND;
}

static long cpu_nanosleep(int clockid, ktime_t ns, bool abstime, uaddr_t rem)
{
	struct thread_group *tg;
	struct task *thread;
	enum cpu_clock which;
	struct timespec ts;
	u64 left;
	long err = cpu_clock_find(clockid, &tg, &thread, &which);

	if (err)
		return err;
	if (thread == current) {
		err = -EINVAL; /* it would never end */
		goto out;
	}
	err = cpu_timers_alloc(tg);
	if (err)
		goto out;
	if (!abstime) {
		spin_lock(&tg->siglock);
		ns += cpu_clock_read_locked(tg, thread, which);
		spin_unlock(&tg->siglock);
	}
	err = cpu_sleep_until(tg, thread, which, ns, &left);
	if (err && !abstime) {
		/* Its time can't be resumed: not restarted. */
		ts = ns_to_timespec(left);
		err = rem && copy_to_user(rem, &ts, sizeof(ts)) ? -EFAULT : -EINTR;
	}
out:
	tg_put(tg);
	if (thread)
		task_put(thread);
	return err;
}

long sys_clock_nanosleep(int clock, int flags, uaddr_t req, uaddr_t rem)
{
	struct timespec ts;
	ktime_t ns, now, deadline;

	if (clock_is_cpu(clock)) {
		if (clock == CLOCK_THREAD_CPUTIME_ID)
			return -EOPNOTSUPP;
	} else if (clock_now(clock, &now)) {
		/* The clocks that can only be read. */
		return clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE ||
				       clock == CLOCK_MONOTONIC_COARSE
			       ? -EOPNOTSUPP
			       : -EINVAL;
	}
	if (copy_from_user(&ts, req, sizeof(ts)))
		return -EFAULT;
	if (timespec_to_ns(&ts, &ns))
		return -EINVAL;
	if (clock_is_cpu(clock))
		return cpu_nanosleep(clock, ns, flags & TIMER_ABSTIME, rem);
	if (!(flags & TIMER_ABSTIME))
		return sleep_relative(ns, rem);
	if (deadline_at(clock, ns, &deadline))
		return -EINVAL;
	return sleep_until(deadline) ? 0 : -ERESTARTNOHAND;
}
