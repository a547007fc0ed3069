/*
 * The stub area, at the same addresses in every guest address space. Included by C and assembly.
 *
 *	STUB_TEXT   code, and constant data; from the zygote's own image; read and execute
 *	STUB_CTL    the control page, and the tasks' info: one a host mm; the kernel writes it
 *through an alias, here it is read-only STUB_SLOTS  slots, writable: slot 0 is the keeper's, the
 *others one a task
 *
 * The area ends below the place where the host puts the zygote's own stack and vDSO when it is
 *executed without address space randomisation.
 */
#ifndef HEDDLE_STUB_LAYOUT_H
#define HEDDLE_STUB_LAYOUT_H

#define STUB_BASE 0x7fffc0000000
#define STUB_END 0x7fffe0000000
#define HOST_TASK_SIZE 0x7ffffffff000 /* user space ends there */
#define STUB_TEXT STUB_BASE
#define STUB_CTL 0x7fffc0010000
#define STUB_SLOTS                                                                                 \
	0x7fffc8000000 /* a multiple of their size in all, so that their addresses are told by the \
			  upper bits */
#define STUB_SLOTS_SHIFT 27
#define SLOT_SIZE 0x8000
#define SLOT_SHIFT 15
#define SLOT_MAX 4096 /* a host mm, the keeper's included */

/*
 * Where the host's vvar and vDSO pages are moved to, and where ours lies; below TASK_SIZE, so that
 * the guest can read them.
 */
#define STUB_VDSO_AREA 0x7fffbfe00000
#define STUB_VDSO_AREA_SIZE 0x20000

/*
 * Fixed places in the text: the only host calls that a guest's host process may make lie there.
 */
#define STUB_FILTERED (STUB_TEXT + 0x3c0)  /* a new task reports that it is ready; then it parks */
#define STUB_PARK (STUB_TEXT + 0x400)	   /* waits for ever */
#define STUB_PARK_IP (STUB_TEXT + 0x422)   /* behind its syscall instruction */
#define STUB_FAULT (STUB_TEXT + 0x480)	   /* signal handler */
#define STUB_FAULT_IP (STUB_TEXT + 0x4a2)  /* behind its syscall instruction */
#define STUB_SIGACTION (STUB_TEXT + 0x500) /* the struct sigaction of STUB_FAULT */
#define STUB_FILTER (STUB_TEXT + 0x600)	   /* struct sock_fprog of the tasks' filter */

/* The same for the seccomp engine. */
#define STUB_NOTIFY_START                                                                          \
	(STUB_TEXT + 0x700) /* a new task reports, and waits for its first registers */
#define STUB_READY_IP (STUB_TEXT + 0x722)	/* behind its futex wake */
#define STUB_START_IP (STUB_TEXT + 0x732)	/* behind the call that is notified */
#define STUB_CLOSE_IP (STUB_TEXT + 0x752)	/* behind its close_range */
#define STUB_STOP (STUB_TEXT + 0x780)		/* signal handler */
#define STUB_STOP_IP (STUB_TEXT + 0x7a2)	/* behind the call that is notified */
#define STUB_SIGRETURN_IP (STUB_TEXT + 0x7d2)	/* behind its rt_sigreturn */
#define STUB_STOP_SIGACTION (STUB_TEXT + 0x800) /* the struct sigaction of STUB_STOP */
#define STUB_NOTIFY_FILTER (STUB_TEXT + 0x840)	/* struct sock_fprog */
#define STUB_SEND                                                                                  \
	(STUB_TEXT + 0xb00) /* a new task sends its listener, and goes on at STUB_NOTIFY_START */
#define STUB_SEND_IP (STUB_TEXT + 0xb22) /* behind its sendmsg */

/*
 * Where trampolines lead (tramp.S). A task's call is on its way in one of these stretches of code;
 * what its registers mean then, see os/tramp.c.
 */
