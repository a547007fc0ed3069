/* Faults of the host, injected on request (--fault): os/fault.c. */
#ifndef HEDDLE_HOSTFAULT_H
#define HEDDLE_HOSTFAULT_H

#include "types.h"

/*
 * Takes one SPEC: CALL:ERROR:WHEN, CALL:delay=TIME:WHEN, seed=N, or boot. CALL is one of
 * os/faults.def, ERROR a name such as EIO, TIME a number with us, ms or s, at most 10 s. WHEN is N
 * (the Nth call), N+ (the Nth and all after it) or P% (a random share). NULL, or what is wrong with
 * it, for the user. At boot only.
 */
must_check const char *fault_add(const char *spec);
/*
 * Called when the kernel boots, and when the guest's first program starts: calls count, and fail,
 * from then on, or from the first time on if a SPEC was boot. True if they begin now, and some are
 * random shares: *seed chooses them.
 */
bool fault_start(bool boot, u64 *seed);
/*
 * Number i from 0: its SPEC, how many calls there were and how many it hit. False: there are no
 * more.
 */
must_check bool fault_stats(int i, const char **spec, u64 *calls, u64 *hits);

#endif
