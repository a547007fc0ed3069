/*
 * The budget of host descriptors, and the clock that keeps it.
 *
 * Every descriptor of fh/ is counted. Open handles that could be reopened stand on a ring; the hand
 * goes round, takes the used bit from those that were pinned since it last came by and closes the
 * others, several at a time, so that most openers find room and need not look. Victims are chosen
 * under clock_lock and closed outside of it, and the lock is given up every STEPS handles: who
 * reclaims doesn't hold up the others who do. A handle leaves the ring when it is closed.
 *
 * The budget is the descriptor limit less what the kernel needs for itself (host processes, memory,
 * terminals, events). Where handles can't be closed, since they are pinned or have no name, half of
 * that reserve may be used too. Then names that nobody uses are forgotten, since of some files only
 * these keep the descriptors; and openers wait, for a second at most, until a handle is unpinned or
 * closed. What they get after that is ENFILE.
 */
#include "fh/handle.h"

#include "cpu.h"
#include "host.h"
#include "os/hostfile.h"
#include "wait.h"

#define RESERVE_MAX 4096
#define BATCH 8	 /* handles closed at a time */
#define STEPS 64 /* of the hand at a time */
#define STARVE_NS NSEC_PER_SEC

static struct spinlock clock_lock = SPINLOCK_INIT("fh clock", RANK_FH);
static CDS_LIST_HEAD(ring);	 /* clock_lock: the hand points at the first */
static u64 ring_size;		 /* clock_lock */
static u64 budget = 256;	 /* atomic */
static u64 ceiling = UINT64_MAX; /* constant: of descriptors, whatever the budget is set to */
static u64 nr_descriptors;	 /* atomic: open, or about to be */

u32 fh_hungry;
static u32
	fh_chances; /* atomic: how often a descriptor may have become free while somebody starved */
static struct wait_queue starved = WAIT_QUEUE_INIT(starved);
unsigned (*fh_forget_names)(void); /* constant after boot */

static unsigned free_some(void)
{
	return clock_reclaim(32);
}

void clock_init(void)
{
	u64 limit = host_raise_nofile();

	host_free_descriptors = free_some;

	fh_set_budget(limit - min(limit / 2, (u64)RESERVE_MAX));
	ceiling = limit - min(limit / 4, (u64)RESERVE_MAX / 2);
}

