/*
 * The spare: an empty address space with one host process in it, made ahead of time. An exec that needs one (vfork's, posix_spawn's) takes it,
 * instead of waiting while the host forks the template and starts a process there. A thread of its own makes it, one at a time, where the host
 * has a core for that thread besides the one of who execs; and only while such execs follow each other within a second. When a second
 * passes without one, the spare goes.
 *
 * With --fault there is none: which calls of the host fail is counted.
 */
#include "engine.h"
#include "host.h"
#include "ktime.h"
#include "os/context.h"
#include "os/fault.h"
#include "os/helper.h"

#define SOON NSEC_PER_SEC

static struct host_mm *ready; /* atomic; NULL: none */
static u32 wanted;	      /* host futex: 1 when another is to be made */
static ktime_t last;	      /* atomic: when one was asked for */
static bool running;	      /* constant after boot */

static struct host_task *only_task(struct host_mm *hm)
{
	return cds_list_first_entry(&hm->tasks, struct host_task, link);
}

static void drop(struct host_mm *hm)
{
	if (!hm)
		return;
	host_task_kill(hm, only_task(hm));
	host_mm_destroy(hm);
}

/* A failure is nobody's: who wants one then makes it himself, and is told. */
static struct host_mm *make(void)
{
	struct host_mm *hm;
	struct host_task *ht;

	if (host_processes_scarce() || host_mm_copy(NULL, &hm, &ht))
		return NULL;
	if (engine->adopts_anywhere && engine->adopt(ht)) {
		drop(hm);
		return NULL;
	}
	return hm;
}

static void *spare_maker(void *unused)
{
	(void)unused;
	for (;;) {
		while (!__atomic_load_n(&wanted, __ATOMIC_SEQ_CST)) {
			bool have = __atomic_load_n(&ready, __ATOMIC_RELAXED);

			if (host_futex_wait(&wanted, 0, have ? ktime_mono() + SOON : KTIME_MAX) ==
			    -ETIMEDOUT)
				drop(__atomic_exchange_n(&ready, NULL, __ATOMIC_ACQUIRE));
		}
		__atomic_store_n(&wanted, 0, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&ready, __ATOMIC_RELAXED))
			__atomic_store_n(&ready, make(), __ATOMIC_RELEASE);
	}
	return NULL;
}

struct host_mm *spare_take(struct host_task **ht)
{
	ktime_t now, then;
	struct host_mm *hm;

	if (!running || __atomic_load_n(&fault_mask, __ATOMIC_RELAXED))
		return NULL;
	hm = __atomic_exchange_n(&ready, NULL, __ATOMIC_ACQUIRE);
	if (hm)
		*ht = only_task(hm);
	now = ktime_mono();
	then = __atomic_exchange_n(&last, now, __ATOMIC_RELAXED);
	if (then && now - then < SOON && !__atomic_exchange_n(&wanted, 1, __ATOMIC_SEQ_CST))
		host_futex_wake(&wanted, 1);
	return hm;
}

int host_spare_init(void)
{
	static const struct helper_thread helper = {.name = "heddle-spare", .fn = spare_maker};
	int err;

	if (host_cores() < 2)
		return 0;
	err = helper_thread_start(&helper, NULL);
	running = !err;
	return err;
}
