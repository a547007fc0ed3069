/*
 * For unit tests of signals, futexes and timers: tasks and groups made by hand, and "user memory"
 * that is the test's own.
 */
#ifndef TESTS_UNIT_TASK_UTIL_H
#define TESTS_UNIT_TASK_UTIL_H

#include "cred.h"
#include "mm.h"
#include "smp_util.h"
#include "task.h"
#include "uaccess.h"
#include <string.h>

struct spinlock tasklist_lock = SPINLOCK_INIT("tasklist", RANK_TASKLIST);
struct task *init_task;
bool strace_enabled;

/* ---- user memory: addresses are the test's; those below a page are bad ---- */

bool access_ok(uaddr_t addr, size_t n)
{
	return n <= 1ul << 47 && addr <= (1ul << 47) - n;
}

int copy_from_user(void *to, uaddr_t from, size_t n)
{
	if (from < PAGE_SIZE)
		return -EFAULT;
	if (n == sizeof(u32) && from % n == 0) /* a futex, which others change */
		*(u32 *)to = __atomic_load_n((u32 *)from, __ATOMIC_RELAXED);
	else
		memcpy(to, (void *)from, n);
	return 0;
}

int copy_to_user(uaddr_t to, const void *from, size_t n)
{
	if (to < PAGE_SIZE)
		return -EFAULT;
	memcpy((void *)to, from, n);
	return 0;
}

size_t copy_to_user_partial(uaddr_t to, const void *from, size_t n)
{
	return copy_to_user(to, from, n) ? 0 : n;
}

/* ---- tasks ---- */

static inline bool tu_signal_pending(struct kthread *kt, bool fatal_only)
{
	struct task *t = (struct task *)kt;

	return fatal_only ? fatal_signal_pending(t) : signal_pending(t);
}

/* References aren't counted: tests free what they made. */
static inline void tu_dead(struct kthread *kt)
{
	__atomic_fetch_sub(&tt_live, 1, __ATOMIC_SEQ_CST);
	wake_up_all(&tt_queue);
}

static const struct kthread_ops tu_ops = {.dead = tu_dead, .signal_pending = tu_signal_pending};

struct task *task_get(struct task *t)
{
	__atomic_fetch_add(&t->refs, 1, __ATOMIC_SEQ_CST);
	return t;
}

void task_put(struct task *t)
{
	ck_assert_uint_gt(__atomic_fetch_sub(&t->refs, 1, __ATOMIC_SEQ_CST), 1);
}

struct thread_group *tg_get(struct thread_group *tg)
{
	return tg;
}

void tg_put(struct thread_group *tg)
{
}

static inline struct thread_group *make_group(void)
{
	struct thread_group *tg = kzalloc(sizeof(*tg));
	int i;

	must(tg);
	tg->refs = 1;
	spin_init(&tg->siglock, "siglock", RANK_SIGHAND);
	CDS_INIT_LIST_HEAD(&tg->threads);
	CDS_INIT_LIST_HEAD(&tg->children);
	wait_queue_init(&tg->child_wait);
	tg->sighand = sighand_new(NULL);
	must(tg->sighand);
	signals_group_init(tg);
	for (i = 0; i < RLIM_NLIMITS; i++)
		tg->rlim[i].rlim_cur = tg->rlim[i].rlim_max = RLIM64_INFINITY;
	return tg;
}

/* A member of tg; not started: the test acts for it. The first one leads. */
static inline struct task *make_task(struct thread_group *tg)
{
	struct task *t = kzalloc(sizeof(*t));

	must(t);
	t->refs = 1;
	t->tg = tg;
	t->tid = ++tg->nr_threads + 100;
	t->cred = cred_new(1000, 1000);
	must(t->cred);
	spin_init(&t->lock, "task", RANK_MISC);
	sigpending_init(&t->pending);
	t->altstack.flags = SS_DISABLE;
	cds_list_add_tail(&t->group_link, &tg->threads);
	if (!tg->leader)
		tg->leader = t;
	return t;
}

/* Under with_cpus(): lets t run fn(arg) as its kernel code. */
static inline void start_task(struct task *t, void (*fn)(void *), void *arg)
{
	must(kthread_init(&t->kt, "task", &tu_ops, fn, arg) == 0);
	__atomic_fetch_add(&tt_live, 1, __ATOMIC_SEQ_CST);
	kthread_start(&t->kt);
}

static inline void free_group(struct thread_group *tg)
{
	struct task *t, *next;

	cds_list_for_each_entry_safe(t, next, &tg->threads, group_link) {
		ck_assert_uint_eq(t->refs, 1);
		sigpending_flush(&t->pending);
		cred_put(t->cred);
		if (t->kt.stack)
			kthread_destroy(&t->kt);
		kfree(t);
	}
	sigpending_flush(&tg->shared_pending);
	sighand_put(tg->sighand);
	kfree(tg);
}

#endif
