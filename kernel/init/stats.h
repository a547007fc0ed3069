/* Counters for --stats. */
#ifndef HEDDLE_KERNEL_INIT_STATS_H
#define HEDDLE_KERNEL_INIT_STATS_H

#include "types.h"

/* A system call that isn't implemented was made. */
void stats_unknown_call(u64 nr);
/* Prints the table of --stats to stderr. */
void stats_print(void);

#endif
