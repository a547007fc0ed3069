/*
 * Signals that come at a hot system call: what the handler finds, and what is left when it returns:
 * all registers, and the vector state. See patch.h.
 * test: quick=no cpus=1,2,2s,4,4m
 */
#include "patch.h"
#include <pthread.h>
#include <ucontext.h>

SITE_A(a_tgkill, 234);
SITE_A(a_sigprocmask, 14);
SITE_B(b_call);
long low_stack(long, ...);
FUNCTION("low_stack", "mov %rsp, %r9\nmov $16, %esp\nmov $234, %eax\nsyscall\nmov %r9, %rsp\nret");

static pid_t pid, tid;

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	sigemptyset(&sa.sa_mask);
	MUST(sigaction(sig, &sa, NULL));
}

static void heat_all(void)
{
	pid = getpid();
	tid = (pid_t)syscall(SYS_gettid);
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(call3(a_tgkill, 0, pid, tid, 0), 0);
		CHECK_EQ(call3(b_call, SYS_tgkill, pid, tid, 0), 0);
		CHECK_EQ(call4(a_sigprocmask, 0, SIG_BLOCK, 0, 0, 8), 0);
		CHECK_EQ(call3(low_stack, 0, pid, tid, 0), 0);
	}
}

/* ---- registers ---- */

#define MXCSR_INITIAL 0x1f80
#define MXCSR_OWN 0x3f80 /* rounds down */

struct state {
	unsigned long rbx, r12, r13, r14, r15, flags;
	unsigned char xmm[3][16]; /* 0, 6, 15 */
	unsigned int mxcsr;
};

static const struct state before = {
	.rbx = 0x1111111111111111,
	.r12 = 0x2222222222222222,
	.r13 = 0x3333333333333333,
	.r14 = 0x4444444444444444,
	.r15 = 0x5555555555555555,
	.xmm = {"vector zero....", "vector six.....", "vector fifteen."},
	.mxcsr = MXCSR_OWN,
};

/* Calls fn(a, b, c, d) with rax = nr and this state. What it is then goes to *after. */
__attribute__((noinline)) static long call_in_state(struct state *after, const void *fn, long nr,
						    long a, long b, long c, long d)
{
	unsigned int mxcsr = MXCSR_INITIAL;
	register const void *r9 __asm__("r9") = fn;
	register struct state *r8 __asm__("r8") = after;
	register const struct state *r11 __asm__("r11") = &before;

	/* Off the red zone. */
	__asm__ volatile(
		"sub $128, %%rsp; push %%rbp; mov %%r8, %%rbp; mov %%rcx, %%r10\n"
		"movdqu 48(%%r11), %%xmm0; movdqu 64(%%r11), %%xmm6; movdqu 80(%%r11), %%xmm15\n"
		"ldmxcsr 96(%%r11); mov (%%r11), %%rbx; mov 8(%%r11), %%r12; mov 16(%%r11), %%r13\n"
		"mov 24(%%r11), %%r14; mov 32(%%r11), %%r15\n"
		"stc; call *%%r9\n"
		"pushf; pop 40(%%rbp)\n"
		"mov %%rbx, (%%rbp); mov %%r12, 8(%%rbp); mov %%r13, 16(%%rbp); mov %%r14, 24(%%rbp)\n"
		"mov %%r15, 32(%%rbp); movdqu %%xmm0, 48(%%rbp); movdqu %%xmm6, 64(%%rbp)\n"
		"movdqu %%xmm15, 80(%%rbp); stmxcsr 96(%%rbp); pop %%rbp; add $128, %%rsp"
		: "+a"(nr), "+c"(d), "+r"(r8), "+r"(r9), "+r"(r11)
		: "D"(a), "S"(b), "d"(c)
		: "rbx", "r10", "r12", "r13", "r14", "r15", "xmm0", "xmm6", "xmm15", "memory",
		  "cc");
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	return nr;
}

static bool same_state(const struct state *s)
{
	return s->rbx == before.rbx && s->r12 == before.r12 && s->r13 == before.r13 &&
	       s->r14 == before.r14 && s->r15 == before.r15 && (s->flags & 1) &&
	       !memcmp(s->xmm, before.xmm, sizeof(s->xmm)) && s->mxcsr == before.mxcsr;
}

static volatile int calls;
static ucontext_t seen[2];
static struct _libc_fpstate seen_fp[2];
static unsigned int seen_mxcsr;

