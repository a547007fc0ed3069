/*
 * Where the trampolines of patched system-call sites lead (kernel/patch/). They come with
 *
 *	eax	number << 16 | flags as LAHF and SETO give them
 *	rcx	the address behind the call, where the original instruction has a syscall before it
 *
 * and may change nothing but rax, rcx, r11 and, for a while, the flags: there is no stack to use. The slot is found by the gs base, which
 * the kernel sets so where the guest uses none; a guest that does makes its calls the usual way.
 *
 * Three ways out: answered from the task's info; given to a CPU that looks for it (CALL_READY), without the host; or on to the original
 * syscall instruction, as if nothing had been patched. Up to STUB_COMMIT_IP a signal finds the task before that instruction, from then on
 * behind it: os/tramp.c puts the registers right.
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
	cmpl	$CALL_READY, %gs:SLOT_STATE
	jne	usual
	mov	%rdi, %gs:SLOT_ARGS + 0
	mov	%rsi, %gs:SLOT_ARGS + 8
	mov	%rdx, %gs:SLOT_ARGS + 16
	mov	%r10, %gs:SLOT_ARGS + 24
	mov	%r8, %gs:SLOT_ARGS + 32
	mov	%r9, %gs:SLOT_ARGS + 40
	mov	$CALL_READY, %eax
	mov	$CALL_MADE, %ecx
	jmp	commit
usual:	mov	%gs:SLOT_RETURN, %rcx	/* on to the original instruction */
	lea	-2(%rcx), %rcx
	mov	%gs:SLOT_NR, %eax
	mov	%eax, %r11d
	shr	$16, %r11d
	jmp	tail

	.org	0x176, 0x90
commit:	lock cmpxchg %ecx, %gs:SLOT_STATE
	.org	0x180, 0xcc		/* STUB_COMMIT_IP */
	jne	usual			/* it has gone to sleep just now */
	mov	$SPINS, %ecx
1:	cmpl	$CALL_MADE, %gs:SLOT_STATE
	jne	2f
	pause
	dec	%ecx
	jnz	1b
	mov	$CALL_MADE, %eax
	mov	$CALL_SLEEP, %ecx
	lock cmpxchg %ecx, %gs:SLOT_STATE
	je	wait
2:	mov	%gs:SLOT_RESULT, %r11
	jmp	finish

	.org	0x1d9, 0x90
wait:	mov	$__NR_sched_yield, %eax	/* any: told by its address */
	jmp	1f
	.org	0x1e0, 0x90
1:	syscall
	mov	%rax, %r11
	jmp	finish

	.org	0x200, 0x90		/* STUB_FINISH */
finish:	mov	%gs:SLOT_NR, %eax
	mov	%gs:SLOT_RETURN, %rcx
	jmp	tail

	.org	0x233, 0x90		/* STUB_LEAVE: eax call and flags, rcx return address, as at the entry */
leave:	mov	%eax, %r11d
	shr	$16, %r11d
	jmp	1f
	.org	0x23c, 0x90
1:	lea	-2(%rcx), %rcx
	.org	0x240, 0xcc		/* STUB_TAIL */
tail:	add	$0x7f, %al		/* overflow as it was */
	sahf				/* the others */
	mov	%r11, %rax
	jmp	*%rcx

/* What is answered from the info: the offset there, plus one. */
	.org	0x280
	.macro	kind nr, offset
	.org	0x280 + \nr
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

	.section .note.GNU-stack, "", @progbits
