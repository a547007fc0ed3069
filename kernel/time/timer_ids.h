/*
 * The ids of a group's POSIX timers: from 0 up to INT32_MAX, then again from 0. A new timer's is
 * the first free one above that of the timer created last, as on Linux. All under the group's
 * siglock; any call takes the same time, however many there are.
 */
#ifndef HEDDLE_KERNEL_TIMER_IDS_H
#define HEDDLE_KERNEL_TIMER_IDS_H

#include "types.h"

#define TIMER_IDS_BITS 3 /* of the table of a group that has few timers */

/* What has an id; part of its owner's struct. */
struct timer_id {
	struct timer_id *next; /* in its bucket */
	int id;		       /* constant once it is added */
};

struct timer_ids {
	struct timer_id **buckets; /* 1 << bits of them: those of `few`, or allocated */
	u32 bits;
	u32 nr;
	int next_id; /* where the search for a free one begins */
	struct timer_id *few[1 << TIMER_IDS_BITS];
};

void timer_ids_init(struct timer_ids *t);
/* It is empty, or nobody looks at it any more. */
void timer_ids_destroy(struct timer_ids *t);
/* Gives n an id. There is always one: 2^31 timers are more than there is memory for. */
void timer_ids_add(struct timer_ids *t, struct timer_id *n);
/* Any number. NULL: there is none. */
struct timer_id *timer_ids_find(const struct timer_ids *t, int id);
void timer_ids_remove(struct timer_ids *t, struct timer_id *n);

#endif
