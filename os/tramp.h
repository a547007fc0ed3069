/* Trampolines of patched system-call sites, as the engine sees them. */
#ifndef HEDDLE_OS_TRAMP_H
#define HEDDLE_OS_TRAMP_H

#include "engine.h"
#include "os/hostmm_priv.h"

enum tramp_where {
	TRAMP_NONE,    /* not in our code */
	TRAMP_BEFORE,  /* the call wasn't made: the registers are those before its instruction */
	TRAMP_AGAIN,   /* the same, and what is there is the jump of form B */
	TRAMP_CALL,    /* it is to be made now: they are those behind it, but for rax, which is its
			  number */
	TRAMP_WAITING, /* it was made and isn't answered: they are those behind it, but for rax */
	TRAMP_DONE,    /* it was answered: those behind it */
	TRAMP_LOADING, /* it was answered with other registers, and has them */
};

/*
 * A task was stopped with these registers: makes them what they would be without patching. They may
 * say anything; the task harms nobody but itself with that. fault: by a fault, which in our code
 * only copies do; it isn't the guest's then. One before the call makes that TRAMP_CALL, since the
 * copy would fault again.
 */
enum tramp_where tramp_fix(const struct host_task *ht, struct pt_regs *r, bool fault);
/*
 * The task is TRAMP_WAITING for an answer that it has got: completes the registers, and what it was
 * to copy.
 */
void tramp_answer(const struct host_task *ht, struct pt_regs *r);
/* The flags as LAHF and SETO gave them, in ah and al. */
void tramp_set_flags(struct pt_regs *r, u32 ax);
/*
 * The address behind the call that was made with ip behind it: the original's, if that was in a
 * trampoline.
 */
uaddr_t tramp_call_ip(const struct host_mm *hm, uaddr_t ip);
/*
 * The copy that fork makes: its trampolines are the parent's. Then these areas are to be mapped by
 * its keeper.
 */
must_check int tramps_copy(struct host_mm *to, const struct host_mm *from);
/* Where area number `area` of hm's lies in the control file. */
u64 tramp_file_offset(const struct host_mm *hm, int area);

#endif
