/* What a system call leaves of the registers: all but rax, rcx and r11. */
#include "t.h"

struct regs {
	unsigned long rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15, rflags;
	unsigned long xmm[16][2];
};

/* Loads everything from *in, makes the call nr, stores everything to *out. Written apart from C. */
long call_with_regs(long nr, const struct regs *in, struct regs *out);

__asm__(".text\n"
	".type call_with_regs, @function\n"
	"call_with_regs:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	push %rdx\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rcx\n"
	"	movdqu 104(%rcx), %xmm0;   movdqu 120(%rcx), %xmm1\n"
	"	movdqu 136(%rcx), %xmm2;   movdqu 152(%rcx), %xmm3\n"
	"	movdqu 168(%rcx), %xmm4;   movdqu 184(%rcx), %xmm5\n"
	"	movdqu 200(%rcx), %xmm6;   movdqu 216(%rcx), %xmm7\n"
	"	movdqu 232(%rcx), %xmm8;   movdqu 248(%rcx), %xmm9\n"
	"	movdqu 264(%rcx), %xmm10;  movdqu 280(%rcx), %xmm11\n"
	"	movdqu 296(%rcx), %xmm12;  movdqu 312(%rcx), %xmm13\n"
	"	movdqu 328(%rcx), %xmm14;  movdqu 344(%rcx), %xmm15\n"
	"	push 96(%rcx)\n"
	"	mov 0(%rcx), %rbx;  mov 8(%rcx), %rdx;  mov 16(%rcx), %rsi; mov 24(%rcx), %rdi\n"
	"	mov 32(%rcx), %rbp; mov 40(%rcx), %r8;  mov 48(%rcx), %r9;  mov 56(%rcx), %r10\n"
	"	mov 64(%rcx), %r12; mov 72(%rcx), %r13; mov 80(%rcx), %r14; mov 88(%rcx), %r15\n"
	"	popf\n"
	"	syscall\n"
	"	pushf\n"
	"	mov 8(%rsp), %rcx\n"
	"	mov %rbx, 0(%rcx);  mov %rdx, 8(%rcx);  mov %rsi, 16(%rcx); mov %rdi, 24(%rcx)\n"
	"	mov %rbp, 32(%rcx); mov %r8, 40(%rcx);  mov %r9, 48(%rcx);  mov %r10, 56(%rcx)\n"
	"	mov %r12, 64(%rcx); mov %r13, 72(%rcx); mov %r14, 80(%rcx); mov %r15, 88(%rcx)\n"
	"	pop 96(%rcx)\n"
	"	movdqu %xmm0, 104(%rcx);   movdqu %xmm1, 120(%rcx)\n"
	"	movdqu %xmm2, 136(%rcx);   movdqu %xmm3, 152(%rcx)\n"
	"	movdqu %xmm4, 168(%rcx);   movdqu %xmm5, 184(%rcx)\n"
	"	movdqu %xmm6, 200(%rcx);   movdqu %xmm7, 216(%rcx)\n"
	"	movdqu %xmm8, 232(%rcx);   movdqu %xmm9, 248(%rcx)\n"
	"	movdqu %xmm10, 264(%rcx);  movdqu %xmm11, 280(%rcx)\n"
	"	movdqu %xmm12, 296(%rcx);  movdqu %xmm13, 312(%rcx)\n"
	"	movdqu %xmm14, 328(%rcx);  movdqu %xmm15, 344(%rcx)\n"
	"	cld\n"
	"	pop %rdx\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

#define FLAGS 0xcd5 /* CF PF AF ZF SF DF OF, and the bits that are always there */

static struct regs pattern(void)
{
	struct regs r;
	unsigned long *word = (unsigned long *)&r;

	for (size_t i = 0; i < sizeof(r) / sizeof(*word); i++)
		word[i] = 0x0101010101010101ul * (i + 1);
	r.rflags = FLAGS | 0x202;
	return r;
}

static void check_call(long nr, struct regs in)
{
	struct regs out;

	memset(&out, 0, sizeof(out));
	call_with_regs(nr, &in, &out);
	CHECK_EQ(out.rflags & FLAGS, in.rflags & FLAGS);
	out.rflags = in.rflags;
	CHECK(!memcmp(&in, &out, sizeof(in)));
}

TEST(simple_call_keeps_registers_and_flags)
{
	for (int i = 0; i < 100; i++)
		check_call(SYS_getpid, pattern());
}

TEST(unknown_call_keeps_registers)
{
	check_call(5000, pattern());
}

TEST(failing_call_keeps_registers)
{
	check_call(SYS_close, pattern());
	check_call(SYS_read, pattern());
}

TEST(call_that_blocks_keeps_registers)
{
	static char buf[16];
	struct regs r = pattern();
	int fd[2];

	MUST(pipe(fd));
	pid_t pid = SPAWN({
		r.rdi = (unsigned long)fd[0];
		r.rsi = (unsigned long)buf;
		r.rdx = 1;
		check_call(SYS_read, r);
	});
	t_wait_state(pid, 'S');
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(mapping_calls_keep_registers)
{
	struct regs r = pattern();

	r.rdi = 0;
	r.rsi = 8192;
	r.rdx = PROT_READ;
	r.r10 = MAP_PRIVATE | MAP_ANONYMOUS;
	r.r8 = -1ul;
	r.r9 = 0;
	for (int i = 0; i < 20; i++)
		check_call(SYS_mmap, r);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(interrupted_call_keeps_registers)
{
	static struct timespec ts = {100, 0};
	struct regs r = pattern();
	pid_t pid = SPAWN({
		t_handle(SIGUSR1, nothing);
		r.rdi = (unsigned long)&ts;
		r.rsi = 0;
		check_call(SYS_nanosleep, r);
	});

	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(restarted_call_keeps_registers)
{
	static char buf[16];
	struct regs r = pattern();
	int fd[2];

	MUST(pipe(fd));
	pid_t pid = SPAWN({
		t_handle_flags(SIGUSR1, nothing, SA_RESTART);
		r.rdi = (unsigned long)fd[0];
		r.rsi = (unsigned long)buf;
		r.rdx = 1;
		check_call(SYS_read, r);
	});
	for (int i = 0; i < 5; i++) {
		t_wait_state(pid, 'S');
		MUST(kill(pid, SIGUSR1));
	}
	t_wait_state(pid, 'S');
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(fork_keeps_registers_in_the_parent)
{
	struct regs in = pattern(), out;
	long pid;

	memset(&out, 0, sizeof(out));
	pid = call_with_regs(SYS_fork, &in, &out);
	if (pid == 0)
		_exit(!memcmp(in.xmm, out.xmm, sizeof(in.xmm)) && in.rbx == out.rbx &&
				      in.r8 == out.r8 && in.r15 == out.r15
			      ? 0
			      : 1);
	out.rflags = in.rflags;
	CHECK(!memcmp(&in, &out, sizeof(in)));
	CHECK_EXITED(t_wait((pid_t)pid), 0);
}

TEST(memory_below_the_stack_pointer_is_not_touched)
{
	unsigned long a, b, nr = SYS_getppid;

	/* The red zone. */
	__asm__ volatile("movq $111, -8(%%rsp); movq $222, -128(%%rsp); syscall\n"
			 "mov -8(%%rsp), %0; mov -128(%%rsp), %1"
			 : "=&r"(a), "=&r"(b), "+a"(nr)
			 :
			 : "rcx", "r11", "memory");
	CHECK_EQ(a, 111);
	CHECK_EQ(b, 222);
}

TEST(interrupt_0x80_does_not_crash_the_kernel)
{
	/* 32-bit calls: getpid where the kernel has them, otherwise an error or a signal. */
	int status = IN_CHILD({
		long r = 20;
		__asm__ volatile("int $0x80" : "+a"(r)::"r8", "r9", "r10", "r11", "memory");
	});

	CHECK(WIFEXITED(status) || WIFSIGNALED(status));
}
