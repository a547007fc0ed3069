/*
 * The host's signal frame of a stop (os/seccomp.c), which lies in the task's slot: other threads of
 * the guest can write it, so everything is copied once, and what the host loads from it, it checks.
 */
#ifndef HEDDLE_OS_STOPFRAME_H
#define HEDDLE_OS_STOPFRAME_H

#include "engine.h"
#include "os/hostmm_priv.h"

/* A new task's first frame, all but the registers: what it waits for. */
void stopframe_first(struct host_task *ht);
/*
 * Takes the frame whose ucontext is said to be at uc in the slot, and its registers (all but the
 * segment bases). False: it isn't.
 */
must_check bool stopframe_read(struct host_task *ht, uaddr_t uc, struct pt_regs *r);
/* What the host tells of a fault besides the signal's number and siginfo. */
void stopframe_fault(const struct host_task *ht, struct fault *f);
void stopframe_write_regs(const struct host_task *ht, const struct pt_regs *r);
/*
 * Vector states in XSAVE format; size is the buffer's. False: the frame has none, which means the
 * initial one.
 */
must_check bool stopframe_get_xstate(const struct host_task *ht, void *buf, size_t size);
void stopframe_set_xstate(const struct host_task *ht, const void *xs);
/*
 * Into the guest's area at `to`, as XSAVE would; as much as can be written: nobody reads the rest.
 */
void stopframe_save_xstate(const struct host_task *ht, uaddr_t to);

#endif
