/* --strace: one line a system call, formatted from the table's argument descriptions, through log_line(). */
#ifndef HEDDLE_STRACE_H
#define HEDDLE_STRACE_H

#include "syscalls.h"

extern bool strace_enabled; /* constant after boot (--strace) */
extern bool
	strace_entries; /* constant after boot: show each call on entry too, to see where a hung guest stands */

/*
 * Called by the current task around a call; args are the registers at entry. Both read guest memory, so they may
 * sleep. A call is shown on exit, with what it stored; only one that may not return is shown on entry.
 */
void strace_enter(u64 nr, const struct syscall_desc *d, const u64 args[6]);
void strace_exit(u64 nr, const struct syscall_desc *d, const u64 args[6], long ret);
/* A signal that is about to be delivered to the current task. */
void strace_signal(int sig, int code, u64 addr);

#endif
