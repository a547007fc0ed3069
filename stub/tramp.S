/*
 * Where the trampolines of patched system-call sites lead (kernel/patch/). They come with
 *
 *	eax	number << 16 | flags as LAHF and SETO give them
 *	rcx	the address behind the call, where the original instruction has a syscall before it
 *
 * and may change nothing but rax, rcx, r11 and, for a while, the flags: there is no stack to use. The slot is found by the gs base, which
 * the kernel sets so where the guest uses none; a guest that does makes its calls the usual way.
 *
 * The ways out: answered from the task's info; given to a CPU that looks for it (CALL_READY), without the host; asked by a call from here;
 * or on to the original syscall instruction, as if nothing had been patched. What a call reads or writes is
 * copied through the slot, a few KiB, which saves the kernel a host call each; at a fault in that the kernel makes it without. A signal finds the task
 * before the original instruction or behind it: os/tramp.c puts the registers right. They are left in the slot as well, and the answer may be others.
 */
#include "stub/layout.h"
#include <asm/unistd_64.h>

#define SPINS 1000 /* looks at the answer: some 20 to 50 us */

	.section .text.tramp, "ax", @progbits
start:					/* STUB_ENTRY */
	rdgsbase %r11
	shr	$STUB_SLOTS_SHIFT, %r11
	cmp	$(STUB_SLOTS >> STUB_SLOTS_SHIFT), %r11d
	jne	leave
	mov	%rcx, %gs:SLOT_RETURN
	mov	%eax, %gs:SLOT_NR
	jmp	saved

	.org	0x60, 0x90		/* STUB_ENTRY_SAVED */
saved:	mov	%eax, %ecx
	shr	$16, %ecx
	cmp	$(kinds_end - kinds), %ecx
	jae	call
	lea	kinds(%rip), %r11
	movzbl	(%r11, %rcx), %ecx
	dec	%ecx			/* offset in the info */
	js	call

	rdgsbase %r11
	shr	$(SLOT_SHIFT - INFO_SHIFT), %r11
	and	$((SLOT_MAX - 1) << INFO_SHIFT), %r11d
	cmp	$(INFO_MAX << INFO_SHIFT), %r11d
	jae	call
	add	%rcx, %r11
	lea	start + (STUB_CTL + CTL_INFO - STUB_ENTRY)(%rip), %rcx
	mov	(%rcx, %r11), %r11d
	cmp	$INFO_NONE, %r11d
	je	call
	jmp	finish

call:	incl	%gs:SLOT_TRIES
	mov	%rdi, %gs:SLOT_ARGS + 0
	mov	%rsi, %gs:SLOT_ARGS + 8
	mov	%rdx, %gs:SLOT_ARGS + 16
	mov	%r10, %gs:SLOT_ARGS + 24
	mov	%r8, %gs:SLOT_ARGS + 32
	mov	%r9, %gs:SLOT_ARGS + 40
	mov	%rbx, %gs:SLOT_RBX
	mov	%rbp, %gs:SLOT_RBP
	mov	%r12, %gs:SLOT_R12
	mov	%r13, %gs:SLOT_R13
	mov	%r14, %gs:SLOT_R14
	mov	%r15, %gs:SLOT_R15
	mov	%rsp, %gs:SLOT_RSP
	rdfsbase %rcx
	mov	%rcx, %gs:SLOT_FSBASE
	movl	$0, %gs:SLOT_IN_LEN
	jmp	1f
	.org	0x180, 0x90		/* STUB_FLAGS */
1:	rdgsbase %rsp
	lea	SLOT_SIZE - 16(%rsp), %rsp	/* where the frames of signals begin, too */
	pushfq
	popq	%gs:SLOT_RFLAGS
	mov	%gs:SLOT_RSP, %rsp
	.org	0x1a0, 0x90		/* STUB_FLAGS_END */
	shr	$16, %eax
	cmp	$(copies_end - copies), %eax
	jae	copied
	lea	copies(%rip), %r11
	movzbl	(%r11, %rax), %ecx
	test	%ecx, %ecx
	jz	copied
	and	$COPY_IN, %ecx
	jz	copied
	cmp	$COPY_PATH1, %ecx
	jb	path0
	je	path1
	cmp	$COPY_WORD1, %ecx
	je	word1
	cmp	$COPY_WORD2, %ecx
	je	word2
	ja	iov1

	mov	%rsi, %r11		/* a buffer: rdx bytes, by eights and then one by one */
	cmp	$SLOT_COPY_MAX, %rdx
	ja	copied
	xor	%ecx, %ecx
