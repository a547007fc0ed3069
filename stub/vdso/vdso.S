/*
 * The vDSO that guests see. Its clock functions go on to the host's own vDSO, which is mapped below and works at native
 * speed; the kernel fills vdso_targets in before the image is sealed. getcpu tells the virtual CPU, which only the kernel knows.
 */
#include "stub/layout.h"
#include <asm/unistd_64.h>

	.text
	.macro	forward name, slot
	.globl	__vdso_\name
	.type	__vdso_\name, @function
	.weak	\name
	.set	\name, __vdso_\name
	.balign	16
__vdso_\name:
	jmp	*vdso_targets + 8 * \slot(%rip)
	.size	__vdso_\name, . - __vdso_\name
	.endm

	forward	clock_gettime, 0
	forward	gettimeofday, 1
	forward	time, 2
	forward	clock_getres, 3

	.globl	__vdso_getcpu
	.type	__vdso_getcpu, @function
	.weak	getcpu
	.set	getcpu, __vdso_getcpu
	.balign	16
__vdso_getcpu:			/* the task's info tells, where the gs base leads to its slot: see stub/tramp.S */
	cmpq	$0, vdso_fsgsbase(%rip)
	je	1f
	rdgsbase %rax
	mov	%rax, %rcx
	shr	$STUB_SLOTS_SHIFT, %rcx
	cmp	$(STUB_SLOTS >> STUB_SLOTS_SHIFT), %ecx
	jne	1f
	shr	$(SLOT_SHIFT - INFO_SHIFT), %rax
	and	$((SLOT_MAX - 1) << INFO_SHIFT), %eax
	cmp	$(INFO_MAX << INFO_SHIFT), %eax
	jae	1f
	movabs	$(STUB_CTL + CTL_INFO + INFO_CPU), %rcx
	mov	(%rcx, %rax), %eax
	cmp	$INFO_NONE, %eax
	je	1f
	test	%rdi, %rdi
	jz	2f
	mov	%eax, (%rdi)
2:	xor	%eax, %eax
	test	%rsi, %rsi
	jz	3f
	mov	%eax, (%rsi)		/* one node */
3:	ret
1:	mov	$__NR_getcpu, %eax
	syscall
	ret
	.size	__vdso_getcpu, . - __vdso_getcpu

	.globl	vdso_targets
	.hidden	vdso_targets
	.type	vdso_targets, @object
	.balign	8
vdso_targets:			/* found by its magic first word */
	.ascii	"targets0targets1targets2targets3"
	.hidden	vdso_fsgsbase
vdso_fsgsbase:			/* does the host let programs read their segment bases? */
	.ascii	"targets4"
	.size	vdso_targets, . - vdso_targets

	.section .note.GNU-stack, "", @progbits
