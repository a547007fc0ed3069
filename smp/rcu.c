/* What the kernel adds to liburcu. */
#include "alloc.h"
#include "log.h"
#include "rcu.h"
#include "smp.h"

struct deferred_free {
	struct rcu_head head;
	void *p;
};

void rcu_cpu_start(void)
{
	rcu_register_thread();
}

void rcu_cpu_stop(void)
{
	rcu_unregister_thread();
}

void rcu_thread_online(void)
{
	urcu_qsbr_thread_online();
}

void rcu_thread_offline(void)
{
	lockcheck_may_sleep("rcu_thread_offline", NULL);
	urcu_qsbr_thread_offline();
}

void rcu_quiescent_state(void)
{
	urcu_qsbr_quiescent_state();
}

void synchronize_rcu(void)
{
	lockcheck_may_sleep("synchronize_rcu", NULL);
	urcu_qsbr_synchronize_rcu();
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
