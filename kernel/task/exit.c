/*
 * Ends of tasks and processes. A thread that ends leaves its group; when the last one does, the
 * process is a zombie until its parent has waited for it. All links change under tasklist_lock.
 */
#include "cputime.h"
#include "cred.h"
#include "fs.h"
#include "futex.h"
#include "kernel/init/leaks.h"
#include "kernel/task/task_priv.h"
#include "log.h"
#include "mm.h"
#include "posix_timer.h"
#include "syscalls.h"
#include "tty.h"
#include "uaccess.h"
#include <linux/sched.h>
#include <string.h>

int init_exit_status;

/* ---- telling others ---- */

static void siginfo_child(siginfo_t *si, struct thread_group *tg, int sig)
{
	int status = tg->exit_status;
	u64 utime, stime;

	memset(si, 0, sizeof(*si));
	si->si_signo = sig;
	si->si_pid = tg_nr(tg);
	si->si_uid = tg->leader->cred->uid;
	group_cputime(tg, &utime, &stime);
	si->si_utime = ns_to_clock_ticks(utime);
	si->si_stime = ns_to_clock_ticks(stime);
	if (status & 0x7f) {
		si->si_status = status & 0x7f;
		si->si_code = status & 0x80 ? CLD_DUMPED : CLD_KILLED;
	} else {
		si->si_status = status >> 8 & 0xff;
		si->si_code = CLD_EXITED;
	}
}

/* Does the parent ignore its children's ends? Then nobody waits for them. */
static bool parent_ignores(struct thread_group *parent, int sig)
{
	struct ksigaction sa;

	if (sig != SIGCHLD)
		return false;
	sa = sighand_action(parent, SIGCHLD);
	return sa.handler == SIG_HANDLER_IGN || sa.flags & SA_NOCLDWAIT;
}

/* tasklist_lock held; tg is a zombie. True: it is to be reaped at once. */
static bool notify_parent_locked(struct thread_group *tg)
{
	struct thread_group *parent = tg->parent;
	int sig = tg->exit_signal;
	bool autoreap = parent_ignores(parent, sig);
	siginfo_t si;

	/* clone() takes any number; some are no signals. */
	if (sig && sig <= NSIG &&
	    !(autoreap && sighand_action(parent, SIGCHLD).handler == SIG_HANDLER_IGN)) {
		siginfo_child(&si, tg, sig);
		send_signal_group(parent, &si);
	}
	wake_up_all(&parent->child_wait);
	wake_up_nr(&tg->leader->pid->exit_wait, INT32_MAX, POLLIN | POLLRDNORM);
	return autoreap;
}

/* Who adopts the children of a process that ends: the nearest living subreaper, or init. */
static struct thread_group *find_reaper(struct thread_group *tg)
{
	struct thread_group *init = init_task->tg;

	for (struct thread_group *p = tg->parent; p && p != init; p = p->parent)
		if (p->is_subreaper && p->nr_threads)
			return p;
	return init;
}

/* The thread that child has for a parent ends. tasklist_lock held. */
static void parent_died_locked(struct thread_group *child)
{
	struct task *t;
	siginfo_t si;
	int sig;

	cds_list_for_each_entry(t, &child->threads, group_link) {
		sig = t->pdeath_signal;
		if (!sig)
			continue;
		siginfo_user(&si, sig, SI_USER);
		send_signal_group(child, &si);
	}
}

static void reparent_children_locked(struct thread_group *tg, struct cds_list_head *dead)
{
	struct thread_group *reaper, *child, *next;

	if (cds_list_empty(&tg->children))
		return;
	reaper = find_reaper(tg);
	cds_list_for_each_entry_safe(child, next, &tg->children, child_link) {
		cds_list_move(&child->child_link, &reaper->children);
		child->parent = reaper;
		child->parent_tid = tg_nr(reaper);
		child->exit_signal = SIGCHLD;
		parent_died_locked(child);
		if (child->zombie) {
			if (notify_parent_locked(child)) {
				cds_list_del(&child->child_link);
				cds_list_add(&child->child_link, dead);
			}
		} else {
			pgrp_check_orphaned_locked(child, tg);
		}
	}
}

/* ---- leaving ---- */

/* tasklist_lock held: a non-leader's task structure is nobody's concern any more. */
static void release_thread_locked(struct task *t)
{
	pid_detach(t->pid);
	wake_up_nr(&t->pid->exit_wait, INT32_MAX, POLLIN | POLLHUP);
}

/* The children of a thread that ends become another one's. tasklist_lock held. */
static void hand_children_over_locked(struct thread_group *tg, pid_t from, pid_t to)
{
	struct thread_group *child;

	cds_list_for_each_entry(child, &tg->children, child_link) {
		if (child->parent_tid != from)
			continue;
		child->parent_tid = to;
		parent_died_locked(child);
	}
}

