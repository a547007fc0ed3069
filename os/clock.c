/* Host clocks. */
#include "ktime.h"
#include <errno.h>

ktime_t ktime_boot_mono;

static ktime_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (ktime_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

ktime_t ktime_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

ktime_t ktime_real(void)
{
	return read_clock(CLOCK_REALTIME);
}

__attribute__((constructor)) static void note_boot(void)
{
	ktime_boot_mono = ktime_mono();
}

/*
 * CPU-time clocks would tell of the kernel's own threads; the guest's are the scheduler's business.
 */
static bool is_wall_clock(int id)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
	case CLOCK_TAI:
		return true;
	}
	return false;
}

int ktime_get(int clockid, struct timespec *ts)
{
	return is_wall_clock(clockid) && !clock_gettime(clockid, ts) ? 0 : -EINVAL;
}

int ktime_getres(int clockid, struct timespec *ts)
{
	return is_wall_clock(clockid) && !clock_getres(clockid, ts) ? 0 : -EINVAL;
}

int timespec_to_ns(const struct timespec *ts, ktime_t *ns)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= (long)NSEC_PER_SEC)
		return -EINVAL;
	if ((u64)ts->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		*ns = KTIME_MAX - 1;
	else
		*ns = (u64)ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
	return 0;
}
