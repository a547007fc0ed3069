/* Shared inside os/: host address spaces, their slots, and the processes in them. */
#ifndef HEDDLE_OS_HOSTMM_PRIV_H
#define HEDDLE_OS_HOSTMM_PRIV_H

#include "cpu.h"
#include "engine.h"
#include "hostmm.h"
#include "lock.h"
#include "stub/layout.h"
#include <sys/types.h>
#include "os/spin.h"
#include <urcu/list.h>

#define HOST_MM_MAX 32768 /* address spaces at a time */
#define KEPT_MAX 8 /* ended host processes that a CPU keeps attached, of each address space */
#define EXTRA_SLOTS 32768 /* slots for second and further threads, of all of them */

/*
 * What the reaper knows of a host process that is to end: part of what stands for it, since giving
 * it up can't fail.
 */
struct corpse {
	struct corpse *next;
	pid_t pid;
	bool sleeps; /* not killed yet */
	void (*done)(void *arg, const struct host_usage *u);
	void *arg;
};

/*
 * c constant   b the caller's serialisation of batches   l lock   a atomic
 *
 * Its control page is number id; its slots 0 and 1 are numbers 2 * id and 2 * id + 1 of the slots
 * file.
 */
struct host_mm {
	int id;			      /* c */
	pid_t keeper;		      /* c */
	struct stub_ctl *ctl;	      /* b: the kernel's alias of its control page */
	u32 seq;		      /* b */
	int keeper_core;	      /* b: where it was pinned last */
	int slots_end;		      /* b: slots below this were mapped at some time */
	bool fds_closed;	      /* b: the keeper has its own descriptors and no other */
	struct spinlock lock;	      /* rank OS */
	u64 slot_used[SLOT_MAX / 64]; /* l */
	u32 lost;		      /* l: see slot_lose(); a number in the slots file, 0: none */
	struct corpse corpse;	      /* its keeper's */
	/* l: struct host_task of ended threads, ready for reuse; those still attached come first */
	struct cds_list_head parked;
	struct cds_list_head tasks; /* l: those in use */
	bool dead;		    /* a, written under b: the keeper died */
	/*
	 * c: the keeper that was to make its own died, perhaps behind that: then one lives of which
	 * nobody knows the pid, until the kernel ends, and takes what is in this control page for
	 * its orders. So it is never anybody else's.
	 */
	bool astray;

	/*
	 * b: trampolines (tramp.c). Tasks of the mm look at them, too: a count grows when what it
	 * counts is there.
	 */
	int nr_areas;
	struct tramp_area {
		uaddr_t base; /* in the guest */
		u32 n;	      /* atomic */
	} areas[TRAMP_AREAS];
	void *tramps[TRAMP_AREAS];
};

/*
 * A host process that runs (or ran) one guest thread. What it has is its context's kthread's; while
 * it is parked, hm->lock's.
 */
struct host_task {
	struct cds_list_head link; /* hm->lock */
	struct host_mm *hm;	   /* constant */
	pid_t pid;
	int slot;	      /* in its host mm */
	u32 global_slot;      /* in the slots file */
	int core;	      /* where it is pinned, -1: nowhere */
	struct cpu *attached; /* parked: whose thread traces it still, stopped; NULL: none, it waits
				 at STUB_PARK */
	bool reaped; /* it died and was waited for: its pid may be another process's by now */
	bool fresh;  /* was never seen at STUB_PARK */
	struct corpse corpse;
	void (*ended)(void *arg,
		      const struct host_usage *u); /* or NULL; see context_destroy_last() */
	void *ended_arg;
	bool clean_fp;		  /* its FP state is the initial one */
	struct host_usage before; /* what it had used when its program began */

	/* The seccomp engine's: where it is, while it doesn't run. */
	int listener;	 /* the descriptor of its notifications, -1: none */
	u64 notif_id;	 /* of the one that waits for its answer */
	uaddr_t call_ip; /* behind that call, unless it is a stop */
	bool stopped; /* that is a stop in the stub, with registers in the frame `uc`; else a system
			 call */
	uaddr_t uc;   /* the guest's address of the host's ucontext on its slot */
	bool spun;    /* neither: it waits in a trampoline, and looks at its slot for the answer */
	bool asked;   /* a system call by a trampoline; its registers are in the slot, as those of a
			 spun one are */
	/*
	 * It was answered with other registers, which it finds in its slot; until it is heard of
	 * again.
	 */
	bool loading;
	uaddr_t save; /* where it is to save its vector state then (see engine_ops), 0: nowhere */
	u32 tries;    /* calls by trampolines, seen so far */
	struct spin spin;
	/*
	 * The call in hand came by a trampoline that copies (stub/tramp.S): what it reads is in
	 * SLOT_IN; what it writes may go to SLOT_OUT.
	 */
	bool copies;
	u32 in_len, out_len; /* 0: nothing */
	uaddr_t in_addr, out_addr;
};

