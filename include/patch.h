/*
 * Call-site patching (kernel/patch/): a system-call instruction that is used often becomes a jump
 * to a trampoline near it (os/tramp.c), which leads to the stub (stub/tramp.S): that answers some
 * calls by itself and hands others over without the host. Never needed: what can't be patched
 * safely goes on to trap.
 */
#ifndef HEDDLE_PATCH_H
#define HEDDLE_PATCH_H

#include "types.h"

struct mm;
struct task;
struct patches;

extern bool patch_enabled; /* constant after boot: --patch, and an engine that can */
extern bool patch_ids;	   /* the same, and calls that tasks answer themselves needn't be seen: no
			      --strace */

/*
 * The current task made a call from there: counts, and patches the site when it has become worth
 * it. May sleep.
 */
void patch_count(uaddr_t ip, u64 nr);
/*
 * [start, end) of mm is about to change: what is patched there, or depends on it, is as it was
 * before. -ENOMEM: not all of it, so that may not change. mm->lock is held for writing, or mm is
 * not in use.
 */
must_check int patch_restore(struct mm *mm, uaddr_t start, uaddr_t end);
/* The n bytes at addr were read into buf: what was patched there is as it was. mm->lock is held. */
void patch_conceal(const struct mm *mm, void *buf, uaddr_t addr, size_t n);
/* Would that do anything? The areas of trampolines don't count. mm->lock is held. */
must_check bool patch_touches(const struct mm *mm, uaddr_t start, uaddr_t end);
/*
 * The current task single-steps over the jump at `site`: from now on over the call that was there.
 */
void patch_step(uaddr_t site);
/* For fork: `to` is a copy of from's memory, host side included. -ENOMEM. Both locks held. */
must_check int patch_fork(struct mm *to, const struct mm *from);
void patch_free(struct mm *mm);
/*
 * Tells the task, which doesn't run or is the caller's own, what it may know of itself without
 * asking.
 */
void patch_publish_ids(struct task *t);

/* Why a site stays as it is. */
enum patch_refusal {
	PATCH_CALL = 1, /* the call needs all registers */
	PATCH_MEMORY,	/* shared, writable, or not a file's */
	PATCH_FUNCTION, /* no function is known that contains it */
	PATCH_CODE,	/* its surroundings fit no form */
	PATCH_REACH,	/* no room for trampolines near enough */
	PATCH_STRADDLE, /* other threads could see half of it */
	PATCH_HOST,	/* the host refused */
	PATCH_REFUSALS
};
struct patch_stats {
	u64 seen, form_a, form_b, restored; /* sites */
	u64 refused[PATCH_REFUSALS];
};
void patch_get_stats(struct patch_stats *s);
extern const char *const patch_refusal_names[PATCH_REFUSALS];

#endif
