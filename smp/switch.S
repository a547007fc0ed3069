/* The context switch, and the first instructions of a new kthread. */
	.text

/*
 * void switch_stacks(u64 *save_sp, u64 new_sp): saves what the ABI lets a callee not change, and the stack pointer; goes on where
 * new_sp was saved. Floating-point control words are the same in all of the kernel.
 */
	.globl	switch_stacks
	.type	switch_stacks, @function
	.p2align 4
switch_stacks:
	.cfi_startproc
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.cfi_endproc
	.size	switch_stacks, . - switch_stacks

/* Where the first switch to a kthread returns to. A zero frame pointer ends backtraces. */
	.globl	kthread_thunk
	.type	kthread_thunk, @function
	.p2align 4
kthread_thunk:
	.cfi_startproc
	.cfi_undefined rip
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	call	kthread_first_run
	ud2
	.cfi_endproc
	.size	kthread_thunk, . - kthread_thunk

	.section .note.GNU-stack, "", @progbits
