/*
 * The budget of host descriptors, and the clock that keeps it.
 *
 * Every descriptor of fh/ is counted. Open handles that could be reopened stand on a ring; the hand goes round, takes the used bit from those that
 * were pinned since it last came by and closes the others. A handle leaves the ring when it is closed.
 *
 * The budget is the descriptor limit less what the kernel needs for itself (host processes, memory, terminals, events). It
 * binds only as far as handles can be closed: when all are pinned or nameless, opening goes on into the reserve until the host refuses.
 */
#include "fh/handle.h"

#include "host.h"
#include "os/hostfile.h"

#define RESERVE_MAX 4096

static struct spinlock clock_lock = SPINLOCK_INIT("fh clock", RANK_FH);
static CDS_LIST_HEAD(ring); /* clock_lock: the hand points at the first */
static u64 ring_size;	    /* clock_lock */
static u64 budget = 256;    /* atomic */
static u64 nr_descriptors;  /* atomic: open, or about to be */

static unsigned free_some(void)
{
	return clock_reclaim(32);
}

void clock_init(void)
{
	u64 limit = host_raise_nofile();

	host_free_descriptors = free_some;

	fh_set_budget(limit - min(limit / 2, (u64)RESERVE_MAX));
}

void fh_set_budget(u64 n)
{
	__atomic_store_n(&budget, n, __ATOMIC_RELAXED);
}

void clock_add(struct fh *h)
{
	spin_lock(&clock_lock);
	if (!h->on_clock) {
		cds_list_add_tail(&h->clock, &ring);
		h->on_clock = true;
		ring_size++;
	}
	spin_unlock(&clock_lock);
}

static void remove_locked(struct fh *h)
{
	if (h->on_clock) {
		cds_list_del(&h->clock);
		h->on_clock = false;
		ring_size--;
	}
}

void clock_remove(struct fh *h)
{
	spin_lock(&clock_lock);
	remove_locked(h);
	spin_unlock(&clock_lock);
}

/* The next handle to close, now BUSY and off the ring; NULL when all are in use. Two rounds: the first takes used bits. */
static struct fh *pick_victim(void)
{
	struct fh *h, *victim = NULL;

	spin_lock(&clock_lock);
	for (u64 steps = 2 * ring_size; steps && !victim; steps--) {
		h = cds_list_first_entry(&ring, struct fh, clock);
		cds_list_del(&h->clock);
		cds_list_add_tail(&h->clock, &ring);
		if (handle_claim_idle(h))
			victim = h;
	}
	if (victim)
		remove_locked(victim);
	spin_unlock(&clock_lock);
	return victim;
}

unsigned clock_reclaim(unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		struct fh *h = pick_victim();

		if (!h)
			break;
		if (handle_close_busy(h))
			done++;
	}
	return done;
}

void clock_reserve(void)
{
	if (__atomic_add_fetch(&nr_descriptors, 1, __ATOMIC_RELAXED) >
	    __atomic_load_n(&budget, __ATOMIC_RELAXED))
		clock_reclaim(2); /* two, so that a budget that was lowered is met again */
}

void clock_unreserve(void)
{
	__atomic_sub_fetch(&nr_descriptors, 1, __ATOMIC_RELAXED);
}

void fh_get_stats(struct fh_stats *s)
{
	struct fh *h;

	*s = (struct fh_stats){
		.open = __atomic_load_n(&nr_descriptors, __ATOMIC_RELAXED),
		.handles = __atomic_load_n(&fh_count.handles, __ATOMIC_RELAXED),
		.reclaimed = __atomic_load_n(&fh_count.reclaimed, __ATOMIC_RELAXED),
		.reopened = __atomic_load_n(&fh_count.reopened, __ATOMIC_RELAXED),
		.stale = __atomic_load_n(&fh_count.stale, __ATOMIC_RELAXED),
		.waits = __atomic_load_n(&fh_count.waits, __ATOMIC_RELAXED),
		.budget = __atomic_load_n(&budget, __ATOMIC_RELAXED),
	};
	spin_lock(&clock_lock);
	cds_list_for_each_entry(h, &ring, clock)
		if (FH_PINS(__atomic_load_n(&h->word, __ATOMIC_RELAXED)))
			s->pinned++;
	spin_unlock(&clock_lock);
}

u64 fh_ram_bytes(void)
{
	return host_ram_bytes();
}
