/*
 * Calls by the slot: the task's trampoline (stub/tramp.S) puts its call there, while its CPU looks
 * for it, and finds the answer there. Only memory says so, which any thread of the guest can write:
 * everything is copied once and then checked like a call of another kind.
 */
#ifndef HEDDLE_OS_SLOTCALL_H
#define HEDDLE_OS_SLOTCALL_H

#include "engine.h"
#include "os/hostmm_priv.h"

struct cpu;

/* CALL_* */
void slotcall_set_state(const struct host_task *ht, u32 state);
/* False: it isn't `from` (any more). */
must_check bool slotcall_change_state(const struct host_task *ht, u32 from, u32 to);

enum slotcall {
	SLOTCALL_MADE,
	SLOTCALL_NONE,	 /* in the time that there was */
	SLOTCALL_KICKED, /* the CPU is wanted */
};
/*
 * Looks for a call, as long as spin_cycles() says. Unless it came, none can be made that way any
 * more.
 */
must_check enum slotcall slotcall_look(struct host_task *ht, struct cpu *cpu);
/* The call that was made. */
void slotcall_event(struct host_task *ht, struct event *ev);
/* The address behind the original instruction of a call that came by a trampoline. */
uaddr_t slotcall_ip(const struct host_task *ht);
/* A call came with copies of what it reads in the slot, and takes one back. */
void slotcall_copies_begin(struct host_task *ht);
/* What goes back with the answer. */
void slotcall_copies_end(struct host_task *ht);

#endif
