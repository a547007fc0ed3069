/* Shared inside kernel/signal/. "Locked" functions want tg->siglock held. */
#ifndef HEDDLE_KERNEL_SIGNAL_SIGNAL_PRIV_H
#define HEDDLE_KERNEL_SIGNAL_SIGNAL_PRIV_H

#include "task.h"

#define SIG_STOP_SET                                                                               \
	(1ULL << (SIGSTOP - 1) | 1ULL << (SIGTSTP - 1) | 1ULL << (SIGTTIN - 1) |                   \
	 1ULL << (SIGTTOU - 1))
#define SIG_DFL_IGNORE_SET                                                                         \
	(1ULL << (SIGCONT - 1) | 1ULL << (SIGCHLD - 1) | 1ULL << (SIGWINCH - 1) |                  \
	 1ULL << (SIGURG - 1))
#define SIG_CORE_SET                                                                               \
	(1ULL << (SIGQUIT - 1) | 1ULL << (SIGILL - 1) | 1ULL << (SIGTRAP - 1) |                    \
	 1ULL << (SIGABRT - 1) | 1ULL << (SIGFPE - 1) | 1ULL << (SIGSEGV - 1) |                    \
	 1ULL << (SIGBUS - 1) | 1ULL << (SIGSYS - 1) | 1ULL << (SIGXCPU - 1) |                     \
	 1ULL << (SIGXFSZ - 1))
#define SIG_SYNC_SET                                                                               \
	(1ULL << (SIGSEGV - 1) | 1ULL << (SIGBUS - 1) | 1ULL << (SIGILL - 1) |                     \
	 1ULL << (SIGTRAP - 1) | 1ULL << (SIGFPE - 1) | 1ULL << (SIGSYS - 1))

/* Flags of the x86-64 kernel's struct sigaction; libc hides one and has no names for some. */
#define KSA_NOCLDSTOP 0x1u
#define KSA_NOCLDWAIT 0x2u
#define KSA_SIGINFO 0x4u
#define KSA_EXPOSE_TAGBITS 0x800u
#define KSA_RESTORER 0x04000000u
#define KSA_ONSTACK 0x08000000u
#define KSA_RESTART 0x10000000u
#define KSA_NODEFER 0x40000000u
#define KSA_RESETHAND 0x80000000u
#define KSA_KNOWN                                                                                  \
	(KSA_NOCLDSTOP | KSA_NOCLDWAIT | KSA_SIGINFO | KSA_EXPOSE_TAGBITS | KSA_RESTORER |         \
	 KSA_ONSTACK | KSA_RESTART | KSA_NODEFER | KSA_RESETHAND)

static inline bool sig_valid(int sig)
{
	return sig >= 1 && sig <= NSIG;
}

/* Members of the group; siglock or tasklist_lock. */
#define for_each_thread(t, tg) cds_list_for_each_entry(t, &(tg)->threads, group_link)

/* ---- sigqueue.c ---- */

/*
 * A queue entry that counts for the real user of t, within t's RLIMIT_SIGPENDING unless over_limit.
 * NULL: too many, or no memory.
 */
struct sigqueue *sigqueue_alloc(struct task *t, bool over_limit);
void sigpending_set_locked(struct sigpending *p, ksigset_t set);
/* Drops every entry of the signals in mask: in the queue of the group and those of its members. */
void signals_drop_locked(struct thread_group *tg, ksigset_t mask);
int dequeue_signal_locked(struct task *t, ksigset_t mask, siginfo_t *si);

/* ---- send.c ---- */

/* Sets or clears t's WORK_SIGNAL by what is pending for it. */
void recalc_sigpending_locked(struct task *t);
/* Makes t look at its signals soon. */
void signal_wake_locked(struct task *t);
/* Replaces current's mask; siglock. */
void set_blocked_locked(struct task *t, ksigset_t mask);

/* ---- sighand.c ---- */

bool sig_action_ignores(const struct ksigaction *sa, int sig);

/* ---- stop.c ---- */

/* A signal of the stop set was dequeued and is to be obeyed: every member takes part. */
void stop_begin_locked(struct thread_group *tg, int sig);
/* SIGCONT or a fatal signal: nobody takes part any more. */
void stop_end_locked(struct thread_group *tg, bool by_cont);
/* current takes part in a stop: sleeps until it is over. Drops and takes siglock. */
void stop_sleep_locked(struct task *t);
/* Tells the parent what tg->cld_notify says. Takes tasklist_lock and siglock: without either. */
void stop_notify(struct thread_group *tg);

/* ---- action.c ---- */

/* Is sp on t's alternate stack, as far as nesting goes (SS_AUTODISARM: never)? */
bool on_altstack(const struct task *t, uaddr_t sp);
u32 altstack_flags(const struct task *t, uaddr_t sp);

/* ---- coredump.c ---- */

/* Writes a core file if the limits and modes want one. True if it was written. */
bool coredump(int sig, const siginfo_t *si);

#endif