void fh_set_budget(u64 n)
{
	store_relaxed(&budget, n);
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

bool clock_forget(struct fh *h)
{
	bool idle;

	spin_lock(&clock_lock);
	idle = !(load_acquire(&h->word) & FH_BUSY);
	if (idle)
		remove_locked(h);
	spin_unlock(&clock_lock);
	return idle;
}

/*
 * Up to n handles to close, now BUSY and off the ring. *steps: how far the hand may still go; 0 at
 * first: two rounds, of which the first takes used bits. Afterwards 0 if it has come that far.
 */
static unsigned pick_victims(struct fh **victim, unsigned n, u64 *steps)
{
	unsigned found = 0;
	struct fh *h;

	spin_lock(&clock_lock);
	if (!*steps || *steps > 2 * ring_size)
		*steps = 2 * ring_size;
	for (unsigned i = 0; i < STEPS && found < n && *steps && ring_size; i++, --*steps) {
		h = cds_list_first_entry(&ring, struct fh, clock);
		if (handle_claim_idle(h)) {
			remove_locked(h);
			victim[found++] = h;
		} else {
			cds_list_del(&h->clock);
			cds_list_add_tail(&h->clock, &ring);
		}
	}
	if (!ring_size)
		*steps = 0;
	spin_unlock(&clock_lock);
	return found;
}

unsigned clock_reclaim(unsigned n)
{
	struct fh *victim[BATCH];
	unsigned done = 0, found;
	u64 steps = 0;

	do {
		found = pick_victims(victim, min(n - done, (unsigned)BATCH), &steps);
		for (unsigned i = 0; i < found; i++)
			done += handle_close_busy(victim[i]);
	} while (done < n && steps);
	return done;
}

int clock_reserve(void)
{
	u64 n = __atomic_add_fetch(&nr_descriptors, 1, __ATOMIC_RELAXED),
	    max = load_relaxed(&budget);

	/* Not all at once of a small budget: they would be opened again right away. */
	if (n > max && !clock_reclaim(min((u64)BATCH, 2 + max / 32)) && n > ceiling) {
		clock_unreserve();
		return -EMFILE;
	}
	return 0;
}

void clock_unreserve(void)
{
	__atomic_sub_fetch(&nr_descriptors, 1, __ATOMIC_SEQ_CST);
	if (unlikely(load_relaxed(&fh_hungry)))
		clock_chance();
}

/* ---- starving ---- */

void clock_chance(void)
{
	__atomic_add_fetch(&fh_chances, 1, __ATOMIC_RELEASE);
	wake_up_all(&starved);
}

static bool chance_came(void *arg)
{
	return load_acquire(&fh_chances) != ((struct starving *)arg)->seen;
}

/* Forgets names until a descriptor may have become free, or there are none. */
static void forget_names(struct starving *s)
{
	while (this_cpu() && fh_forget_names && !chance_came(s) && ktime_mono() < s->until)
		if (!fh_forget_names())
			break;
}

/*
 * The first time it only makes itself known, so that no chance is missed between the failure and
 * the sleep, and may bring one about.
 */
int clock_starve(struct starving *s)
{
	struct wait_opts opts = {.state = KT_UNINTERRUPTIBLE};
	int err;

	if (!s->begun) {
		__atomic_add_fetch(&fh_hungry, 1, __ATOMIC_SEQ_CST);
		*s = (struct starving){
			.begun = true,
			.seen = load_acquire(&fh_chances),
			.until = ktime_mono() + STARVE_NS,
		};
		forget_names(s);
		return 0;
	}
	if (!this_cpu() || ktime_mono() >= s->until)
		return -ENFILE; /* not EMFILE: the limit is ours, not the guest process's */
	FH_COUNT(waits);
	forget_names(s);
	opts.deadline = s->until;
	err = wait_event(&starved, chance_came, s, &opts);
	s->seen = load_acquire(&fh_chances);
	return err ? -ENFILE : 0;
}

void clock_fed(struct starving *s)
{
	if (s->begun)
		__atomic_sub_fetch(&fh_hungry, 1, __ATOMIC_RELAXED);
}

/* ---- counters ---- */

/*
 * Of those on the ring. The lock is given up every STEPS handles here, too; a handle that is
 * nobody's, and never open, keeps the place meanwhile, which the hand moves on like any other.
 */
static u64 count_pinned(void)
{
	struct fh cursor = {0};
	u64 left, n = 0;

	spin_lock(&clock_lock);
	cds_list_add(&cursor.clock, &ring);
	for (left = ring_size; left; left--) {
		struct cds_list_head *next = cursor.clock.next;

		if (next == &ring)
			next = ring.next;
		if (next == &cursor.clock)
			break; /* all others have gone */
		if (FH_PINS(load_relaxed(&cds_list_entry(next, struct fh, clock)->word)))
			n++;
		cds_list_del(&cursor.clock);
		cds_list_add(&cursor.clock, next);
		if (left % STEPS == 0) {
			spin_unlock(&clock_lock);
			spin_lock(&clock_lock);
		}
	}
	cds_list_del(&cursor.clock);
	spin_unlock(&clock_lock);
	return n;
}

void fh_get_stats(struct fh_stats *s)
{
	*s = (struct fh_stats){
		.open = load_relaxed(&nr_descriptors),
		.handles = load_relaxed(&fh_count.handles),
		.reclaimed = load_relaxed(&fh_count.reclaimed),
		.reopened = load_relaxed(&fh_count.reopened),
		.stale = load_relaxed(&fh_count.stale),
		.waits = load_relaxed(&fh_count.waits),
		.passed = load_relaxed(&fh_count.passed),
		.budget = load_relaxed(&budget),
		.pinned = count_pinned(),
	};
}

u64 fh_ram_bytes(void)
{
	return host_ram_bytes();
}
