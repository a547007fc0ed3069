/* Timers by CPU time; see cputimer.h. */
#include "cputimer.h"

#include "alloc.h"
#include "cputime.h"
#include "signals.h"
#include <string.h>

/*
 * How near to the moment of expiry is near enough, and how often a group's clock is read at most.
 */
#define CHECK_MIN_NS (200 * NSEC_PER_USEC)

u64 cpu_clock_read_locked(struct thread_group *tg, struct task *thread, enum cpu_clock clock)
{
	u64 ut, st;

	if (thread)
		task_cputime(thread, &ut, &st);
	else
		group_cputime_locked(tg, &ut, &st);
	return clock == CPU_CLOCK_VIRT ? ut : ut + st;
}

/* How many members can use CPU time at once. */
static u64 max_parallel(const struct thread_group *tg)
{
	return min(tg->nr_threads, nr_cpus);
}

static bool group_runs(struct thread_group *tg)
{
	struct task *t;

	cds_list_for_each_entry(t, &tg->threads, group_link)
		if (__atomic_load_n(&t->kt.state, __ATOMIC_SEQ_CST) == KT_RUNNING)
			return true;
	return false;
}

/*
 * Nobody runs: whoever runs next sets the check again. False if somebody began to run meanwhile,
 * and may have looked at its work before the bit was there.
 */
static bool rest_locked(struct cpu_timers *c)
{
	struct task *t;

	c->resting = true;
	cds_list_for_each_entry(t, &c->tg->threads, group_link)
		__atomic_or_fetch(&t->work, WORK_CPUTIMER, __ATOMIC_SEQ_CST);
	return !group_runs(c->tg);
}

/*
 * cpu_clock_read_locked() of a timer's clock, for a walk of many: the group's times were read once.
 */
static u64 clock_of_locked(struct thread_group *tg, const struct cpu_timer *ct, u64 ut, u64 st)
{
	if (ct->thread)
		return cpu_clock_read_locked(tg, ct->thread, ct->clock);
	return ct->clock == CPU_CLOCK_VIRT ? ut : ut + st;
}

/* The real time that passes at least until it expires. */
static u64 time_left(struct thread_group *tg, const struct cpu_timer *ct, u64 now)
{
	u64 left = ct->expires > now ? ct->expires - now : 0;

	return ct->thread ? left : left / max_parallel(tg);
}

/* Sets the check to the earliest possible expiry. */
static void plan_locked(struct cpu_timers *c)
{
	struct cpu_timer *ct;
	u64 left = UINT64_MAX, ut, st, mono;

	/* The group is being made: its first member plans when it begins. */
	if (!c->tg->nr_threads)
		return;
	group_cputime_locked(c->tg, &ut, &st);
	cds_list_for_each_entry(ct, &c->list, link)
		left = min(left, time_left(c->tg, ct, clock_of_locked(c->tg, ct, ut, st)));
	c->resting = false;
	if (left == UINT64_MAX) {
		timer_cancel(&c->check);
		return;
	}
	/* A limit of ages must not wrap round to a moment that is always due. */
	mono = ktime_mono();
	timer_arm(&c->check, mono + min(max(left, CHECK_MIN_NS), KTIME_MAX - 1 - mono));
}

static void check_fn(struct timer *timer)
{
	struct cpu_timers *c = caa_container_of(timer, struct cpu_timers, check);
	struct thread_group *tg = c->tg;
	struct cpu_timer *ct, *next;
	struct cds_list_head due;
	u64 ut, st, total;

	CDS_INIT_LIST_HEAD(&due);
	spin_lock(&tg->siglock);
	group_cputime_locked(tg, &ut, &st);
	cds_list_for_each_entry_safe(ct, next, &c->list, link)
		if (clock_of_locked(tg, ct, ut, st) >= ct->expires)
			cds_list_move(&ct->link, &due);
	c->checking = true;
	while (!cds_list_empty(&due)) {
		ct = cds_list_first_entry(&due, struct cpu_timer, link);
		cds_list_del_init(&ct->link);
		ct->fire(ct, tg, clock_of_locked(tg, ct, ut, st));
	}
	c->checking = false;
	total = ut + st;
	if (total != c->total || group_runs(tg) || cds_list_empty(&c->list) || !rest_locked(c))
		plan_locked(c);
	c->total = total;
	spin_unlock(&tg->siglock);
}

void cpu_timers_resume(struct task *t)
{
	struct thread_group *tg = t->tg;

	__atomic_and_fetch(&t->work, ~WORK_CPUTIMER, __ATOMIC_SEQ_CST);
	spin_lock(&tg->siglock);
	if (tg->cpu_timers)
		plan_locked(tg->cpu_timers);
	spin_unlock(&tg->siglock);
}

