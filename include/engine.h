/*
 * Engines: how guest execution is started and intercepted. A context is one guest thread's register
 * state and its host process. Shaped after the privileged/unprivileged context interface that Jeff
 * Dike proposed in 2002: create, run until something happens, cancel or complete the event, run
 * again.
 *
 * A context is used by one kthread at a time: its own, or one that holds it stopped.
 */
#ifndef HEDDLE_ENGINE_H
#define HEDDLE_ENGINE_H

#include "types.h"

/* The guest's registers, in the order of the host's struct user_regs_struct (asserted in os/). */
struct pt_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	u64 rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss;
	u64 fs_base, gs_base, ds, es, fs, gs;
};
#define USER_CS 0x33
#define USER_DS 0x2b
#define EFLAGS_FIXED 0x202 /* IF, and the bit that is always set */

enum event_kind {
	EVENT_SYSCALL, /* sys is valid */
	EVENT_FAULT,   /* fault is valid: becomes a signal for the guest */
	EVENT_KICK,    /* nothing: somebody wants the kernel to look around */
	EVENT_STEPPED, /* over the jump of a patched call site, to where nobody steps: fault.addr is
			  the site, which is to be restored */
	EVENT_DIED,    /* the host process is gone; died_status is its wait status */
};

struct fault {
	int signo;    /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
	int code;     /* si_code */
	uaddr_t addr; /* si_addr */
	u64 trapno, error_code, cr2;
};

struct event {
	enum event_kind kind;
	struct {
		u64 nr; /* ~0 for a foreign ABI (int 0x80, x32): ENOSYS */
		u64 args[6];
		u64 ip, sp; /* sp is 0 where the engine learns it only with all registers */
	} sys;
	struct fault fault;
	int died_status;
};

struct host_mm;
struct host_task;
struct context;
struct cpu;
struct stub_setup;

/* Spin as long as a wake-up takes, and only while the host has a core to spare. */
#define SPIN_AUTO UINT32_MAX

struct engine_ops {
	const char *name;
	const struct stub_setup *setup; /* what new host processes do (os/) */
	/* 0, or -errno with the reason in why. */
	int (*probe)(char *why, size_t size);
	/*
	 * Takes charge of a new host process, which starts up at this moment. -EAGAIN: limits of
	 * the host; -ESRCH: it died.
	 */
	int (*adopt)(struct host_task *ht);
	bool adopts_anywhere; /* adopt() may be called by any thread, not only on the CPU that runs
				 it first */
	/*
	 * Makes a host process as one that was just adopted; its memory was emptied. -ESRCH: it
	 * died. NULL: it can't.
	 */
	int (*renew)(struct context *c);
	/*
	 * For an exec that keeps the host process: it computes nothing from here on until it is
	 * run, and goes on then with nothing that its old program made. -ESRCH: it died.
	 */
	int (*exec)(struct context *c);
	/* Runs the guest on this CPU until something happens. */
	void (*run)(struct context *c, struct event *ev);
	/* Completes a system call: what the guest finds in rax when it runs next. */
	void (*set_result)(struct context *c, u64 rax);
	/*
	 * All registers, fetched on demand; valid until the next run. A pointer so that they can be
	 * changed: then regs_changed().
	 */
	struct pt_regs *(*regs)(struct context *c);
	void (*regs_changed)(struct context *c);
	/*
	 * Unbinds the context from this CPU's host thread, so that another CPU can run it. On the
	 * CPU that ran it last.
	 */
	void (*release)(struct context *c);
	/* Floating-point and vector state in XSAVE format. size in bytes; -errno. */
	int (*get_xstate)(struct context *c, void *buf, size_t size);
	int (*set_xstate)(struct context *c, const void *buf, size_t size);
	/*
	 * Has the guest save that state itself, without the kernel's seeing it, in an area of a
	 * signal frame at `at`, whose header is zero; it goes on with the initial state. When it
	 * runs next, and unless this is called again with 0 before. False: not possible here. May
	 * be NULL.
	 */
	bool (*save_xstate)(struct context *c, uaddr_t at);
	/*
	 * At boot: sets up trampolines, and spinning for at most so many us, or SPIN_AUTO. False:
	 * the host's signal frames leave no room. NULL: of no use.
	 */
	bool (*use_trampolines)(u32 spin);
	/* Async-signal-safe, on the CPU's own thread: makes its running guest stop. */
	void (*kick_self)(struct cpu *cpu);
};
extern const struct engine_ops *engine; /* constant after boot */
extern const struct engine_ops ptrace_engine, seccomp_engine;
/*
 * The seccomp engine waits for a host process by poll() first, and looks four times a second
 * whether it is dead: as hosts need it whose listeners don't tell that, at one more call a turn; or
 * as --debug poll asks for. Constant after boot.
 */
