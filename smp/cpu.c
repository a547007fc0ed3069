/* Virtual CPUs: starting and stopping them, their idle loop, kicks, and the border to the guest. */
#include "alloc.h"
#include "host.h"
#include "log.h"
#include "rcu.h"
#include "smp.h"
#include <stdio.h>
#include <string.h>

struct cpu cpus[MAX_CPUS];
int nr_cpus;
__thread struct cpu *this_cpu_ptr;
u32 smp_stopping;
bool smp_may_spin;

static const struct kthread_ops idle_ops;

/* How long a CPU that has become idle spins: from nothing to SPIN_MAX. */
#define SPIN_MIN ((ktime_t)(5 * NSEC_PER_USEC))
#define SPIN_MAX ((ktime_t)(60 * NSEC_PER_USEC))

/* What a CPU consists of besides struct cpu, in one allocation. */
struct cpu_parts {
	struct kthread idle;
	struct run_queue rq;
	struct timer_base timers;
};
static struct cpu_parts *parts; /* constant after smp_init */

/*
 * Of several kicks that are pending only the first sends a signal, and none is lost:
 *
 *  - Before it looks at what it is about, c clears kick_pending by an exchange: in
 *    sched_return_to_guest() or idle_loop(), one of which lies before each entry to a guest and
 *    each idle sleep. All who set it exchange as well. So who finds it set comes, in the order of
 *    its changes, before the next clearing, after which c sees what that one wrote before its kick.
 *    What is left to show is that c comes there.
 *  - In the kernel it does: it says in_guest or idle_word, a full barrier, and then neither runs a
 *    guest nor sleeps if kick_pending is set.
 *  - In the guest, let X be the first to set kick_pending after c found it clear. X finds idle_word
 *    0, in_guest set (unless c has left since) and kick_pending clear, so it sends the signal. Or X
 *    is the signal's handler, on c itself, which stops the guest in any case (engine->kick_self).
 *    Either way c leaves, and those who come after X need do nothing. The host may keep X from its
 *    core before it sends, as it may the holder of a spinlock. If the signal of c's host timer is
 *    pending the host drops X's: that one's handler stops the guest, too, as kick_pending is set
 *    (slice_goes_on() in os/slice.c).
 *  - Idle, the handler of a late signal may set kick_pending when c has looked and isn't asleep
 *    yet: nobody has taken idle_word back then, and c will sleep. So everybody looks at idle_word,
 *    whoever was first.
 */
void cpu_kick(struct cpu *c)
{
	struct cpu *me = this_cpu();
	bool pending = __atomic_exchange_n(&c->kick_pending, 1, __ATOMIC_SEQ_CST);

	if (c == me)
		return;
	if (load_relaxed(&c->idle_word)) {
		if (__atomic_exchange_n(&c->idle_word, 0, __ATOMIC_SEQ_CST))
			host_futex_wake(&c->idle_word, 1);
	} else if (!pending && load_relaxed(&c->in_guest)) {
		host_cpu_interrupt(c);
	} else {
		return;
	}
	if (me)
		stat_add(&me->stat.ipis_sent, 1);
}

bool cpu_enter_guest(struct cpu *c)
{
	lockcheck_none_held("the entry to the guest");
	rcu_thread_offline();
	store_mb(&c->in_guest, 1);
	if (likely(!load_relaxed(&c->need_resched) && !load_relaxed(&c->kick_pending)))
		return true;
	cpu_leave_guest(c);
	return false;
}

void cpu_leave_guest(struct cpu *c)
{
	store_release(&c->in_guest, 0);
	rcu_thread_online();
}

/* Anything to do for a CPU that has said that it idles? */
static bool has_work(struct cpu *c)
{
	return load_relaxed(&c->rq->nr_queued) || load_relaxed(&c->kick_pending) ||
	       load_relaxed(&smp_stopping);
}

/*
 * Waking another host core takes tens of microseconds, so a CPU that has a core of its own looks
 * around for a while before it sleeps, if that has paid lately: work came, or would have come,
 * within SPIN_MAX. Not beyond `until`. True if work has come.
 */
static bool idle_spin(struct cpu *c, ktime_t until)
{
	ktime_t end = min(c->last_switch + c->spin_ns, until);
	bool work;

	if (!c->spin_ns)
		return false;
	do {
		work = has_work(c);
		cpu_relax();
	} while (!work && ktime_mono() < end);
	return work;
}

/* After a sleep of `slept` ns. */
static void idle_learn(struct cpu *c, ktime_t slept)
{
	if (!smp_may_spin)
		return;
	if (slept > SPIN_MAX)
		c->spin_ns = c->spin_ns > SPIN_MIN ? c->spin_ns / 2 : 0;
	else
		c->spin_ns = min(max(2 * c->spin_ns, SPIN_MIN), SPIN_MAX);
}

