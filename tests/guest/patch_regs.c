/* Hot system-call sites: registers, flags, the stack, and single-stepping. See patch.h. */
#include "patch.h"
#include <ucontext.h>

SITE_A(a_getpid, 39);
SITE_A(a_getuid, 102);
SITE_A(a_getppid, 110);
SITE_A(a_sched_yield, 24);
SITE_B(b_call);
long b_read(long, ...);
FUNCTION("b_read", "xor %eax, %eax\nsyscall\nret");

/* ---- registers ---- */

struct regs {
	unsigned long rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15, rflags;
	unsigned long red; /* words of the red zone that changed */
};

/* Loads *r and fills the red zone of fn, calls it with rax = nr, stores to *r. */
long call_with_regs(const void *fn, long nr, struct regs *r);

__asm__(".text\n"
	".type call_with_regs, @function\n"
	"call_with_regs:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	push %rdx; push %rdi\n"
	"	mov %rsi, %rax\n"
	"	mov %rdx, %rcx\n"
	"	mov $-17, %r11\n"
	"1:	mov %r11, (%rsp, %r11, 8)\n"
	"	inc %r11\n"
	"	cmp $-1, %r11\n"
	"	jne 1b\n"
	"	push 96(%rcx)\n"
	"	popf\n"
	"	mov 0(%rcx), %rbx;  mov 8(%rcx), %rdx;  mov 16(%rcx), %rsi; mov 24(%rcx), %rdi\n"
	"	mov 32(%rcx), %rbp; mov 40(%rcx), %r8;  mov 48(%rcx), %r9;  mov 56(%rcx), %r10\n"
	"	mov 64(%rcx), %r12; mov 72(%rcx), %r13; mov 80(%rcx), %r14; mov 88(%rcx), %r15\n"
	"	call *(%rsp)\n"
	"	pushf\n"
	"	mov 16(%rsp), %rcx\n"
	"	mov %rbx, 0(%rcx);  mov %rdx, 8(%rcx);  mov %rsi, 16(%rcx); mov %rdi, 24(%rcx)\n"
	"	mov %rbp, 32(%rcx); mov %r8, 40(%rcx);  mov %r9, 48(%rcx);  mov %r10, 56(%rcx)\n"
	"	mov %r12, 64(%rcx); mov %r13, 72(%rcx); mov %r14, 80(%rcx); mov %r15, 88(%rcx)\n"
	"	pop 96(%rcx)\n"
	"	cld\n"
	"	movq $0, 104(%rcx)\n"
	"	mov $-17, %r11\n"
	"1:	cmp %r11, (%rsp, %r11, 8)\n"
	"	je 2f\n"
	"	incq 104(%rcx)\n"
	"2:	inc %r11\n"
	"	cmp $-1, %r11\n"
	"	jne 1b\n"
	"	add $16, %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

#define ALL_FLAGS 0xcd5 /* CF PF AF ZF SF DF OF */

/* Flag combination i of 128. */
static unsigned long flags(int i)
{
	static const unsigned long bit[7] = {1, 4, 0x10, 0x40, 0x80, 0x800, 0x400};
	unsigned long f = 0x202;

	for (int b = 0; b < 7; b++)
		if (i & 1 << b)
			f |= bit[b];
	return f;
}

static void check_registers(const void *fn, long nr, long want, int combination)
{
	struct regs in, out;
	unsigned long *word = (unsigned long *)&in;

	for (size_t i = 0; i < sizeof(in) / sizeof(*word); i++)
		word[i] = 0x81f1e1d1c1b1a191ul + i * 0x0102030405060708ul;
	in.rflags = flags(combination);
	in.red = 0;
	out = in;
	CHECK_EQ(call_with_regs(fn, nr, &out), want);
	CHECK_EQ(out.rflags & ALL_FLAGS, in.rflags & ALL_FLAGS);
	out.rflags = in.rflags;
	CHECK(!memcmp(&in, &out, sizeof(in)));
}

TEST(call_with_number_kept_in_the_instruction_keeps_registers_and_flags)
{
	for (int i = 0; i < 10 * 128; i++) {
		check_registers(a_getpid, -1, getpid(), i);
		check_registers(a_getuid, -1, getuid(), i);
		check_registers(a_getppid, -1, getppid(), i);
		check_registers(a_sched_yield, -1, 0, i);
	}
}

TEST(call_with_number_from_elsewhere_keeps_registers_and_flags)
{
	for (int i = 0; i < 10 * 128; i++)
		check_registers(b_call, SYS_getpid, getpid(), i);
	for (int i = 0; i < 4 * 128; i++) {
		check_registers(b_call, SYS_getppid, getppid(), i);
		check_registers(b_call, SYS_sched_yield, 0, i);
		check_registers(b_call, 9999, -ENOSYS, i);
		check_registers(b_call, SYS_read, -EBADF, i);
	}
}

TEST(call_with_upper_half_of_number_set_is_made)
{
	heat(b_call, SYS_getpid, getpid());
	for (int i = 0; i < 10; i++)
		CHECK_EQ(call0(b_call, SYS_getpid | 0x123456700000000), getpid());
}

TEST(all_results_come_through)
{
	static const long uid_like[] = {0, 1, 65535, 65536, 0x7fffffff, 0x80000000l, 0xfffffffel};
	int fd = MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	char buf[8] = {1, 1, 1, 1, 1, 1, 1, 1};

	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(call3(b_read, 0, fd, (long)buf, i % 8), i % 8);
		CHECK_EQ(call3(b_read, 0, -1, (long)buf, 8), -EBADF);
	}
	CHECK_EQ(buf[6], 0);
	CHECK_EQ(buf[7], 1);
	if (!t_is_root())
		return;
	for (size_t k = 0; k < sizeof(uid_like) / sizeof(*uid_like); k++)
		CHECK_EXITED(IN_CHILD({
				     heat(a_getuid, 0, 0);
				     MUST(syscall(SYS_setresuid, uid_like[k], -1, -1));
				     heat(a_getuid, 0, uid_like[k]);
			     }),
			     0);
}

