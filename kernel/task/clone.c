/* clone and its family: a new task, in the same address space or in a copy of it. */
#include "alloc.h"
#include "cputime.h"
#include "cred.h"
#include "engine.h"
#include "fs.h"
#include "futex.h"
#include "kernel/task/task_priv.h"
#include "mm.h"
#include "pidfd.h"
#include "rseq.h"
#include "uaccess.h"
#include "syscalls.h"
#include "tty.h"
#include <linux/capability.h>
#include <linux/sched.h>
#include <string.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#define CLONE_NAMESPACES                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)
#define CLONE_KNOWN                                                                                \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PIDFD | CLONE_VFORK |           \
	 CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |        \
	 CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID | CLONE_IO |  \
	 CLONE_PTRACE)

struct clone_request {
	u64 flags;
	uaddr_t stack; /* 0: the parent's */
	uaddr_t ptid, ctid, pidfd;
	u64 tls;
	int exit_signal;
};

static int clone_check(const struct clone_request *rq)
{
	u64 f = rq->flags;

	if (f & CLONE_NAMESPACES) /* a kernel without namespaces */
		return -EINVAL;
	if (f & ~(CLONE_KNOWN | CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if (f & CLONE_THREAD && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if (f & CLONE_SIGHAND && !(f & CLONE_VM))
		return -EINVAL;
	if (f & CLONE_SIGHAND && f & CLONE_CLEAR_SIGHAND)
		return -EINVAL;
	if (f & CLONE_PARENT && current->tg == init_task->tg)
		return -EINVAL;
	if (f & CLONE_PIDFD && f & (CLONE_DETACHED | CLONE_THREAD))
		return -EINVAL;
	if (f & CLONE_PIDFD && f & CLONE_PARENT_SETTID && rq->pidfd == rq->ptid)
		return -EINVAL;
	return f & CLONE_SETTLS && rq->tls >= TASK_SIZE ? -EPERM : 0;
}

/* ---- parts of the copy; whatever was made is undone by copy_undo() ---- */

/*
 * CLONE_CLEAR_SIGHAND: handlers become default, what is ignored stays so. Nobody else sees s yet.
 */
static void clear_handlers(struct sighand *s)
{
	for (int i = 0; i < NSIG; i++)
		if (s->action[i].handler != SIG_HANDLER_IGN)
			s->action[i] = (struct ksigaction){0};
}

static int copy_thread_group(struct task *t, struct task *from, const struct clone_request *rq)
{
	struct thread_group *tg, *old = from->tg;
	int err;

	if (rq->flags & CLONE_THREAD) {
		t->tg = tg_get(old);
		return 0;
	}
	tg = t->tg = tg_alloc();
	if (!tg)
		return -ENOMEM;
	tg->leader = t;
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED); /* the group's, on its leader */
	itimers_init(tg);
	tg->sighand = rq->flags & CLONE_SIGHAND ? sighand_get(old->sighand)
						: sighand_new(old->sighand);
	if (!tg->sighand)
		return -ENOMEM;
	if (rq->flags & CLONE_CLEAR_SIGHAND)
		clear_handlers(tg->sighand);
	spin_lock(&old->siglock);
	memcpy(tg->rlim, old->rlim, sizeof(tg->rlim));
	spin_unlock(&old->siglock);
	spin_lock(&tg->siglock);
	err = cpu_limit_changed_locked(tg);
	spin_unlock(&tg->siglock);
	if (err)
		return err;
	tg->exit_signal = rq->exit_signal;
	tg->oom_score_adj = load_relaxed(&old->oom_score_adj);
	tg->oom_score_adj_min = load_relaxed(&old->oom_score_adj_min);
	tty_inherit(tg, old);
	return 0;
}

static int copy_files(struct task *t, struct task *from, const struct clone_request *rq)
{
	if (rq->flags & CLONE_FILES) {
		t->files = files_get(from->files);
	} else {
		struct files *f = files_dup(from->files);

		if (IS_ERR(f))
			return PTR_ERR(f);
		t->files = f;
	}
	t->fs = rq->flags & CLONE_FS ? fs_context_share(from->fs) : fs_context_new(from->fs);
	return t->fs ? 0 : -ENOMEM;
}

static int copy_mm(struct task *t, struct task *from, const struct clone_request *rq)
{
	struct host_task *ht;
	struct context *ctx;
	struct mm *mm;

	if (rq->flags & CLONE_VM) {
		mutex_lock(&from->mm->stub_lock);
		ht = host_task_create(from->mm->host);
		mutex_unlock(&from->mm->stub_lock);
		if (IS_ERR(ht))
			return PTR_ERR(ht);
		ctx = context_create(from->mm->host, ht);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		mm = mm_get(from->mm);
	} else {
		mm = mm_fork(from->mm, &ctx);
		if (IS_ERR(mm))
			return PTR_ERR(mm);
	}
	task_set_context(t, ctx);
	if (t->kt.bound) /* it starts where the thread that had its host process has left it
			    attached */
		t->kt.cpu = context_cpu(ctx);
	t->mm = mm;
	return 0;
}

static int copy_registers(struct task *t, struct task *from, const struct clone_request *rq)
{
	struct pt_regs *r = engine->regs(t->ctx);

	*r = *engine->regs(from->ctx);
	r->rax = 0;
	if (rq->stack)
		r->rsp = rq->stack;
	if (rq->flags & CLONE_SETTLS)
		r->fs_base = rq->tls;
	engine->regs_changed(t->ctx);
	return context_copy_xstate(t->ctx, from->ctx);
}

static void copy_signals(struct task *t, struct task *from, const struct clone_request *rq)
{
	t->blocked = from->blocked;
	/*
	 * A thread that runs on the parent's memory but not on its stack has no alternate stack
	 * yet.
	 */
	if ((rq->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		t->altstack = from->altstack;
}

static void copy_rest(struct task *t, struct task *from, const struct clone_request *rq)
{
	memcpy(t->kt.name, from->kt.name, sizeof(t->kt.name));
	t->timer_slack_ns = from->timer_slack_ns;
	t->kt.nice = load_relaxed(&from->kt.nice);
	t->kt.policy = load_relaxed(&from->kt.policy);
	t->kt.rt_priority = load_relaxed(&from->kt.rt_priority);
	t->kt.allowed = load_relaxed(&from->kt.allowed);
	t->ioprio = load_relaxed(&from->ioprio);
	t->personality = from->personality;
	if (from->sched_reset_on_fork) {
		if (t->kt.policy == SCHED_FIFO || t->kt.policy == SCHED_RR) {
			t->kt.policy = SCHED_OTHER;
			t->kt.nice = 0;
		}
		t->kt.rt_priority = 0;
		t->kt.nice = max(t->kt.nice, (s8)0);
	}
	copy_signals(t, from, rq);
	if (!(rq->flags & CLONE_VM))
		rseq_fork(t, from);
	if (rq->flags & CLONE_CHILD_SETTID)
		t->set_child_tid = rq->ctid;
	if (rq->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = rq->ctid;
}

static void copy_undo(struct task *t)
{
	if (t->mm)
		task_release_mm(t);
	if (t->files)
		files_put(t->files);
	if (t->fs)
		fs_context_leave(t->fs);
	if (t->tg && t->tg->leader == t) {
		itimers_exit(t->tg);
		tty_detach(t->tg);
	}
	if (t->pid)
		pid_put(t->pid);
	t->pid = NULL;
	__atomic_sub_fetch(&t->cred->user->processes, 1, __ATOMIC_RELAXED);
	task_put(t);
}

/*
 * RLIMIT_NPROC, from which root and who has the capabilities is exempt; and the number of tasks in
 * all, from which nobody is.
 */
static int count_process(struct task *t, struct task *from)
{
	u64 limit = from->tg->rlim[RLIMIT_NPROC].rlim_cur;

	t->cred = cred_get(from->cred);
	if (__atomic_add_fetch(&t->cred->user->processes, 1, __ATOMIC_RELAXED) > limit &&
	    t->cred->uid != 0 && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
		return -EAGAIN;
	return load_relaxed(&nr_tasks) > tasks_max() ? -EAGAIN : 0;
}

/* *allowed: if it fails it isn't for the guest's limits. */
static struct task *copy_task(const struct clone_request *rq, bool *allowed)
{
	struct task *from = current, *t;
	char comm[TASK_COMM_LEN];
	struct pid *pid;
	int err;

	*allowed = true;
	task_get_comm(from, comm);
	t = task_alloc(comm);
	if (!t)
		return ERR_PTR(-ENOMEM);
	err = count_process(t, from);
	*allowed = !err;
	if (!err)
		err = copy_thread_group(t, from, rq);
	if (!err)
		err = copy_files(t, from, rq);
	if (!err)
		err = copy_mm(t, from, rq);
	if (!err)
		err = copy_registers(t, from, rq);
	if (!err) {
		pid = pid_alloc();
		err = IS_ERR(pid) ? PTR_ERR(pid) : 0;
		t->pid = err ? NULL : pid;
	}
	if (err) {
		copy_undo(t);
		return ERR_PTR(err);
	}
	t->tid = t->pid->nr;
	copy_rest(t, from, rq);
	return t;
}

/*
 * The same. What has ended is freed later, by the reaper and behind a grace period: who finds too
 * little waits for that, once.
 */
static struct task *copy_task_patiently(const struct clone_request *rq)
{
	bool allowed;
	struct task *t = copy_task(rq, &allowed);
	long err = IS_ERR(t) ? PTR_ERR(t) : 0;

	if ((err != -ENOMEM && err != -EAGAIN) || !allowed)
		return t;
	host_reaper_flush();
	rcu_barrier();
	return copy_task(rq, &allowed);
}

/* ---- making it public ---- */

static void link_process(struct task *t, struct task *from, const struct clone_request *rq)
{
	struct thread_group *tg = t->tg, *parent = from->tg;

	if (rq->flags & CLONE_PARENT) {
		tg->exit_signal = parent->exit_signal;
		tg->parent_tid = parent->parent_tid;
		parent = parent->parent;
	} else {
		tg->parent_tid = from->tid;
	}
	tg->parent = parent;
	cds_list_add_tail(&tg->child_link, &parent->children);
	tg_set_pgrp_locked(tg, from->tg->pgrp);
	tg_set_session_locked(tg, from->tg->session);
	rcu_assign_pointer(t->pid->tg, tg);
	__atomic_add_fetch(&nr_forks, 1, __ATOMIC_RELAXED);
}

static bool signalled_with_others(const struct task *t)
{
	return t->tg->shared_pending.set & t->tg->sent_to_many & ~t->blocked;
}

/*
 * Adds the task to the tree. A signal that came in for several processes, and is still to be taken,
 * makes fork restart, so that it doesn't miss the child. Others don't: a process that is sent
 * signals without end would never fork. Whom an exit or an exec has marked to die adds nobody,
 * since those who mark do so once. The pid leads to the task last: who finds it finds all members
 * of its group.
 */
static int publish(struct task *t, const struct clone_request *rq)
{
	struct task *from = current;
	struct thread_group *tg = t->tg;

	spin_lock(&tasklist_lock);
	spin_lock(&from->tg->siglock);
	if (from->tg->group_exit || fatal_signal_pending(from) ||
	    (!(rq->flags & CLONE_THREAD) && signalled_with_others(from))) {
		spin_unlock(&from->tg->siglock);
		spin_unlock(&tasklist_lock);
		return -ERESTARTNOINTR;
	}
	task_get(
		t); /* the kthread's own reference goes with its death; this one with its reaping */
	if (rq->flags & CLONE_THREAD)
		signals_join_locked(t);
	cpu_timers_join_locked(t);
	cds_list_add_tail(&t->group_link, &tg->threads);
	__atomic_add_fetch(&tg->nr_threads, 1, __ATOMIC_RELAXED);
	if (!(rq->flags & CLONE_THREAD))
		link_process(t, from, rq);
	pid_attach(t->pid, t);
	spin_unlock(&from->tg->siglock);
	spin_unlock(&tasklist_lock);
	return 0;
}

static int reserve_pidfd(struct task *t, const struct clone_request *rq, struct file **f)
{
	int fd;

	*f = NULL;
	if (!(rq->flags & CLONE_PIDFD))
		return -1;
	fd = fd_reserve(0, true);
	if (fd < 0)
		return fd;
	*f = pidfd_create(t->pid, 0);
	if (IS_ERR(*f)) {
		fd_unreserve(fd);
		return PTR_ERR(*f);
	}
	if (put_user(fd, rq->pidfd)) {
		file_put(*f);
		fd_unreserve(fd);
		return -EFAULT;
	}
	return fd;
}

static bool vfork_is_done(void *arg)
{
	return load_acquire(&((struct task *)arg)->vfork_done);
}

static void wait_for_vfork(struct task *child)
{
	struct wait_opts opts = {.state = KT_KILLABLE};

	(void)!wait_event(&child->vfork_wait, vfork_is_done, child,
			  &opts); /* killed: the exit path goes on */
	task_put(child);
}

void vfork_release(struct task *t)
{
	store_release(&t->vfork_done, true);
	wake_up_all(&t->vfork_wait);
}

static long kernel_clone(const struct clone_request *rq)
{
	struct task *t;
	struct file *pidfd;
	long err = clone_check(rq);
	int fd;
	pid_t tid;

	if (err)
		return err;
	t = copy_task_patiently(rq);
	if (IS_ERR(t))
		return PTR_ERR(t);
	tid = t->tid;
	fd = reserve_pidfd(t, rq, &pidfd);
	err = fd < -1 ? fd : 0;
	if (!err && rq->flags & CLONE_PARENT_SETTID)
		(void)!put_user(tid, rq->ptid); /* Linux ignores the error too */
	if (!err)
		err = publish(t, rq);
	if (err) {
		if (fd >= 0) {
			file_put(pidfd);
			fd_unreserve(fd);
		}
		copy_undo(t);
		return err;
	}
	if (fd >= 0)
		fd_install(fd, pidfd);
	if (rq->flags & CLONE_VFORK)
		task_get(t);
	kthread_start(&t->kt);
	if (rq->flags & CLONE_VFORK)
		wait_for_vfork(t);
	return tid;
}

/* ---- system calls ---- */

long sys_clone(unsigned long flags, unsigned long stack, uaddr_t ptid, uaddr_t ctid,
	       unsigned long tls)
{
	struct clone_request rq = {
		.flags = (u32)flags & ~(u32)CSIGNAL,
		.exit_signal = flags & CSIGNAL,
		.stack = stack,
		.ptid = ptid,
		.pidfd = ptid,
		.ctid = ctid,
		.tls = tls,
	};

	return kernel_clone(&rq);
}

long sys_fork(void)
{
	struct clone_request rq = {.exit_signal = SIGCHLD};

	return kernel_clone(&rq);
}

long sys_vfork(void)
{
	struct clone_request rq = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return kernel_clone(&rq);
}

static int clone_args_copy(struct clone_args *args, uaddr_t uargs, size_t size)
{
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(args, sizeof(*args), uargs, size);
}

long sys_clone3(uaddr_t uargs, size_t size)
{
	struct clone_args a;
	struct clone_request rq;
	int err = clone_args_copy(&a, uargs, size);

	if (err)
		return err;
	if (a.flags & (CSIGNAL & ~(u64)CLONE_NEWTIME) || a.flags & CLONE_DETACHED ||
	    a.exit_signal > NSIG)
		return -EINVAL;
	if (a.flags & (CLONE_THREAD | CLONE_PARENT) && a.exit_signal)
		return -EINVAL;
	if (!a.stack != !a.stack_size || (a.stack && !access_ok(a.stack, a.stack_size)))
		return -EINVAL;
	if (a.set_tid || a.set_tid_size) /* checkpoint/restore: not here */
		return a.set_tid_size > 32 ? -EINVAL : -EPERM;
	rq = (struct clone_request){
		.flags = a.flags,
		.exit_signal = a.exit_signal,
		.stack = a.stack ? a.stack + a.stack_size : 0,
		.ptid = a.parent_tid,
		.ctid = a.child_tid,
		.pidfd = a.pidfd,
		.tls = a.tls,
	};
	return kernel_clone(&rq);
}

long sys_set_tid_address(uaddr_t addr)
{
	current->clear_child_tid = addr;
	return current->tid;
}