/* Sleeps in the host until something comes up. `again`: until then at most. */
static void idle_wait(struct cpu *c, ktime_t again)
{
	ktime_t until = min(again, timers_next(c));

	rcu_thread_offline();
	if (!idle_spin(c, until)) {
		store_mb(&c->idle_word, 1);
		if (!has_work(c)) {
			host_futex_wait(&c->idle_word, 1, until);
			stat_add(&c->stat.wakeups, 1);
		}
		store_relaxed(&c->idle_word, 0);
		idle_learn(c, ktime_mono() - c->last_switch);
	}
	rcu_thread_online();
}

/* *look: go and look at the queues of others a second time, if that seems useful. */
static void idle_sleep(struct cpu *c, bool *look)
{
	ktime_t again = KTIME_MAX;

	c->rq->offer_delay = 0;
	__atomic_fetch_or(&idle_mask, cpu_bit(c), __ATOMIC_SEQ_CST);
	/*
	 * Its bit is seen from now on by CPUs that are about to return to their guests: those offer
	 * by themselves.
	 */
	if (!balance_idle(c, c->last_switch, &again)) {
		idle_wait(c, *look ? again : KTIME_MAX);
		*look = false;
	}
	__atomic_fetch_and(&idle_mask, ~cpu_bit(c), __ATOMIC_SEQ_CST);
}

static void idle_loop(struct cpu *c)
{
	bool look = true;
	ktime_t now;

	while (!load_acquire(&smp_stopping)) {
		store_mb(&c->kick_pending, 0);
		now = sched_account(c, IN_IDLE);
		if (now >= timers_next(c))
			timers_run(c, now);
		if (load_relaxed(&c->rq->nr_queued)) {
			sched_switch(c, now, RQ_PREEMPTED);
			look = true;
		} else {
			idle_sleep(c, &look);
		}
	}
}

/* atomic, host futex: all threads are there. A kernel that can't have one of them runs nothing. */
static u32 all_started;

static void cpu_main(struct cpu *c)
{
	while (!load_acquire(&all_started))
		host_futex_wait(&all_started, 0, KTIME_MAX);
	rcu_cpu_start();
	fiber_create(c->idle);
	store_relaxed(&c->last_switch, ktime_mono());
	idle_loop(c);
	rcu_cpu_stop();
}

/* Which host core a CPU gets: from the one where the kernel started, round and round. */
static int core_for(int id)
{
	int n = host_cores(), base = 0, here = host_core_current();

	while (base < n && host_core_nth(base) != here)
		base++;
	return n ? host_core_nth((base + id) % n) : -1;
}

static int cpu_init(struct cpu *c, int id)
{
	struct cpu_parts *p = &parts[id];

	memset(c, 0, sizeof(*c));
	c->id = id;
	c->host_core = core_for(id);
	c->host_timer = KTIME_MAX;
	CDS_INIT_LIST_HEAD(&c->outgoing);
	snprintf(p->idle.name, sizeof(p->idle.name), "idle/%d", id % MAX_CPUS);
	p->idle.cpu = id;
	p->idle.on_cpu = 1;
	p->idle.ops = &idle_ops;
	p->idle.allowed = cpu_bit(c);
	c->current = c->idle = &p->idle;
	c->rq = &p->rq;
	c->nr_queued = &p->rq.nr_queued;
	rq_init(c->rq, c);
	c->timers = &p->timers;
	timers_init(c->timers, c);
	return lockcheck_kthread_init(&p->idle);
}

int smp_init(int ncpus)
{
	int i, err = 0;

	if (ncpus < 1 || ncpus > MAX_CPUS)
		return -EINVAL;
	for (i = 0; i < nr_cpus; i++)
		lockcheck_kthread_destroy(&parts[i].idle);
	kfree(parts);
	nr_cpus = 0;
	parts = kcalloc(ncpus, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	store_relaxed(&smp_stopping, 0);
	store_relaxed(&idle_mask, 0);
	store_relaxed(&smp_may_spin, ncpus > 1 && ncpus <= host_cores());
	panic_dump = lockcheck_dump;
	nr_cpus = ncpus;
	for (i = 0; i < ncpus && !err; i++)
		err = cpu_init(&cpus[i], i);
	return err;
}

int smp_run(void)
{
	int i, n, err = 0;

	rcu_start();
	store_relaxed(&all_started, 0);
	for (n = 0; n < nr_cpus && !err; n++)
		err = host_cpu_thread_start(&cpus[n], cpu_main);
	if (err) {
		n--;
		smp_stop();
	}
	store_release(&all_started, 1);
	host_futex_wake(&all_started, n);
	rcu_watch(&smp_stopping);
	for (i = 0; i < n; i++)
		host_cpu_thread_join(&cpus[i]);
	return err;
}

void smp_stop(void)
{
	int i;

	store_mb(&smp_stopping, 1);
	host_futex_wake(&smp_stopping, 1); /* rcu_watch() */
	for (i = 0; i < nr_cpus; i++) {
		store_release(&cpus[i].need_resched, 1);
		cpu_kick(&cpus[i]);
	}
}
