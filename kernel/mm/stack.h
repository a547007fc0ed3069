/* Stacks that grow: what exec and faults agree on. */
#ifndef HEDDLE_KERNEL_MM_STACK_H
#define HEDDLE_KERNEL_MM_STACK_H

/* No stack grows nearer than this to what is mapped below it, as on Linux. */
#define STACK_GUARD_GAP (256UL << 12)
/* A stack grows by at least this much, where it may, so that a deep recursion faults seldom. */
#define STACK_STEP (64UL << 10)

#endif
