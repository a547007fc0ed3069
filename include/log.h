/* Messages for the person who runs heddle, assertions, the panic, and the trace ring. */
#ifndef HEDDLE_LOG_H
#define HEDDLE_LOG_H

#include "types.h"

extern bool log_verbose; /* constant after boot (--verbose) */

void log_info(const char *fmt, ...) printf_like(1, 2); /* only with --verbose */
void log_warn(const char *fmt, ...) printf_like(1, 2);
/* One finished line (with its newline) to the --strace sink; whole lines never interleave. */
void log_line(const char *buf, size_t len);

/* Opens a file for it (NULL: a copy of stderr). The descriptor or -errno. */
must_check int log_open_sink(const char *path);
/* Where log_line() writes; -1 (the default): nowhere. Set at boot. */
void log_set_sink(int fd);

/*
 * Called first by a panic, or NULL: gives the terminal back so that the message can be read.
 * Async-signal-safe.
 */
extern void (*panic_prepare)(void);
/*
 * What a panic prints about the state of CPUs and locks: set by smp_init(). Only reads, no locks.
 */
extern void (*panic_dump)(void (*out)(const char *fmt, ...) printf_like(1, 2));
/* "function+0x12" in buf, or just the address; for the messages of a panic. Returns buf. */
const char *kernel_symbol(const void *addr, char *buf, size_t size);
/*
 * From boot: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS of the kernel itself panic. Before CPUs are
 * started.
 */
void panic_on_crash(void);
/*
 * Prints message, CPU, tasks, backtrace, held locks, recent trace; exit status 70. The host ends
 * every host process with it (PR_SET_PDEATHSIG, PTRACE_O_EXITKILL).
 */
noreturn_ void panic(const char *fmt, ...) printf_like(1, 2);

/* Guards invariants of the kernel itself, never what a guest or the host can cause. */
#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (unlikely(!(cond)))                                                             \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);           \
	} while (0)

/* Leaves a short event in this CPU's trace ring, which panics print. fmt must be a literal. */
void trace(const char *fmt, u64 a, u64 b);

#endif
