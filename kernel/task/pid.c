/*
 * Process ids. The table has two levels, so a lookup is two loads and a walk in numeric order is
 * easy. Readers use RCU; pid_lock protects changes. A part of the table in which no number is in
 * use goes away.
 */
#include "alloc.h"
#include "kernel/task/task_priv.h"
#include "log.h"
#include "rcu.h"

#define CHUNK 1024
#define NCHUNKS (PID_MAX / CHUNK)
#define PID_RESERVED 300 /* numbers below are not used again after a wrap, as on Linux */

struct chunk {
	u32 used; /* pid_lock */
	struct rcu_head rcu;
	struct pid *slot[CHUNK]; /* RCU */
};

static struct chunk *chunks[NCHUNKS]; /* RCU */
static struct spinlock pid_lock = SPINLOCK_INIT("pid", RANK_MISC);
static pid_t last_pid; /* pid_lock */

static struct pid *table_get(pid_t nr)
{
	struct chunk *c;

	if (nr <= 0 || nr >= PID_MAX)
		return NULL;
	c = rcu_dereference(chunks[nr / CHUNK]);
	return c ? rcu_dereference(c->slot[nr % CHUNK]) : NULL;
}

/*
 * Takes an empty chunk out of the table, but not the one from which the next number comes. pid_lock
 * held; the caller frees what is returned.
 */
static struct chunk *table_trim(pid_t nr)
{
	struct chunk *c = chunks[nr / CHUNK];

	if (!c || c->used || nr / CHUNK == last_pid / CHUNK)
		return NULL;
	rcu_assign_pointer(chunks[nr / CHUNK], NULL);
	return c;
}

/*
 * Makes p, for which p->nr is free, the last pid. pid_lock held; *empty is for the caller to free.
 */
static int table_add(struct pid *p, struct chunk **empty)
{
	struct chunk *c = chunks[p->nr / CHUNK];
	pid_t before = last_pid;

	if (!c) {
		c = kzalloc(sizeof(*c));
		if (!c)
			return -ENOMEM;
		rcu_assign_pointer(chunks[p->nr / CHUNK], c);
	}
	c->used++;
	rcu_assign_pointer(c->slot[p->nr % CHUNK], p);
	last_pid = p->nr;
	*empty = table_trim(before);
	return 0;
}

/* The same. */
static struct chunk *table_remove(struct pid *p)
{
	struct chunk *c = chunks[p->nr / CHUNK];

	rcu_assign_pointer(c->slot[p->nr % CHUNK], NULL);
	c->used--;
	return table_trim(p->nr);
}

static void chunk_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct chunk, rcu));
}

static void chunk_free(struct chunk *c)
{
	if (c)
		call_rcu(&c->rcu, chunk_free_rcu);
}

static pid_t free_number(void)
{
	pid_t nr = last_pid;

	for (int tries = 0; tries < PID_MAX; tries++) {
		if (++nr >= PID_MAX)
			nr = PID_RESERVED;
		if (!table_get(nr))
			return nr;
	}
	return -1;
}

pid_t pid_last(void)
{
	return load_relaxed(&last_pid);
}

struct pid *pid_alloc(void)
{
	struct pid *p = kzalloc(sizeof(*p));
	struct chunk *empty = NULL;
	int err;

	if (!p)
		return ERR_PTR(-ENOMEM);
	p->refs = 1;
	for (int i = 0; i < PIDTYPE_MAX; i++)
		CDS_INIT_LIST_HEAD(&p->tasks[i]);
	wait_queue_init(&p->exit_wait);
	spin_lock(&pid_lock);
	p->nr = free_number();
	err = p->nr < 0 ? -EAGAIN : table_add(p, &empty);
	spin_unlock(&pid_lock);
	chunk_free(empty);
	if (err) {
		kfree(p);
		return ERR_PTR(err);
	}
	return p;
}

