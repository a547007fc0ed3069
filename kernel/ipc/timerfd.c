/*
 * Timer descriptors. The clocks that can be set (or that go on while the host sleeps) are followed
 * by the monotonic one: when the timer fires too early by its own clock, it is armed again for the
 * rest.
 */
#include "alloc.h"
#include "cred.h"
#include "fs.h"
#include "ktime.h"
#include "syscalls.h"
#include "task.h"
#include <linux/capability.h>
#include <stdio.h>
#include <sys/timerfd.h>

/*
 * l lock   c constant
 */
struct timerfd {
	struct spinlock lock; /* rank MISC */
	int clock;	      /* c */
	int settime_flags;    /* l: for fdinfo */
	bool armed; /* l: `expiry` lies ahead; for periodic ones: or is due to be advanced by the
		       next read */
	ktime_t expiry;		/* l: next, by `clock` */
	ktime_t interval;	/* l: 0: once */
	u64 ticks;		/* l; atomic reads: expirations not read yet */
	struct timer timer;	/* armed under l */
	struct wait_queue wait; /* ticks > 0 */
};

/* The host clock behind one of ours. */
static int base_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
		return CLOCK_REALTIME;
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_BOOTTIME;
	default:
		return clock;
	}
}

static ktime_t clock_now(const struct timerfd *t)
{
	struct timespec ts;

	if (t->clock == CLOCK_MONOTONIC)
		return ktime_mono();
	if (ktime_get(base_clock(t->clock), &ts))
		return 0;
	return (ktime_t)ts.tv_sec * NSEC_PER_SEC + (ktime_t)ts.tv_nsec;
}

static ktime_t add_sat(ktime_t a, ktime_t b)
{
	return a > KTIME_MAX - 1 - b ? KTIME_MAX - 1 : a + b;
}

/* Arms the timer for t->expiry. Under the lock. */
static void arm_locked(struct timerfd *t, ktime_t now)
{
	ktime_t left = t->expiry > now ? t->expiry - now : 0;

	timer_arm(&t->timer, add_sat(ktime_mono(), left));
}

/* Counts what has expired by `now` and moves expiry on. Under the lock. */
static void advance_locked(struct timerfd *t, ktime_t now)
{
	u64 n = 1;

	if (!t->armed || now < t->expiry)
		return;
	if (t->interval) {
		n += (now - t->expiry) / t->interval;
		t->expiry = add_sat(t->expiry, n * t->interval);
	} else {
		t->armed = false;
	}
	store_release(&t->ticks, t->ticks + n);
}

/*
 * A periodic timer isn't armed again here: the reader does it, so that one which nobody reads costs
 * one wake-up, not a stream of them.
 */
static void timerfd_fire(struct timer *timer)
{
	struct timerfd *t = caa_container_of(timer, struct timerfd, timer);
	ktime_t now = clock_now(t);
	bool wake;

	spin_lock(&t->lock);
	if (t->armed && now < t->expiry)
		arm_locked(t, now); /* the clock was set back */
	advance_locked(t, now);
	wake = t->ticks > 0;
	spin_unlock(&t->lock);
	if (wake)
		wake_up_poll(&t->wait, POLLIN);
}

static u64 timerfd_take(struct timerfd *t)
{
	u64 ticks;

	spin_lock(&t->lock);
	ticks = t->ticks;
	if (ticks && t->armed) { /* periodic: catch up with what passed since it fired */
		ktime_t now = clock_now(t);

		advance_locked(t, now);
		ticks = t->ticks;
		arm_locked(t, now);
	}
	store_release(&t->ticks, 0);
	spin_unlock(&t->lock);
	return ticks;
}

static bool timerfd_ready(const struct timerfd *t)
{
	return load_acquire(&t->ticks) > 0;
}

static ssize_t timerfd_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct timerfd *t = f->priv;
	u64 ticks;

	if (iov_iter_count(to) < sizeof(ticks))
		return -EINVAL;
	while (!(ticks = timerfd_take(t))) {
		int err;

		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_expr(&t->wait, timerfd_ready(t), NULL);
		if (err)
			return err;
	}
	if (copy_to_iter(&ticks, sizeof(ticks), to) != sizeof(ticks))
		return -EFAULT;
	return sizeof(ticks);
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->priv;

	poll_wait(pt, &t->wait);
	return timerfd_ready(t) ? POLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;

	spin_lock(&t->lock);
	t->armed = false;
	spin_unlock(&t->lock);
	timer_cancel_sync(&t->timer);
	kfree(t);
}

