/*
 * Nice values and I/O priorities of sets of tasks: getpriority, setpriority, ioprio_get,
 * ioprio_set.
 */
#include "cred.h"
#include "sched_priv.h"
#include "syscall_protos.h"
#include "task.h"
#include <linux/capability.h>
#include <sys/resource.h>

/*
 * The three ways of naming tasks: one thread, a process group, a user's. fn is called under
 * tasklist_lock; must not sleep.
 */
struct selection {
	enum { SEL_THREAD, SEL_PGRP, SEL_USER } kind;
	u32 who; /* 0: the caller's */
	void (*fn)(struct task *t, void *arg);
	void *arg;
};

static void each_thread(struct thread_group *tg, const struct selection *s)
{
	struct task *t;

	cds_list_for_each_entry(t, &tg->threads, group_link)
		s->fn(t, s->arg);
}

static void select_pgrp(const struct selection *s)
{
	struct pid *pgrp = s->who ? find_pid((pid_t)s->who) : NULL, *p;
	struct thread_group *tg;

	spin_lock(&tasklist_lock);
	p = s->who ? pgrp : current->tg->pgrp;
	if (p)
		cds_list_for_each_entry(tg, &p->tasks[PIDTYPE_PGID], pgrp_link)
			each_thread(tg, s);
	spin_unlock(&tasklist_lock);
	if (pgrp)
		pid_put(pgrp);
}

static void select_user(const struct selection *s)
{
	u32 uid = s->who ? s->who : current->cred->uid;
	struct thread_group *tg;
	pid_t nr = 0;

	while ((tg = next_process(nr + 1))) {
		nr = tg_nr(tg);
		spin_lock(&tasklist_lock);
		rcu_read_lock();
		if (rcu_dereference(tg->leader->cred)->uid == uid)
			each_thread(tg, s);
		rcu_read_unlock();
		spin_unlock(&tasklist_lock);
		tg_put(tg);
	}
}

static void select_tasks(const struct selection *s)
{
	struct task *t;

	switch (s->kind) {
	case SEL_THREAD:
		t = s->who ? find_task((pid_t)s->who) : task_get(current);
		if (t) {
			spin_lock(&tasklist_lock);
			s->fn(t, s->arg);
			spin_unlock(&tasklist_lock);
			task_put(t);
		}
		break;
	case SEL_PGRP:
		select_pgrp(s);
		break;
	case SEL_USER:
		select_user(s);
		break;
	}
}

/* ---- nice ---- */

static void highest(struct task *t, void *arg)
{
	long *best = arg, value = 20 - load_relaxed(&t->kt.nice);

	if (value > *best)
		*best = value;
}

long sys_getpriority(int which, int who)
{
	long best = -ESRCH;
	struct selection s = {.who = (u32)who, .fn = highest, .arg = &best};

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	s.kind = which;
	select_tasks(&s);
	return best;
}

struct renice {
	int nice;
	long err;
};

static void renice_one(struct task *t, void *arg)
{
	struct renice *r = arg;

	if (!sched_may_change(t)) {
		r->err = -EPERM;
	} else if (r->nice < load_relaxed(&t->kt.nice) && !sched_may_nice(t, r->nice)) {
		r->err = -EACCES;
	} else {
		if (r->err == -ESRCH)
			r->err = 0;
		sched_set_nice(&t->kt, r->nice);
	}
}

long sys_setpriority(int which, int who, int nice)
{
	struct renice r = {.nice = max(NICE_MIN, min(NICE_MAX, nice)), .err = -ESRCH};
	struct selection s = {.who = (u32)who, .fn = renice_one, .arg = &r};

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	s.kind = which;
	select_tasks(&s);
	return r.err;
}

/* ---- I/O priority ---- */

/* Class in the upper bits: 0 none, 1 real time, 2 best effort, 3 idle; level 0 to 7 below. */
#define IOPRIO_CLASS_SHIFT 13

struct ioprio {
	u16 value;
	long err, best;
};

static void ioprio_set_one(struct task *t, void *arg)
{
	struct ioprio *io = arg;

	if (!sched_may_change(t)) {
		io->err = -EPERM;
		return;
	}
	if (io->err == -ESRCH)
		io->err = 0;
	store_relaxed(&t->ioprio, io->value);
}

static void ioprio_best(struct task *t, void *arg)
{
	struct ioprio *io = arg;
	long v = load_relaxed(&t->ioprio);

	if (io->best == -ESRCH || (v && (!io->best || v < io->best)))
		io->best = v;
}

static int ioprio_check(int prio)
{
	int class = prio >> IOPRIO_CLASS_SHIFT, level = prio & 7;

	if (prio & ~(3 << IOPRIO_CLASS_SHIFT | 7))
		return -EINVAL;
	if (class == 0)
		return level ? -EINVAL : 0;
	if (class == 1 && !capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
		return -EPERM;
	return 0;
}

long sys_ioprio_set(int which, int who, int prio)
{
	struct ioprio io = {.value = (u16)prio, .err = -ESRCH};
	struct selection s = {.who = (u32)who, .fn = ioprio_set_one, .arg = &io};
	int err = ioprio_check(prio);

	if (err)
		return err;
	if (which < 1 || which > 3)
		return -EINVAL;
	s.kind = which - 1;
	select_tasks(&s);
	return io.err;
}

long sys_ioprio_get(int which, int who)
{
	struct ioprio io = {.best = -ESRCH};
	struct selection s = {.who = (u32)who, .fn = ioprio_best, .arg = &io};

	if (which < 1 || which > 3)
		return -EINVAL;
	s.kind = which - 1;
	select_tasks(&s);
	return io.best;
}
