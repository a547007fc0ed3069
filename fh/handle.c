/*
 * The life of a host file handle.
 *
 *	        open                      clock hand: unpinned, not used lately
 *	(new) ---------> OPEN ----------------------------------> BUSY, close ---> CLOSED
 *	                  ^  |  get_fh(): pins + 1, lock-free                        |
 *	                  |  v                                                       | get_fh()
 *	                 OPEN, pinned  <-------------- same file? -- BUSY, open <----+
 *	                                                    no: -ESTALE
 *
 * One atomic word holds the state and the number of pins. While it says OPEN, pinning is one compare-and-exchange, and closing is
 * one too (OPEN and no pins -> BUSY): so a descriptor that somebody uses is never closed, and there is no moment between the check
 * and the use. Only the one who made the word BUSY touches fd; others sleep on the word. BUSY never spans a sleep of a
 * task, only one host call or two, so sleeping on it in the host stalls a CPU no longer than a spinlock would.
 *
 * Reopening goes by (directory handle, name), with O_NOFOLLOW and without the flags that create or truncate, and checks device, inode
 * and birth time. The identity is taken when a handle is first closed, unless its opener knew it. The directory is a handle too and may itself be
 * closed: then the nearest open ancestor is pinned and the path is reopened downwards, step by step, without recursion.
 *
 * A file that lost its name (fh_unlinked) or never had one (memfd, O_TMPFILE) is FH_KEEP and keeps its descriptor.
 *
 * Locks: place_lock protects every handle's (dir, name); clock_lock (clock.c) the list of reclaimable handles. Neither
 * is held over a host call, nor with the other.
 */
#include "fh/handle.h"

#include "alloc.h"
#include "fs.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/hostfile.h"

#include <string.h>

#define CREATION_FLAGS (O_CREAT | O_EXCL | O_TRUNC)

static struct spinlock place_lock = SPINLOCK_INIT("fh places", RANK_FH);
struct fh_counters fh_count;

struct fh_id fh_id_of(const struct kstat *st)
{
	struct fh_id id = {.dev = st->dev, .ino = st->ino};

	if (st->has_btime)
		id.btime_ns = (u64)st->btime.tv_sec * NSEC_PER_SEC + st->btime.tv_nsec;
	return id;
}

static bool same_file(const struct fh_id *a, const struct fh_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->btime_ns == b->btime_ns;
}

static int fd_id(int fd, struct fh_id *id)
{
	struct kstat st;
	int err = host_fstat(fd, &st);

	if (!err)
		*id = fh_id_of(&st);
	return err;
}

static void close_raw(int fd)
{
	host_close(fd);
	clock_unreserve();
}

/* ---- BUSY ---- */

