/*
 * Deadlines (CLOCK_MONOTONIC, as sleeping wants them) from what guests pass. kernel/time/clock.c.
 */
#ifndef HEDDLE_TIMEOUT_H
#define HEDDLE_TIMEOUT_H

#include "ktime.h"

/* ns from now; saturates below KTIME_MAX. Never 0. */
ktime_t deadline_in(ktime_t ns);
/*
 * The deadline at which a clock that one can sleep by shows ns: CLOCK_REALTIME, MONOTONIC,
 * BOOTTIME, TAI and the alarm clocks. Not corrected if the host's clock is set meanwhile. -EINVAL
 * for others.
 */
must_check int deadline_at(int clockid, ktime_t ns, ktime_t *deadline);
/* What such a clock shows now. */
must_check int clock_now(int clockid, ktime_t *ns);

#endif
