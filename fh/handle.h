/* What the files of fh/ share: the handle itself. Its life is told in handle.c. */
#ifndef HEDDLE_FH_HANDLE_H
#define HEDDLE_FH_HANDLE_H

#include "fh.h"
#include "ktime.h"
#include "lock.h"
#include <urcu/list.h>

/* Bits of fh->word; the rest counts pins. */
#define FH_OPEN 1u    /* fd is a descriptor of the file */
#define FH_BUSY 2u    /* somebody opens or closes it just now; never with FH_OPEN */
#define FH_WAITERS 4u /* with FH_BUSY: somebody sleeps on the word until it is over */
#define FH_USED 8u    /* pinned since the clock hand came by: gets a second chance */
#define FH_KEEP 16u   /* could not be opened again (no name): never reclaimed */
#define FH_DENIED 32u /* nor can this (its permissions): never reclaimed */
#define FH_FOR_GOOD (FH_KEEP | FH_DENIED)
#define FH_STATE_BITS 8
#define FH_PIN (1u << FH_STATE_BITS)
#define FH_PINS(word) ((word) >> FH_STATE_BITS)

/*
 * a atomic   c constant   b written by the one that set FH_BUSY, read while pinned   p place_lock
 * k clock_lock s serialised by the caller
 */
struct fh {
	u32 word;	/* a, and a host futex for FH_BUSY */
	u32 refs;	/* a */
	int fd;		/* b */
	int flags;	/* c: open flags without those that create or truncate */
	bool no_nowait; /* a: the host can't tell whether a read would wait; of a directory: of what
			   is in it */
	bool memory;	/* c: a memfd, which never waits for a disk */
	bool no_nowait_write; /* a: nor whether a write would */
	bool slow;	      /* a: the last change took long; it goes to a worker */
	bool slow_read;	 /* a: so did the last read, where the host can't tell; of a directory: of
			    something in it */
	bool known;	 /* b: id is valid */
	bool was_open;	 /* b: opening it is reopening */
	bool on_clock;	 /* k */
	int lost;	 /* a: the error that the host gave for closing it, 0: none */
	u32 moves;	 /* p: how often it was moved */
	struct fh_id id; /* b: as it was opened first */
	struct fh_place *place;	    /* p: +1; NULL: the root, or no name */
	struct cds_list_head clock; /* k */
	u64 dir_pos;		    /* s: where the descriptor's directory position stands */
};

/* The pin fast path, inline in the operations. */
static inline bool fh_try_pin(struct fh *h)
{
	u32 w = load_relaxed(&h->word);

	while (w & FH_OPEN)
		if (__atomic_compare_exchange_n(&h->word, &w, (w + FH_PIN) | FH_USED, true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* clock.c: the budget. */
void clock_init(void);
/*
 * A descriptor is about to be opened: makes room within the budget where that can be. -EMFILE:
 * there is none but what the kernel itself needs.
 */
must_check int clock_reserve(void);
void clock_unreserve(void); /* it was not opened, or is closed */
void clock_add(struct fh *h);
void clock_remove(struct fh *h);
/*
 * h has no user any more: off the ring, where nobody finds it. False: somebody is closing it, and
 * may put it back there, until it isn't BUSY.
 */
must_check bool clock_forget(struct fh *h);
/* Closes up to n idle handles, whatever the budget; how many. */
unsigned clock_reclaim(unsigned n);

/*
 * Somebody who can't have a descriptor because all are in use, and waits for a second at most.
 * Starts zeroed.
 */
struct starving {
	bool begun;
	u32 seen; /* of fh_chances */
	ktime_t until;
};
/*
 * After -EMFILE or -ENFILE: 0, try again; -ENFILE, enough. May sleep the task: nothing may be BUSY.
 */
must_check int clock_starve(struct starving *s);
void clock_fed(struct starving *s); /* at the end of it, whatever came of it */
extern u32 fh_hungry;		    /* atomic: how many starve */
void clock_chance(void);	    /* a handle is idle now, or closed, and somebody starves */
/* id.c: which file it is. -errno */
must_check int handle_id(int fd, struct fh_id *id);
/*
 * nowait.c: the host can't tell whether a read (write: a write) of h, which is pinned, would wait.
 */
void handle_cant_tell(struct fh *h, bool write);
/* Where it can't, the last read of h, which is pinned, was slow, or quick. */
void handle_read_was(struct fh *h, bool slow);
/* A new handle in dir: what is known of others there. */
void handle_learn(struct fh *h, const struct fh *dir);
/* place.c: where it is now, +1; NULL: the root, or no name */
struct fh_place *handle_place(struct fh *h);
/* Drops a reference. The directory whose reference is the caller's to put, or NULL. */
struct fh *handle_place_drop(struct fh_place *p);
/* Has h, which was not found, another place by now than when `moves` was nr? */
bool handle_moved_since(struct fh *h, u32 nr);
/* What is to be opened next on the way to a handle. */
struct fh_step {
	struct fh *x;		/* +1: closed a moment ago */
	struct fh_place *place; /* +1: of x; its dir is pinned */
	u32 moves;		/* of x */
};
/*
 * Finds the highest closed handle on the way from h to the root. Is it not near, and half not NULL:
 * *half, +1, is one in the middle of the way, and s unset. -ESTALE if a closed handle has no place.
 */
must_check int handle_find_closed(struct fh *h, struct fh_step *s, struct fh **half);
/* handle.c: put_fh() and fh_put(), if there is one */
void handle_unpin_and_put(struct fh *h);
/* OPEN -> BUSY if it is idle and had its second chance; then closes it. */
bool handle_claim_idle(struct fh *h);
bool handle_close_busy(struct fh *h);

struct fh_counters {
	u64 handles, reclaimed, reopened, stale, waits, passed; /* atomic */
};
extern struct fh_counters fh_count;
#define FH_COUNT(field) __atomic_add_fetch(&fh_count.field, 1, __ATOMIC_RELAXED)
#define FH_UNCOUNT(field) __atomic_sub_fetch(&fh_count.field, 1, __ATOMIC_RELAXED)

#endif
