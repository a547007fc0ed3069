/*
 * The event thread (readiness of host descriptors) and the I/O workers (host calls that may block
 * for long). os/event.c, os/worker.c.
 */
#ifndef HEDDLE_EVENT_H
#define HEDDLE_EVENT_H

#include "types.h"

must_check int event_init(void);
void event_shutdown(void); /* tests only: the thread ends */

/*
 * Watches a host descriptor from now on. fn is called on the event thread with the ready events
 * (POLLIN ...); it may take spinlocks and wake, never sleep.
 */
struct event_watch;
must_check struct event_watch *event_watch_add(
	int fd, u32 events, void (*fn)(void *arg, u32 events),
	void *arg); /* one-shot: re-arm. ERR_PTR(-EPERM): a regular file */
int event_watch_arm(struct event_watch *w, u32 events); /* once more; callable from anywhere */

/*
 * Host signals that heddle itself gets: fn on the event thread. SIGWINCH, SIGTERM, SIGHUP,
 * SIGINT... Blocks them in the caller and in the threads that it starts from then on: call it at
 * boot, before there are others that might take the signal.
 */
int event_signal(int signo, void (*fn)(int signo));

/*
 * Runs fn(arg) on an I/O worker while the current task sleeps (uninterruptibly); returns fn's
 * result.
 */
long io_worker_call(long (*fn)(void *arg), void *arg);

#endif
