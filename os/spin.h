/*
 * When a CPU spins for its guest's next call instead of sleeping: when the guest makes calls at a
 * high rate by trampolines, and there is a host core to spare. The guest then has a core of its
 * own.
 */
#ifndef HEDDLE_OS_SPIN_H
#define HEDDLE_OS_SPIN_H

#include "types.h"

struct cpu;

/* Of each host task; for the CPU that runs it. */
struct spin {
	u32 streak; /* calls in a row that came soon */
	u32 need;   /* so many make it worth trying */
	u64 turn;   /* the CPU's turn (below) in which it spins for this task */
	u64 served; /* calls in that turn */
};

/* As --spin says: the longest time in us, SPIN_AUTO, or 0: never. At boot. */
void spin_setup(u32 spin);
/* A call came `cycles` after the guest had been left to run; by a trampoline? */
void spin_learn(struct spin *s, u64 cycles, bool by_trampoline);
/* While it spins: is there other work to do on one of the two cores? */
bool spin_crowded(const struct cpu *cpu);
/* Does this CPU spin for it? */
bool spin_on(const struct spin *s, const struct cpu *cpu);
/*
 * The guest is about to be let run by `cpu` and sleeps until then: starts spinning for it, if that
 * pays. The core to move the guest to, or -1.
 */
int spin_begin(struct spin *s, struct cpu *cpu);
/*
 * The guest waits on `core` for the answer to a call of a turn, which ended because others ran:
 * another turn, if such ones pay and it still may be?
 */
bool spin_resume(struct spin *s, struct cpu *cpu, int core);
/* No call came in time, or the CPU turns to another. */
void spin_end(struct spin *s, struct cpu *cpu);
/* The CPU runs a guest for which it doesn't spin. */
void spin_none(struct cpu *cpu);
/*
 * How long to look for its next call, in cycles. The first comes late: the guest's new core is to
 * wake up.
 */
u64 spin_cycles(const struct spin *s);

#endif
