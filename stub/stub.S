/*
 * The code that runs in guest address spaces: the zygote's start, the keeper's loop, a task's first steps, the place
 * where tasks park, and the handler of faults.
 *
 * The keeper shares its memory with hostile threads. So it trusts nothing that they can write: it has no stack, keeps its state in
 * registers, reads its orders from the read-only control page, and answers through a descriptor.
 *
 * Keeper's registers: rbp control page, r12d number of the last batch taken, rbx current operation, r13d its flags, r14d its index,
 * r15 last result.
 */
#include "stub/layout.h"
#include <asm/errno.h>
#include <asm/unistd_64.h>

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define PROT_READ 1
#define PROT_READ_WRITE 3
#define MAP_SHARED_FIXED 0x11
#define PR_SET_PDEATHSIG 1
#define SIGKILL 9
#define SECCOMP_SET_MODE_FILTER 1
#define SIG_SETMASK 2
#define MSG_NOSIGNAL 0x4000

	.section .text.stub, "ax", @progbits
	.globl _start
_start:
	mov	$__NR_mmap, %eax
	movabs	$STUB_CTL, %rdi
	mov	$CTL_SIZE, %esi
	mov	$PROT_READ, %edx
	mov	$MAP_SHARED_FIXED, %r10d
	mov	$KEEPER_FD_CTL, %r8d
	xor	%r9d, %r9d
	syscall
	cmp	%rdi, %rax
	jne	die
	mov	$__NR_mmap, %eax
	movabs	$STUB_SLOTS, %rdi
	mov	$SLOT_SIZE, %esi
	mov	$PROT_READ_WRITE, %edx
	mov	$KEEPER_FD_SLOTS, %r8d
	syscall
	cmp	%rdi, %rax
	jne	die
	xor	%r12d, %r12d

keeper_loop:
	movabs	$STUB_CTL, %rbp
1:	mov	CTL_SEQ(%rbp), %eax
	cmp	%r12d, %eax
	jne	2f
	mov	$__NR_futex, %eax
	lea	CTL_SEQ(%rbp), %rdi
	mov	$FUTEX_WAIT, %esi
	mov	%r12d, %edx
	xor	%r10d, %r10d
	syscall
	jmp	1b

2:	mov	%eax, %r12d
	lea	CTL_OPS(%rbp), %rbx
	xor	%r14d, %r14d
	xor	%r15d, %r15d
next_op:
	cmp	CTL_NOPS(%rbp), %r14d
	jae	report
	testl	$(OPF_CMPXCHG | OPF_CMPXCHG64), OP_FLAGS(%rbx)
	jnz	compare_exchange
	mov	OP_FLAGS(%rbx), %r13d	/* now: when a clone's child gets to run, the next batch may lie there */
	mov	OP_NR(%rbx), %rax
	mov	OP_ARGS + 0(%rbx), %rdi
	mov	OP_ARGS + 8(%rbx), %rsi
	mov	OP_ARGS + 16(%rbx), %rdx
	mov	OP_ARGS + 24(%rbx), %r10
	mov	OP_ARGS + 32(%rbx), %r8
	mov	OP_ARGS + 40(%rbx), %r9
	syscall
	test	$OPF_QUIET, %r13d
	jnz	5f
	mov	%rax, %r15
	test	%rax, %rax
	jnz	3f
	test	$OPF_TASK, %r13d
	jnz	task_start
	test	$OPF_FORK, %r13d
	jnz	fork_child
3:	test	$OPF_EXPECT, %r13d
	jz	4f
	cmp	OP_EXPECT(%rbx), %rax
	jne	die
4:	test	$OPF_IGNORE, %r13d
	jnz	5f
	cmp	$-4095, %rax
	jae	report
5:	add	$OP_SIZE, %rbx
	inc	%r14d
	jmp	next_op

compare_exchange:
	mov	OP_ARGS + 0(%rbx), %rdi
	mov	OP_ARGS + 8(%rbx), %rax
	mov	OP_ARGS + 16(%rbx), %rdx
	testl	$OPF_CMPXCHG64, OP_FLAGS(%rbx)
	jnz	1f
	lock cmpxchg %edx, (%rdi)
	jmp	2f
1:	lock cmpxchg %rdx, (%rdi)
2:	mov	%eax, %r15d
	inc	%r14d
	jmp	report

	/* A fault in compare_exchange: STUB_FAULT comes here, with the registers above as they were. */
