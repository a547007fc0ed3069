/* Between signals and timers (kernel/time/): what happens to a timer when its signal is taken. */
#ifndef HEDDLE_POSIX_TIMER_H
#define HEDDLE_POSIX_TIMER_H

#include "signals.h"

struct ktimer;
struct thread_group;

/*
 * A timer is armed anew only when its signal was taken, so a guest that doesn't look costs nothing.
 * Both under siglock; the first also fills si_overrun.
 */
void posix_timer_taken_locked(struct ktimer *kt, siginfo_t *si);
void itimer_real_taken_locked(struct thread_group *tg);
/* Its signal was thrown away: ignored from now on, or its thread ended. */
void posix_timer_dropped_locked(struct ktimer *kt);

/*
 * Sends a signal by a queue entry that its timer keeps; the entry must not be on a queue. t NULL:
 * to the group. False if the signal is ignored. Under siglock; kernel/signal/send.c.
 */
bool send_prepared_locked(struct thread_group *tg, struct task *t, struct sigqueue *q);

/*
 * Takes such an entry off its queue again; the signal stays pending if others of its number are
 * queued. Under siglock.
 */
void sigpending_remove_locked(struct sigpending *p, struct sigqueue *q);

#endif