#define STUB_ENTRY (STUB_TEXT + 0x1000) /* from here: eax call and flags, rcx return address */
#define STUB_ENTRY_SAVED (STUB_TEXT + 0x1060) /* both in the slot; the call wasn't made */
#define STUB_FLAGS (STUB_TEXT + 0x1180)	      /* from behind here ... */
#define STUB_FLAGS_END (STUB_TEXT + 0x11a0)   /* ... up to here rsp is in the slot */
#define STUB_COMMIT_IP (STUB_TEXT + 0x1300)   /* behind the instruction that gives the call away */
#define STUB_WAIT_IP (STUB_TEXT + 0x1352)     /* behind the call which waits for its answer */
#define STUB_ASK (STUB_TEXT + 0x1370)	      /* not made */
#define STUB_ASK_IP (STUB_TEXT + 0x1382)      /* behind the call by which the host tells of it */
#define STUB_ANSWERED (STUB_TEXT + 0x13a0)    /* the result is in the slot */
#define STUB_FINISH (STUB_TEXT + 0x1430)      /* in r11; call and return address in the slot */
#define STUB_LEAVE (STUB_TEXT + 0x1443)	      /* as at the entry */
#define STUB_TAIL (STUB_TEXT + 0x1450)	      /* r11 becomes rax, rcx rip; flags in ax */
#define STUB_TAIL_ADDED (STUB_TEXT + 0x1452)  /* overflow is in the flags, the rest in ah */
#define STUB_TAIL_FLAGS (STUB_TEXT + 0x1453)  /* all flags are as they were */
#define STUB_ENTRY_END (STUB_TEXT + 0x1458)
/* An answer that changes registers: in between they are of no meaning. */
#define STUB_LOAD (STUB_TEXT + 0x1800)
#define STUB_SAVE (STUB_TEXT + 0x1840)	/* the instruction which saves the vector state */
#define STUB_SAVED (STUB_TEXT + 0x184c) /* it is saved */
#define STUB_LOAD_END (STUB_TEXT + 0x1940)
#define STUB_INITIAL_SIZE                                                                          \
	0x1000 /* of an XSAVE area behind it; with larger ones no answer changes registers */

/* The control page. Offsets are checked against struct stub_ctl in C. */
#define CTL_SEQ 0	  /* u32: futex; number of the batch to run */
#define CTL_NOPS 4	  /* u32 */
#define CTL_REPORT_FD 8	  /* u32: where this batch reports to */
#define CTL_KERNEL_PID 12 /* u32 */
#define CTL_FORK_OFF                                                                               \
	16	    /* u64: offset of a forked child's control page in descriptor KEEPER_FD_CTL */
#define CTL_ZERO 24 /* u32: always 0; parked processes wait here */
/* What a new task does last: the engine's. */
#define CTL_TASK_FLAGS 28  /* u32: of its seccomp() */
#define CTL_TASK_FILTER 32 /* u64: address of the struct sock_fprog */
#define CTL_TASK_START 40  /* u64: where it goes on */
#define CTL_TASK_SIGMASK                                                                           \
	48 /* u64: what it, and the keeper, have blocked until its first registers are loaded */
#define CTL_TASK_SOCKET                                                                            \
	56 /* u32: a descriptor that it keeps, to send its listener; CTL_NO_SOCKET: the kernel     \
	      fetches that */
#define CTL_NO_SOCKET 0xffffffff
#define CTL_OPS 64
#define CTL_LISTENER 2944 /* what it sends */
#define CTL_DATA 3072	  /* structures which operations point to */
#define CTL_DATA_SIZE 256
/*
 * What each task may know of itself without asking: an array by slot, read-only like the control
 * page, which it follows.
 */
#define CTL_INFO (CTL_DATA + CTL_DATA_SIZE)
#define INFO_SHIFT 5 /* of its size */
#define INFO_SIZE (1 << INFO_SHIFT)
#define CTL_SIZE 0x3000
#define INFO_MAX ((CTL_SIZE - CTL_INFO) / INFO_SIZE)
#define INFO_NONE 0xffffffff /* in any field: ask the kernel */
#define INFO_TGID 0
#define INFO_TID 4
#define INFO_UID 8
#define INFO_EUID 12
#define INFO_GID 16
#define INFO_EGID 20
#define INFO_CPU 24

/*
 * What the kernel has of each host mm, in one file: the pages above, then those of trampolines,
 * which are mapped when the first is needed.
 */
#define CTL_TRAMP CTL_SIZE
#define TRAMP_AREAS 2
#define TRAMP_AREA_SIZE 0x4000
#define TRAMP_SIZE 64
#define CTL_STRIDE 0x10000

/* One operation: a register set and what to make of the result. */
#define OP_NR 0
#define OP_ARGS 8
#define OP_FLAGS 56
#define OP_EXPECT 64
#define OP_SIZE 72
#define CTL_MAX_OPS 40

