/* Shared inside os/: listeners of host processes (the seccomp engine). */
#ifndef HEDDLE_OS_LISTENER_H
#define HEDDLE_OS_LISTENER_H

#include "os/hostmm_priv.h"
#include <linux/seccomp.h>

/*
 * A kick that isn't answered is looked after this often (ns); who has computed for 200 ms in spite
 * of it is killed.
 */
#define KICK_CHECK (250 * NSEC_PER_MSEC)

/* Before there are guests: must they be polled? See seccomp_polls. */
void listener_probe(void);
/*
 * That of a process which is ready. -ESRCH: it died, or that is none; -EAGAIN: the host has no
 * descriptor.
 */
must_check int listener_fetch(struct host_task *ht);
/*
 * Receives the next notification. -ESRCH: the process died, or was killed since it didn't answer a
 * kick. A host signal (an IPI) that interrupts this has kicked the process; the kick has to be
 * answered. `kicked`: it was kicked before.
 */
must_check int listener_receive(struct host_task *ht, struct seccomp_notif *n, bool kicked);
/* Answers the call in which the process sleeps: it finds `val` in rax. -errno: it is gone. */
must_check int listener_answer(const struct host_task *ht, u64 val);

#endif