keeper_fault:
	xor	%esp, %esp		/* off the signal stack: the next frame begins at its top, too */
	mov	$-EFAULT, %r15
	mov	$__NR_rt_sigprocmask, %eax	/* new tasks inherit it */
	mov	$SIG_SETMASK, %edi
	lea	CTL_TASK_SIGMASK(%rbp), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall

report:
	mov	CTL_REPORT_FD(%rbp), %edi
	mov	%r12d, %esi
	and	$REPORT_SEQ_MASK, %esi
	shl	$6, %rsi
	and	$0x3f, %r14d
	or	%r14, %rsi
	shl	$32, %rsi
	mov	%r15d, %r15d
	or	%r15, %rsi
	xor	%edx, %edx
	mov	$__NR_lseek, %eax
	syscall
	movabs	$STUB_SLOTS, %rdi
	mov	%r12d, SLOT_READY(%rdi)
	mov	$FUTEX_WAKE, %esi
	mov	$1, %edx
	mov	$__NR_futex, %eax
	syscall
	jmp	keeper_loop

	/* A keeper's new copy: takes a control page of its own; the first batch waits there. */
fork_child:
	mov	$__NR_mmap, %eax
	mov	%rbp, %rdi
	mov	$CTL_SIZE, %esi
	mov	$PROT_READ, %edx
	mov	$MAP_SHARED_FIXED, %r10d
	mov	$KEEPER_FD_CTL, %r8d
	mov	CTL_FORK_OFF(%rbp), %r9
	syscall
	cmp	%rbp, %rax
	jne	die
	xor	%r12d, %r12d
	jmp	keeper_loop

	/* A new task, r9 its slot. It ends with the kernel, owns no descriptor, and may make no host call but STUB_PARK's. */
task_start:
	mov	%r9, %r13
	mov	$__NR_prctl, %eax
	mov	$PR_SET_PDEATHSIG, %edi
	mov	$SIGKILL, %esi
	syscall
	mov	$__NR_getppid, %eax
	syscall
	cmp	CTL_KERNEL_PID(%rbp), %eax
	jne	die
	mov	$__NR_close_range, %eax	/* a table of its own, with nothing in it but the socket, if there is one */
	xor	%edi, %edi
	mov	CTL_TASK_SOCKET(%rbp), %esi
	dec	%esi
	mov	$2, %edx		/* CLOSE_RANGE_UNSHARE */
	syscall
	test	%rax, %rax
	jnz	die
	mov	CTL_TASK_SOCKET(%rbp), %edi
	inc	%edi
	jz	1f
	mov	$__NR_close_range, %eax
	mov	$-1, %esi
	xor	%edx, %edx
	syscall
	test	%rax, %rax
	jnz	die
1:	mov	$__NR_sigaltstack, %eax
	lea	8(%r13), %rdi
	xor	%esi, %esi
	syscall
	test	%rax, %rax
	jnz	die
	mov	$__NR_seccomp, %eax
	mov	$SECCOMP_SET_MODE_FILTER, %edi
	mov	CTL_TASK_FLAGS(%rbp), %esi
	mov	CTL_TASK_FILTER(%rbp), %rdx
	syscall
	test	%rax, %rax
	jnz	die			/* a listener is descriptor 0 */
	jmp	*CTL_TASK_START(%rbp)

die:
	mov	$__NR_exit_group, %eax
	mov	$1, %edi
	syscall
	jmp	die

	.org	0x3c0, 0x90		/* STUB_FILTERED: from here on the filter is in force */
ready:
	movl	$1, SLOT_READY(%r13)
	mov	$__NR_futex, %eax
	lea	SLOT_READY(%r13), %rdi
	mov	$FUTEX_WAKE, %esi
	mov	$1, %edx
	.org	0x3f0, 0x90
	syscall				/* the second call which the filter allows */
	.globl	stub_wake_ip
stub_wake_ip:

	.org	0x400, 0x90		/* STUB_PARK */
