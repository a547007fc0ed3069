/* The signal frame: what the handler sees of the interrupted code, and what it may change. */
#include "t.h"

#include <pthread.h>
#include <ucontext.h>

static volatile int count;

static void skip_ud2(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	count++;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = 0x1234;
}

TEST(handler_can_change_registers_and_the_program_counter)
{
	long rax = 1, rbx = 77;

	t_handle_info(SIGILL, skip_ud2);
	__asm__ volatile("ud2" : "+a"(rax), "+b"(rbx));
	CHECK_EQ(rax, 0x1234);
	CHECK_EQ(rbx, 77);
	CHECK_EQ(count, 1);
}

static long seen[16];

static void read_regs(int sig, siginfo_t *si, void *ctx)
{
	greg_t *r = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	(void)sig;
	(void)si;
	seen[0] = r[REG_RBX];
	seen[1] = r[REG_R8];
	seen[2] = r[REG_R15];
	seen[3] = r[REG_RDI];
	seen[4] = r[REG_RSP];
	seen[5] = r[REG_EFL];
	seen[6] = r[REG_CSGSFS] & 0xffff;
	r[REG_RIP] += 2;
}

TEST(frame_holds_the_registers_at_the_fault)
{
	unsigned long sp;

	t_handle_info(SIGILL, read_regs);
	__asm__ volatile("mov $111, %%rbx; mov $222, %%r8; mov $333, %%r15; mov $444, %%rdi\n"
			 "mov %%rsp, %0; stc; ud2"
			 : "=&r"(sp)
			 :
			 : "rbx", "r8", "r15", "rdi", "memory", "cc");
	CHECK_EQ(seen[0], 111);
	CHECK_EQ(seen[1], 222);
	CHECK_EQ(seen[2], 333);
	CHECK_EQ(seen[3], 444);
	CHECK_EQ(seen[4], (long)sp);
	CHECK_EQ(seen[5] & 1, 1);
	CHECK_EQ(seen[6], 0x33);
}

static void step_flag_check(int sig, siginfo_t *si, void *ctx)
{
	unsigned long flags;

	(void)sig;
	(void)si;
	(void)ctx;
	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	count = (flags & 0x400) ? -1 : 1;
}

TEST(handler_starts_with_a_clear_direction_flag)
{
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);
	long r;

	t_handle_info(SIGUSR1, step_flag_check);
	__asm__ volatile("std; syscall; cld"
			 : "=a"(r)
			 : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1)
			 : "rcx", "r11", "memory");
	CHECK_EQ(r, 0);
	CHECK_EQ(count, 1);
}

static void change_mask_in_frame(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	sigaddset(&((ucontext_t *)ctx)->uc_sigmask, SIGHUP);
}