extern bool seccomp_polls;

size_t xstate_size(void); /* bytes of the host's XSAVE area with all enabled features */
/*
 * The area that signal frames have: without what a program must first ask for (AMX tile data),
 * which guests can't. Its size, 512 on a host without XSAVE; and the features in it.
 */
size_t xstate_frame(u64 *features);

/*
 * Contexts and their host processes. A new one is made in two steps: first the host process, by the
 * keeper, so the caller serialises what concerns the (parent's) host mm; then the context, which
 * waits for the host process to be ready and no longer concerns others of the host mm.
 *
 * host_task_create: one in hm, for a further thread; ERR_PTR(-EAGAIN, -ENOMEM). host_mm_fork: a new
 * host mm, a copy of parent's (NULL: an empty one), with one in it. context_create: all registers
 * zero and default FP state; ERR_PTR(-ESRCH, -ENOMEM), ht being given up then.
 */
must_check struct host_task *host_task_create(struct host_mm *hm);
must_check int host_mm_fork(struct host_mm *parent, struct host_mm **hm, struct host_task **ht);
must_check struct context *context_create(struct host_mm *hm, struct host_task *ht);
/*
 * Its thread has ended, or execs away: parks its host process for the next thread, or kills it. On
 * the CPU that ran it last.
 */
void context_destroy(struct context *c);
/*
 * The same when nothing else runs in its host mm any more: its host process is of no use to
 * anybody. What that used becomes known when it is dead, after a while: then ended(arg) is called,
 * once, by the reaper.
 */
struct host_usage;
void context_destroy_last(struct context *c, void (*ended)(void *arg, const struct host_usage *u),
			  void *arg);
/*
 * The same again, but its host process, and the host mm, are kept for another program if they are
 * worth it (os/spare.c): ended() has been called then, and both belong to nobody. False: nothing
 * has been done, or it died.
 */
must_check bool context_recycle(struct context *c,
				void (*ended)(void *arg, const struct host_usage *u), void *arg);
/*
 * For an exec that wants to keep the host mm: is it so that nobody else may compute there, and c
 * neither until it is run? Others may, where there ever were some: a host process whose thread has
 * ended is left as it is, or dies some day. False: the program needs a new one.
 */
must_check bool context_exec(struct context *c);
int context_copy_xstate(struct context *to, struct context *from);
int context_reset_xstate(struct context *c);
/*
 * Copies through the context's slot, for the call in hand, where a trampoline brought it. In: n
 * bytes at `from`, if it came with them; a string at `from` with its NUL, if all of it came: its
 * length with the NUL, else 0. Out: n bytes which the guest puts at `to` itself when it gets its
 * answer; the caller knows that it can write there. One piece a call; false: not so, copy
 * otherwise. Flush writes it at once; false: EFAULT.
 */
must_check bool context_copy_in(struct context *c, void *to, uaddr_t from, size_t n);
must_check size_t context_string_in(struct context *c, char *to, uaddr_t from, size_t size);
must_check bool context_may_copy_out(struct context *c, size_t n);
void context_copy_out(struct context *c, uaddr_t to, const void *from, size_t n);
must_check bool context_copy_flush(struct context *c);
/* Is [addr, addr + n) part of what is to go out? */
must_check bool context_copy_pending(struct context *c, uaddr_t addr, size_t n);

/*
 * What the task may know of itself without asking, until it is told anew; NULL: nothing. By the
 * task itself, or before it runs.
 */
struct context_ids {
	u32 tgid, tid, uid, euid, gid, egid;
};
void context_set_ids(struct context *c, const struct context_ids *ids);
pid_t context_host_pid(const struct context *c);
/*
 * The stack pointer of a host process that is in a call with these arguments, as the host tells it;
 * 0: it isn't.
 */
u64 host_process_sp(pid_t pid, const u64 args[6]);
/*
 * What the host counted for its host process: page faults, and what is resident of its host mm, in
 * pages. -errno.
 */
struct host_usage {
	u64 minflt, majflt, resident;
};
must_check int context_usage(const struct context *c, struct host_usage *u);
/*
 * *bound is 1 while the context is attached to a CPU's thread, so that only this CPU may touch it
 * or release() it; engines keep it up to date (struct kthread's bound). Any operation on registers
 * or FP state may attach.
 */
void context_set_owner(struct context *c, u32 *bound);
/*
 * The CPU to whose thread c is attached; -1: none. Stable for who may release() it, and for the
 * owner of one that hasn't run yet.
 */
int context_cpu(const struct context *c);

#endif