#define OPF_IGNORE 1 /* a failure doesn't end the batch */
#define OPF_EXPECT 2 /* any other result than OP_EXPECT: exit */
#define OPF_TASK 4   /* a clone whose child is a task; its slot is in args[5] */
#define OPF_FORK 8   /* a clone whose child is a keeper */
#define OPF_CMPXCHG                                                                                \
	16 /* no call: atomic compare and exchange of *(u32 *)args[0]: args[1] -> args[2]; ends    \
	      the batch */
#define OPF_CMPXCHG64 32 /* the same of 64 bits */
#define OPF_QUIET 64	 /* with OPF_IGNORE: nor does its result replace that of the one before */

/* A slot: hand-off words, then the signal stack. Guest-writable: nothing here is trusted. */
#define SLOT_READY                                                                                 \
	0 /* u32: futex; a new task has reached STUB_PARK; slot 0: number of the last batch done   \
	   */
#define SLOT_FS 32 /* u64: segment bases that the guest goes on with (seccomp engine) */
#define SLOT_GS 40
/* A call by a trampoline. */
#define SLOT_STATE 48	/* u32: CALL_* */
#define SLOT_NR 52	/* u32: number << 16 | flags as LAHF and SETO give them */
#define SLOT_RETURN 56	/* u64: the address behind the call */
#define SLOT_ARGS 64	/* 6 u64 */
#define SLOT_RESULT 112 /* u64 */
#define SLOT_TRIES 120	/* u32: counts calls */
/* What is copied along with it: the guest's address, and as many bytes of SLOT_IN or SLOT_OUT. */
#define SLOT_IN_LEN 124	  /* u32 */
#define SLOT_IN_ADDR 128  /* u64 */
#define SLOT_OUT_ADDR 136 /* u64 */
#define SLOT_OUT_LEN 144  /* u32 */
/* The registers at a call by a trampoline, besides those above. */
#define SLOT_REGS 152 /* u64 each: */
#define SLOT_RBX 152
#define SLOT_RBP 160
#define SLOT_R12 168
#define SLOT_R13 176
#define SLOT_R14 184
#define SLOT_R15 192
#define SLOT_RSP 200
#define SLOT_RFLAGS 208 /* but for those in SLOT_NR */
#define SLOT_FSBASE 216
/*
 * The answer to it is other registers: those at SLOT_NEW, in the order of struct pt_regs, and the
 * fs base at SLOT_FS.
 */
#define SLOT_LOAD 224	   /* u32: it is so */
#define SLOT_SAVE_MASK 232 /* u64: what of the vector state is saved then at ... */
#define SLOT_SAVE_AT                                                                               \
	240		/* u64: ... this address, and made the initial one; 0: it stays as it is   \
			 */
#define SLOT_MESSAGE 64 /* slot 0: what descriptors are received by */
#define SLOT_SIGSTACK 256
#define SLOT_NEW 0x200	  /* u64 each, in the unused end of the signal stack */
#define SLOT_FRAME 0x400  /* there, too: a new task's first ucontext */
#define SLOT_XSTATE 0x800 /* and its vector state */
#define SLOT_IN 0x4000	  /* below what signal frames reach */
#define SLOT_OUT 0x4800
#define SLOT_COPY_MAX 2048
#define SLOT_FRAMES 0x5000
#define SLOT_SIGSTACK_SIZE (SLOT_SIZE - SLOT_SIGSTACK)

/* SLOT_STATE */
#define CALL_OFF 0   /* the kernel sleeps: make the call the usual way */
#define CALL_READY 1 /* the kernel looks for a call here; the last one's result is there */
#define CALL_MADE 2  /* by the task, which looks for the answer */
#define CALL_SLEEP 3 /* it has stopped looking, and waits in STUB_WAIT_IP's call */

/* What is copied for a call, generated from kernel/syscalls.def: */
#define COPY_IN 7      /* mask: */
#define COPY_PATH0 1   /* argument 0 is a path, in */
#define COPY_PATH1 2   /* argument 1 */
#define COPY_BUFFER1 3 /* argument 1 is a buffer whose length is argument 2, in */
#define COPY_WORD1 4   /* argument 1 points to 8 bytes, in, or is NULL */
#define COPY_WORD2 5   /* argument 2 the same */
#define COPY_IOV1 6    /* argument 1 is an array of iovecs, argument 2 their number, in */
#define COPY_OUT 8     /* the first piece that it writes, out */
#define COPY_PATH_MAX 256

