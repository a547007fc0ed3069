/*
 * Signals. A group's and its tasks' signal state is protected by tg->siglock (rank SIGHAND). The
 * dispositions have a lock of their own (rank SIGACTION, just inside), because clone(CLONE_SIGHAND)
 * without CLONE_THREAD shares them across groups.
 */
#ifndef HEDDLE_SIGNALS_H
#define HEDDLE_SIGNALS_H

#include "lock.h"
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
	u64 handler; /* SIG_HANDLER_*, or the guest's function */
	u64 flags;
	u64 restorer;
	ksigset_t mask;
};
#define SIG_HANDLER_DFL 0
#define SIG_HANDLER_IGN 1

struct sighand {
	u32 refs;			/* atomic */
	struct spinlock lock;		/* rank SIGACTION */
	struct ksigaction action[NSIG]; /* lock; action[n - 1] */
};

struct sigpending {
	ksigset_t set;		    /* siglock */
	struct cds_list_head queue; /* siglock: struct sigqueue */
};

struct user;

struct sigqueue {
	struct cds_list_head link;
	siginfo_t info;
	struct user *user;    /* +1: whose RLIMIT_SIGPENDING it counts for; NULL for a timer's */
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
/* To the current task: nobody reads any more what it writes. */
void raise_sigpipe(void);
/*
 * Queue a signal; callable anywhere with no lock above SIGHAND held. -EAGAIN when the queue is full
 * (only for queued real-time ones).
 */
int send_signal_task(struct task *t, const siginfo_t *si);	     /* thread-directed */
int send_signal_group(struct thread_group *tg, const siginfo_t *si); /* process-directed */
/* The same, to one of several processes: its forks don't let a child miss it. */
int send_signal_to_many(struct thread_group *tg, const siginfo_t *si);
int signal_group_send_locked(struct thread_group *tg,
			     const siginfo_t *si); /* process-directed, siglock held */
/*
 * Kernel-made signals (SI_KERNEL or as si says) that can't be ignored: unblocks and resets to
 * default where they are blocked.
 */
void force_signal(struct task *t, const siginfo_t *si);
void force_fault(struct task *t, const struct fault *f);
void force_sigsegv(struct task *t); /* for memory of t that the kernel can't use; SI_KERNEL */
/* kill(2) semantics for a process group; 0, -ESRCH, -EPERM. */
int kill_pgrp(struct pid *pgrp, int sig, bool from_kernel);
bool may_signal(const struct task *target, int sig); /* credentials of the current task */

/* A deliverable signal is pending for t (racy read for sleepers: re-checked under siglock). */
bool signal_pending(struct task *t);
bool fatal_signal_pending(struct task *t);
/* Called by the run loop when task->work says so: stops, delivers or dies. */
void signals_deliver(void);
/* Fills and restores frames; in kernel/signal/frame.c. */
int sigframe_setup(struct task *t, int sig, const siginfo_t *si, const struct ksigaction *sa,
		   ksigset_t oldmask);

/* Changes current's blocked mask and re-evaluates. */
void set_current_blocked(ksigset_t mask);
/*
 * For ppoll, pselect, epoll_pwait, sigsuspend: installs *mask until the call ends (restored by
 * signal delivery). -EFAULT, -EINVAL (size).
 */
must_check int sigmask_install(uaddr_t mask, size_t size);
void sigmask_restore(bool interrupted); /* at the end of those calls */

/*
 * exec, when the other threads are gone: dispositions shared with another group become the group's
 * own. 0 or -ENOMEM. Then: handlers to default, ignored ones stay; the alternate stack is off.
 */
must_check int sighand_unshare(struct task *t);
void sighand_flush_exec(struct task *t);
struct sighand *sighand_get(struct sighand *s);
void sighand_put(struct sighand *s);
must_check struct sighand *sighand_new(const struct sighand *from); /* copy, or defaults if NULL */
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p); /* under siglock, or when nobody else can see it */
/* One of the dispositions, copied under the locks; the second form is for holders of siglock. */
struct ksigaction sighand_action(struct thread_group *tg, int sig);
struct ksigaction sighand_action_locked(struct thread_group *tg, int sig);

/*
 * Takes the next signal of mask that is pending for t (the current task): its own first, then the
 * group's. The signal's number and its siginfo, or 0. For signalfd and sigtimedwait. Takes siglock.
 */
int dequeue_signal(struct task *t, ksigset_t mask, siginfo_t *si);
/* Pending signals of the current task and its group, blocked or not, racy: for signalfd's poll. */
ksigset_t signals_pending_set(struct task *t);

/*
 * What clone, exec and exit owe to signals. thread_group's members for signals are set up by the
 * first; the others are called with the group's siglock held, at the moment when the task joins or
 * leaves it.
 */
void signals_group_init(struct thread_group *tg); /* queue, wait queue, stop state; not sighand */
void signals_join_locked(
	struct task *t); /* a new thread takes part in a stop or an exit that is under way */
/*
 * The current task ends: takes siglock itself. Marks it exiting, hands shared signals that only it
 * had been woken for to others, and lets a group stop that waits for it complete.
 */
void signals_exit(struct task *t);
/*
 * All threads of tg are to die with this wait status, unless that was decided before. Under
 * siglock.
 */
void group_exit_locked(struct thread_group *tg, int status);
/* One thread is to die by itself, for an exec of another one. Under siglock. */
void signals_kill_thread_locked(struct task *t);

/*
 * When no signal is to be looked at: makes a leftover -ERESTART* in current->sys_ret a restart of
 * the call.
 */
void signals_no_restart(void);

/* ---- job control ---- */

/*
 * No process of the group has a parent in another group of the same session. Under tasklist_lock;
 * `ignored` (may be NULL) counts as gone.
 */
bool pgrp_orphaned_locked(struct pid *pgrp, const struct thread_group *ignored);
/*
 * A process ends, or leaves its parent: groups that become orphaned by this and have stopped
 * members get SIGHUP and SIGCONT. Under tasklist_lock, while tg is still linked; for itself with
 * parent == tg->parent, and once for each of its children (as tg) with parent == the process that
 * ends, after the child was given its new parent.
 */
void pgrp_check_orphaned_locked(struct thread_group *tg, const struct thread_group *parent);

#endif
