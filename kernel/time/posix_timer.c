/*
 * POSIX timers (timer_create).
 *
 * A timer belongs to a group, has its own preallocated queue entry for its signal, and is in one of
 *these states:
 *
 *	off         not armed, nothing queued
 *	armed       the clock runs
 *	signalled   expired; its signal waits. A periodic one stays `on`, and is armed anew when the
 *signal is taken
 *
 * Everything is under the group's siglock. Callbacks may come late: `expires` tells whether they
 *still mean this setting.
 */
#include "clock.h"

#include "alloc.h"
#include "cred.h"
#include "cputime.h"
#include "kernel/time/timer_ids.h"
#include "posix_timer.h"
#include "syscall_protos.h"
#include "timeout.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <string.h>

#define IGNORED_MIN_NS (10 * NSEC_PER_MSEC)

struct ktimer {
	struct cds_list_head link; /* ktimer_list->timers */
	struct timer_id id;	   /* in ktimer_list->ids */
	int clock;		   /* constant */
	int notify;		   /* constant: SIGEV_* */
	struct thread_group *tg;   /* constant; outlives it */
	struct task *target;	   /* constant, +1: SIGEV_THREAD_ID's, or NULL */
	struct sigqueue q;
	struct timer timer;  /* of clocks that run by themselves */
	bool by_cpu;	     /* constant: of a CPU clock, */
	struct cpu_timer ct; /* and then this one. Its thread: +1 */
	struct user *user;   /* constant, +1 */
	/* siglock */
	bool on;
	ktime_t expires; /* CLOCK_MONOTONIC, or the CPU clock's */
	ktime_t interval;
	u64 overrun;	  /* of the signal being waited for */
	int last_overrun; /* of the one taken last */
};

/* All under siglock. */
struct ktimer_list {
	struct cds_list_head timers;
	struct timer_ids ids; /* the same ones */
};

static struct sigpending *queue_of(struct ktimer *kt)
{
	return kt->target ? &kt->target->pending : &kt->tg->shared_pending;
}

static ktime_t timer_now_locked(struct ktimer *kt)
{
	return kt->by_cpu ? cpu_clock_read_locked(kt->tg, kt->ct.thread, kt->ct.clock)
			  : ktime_mono();
}

static void arm_locked(struct ktimer *kt)
{
	if (kt->notify == SIGEV_NONE)
		return; /* only ever looked at */
	if (!kt->by_cpu)
		timer_arm(&kt->timer, kt->expires);
	else if (kt->tg->cpu_timers)
		cpu_timer_arm_locked(kt->tg, &kt->ct, kt->expires);
}

/* Moves a periodic timer's expiry past now, counting the periods that nobody saw. */
static void forward_locked(struct ktimer *kt, ktime_t now)
{
	u64 n;

	if (kt->expires > now)
		return;
	n = (now - kt->expires) / kt->interval + 1;
	kt->expires += n * kt->interval;
	kt->overrun += n;
}

/* Its signal is ignored, or was dropped: it keeps time all the same, since that may change. */
static void go_on_unseen_locked(struct ktimer *kt, ktime_t now)
{
	if (!kt->on || !kt->interval)
		return;
	forward_locked(kt, now + IGNORED_MIN_NS);
	kt->overrun = 0;
	arm_locked(kt);
}

static void expire_locked(struct ktimer *kt, ktime_t now)
{
	if (!kt->interval || (kt->target && kt->target->exiting))
		kt->on = false;
	if (kt->target && kt->target->exiting)
		return;
	if (!cds_list_empty(&kt->q.link))
		kt->overrun++;
	else if (!send_prepared_locked(kt->tg, kt->target, &kt->q))
		go_on_unseen_locked(kt, now);
}

void posix_timer_dropped_locked(struct ktimer *kt)
{
	if (kt->target && kt->target->exiting)
		kt->on = false;
	go_on_unseen_locked(kt, timer_now_locked(kt));
}

static void timer_fn(struct timer *timer)
{
	struct ktimer *kt = caa_container_of(timer, struct ktimer, timer);
	struct thread_group *tg = kt->tg;
	ktime_t now;

	spin_lock(&tg->siglock);
	now = ktime_mono();
	if (kt->on && !timer_is_armed(timer) && kt->expires <= now)
		expire_locked(kt, now);
	spin_unlock(&tg->siglock);
}

static void cpu_fire(struct cpu_timer *ct, struct thread_group *tg, u64 now)
{
	expire_locked(caa_container_of(ct, struct ktimer, ct), now);
}

void posix_timer_taken_locked(struct ktimer *kt, siginfo_t *si)
{
	if (kt->on && kt->interval) {
		forward_locked(kt, timer_now_locked(kt));
		/* The first of the periods is the signal itself. */
		kt->overrun -= kt->overrun ? 1 : 0;
		arm_locked(kt);
	}
	kt->last_overrun = (int)min(kt->overrun, (u64)INT32_MAX);
	kt->overrun = 0;
	si->si_overrun = kt->last_overrun;
}

