/* A context as the engines share it. */
#ifndef HEDDLE_OS_CONTEXT_H
#define HEDDLE_OS_CONTEXT_H

#include "engine.h"
#include "os/hostmm_priv.h"

/* Used by one kthread at a time. */
struct context {
	struct host_mm *hm;
	struct host_task *ht;
	struct cpu *bound; /* whose thread has it attached; NULL: parked */
	u32 *owner_bound;  /* atomic: tells the owner's scheduler the same; NULL: no owner yet */
	struct pt_regs regs;
	bool regs_valid;     /* regs holds what the host process has (or regs_dirty) */
	bool regs_dirty;     /* the host process is to get regs before it runs */
	bool result_dirty;   /* only rax has changed: result */
	bool in_signal_stop; /* stopped by a signal, not at a system call: orig_rax must be cleared */
	bool dead;	     /* the host process died */
	int died_status;
	void *xstate; /* to be loaded before it runs; NULL: nothing */
};

/* Notes whose thread has it attached (NULL: nobody's any more), for the engine and for the owner. */
void context_bind(struct context *c, struct cpu *cpu);

#endif
