/* Clocks and timers. */
#ifndef HEDDLE_KTIME_H
#define HEDDLE_KTIME_H

#include "pheap.h"
#include "types.h"
#include <time.h>

#define NSEC_PER_SEC 1000000000UL
#define NSEC_PER_USEC 1000UL
#define NSEC_PER_MSEC 1000000UL

/* Host clocks, by the host's vDSO (25 ns): CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
ktime_t ktime_mono(void);
ktime_t ktime_real(void);
/* Any host clock id that a process may read (MONOTONIC_RAW, COARSE, BOOTTIME, TAI ...); -EINVAL. */
must_check int ktime_get(int clockid, struct timespec *ts);
must_check int ktime_getres(int clockid, struct timespec *ts);
extern ktime_t ktime_boot_mono; /* when the kernel started; constant after boot */

/* 0 and the ns, or -EINVAL for a negative or denormal timespec. Saturates at KTIME_MAX - 1. */
must_check int timespec_to_ns(const struct timespec *ts, ktime_t *ns);
static inline struct timespec ns_to_timespec(ktime_t ns)
{
	return (struct timespec){.tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC};
}

struct cpu;

/*
 * A timer: calls fn once at `deadline` (CLOCK_MONOTONIC) on some CPU, without locks held and
 * outside any task; fn must not sleep. It may re-arm its own timer.
 */
struct timer {
	ktime_t deadline;	     /* base lock */
	void (*fn)(struct timer *t); /* constant after init */
	struct timer_base *base;     /* atomic: whose heap it is in or ran from last */
	struct pheap_node node;	     /* base lock: place in the heap */
	bool armed;		     /* base lock */
};

void timer_init(struct timer *t, void (*fn)(struct timer *));
/* Arms or re-arms t on this CPU (from a foreign thread: on CPU 0). */
void timer_arm(struct timer *t, ktime_t deadline);
/* A guess unless the caller keeps others from arming it. */
bool timer_is_armed(const struct timer *t);
/* Disarms; true if it was armed. fn may still be running elsewhere afterwards: */
bool timer_cancel(struct timer *t);
/*
 * ... unless this is used, which also waits for a running fn. Not from fn itself, nor with locks
 * that fn takes.
 */
bool timer_cancel_sync(struct timer *t);

#endif