/* The keeper's descriptors. */
#define KEEPER_FD_CTL 0	   /* control pages, read-only */
#define KEEPER_FD_SLOTS 1  /* slots */
#define KEEPER_FD_KERNEL 2 /* pidfd of the kernel */
#define KEEPER_FD_REPORT                                                                           \
	3 /* + 2 * cpu: batches issued there; + 1: what its forked child reports; the last two are \
	     no CPU's; then sockets (os/fdpass.h) */

/*
 * A report is an lseek() on a descriptor which keeper and kernel share (guests have no descriptors,
 * and memory could be forged): (seq & REPORT_SEQ_MASK) << 38 | operations done << 32 | low half of
 * the last result.
 */
#define REPORT_SEQ_MASK 0x1ffffff

#ifndef __ASSEMBLER__
#include <stdint.h>

struct stub_op {
	uint64_t nr, args[6];
	uint64_t flags; /* OPF_* */
	uint64_t expect;
};

/* What sendmsg() or recvmsg() is given: a struct msghdr, and what it points to. */
struct stub_message {
	uint64_t name, name_len, iov_at, iov_len, control_at, control_len, flags;
	uint64_t iov[2], control[3], byte;
};

struct stub_ctl {
	uint32_t seq, nops, report_fd, kernel_pid;
	uint64_t fork_off;
	uint32_t zero, task_flags;
	uint64_t task_filter, task_start, task_sigmask;
	uint32_t task_socket, pad;
	struct stub_op ops[CTL_MAX_OPS];
	struct stub_message listener;
	unsigned char gap[CTL_DATA - CTL_LISTENER - sizeof(struct stub_message)];
	unsigned char data[CTL_DATA_SIZE];
	struct stub_info {
		uint32_t tgid, tid, uid, euid, gid, egid, cpu, pad;
	} info[INFO_MAX];
	unsigned char tramp[TRAMP_AREAS][TRAMP_AREA_SIZE];
	unsigned char unused[CTL_STRIDE - CTL_TRAMP - TRAMP_AREAS * TRAMP_AREA_SIZE];
};
_Static_assert(sizeof(struct stub_op) == OP_SIZE, "OP_SIZE");
_Static_assert(__builtin_offsetof(struct stub_ctl, ops) == CTL_OPS, "CTL_OPS");
_Static_assert(__builtin_offsetof(struct stub_ctl, fork_off) == CTL_FORK_OFF, "CTL_FORK_OFF");
_Static_assert(__builtin_offsetof(struct stub_ctl, zero) == CTL_ZERO, "CTL_ZERO");
_Static_assert(__builtin_offsetof(struct stub_ctl, task_flags) == CTL_TASK_FLAGS, "CTL_TASK_FLAGS");
_Static_assert(__builtin_offsetof(struct stub_ctl, task_sigmask) == CTL_TASK_SIGMASK,
	       "CTL_TASK_SIGMASK");
_Static_assert(__builtin_offsetof(struct stub_ctl, task_socket) == CTL_TASK_SOCKET,
	       "CTL_TASK_SOCKET");
_Static_assert(__builtin_offsetof(struct stub_ctl, listener) == CTL_LISTENER, "CTL_LISTENER");
_Static_assert(__builtin_offsetof(struct stub_ctl, data) == CTL_DATA, "CTL_DATA");
_Static_assert(SLOT_MESSAGE + sizeof(struct stub_message) <= SLOT_SIGSTACK, "SLOT_MESSAGE");
_Static_assert(__builtin_offsetof(struct stub_ctl, info) == CTL_INFO, "CTL_INFO");
_Static_assert(sizeof(struct stub_info) == INFO_SIZE, "INFO_SIZE");
_Static_assert(__builtin_offsetof(struct stub_info, cpu) == INFO_CPU, "INFO_CPU");
_Static_assert(__builtin_offsetof(struct stub_ctl, tramp) == CTL_TRAMP, "CTL_TRAMP");
_Static_assert(sizeof(struct stub_ctl) == CTL_STRIDE, "CTL_STRIDE");
_Static_assert((uint64_t)SLOT_MAX *SLOT_SIZE == 1ULL << STUB_SLOTS_SHIFT &&
		       STUB_SLOTS % (1ULL << STUB_SLOTS_SHIFT) == 0,
	       "STUB_SLOTS");
#endif

#endif
