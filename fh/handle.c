/*
 * The life of a host file handle: see fh.h. Here is how it goes on between CLOSED and OPEN.
 *
 * Reopening goes by (directory handle, name), with O_NOFOLLOW and without the flags that create or
 * truncate, and checks device, inode and birth time. The identity is taken when a handle is first
 * closed, unless its opener knew it. The directory is a handle too and may itself be closed: then
 * the nearest open ancestor is pinned and the path is reopened downwards, step by step, without
 * recursion. Of a long way the half is opened first, so that who looks for the next step doesn't
 * come by all of it each time.
 *
 * Locks: place_lock (place.c) protects every handle's place and the list of moves; clock_lock
 * (clock.c) the list of reclaimable handles. Neither is held over a host call, nor with the other.
 */
#include "fh/handle.h"

#include "alloc.h"
#include "cpu.h"
#include "fs.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/hostfile.h"
#include "wait.h"

#include <string.h>

#define CREATION_FLAGS (O_CREAT | O_EXCL | O_TRUNC)

struct fh_counters fh_count;

/* The host closes it in any case; an error is about data that it could not store. */
static void close_raw(struct fh *h, int fd)
{
	int err = host_close(fd);

	if (err && h)
		store_relaxed(&h->lost, err);
	clock_unreserve();
}

/* ---- BUSY ---- */

