/* The layout of signal frames (x86-64), and the floating-point part of one (xframe.c). */
#ifndef HEDDLE_KERNEL_SIGFRAME_H
#define HEDDLE_KERNEL_SIGFRAME_H

#include "signals.h"
#include "types.h"

#define UC_FP_XSTATE 1ul
#define UC_SIGCONTEXT_SS 2ul
#define UC_STRICT_RESTORE_SS 4ul

#define SS_AUTODISARM_ (1u << 31)

struct sigcontext_64 {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct ucontext_64 {
	u64 flags, link;
	stack_t stack;
	struct sigcontext_64 mcontext;
	ksigset_t sigmask;
};

struct rt_sigframe {
	u64 pretcode;
	struct ucontext_64 uc;
	siginfo_t info;
};

#define SIGFRAME_FP                                                                                \
	456 /* where the area begins, which is aligned to 64 bytes, while the frame lies 8 below   \
	       such an address */

_Static_assert(sizeof(struct sigcontext_64) == 256, "struct sigcontext");
_Static_assert(sizeof(struct ucontext_64) == 304, "struct ucontext");
_Static_assert(sizeof(struct rt_sigframe) == 440, "struct rt_sigframe");

struct task;

/* Bytes of the XSAVE area in a frame, with the magic word behind it. */
size_t xframe_size(void);
/*
 * Puts the floating-point state of t into the area of a frame, xframe_size() zeroed bytes which the
 * caller then copies to fp. 1: the task does that itself when it runs, and goes on with a fresh one
 * (engine_ops.save_xstate).
 */
must_check int xframe_save(struct task *t, void *area, uaddr_t fp);
/*
 * Loads the area that sigreturn found at fp in the guest, of which n bytes could be read. With fp
 * 0: the initial state.
 */
must_check int xframe_restore(struct task *t, uaddr_t fp, const void *area, size_t n);

int altstack_set(struct task *t, const stack_t *ss, uaddr_t sp);
void altstack_get(const struct task *t, stack_t *ss, uaddr_t sp);

#endif