park:
	movabs	$STUB_CTL, %rbp
	lea	CTL_ZERO(%rbp), %rdi
	mov	$__NR_futex, %eax
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	.org	0x420, 0x90
	syscall
	jmp	park

	.org	0x480			/* STUB_FAULT: rdi signal, rsi siginfo, rdx ucontext */
	mov	%rsp, %rax		/* the keeper's slot is the first; what a task has in its registers says nothing */
	shr	$SLOT_SHIFT, %rax
	cmp	$(STUB_SLOTS >> SLOT_SHIFT), %eax
	je	keeper_fault
	.org	0x4a0, 0x90
	syscall				/* the engine looks at the frame when this call traps */
	ud2

	.org	0x500			/* STUB_SIGACTION */
	.quad	STUB_FAULT
	.quad	0x4c000004		/* SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER */
	.quad	STUB_FAULT		/* never returned to */
	.quad	0

	.org	0x600			/* STUB_FILTER: struct sock_fprog */
	.short	(filter_end - filter) / 8
	.short	0, 0, 0
	.quad	filter

/*
 * The filter: only futex(&ctl->zero, FUTEX_WAIT, ...) at STUB_PARK and futex(READY word, FUTEX_WAKE) of a new task; everything else traps.
 */
#define LD_ABS 0x20
#define JEQ 0x15
#define AND 0x54
#define RET 0x06
#define BPF(code, jt, jf, k) .short code; .byte jt, jf; .long k
#define RET_ALLOW 0x7fff0000
#define RET_TRAP 0x00030000
#define AUDIT_ARCH_X86_64 0xc000003e
#define LO(x) ((x) & 0xffffffff)
#define HI(x) ((x) >> 32)
#define STUB_WAKE_IP (STUB_TEXT + 0x3f2)
/*
 * NOT_BY_NUMBER: the host runs a new filter once for each number that a call may have, to learn which are always allowed, and each time gives up where
 * anything but number and architecture is looked at. So that is what the filters do first.
 */
	.balign	8
filter:
	BPF(LD_ABS, 0, 0, 8)			/* nothing: see NOT_BY_NUMBER */
	BPF(LD_ABS, 0, 0, 4)			/* arch */
	BPF(JEQ, 0, 16, AUDIT_ARCH_X86_64)
	BPF(LD_ABS, 0, 0, 0)			/* nr */
	BPF(JEQ, 0, 14, __NR_futex)
	BPF(LD_ABS, 0, 0, 12)			/* instruction pointer, high half */
	BPF(JEQ, 0, 12, HI(STUB_PARK_IP))
	BPF(LD_ABS, 0, 0, 8)			/* low half */
	BPF(JEQ, 2, 0, LO(STUB_PARK_IP))
	BPF(JEQ, 7, 0, LO(STUB_WAKE_IP))
	BPF(RET, 0, 0, RET_TRAP)
	BPF(LD_ABS, 0, 0, 16)			/* park: the word */
	BPF(JEQ, 0, 6, LO(STUB_CTL + CTL_ZERO))
	BPF(LD_ABS, 0, 0, 20)
	BPF(JEQ, 0, 4, HI(STUB_CTL + CTL_ZERO))
	BPF(LD_ABS, 0, 0, 24)			/* the operation */
	BPF(JEQ, 3, 2, FUTEX_WAIT)
	BPF(LD_ABS, 0, 0, 24)			/* wake: the operation; the word may be any, a wake-up harms nobody ... */
	BPF(JEQ, 1, 0, FUTEX_WAKE)
	BPF(RET, 0, 0, RET_TRAP)
	BPF(RET, 0, 0, RET_ALLOW)
filter_end:

/*
 * The seccomp engine's part. A task that stops makes a call of which the host notifies the kernel, and sleeps in it until the kernel
 * answers with the address of the ucontext to go on with.
 */
	.org	0x700			/* STUB_NOTIFY_START: r13 slot, rbp control page */
notify_start:
	movl	$1, SLOT_READY(%r13)
	mov	$__NR_futex, %eax
	lea	SLOT_READY(%r13), %rdi
	mov	$FUTEX_WAKE, %esi
	mov	$1, %edx
	.org	0x720, 0x90
	syscall
	xor	%edi, %edi
	.org	0x730, 0x90
	syscall
	mov	%rax, %r12
	mov	$__NR_close_range, %eax	/* the listener, which the kernel has, and the socket */
	xor	%edi, %edi
	mov	$-1, %esi
	xor	%edx, %edx
	.org	0x750, 0x90
	syscall
	mov	%r12, %rax
	jmp	resume

	.org	0x780, 0x90		/* STUB_STOP: rdi signal, rsi siginfo, rdx ucontext */
	mov	%rsp, %rax		/* as in STUB_FAULT */
	shr	$SLOT_SHIFT, %rax
	cmp	$(STUB_SLOTS >> SLOT_SHIFT), %eax
	je	keeper_fault
	rdfsbase %r10
	rdgsbase %r8
	.org	0x7a0, 0x90
	syscall
