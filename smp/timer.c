/*
 * Timers: a heap for each CPU, run by that CPU wherever it passes through the scheduler.
 *
 * A timer belongs to the base which it was armed on last, even when it isn't armed, so that its
 * lock says everything about it. It changes bases only while it neither is armed nor runs;
 * base_lock() copes with that.
 */
#include "host.h"
#include "log.h"
#include "smp.h"

void timers_init(struct timer_base *b, struct cpu *c)
{
	spin_init(&b->lock, "timers", RANK_TIMER);
	b->cpu = c;
	b->next = KTIME_MAX;
}

ktime_t timers_next(const struct cpu *c)
{
	return load_acquire(&c->timers->next);
}

static struct timer *first(struct timer_base *b)
{
	struct pheap_node *n = pheap_first(&b->heap);

	return n ? caa_container_of(n, struct timer, node) : NULL;
}

static void update_next(struct timer_base *b)
{
	struct timer *t = first(b);

	store_release(&b->next, t ? t->deadline : KTIME_MAX);
}

static void detach(struct timer_base *b, struct timer *t)
{
	pheap_remove(&b->heap, &t->node);
	store_relaxed(&t->armed, false);
	update_next(b);
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	*t = (struct timer){.fn = fn};
}

/* The base of t, locked; NULL if t never was armed. */
static struct timer_base *base_lock(struct timer *t)
{
	struct timer_base *b;

	for (;;) {
		b = load_acquire(&t->base);
		if (!b)
			return NULL;
		spin_lock(&b->lock);
		if (load_acquire(&t->base) == b)
			return b;
		spin_unlock(&b->lock);
	}
}

/*
 * The base to arm t on, locked, with t not armed. `want`, or the one where its fn runs: cancel_sync
 * has to find it there.
 */
static struct timer_base *base_lock_for(struct timer *t, struct timer_base *want)
{
	struct timer_base *b, *none = NULL;

	for (;;) {
		b = base_lock(t);
		if (!b) {
			__atomic_compare_exchange_n(&t->base, &none, want, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED);
			none = NULL;
			continue;
		}
		if (t->armed)
			detach(b, t);
		if (b == want || b->running == t)
			return b;
		store_release(&t->base, want);
		spin_unlock(&b->lock);
	}
}

void timer_arm(struct timer *t, ktime_t deadline)
{
	struct cpu *me = this_cpu();
	struct timer_base *b = base_lock_for(t, me ? me->timers : cpus[0].timers);
	bool earlier = deadline < b->next;
	struct cpu *c = b->cpu;

	t->deadline = deadline;
	store_relaxed(&t->armed, true);
	pheap_insert(&b->heap, &t->node, deadline);
	update_next(b);
	spin_unlock(&b->lock);
	/* This CPU looks at it anyway before it idles or runs a guest. */
	if (earlier && c != me)
		cpu_kick(c);
}

bool timer_is_armed(const struct timer *t)
{
	return load_relaxed(&t->armed);
}

bool timer_cancel(struct timer *t)
{
	struct timer_base *b = base_lock(t);
	bool armed;

	if (!b)
		return false;
	armed = t->armed;
	if (armed)
		detach(b, t);
	spin_unlock(&b->lock);
	return armed;
}

bool timer_cancel_sync(struct timer *t)
{
	struct timer_base *b;
	bool armed = false;
	u32 done;

	for (;;) {
		b = base_lock(t);
		if (!b)
			return false;
		if (t->armed) {
			detach(b, t);
			armed = true;
		}
		if (b->running != t)
			break;
		ASSERT(b->cpu != this_cpu());
		/*
		 * Its fn runs, and may arm it again. It doesn't sleep: so waiting in the host is
		 * short.
		 */
		done = load_relaxed(&b->done);
		b->sync_waiters++;
		spin_unlock(&b->lock);
		while (load_acquire(&b->done) == done)
			host_futex_wait(&b->done, done, KTIME_MAX);
		spin_lock(&b->lock);
		b->sync_waiters--;
		spin_unlock(&b->lock);
	}
	spin_unlock(&b->lock);
	return armed;
}

void timers_run(struct cpu *c, ktime_t now)
{
	struct timer_base *b = c->timers;
	struct timer *t;

	spin_lock(&b->lock);
	ASSERT(!b->running);
	while ((t = first(b)) && t->deadline <= now) {
		detach(b, t);
		b->running = t;
		spin_unlock(&b->lock);
		t->fn(t); /* may free t */
		spin_lock(&b->lock);
		b->running = NULL;
		store_release(&b->done, b->done + 1);
		if (b->sync_waiters)
			host_futex_wake(&b->done, INT32_MAX);
	}
	spin_unlock(&b->lock);
}

struct sleep_timer {
	struct timer timer;
	struct kthread *kt;
	bool fired; /* atomic */
};

static void sleep_timer_fn(struct timer *t)
{
	struct sleep_timer *s = caa_container_of(t, struct sleep_timer, timer);

	store_release(&s->fired, true);
	wake_up_kthread(s->kt);
}

bool schedule_deadline(ktime_t deadline)
{
	struct sleep_timer s = {.kt = current_kthread()};

	if (deadline == KTIME_MAX) {
		schedule();
		return true;
	}
	timer_init(&s.timer, sleep_timer_fn);
	timer_arm(&s.timer, deadline);
	schedule();
	timer_cancel_sync(&s.timer);
	return !load_acquire(&s.fired);
}
