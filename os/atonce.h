/*
 * The handler of kicks, and what it calls. ThreadSanitizer puts signals off until the thread is in
 * a call that it knows to block, and so loses those that are to interrupt such a call: the handler
 * is installed behind its back, isn't instrumented, and makes its host calls without the functions
 * that it intercepts.
 */
#ifndef HEDDLE_OS_ATONCE_H
#define HEDDLE_OS_ATONCE_H

#include "ktime.h"
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__

#define AT_ONCE __attribute__((no_sanitize("thread")))

int __sigaction(int sig, const struct sigaction *sa, struct sigaction *old);
#define at_once_sigaction __sigaction

AT_ONCE static inline ktime_t at_once_clock(void)
{
	struct timespec ts;

	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (ktime_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

AT_ONCE static inline void at_once_kill(pid_t pid, int sig)
{
	(void)syscall(SYS_kill, pid, sig);
}

#else

#define AT_ONCE
#define at_once_sigaction sigaction
#define at_once_clock ktime_mono

static inline void at_once_kill(pid_t pid, int sig)
{
	(void)kill(pid, sig); /* it may have died */
}

#endif

/*
 * ns of CPU that this process has used, 0 if it is gone: its clock as clock_getcpuclockid(3) has
 * it.
 */
AT_ONCE static inline ktime_t at_once_cputime(pid_t pid)
{
	struct timespec ts;

	if (syscall(SYS_clock_gettime, (clockid_t)(~(u32)pid << 3 | 2), &ts))
		return 0;
	return (ktime_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#endif