/* Notes what it finds, and leaves other things in all registers that it may change. */
static void look(int sig, siginfo_t *si, void *ctx)
{
	const ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	__asm__ volatile("stmxcsr %0" : "=m"(seen_mxcsr));
	seen[calls % 2] = *uc;
	seen_fp[calls % 2] = *uc->uc_mcontext.fpregs;
	calls++;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm6, %%xmm6; pcmpeqd %%xmm15, %%xmm15"
			 :
			 :
			 : "xmm0", "xmm6", "xmm15");
}

static void check_seen(int i, const void *behind)
{
	const greg_t *g = seen[i].uc_mcontext.gregs;

	CHECK_EQ(g[REG_RIP], (greg_t)behind);
	CHECK_EQ(g[REG_RBX], (greg_t)before.rbx);
	CHECK_EQ(g[REG_R12], (greg_t)before.r12);
	CHECK_EQ(g[REG_R15], (greg_t)before.r15);
	CHECK_EQ(g[REG_EFL] & 0x401, 1); /* carry, and not backwards */
	CHECK_EQ(seen_fp[i].mxcsr, MXCSR_OWN);
	CHECK(!memcmp(&seen_fp[i]._xmm[0], before.xmm[0], 16));
	CHECK(!memcmp(&seen_fp[i]._xmm[15], before.xmm[2], 16));
}

TEST(handler_at_a_hot_call_finds_registers_and_leaves_them)
{
	struct state after;

	handle(SIGUSR1, look, 0);
	heat_all();
	CHECK_EQ(call_in_state(&after, a_tgkill, 0, pid, tid, SIGUSR1, 0), 0);
	CHECK_EQ(calls, 1);
	CHECK_EQ(seen_mxcsr, MXCSR_INITIAL);
	check_seen(0, (char *)a_tgkill + 7);
	CHECK_EQ(seen[0].uc_mcontext.gregs[REG_RDX], SIGUSR1);
	CHECK(same_state(&after));
	CHECK_EQ(call_in_state(&after, b_call, SYS_tgkill, pid, tid, SIGUSR1, 0), 0);
	CHECK_EQ(calls, 2);
	check_seen(1, (char *)b_call + 2);
	CHECK(same_state(&after));
}

/*
 * The later one runs first, on top of the other's frame: what it interrupts is that handler's first
 * instruction.
 */
TEST(two_handlers_at_a_hot_call_each_find_their_state)
{
	sigset_t set;
	struct state after;
	int inner, outer;

	handle(SIGUSR1, look, 0);
	handle(SIGUSR2, look, 0);
	heat_all();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	CHECK_EQ(call4(a_sigprocmask, 0, SIG_BLOCK, (long)&set, 0, 8), 0);
	CHECK_EQ(call3(a_tgkill, 0, pid, tid, SIGUSR1), 0);
	CHECK_EQ(call3(a_tgkill, 0, pid, tid, SIGUSR2), 0);
	CHECK_EQ(calls, 0);
	CHECK_EQ(call_in_state(&after, a_sigprocmask, 0, SIG_UNBLOCK, (long)&set, 0, 8), 0);
	CHECK_EQ(calls, 2);
	inner = seen[0].uc_mcontext.gregs[REG_RIP] == (greg_t)look ? 0 : 1;
	outer = !inner;
	CHECK_EQ(seen[inner].uc_mcontext.gregs[REG_RIP], (greg_t)look);
	CHECK_EQ(seen_fp[inner].mxcsr, MXCSR_INITIAL);
	check_seen(outer, (char *)a_sigprocmask + 7);
	CHECK(same_state(&after));
}

TEST(hot_change_of_the_mask_takes_eight_bytes_or_none)
{
	char *page =
		MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	unsigned long *set = (unsigned long *)(page + 4096) - 1, old;

	MUST(munmap(page + 4096, 4096));
	heat_all();
	*set = 1UL << (SIGUSR1 - 1) | 1UL << (SIGKILL - 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(call4(a_sigprocmask, 0, SIG_SETMASK, (long)set, (long)&old, 8), 0);
		CHECK_EQ(old, i ? 1UL << (SIGUSR1 - 1) : 0);
		CHECK_EQ(call4(a_sigprocmask, 0, SIG_SETMASK, (long)((char *)set + 1), 0, 8),
			 -EFAULT);
		CHECK_EQ(call4(a_sigprocmask, 0, SIG_SETMASK, (long)(set + 1), (long)&old, 8),
			 -EFAULT);
		CHECK_EQ(call4(a_sigprocmask, 0, 77, 0, (long)set, 8), 0);
		CHECK_EQ(*set, 1UL << (SIGUSR1 - 1));
		CHECK_EQ(call4(a_sigprocmask, 0, 77, (long)set, 0, 8), -EINVAL);
		CHECK_EQ(call4(a_sigprocmask, 0, SIG_BLOCK, (long)set, 0, 4), -EINVAL);
	}
}

