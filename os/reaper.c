/*
 * The reaper: a host thread that kills host processes and waits for them in its own time, and on
 * its own core, so that no CPU waits for the host to tear down an address space. A pid is reused by
 * nobody before it was reaped here. When nothing has ended for a second after something did, it
 * gives the kernel's free memory back.
 */
#include "alloc.h"
#include "engine.h"
#include "event.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/helper.h"
#include "os/hostmm_priv.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* How many wait for the reaper before others don't. */
#define SLEEPERS_MAX 16

static struct corpse *corpses; /* atomic: a stack, taken whole by the reaper */
static u32 work;	       /* host futex: 1 when corpses may have grown */
static u32 hurry;     /* host futex: 1 when somebody waits for the end of what has been begun */
static u32 begun;     /* atomic: how many there were */
static u32 collected; /* host futex: how many are done with */

/* Frees it, with what it is part of. */
static void collect(struct corpse *c)
{
	struct rusage ru = {};
	struct host_usage u;

	while (wait4(c->pid, NULL, __WALL, &ru) < 0 && errno == EINTR)
		;
	u = (struct host_usage){ru.ru_minflt, ru.ru_majflt, ru.ru_maxrss >> (PAGE_SHIFT - 10)};
	c->done(c->arg, &u);
}

void reap_later(struct corpse *c, pid_t pid, bool sleeps,
		void (*done)(void *arg, const struct host_usage *u), void *arg)
{
	u32 n = __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);

	/* What ends faster than one core takes it down does so where it is. */
	if (n - load_relaxed(&collected) > SLEEPERS_MAX)
		sleeps = false;
	if (!sleeps)
		kill(pid, SIGKILL);
	*c = (struct corpse){.pid = pid, .sleeps = sleeps, .done = done, .arg = arg};
	c->next = load_relaxed(&corpses);
	while (!__atomic_compare_exchange_n(&corpses, &c->next, c, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	if (__atomic_exchange_n(&work, 1, __ATOMIC_SEQ_CST) == 0)
		host_futex_wake(&work, 1);
}

/* All there are, in the order of their deaths: an address space's keeper comes behind its tasks. */
static struct corpse *take_corpses(void)
{
	struct corpse *c = __atomic_exchange_n(&corpses, NULL, __ATOMIC_ACQUIRE), *first = NULL;

	while (c) {
		struct corpse *next = c->next;

		c->next = first;
		first = c;
		c = next;
	}
	return first;
}

/* They die where we run: the core that they were pinned to has guests to run. */
static void kill_sleepers(const struct corpse *c)
{
	int core = host_core_current();

	for (; c; c = c->next) {
		if (!c->sleeps)
			continue;
		host_task_pin(c->pid, &(int){-1}, core);
		kill(c->pid, SIGKILL);
	}
}

static void collect_all(struct corpse *c)
{
	struct corpse *next;

	kill_sleepers(c);
	for (; c; c = next) {
		next = c->next;
		collect(c);
		__atomic_add_fetch(&collected, 1, __ATOMIC_SEQ_CST);
	}
	host_futex_wake(&collected, INT32_MAX);
}

static void *reaper(void *unused)
{
	u64 quiet = KTIME_MAX; /* when memory goes back to the host unless there is more to do;
				  KTIME_MAX: it has */

	(void)unused;
	for (;;) {
		struct corpse *c;

		while (!__atomic_load_n(&work, __ATOMIC_SEQ_CST))
			if (host_futex_wait(&work, 0, quiet) == -ETIMEDOUT) {
				kmalloc_trim();
				quiet = KTIME_MAX;
			}
		/*
		 * Mostly nobody is in a hurry: who forks and exits a lot needn't wake us each time,
		 * nor do we sleep for each.
		 */
		host_futex_wait(&hurry, 0, ktime_mono() + NSEC_PER_MSEC);
		__atomic_store_n(&hurry, 0, __ATOMIC_SEQ_CST);
		c = take_corpses();
		if (!c) {
			/* From here on they wake us. */
			__atomic_store_n(&work, 0, __ATOMIC_SEQ_CST);
			c = take_corpses();
		}
		if (c) {
			collect_all(c);
			quiet = ktime_mono() + NSEC_PER_SEC;
		}
	}
	return NULL;
}

/*
 * Corpses are collected in the order of their deaths: so when as many are done with as there were
 * now, ours are.
 */
static long wait_collected(void *arg)
{
	u32 target = *(u32 *)arg, now;

	__atomic_store_n(&hurry, 1, __ATOMIC_SEQ_CST);
	host_futex_wake(&hurry, 1);
	while ((s32)((now = __atomic_load_n(&collected, __ATOMIC_SEQ_CST)) - target) < 0)
		host_futex_wait(&collected, now, KTIME_MAX);
	return 0;
}

void host_reaper_flush(void)
{
	u32 target = __atomic_load_n(&begun, __ATOMIC_SEQ_CST);

	if ((s32)(__atomic_load_n(&collected, __ATOMIC_SEQ_CST) - target) < 0)
		io_worker_call(wait_collected, &target);
}

int reaper_init(void)
{
	/*
	 * We wait by pid: the host needn't make up a signal, which nobody handles, whenever a
	 * process stops.
	 */
	const struct sigaction no_stops = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
	static const struct helper_thread helper = {.name = "heddle-reaper", .fn = reaper};

	if (sigaction(SIGCHLD, &no_stops, NULL))
		return -errno;
	return helper_thread_start(&helper, NULL);
}