/* Takes it off its clock and its signal off the queue. */
static void stop_locked(struct ktimer *kt)
{
	kt->on = false;
	kt->overrun = 0;
	if (kt->by_cpu)
		cpu_timer_disarm_locked(&kt->ct);
	else
		timer_cancel(&kt->timer);
	if (!cds_list_empty(&kt->q.link))
		sigpending_remove_locked(queue_of(kt), &kt->q);
}

static void ktimer_free(struct ktimer *kt)
{
	if (kt->target)
		task_put(kt->target);
	if (kt->ct.thread)
		task_put(kt->ct.thread);
	if (kt->user) {
		__atomic_sub_fetch(&kt->user->sigpending, 1, __ATOMIC_RELAXED);
		user_put(kt->user);
	}
	kfree(kt);
}

/* It is off the list already. */
static void destroy(struct ktimer *kt)
{
	if (!kt->by_cpu)
		timer_cancel_sync(&kt->timer);
	ktimer_free(kt);
}

static struct ktimer *find_locked(struct thread_group *tg, int id)
{
	struct timer_id *n = tg->timers ? timer_ids_find(&tg->timers->ids, id) : NULL;

	return n ? caa_container_of(n, struct ktimer, id) : NULL;
}

/*
 * Nobody finds it any more, nor does it do anything but what its callback may be at: destroy()
 * waits for that.
 */
static void remove_locked(struct ktimer *kt)
{
	timer_ids_remove(&kt->tg->timers->ids, &kt->id);
	cds_list_del(&kt->link);
	stop_locked(kt);
}

void posix_timers_exit(struct thread_group *tg)
{
	struct ktimer *kt;

	for (;;) {
		spin_lock(&tg->siglock);
		if (!tg->timers || cds_list_empty(&tg->timers->timers))
			break;
		kt = cds_list_first_entry(&tg->timers->timers, struct ktimer, link);
		remove_locked(kt);
		spin_unlock(&tg->siglock);
		destroy(kt);
	}
	if (tg->timers)
		timer_ids_destroy(&tg->timers->ids);
	kfree(tg->timers);
	tg->timers = NULL;
	spin_unlock(&tg->siglock);
}

/* ---- creation ---- */

/* Which clocks can have timers; fills what depends on it. */
static int set_clock(struct ktimer *kt, int clock)
{
	struct thread_group *tg;
	enum cpu_clock which;
	struct task *t;
	ktime_t now;
	int err;

	kt->clock = clock;
	if (clock_is_cpu(clock)) {
		err = cpu_clock_find(clock, &tg, &t, &which);
		if (err)
			return err;
		kt->by_cpu = true;
		cpu_timer_init(&kt->ct, t, which, cpu_fire); /* keeps t's reference */
		/* Another process's clock would need its lock besides ours. */
		err = tg == kt->tg ? cpu_timers_alloc(tg) : -EOPNOTSUPP;
		tg_put(tg);
		return err;
	}
	timer_init(&kt->timer, timer_fn);
	if (clock_now(clock, &now))
		return clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE ||
				       clock == CLOCK_MONOTONIC_COARSE
			       ? -EOPNOTSUPP
			       : -EINVAL;
	if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
	    !capable(CAP_WAKE_ALARM))
		return -EPERM;
	return 0;
}