1:	lea	8(%rcx), %eax
	cmp	%edx, %eax
	ja	2f
	mov	(%r11, %rcx), %rax
	mov	%rax, %gs:SLOT_IN(%rcx)
	add	$8, %ecx
	jmp	1b
2:	cmp	%edx, %ecx
	jae	4f
	mov	(%r11, %rcx), %al
	mov	%al, %gs:SLOT_IN(%rcx)
	inc	%ecx
	jmp	2b

iov1:	mov	%rsi, %r11		/* 16 bytes each, from the last to the first */
	cmp	$SLOT_COPY_MAX / 16, %rdx
	ja	copied
	mov	%edx, %ecx
	shl	$4, %ecx
	jz	copied
1:	mov	-8(%r11, %rcx), %rax
	mov	%rax, %gs:SLOT_IN - 8(%rcx)
	sub	$8, %ecx
	jnz	1b
	mov	%edx, %ecx
	shl	$4, %ecx
	jmp	4f
word2:	mov	%rdx, %r11
	jmp	1f
word1:	mov	%rsi, %r11
1:	test	%r11, %r11
	jz	copied
	mov	(%r11), %rcx
	mov	%rcx, %gs:SLOT_IN
	mov	$8, %ecx
	jmp	4f
path0:	mov	%rdi, %r11
	jmp	1f
path1:	mov	%rsi, %r11
1:	xor	%ecx, %ecx
2:	mov	(%r11, %rcx), %al
	mov	%al, %gs:SLOT_IN(%rcx)
	inc	%ecx
	test	%al, %al
	jz	4f
	cmp	$COPY_PATH_MAX, %ecx
	jb	2b
	jmp	copied
4:	mov	%r11, %gs:SLOT_IN_ADDR
	mov	%ecx, %gs:SLOT_IN_LEN
copied:	cmpl	$CALL_READY, %gs:SLOT_STATE
	jne	ask
	jmp	give
usual:	mov	%gs:SLOT_RETURN, %rcx	/* on to the original instruction */
	lea	-2(%rcx), %rcx
	mov	%gs:SLOT_NR, %eax
	mov	%eax, %r11d
	shr	$16, %r11d
	jmp	tail
give:	mov	$CALL_READY, %eax
	mov	$CALL_MADE, %ecx
	jmp	commit

	.org	0x2f6, 0x90
commit:	lock cmpxchg %ecx, %gs:SLOT_STATE
	.org	0x300, 0xcc		/* STUB_COMMIT_IP */
	jne	usual			/* the kernel has gone to sleep just now */
	mov	$SPINS, %ecx
1:	cmpl	$CALL_MADE, %gs:SLOT_STATE
	jne	answered
	pause
	dec	%ecx
	jnz	1b
	mov	$CALL_MADE, %eax
	mov	$CALL_SLEEP, %ecx
	lock cmpxchg %ecx, %gs:SLOT_STATE
	jne	answered
	mov	$__NR_sched_yield, %eax	/* any: told by its address */
	jmp	1f
	.org	0x350, 0x90
1:	syscall
	mov	%rax, %gs:SLOT_RESULT	/* STUB_WAIT_IP */
	jmp	answered

	.org	0x370, 0x90		/* STUB_ASK */
ask:	mov	%gs:SLOT_NR, %eax
	shr	$16, %eax
	jmp	1f
	.org	0x380, 0x90
1:	syscall
	mov	%rax, %gs:SLOT_RESULT	/* STUB_ASK_IP */
	jmp	answered

	.org	0x3a0, 0x90		/* STUB_ANSWERED */
answered:
	cmpl	$0, %gs:SLOT_LOAD
	jne	load
	cmpl	$0, %gs:SLOT_OUT_LEN
	jne	1f
	mov	%gs:SLOT_RESULT, %r11
	jmp	finish
1:	mov	%gs:SLOT_OUT_ADDR, %r11
	xor	%ecx, %ecx
