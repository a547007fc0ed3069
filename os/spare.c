/*
 * The spare: an empty address space with one host process in it. An exec that needs one (vfork's,
 * posix_spawn's) takes it, instead of waiting while the host forks the template and starts a
 * process there. There is one at most, and only while such execs follow each other within a second.
 *
 * It comes from a small program that has ended: its memory is unmapped, its slots are wiped, and
 * its host process gets a first frame as a new one does (context_recycle()). Where none has come, a
 * thread makes one ahead of time, if the host has a core for it. That thread also ends the spare
 * when a second has passed.
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
static ktime_t last;	      /* atomic: when one was asked for */
static u32 work;     /* host futex: 1 when the thread is to look whether one has to be made */
static bool asleep;  /* atomic: the thread waits for that only */
static bool running; /* constant after boot */

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

static void put(struct host_mm *hm)
{
	struct host_mm *none = NULL;

	if (!__atomic_compare_exchange_n(&ready, &none, hm, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED))
		drop(hm);
}

/* ---- the thread ---- */

/* A failure is nobody's: who wants one then makes it himself, and is told. */
static void make(void)
{
	struct host_mm *hm;
	struct host_task *ht;

	if (host_cores() < 2 || host_processes_scarce() || host_mm_copy(NULL, &hm, &ht))
		return;
	if (engine->adopts_anywhere && engine->adopt(ht))
		drop(hm);
	else
		put(hm);
}

static void *spare_thread(void *unused)
{
	(void)unused;
	for (;;) {
		ktime_t until = load_relaxed(&last) + SOON;

		if (until <= ktime_mono()) {
			until = KTIME_MAX;
			__atomic_store_n(&asleep, true, __ATOMIC_SEQ_CST);
			drop(__atomic_exchange_n(&ready, NULL, __ATOMIC_SEQ_CST));
		}
		host_futex_wait(&work, 0, until);
		__atomic_store_n(&asleep, false, __ATOMIC_SEQ_CST);
		if (__atomic_exchange_n(&work, 0, __ATOMIC_SEQ_CST) && !load_relaxed(&ready))
			make();
	}
	return NULL;
}

static void poke(void)
{
	if (!__atomic_exchange_n(&work, 1, __ATOMIC_SEQ_CST))
		host_futex_wake(&work, 1);
}

/* ---- who takes and gives ---- */

static bool enabled(void)
{
	return running && !load_relaxed(&fault_mask);
}

struct host_mm *spare_take(struct host_task **ht)
{
	ktime_t now, then;
	struct host_mm *hm;

	if (!enabled())
		return NULL;
	hm = __atomic_exchange_n(&ready, NULL, __ATOMIC_ACQUIRE);
	if (hm)
		*ht = only_task(hm);
	now = ktime_mono();
	then = __atomic_exchange_n(&last, now, __ATOMIC_RELAXED);
	if (then && now - then < SOON && (!hm || __atomic_load_n(&asleep, __ATOMIC_SEQ_CST)))
		poke();
	return hm;
}

bool spare_wanted(void)
{
	ktime_t then = load_relaxed(&last);

	return enabled() && then && ktime_mono() - then < SOON && !load_relaxed(&ready) &&
	       !host_processes_scarce();
}

void spare_give(struct host_mm *hm)
{
	put(hm);
	if (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST))
		poke(); /* somebody has to end it */
}

void spare_make(void)
{
	if (host_cores() >= 2 && spare_wanted())
		poke();
}

int host_spare_init(void)
{
	static const struct helper_thread helper = {.name = "heddle-spare", .fn = spare_thread};
	int err = helper_thread_start(&helper, NULL);

	running = !err;
	return err;
}
