/* x87, SSE and AVX state across handlers, and the state as the frame shows it. */
#include "t.h"

#include <ucontext.h>

static volatile int count;

static void destroy_all(int sig, siginfo_t *si, void *ctx)
{
	unsigned int mxcsr = 0x1f80 | 0x6000;
	unsigned short cw = 0x0f7f;

	(void)sig;
	(void)si;
	(void)ctx;
	count++;
	__asm__ volatile(
		"pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15\n"
		"ldmxcsr %0; fninit; fldcw %1; fld1; fldpi"
		:
		: "m"(mxcsr), "m"(cw)
		: "xmm0", "xmm7", "xmm15");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile(
			"vxorps %%ymm3, %%ymm3, %%ymm3; vxorps %%ymm12, %%ymm12, %%ymm12" ::
				: "xmm3", "xmm12");
}

#define RAISE_USR1 "syscall" /* rax, rdi, rsi, rdx hold tgkill(pid, tid, SIGUSR1) */
#define RAISE_INPUTS "a"(SYS_tgkill), "D"(getpid()), "S"(syscall(SYS_gettid)), "d"(SIGUSR1)

TEST(sse_registers_survive_a_handler)
{
	unsigned long long in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[3][2];
	long r;

	t_handle_info(SIGUSR1, destroy_all);
	__asm__ volatile(
		"movdqu %[in], %%xmm0; movdqu %[in], %%xmm7; movdqu %[in], %%xmm15\n" RAISE_USR1
		"\nmovdqu %%xmm0, %1; movdqu %%xmm7, %2; movdqu %%xmm15, %3"
		: "=a"(r), "=m"(out[0]), "=m"(out[1]), "=m"(out[2])
		: [in] "m"(in), RAISE_INPUTS
		: "rcx", "r11", "memory", "xmm0", "xmm7", "xmm15");
	CHECK_EQ(count, 1);
	for (int i = 0; i < 3; i++)
		CHECK(!memcmp(out[i], in, sizeof(in)));
}

TEST(sse_and_x87_control_survive_a_handler)
{
	unsigned int mxcsr = 0x1f80 | 0x2000, mxcsr_after;
	unsigned short cw = 0x0b7f, cw_after;
	long r;

	t_handle_info(SIGUSR1, destroy_all);
	__asm__ volatile("ldmxcsr %3; fldcw %4\n" RAISE_USR1 "\nstmxcsr %1; fnstcw %2"
			 : "=a"(r), "=m"(mxcsr_after), "=m"(cw_after)
			 : "m"(mxcsr), "m"(cw), RAISE_INPUTS
			 : "rcx", "r11", "memory");
	CHECK_EQ(mxcsr_after, mxcsr);
	CHECK_EQ(cw_after, cw);
}

TEST(x87_stack_survives_a_handler)
{
	double a = 1.5, b = -2.25, x, y;
	long r;

	t_handle_info(SIGUSR1, destroy_all);
	__asm__ volatile("fldl %3; fldl %4\n" RAISE_USR1 "\nfstpl %1; fstpl %2"
			 : "=a"(r), "=m"(x), "=m"(y)
			 : "m"(a), "m"(b), RAISE_INPUTS
			 : "rcx", "r11", "memory", "st", "st(1)", "st(2)", "st(3)");
	CHECK(x == b && y == a);
}

TEST(avx_registers_survive_a_handler)
{
	unsigned long long in[4] = {1, 2, 3, 4}, out[2][4];
	long r;

	if (!__builtin_cpu_supports("avx"))
		SKIP("this processor has no AVX");
	t_handle_info(SIGUSR1, destroy_all);
	__asm__ volatile("vmovdqu %[in], %%ymm3; vmovdqu %[in], %%ymm12\n" RAISE_USR1
			 "\nvmovdqu %%ymm3, %1; vmovdqu %%ymm12, %2; vzeroupper"
			 : "=a"(r), "=m"(out[0]), "=m"(out[1])
			 : [in] "m"(in), RAISE_INPUTS
			 : "rcx", "r11", "memory", "xmm3", "xmm12");
	CHECK(!memcmp(out[0], in, sizeof(in)));
	CHECK(!memcmp(out[1], in, sizeof(in)));
}

