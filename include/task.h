/*
 * Tasks (guest threads), thread groups (processes) and their relations.
 *
 * Locks: tasklist_lock (rank TASKLIST) protects parent/child/sibling links, pid links, sessions and
 * groups, exit states. tg->siglock protects signal state and the member list of the group. Lookups
 * by pid use RCU: find_task() etc. return a new reference.
 */
#ifndef HEDDLE_TASK_H
#define HEDDLE_TASK_H

#include "engine.h"
#include "ktime.h"
#include "lock.h"
#include "rcu.h"
#include "sched.h"
#include "signals.h"
#include "types.h"
#include "wait.h"
#include <sys/resource.h>

#define TASK_COMM_LEN 16
#define PID_MAX 4194304
#define TIMER_SLACK_DEFAULT 50000 /* ns */

enum pid_type { PIDTYPE_TID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };

/*
 * A process id: lives as long as someone refers to it (task, pidfd, tty, session), so it can't be
 * reused under them.
 */
struct pid {
	u32 refs;				 /* atomic */
	pid_t nr;				 /* constant */
	struct cds_list_head tasks[PIDTYPE_MAX]; /* tasklist_lock: thread groups: pgrp_link on
						    [PGID], session_link on [SID] */
	struct task *task;	     /* RCU: the task with this tid, or NULL once it is gone */
	struct wait_queue exit_wait; /* pidfd pollers */
	struct thread_group *tg;     /* RCU: the process with this pid, until it is reaped */
	struct rcu_head rcu;
};

struct mm;
struct files;
struct fs_context;
struct cred;
struct tty;
struct ktimer_list;
struct file;

/* A struct rlimit64 that others may change meanwhile. */
struct racy_rlimit {
	racy_u64 rlim_cur, rlim_max;
};

/*
 * What was read and written by calls, as /proc/PID/io has it: bytes, and how many calls, failed
 * ones included.
 */
struct io_count {
	racy_u64 rchar, wchar, syscr, syscw;
};

/* A process. */
struct thread_group {
	u32 refs;		      /* atomic: one a member task, and others */
	struct task *leader;	      /* tasklist_lock; the one whose tid is the tgid */
	struct cds_list_head threads; /* siglock + tasklist_lock to change: task->group_link */
	int nr_threads;		      /* the same: those that have not exited */
	struct spinlock siglock;
	struct sighand *sighand;	  /* constant until exec */
	struct sigpending shared_pending; /* siglock */
	ksigset_t sent_to_many; /* siglock: those of them that went to several processes, as to a
				   process group */
	struct wait_queue signalfd_wait; /* woken for each signal sent to the group or a member */
	struct wait_queue child_wait;	 /* wait4 by members */
	struct cds_list_head
		children; /* tasklist_lock: child_link of leaders whose parent is one of ours */

	/* exit and exec: siglock */
	bool group_exit;	/* everybody is to die with group_exit_code */
	int group_exit_code;	/* wait status */
	struct task *exec_task; /* the one that waits for the others to die, for exec */
	struct wait_queue exec_wait;
	/* job control: siglock */
	int stop_signal;	     /* nonzero: stopped, or stopping, by it */
	int stop_pending;	     /* threads yet to stop */
	bool stopped, stop_reported; /* all are stopped; parent was told */
	bool continued;		     /* wait(WCONTINUED) not yet told */
	int cld_notify; /* CLD_STOPPED, CLD_CONTINUED: the parent is to be told by the next member
			   that looks */

	struct thread_group *parent; /* tasklist_lock */
	pid_t parent_tid; /* tasklist_lock: the parent's thread that forked it, for __WNOTHREAD */
	struct cds_list_head child_link; /* tasklist_lock */
	bool is_subreaper;		 /* tasklist_lock */
	int exit_signal;		 /* tasklist_lock: sent to the parent; SIGCHLD mostly */
	bool exit_decided; /* siglock: the last member has begun to exit; exit_status is final */
	int exit_status;   /* siglock; valid when zombie */
	bool zombie;	   /* tasklist_lock: all threads gone, not yet reaped */

	struct pid *pgrp, *session;		      /* tasklist_lock; RCU readers */
	struct cds_list_head pgrp_link, session_link; /* tasklist_lock: on pid->tasks[PGID/SID] */
	struct tty *tty;			      /* siglock: controlling terminal */
	struct pid *tty_old_pgrp; /* siglock, +1: the foreground when the leader's terminal was hung
				     up */
	racy_bool did_exec;	  /* setpgid by the parent is over */