/* How it notifies. ev is NULL for the default, a SIGALRM that carries the timer's id. */
static int set_event(struct ktimer *kt, const struct sigevent *ev)
{
	siginfo_t *si = &kt->q.info;

	si->si_code = SI_TIMER;
	kt->notify = ev ? ev->sigev_notify : SIGEV_SIGNAL;
	si->si_signo = ev ? ev->sigev_signo : SIGALRM;
	if (ev)
		si->si_value = ev->sigev_value;
	switch (kt->notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_THREAD_ID:
		kt->target = find_task(ev->_sigev_un._tid);
		if (!kt->target || kt->target->tg != current->tg)
			return -EINVAL;
		/* fall through */
	case SIGEV_SIGNAL:
	case SIGEV_THREAD: /* libc's business: to the kernel it is a signal */
		return si->si_signo < 1 || si->si_signo > NSIG ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* Counts for RLIMIT_SIGPENDING, as its signal needs a queue entry. */
static int charge(struct ktimer *kt)
{
	struct user *u = user_get(current->cred->user);

	if (__atomic_add_fetch(&u->sigpending, 1, __ATOMIC_RELAXED) >
	    current->tg->rlim[RLIMIT_SIGPENDING].rlim_cur) {
		__atomic_sub_fetch(&u->sigpending, 1, __ATOMIC_RELAXED);
		user_put(u);
		return -EAGAIN;
	}
	kt->user = u;
	return 0;
}

/*
 * Gives it an id and a place on the list of its group. By default its signal carries the id. From
 * then on another thread may delete the timer: the caller knows it by *id only.
 */
static int publish(struct ktimer *kt, bool id_as_value, int *id)
{
	struct thread_group *tg = kt->tg;
	struct ktimer_list *l = kzalloc(sizeof(*l));

	spin_lock(&tg->siglock);
	if (!tg->timers && l) {
		CDS_INIT_LIST_HEAD(&l->timers);
		timer_ids_init(&l->ids);
		tg->timers = l;
		l = NULL;
	}
	if (!tg->timers) {
		spin_unlock(&tg->siglock);
		return -ENOMEM;
	}
	timer_ids_add(&tg->timers->ids, &kt->id);
	*id = kt->id.id;
	kt->q.info.si_timerid = *id;
	if (id_as_value)
		kt->q.info.si_value.sival_int = *id;
	cds_list_add_tail(&kt->link, &tg->timers->timers);
	spin_unlock(&tg->siglock);
	kfree(l);
	return 0;
}

long sys_timer_create(int clock, uaddr_t event, uaddr_t id)
{
	struct sigevent ev;
	struct ktimer *kt;
	int err, nr;

	if (event && copy_from_user(&ev, event, sizeof(ev)))
		return -EFAULT;
	kt = kzalloc(sizeof(*kt));
	if (!kt)
		return -EAGAIN;
	kt->tg = current->tg;
	kt->q.timer = kt;
	CDS_INIT_LIST_HEAD(&kt->q.link);
	CDS_INIT_LIST_HEAD(&kt->ct.link);
	err = set_clock(kt, clock);
	if (!err)
		err = set_event(kt, event ? &ev : NULL);
	if (!err)
		err = charge(kt);
	if (!err)
		err = publish(kt, !event, &nr);
	if (err) {
		ktimer_free(kt);
		return err;
	}
	if (copy_to_user(id, &nr, sizeof(nr))) {
		(void)sys_timer_delete(nr);
		return -EFAULT;
	}
	return 0;
}

long sys_timer_delete(int id)
{
	struct thread_group *tg = current->tg;
	struct ktimer *kt;

	spin_lock(&tg->siglock);
	kt = find_locked(tg, id);
	if (kt)
		remove_locked(kt);
	spin_unlock(&tg->siglock);
	if (!kt)
		return -EINVAL;
	destroy(kt);
	return 0;
}

/* ---- setting and reading ---- */

static void get_locked(struct ktimer *kt, struct itimerspec *its)
{
	ktime_t now = timer_now_locked(kt), left = 0, expires = kt->expires;

	memset(its, 0, sizeof(*its));
	its->it_interval = ns_to_timespec(kt->interval);
	if (!kt->on)
		return;
	if (kt->interval && expires <= now &&
	    (kt->notify == SIGEV_NONE || !cds_list_empty(&kt->q.link)))
		expires += ((now - expires) / kt->interval + 1) * kt->interval;
	if (expires > now)
		left = expires - now;
	else if (kt->notify != SIGEV_NONE)
		left = 1; /* its signal is about to be sent */
	its->it_value = ns_to_timespec(left);
}

static int set_locked(struct ktimer *kt, int flags, ktime_t value, ktime_t interval)
{
	ktime_t deadline;
	int err;

	if (!value) {
		stop_locked(kt);
		kt->interval = interval;
		return 0;
	}
	if (kt->by_cpu) {
		deadline = flags & TIMER_ABSTIME ? value : timer_now_locked(kt) + value;
	} else if (flags & TIMER_ABSTIME) {
		err = deadline_at(kt->clock, value, &deadline);
		if (err)
			return err;
	} else {
		deadline = deadline_in(value);
	}
	stop_locked(kt);
	kt->interval = interval;
	kt->expires = deadline;
	kt->on = true;
	arm_locked(kt);
	return 0;
}

long sys_timer_settime(int id, int flags, uaddr_t value, uaddr_t ovalue)
{
	struct thread_group *tg = current->tg;
	struct itimerspec its, old;
	ktime_t v, i;
	struct ktimer *kt;
	int err = -EINVAL;

	if (!value)
		return -EINVAL;
	if (copy_from_user(&its, value, sizeof(its)))
		return -EFAULT;
	if (timespec_to_ns(&its.it_value, &v) || timespec_to_ns(&its.it_interval, &i))
		return -EINVAL;
	/* Sums of clocks and periods stay far from overflow. */
	v = min(v, (ktime_t)1 << 62);
	i = min(i, (ktime_t)1 << 62);
	spin_lock(&tg->siglock);
	kt = find_locked(tg, id);
	if (kt) {
		get_locked(kt, &old);
		err = set_locked(kt, flags, v, i);
	}
	spin_unlock(&tg->siglock);
	if (err || !ovalue)
		return err;
	return copy_to_user(ovalue, &old, sizeof(old));
}

long sys_timer_gettime(int id, uaddr_t value)
{
	struct thread_group *tg = current->tg;
	struct itimerspec its;
	struct ktimer *kt;

	spin_lock(&tg->siglock);
	kt = find_locked(tg, id);
	if (kt)
		get_locked(kt, &its);
	spin_unlock(&tg->siglock);
	return kt ? copy_to_user(value, &its, sizeof(its)) : -EINVAL;
}

long sys_timer_getoverrun(int id)
{
	struct thread_group *tg = current->tg;
	struct ktimer *kt;
	long n = -EINVAL;

	spin_lock(&tg->siglock);
	kt = find_locked(tg, id);
	if (kt)
		n = kt->last_overrun;
	spin_unlock(&tg->siglock);
	return n;
}
