/*
 * Registers by the slot: a task whose call came by a trampoline (stub/tramp.S) has left its
 * registers there, and finds others there if the answer is to change them, as for a signal handler.
 * So the kernel sees and sets them without a stop, which would be a signal of the host's. The
 * vector state stays in the CPU: the task itself saves it where the handler's frame has it.
 */
#ifndef HEDDLE_OS_SLOTREGS_H
#define HEDDLE_OS_SLOTREGS_H

#include "engine.h"
#include "os/hostmm_priv.h"

/*
 * Those behind the call in hand, but for rax and orig_rax. Any thread of the guest may have written
 * them.
 */
void slotregs_read(const struct host_task *ht, struct pt_regs *r);
/* Can a task find these there? Not if it is to be single-stepped, or has a gs base of its own. */
must_check bool slotregs_fit(const struct pt_regs *r);
/*
 * Those that it goes on with when it is answered; its vector state is saved at `save`, and made the
 * initial one, unless that is 0.
 */
void slotregs_write(const struct host_task *ht, const struct pt_regs *r, uaddr_t save);
/*
 * It was answered so, and is now stopped at ip. True: on the way; it is as if it had the new
 * registers already, and doesn't load them any more. *saved: it has done so with its vector state,
 * and perhaps lost it.
 */
must_check bool slotregs_interrupted(const struct host_task *ht, uaddr_t ip, bool *saved);

#endif
