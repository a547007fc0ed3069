/* See slice.c. */
#ifndef HEDDLE_OS_SLICE_H
#define HEDDLE_OS_SLICE_H

#include "types.h"

struct cpu;

/*
 * The timer fired while a guest ran. Is it to go on? Not if somebody idles, who would get those
 * that wait here from the CPU on its way through the kernel. An IPI that comes while the timer's
 * signal is pending is none of its own, but for kick_pending. Async-signal-safe.
 */
must_check bool slice_goes_on(struct cpu *c);

#endif
