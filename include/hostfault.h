/* Faults of the host, injected on request (--fault): os/fault.c. */
#ifndef HEDDLE_HOSTFAULT_H
#define HEDDLE_HOSTFAULT_H

#include "types.h"

/*
 * Takes one SPEC: CALL:ERROR:WHEN, CALL:delay=TIME:WHEN, or seed=N. CALL is one of os/faults.def, ERROR a name such as EIO, TIME a number with us, ms
 * or s, at most 10 s. WHEN is N (the Nth call), N+ (the Nth and all after it) or P% (a random share). NULL, or what is wrong with it, for the user.
 * At boot only.
 */
must_check const char *fault_add(const char *spec);
/* Calls count, and fail, from now on: the guest's first program starts. True if some are random shares: *seed chooses them. */
bool fault_start(u64 *seed);
/* Number i from 0: its SPEC, how many calls there were and how many it hit. False: there are no more. */
must_check bool fault_stats(int i, const char **spec, u64 *calls, u64 *hits);

#endif
