/* Tasks and thread groups: allocation, references, and what smp/ asks of them. */
#include "alloc.h"
#include "commit.h"
#include "cred.h"
#include "engine.h"
#include "fs.h"
#include "kernel/task/task_priv.h"
#include "kernel/task/usage.h"
#include "log.h"
#include "mm.h"
#include "rcu.h"
#include <string.h>

struct spinlock tasklist_lock = SPINLOCK_INIT("tasklist", RANK_TASKLIST);
struct task *init_task;
u64 nr_forks;
u32 nr_tasks;

/* ---- the kthread's callbacks ---- */

static void task_migrate_out(struct kthread *kt)
{
	struct task *t = (struct task *)kt;

	if (t->ctx)
		engine->release(t->ctx);
}

static void task_dead(struct kthread *kt)
{
	task_put((struct task *)kt);
}

static bool task_signal_pending(struct kthread *kt, bool fatal_only)
{
	struct task *t = (struct task *)kt;

	return fatal_only ? fatal_signal_pending(t) : signal_pending(t);
}

static const struct kthread_ops task_kthread_ops = {
	.migrate_out = task_migrate_out,
	.dead = task_dead,
	.signal_pending = task_signal_pending,
};

u32 tasks_max(void)
{
	return min((u64)host_tasks_max(), memory_size() / (128 << 10));
}

/* ---- life ---- */

struct task *task_alloc(const char *comm)
{
	struct task *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	if (kthread_init(&t->kt, comm, &task_kthread_ops, task_main, t)) {
		kfree(t);
		return NULL;
	}
	t->refs = 1;
	spin_init(&t->lock, "task", RANK_MISC);
	sigpending_init(&t->pending);
	wait_queue_init(&t->vfork_wait);
	CDS_INIT_LIST_HEAD(&t->group_link);
	strncpy(t->comm, comm, TASK_COMM_LEN - 1);
	t->altstack.flags = SS_DISABLE;
	t->timer_slack_ns = TIMER_SLACK_DEFAULT;
	t->start_time = ktime_mono();
	__atomic_add_fetch(&nr_tasks, 1, __ATOMIC_RELAXED);
	return t;
}

void task_set_comm(struct task *t, const char *name)
{
	char comm[TASK_COMM_LEN] = "";

	memcpy(comm, name, strnlen(name, TASK_COMM_LEN - 1));
	spin_lock(&t->lock);
	memcpy(t->comm, comm, sizeof(comm));
	spin_unlock(&t->lock);
}

void task_get_comm(struct task *t, char comm[TASK_COMM_LEN])
{
	spin_lock(&t->lock);
	memcpy(comm, t->comm, TASK_COMM_LEN);
	spin_unlock(&t->lock);
}

/*
 * References: every reference to a task carries one to its group, and a group keeps its leader's
 * memory. So whoever holds either may look at both.
 */
struct task *task_get(struct task *t)
{
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	tg_get(t->tg);
	return t;
}

static void task_free_rcu(struct rcu_head *head)
{
	struct task *t = caa_container_of(head, struct task, rcu);

	kthread_destroy(&t->kt);
	kfree(t);
}

void task_put_memory(struct task *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	__atomic_sub_fetch(&nr_tasks, 1, __ATOMIC_RELAXED);
	sigpending_flush(&t->pending);
	if (t->cred)
		cred_put(t->cred);
	call_rcu(&t->rcu, task_free_rcu);
}

void task_put(struct task *t)
{
	struct thread_group *tg = t->tg;

	task_put_memory(t);
	if (tg)
		tg_put(tg);
}

struct thread_group *tg_alloc(void)
{
	struct thread_group *tg = kzalloc(sizeof(*tg));

	if (!tg)
		return NULL;
	tg->usage = usage_alloc();
	if (!tg->usage) {
		kfree(tg);
		return NULL;
	}
	tg->refs = 1;
	spin_init(&tg->siglock, "siglock", RANK_SIGHAND);
	CDS_INIT_LIST_HEAD(&tg->threads);
	CDS_INIT_LIST_HEAD(&tg->children);
	CDS_INIT_LIST_HEAD(&tg->child_link);
	wait_queue_init(&tg->child_wait);
	wait_queue_init(&tg->exec_wait);
	signals_group_init(tg);
	tg->start_time = ktime_mono();
	return tg;
}

struct thread_group *tg_get(struct thread_group *tg)
{
	__atomic_add_fetch(&tg->refs, 1, __ATOMIC_RELAXED);
	return tg;
}

static void tg_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct thread_group, rcu));
}

void tg_put(struct thread_group *tg)
{
	if (__atomic_sub_fetch(&tg->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sigpending_flush(&tg->shared_pending);
	if (tg->sighand)
		sighand_put(tg->sighand);
	if (tg->leader)
		task_put_memory(tg->leader);
	usage_put(tg->usage);
	call_rcu(&tg->rcu, tg_free_rcu);
}

/* ---- what other tasks may look at ---- */

struct mm *task_mm_get(struct task *t)
{
	struct mm *mm;

	spin_lock(&t->lock);
	mm = t->mm ? mm_get(t->mm) : NULL;
	spin_unlock(&t->lock);
	return mm;
}

struct files *task_files_get(struct task *t)
{
	struct files *f;

	spin_lock(&t->lock);
	f = t->files ? files_get(t->files) : NULL;
	spin_unlock(&t->lock);
	return f;
}

struct fs_context *task_fs_get(struct task *t)
{
	struct fs_context *fs;

	spin_lock(&t->lock);
	fs = t->fs ? fs_context_get(t->fs) : NULL;
	spin_unlock(&t->lock);
	return fs;
}

void task_set_context(struct task *t, struct context *ctx)
{
	t->ctx = ctx;
	t->host_pid = context_host_pid(ctx);
	context_set_owner(ctx, &t->kt.bound);
}

void task_release_mm(struct task *t)
{
	struct mm *mm = t->mm;

	spin_lock(&t->lock);
	t->undumpable = mm && !mm_dumpable(mm);
	t->mm = NULL;
	spin_unlock(&t->lock);
	if (t->ctx && mm && mm_put_only(mm)) {
		mm_end(mm, t->ctx, usage_ended, usage_get(t->tg->usage));
		mm = NULL;
	} else if (t->ctx) {
		context_destroy(t->ctx);
	}
	t->ctx = NULL;
	if (mm)
		mm_put(mm);
}
