/* What the kernel adds to liburcu. */
#include "alloc.h"
#include "host.h"
#include "log.h"
#include "rcu.h"
#include "smp.h"

struct deferred_free {
	struct rcu_head head;
	void *p;
};

#ifdef __SANITIZE_THREAD__

/*
 * liburcu isn't instrumented: these tell ThreadSanitizer that what precedes a quiescent state
 * precedes the end of a grace period.
 */
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
	struct wrapped_call *w;

	/* Only the tool needs it: it isn't to fail, not even where `--fault` has others fail. */
	do
		w = kmalloc(sizeof(*w));
	while (!w);
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

/* ---- who holds up grace periods ---- */

#ifdef HEDDLE_DEBUG

#define LOOK NSEC_PER_SEC
/*
 * So often the same is seen: what counts is not the clock, which goes on while a debugger stops us
 * all.
 */
#define STALLED 30

static void watched_since(ktime_t since)
{
	struct cpu *c = this_cpu();

	if (c)
		store_relaxed(&c->rcu_since, since);
}

static void watched_quiescent(void)
{
	watched_since(ktime_mono());
}

static void watched_offline(void)
{
	watched_since(0);
}

void rcu_watch(u32 *stop)
{
	static ktime_t seen[MAX_CPUS];
	static int looks[MAX_CPUS];

	while (!load_acquire(stop)) {
		host_futex_wait(stop, 0, ktime_mono() + LOOK);
		for (int i = 0; i < nr_cpus; i++) {
			ktime_t since = load_relaxed(&cpus[i].rcu_since);

			looks[i] = since && since == seen[i] ? looks[i] + 1 : 0;
			seen[i] = since;
			if (looks[i] == STALLED)
				panic("RCU stall: CPU %d, which runs %s, has not been quiescent for %d s",
				      i, cpu_running(&cpus[i])->name, STALLED);
		}
	}
}

#else

static void watched_quiescent(void)
{
}

static void watched_offline(void)
{
}

void rcu_watch(u32 *stop)
{
	(void)stop;
}

#endif

void rcu_start(void)
{
	(void)urcu_qsbr_get_default_call_rcu_data();
}

void rcu_cpu_start(void)
{
	rcu_register_thread();
	watched_quiescent();
}

void rcu_cpu_stop(void)
{
	tsan_quiescent();
	watched_offline();
	rcu_unregister_thread();
}

void rcu_thread_online(void)
{
	urcu_qsbr_thread_online();
	watched_quiescent();
}

void rcu_thread_offline(void)
{
	lockcheck_may_sleep("rcu_thread_offline", NULL);
	tsan_quiescent();
	watched_offline();
	urcu_qsbr_thread_offline();
}

void rcu_quiescent_state(void)
{
	tsan_quiescent();
	watched_quiescent();
	urcu_qsbr_quiescent_state();
}

void synchronize_rcu(void)
{
	lockcheck_may_sleep("synchronize_rcu", NULL);
	tsan_quiescent();
	urcu_qsbr_synchronize_rcu();
	tsan_grace_period();
}

struct barrier {
	struct rcu_head head;
	u32 over; /* atomic; host futex */
};

static void barrier_over(struct rcu_head *head)
{
	struct barrier *b = caa_container_of(head, struct barrier, head);

	store_release(&b->over, 1);
	host_futex_wake(&b->over, 1);
}

void rcu_barrier(void)
{
	struct barrier b = {.over = 0};

	call_rcu(&b.head, barrier_over);
	rcu_thread_offline();
	while (!load_acquire(&b.over))
		host_futex_wait(&b.over, 0, KTIME_MAX);
	rcu_thread_online();
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