/* What timerfd_gettime tells. Under the lock. */
static void get_locked(struct timerfd *t, struct itimerspec *its)
{
	ktime_t now = clock_now(t), left = 0;

	advance_locked(t, now);
	if (t->armed)
		left = t->expiry > now ? t->expiry - now : 1;
	its->it_value = ns_to_timespec(left);
	its->it_interval = ns_to_timespec(t->interval);
}

static void timerfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct timerfd *t = f->priv;
	struct itimerspec its;
	u64 ticks;
	int flags;

	spin_lock(&t->lock);
	ticks = t->ticks;
	flags = t->settime_flags;
	get_locked(t, &its);
	spin_unlock(&t->lock);
	snprintf(
		buf, size,
		"clockid: %d\nticks: %llu\nsettime flags: 0%o\nit_value: (%llu, %llu)\nit_interval: (%llu, %llu)\n",
		t->clock, (unsigned long long)ticks, (unsigned)flags,
		(unsigned long long)its.it_value.tv_sec, (unsigned long long)its.it_value.tv_nsec,
		(unsigned long long)its.it_interval.tv_sec,
		(unsigned long long)its.it_interval.tv_nsec);
}

static const struct file_operations timerfd_ops = {
	.read = timerfd_read,
	.llseek = noop_llseek,
	.poll = timerfd_poll,
	.release = timerfd_release,
	.show_fdinfo = timerfd_fdinfo,
};

static bool is_alarm_clock(int clock)
{
	return clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

long sys_timerfd_create(int clock, int flags)
{
	struct timerfd *t;
	struct file *f;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME &&
	    !is_alarm_clock(clock))
		return -EINVAL;
	if (is_alarm_clock(clock) && !capable(CAP_WAKE_ALARM))
		return -EPERM;
	t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	spin_init(&t->lock, "timerfd", RANK_MISC);
	wait_queue_init(&t->wait);
	timer_init(&t->timer, timerfd_fire);
	t->clock = clock;
	f = file_open_anon("anon_inode:[timerfd]", &timerfd_ops, t,
			   O_RDWR | (flags & TFD_NONBLOCK));
	if (IS_ERR(f))
		kfree(t);
	return fd_add(f, flags & TFD_CLOEXEC);
}

/* The timerfd behind a descriptor: *file gets +1. */
static int timerfd_get(int fd, struct file **file)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	if (f->ops != &timerfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	*file = f;
	return 0;
}

/*
 * Sets the timer anew; *old gets what was. Serialised against a running timerfd_fire by the lock.
 */
static void timerfd_set(struct timerfd *t, int flags, ktime_t value, ktime_t interval,
			struct itimerspec *old)
{
	ktime_t now;
	bool due;

	spin_lock(&t->lock);
	get_locked(t, old);
	now = clock_now(t);
	t->settime_flags = flags;
	t->interval = interval;
	t->expiry = flags & TFD_TIMER_ABSTIME ? value : add_sat(now, value);
	t->armed = value != 0;
	store_release(&t->ticks, 0);
	advance_locked(t, now);
	due = t->ticks > 0;
	if (t->armed && !due)
		arm_locked(t, now);
	else
		timer_cancel(&t->timer);
	spin_unlock(&t->lock);
	if (due)
		wake_up_poll(&t->wait, POLLIN);
}

long sys_timerfd_settime(int fd, int flags, uaddr_t value, uaddr_t ovalue)
{
	struct itimerspec its, old;
	ktime_t first, interval;
	struct timerfd *t;
	struct file *f;
	int err;

	if (get_user(its, value))
		return -EFAULT;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if (timespec_to_ns(&its.it_value, &first) || timespec_to_ns(&its.it_interval, &interval))
		return -EINVAL;
	err = timerfd_get(fd, &f);
	if (err)
		return err;
	t = f->priv;
	if (is_alarm_clock(t->clock) && !capable(CAP_WAKE_ALARM)) {
		file_put(f);
		return -EPERM;
	}
	timerfd_set(t, flags, first, interval, &old);
	file_put(f);
	return ovalue ? put_user(old, ovalue) : 0;
}

long sys_timerfd_gettime(int fd, uaddr_t value)
{
	struct itimerspec its;
	struct timerfd *t;
	struct file *f;
	int err;

	err = timerfd_get(fd, &f);
	if (err)
		return err;
	t = f->priv;
	spin_lock(&t->lock);
	get_locked(t, &its);
	spin_unlock(&t->lock);
	file_put(f);
	return put_user(its, value);
}
