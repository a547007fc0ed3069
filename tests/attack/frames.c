/*
 * test: quick=no
 * Frames of the guest's own making, loaded by the stub's rt_sigreturn: blocked signals, signal
 * stacks elsewhere, odd registers; and stops that were none. Under ptrace the same call is the
 * guest's own sigreturn. Whatever it does, the process can be ended.
 */
#include "attack.h"
#include <pthread.h>
#include <ucontext.h>

#define ALL_BLOCKED (~0ULL)

static char stack[1 << 16] __attribute__((aligned(16)));
static char other_stack[1 << 16] __attribute__((aligned(16)));

struct frame {
	uint64_t flags, link;
	stack_t ss;
	mcontext_t mc;
	uint64_t sigmask;
};

static struct frame frame_to(void (*fn)(void))
{
	struct frame f = {.flags = 6 /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */};

	f.mc.gregs[REG_RIP] = (greg_t)fn;
	f.mc.gregs[REG_RSP] = (greg_t)(stack + sizeof(stack) / 2 - 8);
	f.mc.gregs[REG_EFL] = 0x202;
	f.mc.gregs[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	f.ss = (stack_t){.ss_sp = (void *)(slot(1) + SLOT_SIGSTACK), .ss_size = SLOT_SIGSTACK_SIZE};
	return f;
}

/* Loads it where the host's filter allows that. */
__attribute__((noreturn)) static void load_frame(const struct frame *f)
{
	static struct frame copy;
	struct jump_regs r = {.rax = SYS_rt_sigreturn, .rsp = (uint64_t)&copy};

	copy = *f;
	jump_with(&r, STUB_SIGRETURN_IP - 2);
}

static void compute(void)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
}

static void call(void)
{
	for (;;)
		getppid();
}

static void fault(void)
{
	*(volatile int *)8 = 0;
	_exit(1);
}

static void end(void)
{
	_exit(3);
}

static void map(void)
{
	for (;;)
		munmap(mmap(NULL, PAGE, RW, ANON, -1, 0), PAGE);
}