/* Sleeps while somebody opens or closes h. */
static void wait_not_busy(struct fh *h)
{
	u32 w = load_acquire(&h->word);

	while (w & FH_BUSY) {
		if (!(w & FH_WAITERS) &&
		    !__atomic_compare_exchange_n(&h->word, &w, w | FH_WAITERS, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		FH_COUNT(waits);
		host_futex_wait(&h->word, w | FH_WAITERS, KTIME_MAX);
		w = load_acquire(&h->word);
	}
}

/* CLOSED -> BUSY. False if it is open or busy. */
static bool claim_closed(struct fh *h)
{
	u32 w = load_relaxed(&h->word);

	while (!(w & (FH_OPEN | FH_BUSY)))
		if (__atomic_compare_exchange_n(&h->word, &w, w | FH_BUSY, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* BUSY -> whatever `set` says (FH_OPEN | FH_PIN, or 0 for CLOSED). */
static void end_busy(struct fh *h, u32 set)
{
	u32 w = load_relaxed(&h->word);

	while (!__atomic_compare_exchange_n(&h->word, &w, (w & FH_FOR_GOOD) | set, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if (w & FH_WAITERS)
		host_futex_wake(&h->word, INT32_MAX);
}

bool handle_claim_idle(struct fh *h)
{
	u32 w = load_relaxed(&h->word);

	for (;;) {
		if (!(w & FH_OPEN) || w & FH_FOR_GOOD || FH_PINS(w))
			return false;
		if (w & FH_USED) {
			if (__atomic_compare_exchange_n(&h->word, &w, w & ~FH_USED, true,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
				return false;
			continue;
		}
		if (__atomic_compare_exchange_n(&h->word, &w, FH_BUSY, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	}
}

/*
 * Closes what handle_claim_idle() claimed. Nobody holds a reference for us: fh_free() waits for the
 * end of BUSY, so h is not touched after it. False if it had to stay open, since the host would not
 * tell its identity: it is back on the ring, for another time.
 */
bool handle_close_busy(struct fh *h)
{
	if (!h->known) {
		if (handle_id(h->fd, &h->id)) {
			clock_add(h);
			end_busy(h, FH_OPEN);
			return false;
		}
		h->known = true;
	}
	close_raw(h, h->fd);
	h->fd = -1;
	FH_COUNT(reclaimed);
	end_busy(h, 0);
	return true;
}

/* ---- opening ---- */

static bool none_left(int err)
{
	return err == -EMFILE || err == -ENFILE;
}

/*
 * The host never waits for us when it opens a file. EAGAIN: somebody there has a lease on it, or a
 * delegation, which the host has told him to give back; where he doesn't it is taken from him after
 * a while (/proc/sys/fs/lease-break-time).
 */
#define LEASE_NS (50 * NSEC_PER_SEC)
#define LEASE_LOOK_NS (20 * NSEC_PER_MSEC)

/* Starts zeroed. */
struct patience {
	struct starving hunger;
	ktime_t lease_until;
};

static bool never(void *arg)
{
	return false;
}

static int wait_for_lease(struct patience *p)
{
	static struct wait_queue nobody = WAIT_QUEUE_INIT(nobody);
	ktime_t now = ktime_mono();
	struct wait_opts opts = {.state = KT_KILLABLE, .deadline = now + LEASE_LOOK_NS};

	if (!p->lease_until)
		p->lease_until = now + LEASE_NS;
	if (!this_cpu() || now >= p->lease_until)
		return -EAGAIN;
	return wait_event(&nobody, never, NULL, &opts) == -ETIMEDOUT ? 0 : -EINTR;
}

/*
 * After a failure to open: 0, try again; else what it failed with. May sleep the task: nothing may
 * be BUSY.
 */
static int be_patient(struct patience *p, int err)
{
	if (none_left(err))
		return clock_starve(&p->hunger);
	return err == -EAGAIN ? wait_for_lease(p) : err;
}

/*
 * One descriptor more. When the host has none left, idle handles give theirs up. -EMFILE, -ENFILE:
 * none has one to give.
 */
#define NEW_DESCRIPTOR(call)                                                                       \
	({                                                                                         \
		int nd_fd = clock_reserve();                                                       \
		if (!nd_fd) {                                                                      \
			do                                                                         \
				nd_fd = (call);                                                    \
			while (none_left(nd_fd) && clock_reclaim(16));                             \
			if (nd_fd < 0)                                                             \
				clock_unreserve();                                                 \
		}                                                                                  \
		nd_fd;                                                                             \
	})

static int open_raw(int dirfd, const char *name, int flags, u32 mode)
{
	return NEW_DESCRIPTOR(host_openat(dirfd, name, flags, mode));
}

static int check_id(int fd, const struct fh_id *want)
{
	struct fh_id id;
	int err = handle_id(fd, &id);

	return err ? err : fh_same_id(&id, want) ? 0 : -ESTALE;
}

/*
 * Opens a file by name, if it is still that one. Opening does something to a device, a fifo, a
 * leased file: so what is there by now is looked at first, by a descriptor that opens nothing.
 * Directories do no harm, nor do such descriptors themselves.
 */
static int open_same(int dirfd, const char *name, int flags, const struct fh_id *id)
{
	bool harmless = flags & (O_PATH | O_DIRECTORY);
	int fd = open_raw(dirfd, name, harmless ? flags : O_PATH, 0), again = -ESTALE, err;

	if (fd < 0)
		return fd;
	err = check_id(fd, id);
	if (!err && harmless)
		return fd;
	if (!err) {
		do
			again = host_reopen(fd, flags);
		while (none_left(again) && clock_reclaim(16));
		err = again < 0 ? again : 0;
	}
	if (err) {
		close_raw(NULL, fd);
		return err;
	}
	(void)!host_close(fd); /* the other one is counted in its place */
	return again;
}

/* Opens the claimed h below the pinned directory. The descriptor is h's on success. */
static int reopen_claimed(struct fh *h, int dirfd, const char *name)
{
	int fd = open_same(dirfd, name, h->flags, &h->id), err = fd < 0 ? fd : 0;

	/* Whatever is in its place now, it is not the file that was there. */
	if (err == -ENOENT || err == -ELOOP || err == -ENOTDIR || err == -ENXIO)
		err = -ESTALE;
	if (err)
		return err;
	if (h->was_open)
		FH_COUNT(reopened);
	h->was_open = true;
	h->fd = fd;
	h->dir_pos = 0;
	return 0;
}

void handle_unpin_and_put(struct fh *h)
{
	if (h) {
		put_fh(h);
		fh_put(h);
	}
}

/*
 * Opens s->x, or waits for who does it. *held: it, pinned by us with the reference of s, or NULL.
 */
static int open_step(struct fh_step *s, struct fh **held)
{
	int err = 0;

	*held = NULL;
	if (claim_closed(s->x)) {
		err = reopen_claimed(s->x, s->place->dir->fd, s->place->name);
		end_busy(s->x, err ? 0 : FH_OPEN | FH_USED | FH_PIN);
		if (!err) {
			clock_add(s->x);
			*held = s->x;
		}
	} else {
		wait_not_busy(s->x);
	}
	put_fh(s->place->dir);
	fh_place_put(s->place);
	if (err == -ESTALE && handle_moved_since(s->x, s->moves))
		err = 0; /* look for it there */
	if (!*held)
		fh_put(s->x);
	return err;
}

/*
 * The way to a handle: the handle itself, half of the way to it, half of the way to that ..., the
 * last of which is opened first.
 */
struct way {
	struct fh *goal[16]; /* enough for four million; each but the first +1 */
	int top, room;	     /* the last one; and how far that may go */
};

static void forget_halves(struct way *w)
{
	while (w->top)
		fh_put(w->goal[w->top--]);
}

/*
 * One step to the last goal. *held: an ancestor opened by us, pinned until the next one is; or
 * NULL.
 */
static int go_on(struct way *w, struct fh **held)
{
	struct fh *h = w->goal[w->top], *half = NULL;
	struct fh_step s = {0};
	int err;

	if (load_relaxed(&h->word) & FH_BUSY) {
		wait_not_busy(h);
		return 0;
	}
	err = handle_find_closed(h, &s, w->top < w->room ? &half : NULL);
	if (err)
		return err;
	if (half) {
		w->goal[++w->top] = half;
		return 0;
	}
	handle_unpin_and_put(*held);
	return open_step(&s, held);
}

/* Pins h, which was closed a moment ago. The descriptor or -errno. */
static int pin_slow(struct fh *h)
{
	struct way way = {.goal = {h}, .room = ARRAY_SIZE(way.goal) - 1};
	struct patience patience = {};
	struct fh *held = NULL;
	int err = 0;

	while (!err) {
		if (fh_try_pin(way.goal[way.top])) {
			if (!way.top)
				break;
			handle_unpin_and_put(held);
			held = way.goal[way.top--];
			continue;
		}
		err = go_on(&way, &held);
		if (err == -ESTALE && way.top) { /* it may not be on the way any more: without */
			forget_halves(&way);
			way.room = 0;
			err = 0;
		}
		if (err)
			err = be_patient(&patience, err);
	}
	clock_fed(&patience.hunger);
	forget_halves(&way);
	handle_unpin_and_put(held);
	if (err == -ESTALE)
		FH_COUNT(stale);
	return err ? err : h->fd;
}

int get_fh(struct fh *h)
{
	return likely(fh_try_pin(h)) ? h->fd : pin_slow(h);
}

void put_fh(struct fh *h)
{
	u32 w = __atomic_fetch_sub(&h->word, FH_PIN, __ATOMIC_SEQ_CST);

	ASSERT(FH_PINS(w));
	if (unlikely(load_relaxed(&fh_hungry)))
		clock_chance();
}

/* ---- making and ending handles ---- */

static struct fh *fh_new(int flags)
{
	struct fh *h = kzalloc(sizeof(*h));

	if (!h)
		return NULL;
	h->refs = 1;
	h->fd = -1;
	h->flags = flags & ~CREATION_FLAGS;
	CDS_INIT_LIST_HEAD(&h->clock);
	FH_COUNT(handles);
	return h;
}

static void fh_start(struct fh *h, int fd, u32 state)
{
	h->fd = fd;
	h->was_open = true;
	store_release(&h->word, FH_OPEN | FH_USED | state);
	if (!(state & FH_KEEP))
		clock_add(h);
}

struct fh *fh_open_root(const char *host_path)
{
	struct fh *h = fh_new(O_PATH | O_DIRECTORY);
	int fd;

	if (!h)
		return ERR_PTR(-ENOMEM);
	fd = clock_reserve();
	if (!fd) {
		fd = host_open_path(host_path, O_PATH | O_DIRECTORY);
		if (fd < 0)
			clock_unreserve();
	}
	if (fd < 0) {
		fh_put(h);
		return ERR_PTR(fd);
	}
	h->known = !handle_id(fd, &h->id); /* before anybody looks at what is in it */
	fh_start(h, fd, FH_KEEP);
	return h;
}

/* Waits for a descriptor, if all are in use. */
static int open_patiently(struct fh *dir, const char *name, int flags, u32 mode)
{
	struct patience patience = {};
	int fd, dirfd = get_fh(dir);

	if (dirfd < 0)
		return dirfd;
	do {
		fd = open_raw(dirfd, name, flags, mode);
		if (fd >= 0)
			break;
		fd = be_patient(&patience, fd);
	} while (!fd);
	clock_fed(&patience.hunger);
	put_fh(dir);
	return fd;
}

struct fh *fh_open_at(struct fh *dir, const char *name, int flags, u32 mode)
{
	bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
	struct fh_place *p = fh_place_new(dir, name);
	struct fh *h;
	int fd;

	if (IS_ERR(p))
		return ERR_PTR(PTR_ERR(p));
	h = fh_new(nameless ? flags & ~O_TMPFILE : flags);
	fd = h ? open_patiently(dir, name, flags, mode) : -ENOMEM;
	if (fd < 0 || nameless)
		fh_place_put(p);
	else
		h->place = p;
	if (fd < 0) {
		fh_put(h);
		return ERR_PTR(fd);
	}
	handle_learn(h, dir);
	fh_start(h, fd, nameless ? FH_KEEP : 0);
	return h;
}

struct fh *fh_known(struct fh_place *p, int flags, const struct fh_id *id)
{
	struct fh *h = fh_new(flags);

	if (h) {
		h->place = fh_place_get(p);
		h->id = *id;
		h->known = true;
		handle_learn(h, p->dir);
	}
	return h;
}

struct fh *fh_open_again(struct fh *other, int flags)
{
	struct patience patience = {};
	struct fh *h = fh_new(flags);
	int fd, from;

	if (!h)
		return ERR_PTR(-ENOMEM);
	from = get_fh(other);
	fd = from;
	while (from >= 0) {
		fd = NEW_DESCRIPTOR(host_reopen(from, flags));
		if (fd >= 0)
			break;
		fd = be_patient(&patience, fd);
		if (fd)
			break;
	}
	clock_fed(&patience.hunger);
	if (from >= 0)
		put_fh(other);
	if (fd < 0) {
		fh_put(h);
		return ERR_PTR(fd);
	}
	fh_start(h, fd, FH_KEEP);
	return h;
}

struct fh *fh_memfd(const char *name)
{
	struct starving hunger = {0};
	struct fh *h = fh_new(O_RDWR);
	int fd;

	if (!h)
		return ERR_PTR(-ENOMEM);
	do {
		fd = NEW_DESCRIPTOR(host_memfd(name));
		if (!none_left(fd))
			break;
		fd = clock_starve(&hunger);
	} while (!fd);
	clock_fed(&hunger);
	if (fd < 0) {
		fh_put(h);
		return ERR_PTR(fd);
	}
	h->memory = true;
	h->no_nowait = true; /* memory never waits, and the host refuses the question */
	fh_start(h, fd, FH_KEEP);
	return h;
}

struct fh *fh_get(struct fh *h)
{
	__atomic_add_fetch(&h->refs, 1, __ATOMIC_RELAXED);
	return h;
}

bool fh_shared(const struct fh *h)
{
	return load_relaxed(&h->refs) > 1;
}

/* Ends h itself; what it referred to (or NULL) is the caller's to put. */
static struct fh *fh_free(struct fh *h)
{
	struct fh_place *p = h->place;
	u32 w;

	while (!clock_forget(h))
		wait_not_busy(h);
	w = load_acquire(&h->word);
	ASSERT(!FH_PINS(w));
	if (w & FH_OPEN)
		close_raw(NULL, h->fd);
	kfree(h);
	FH_UNCOUNT(handles);
	return handle_place_drop(p);
}

/* A loop, because a chain of directories may end here. */
void fh_put(struct fh *h)
{
	while (h && !__atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL))
		h = fh_free(h);
}

/* ---- what can't be reopened ---- */

static void keep(struct fh *h, u32 why)
{
	__atomic_or_fetch(&h->word, why, __ATOMIC_RELAXED);
	clock_remove(h);
}

static void no_longer_keep(struct fh *h, u32 why)
{
	if (__atomic_and_fetch(&h->word, ~why, __ATOMIC_RELAXED) & FH_FOR_GOOD)
		return;
	clock_add(h);
}

void fh_keep(struct fh *h)
{
	ASSERT(FH_PINS(load_relaxed(&h->word)));
	keep(h, FH_KEEP);
}

bool fh_kept(const struct fh *h)
{
	return load_relaxed(&h->word) & FH_FOR_GOOD;
}

int fh_unlinked(struct fh *h)
{
	/*
	 * A closed one gets its descriptor back as long as the name is there: call this before
	 * unlinking.
	 */
	int fd = get_fh(h);

	if (fd < 0)
		return fd;
	fh_keep(h);
	put_fh(h);
	return 0;
}

void fh_named(struct fh *h)
{
	/* A closed one was reclaimable all the time. */
	if (!(load_relaxed(&h->word) & FH_KEEP) || !fh_try_pin(h))
		return;
	no_longer_keep(h, FH_KEEP);
	put_fh(h);
}

void fh_check_reopen(struct fh *h)
{
	struct fh_place *p = handle_place(h);
	struct fh_id id;
	int fd;

	ASSERT(FH_PINS(load_relaxed(&h->word)));
	if (!p)
		return;
	fd = get_fh(p->dir);
	if (fd >= 0) {
		int err = handle_id(h->fd, &id);

		fd = err ? err : open_same(fd, p->name, h->flags, &id);
		put_fh(p->dir);
	}
	if (fd >= 0) {
		close_raw(NULL, fd);
		no_longer_keep(h, FH_DENIED);
	} else if (fd != -ENOENT && fd != -ESTALE) {
		keep(h, FH_DENIED); /* or there is no descriptor to find out */
	}
	fh_place_put(p);
}

int fh_lock(struct fh *h, bool exclusive)
{
	int fd = get_fh(h), err;

	if (fd < 0)
		return fd;
	err = host_flock(fd, exclusive);
	if (!err)
		keep(h, FH_KEEP);
	put_fh(h);
	return err;
}

int fh_init(void)
{
	clock_init();
	return 0;
}