/*
 * Who has the children of a thread that ends: the leader, or if it has ended too, any other.
 * siglock held.
 */
static pid_t heir_locked(struct thread_group *tg)
{
	struct task *t;

	cds_list_for_each_entry(t, &tg->threads, group_link)
		if (!t->exiting)
			return t->tid;
	return tg_nr(tg);
}

static void exit_notify(struct task *t)
{
	struct thread_group *tg = t->tg, *child, *next;
	CDS_LIST_HEAD(dead);
	bool last, reap_self = false, leader;
	pid_t heir;

	spin_lock(&tasklist_lock);
	spin_lock(&tg->siglock);
	leader = tg->leader == t;
	last = __atomic_sub_fetch(&tg->nr_threads, 1, __ATOMIC_RELEASE) == 0;
	io_count_fold_locked(t);
	cputime_fold_locked(t);
	if (!leader)
		cds_list_del_init(&t->group_link);
	if (last)
		store_release(&tg->zombie, true);
	if (tg->exec_task && tg->nr_threads <= 1)
		wake_up_all(&tg->exec_wait);
	heir = heir_locked(tg);
	spin_unlock(&tg->siglock);
	if (!leader)
		release_thread_locked(t);
	if (!last)
		hand_children_over_locked(tg, t->tid, heir);
	if (last) {
		reparent_children_locked(tg, &dead);
		pgrp_check_orphaned_locked(tg, tg->parent);
		reap_self = notify_parent_locked(tg);
		if (reap_self) {
			cds_list_del(&tg->child_link);
			CDS_INIT_LIST_HEAD(&tg->child_link);
		}
	}
	if (reap_self)
		tg_get(tg);
	spin_unlock(&tasklist_lock);

	cds_list_for_each_entry_safe(child, next, &dead, child_link) {
		cds_list_del(&child->child_link);
		CDS_INIT_LIST_HEAD(&child->child_link);
		tg_reap(child);
	}
	if (reap_self) {
		tg_reap(tg);
		tg_put(tg);
	}
	if (!leader) {
		pid_put(t->pid);
		task_put(t);
	}
}

void mm_release(struct task *t)
{
	futex_exit_robust(t);
	if (t->clear_child_tid && load_relaxed(&t->mm->refs) > 1) {
		u32 zero = 0;

		if (put_user(zero, t->clear_child_tid) == 0)
			futex_wake_mm(t->mm, t->clear_child_tid, 1);
	}
	t->clear_child_tid = 0;
}

static void exit_mm(struct task *t)
{
	if (!t->mm)
		return;
	mm_release(t);
	task_release_mm(t);
	vfork_release(t);
}

static void exit_files(struct task *t)
{
	struct files *files = t->files;
	struct fs_context *fs = t->fs;

	spin_lock(&t->lock);
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(&t->lock);
	if (files)
		files_put(files);
	if (fs)
		fs_context_leave(fs);
}

/*
 * Is t the last to begin its exit? Its process is over then, but for the rest of this path, and its
 * status is known.
 */
static bool group_is_ending(struct task *t)
{
	struct thread_group *tg = t->tg;
	struct task *other;
	bool ending = true;

	spin_lock(&tg->siglock);
	cds_list_for_each_entry(other, &tg->threads, group_link)
		if (other != t && !other->exiting)
			ending = false;
	if (ending && !tg->exit_decided) {
		tg->exit_decided = true;
		tg->exit_status = tg->group_exit ? tg->group_exit_code : t->exit_code;
	} else {
		ending = false;
	}
	spin_unlock(&tg->siglock);
	return ending;
}

static void exit_process_parts(struct task *t)
{
	posix_timers_exit(t->tg);
	itimers_exit(t->tg);
	tty_exit(t->tg);
}

/* init has ended: so has the machine. Whoever is left goes with the kernel. */
static noreturn_ void exit_init(struct task *t)
{
	init_exit_status = t->tg->exit_status;
	leaks_check();
	smp_stop();
	kthread_exit();
}

void task_exit(int status)
{
	struct task *t = current;
	bool last;

	t->exit_code = status;
	signals_exit(t);
	last = group_is_ending(t);
	exit_mm(t);
	exit_files(t);
	if (last)
		exit_process_parts(t);
	__atomic_sub_fetch(&t->cred->user->processes, 1, __ATOMIC_RELAXED);
	if (last && t->tg == init_task->tg)
		exit_init(t);
	exit_notify(t);
	kthread_exit();
}

void group_exit(int status)
{
	struct thread_group *tg = current->tg;

	spin_lock(&tg->siglock);
	group_exit_locked(tg, status);
	status = tg->group_exit_code;
	spin_unlock(&tg->siglock);
	task_exit(status);
}

long sys_exit(int status)
{
	task_exit((status & 0xff) << 8);
}

long sys_exit_group(int status)
{
	group_exit((status & 0xff) << 8);
}
