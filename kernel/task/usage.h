/*
 * What ended processes used of the host's memory. The host tells when it has taken a process down,
 * a while after the guest's process has ended and perhaps after it was reaped: then what it used
 * goes to the children's sums of its heirs as well.
 */
#ifndef HEDDLE_KERNEL_TASK_USAGE_H
#define HEDDLE_KERNEL_TASK_USAGE_H

#include "types.h"

struct host_usage;
struct usage;

struct usage_sums {
	u64 minflt, majflt, maxrss_kb;
};

must_check struct usage *usage_alloc(void);
struct usage *usage_get(struct usage *u);
void usage_put(struct usage *u);
/* For context_destroy_last(): arg is a struct usage, whose reference it takes. */
void usage_ended(void *arg, const struct host_usage *h);
/*
 * The child was reaped: what it and its children used belongs to the parent's children from now on.
 */
void usage_inherit(struct usage *parent, struct usage *child);
/* As they are now: host_reaper_flush() first for those who asked for them. */
void usage_read(struct usage *u, struct usage_sums *self, struct usage_sums *children);

#endif