	struct racy_rlimit rlim[RLIM_NLIMITS]; /* siglock to change */
	struct ktimer_list *timers;    /* POSIX timers, siglock; kernel/time/posix_timer.c */
	struct cpu_timers *cpu_timers; /* siglock; kernel/time/cputimer.c */
	struct timer itimer_real;      /* siglock */
	ktime_t itimer_real_interval;  /* siglock */
	bool itimer_real_on;	       /* siglock: armed, or its callback is on the way */
	/* sums over dead threads, and reaped children: siglock */
	u64 utime_ns, stime_ns, cutime_ns, cstime_ns, nvcsw, nivcsw, cnvcsw, cnivcsw;
	struct usage *usage;   /* constant, +1: page faults and memory of the same */
	struct io_count io;    /* siglock: dead threads and reaped children together, as on Linux */
	ktime_t start_time;    /* constant: CLOCK_MONOTONIC (boot-relative by the reader) */
	int oom_score_adj;     /* atomic */
	int oom_score_adj_min; /* atomic: how low it may go without CAP_SYS_RESOURCE */
	struct rcu_head rcu;
};

/* Bits of task->work, atomic: things to do on the way back to the guest. */
#define WORK_SIGNAL 1u	     /* signals_deliver() */
#define WORK_DIE 2u	     /* the group exits */
#define WORK_RESTORE_MASK 4u /* put saved_mask back unless a handler runs */
#define WORK_CPUTIMER                                                                              \
	8u /* CPU-time timers rested while nobody ran, or it is new: signals_deliver() plans them  \
	    */

/*
 * c constant after creation   o only by itself   s tg->siglock   t tasklist_lock   a atomic   no
 * letter: o
 *
 * A reference on a task doesn't keep its pid: others than the task itself follow t->pid only under
 * tasklist_lock, while it is attached.
 */
struct task {
	struct kthread kt;		 /* first member: current is derived from it */
	u32 refs;			 /* a */
	u32 work;			 /* a: WORK_* */
	struct pid *pid;		 /* c until exec by a non-leader, which swaps under t */
	pid_t tid;			 /* the same */
	struct thread_group *tg;	 /* c */
	struct cds_list_head group_link; /* s */

	struct context *ctx;   /* o (others only when it is stopped) */
	struct mm *mm;	       /* o; others: lock, task_mm_get(). NULL when exiting */
	struct files *files;   /* the same: task_files_get() */
	struct fs_context *fs; /* the same: task_fs_get() */
	struct spinlock
		lock; /* rank MISC: mm, files, fs pointers against readers in other tasks; comm */
	struct cred *cred;	  /* RCU; changed only by itself */
	char comm[TASK_COMM_LEN]; /* lock: task_set_comm() */
	bool undumpable; /* lock: mm is NULL, and the one that it had was not to be looked into */

	/* system call in progress: o; /proc looks while it sleeps (kthread_while_asleep()) */
	u64 sys_nr;
	bool ids_published; /* what it may know of itself without asking is right (patch.h) */
	/*
	 * Where this call's result may be copied to by the task itself; and what is known of that
	 * place, as long as mm->map_seq is the same.
	 */
	bool copy_out;
	u32 writable_seq;
	uaddr_t writable_start, writable_end;
	u64 sys_args[6];
	long sys_ret;	   /* raw result of the handler, maybe -ERESTART* */
	bool in_call;	   /* sys_nr, sys_args and event.sys are those of the call that it is in */
	racy_int host_pid; /* o to write; others may find an old one */
	bool in_syscall;   /* results of it may be restarted by signal delivery */
	bool regs_set; /* the call set all registers itself (sigreturn, exec): don't store a result
			*/
	struct event event;
	/* c: what it does before it first enters the guest; only init has that. */
	void (*start)(struct task *t);
	struct {
		long (*fn)(struct task *t); /* restart_syscall() */
		u64 arg[6];
	} restart;

	/* signals */
	ksigset_t blocked;	   /* s; o to read */
	ksigset_t saved_mask;	   /* o: with WORK_RESTORE_MASK */
	struct sigpending pending; /* s */
	ksigset_t sigwait_set; /* s: sigtimedwait waits for these: they are blocked, but wake it */
	bool stop_counted;     /* s: one of tg->stop_pending */
	bool stop_dequeued; /* s: took a stop signal whose stop has not begun; SIGCONT clears it */
	struct {
		u64 trapno, error_code, cr2;
	} last_fault;			   /* o: what signal frames show */
	struct sigaltstack_state altstack; /* o */
	racy_int exit_code;		   /* o to write: wait status of this thread */
	bool exiting;			   /* s */
	bool times_folded;		   /* s: its CPU times are among the sums of its group */
	bool killed;	/* a: SIGKILL pending or group exit; ends killable sleeps */
	int stopped_by; /* s: takes part in a group stop */

