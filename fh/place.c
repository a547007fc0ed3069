/*
 * Where handles are found: (directory handle, name), and how that changes.
 *
 * The guest renames files while their handles are closed. What was not found under its old name may
 * be under way to a new one: so renames are announced (fh_move), and before a handle is called
 * stale the moves that had begun by then have to be over, and its place has to be what it was.
 */
#include "fh/handle.h"

#include "alloc.h"
#include "host.h"
#include "os/hostfile.h"

#include <string.h>

static struct spinlock place_lock = SPINLOCK_INIT("fh places", RANK_FH);

static bool component_ok(const char *name)
{
	size_t len = strlen(name);

	return len && len <= NAME_MAX && !strchr(name, '/') && strcmp(name, "..");
}

struct fh_place *fh_place_new(struct fh *dir, const char *name)
{
	size_t size = strlen(name) + 1;
	struct fh_place *p;

	if (!component_ok(name))
		return ERR_PTR(size > NAME_MAX + 1 ? -ENAMETOOLONG : -EINVAL);
	p = kmalloc(sizeof(*p) + size);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->refs = 1;
	p->dir = fh_get(dir);
	memcpy(p->name, name, size);
	return p;
}

struct fh_place *fh_place_get(struct fh_place *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

struct fh *handle_place_drop(struct fh_place *p)
{
	struct fh *dir = NULL;

	if (p && !__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL)) {
		dir = p->dir;
		kfree(p);
	}
	return dir;
}

void fh_place_put(struct fh_place *p)
{
	fh_put(handle_place_drop(p));
}

bool fh_is_place(const struct fh_place *p, const struct fh *dir, const char *name)
{
	return p && p->dir == dir && !strcmp(p->name, name);
}

struct fh_place *handle_place(struct fh *h)
{
	struct fh_place *p;

	spin_lock(&place_lock);
	p = h->place ? fh_place_get(h->place) : NULL;
	spin_unlock(&place_lock);
	return p;
}

struct fh_place *fh_set_place(struct fh *h, struct fh_place *p)
{
	struct fh_place *old = NULL;

	spin_lock(&place_lock);
	if (h->place != p) {
		old = h->place;
		h->place = fh_place_get(p);
		h->moves++;
	}
	spin_unlock(&place_lock);
	return old;
}

void fh_moved(struct fh *h, struct fh_place *p)
{
	fh_place_put(fh_set_place(h, p));
}

char *fh_path(struct fh *h, struct fh *top, char *buf, size_t size)
{
	char *p = buf + size - 1;
	size_t n;

	*p = '\0';
	spin_lock(&place_lock);
	for (; h != top; h = h->place->dir) {
		n = h->place ? strlen(h->place->name) : 0;
		if (!h->place || n + 1 > (size_t)(p - buf)) {
			p = ERR_PTR(h->place ? -ENAMETOOLONG : -ESTALE);
			break;
		}
		if (*p)
			*--p = '/';
		p -= n;
		memcpy(p, h->place->name, n);
	}
	spin_unlock(&place_lock);
	return p;
}

/* ---- moves ---- */

static CDS_LIST_HEAD(moves); /* place_lock; oldest first */
static u64 next_move;	     /* place_lock */
static u32 moves_over;	     /* atomic, and a host futex */
static u32 move_waiters;     /* atomic */

static void move_begin(struct fh_move *m)
{
	spin_lock(&place_lock);
	m->nr = next_move++;
	cds_list_add_tail(&m->link, &moves);
	spin_unlock(&place_lock);
}

void fh_move_end(struct fh_move *m)
{
	spin_lock(&place_lock);
	cds_list_del(&m->link);
	spin_unlock(&place_lock);
	__atomic_add_fetch(&moves_over, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&move_waiters, __ATOMIC_SEQ_CST))
		host_futex_wake(&moves_over, INT32_MAX);
}

static bool older_move(u64 limit)
{
	bool any;

	spin_lock(&place_lock);
	any = !cds_list_empty(&moves) &&
	      cds_list_first_entry(&moves, struct fh_move, link)->nr < limit;
	spin_unlock(&place_lock);
	return any;
}

/* Waits for the moves that have begun. Like BUSY, a move never spans a sleep of its task. */
static void wait_for_moves(void)
{
	u64 limit;

	spin_lock(&place_lock);
	limit = next_move;
	spin_unlock(&place_lock);
	for (;;) {
		u32 over = __atomic_load_n(&moves_over, __ATOMIC_SEQ_CST);

		if (!older_move(limit))
			return;
		__atomic_add_fetch(&move_waiters, 1, __ATOMIC_SEQ_CST);
		host_futex_wait(&moves_over, over, KTIME_MAX);
		__atomic_sub_fetch(&move_waiters, 1, __ATOMIC_SEQ_CST);
	}
}

bool handle_moved_since(struct fh *h, u32 nr)
{
	bool moved;

	wait_for_moves();
	spin_lock(&place_lock);
	moved = h->moves != nr;
	spin_unlock(&place_lock);
	return moved;
}

int fh_rename_at(struct fh *od, const char *on, struct fh *nd, const char *nn, unsigned flags,
		 struct fh_move *m)
{
	struct fh_move alone;
	int oldfd, newfd, err;

	/* Both first: while a move is announced nothing may have to be opened. */
	oldfd = get_fh(od);
	if (oldfd < 0)
		return oldfd;
	newfd = get_fh(nd);
	if (newfd < 0) {
		put_fh(od);
		return newfd;
	}
	move_begin(m ? m : &alone);
	err = host_renameat(oldfd, on, newfd, nn, flags);
	if (err || !m)
		fh_move_end(m ? m : &alone);
	put_fh(nd);
	put_fh(od);
	return err;
}

/* ---- the way to a handle ---- */

#define NEAR 64 /* handles */

#define STEPS 256 /* at a time */

/*
 * Others want the lock, too. h and middle stay what they are, wherever they are to be found
 * afterwards; +1 each in held.
 */
static void step_aside(struct fh *held[2], struct fh *h, struct fh *middle)
{
	struct fh *old[2] = {held[0], held[1]};

	held[0] = fh_get(h);
	held[1] = fh_get(middle);
	spin_unlock(&place_lock);
	fh_put(old[0]);
	fh_put(old[1]);
	spin_lock(&place_lock);
}

int handle_find_closed(struct fh *h, struct fh_step *s, struct fh **half)
{
	struct fh *middle = h, *open = NULL, *held[2] = {NULL, NULL};
	int err = 0;
	u64 n = 0;

	spin_lock(&place_lock);
	for (; h->place && !fh_try_pin(h->place->dir); n++) {
		h = h->place->dir;
		if (n % 2 && middle->place) /* somebody may have moved it */
			middle = middle->place->dir;
		if (n % STEPS == STEPS - 1)
			step_aside(held, h, middle);
	}
	if (!h->place) {
		err = -ESTALE;
	} else if (half && n > NEAR) {
		*half = fh_get(middle);
		open = h->place->dir;
		fh_get(open);
	} else {
		s->x = fh_get(h);
		s->place = fh_place_get(h->place);
		s->moves = h->moves;
	}
	spin_unlock(&place_lock);
	__atomic_add_fetch(&fh_count.passed, n, __ATOMIC_RELAXED);
	handle_unpin_and_put(open);
	fh_put(held[0]);
	fh_put(held[1]);
	return err;
}
