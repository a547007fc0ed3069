/*
 * The vDSO that guests see. Its clock functions go on to the host's own vDSO, which is mapped below and works at native
 * speed; the kernel fills vdso_targets in before the image is sealed. getcpu tells the virtual CPU, which only the kernel knows.
 */
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
__vdso_getcpu:
	mov	$__NR_getcpu, %eax
	syscall
	ret
	.size	__vdso_getcpu, . - __vdso_getcpu

	.globl	vdso_targets
	.hidden	vdso_targets
	.type	vdso_targets, @object
	.balign	8
vdso_targets:			/* found by its magic first word */
	.ascii	"targets0targets1targets2targets3"
	.size	vdso_targets, . - vdso_targets

	.section .note.GNU-stack, "", @progbits
