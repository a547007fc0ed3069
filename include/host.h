/*
 * Host primitives for smp/: threads, futexes, stacks, the CPU timer. Implemented in os/thread.c,
 * stack.c and random.c.
 */
#ifndef HEDDLE_HOST_H
#define HEDDLE_HOST_H

#include "types.h"

/*
 * Sleeps while *word == val, until deadline (CLOCK_MONOTONIC; KTIME_MAX: none). 0, -EAGAIN, -EINTR,
 * -ETIMEDOUT.
 */
int host_futex_wait(u32 *word, u32 val, ktime_t deadline);
void host_futex_wake(u32 *word, int n);

/*
 * Stacks with a guard page below. NULL on failure. Freed stacks are kept for reuse, some dozens of
 * them.
 */
must_check void *host_stack_alloc(size_t size);
void host_stack_free(void *stack, size_t size);

/* Host cores which the process may use, in order; a core's number, or -1. */
int host_cores(void);
int host_core_nth(int n);
/* The core that the caller runs on now. */
int host_core_current(void);

struct cpu;
/*
 * Starts the host thread of a CPU: sets this_cpu_ptr, alternate signal stack, IPI handler; then
 * fn(cpu). -errno.
 */
must_check int host_cpu_thread_start(struct cpu *cpu, void (*fn)(struct cpu *));
void host_cpu_thread_join(struct cpu *cpu);
/* The signal that interrupts CPU threads. Its handler ignores other threads. */
#define HOST_IPI_SIGNAL SIGUSR1
/*
 * Interrupts whatever host call the CPU's thread sleeps in, by a signal whose handler, on that
 * thread, sets cpu->kick_pending and calls engine->kick_self() when cpu->in_guest: so a kick
 * between the check and the sleep isn't lost.
 */
void host_cpu_interrupt(struct cpu *cpu);
/*
 * Arms the CPU's host timer (own thread only): at `deadline` it acts like host_cpu_interrupt.
 * KTIME_MAX disarms. Cheap when nothing changes.
 */
void host_cpu_timer(struct cpu *cpu, ktime_t deadline);

/*
 * n bytes of the host's random generator (os/random.c); never fails, never blocks once the host has
 * booted.
 */
void host_random(void *buf, size_t n);

/*
 * fh/ sets it at boot: closes descriptors which it can open again, some dozens, and returns how
 * many. For os/ at EMFILE.
 */
extern unsigned (*host_free_descriptors)(void);

/* A value of the host's auxiliary vector (AT_*); 0 if there is none. */
unsigned long host_auxv(unsigned long type);

/*
 * membarrier(MEMBARRIER_CMD_GLOBAL): a barrier on all threads of the host. Blocks for some ms: for
 * io_worker_call(). 0, -errno.
 */
must_check long host_barrier_global(void *unused);
/* Ends the process at once, with all threads. */
noreturn_ void host_exit(int status);
static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

#endif