TEST(mask_in_the_frame_becomes_the_mask)
{
	sigset_t set;

	t_handle_info(SIGUSR1, change_mask_in_frame);
	raise(SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(sigismember(&set, SIGHUP));
}

static void block_everything_in_frame(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	sigfillset(&((ucontext_t *)ctx)->uc_sigmask);
}

TEST(kill_works_after_a_return_with_everything_blocked)
{
	struct t_gate ready = t_gate();
	pid_t pid = SPAWN({
		t_handle_info(SIGUSR1, block_everything_in_frame);
		raise(SIGUSR1);
		t_gate_open(&ready);
		for (;;)
			;
	});

	t_gate_pass(&ready);
	MUST(kill(pid, SIGTERM)); /* blocked */
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

static void evil_segments(int sig, siginfo_t *si, void *ctx)
{
	greg_t *r = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	(void)sig;
	(void)si;
	r[REG_EFL] |= 0x3000 | 0x20000; /* I/O privilege, virtual 8086 mode */
}

TEST(privileged_flags_in_the_frame_are_ignored)
{
	unsigned long flags;

	t_handle_info(SIGUSR1, evil_segments);
	raise(SIGUSR1);
	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	CHECK_EQ(flags & (0x3000 | 0x20000), 0);
	CHECK_EQ(flags & 0x200, 0x200);
}

static void bad_counter(int sig, siginfo_t *si, void *ctx)
{
	static const unsigned long bad[] = {0x800000000000ul, 0xffff800000000000ul,
					    0x7ffffffff000ul, 0};

	(void)sig;
	((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP] = (greg_t)bad[si->si_value.sival_int];
}

TEST(return_to_a_bad_address_is_death_by_sigsegv)
{
	for (int i = 0; i < 4; i++)
		CHECK_KILLED(IN_CHILD({
				     t_handle_info(SIGRTMIN, bad_counter);
				     sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
			     }),
			     SIGSEGV);
}

static void bad_stack(int sig, siginfo_t *si, void *ctx)
{
	static const unsigned long bad[] = {0x800000000000ul, 0xffff800000000000ul,
					    0x7ffffffff000ul, 0};

	(void)sig;
	((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RSP] = (greg_t)bad[si->si_value.sival_int];
}

TEST(return_with_a_bad_stack_is_death_by_signal)
{
	for (int i = 0; i < 4; i++) {
		int status = IN_CHILD({
			t_handle_info(SIGRTMIN, bad_stack);
			sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
		});

		CHECK(WIFSIGNALED(status));
		CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
	}
}

static void bad_fpstate(int sig, siginfo_t *si, void *ctx)
{
	static const unsigned long bad[] = {8, 0x7fffffffe000ul, 0x800000000000ul,
					    0xffff800000000000ul};

	(void)sig;
	((ucontext_t *)ctx)->uc_mcontext.fpregs = (void *)bad[si->si_value.sival_int];
}

TEST(return_with_a_bad_fpstate_pointer_is_death_by_sigsegv)
{
	for (int i = 0; i < 4; i++)
		CHECK_KILLED(IN_CHILD({
				     t_handle_info(SIGRTMIN, bad_fpstate);
				     sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
			     }),
			     SIGSEGV);
}

static void *volatile frame_at;

static void note_frame(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	frame_at = ctx;
	count = __builtin_frame_address(0) != NULL;
}

TEST(frame_lies_below_the_red_zone)
{
	unsigned long guard, sp;
	long r;

	t_handle_info(SIGUSR1, note_frame);
	__asm__ volatile("movq $12345, -8(%%rsp); movq $12345, -128(%%rsp); syscall\n"
			 "mov -128(%%rsp), %1; mov %%rsp, %2"
			 : "=a"(r), "=&r"(guard), "=&r"(sp)
			 : "a"(SYS_tgkill), "D"(getpid()), "S"(syscall(SYS_gettid)), "d"(SIGUSR1)
			 : "rcx", "r11", "memory");
	CHECK_EQ(guard, 12345);
	CHECK((unsigned long)frame_at < sp - 128);
}

static void check_alignment(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	(void)ctx;
	count = ((unsigned long)__builtin_frame_address(0) & 15) == 0 ? 1 : -1;
}

TEST(handler_starts_with_an_aligned_stack)
{
	t_handle_info(SIGUSR1, check_alignment);
	for (int off = 0; off < 16; off += 8) {
		long r;

		count = 0;
		__asm__ volatile(
			"sub %4, %%rsp; sub $256, %%rsp; syscall; add $256, %%rsp; add %4, "
			"%%rsp"
			: "=a"(r)
			: "a"(SYS_tgkill), "D"(getpid()), "S"(syscall(SYS_gettid)), "r"((long)off),
			  "d"(SIGUSR1)
			: "rcx", "r11", "memory");
		CHECK_EQ(r, 0);
		CHECK_EQ(count, 1);
	}
}

static void nest(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	(void)ctx;
	if (++count < 50)
		raise(SIGUSR1 + (count % 2) * (SIGUSR2 - SIGUSR1));
}

TEST(frames_nest_fifty_deep)
{
	struct sigaction sa = {.sa_sigaction = nest, .sa_flags = SA_SIGINFO | SA_NODEFER};

	MUST(sigaction(SIGUSR1, &sa, NULL));
	MUST(sigaction(SIGUSR2, &sa, NULL));
	raise(SIGUSR1);
	CHECK_EQ(count, 50);
}

static ucontext_t main_context, other_context;
static volatile int switched;

static void other(void)
{
	switched++;
	swapcontext(&other_context, &main_context);
	switched++;
}

TEST(swapcontext_works)
{
	static char stack[65536];

	MUST(getcontext(&other_context));
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = sizeof(stack);
	other_context.uc_link = &main_context;
	makecontext(&other_context, other, 0);
	MUST(swapcontext(&main_context, &other_context));
	CHECK_EQ(switched, 1);
	MUST(swapcontext(&main_context, &other_context));
	CHECK_EQ(switched, 2);
}
