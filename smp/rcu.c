/* What the kernel adds to liburcu. */
#include "alloc.h"
#include "log.h"
#include "rcu.h"
#include "smp.h"

struct deferred_free {
	struct rcu_head head;
	void *p;
};

#ifdef __SANITIZE_THREAD__

/* liburcu isn't instrumented: these tell ThreadSanitizer that what precedes a quiescent state precedes the end of a grace period. */
static u32 edge;

static void tsan_quiescent(void)
{
	__tsan_release(&edge);
}

static void tsan_grace_period(void)
{
	__tsan_acquire(&edge);
}

struct wrapped_call {
	struct rcu_head head;
	struct rcu_head *user;
	void (*fn)(struct rcu_head *head);
};

static void call_wrapped(struct rcu_head *head)
{
	struct wrapped_call *w;

	__tsan_acquire(&edge);
	w = caa_container_of(head, struct wrapped_call, head);
	w->fn(w->user);
	kfree(w);
}

void call_rcu(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	struct wrapped_call *w = kmalloc(sizeof(*w));

	ASSERT(w);
	w->user = head;
	w->fn = fn;
	__tsan_release(&edge);
	urcu_qsbr_call_rcu(&w->head, call_wrapped);
}

#else

static void tsan_quiescent(void)
{
}

static void tsan_grace_period(void)
{
}

void call_rcu(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	urcu_qsbr_call_rcu(head, fn);
}

#endif

void rcu_start(void)
{
	(void)urcu_qsbr_get_default_call_rcu_data();
}

void rcu_cpu_start(void)
{
	rcu_register_thread();
}

void rcu_cpu_stop(void)
{
	tsan_quiescent();
	rcu_unregister_thread();
}

void rcu_thread_online(void)
{
	urcu_qsbr_thread_online();
}

void rcu_thread_offline(void)
{
	lockcheck_may_sleep("rcu_thread_offline", NULL);
	tsan_quiescent();
	urcu_qsbr_thread_offline();
}

void rcu_quiescent_state(void)
{
	tsan_quiescent();
	urcu_qsbr_quiescent_state();
}

void synchronize_rcu(void)
{
	lockcheck_may_sleep("synchronize_rcu", NULL);
	tsan_quiescent();
	urcu_qsbr_synchronize_rcu();
	tsan_grace_period();
}

static void free_deferred(struct rcu_head *head)
{
	struct deferred_free *d = caa_container_of(head, struct deferred_free, head);

	kfree(d->p);
	kfree(d);
}

void kfree_rcu(void *p)
{
	struct deferred_free *d;

	if (!p)
		return;
	d = kmalloc(sizeof(*d));
	if (!d) {
		/* The caller may hold locks, so it can't wait for a grace period. */
		log_warn("out of memory: leaking an object that had to outlive its readers\n");
		return;
	}
	d->p = p;
	call_rcu(&d->head, free_deferred);
}