resume:
	mov	%rax, %rsp
	and	$-SLOT_SIZE, %rax
	mov	SLOT_FS(%rax), %rcx
	wrfsbase %rcx
	mov	SLOT_GS(%rax), %rcx
	wrgsbase %rcx
	mov	$__NR_rt_sigreturn, %eax
	.org	0x7d0, 0x90
	syscall
	ud2

	.org	0x800			/* STUB_STOP_SIGACTION */
	.quad	STUB_STOP
	.quad	0x1c000004		/* SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER */
	.quad	STUB_STOP		/* never returned to */
	.quad	-1			/* nothing interrupts it */

/*
 * Its filter. Calls whose registers the kernel needs trap, and so stop with a signal frame; all others are notified. The stub's own: a
 * stop, sigreturn, a wake-up, a message by a descriptor, and a close of all descriptors, of which there are none.
 */
#define RET_NOTIFY 0x7fc00000
#define LOAD(off) BPF(LD_ABS, 0, 0, off)
#define TEST(k, yes, no) .short JEQ; .byte (yes - . - 6) / 8; .byte (no - . - 5) / 8; .long k
#define NEEDS_REGISTERS(nr) TEST(nr, trap, 1f); 1:
	.org	0x840			/* STUB_NOTIFY_FILTER: struct sock_fprog */
	.short	(notify_end - notify) / 8
	.short	0, 0, 0
	.quad	notify
notify:
	LOAD(8)			/* nothing: see NOT_BY_NUMBER */
	LOAD(4)			/* arch */
	TEST(AUDIT_ARCH_X86_64, 1f, trap)
1:	LOAD(12)			/* instruction pointer */
	TEST(HI(STUB_STOP_IP), 1f, call)
1:	LOAD(8)
	TEST(LO(STUB_STOP_IP), notified, 1f)
1:	TEST(LO(STUB_START_IP), notified, 1f)
1:	TEST(LO(STUB_SIGRETURN_IP), sigreturn, 1f)
1:	TEST(LO(STUB_READY_IP), wake, 1f)
1:	TEST(LO(STUB_CLOSE_IP), closing, 1f)
1:	TEST(LO(STUB_SEND_IP), sending, call)
call:	LOAD(0)
	NEEDS_REGISTERS(__NR_rt_sigreturn)
	NEEDS_REGISTERS(__NR_clone)
	NEEDS_REGISTERS(__NR_fork)
	NEEDS_REGISTERS(__NR_vfork)
	NEEDS_REGISTERS(__NR_clone3)
	NEEDS_REGISTERS(__NR_execve)
	NEEDS_REGISTERS(__NR_execveat)
	NEEDS_REGISTERS(__NR_exit)
	NEEDS_REGISTERS(__NR_sigaltstack)
	NEEDS_REGISTERS(__NR_arch_prctl)
notified:
	BPF(RET, 0, 0, RET_NOTIFY)
sigreturn:
	LOAD(0)
	TEST(__NR_rt_sigreturn, allow, trap)
wake:	LOAD(0)
	TEST(__NR_futex, 1f, trap)
1:	LOAD(24)			/* the operation */
	TEST(FUTEX_WAKE, allow, trap)
closing:
	LOAD(0)
	TEST(__NR_close_range, 1f, trap)
1:	LOAD(16)			/* first */
	TEST(0, 1f, trap)
1:	LOAD(32)			/* flags */
	TEST(0, allow, trap)
sending:
	LOAD(0)
	TEST(__NR_sendmsg, allow, trap)
trap:	BPF(RET, 0, 0, RET_TRAP)
allow:	BPF(RET, 0, 0, RET_ALLOW)
notify_end:

	.org	0xb00, 0x90		/* STUB_SEND: as STUB_NOTIFY_START, and a socket */
	mov	$__NR_sendmsg, %eax
	mov	CTL_TASK_SOCKET(%rbp), %edi
	lea	CTL_LISTENER(%rbp), %rsi
	mov	$MSG_NOSIGNAL, %edx
	.org	0xb20, 0x90
	syscall
	jmp	notify_start		/* if it wasn't sent, the kernel misses it */

	.section .note.GNU-stack, "", @progbits