	uaddr_t set_child_tid, clear_child_tid; /* o */
	racy_u64 robust_list;			/* o to write */
	struct {
		uaddr_t area; /* 0: not registered */
		u32 sig;
		int cpu;	      /* what the area says */
		bool interrupted;     /* elsewhere than by a system call, since it ran last */
	} rseq;			      /* o; rseq.h */
	struct wait_queue vfork_wait; /* its own lock: who made it by vfork sleeps here */
	bool vfork_done;	      /* a: it has executed a program, or ends */
	racy_int pdeath_signal;	      /* o to write */
	struct scm_files *scm_doomed; /* o: files of dropped messages, while this task puts them
					 (kernel/net/scm.c) */
	bool scm_dropping;	      /* o: the same */
	bool nproc_exceeded;	 /* o: setuid() took its user over RLIMIT_NPROC, for exec to tell */
	racy_u64 timer_slack_ns; /* o to write */
	racy_bool sched_reset_on_fork; /* by whoever may change its policy: children start with the
					  default one */
	u32 personality;	       /* a, o to write: personality(2) */
	u16 ioprio;		       /* a: ioprio_set(2); nothing schedules by it */
	racy_u64 minflt, majflt;       /* o to write */
	struct io_count io;	       /* o to write */
	ktime_t start_time;	       /* c */
	struct rcu_head rcu;
};

#define current ((struct task *)current_kthread())

extern struct spinlock tasklist_lock;
extern struct task *init_task; /* the guest's first process */

/* References. find_* return +1 or NULL. */
struct task *task_get(struct task *t);
void task_put(struct task *t);
must_check struct task *find_task(pid_t tid); /* any thread */
must_check struct task *pid_task(
	struct pid *p); /* the thread of that id; of a leader until it is reaped */
must_check struct thread_group *find_process(pid_t tgid); /* a live or zombie process */
struct thread_group *tg_get(struct thread_group *tg);
void tg_put(struct thread_group *tg);
struct pid *pid_get(struct pid *p);
void pid_put(struct pid *p);
must_check struct pid *find_pid(pid_t nr);
pid_t pid_last(void);			/* the number given out last */
must_check struct pid *pid_alloc(void); /* ERR_PTR(-EAGAIN, -ENOMEM) */
/*
 * Calls fn for each process, under RCU: fn must not sleep; nonzero ends it. In order of tgid
 * starting at `from`.
 */
must_check struct thread_group *next_process(pid_t from); /* lowest tgid >= from, +1 */
static inline pid_t tg_nr(const struct thread_group *tg)
{
	return tg->leader->tid;
}

struct mm *task_mm_get(struct task *t);	      /* +1 or NULL */
struct files *task_files_get(struct task *t); /* +1 or NULL */
struct fs_context *task_fs_get(struct task *t);

/* Its name, cut at 15 bytes. Both take t->lock. */
void task_set_comm(struct task *t, const char *name);
void task_get_comm(struct task *t, char comm[TASK_COMM_LEN]);

/*
 * May the caller look into t? By file system ids or by real ones: ptrace(2), "Ptrace access mode
 * checking".
 */
enum trace_ids { TRACE_FSIDS, TRACE_REALIDS };
bool task_may_trace(struct task *t, enum trace_ids ids);
/* The same for who has these credentials and is not of t's process. */
bool cred_may_trace(const struct cred *me, struct task *t, enum trace_ids ids);
/*
 * The mm of t, +1, if the caller may look into it. ERR_PTR(-EACCES); ERR_PTR(-ESRCH): it has none
 * any more. May sleep.
 */
must_check struct mm *task_mm_access(struct task *t, enum trace_ids ids);
/* Is that its mm still? If so it hasn't executed another program meanwhile, nor ended. */
bool task_has_mm(struct task *t, const struct mm *mm);

/* ---- iocount.c ---- */

/* A call of the current task has read or written n bytes, or failed. */
static inline void io_count_call(ssize_t n, bool write)
{
	struct io_count *io = &current->io;

	if (write) {
		io->wchar += n > 0 ? n : 0;
		io->syscw++;
	} else {
		io->rchar += n > 0 ? n : 0;
		io->syscr++;
	}
}
void io_count_add(struct io_count *sum, const struct io_count *io);
/*
 * A member is leaving: what it has goes to the sums of its group. Under siglock, as
 * cputime_fold_locked(), where it is marked as such.
 */
void io_count_fold_locked(struct task *t);
/* Of all members, those that have ended, and children that were reaped. */
void io_count_group(struct thread_group *tg, struct io_count *sum);

/* ---- life ---- */

/* The current task ends with this wait status. */
noreturn_ void task_exit(int status);
/* The current group ends: marks and wakes all others, then exits. */
noreturn_ void group_exit(int status);

/* The wait status with which init ended; valid when smp_run() has returned. */
extern int init_exit_status;
/* Processes forked so far, and tasks that exist now, for /proc. Atomic. */
extern u64 nr_forks;
extern u32 nr_tasks;
/* How many there may be: the host's limit, or one for each 128 KiB of memory, as on Linux. */
u32 tasks_max(void);

/* The engine run loop of a task (kernel/task/run.c); its kthread's function. */
noreturn_ void task_main(void *arg);

#endif
