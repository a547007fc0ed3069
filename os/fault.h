/*
 * Shared inside os/: where injected faults of the host come in (--fault). Without that option it is
 * one branch that isn't taken.
 */
#ifndef HEDDLE_OS_FAULT_H
#define HEDDLE_OS_FAULT_H

#include "types.h"
#include <errno.h>

enum fault_call {
#define FAULT(id, name, errors, what) FAULT_##id,
#include "os/faults.def"
#undef FAULT
	FAULT_CALLS
};
_Static_assert(FAULT_CALLS <= 64, "fault_mask");

extern u64 fault_mask; /* constant after boot, but for the one change by fault_start(): a bit for
			  each call that has faults */

/* Sleeps first, if it is to be late. 0, or the -errno that the call is to fail with. */
int fault_roll(enum fault_call call);

static inline int fault_inject(enum fault_call call)
{
	return unlikely(load_acquire(&fault_mask) >> call & 1) ? fault_roll(call) : 0;
}

/*
 * The result of a host call that returns -1 and errno, as a value or -errno, unless it is to fail.
 */
#define HOST_CALL(id, call)                                                                        \
	({                                                                                         \
		long hc_ret = fault_inject(FAULT_##id);                                            \
		if (!hc_ret) {                                                                     \
			hc_ret = (call);                                                           \
			if (hc_ret < 0)                                                            \
				hc_ret = -(long)errno;                                             \
		}                                                                                  \
		hc_ret;                                                                            \
	})

/*
 * Batches of orders to keepers (os/batch.c): where one of them is to fail, the keeper gets those
 * before it, and the result is as if it had failed there. Calls that belong to each other, around
 * the batch.
 */
struct stub_ctl;
struct fault_batch {
	int err;  /* -errno; 0: none is to fail */
	u32 nops; /* how many orders there were */
};
struct fault_batch fault_batch_cut(struct stub_ctl *ctl);
void fault_batch_result(struct stub_ctl *ctl, struct fault_batch fault, int done, u32 *last);

#endif