2:	lea	8(%rcx), %eax
	cmp	%gs:SLOT_OUT_LEN, %eax
	ja	3f
	mov	%gs:SLOT_OUT(%rcx), %rax
	mov	%rax, (%r11, %rcx)
	add	$8, %ecx
	jmp	2b
3:	cmp	%gs:SLOT_OUT_LEN, %ecx
	jae	4f
	mov	%gs:SLOT_OUT(%rcx), %al
	mov	%al, (%r11, %rcx)
	inc	%ecx
	jmp	3b
4:	movl	$0, %gs:SLOT_OUT_LEN
	jmp	answered

	.org	0x430, 0x90		/* STUB_FINISH */
finish:	mov	%gs:SLOT_NR, %eax
	mov	%gs:SLOT_RETURN, %rcx
	jmp	tail

	.org	0x443, 0x90		/* STUB_LEAVE: eax call and flags, rcx return address, as at the entry */
leave:	mov	%eax, %r11d
	shr	$16, %r11d
	jmp	1f
	.org	0x44c, 0x90
1:	lea	-2(%rcx), %rcx
	.org	0x450, 0xcc		/* STUB_TAIL */
tail:	add	$0x7f, %al		/* overflow as it was */
	sahf				/* the others */
	mov	%r11, %rax
	jmp	*%rcx

/* What is answered from the info: the offset there, plus one. */
	.org	0x480
	.macro	kind nr, offset
	.org	0x480 + \nr
	.byte	\offset + 1
	.endm
kinds:
	kind	__NR_getpid, INFO_TGID
	kind	__NR_getuid, INFO_UID
	kind	__NR_getgid, INFO_GID
	kind	__NR_geteuid, INFO_EUID
	kind	__NR_getegid, INFO_EGID
	kind	__NR_gettid, INFO_TID
kinds_end:

/* What is copied: COPY_*. */
	.org	0x600
	.macro	copy nr, what
	.org	0x600 + \nr
	.byte	\what
	.endm
copies:
#include "stub_copies.h"
copies_end:

/*
 * The answer is other registers, as for a signal handler: the vector state goes where the frame has it, and all registers come from the slot. There
 * is no stack, but for a moment the slot's.
 */
#define NEW(n) %gs:SLOT_NEW + 8 * (n)
	.org	0x800, 0xcc		/* STUB_LOAD */
load:	movl	$0, %gs:SLOT_LOAD
	mov	%gs:SLOT_SAVE_AT, %r11
	mov	%gs:SLOT_SAVE_MASK, %eax
	mov	%gs:SLOT_SAVE_MASK + 4, %edx
	test	%r11, %r11
	jz	new_regs
	jmp	1f
	.org	0x840, 0x90		/* STUB_SAVE */
1:	xsave64	(%r11)
	orb	$3, 512(%r11)		/* x87 and SSE are told even where they are as at the start, as Linux does it: handlers write there */
	.org	0x84c, 0x90		/* STUB_SAVED */
	lea	initial(%rip), %r11
	xrstor64 (%r11)
new_regs:
	mov	%gs:SLOT_FS, %rax
	wrfsbase %rax
	rdgsbase %rsp
	lea	SLOT_SIZE - 16(%rsp), %rsp
	pushq	NEW(18)
	popfq
	mov	NEW(0), %r15
	mov	NEW(1), %r14
	mov	NEW(2), %r13
	mov	NEW(3), %r12
	mov	NEW(4), %rbp
	mov	NEW(5), %rbx
	mov	NEW(6), %r11
	mov	NEW(7), %r10
	mov	NEW(8), %r9
	mov	NEW(9), %r8
	mov	NEW(10), %rax
	mov	NEW(11), %rcx
	mov	NEW(12), %rdx
	mov	NEW(13), %rsi
	mov	NEW(14), %rdi
	mov	NEW(19), %rsp
	jmp	*NEW(16)
	.org	0x940, 0xcc		/* STUB_LOAD_END */

/* An XSAVE area that says of all parts that they are in their initial state. There are CPUs which touch all of it nevertheless. */
	.balign	64
initial:
	.org	initial + 24, 0
	.long	0x1f80			/* MXCSR */
	.org	initial + STUB_INITIAL_SIZE, 0

	.section .note.GNU-stack, "", @progbits
