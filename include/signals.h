/*
 * Signals. A group's and its tasks' signal state is protected by tg->siglock (rank SIGHAND); the dispositions by it too
 * (struct sighand is shared by CLONE_SIGHAND, which our clone accepts only with CLONE_THREAD or within one group's family; see signals.c).
 */
#ifndef HEDDLE_SIGNALS_H
#define HEDDLE_SIGNALS_H

#include "types.h"
#include <signal.h>
#include <urcu/list.h>

#undef NSIG
#define NSIG 64
#define SIG_KERNEL_MIN_RT 32 /* the kernel's SIGRTMIN: glibc keeps 32 and 33 for itself */
typedef u64 ksigset_t;	     /* bit n - 1 for signal n */
static inline ksigset_t sig_bit(int sig)
{
	return 1ULL << (sig - 1);
}
#define SIG_UNBLOCKABLE (1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1))

/* The kernel's struct sigaction of x86-64. */
struct ksigaction {
	u64 handler; /* 0 SIG_DFL, 1 SIG_IGN */
	u64 flags;
	u64 restorer;
	ksigset_t mask;
};

struct sighand {
	u32 refs;			/* atomic */
	struct ksigaction action[NSIG]; /* siglock of the group; action[n - 1] */
};

struct sigpending {
	ksigset_t set;		     /* siglock */
	struct cds_list_head queue;  /* siglock: struct sigqueue */
};

struct sigqueue {
	struct cds_list_head link;
	siginfo_t info;
	struct ktimer *timer; /* a POSIX timer's own preallocated entry, or NULL */
};

struct sigaltstack_state {
	uaddr_t sp;
	u64 size;
	u32 flags; /* SS_DISABLE, SS_AUTODISARM */
};

struct task;
struct thread_group;
struct fault;
struct pid;

/* Fill a kill()-like siginfo of the current task. */
void siginfo_user(siginfo_t *si, int sig, int code);
/* Queue a signal; callable anywhere with no lock above SIGHAND held. -EAGAIN when the queue is full (only for queued real-time ones). */
int send_signal_task(struct task *t, const siginfo_t *si);	   /* thread-directed */
int send_signal_group(struct thread_group *tg, const siginfo_t *si); /* process-directed */
/* Kernel-made signals (SI_KERNEL or as si says) that can't be ignored: unblocks and resets to default where they are blocked. */
void force_signal(struct task *t, const siginfo_t *si);
void force_fault(struct task *t, const struct fault *f);
/* kill(2) semantics for a process group; 0, -ESRCH, -EPERM. */
int kill_pgrp(struct pid *pgrp, int sig, bool from_kernel);
bool may_signal(const struct task *target, int sig); /* credentials of the current task */

/* A deliverable signal is pending for t (racy read for sleepers: re-checked under siglock). */
bool signal_pending(struct task *t);
bool fatal_signal_pending(struct task *t);
/* Called by the run loop when task->work says so: stops, delivers or dies. */
void signals_deliver(void);
/* Fills and restores frames; in kernel/signal/frame.c. */
int sigframe_setup(struct task *t, int sig, const siginfo_t *si, const struct ksigaction *sa, ksigset_t oldmask);

/* Changes current's blocked mask and re-evaluates. */
void set_current_blocked(ksigset_t mask);
/* For ppoll, pselect, epoll_pwait, sigsuspend: installs *mask until the call ends (restored by signal delivery). -EFAULT, -EINVAL (size). */
must_check int sigmask_install(uaddr_t mask, size_t size);
void sigmask_restore(bool interrupted); /* at the end of those calls */

void sighand_flush_exec(struct task *t); /* handlers to default, ignored ones stay */
struct sighand *sighand_get(struct sighand *s);
void sighand_put(struct sighand *s);
must_check struct sighand *sighand_new(const struct sighand *from); /* copy, or defaults if NULL */
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);

#endif
