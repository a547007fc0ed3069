/* A context as the engines share it. */
#ifndef HEDDLE_OS_CONTEXT_H
#define HEDDLE_OS_CONTEXT_H

#include "cpu.h"
#include "engine.h"
#include "os/hostmm_priv.h"

/*
 * What a new guest process does last, and which signals its stub takes: the engine's choice.
 * Addresses lie in the stub's text.
 */
struct stub_setup {
	u32 filter_flags; /* of its seccomp() */
	uaddr_t filter;	  /* its struct sock_fprog */
	uaddr_t start;	  /* where it goes on */
	uaddr_t sigaction;
	bool takes_kicks; /* SIG_KICK has the handler, too */
};

/* Ignored by default, so that one left pending does nothing where nobody takes it. */
#define SIG_KICK SIGURG

/*
 * The host process which each CPU runs, 0 for none. Written by its own CPU; only its own signal
 * handler reads it.
 */
extern pid_t userspace_pid[MAX_CPUS];

/* Faults of the guest: signals whose frame is the stub's. */
bool is_fault_signal(int sig);

/* Used by one kthread at a time. */
struct context {
	struct host_mm *hm;
	struct host_task *ht;
	struct cpu *bound; /* whose thread has it attached; NULL: parked */
	u32 *owner_bound;  /* atomic: tells the owner's scheduler the same; NULL: no owner yet */
	struct pt_regs regs;
	bool regs_valid;     /* regs holds what the host process has (or regs_dirty) */
	bool regs_dirty;     /* the host process is to get regs before it runs */
	bool result_dirty;   /* only rax has changed: result */
	bool in_signal_stop; /* ptrace: stopped by a signal, not at a system call: orig_rax must be
				cleared */
	bool dead;	     /* the host process died */
	int died_status;
	void *xstate; /* to be loaded before it runs; NULL: nothing */
};

/* What both engines want of the host. -ENOSYS: it hasn't that, and why says what. */
must_check int context_probe(char *why, size_t size);
void context_died(struct context *c);
void xstate_initial(void *xs, size_t size);
/* Registers as a signal frame has them; segment bases stay as they are, since frames lack them. */
void regs_from_frame(struct pt_regs *r, const long long *gregs);
/* The system call nr, whose arguments are in the registers. */
void syscall_from_regs(struct event *ev, const struct pt_regs *r, u64 nr);
/* Reads n bytes at addr of its slot; the address came from the guest, so it is checked. */
must_check bool slot_read(const struct host_task *ht, void *to, uaddr_t addr, size_t n);
/* Has a new host process come so far that it makes no call of its own any more? */
must_check bool filter_installed(const struct host_task *ht);
/*
 * Waits until a new host process has reported; false: it died, or something tampered with its slot.
 */
must_check bool wait_ready(struct host_task *ht);

/*
 * Notes whose thread has it attached (NULL: nobody's any more), for the engine and for the owner.
 */
void context_bind(struct context *c, struct cpu *cpu);

#endif