static void spawn(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

/* The call in which the trampoline waits for its answer, for ever. */
static void wait_for_answers(void)
{
	static struct jump_regs r;

	for (;;) {
		*(volatile uint32_t *)(slot(1) + SLOT_NR) = 0;
		*(volatile uint64_t *)(slot(1) + SLOT_RETURN) = (uint64_t)wait_for_answers;
		*(volatile uint32_t *)(slot(1) + SLOT_STATE) = CALL_SLEEP;
		r.rax = SYS_sched_yield;
		r.rsp = (uint64_t)stack + sizeof(stack) / 2 - 8;
		jump_with(&r, STUB_WAIT_IP - 2);
	}
}

static void (*const acts[])(void) = {compute, call, fault, end, map, spawn, wait_for_answers};
#define NACTS (sizeof(acts) / sizeof(acts[0]))

/*
 * The machine goes on when it is told to end it: the parent's kill is what it doesn't want to see.
 */
static void dare_frame(const struct frame *f)
{
	int asked = dare_ask();
	pid_t pid = SPAWN({
		be_harmless();
		load_frame(f);
	});
	bool begun = dare_begun(asked);
	int status;

	t_sleep_ms(20);
	kill(pid, SIGUSR1);
	t_sleep_ms(5);
	kill(pid, SIGKILL);
	status = t_wait(pid);
	CHECK(begun);
	CHECK(WIFEXITED(status) || WIFSIGNALED(status));
}

TEST(forged_frame_works_at_all)
{
	struct frame f = frame_to(end);

	CHECK_EXITED(IN_CHILD(load_frame(&f)), 3);
}

TEST(all_signals_blocked)
{
	for (size_t i = 0; i < NACTS; i++) {
		struct frame f = frame_to(acts[i]);

		f.sigmask = ALL_BLOCKED;
		dare_frame(&f);
	}
}

TEST(kicks_blocked)
{
	for (size_t i = 0; i < NACTS; i++) {
		struct frame f = frame_to(acts[i]);

		f.sigmask = 1ULL << (SIGURG - 1);
		dare_frame(&f);
	}
}

TEST(signal_stack_elsewhere)
{
	const stack_t elsewhere[] = {
		{.ss_sp = other_stack, .ss_size = sizeof(other_stack)},
		{.ss_sp = (void *)slot(0), .ss_size = SLOT_SIZE},
		{.ss_sp = (void *)slot(2), .ss_size = SLOT_SIZE},
		{.ss_sp = (void *)STUB_CTL, .ss_size = PAGE},
		{.ss_sp = (void *)STUB_TEXT, .ss_size = 2 * PAGE},
		{.ss_sp = (void *)(slot(1) + SLOT_SIZE - 16384), .ss_size = 3 * SLOT_SIZE},
		{.ss_sp = (void *)slot(1), .ss_size = 1 << 20},
		{.ss_flags = SS_DISABLE},
		{.ss_sp = other_stack,
		 .ss_size = sizeof(other_stack),
		 .ss_flags = 1 << 31 /* SS_AUTODISARM */},
	};

	for (size_t s = 0; s < sizeof(elsewhere) / sizeof(elsewhere[0]); s++)
		for (size_t i = 0; i < NACTS; i += 2) {
			struct frame f = frame_to(acts[i]);

			f.ss = elsewhere[s];
			dare_frame(&f);
		}
}

TEST(stack_pointer_in_the_signal_stack)
{
	for (size_t i = 0; i < NACTS; i++)
		for (uint64_t rsp = slot(1) + SLOT_SIGSTACK; rsp <= slot(1) + SLOT_SIZE;
		     rsp += SLOT_SIZE / 3) {
			struct frame f = frame_to(acts[i]);

			f.mc.gregs[REG_RSP] = rsp - 8;
			dare_frame(&f);
		}
}

/* There is no room for the frame then: nothing goes on, not even behind a trap. */
#define FAULT_AT_THE_END(instructions)                                                             \
	DARE(50, __asm__ volatile("mov %0, %%rsp\n\t" instructions "\n1:\tjmp 1b"                  \
				  :                                                                \
				  : "r"(slot(1) + SLOT_SIGSTACK + 200)                             \
				  : "memory"))

TEST(faults_at_the_end_of_the_signal_stack)
{
	FAULT_AT_THE_END("int3");
	FAULT_AT_THE_END("ud2");
	FAULT_AT_THE_END("movl $0, 8");
	FAULT_AT_THE_END("xor %%ecx, %%ecx; div %%ecx");
	/* TF, alone and cleared by what it is told of. */
	FAULT_AT_THE_END("pushfq; orl $0x100, (%%rsp); popfq; nop");
	FAULT_AT_THE_END("pushfq; pushfq; orl $0x100, (%%rsp); popfq; popfq");
}

TEST(odd_selectors_and_flags)
{
	static const uint64_t csgsfs[] = {
		0x23 | 0x2bULL << 48,
		0x10 | 0x18ULL << 48,
		0,
		0x2b | 0x33ULL << 48,
		0xffff | 0xffffULL << 48,
		0x33,
		0x33 | 0x2bULL << 48 | 0x2bULL << 16 | 0x2bULL << 32,
		0x33 | 0x53ULL << 48,
	};
	static const uint64_t flags[] = {0x202,	 0x302 /* TF */, 0x3202, 0x40202 /* AC */,
					 0x4202, ~0ULL,		 0};

	for (size_t c = 0; c < sizeof(csgsfs) / sizeof(csgsfs[0]); c++)
		for (size_t e = 0; e < sizeof(flags) / sizeof(flags[0]); e++) {
			struct frame f = frame_to(acts[(c + e) % NACTS]);

			f.mc.gregs[REG_CSGSFS] = csgsfs[c];
			f.mc.gregs[REG_EFL] = flags[e];
			DARE(10, load_frame(&f));
		}
}

TEST(frames_of_noise)
{
	uint64_t seed = hostile_seed();

	for (int i = 0; i < 300; i++) {
		struct frame f = frame_to(acts[i % NACTS]);
		uint64_t *word = (uint64_t *)&f;

		for (int n = 0; n < 4; n++)
			word[hostile_random(&seed) % (sizeof(f) / 8)] = odd_value(&seed);
		DARE(10, load_frame(&f));
	}
}

/* The handler's call, without a signal: addresses of siginfo and frame that are none. */
TEST(forged_stops)
{
	uint64_t seed = hostile_seed();

	for (int i = 0; i < 300; i++) {
		struct jump_regs r;

		odd_regs(&r, &seed);
		r.rdi = hostile_random(&seed) % 66;
		if (i % 2) {
			r.rsi = slot(1) + hostile_random(&seed) % SLOT_SIZE;
			r.rdx = slot(1) + hostile_random(&seed) % SLOT_SIZE;
		}
		DARE(10, {
			struct frame *f = (struct frame *)(r.rdx & -8);

			catch_faults();
			if (i % 4 == 1 && try_write((uint64_t)f, 6) && r.rdx + sizeof(*f) < slot(2))
				*f = frame_to(acts[i % NACTS]);
			jump_with(&r, STUB_STOP_IP - 2);
		});
	}
}

/*
 * One after the other, from the frame that the guest has just come from: what nests doesn't grow
 * without end.
 */
TEST(stops_within_stops)
{
	DARE(300, {
		struct jump_regs r = {.rdi = SIGURG, .rsp = slot(1) + SLOT_SIZE / 2};

		r.rsi = slot(1) + SLOT_XSTATE;
		r.rdx = slot(1) + SLOT_FRAME;
		*(struct frame *)r.rdx = frame_to(end);
		((struct frame *)r.rdx)->mc.gregs[REG_RIP] = STUB_STOP_IP - 2;
		((struct frame *)r.rdx)->mc.gregs[REG_RDX] = r.rdx;
		((struct frame *)r.rdx)->mc.gregs[REG_RSI] = r.rsi;
		jump_with(&r, STUB_STOP_IP - 2);
	});
}