/* ---- instructions that look like others ---- */

/* c7 44 24 b8 10 00 00 00, 0f 05: five bytes before the call it looks like mov $16, %eax. */
long b8_inside(long, ...);
FUNCTION("b8_inside",
	 "movl $0x10, -0x48(%rsp)\nsyscall\nmov -0x48(%rsp), %edx\nmov %edx, (%rsi)\nret");

TEST(constant_that_looks_like_the_instruction_stays)
{
	unsigned int val;

	for (int i = 0; i < 500; i++) {
		val = 0;
		CHECK_EQ(call3(b8_inside, SYS_ioctl, -1, (long)&val, 0), -EBADF);
		CHECK_EQ(val, 0x10);
		val = 0;
		CHECK_EQ(call3(b8_inside, SYS_getpid, -1, (long)&val, 0), getpid());
		CHECK_EQ(val, 0x10);
	}
}

/* 49 b8 imm64: also a mov, but of ten bytes; 41 b8 imm32 of six. */
long b8_r8(long, ...), b8_long(long, ...);
FUNCTION("b8_r8", "mov $39, %r8d\nsyscall\nmov %r8, (%rsi)\nret");
FUNCTION("b8_long", "movabs $0x27b800000000, %r8\nsyscall\nmov %r8, (%rsi)\nret");

TEST(mov_to_another_register_stays)
{
	unsigned long val;

	for (int i = 0; i < 500; i++) {
		val = 0;
		CHECK_EQ(call3(b8_r8, SYS_getpid, 0, (long)&val, 0), getpid());
		CHECK_EQ(val, 39);
		CHECK_EQ(call3(b8_long, SYS_getpid, 0, (long)&val, 0), getpid());
		CHECK_EQ(val, 0x27b800000000);
	}
}

/* ---- jumps into the middle ---- */