/* Sleeps while somebody opens or closes h. */
static void wait_not_busy(struct fh *h)
{
	u32 w = __atomic_load_n(&h->word, __ATOMIC_ACQUIRE);

	while (w & FH_BUSY) {
		if (!(w & FH_WAITERS) &&
		    !__atomic_compare_exchange_n(&h->word, &w, w | FH_WAITERS, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		FH_COUNT(waits);
		host_futex_wait(&h->word, w | FH_WAITERS, KTIME_MAX);
		w = __atomic_load_n(&h->word, __ATOMIC_ACQUIRE);
	}
}

/* CLOSED -> BUSY. False if it is open or busy. */
static bool claim_closed(struct fh *h)
{
	u32 w = __atomic_load_n(&h->word, __ATOMIC_RELAXED);

	while (!(w & (FH_OPEN | FH_BUSY)))
		if (__atomic_compare_exchange_n(&h->word, &w, w | FH_BUSY, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* BUSY -> whatever `set` says (FH_OPEN | FH_PIN, or 0 for CLOSED). */
static void end_busy(struct fh *h, u32 set)
{
	u32 w = __atomic_load_n(&h->word, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(&h->word, &w, (w & FH_KEEP) | set, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if (w & FH_WAITERS)
		host_futex_wake(&h->word, INT32_MAX);
}

bool handle_claim_idle(struct fh *h)
{
	u32 w = __atomic_load_n(&h->word, __ATOMIC_RELAXED);

	for (;;) {
		if (!(w & FH_OPEN) || w & FH_KEEP || FH_PINS(w))
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
 * Closes what handle_claim_idle() claimed. Nobody holds a reference for us: fh_free() waits for the end of BUSY, so h is not touched
 * after it. False if it had to stay open, since the host would not tell its identity.
 */
bool handle_close_busy(struct fh *h)
{
	if (!h->known) {
		if (fd_id(h->fd, &h->id)) {
			end_busy(h, FH_OPEN);
			return false;
		}
		h->known = true;
	}
	close_raw(h->fd);
	h->fd = -1;
	FH_COUNT(reclaimed);
	end_busy(h, 0);
	return true;
}

/* ---- opening ---- */

/* One descriptor more. When the host has none left, idle handles give theirs up. */
static int open_raw(int dirfd, const char *name, int flags, u32 mode)
{
	int fd;

	clock_reserve();
	do
		fd = host_openat(dirfd, name, flags, mode);
	while ((fd == -EMFILE || fd == -ENFILE) && clock_reclaim(16));
	if (fd == -EMFILE)
		fd = -ENFILE; /* the limit is ours, not the guest process's */
	if (fd < 0)
		clock_unreserve();
	return fd;
}

/* Opens the claimed h below the pinned directory. The descriptor is h's on success. */
static int reopen_claimed(struct fh *h, int dirfd, const char *name)
{
	struct fh_id id;
	int fd = open_raw(dirfd, name, h->flags, 0);
	int err = fd < 0 ? fd : 0;

	if (fd >= 0)
		err = fd_id(fd, &id);
	if (!err && !same_file(&id, &h->id))
		err = -ESTALE;
	if (err && fd >= 0)
		close_raw(fd);
	/* Whatever is in its place now, it is not the file that was there. */
	if (err == -ENOENT || err == -ELOOP || err == -ENOTDIR || err == -ENXIO)
		err = -ESTALE;
	if (err == -ESTALE)
		FH_COUNT(stale);
	if (err)
		return err;
	FH_COUNT(reopened);
	h->fd = fd;
	h->dir_pos = 0;
	return 0;
}

/*
 * Finds the highest closed handle on the way from h to the root: *x (+1), its directory *dir (+1, pinned), and its name there.
 * -ESTALE if a closed handle has no place.
 */
static int find_closed(struct fh *h, struct fh **x, struct fh **dir, char name[NAME_MAX + 1])
{
	int err = 0;

	spin_lock(&place_lock);
	while (h->dir && !fh_try_pin(h->dir))
		h = h->dir;
	if (h->dir) {
		*x = fh_get(h);
		*dir = fh_get(h->dir);
		strcpy(name, h->name); /* component_ok() saw to its length */
	} else {
		err = -ESTALE;
	}
	spin_unlock(&place_lock);
	return err;
}

/* Pins h, which was closed a moment ago. The descriptor or -errno. */
static int pin_slow(struct fh *h)
{
	struct fh *held = NULL, *x,
		  *dir; /* held: an ancestor opened by us, kept pinned until the next is */
	char name[NAME_MAX + 1];
	int ret;

	for (;;) {
		if (fh_try_pin(h)) {
			ret = h->fd;
			break;
		}
		if (__atomic_load_n(&h->word, __ATOMIC_RELAXED) & FH_BUSY) {
			wait_not_busy(h);
			continue;
		}
		ret = find_closed(h, &x, &dir, name);
		if (ret)
			break;
		if (held) {
			put_fh(held);
			fh_put(held);
			held = NULL;
		}
		if (claim_closed(x)) {
			ret = reopen_claimed(x, dir->fd, name);
			end_busy(x, ret ? 0 : FH_OPEN | FH_USED | FH_PIN);
			if (!ret) {
				clock_add(x);
				held = x; /* with its reference and pin */
			}
		} else {
			wait_not_busy(x);
		}
		put_fh(dir);
		fh_put(dir);
		if (held != x)
			fh_put(x);
		if (ret)
			break;
	}
	if (held) {
		put_fh(held);
		fh_put(held);
	}
	return ret;
}

int get_fh(struct fh *h)
{
	return likely(fh_try_pin(h)) ? h->fd : pin_slow(h);
}

void put_fh(struct fh *h)
{
	u32 w = __atomic_fetch_sub(&h->word, FH_PIN, __ATOMIC_RELEASE);

	ASSERT(FH_PINS(w));
}

/* ---- making and ending handles ---- */

static bool component_ok(const char *name)
{
	size_t len = strlen(name);

	return len && len <= NAME_MAX && !strchr(name, '/') && strcmp(name, "..");
}

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
	__atomic_store_n(&h->word, FH_OPEN | FH_USED | state, __ATOMIC_RELEASE);
	if (!(state & FH_KEEP))
		clock_add(h);
}

struct fh *fh_open_root(const char *host_path)
{
	struct fh *h = fh_new(O_PATH | O_DIRECTORY);
	int fd;

	if (!h)
		return ERR_PTR(-ENOMEM);
	clock_reserve();
	fd = host_open_path(host_path, O_PATH | O_DIRECTORY);
	if (fd < 0) {
		clock_unreserve();
		fh_put(h);
		return ERR_PTR(fd);
	}
	fh_start(h, fd, FH_KEEP);
	return h;
}

static struct fh *open_named(struct fh *dir, const char *name, int flags, u32 mode,
			     const struct fh_id *id)
{
	struct fh *h;
	int fd, dirfd;
	bool nameless = (flags & O_TMPFILE) == O_TMPFILE;

	if (!component_ok(name))
		return ERR_PTR(strlen(name) > NAME_MAX ? -ENAMETOOLONG : -EINVAL);
	h = fh_new(nameless ? flags & ~O_TMPFILE : flags);
	if (!h)
		return ERR_PTR(-ENOMEM);
	if (!nameless) {
		h->name = kstrdup(name);
		if (!h->name) {
			fh_put(h);
			return ERR_PTR(-ENOMEM);
		}
		h->dir = fh_get(dir);
	}
	dirfd = get_fh(dir);
	fd = dirfd;
	if (dirfd >= 0) {
		fd = open_raw(dirfd, name, flags, mode);
		put_fh(dir);
	}
	if (fd >= 0 && id) {
		int err = fd_id(fd, &h->id);

		if (!err && !same_file(&h->id, id))
			err = -ESTALE;
		if (err) {
			close_raw(fd);
			fd = err;
		}
		h->known = true;
	}
	if (fd < 0) {
		fh_put(h);
		return ERR_PTR(fd);
	}
	fh_start(h, fd, nameless ? FH_KEEP : 0);
	return h;
}

struct fh *fh_open_at(struct fh *dir, const char *name, int flags, u32 mode)
{
	return open_named(dir, name, flags, mode, NULL);
}

struct fh *fh_open_known(struct fh *dir, const char *name, int flags, const struct fh_id *id)
{
	return open_named(dir, name, flags & ~CREATION_FLAGS, 0, id);
}

struct fh *fh_memfd(const char *name)
{
	struct fh *h = fh_new(O_RDWR);
	int fd;

	if (!h)
		return ERR_PTR(-ENOMEM);
	clock_reserve();
	do
		fd = host_memfd(name);
	while ((fd == -EMFILE || fd == -ENFILE) && clock_reclaim(16));
	if (fd < 0) {
		clock_unreserve();
		fh_put(h);
		return ERR_PTR(fd == -EMFILE ? -ENFILE : fd);
	}
	h->no_nowait = true; /* memory never waits, and the host refuses the question */
	fh_start(h, fd, FH_KEEP);
	return h;
}

struct fh *fh_get(struct fh *h)
{
	__atomic_add_fetch(&h->refs, 1, __ATOMIC_RELAXED);
	return h;
}

/* Ends h itself; what it referred to (or NULL) is the caller's to put. */
static struct fh *fh_free(struct fh *h)
{
	struct fh *dir = h->dir;
	u32 w;

	clock_remove(h); /* from here on nobody else finds it; somebody may still be closing it */
	wait_not_busy(h);
	w = __atomic_load_n(&h->word, __ATOMIC_ACQUIRE);
	ASSERT(!FH_PINS(w));
	if (w & FH_OPEN)
		close_raw(h->fd);
	kfree(h->name);
	kfree(h);
	FH_UNCOUNT(handles);
	return dir;
}

/* A loop, because a chain of directories may end here. */
void fh_put(struct fh *h)
{
	while (h && !__atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL))
		h = fh_free(h);
}

int fh_moved(struct fh *h, struct fh *dir, const char *name)
{
	struct fh *old_dir;
	char *new_name, *old_name;

	if (!component_ok(name))
		return -EINVAL;
	new_name = kstrdup(name);
	if (!new_name)
		return -ENOMEM;
	fh_get(dir);
	spin_lock(&place_lock);
	old_dir = h->dir;
	old_name = h->name;
	h->dir = dir;
	h->name = new_name;
	spin_unlock(&place_lock);
	kfree(old_name);
	fh_put(old_dir);
	return 0;
}

void fh_unlinked(struct fh *h)
{
	/* A closed one gets its descriptor back as long as the name is there: call this before unlinking. */
	int fd = get_fh(h);

	__atomic_or_fetch(&h->word, FH_KEEP, __ATOMIC_RELAXED);
	if (fd >= 0) {
		clock_remove(h);
		put_fh(h);
	}
}

char *fh_path(struct fh *h, struct fh *top, char *buf, size_t size)
{
	char *p = buf + size - 1;
	size_t n;

	*p = '\0';
	spin_lock(&place_lock);
	for (; h != top; h = h->dir) {
		n = h->dir ? strlen(h->name) : 0;
		if (!h->dir || n + 1 > (size_t)(p - buf)) {
			p = ERR_PTR(h->dir ? -ENAMETOOLONG : -ESTALE);
			break;
		}
		if (*p)
			*--p = '/';
		p -= n;
		memcpy(p, h->name, n);
	}
	spin_unlock(&place_lock);
	return p;
}

int fh_lock(struct fh *h, bool exclusive)
{
	int fd = get_fh(h), err;

	if (fd < 0)
		return fd;
	err = host_flock(fd, exclusive);
	if (!err) {
		__atomic_or_fetch(&h->word, FH_KEEP, __ATOMIC_RELAXED);
		clock_remove(h);
	}
	put_fh(h);
	return err;
}

int fh_link_into(struct fh *h, struct fh *dir, const char *name)
{
	int err, dirfd, fd = get_fh(h);

	if (fd < 0)
		return fd;
	dirfd = get_fh(dir);
	err = dirfd;
	if (dirfd >= 0) {
		err = host_link_fd(fd, dirfd, name);
		put_fh(dir);
	}
	if (!err)
		err = fh_moved(h, dir, name);
	if (!err) {
		__atomic_and_fetch(&h->word, ~FH_KEEP, __ATOMIC_RELAXED);
		clock_add(h);
	}
	put_fh(h);
	return err;
}

int fh_init(void)
{
	clock_init();
	return 0;
}
