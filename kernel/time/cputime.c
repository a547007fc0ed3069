/*
 * CPU time: what the scheduler counted, and for those that run at this moment, what it hasn't
 * counted yet.
 */
#include "cputime.h"

#include "cpu.h"
#include "task.h"

/*
 * What was counted, and the time since the CPU that t runs on last did its accounts. They may be
 * done at this very moment: they are whole if their sum is right and neither it nor their date has
 * changed meanwhile (sched_account() writes the sum last).
 */
void task_cputime(struct task *t, u64 *utime, u64 *stime)
{
	const struct kthread *kt = &t->kt;
	const struct cpu *c;
	bool runs, in_guest;
	ktime_t since, now;
	u64 sum;
	int tries = 1000; /* the host may have preempted the writer: then a guess has to do */

	do {
		sum = load_acquire(&kt->runtime_ns);
		c = &cpus[load_relaxed(&kt->cpu)];
		since = load_acquire(&c->last_switch);
		runs = cpu_running(c) == kt;
		in_guest = load_relaxed(&c->in_guest);
		*utime = load_relaxed(&kt->utime_ns);
		*stime = load_acquire(&kt->stime_ns);
	} while (--tries && (since != load_acquire(&c->last_switch) || *utime + *stime != sum ||
			     sum != load_relaxed(&kt->runtime_ns)));
	if (!runs)
		return;
	now = ktime_mono();
	if (now <= since)
		return;
	if (in_guest)
		*utime += now - since;
	else
		*stime += now - since;
}

void group_cputime_locked(struct thread_group *tg, u64 *utime, u64 *stime)
{
	struct task *t;
	u64 ut, st;

	lockdep_assert_held(&tg->siglock);
	*utime = tg->utime_ns;
	*stime = tg->stime_ns;
	cds_list_for_each_entry(t, &tg->threads, group_link) {
		if (t->times_folded)
			continue; /* a leader that ended before its group */
		task_cputime(t, &ut, &st);
		*utime += ut;
		*stime += st;
	}
}

void group_cputime(struct thread_group *tg, u64 *utime, u64 *stime)
{
	spin_lock(&tg->siglock);
	group_cputime_locked(tg, utime, stime);
	spin_unlock(&tg->siglock);
}

void cputime_fold_locked(struct task *t)
{
	struct thread_group *tg = t->tg;
	u64 ut, st;

	lockdep_assert_held(&tg->siglock);
	task_cputime(t, &ut, &st);
	tg->utime_ns += ut;
	tg->stime_ns += st;
	tg->nvcsw += load_relaxed(&t->kt.nvcsw);
	tg->nivcsw += load_relaxed(&t->kt.nivcsw);
	t->times_folded = true;
}