static void change(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	calls++;
	uc->uc_mcontext.gregs[REG_RAX] = 77;
	memset(&uc->uc_mcontext.fpregs->_xmm[6], 0x66, 16);
	uc->uc_mcontext.fpregs->mxcsr = MXCSR_INITIAL;
}

TEST(handler_at_a_hot_call_changes_state)
{
	struct state after;
	unsigned char want[16];

	memset(want, 0x66, sizeof(want));
	handle(SIGUSR1, change, 0);
	heat_all();
	CHECK_EQ(call_in_state(&after, a_tgkill, 0, pid, tid, SIGUSR1, 0), 77);
	CHECK_EQ(calls, 1);
	CHECK(!memcmp(after.xmm[1], want, sizeof(want)));
	CHECK(!memcmp(after.xmm[0], before.xmm[0], 16));
	CHECK_EQ(after.mxcsr, MXCSR_INITIAL);
}

/* There is no room for its frame: SIGSEGV instead, whose handler has a stack. */
TEST(handler_whose_frame_cannot_be_written_is_replaced)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct state after;

	handle(SIGUSR1, change, 0);
	handle(SIGSEGV, look, SA_ONSTACK);
	MUST(sigaltstack(&ss, NULL));
	heat_all();
	CHECK_EQ(call_in_state(&after, low_stack, 0, pid, tid, SIGUSR1, 0), 0);
	CHECK_EQ(calls, 1);
	CHECK_EQ(seen[0].uc_mcontext.gregs[REG_RSP], 16);
	CHECK_EQ(seen_fp[0].mxcsr, MXCSR_OWN);
	CHECK(!memcmp(&seen_fp[0]._xmm[0], before.xmm[0], 16));
	CHECK(same_state(&after));
}

/* ---- one signal while another one's handler is on its way ---- */

static volatile bool over;
static volatile int others;

static void count_other(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	(void)ctx;
	others++;
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm6, %%xmm6" ::: "xmm0", "xmm6");
}

static void *send_others(void *arg)
{
	while (!over) {
		int before_that = others;

		MUST(syscall(SYS_tgkill, pid, tid, SIGUSR2));
		while (others == before_that && !over)
			sched_yield();
	}
	return arg;
}

TEST(signals_from_a_sibling_meet_signals_to_oneself)
{
	pthread_t sibling;
	struct state after;
	int bad = 0, n;

	handle(SIGUSR1, look, 0);
	handle(SIGUSR2, count_other, 0);
	heat_all();
	CHECK_EQ(pthread_create(&sibling, NULL, send_others, NULL), 0);
	/* The sibling may not have begun when 3000 are over. */
	for (n = 0; n < 3000 || !others; n++) {
		if (call_in_state(&after, n % 2 ? (void *)a_tgkill : (void *)b_call, SYS_tgkill,
				  pid, tid, SIGUSR1, 0) ||
		    !same_state(&after))
			bad++;
		if (memcmp(&seen_fp[n % 2]._xmm[0], before.xmm[0], 16) ||
		    seen_fp[n % 2].mxcsr != MXCSR_OWN)
			bad++;
	}
	over = true;
	CHECK_EQ(pthread_join(sibling, NULL), 0);
	CHECK_EQ(bad, 0);
	CHECK_EQ(calls, n);
}

/* ---- a signal at a call that changes its handler's stack ---- */

static void count(int sig)
{
	(void)sig;
	calls++;
}

TEST(signals_come_when_their_stack_has_been_mapped)
{
	enum { SIZE = 65536, TIMES = 5000 };
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *stack = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0));
	stack_t ss = {.ss_sp = stack, .ss_size = SIZE};
	struct sigaction sa = {.sa_handler = count, .sa_flags = SA_ONSTACK};
	pid_t parent = getpid(), child;

	MUST(sigaltstack(&ss, NULL));
	MUST(sigaction(SIGUSR1, &sa, NULL));
	child = MUST(fork());
	if (!child)
		while (getppid() == parent && kill(parent, SIGUSR1) == 0)
			for (volatile int i = 0; i < 2000; i++)
				;
	for (int i = 0; (i < TIMES || !calls) && calls < TIMES; i++) { /* it may begin late */
		char *p = mmap(stack, SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0);

		CHECK(p == stack);
	}
	t_block(SIGUSR1); /* one that it has sent would interrupt us */
	MUST(kill(child, SIGKILL));
	MUST(waitpid(child, NULL, 0));
	CHECK(calls > 0);
}