TEST(avx_registers_survive_system_calls_and_fork)
{
	unsigned long long in[4] = {5, 6, 7, 8}, out[4];
	long pid;

	if (!__builtin_cpu_supports("avx"))
		SKIP("this processor has no AVX");
	__asm__ volatile(
		"vmovdqu %2, %%ymm9; mov $57, %%eax; syscall; vmovdqu %%ymm9, %1; vzeroupper"
		: "=a"(pid), "=m"(out)
		: "m"(in)
		: "rcx", "r11", "memory", "xmm9");
	if (pid == 0)
		_exit(memcmp(in, out, sizeof(in)) ? 1 : 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_EXITED(t_wait((pid_t)pid), 0);
}

__attribute__((target("avx512f,avx512bw"))) static bool avx512_survives(void)
{
	static unsigned char in[64], out[2][64];
	unsigned long mask = 0x123456789abcdef0, mask_after;
	long r;

	for (int i = 0; i < 64; i++)
		in[i] = (unsigned char)(i * 3 + 1);
	__asm__ volatile(
		"vmovdqu64 %[in], %%zmm4; vmovdqu64 %[in], %%zmm29; kmovq %[mask], %%k3\n" RAISE_USR1
		"\nvmovdqu64 %%zmm4, %1; vmovdqu64 %%zmm29, %2; kmovq %%k3, %3; vzeroupper"
		: "=a"(r), "=m"(out[0]), "=m"(out[1]), "=m"(mask_after)
		: [in] "m"(in), [mask] "m"(mask), RAISE_INPUTS
		: "rcx", "r11", "memory", "xmm4", "xmm29", "k3");
	return !memcmp(in, out[0], 64) && !memcmp(in, out[1], 64) && mask == mask_after;
}

static void destroy_avx512(int sig, siginfo_t *si, void *ctx)
{
	destroy_all(sig, si, ctx);
	__asm__ volatile("vpxorq %%zmm4, %%zmm4, %%zmm4; vpxorq %%zmm29, %%zmm29, %%zmm29\n"
			 "kxorq %%k3, %%k3, %%k3" ::
				 : "memory");
}

TEST(avx512_registers_survive_a_handler)
{
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw"))
		SKIP("this processor has no AVX-512");
	t_handle_info(SIGUSR1, destroy_avx512);
	CHECK(avx512_survives());
	CHECK_EQ(count, 1);
}

static void read_and_change_xmm(int sig, siginfo_t *si, void *ctx)
{
	struct _libc_fpstate *fp = ((ucontext_t *)ctx)->uc_mcontext.fpregs;

	(void)sig;
	(void)si;
	count = fp && fp->_xmm[5].element[0] == 0xabcdef;
	if (fp)
		fp->_xmm[5].element[0] = 0x12345;
}

TEST(handler_can_read_and_change_the_sse_state_in_the_frame)
{
	unsigned int in[4] = {0xabcdef, 0, 0, 0}, out[4];
	long r;

	t_handle_info(SIGUSR1, read_and_change_xmm);
	__asm__ volatile("movdqu %2, %%xmm5\n" RAISE_USR1 "\nmovdqu %%xmm5, %1"
			 : "=a"(r), "=m"(out)
			 : "m"(in), RAISE_INPUTS
			 : "rcx", "r11", "memory", "xmm5");
	CHECK_EQ(count, 1);
	CHECK_EQ(out[0], 0x12345);
}

static void set_x87(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	uc->uc_mcontext.fpregs->cwd = 0x027f;
	count++;
}

/*
 * Also of a program that has not used it, whose state is as it was at the start; by a call that is
 * made often, and by one that isn't.
 */
TEST(handler_can_change_the_x87_state_that_is_not_used_yet)
{
	pid_t pid = getpid(), tid = gettid();
	unsigned short cw;

	t_handle_info(SIGUSR1, set_x87);
	for (int i = 0; i < 200; i++) {
		__asm__ volatile("fninit");
		MUST(syscall(SYS_tgkill, pid, tid, SIGUSR1));
		__asm__ volatile("fnstcw %0" : "=m"(cw));
		CHECK_EQ(cw, 0x027f);
		__asm__ volatile("fninit");
	}
	CHECK_EQ(count, 200);
}

static void drop_fpstate(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	((ucontext_t *)ctx)->uc_mcontext.fpregs = NULL;
}

TEST(frame_without_fpstate_resets_it)
{
	unsigned int mxcsr = 0x1f80 | 0x6000, after;
	unsigned long long in[2] = {~0ull, ~0ull}, out[2];
	long r;

	t_handle_info(SIGUSR1, drop_fpstate);
	__asm__ volatile("ldmxcsr %3; movdqu %4, %%xmm6\n" RAISE_USR1
			 "\nstmxcsr %1; movdqu %%xmm6, %2"
			 : "=a"(r), "=m"(after), "=m"(out)
			 : "m"(mxcsr), "m"(in), RAISE_INPUTS
			 : "rcx", "r11", "memory", "xmm6");
	CHECK_EQ(after, 0x1f80);
	CHECK(out[0] == 0 && out[1] == 0);
}

static void bad_mxcsr(int sig, siginfo_t *si, void *ctx)
{
	struct _libc_fpstate *fp = ((ucontext_t *)ctx)->uc_mcontext.fpregs;

	(void)sig;
	(void)si;
	fp->mxcsr = 0xffffffff;
}

TEST(reserved_mxcsr_bits_in_the_frame_do_no_harm)
{
	int status = IN_CHILD({
		t_handle_info(SIGUSR1, bad_mxcsr);
		raise(SIGUSR1);
	});

	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 0);
}

static volatile double result;

static void compute(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	(void)ctx;
	count++;
	for (int i = 1; i < 100; i++)
		result += 1.0 / i;
}

TEST(computation_is_not_disturbed_by_many_signals)
{
	pid_t parent = getpid(), pid;
	volatile int *stop = t_shared(4096);
	double first = 0, again;

	t_handle_info(SIGUSR1, compute);
	for (int i = 1; i < 20000; i++)
		first += 1.0 / (i * 1.25);
	pid = SPAWN(while (!*stop) kill(parent, SIGUSR1));
	while (count < 10) /* at least so many came in between */
		for (int round = 0; round < 10; round++) {
			again = 0;
			for (int i = 1; i < 20000; i++)
				again += 1.0 / (i * 1.25);
			CHECK(again == first);
		}
	*stop = 1;
	CHECK_EXITED(t_wait(pid), 0);
}