TEST(jump_to_the_call_behind_the_mov_takes_the_number_of_the_jump)
{
	const char *call = (const char *)a_getpid + 5;

	for (int round = 0; round < 3; round++) {
		heat(a_getpid, 0, getpid());
		heat(call, SYS_getppid, getppid());
		heat(call, SYS_getpid, getpid());
		CHECK_EQ(call3(call, SYS_close, -1, 0, 0), -EBADF);
	}
}

TEST(jump_to_the_call_behind_the_xor_takes_the_number_of_the_jump)
{
	const char *call = (const char *)b_read + 2;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < HOT; i++)
			CHECK_EQ(call3(b_read, 7, -1, 0, 0), -EBADF);
		heat(call, SYS_getppid, getppid());
		heat(call, SYS_getpid, getpid());
		CHECK_EQ(call3(call, SYS_close, -1, 0, 0), -EBADF);
	}
}

/* ---- padding that isn't dead ---- */

/* The code behind the function has no description of its own, and NOPs in it that are executed. */
long before_live_nops(long, ...), live_nops(long, ...);
__asm__(".text\n.p2align 5\n.type before_live_nops, @function\nbefore_live_nops:\n.cfi_startproc\n"
	"syscall\nret\n.cfi_endproc\n.size before_live_nops, . - before_live_nops\n"
	"live_nops:\nmov $1, %eax\n.byte 0x0f, 0x1f, 0x44, 0, 0\n.byte 0x0f, 0x1f, 0x44, 0, 0\n"
	"add $41, %eax\nret\n"
	".p2align 5\n");

TEST(code_without_description_next_to_a_hot_call_works)
{
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(live_nops(0), 42);
		heat(before_live_nops, SYS_getppid, getppid());
		heat(before_live_nops, SYS_getpid, getpid());
	}
	CHECK_EQ(live_nops(0), 42);
}

/* Falls through NOPs into the next function. */
long falls_through(long, ...), fallen_into(long, ...);
__asm__(".text\n.p2align 5\n.type falls_through, @function\nfalls_through:\n.cfi_startproc\n"
	"syscall\n.cfi_endproc\n.size falls_through, . - falls_through\n"
	".p2align 5\n.type fallen_into, @function\nfallen_into:\n.cfi_startproc\n"
	"add $1, %rax\nret\n.cfi_endproc\n.size fallen_into, . - fallen_into\n"
	".p2align 5\n");

TEST(function_that_falls_through_its_padding_works)
{
	heat(falls_through, SYS_getpid, getpid() + 1);
	heat(falls_through, SYS_getppid, getppid() + 1);
}

/*
 * The same from the other side: the padding before the function with the call is executed. Behind
 * it there is none.
 */
long falls_to_call(long, ...), fallen_call(long, ...);
__asm__(".text\n.p2align 5\n.type falls_to_call, @function\nfalls_to_call:\n.cfi_startproc\n"
	"mov %edi, %eax\n.cfi_endproc\n.size falls_to_call, . - falls_to_call\n"
	".p2align 4\n.type fallen_call, @function\nfallen_call:\n.cfi_startproc\n"
	"add $1, %eax\nsyscall\nret\n.cfi_endproc\n.size fallen_call, . - fallen_call\n"
	".type behind_fallen_call, @function\nbehind_fallen_call:\n.cfi_startproc\nret\n"
	".cfi_endproc\n.size behind_fallen_call, . - behind_fallen_call\n.p2align 5\n");

TEST(function_that_is_fallen_into_through_padding_works)
{
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < HOT; i++)
			CHECK_EQ(call3(falls_to_call, 0, SYS_getpid - 1, 0, 0), getpid());
		heat(fallen_call, SYS_getppid - 1, getppid());
	}
}

/* Two calls that share the padding behind their function. */
long two_calls(long, ...);
FUNCTION("two_calls", "cmp $0, %edi\njne 1f\nsyscall\nret\n1: syscall\nret");