struct pid *pid_get(struct pid *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

static void pid_free_rcu(struct rcu_head *head)
{
	kfree(caa_container_of(head, struct pid, rcu));
}

void pid_put(struct pid *p)
{
	struct chunk *empty;

	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	spin_lock(&pid_lock);
	empty = table_remove(p);
	spin_unlock(&pid_lock);
	chunk_free(empty);
	call_rcu(&p->rcu, pid_free_rcu);
}

/* A reference unless the count has reached zero. */
static bool try_ref(u32 *refs)
{
	u32 n = load_relaxed(refs);

	while (n)
		if (__atomic_compare_exchange_n(refs, &n, n + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

struct pid *find_pid(pid_t nr)
{
	struct pid *p;

	rcu_read_lock();
	p = table_get(nr);
	if (p && !try_ref(&p->refs))
		p = NULL;
	rcu_read_unlock();
	return p;
}

/* Under RCU. */
static struct task *task_of(struct pid *p)
{
	struct task *t = p ? rcu_dereference(p->task) : NULL;

	if (!t || !try_ref(&t->refs))
		return NULL;
	if (!try_ref(&t->tg->refs)) { /* both are about to go */
		task_put_memory(t);
		return NULL;
	}
	return t;
}

struct task *pid_task(struct pid *p)
{
	struct task *t;

	rcu_read_lock();
	t = task_of(p);
	rcu_read_unlock();
	return t;
}

struct task *find_task(pid_t tid)
{
	struct task *t;

	rcu_read_lock();
	t = task_of(table_get(tid));
	rcu_read_unlock();
	return t;
}

static struct thread_group *pid_process(struct pid *p)
{
	struct thread_group *tg = p ? rcu_dereference(p->tg) : NULL;

	return tg && try_ref(&tg->refs) ? tg : NULL;
}

struct thread_group *find_process(pid_t tgid)
{
	struct thread_group *tg;

	rcu_read_lock();
	tg = pid_process(table_get(tgid));
	rcu_read_unlock();
	return tg;
}

struct thread_group *next_process(pid_t from)
{
	struct thread_group *tg = NULL;

	rcu_read_lock();
	for (pid_t nr = max(from, 1); nr < PID_MAX && !tg; nr++) {
		if (nr % CHUNK == 0 || nr == from)
			while (nr < PID_MAX && !rcu_dereference(chunks[nr / CHUNK]))
				nr = (nr / CHUNK + 1) * CHUNK;
		tg = pid_process(table_get(nr));
	}
	rcu_read_unlock();
	return tg;
}

void pid_attach(struct pid *p, struct task *t)
{
	/* Else it has been its pid from the beginning, and others may look at it. */
	if (t->pid != p) {
		t->pid = p;
		t->tid = p->nr;
	}
	rcu_assign_pointer(p->task, t);
}

void pid_detach(struct pid *p)
{
	rcu_assign_pointer(p->task, NULL);
	rcu_assign_pointer(p->tg, NULL);
}

void tg_set_pgrp_locked(struct thread_group *tg, struct pid *pgrp)
{
	struct pid *old = tg->pgrp;

	lockdep_assert_held(&tasklist_lock);
	if (old)
		cds_list_del(&tg->pgrp_link);
	if (pgrp) {
		pid_get(pgrp);
		cds_list_add_tail(&tg->pgrp_link, &pgrp->tasks[PIDTYPE_PGID]);
	}
	rcu_assign_pointer(tg->pgrp, pgrp);
	if (old)
		pid_put(old);
}

void tg_set_session_locked(struct thread_group *tg, struct pid *session)
{
	struct pid *old = tg->session;

	lockdep_assert_held(&tasklist_lock);
	if (old)
		cds_list_del(&tg->session_link);
	if (session) {
		pid_get(session);
		cds_list_add_tail(&tg->session_link, &session->tasks[PIDTYPE_SID]);
	}
	rcu_assign_pointer(tg->session, session);
	if (old)
		pid_put(old);
}