/* Is it a host call that os/keepercalls.def lists? Keepers get no orders for others. */
bool keeper_may_call(u64 nr);

/* batch.c: the caller serialises what is done to one hm. */
extern struct zygote_fds keeper_fds; /* constant after boot */
/* One operation more in the control page; flags: OPF_*. */
struct stub_op *op_add(struct stub_ctl *ctl, u64 flags, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3,
		       u64 a4, u64 a5);
u32 next_seq(void); /* a number for a batch */
/*
 * This CPU's report descriptors: the index of the first of two. The last two are for a thread that
 * is no CPU.
 */
int report_index(void);
/* Gives the keeper the operations that are in the control page. */
void keeper_start(struct host_mm *hm);
/* How many of them succeeded, and the last result. -ESRCH: the keeper died. */
must_check int keeper_finish(struct host_mm *hm, int *done, u32 *last);
/* The same of a keeper that was started otherwise and answers to that report descriptor. */
must_check int keeper_wait(struct host_mm *hm, pid_t keeper, int report, int *done, u32 *last);
/* Of n operations: 0 if all succeeded, else the error of the one that didn't. */
must_check int batch_result(int n, int done, u32 last);
must_check int keeper_run(struct host_mm *hm, int *done, u32 *last); /* both */
/* All of it: that result, and the last call's. */
must_check int keeper_run_all(struct host_mm *hm, u32 *last);

bool process_is_dead(pid_t pid);
/* What the task in that slot may know of itself; NULL: nothing. */
void host_task_info(struct host_mm *hm, int slot, const struct stub_info *info);

void *slot_alias(u32 global_slot);
/* A field of the task's slot (SLOT_*). */
static inline void *slot_field(const struct host_task *ht, int offset)
{
	return (u8 *)slot_alias(ht->global_slot) + offset;
}
/* As host_futex_wait(), for words that other processes share. deadline is finite. */
int shared_futex_wait(u32 *word, u32 val, ktime_t deadline);
static inline uaddr_t slot_addr(int slot)
{
	return STUB_SLOTS + (u64)slot * SLOT_SIZE;
}

/* A copy of parent (NULL: the empty template) with one host process in it. */
must_check int host_mm_copy(struct host_mm *parent, struct host_mm **hm, struct host_task **ht);
/*
 * Should this CPU keep one more ended host process of hm attached? Only this CPU can use it then,
 * so where threads start on one CPU and end on another it must not keep many.
 */
bool host_task_keep(struct host_mm *hm);
/*
 * What stands for a host process, zeroed; NULL: no memory, or there are as many as there may be.
 * From any thread. Freed when the host process is gone.
 */
must_check void *host_process_alloc(size_t size);
void host_process_free(void *p);
/* Are there so many that none should be kept for later? */
bool host_processes_scarce(void);
/* Gives ht back for the next thread of hm; ht->attached is set. */
void host_task_park(struct host_mm *hm, struct host_task *ht);
/* From what a host process has used in all to what its present program has. */
void host_task_usage(const struct host_task *ht, struct host_usage *u);
/* It died, or must. */
void host_task_kill(struct host_mm *hm, struct host_task *ht);
/* Pins a host process to a core if it is not there yet. */
void host_task_pin(pid_t pid, int *where, int core);
/* Counts a turn of the host process that the host hands over. */
static inline void host_task_count_turn(const struct host_task *ht, struct cpu *cpu)
{
	if (ht->core == cpu->host_core)
		cpu->stat.same_core++;
	else
		cpu->stat.cross_core++;
}

/*
 * The spare (spare.c): an empty address space with one host process in it, for who would have to
 * make one. NULL: there is none. Wanted: is one missing that will be taken soon? Give: hm becomes
 * the spare, or goes. Make: have it made, if it's wanted and the host has a core for that.
 */
must_check struct host_mm *spare_take(struct host_task **ht);
must_check bool spare_wanted(void);
void spare_give(struct host_mm *hm);
void spare_make(void);
/* Never had it more than one host process? For who serialises batches, or the only task. */
must_check bool host_mm_alone(const struct host_mm *hm);
/* Nothing of ht's program is left in its slot, and known of it; it sleeps in a call. */
void host_task_wipe(struct host_task *ht);
/*
 * hm has one host process left, ht, and no user: clear unmaps all that was the guest's; false: it
 * is of no use any more. Renew does the rest that makes it a new one but for ht's registers, which
 * the engine knows; ht sleeps in a call.
 */
must_check bool host_mm_clear(struct host_mm *hm);
void host_mm_renew(struct host_mm *hm, struct host_task *ht);

/*
 * The reaper: SIGKILLs and waits for a process in its own time, then calls done(arg, what it used),
 * which may free c. In the order of these calls. One that doesn't sleep, or might be woken by
 * anybody, is killed at once.
 */
void reap_later(struct corpse *c, pid_t pid, bool sleeps,
		void (*done)(void *arg, const struct host_usage *u), void *arg);

#endif
