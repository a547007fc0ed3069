/*
 * --strace: one line a system call or signal; calls are formatted from the table's argument
 * descriptions, through log_line().
 */
#ifndef HEDDLE_STRACE_H
#define HEDDLE_STRACE_H

#include "syscalls.h"
#include <signal.h>

extern bool strace_enabled; /* constant after boot (--strace) */

/*
 * Called by the current task around a call; args are the registers at entry. Both read guest
 * memory, so they may sleep. A call is shown on exit, with what it stored; only one that may not
 * return is shown on entry.
 */
void strace_enter(u64 nr, const struct syscall_desc *d, const u64 args[6]);
void strace_exit(u64 nr, const struct syscall_desc *d, const u64 args[6], long ret);
/* A signal that the current task has taken, whatever becomes of it. Writes: not under siglock. */
void strace_signal(const siginfo_t *si);

#endif