void cpu_timers_join_locked(struct task *t)
{
	if (t->tg->cpu_timers)
		__atomic_or_fetch(&t->work, WORK_CPUTIMER, __ATOMIC_SEQ_CST);
}

void cpu_timer_arm_locked(struct thread_group *tg, struct cpu_timer *ct, u64 expires)
{
	struct cpu_timers *c = tg->cpu_timers;

	lockdep_assert_held(&tg->siglock);
	cds_list_del_init(&ct->link);
	ct->expires = expires;
	cds_list_add_tail(&ct->link, &c->list);
	if (!c->checking) /* else who checks plans for all */
		plan_locked(c);
}

void cpu_timer_disarm_locked(struct cpu_timer *ct)
{
	cds_list_del_init(&ct->link);
}

static void signal_group_locked(struct thread_group *tg, int signo)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = signo;
	si.si_code = SI_KERNEL;
	(void)signal_group_send_locked(tg, &si);
}

static void itimer_fire(struct cpu_timer *ct, struct thread_group *tg, u64 now)
{
	struct cpu_itimer *it = caa_container_of(ct, struct cpu_itimer, ct);
	u64 n;

	signal_group_locked(tg, it->signo);
	if (!it->interval)
		return;
	n = (now - ct->expires) / it->interval + 1;
	ct->expires += n * it->interval;
	cds_list_add_tail(&ct->link, &tg->cpu_timers->list);
}

/* SIGXCPU at the soft limit and every second after it, SIGKILL at the hard one. */
static void limit_fire(struct cpu_timer *ct, struct thread_group *tg, u64 now)
{
	u64 secs = now / NSEC_PER_SEC;

	if (secs >= tg->rlim[RLIMIT_CPU].rlim_max) {
		signal_group_locked(tg, SIGKILL);
		return;
	}
	if (secs < tg->rlim[RLIMIT_CPU].rlim_cur)
		return;
	signal_group_locked(tg, SIGXCPU);
	ct->expires = (secs + 1) * NSEC_PER_SEC;
	cds_list_add_tail(&ct->link, &tg->cpu_timers->list);
}

static struct cpu_timers *timers_new(struct thread_group *tg)
{
	struct cpu_timers *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->tg = tg;
	CDS_INIT_LIST_HEAD(&c->list);
	timer_init(&c->check, check_fn);
	cpu_timer_init(&c->itimer[0].ct, NULL, CPU_CLOCK_VIRT, itimer_fire);
	cpu_timer_init(&c->itimer[1].ct, NULL, CPU_CLOCK_PROF, itimer_fire);
	cpu_timer_init(&c->limit, NULL, CPU_CLOCK_PROF, limit_fire);
	c->itimer[0].signo = SIGVTALRM;
	c->itimer[1].signo = SIGPROF;
	return c;
}

int cpu_timers_alloc(struct thread_group *tg)
{
	struct cpu_timers *c;

	if (load_acquire(&tg->cpu_timers))
		return 0;
	c = timers_new(tg);
	if (!c)
		return -ENOMEM;
	spin_lock(&tg->siglock);
	if (!tg->cpu_timers && !tg->exit_decided) {
		store_release(&tg->cpu_timers, c);
		c = NULL;
	}
	spin_unlock(&tg->siglock);
	kfree(c);
	return 0;
}

int cpu_limit_changed_locked(struct thread_group *tg)
{
	u64 limit = min(tg->rlim[RLIMIT_CPU].rlim_cur, tg->rlim[RLIMIT_CPU].rlim_max);
	struct cpu_timers *c = tg->cpu_timers;

	if (tg->exit_decided) /* cpu_timers_exit() comes, or has been */
		return 0;
	if (limit == RLIM64_INFINITY) {
		if (c)
			cpu_timer_disarm_locked(&c->limit);
		return 0;
	}
	if (!c) {
		c = timers_new(tg);
		if (!c)
			return -ENOMEM;
		store_release(&tg->cpu_timers, c);
	}
	/* A limit of 0 means one second, as POSIX wants a signal and not a surprise. */
	limit = limit ? min(limit, UINT64_MAX / NSEC_PER_SEC) : 1;
	cpu_timer_arm_locked(tg, &c->limit, limit * NSEC_PER_SEC);
	return 0;
}

void cpu_timers_exit(struct thread_group *tg)
{
	struct cpu_timers *c = tg->cpu_timers;
	struct cpu_timer *ct, *next;

	if (!c)
		return;
	/*
	 * Nobody arms anything here from now on: another process that sleeps by our clock looks for
	 * cpu_timers under siglock.
	 */
	spin_lock(&tg->siglock);
	store_relaxed(&tg->cpu_timers, NULL);
	cds_list_for_each_entry_safe(ct, next, &c->list, link)
		cds_list_del_init(&ct->link);
	spin_unlock(&tg->siglock);
	timer_cancel_sync(&c->check);
	kfree(c);
}