TEST(two_calls_of_a_function_are_hot)
{
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < HOT; i++) {
			CHECK_EQ(call3(two_calls, SYS_getpid, 0, 0, 0), getpid());
			CHECK_EQ(call3(two_calls, SYS_getppid, 1, 0, 0), getppid());
			CHECK_EQ(call3(two_calls, SYS_getppid, 0, 0, 0), getppid());
			CHECK_EQ(call3(two_calls, SYS_getuid, 1, 0, 0), getuid());
		}
}

/* ---- single steps ---- */

/* With edi = 0x100 they trap after each instruction from the first nop on. */
#define STEPPED(name, before)                                                                      \
	long name(long, ...);                                                                      \
	extern const char name##_1[], name##_2[], name##_3[], name##_4[], name##_5[], name##_6[];  \
	extern const char name##_7[], name##_8[];                                                  \
	FUNCTION(#name, "pushf\nor %edi, (%rsp)\nmov $-1, %edi\npopf\nnop\n" #name "_1: " before   \
			"\n" #name "_2: syscall\n" #name "_3: nop\n" #name "_4: nop\n" #name       \
			"_5: pushf\n" #name "_6: andl $~0x100, (%rsp)\n" #name "_7: popf\n" #name  \
			"_8: ret")

STEPPED(step_a, "mov $39, %eax");
STEPPED(step_b, "xor %eax, %eax");

#define STEPS_MAX 32
static struct step {
	unsigned long rip, rax, rdx, rsi, r10, rflags;
} steps[STEPS_MAX];
static volatile int n_steps;

static void on_step(int sig, siginfo_t *info, void *ctx)
{
	const greg_t *g = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	if (info->si_code != TRAP_TRACE && info->si_code != TRAP_BRKPT)
		_exit(50);
	if (n_steps < STEPS_MAX)
		steps[n_steps] = (struct step){g[REG_RIP], g[REG_RAX], g[REG_RDX],
					       g[REG_RSI], g[REG_R10], g[REG_EFL]};
	n_steps++;
}

static void step_setup(void)
{
	t_handle_info(SIGTRAP, on_step);
}

#define STEP_SI 0x1122334455667788
#define STEP_R10 0x99aabbccddeeff00

/* One run; its traps must be at `want`. */
static void step_through(const void *fn, const char *const want[], int n, long result)
{
	long ret;

	n_steps = 0;
	ret = call4(fn, 0, 0x100, STEP_SI, 0x5678, STEP_R10);
	CHECK_EQ(ret, result);
	for (int i = 0; i < n && i < n_steps; i++) {
		static char where[40];

		snprintf(where, sizeof(where), "step %d", i);
		t_context = where;
		CHECK_EQ(steps[i].rip - (unsigned long)fn,
			 (unsigned long)want[i] - (unsigned long)fn);
		CHECK_EQ(steps[i].rsi, STEP_SI);
		CHECK_EQ(steps[i].rdx, 0x5678);
		CHECK_EQ(steps[i].r10, STEP_R10);
		CHECK_EQ(steps[i].rflags & 0x100, want[i] == want[n - 1] ? 0 : 0x100);
		t_context = NULL;
	}
	CHECK_EQ(n_steps, n);
}

static void check_steps(const void *fn, const char *const want[], int n, long result)
{
	step_setup();
	step_through(fn, want, n, result);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < HOT; i++)
			CHECK_EQ(call4(fn, 0, 0, STEP_SI, 0x5678, STEP_R10), result);
		CHECK_EQ(n_steps, n);
		step_through(fn, want, n, result);
		step_through(fn, want, n, result);
	}
	for (int i = 0; i < HOT; i++)
		step_through(fn, want, n, result);
}

/* The call itself traps only behind the instruction that follows. */
TEST(single_steps_over_a_hot_mov_and_call)
{
	const char *const want[] = {step_a_1, step_a_2, step_a_4, step_a_5,
				    step_a_6, step_a_7, step_a_8};

	check_steps(step_a, want, 7, getpid());
}

TEST(single_steps_over_a_hot_xor_and_call)
{
	const char *const want[] = {step_b_1, step_b_2, step_b_4, step_b_5,
				    step_b_6, step_b_7, step_b_8};

	check_steps(step_b, want, 7, -EBADF);
}
