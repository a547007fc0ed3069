/*
 * Process ids, process groups and sessions as system calls. Relations are tasklist_lock's; see
 * task.h.
 */
#include "kernel/task/task_priv.h"
#include "syscall_protos.h"
#include "tty.h"

long sys_getpid(void)
{
	return tg_nr(current->tg);
}

long sys_gettid(void)
{
	return current->tid;
}

long sys_getppid(void)
{
	pid_t nr;

	spin_lock(&tasklist_lock);
	nr = current->tg->parent ? tg_nr(current->tg->parent) : 0;
	spin_unlock(&tasklist_lock);
	return nr;
}

/* The group that a pid argument means: 0 is the caller; any thread's id will do. +1 or NULL. */
static struct thread_group *group_of(pid_t pid)
{
	struct thread_group *tg;
	struct task *t;

	if (!pid)
		return tg_get(current->tg);
	t = find_task(pid);
	if (!t)
		return find_process(pid); /* a zombie */
	tg = tg_get(t->tg);
	task_put(t);
	return tg;
}

static long id_of(pid_t pid, bool session)
{
	struct thread_group *tg = pid < 0 ? NULL : group_of(pid);
	struct pid *p;
	long nr;

	if (!tg)
		return -ESRCH;
	spin_lock(&tasklist_lock);
	p = session ? tg->session : tg->pgrp;
	nr = p ? p->nr : -ESRCH; /* none: it was reaped this moment */
	spin_unlock(&tasklist_lock);
	tg_put(tg);
	return nr;
}

long sys_getpgid(int pid)
{
	return id_of(pid, false);
}

long sys_getpgrp(void)
{
	return id_of(0, false);
}

long sys_getsid(int pid)
{
	return id_of(pid, true);
}

/* May the caller move tg to another group at all? tasklist_lock. */
static long may_move_locked(struct thread_group *tg)
{
	struct thread_group *me = current->tg;

	if (tg != me && tg->parent != me)
		return -ESRCH;
	if (tg->session != me->session)
		return -EPERM;
	if (tg != me && tg->did_exec)
		return -EACCES;
	return tg->session == tg->leader->pid ? -EPERM : 0;
}

/*
 * The group to join: a new one if it is the process's own number, else one of this session.
 * tasklist_lock.
 */
static struct pid *group_to_join_locked(struct thread_group *tg, struct pid *wanted)
{
	struct thread_group *member;

	if (wanted == tg->leader->pid)
		return wanted;
	if (!wanted || cds_list_empty(&wanted->tasks[PIDTYPE_PGID]))
		return NULL;
	member = cds_list_first_entry(&wanted->tasks[PIDTYPE_PGID], struct thread_group, pgrp_link);
	return member->session == current->tg->session ? wanted : NULL;
}

static bool is_thread(pid_t tid)
{
	struct task *t = find_task(tid);

	if (t)
		task_put(t);
	return t;
}

long sys_setpgid(int pid, int pgid)
{
	struct thread_group *tg;
	struct pid *wanted, *pgrp;
	long err;

	if (!pid)
		pid = tg_nr(current->tg);
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	tg = find_process(pid);
	if (!tg)
		return is_thread(pid) ? -EINVAL : -ESRCH;
	wanted = find_pid(pgid);
	spin_lock(&tasklist_lock);
	err = may_move_locked(tg);
	if (!err) {
		pgrp = group_to_join_locked(tg, wanted);
		if (pgrp)
			tg_set_pgrp_locked(tg, pgrp);
		else
			err = -EPERM;
	}
	spin_unlock(&tasklist_lock);
	if (wanted)
		pid_put(wanted);
	tg_put(tg);
	return err;
}

long sys_setsid(void)
{
	struct thread_group *tg = current->tg;
	struct pid *pid;

	spin_lock(&tasklist_lock);
	pid = tg->leader->pid;
	if (tg->session == pid || !cds_list_empty(&pid->tasks[PIDTYPE_PGID])) {
		spin_unlock(&tasklist_lock);
		return -EPERM;
	}
	tg_set_session_locked(tg, pid);
	tg_set_pgrp_locked(tg, pid);
	spin_unlock(&tasklist_lock);
	tty_detach(tg);
	return pid->nr;
}
