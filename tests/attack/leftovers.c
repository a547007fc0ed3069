/*
 * test: quick=no serial=yes options=--spin,50
 * What a program leaves behind in its host process and its slot, when it has ended or executes
 * another: the next program finds nothing of it, whatever signal masks, signal stacks or memory it
 * had made itself by frames of its own, and nobody of it that still computes. Programs are started
 * by vfork, one behind the other, since then they get what the last one had; or by exec alone,
 * which keeps it. And what the kernel left behind: the control page.
 */
#include "attack.h"
#include <linux/audit.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/time.h>
#include <ucontext.h>

#define MARK 0x7ea5e17e5ec4e75aULL
#define ROUNDS 30

extern char **environ;

struct frame {
	uint64_t flags, link;
	stack_t ss;
	mcontext_t mc;
	uint64_t sigmask;
};

static char stack[1 << 16] __attribute__((aligned(16)));

static void end(void)
{
	_exit(3);
}

static void mark_slot(void)
{
	for (uint64_t at = slot(1) + SLOT_SIGSTACK; at < slot(2); at += 8)
		*(volatile uint64_t *)at = MARK;
}

/*
 * A call as the handler tells of one that the filter traps, without a handler: signals and their
 * stack stay as they are. The other registers in r are as they will be.
 */
static void forge_call(struct jump_regs r, int nr, const uint64_t args[3])
{
	siginfo_t *si = (siginfo_t *)(slot(1) + SLOT_FRAMES);
	struct frame *f = (struct frame *)(si + 1);

	memset(si, 0, sizeof(*si));
	memset(f, 0, sizeof(*f));
	si->si_code = 1; /* SYS_SECCOMP */
	si->si_syscall = nr;
	si->si_arch = AUDIT_ARCH_X86_64;
	f->mc.gregs[REG_RDI] = args[0];
	f->mc.gregs[REG_RSI] = args[1];
	f->mc.gregs[REG_RDX] = args[2];
	r.rdi = SIGSYS;
	r.rsi = (uint64_t)si;
	r.rdx = (uint64_t)f;
	r.rsp = (uint64_t)stack + sizeof(stack) / 2 - 8;
	jump_with(&r, STUB_STOP_IP - 2);
}

static void forge_stop(void)
{
	forge_call((struct jump_regs){}, SYS_exit_group, (uint64_t[]){3, 0, 0});
}

/* The answer to a call by a trampoline: these registers, in the order of struct pt_regs. */
enum {
	NEW_R11 = 6,
	NEW_R8 = 9,
	NEW_RAX = 10,
	NEW_RDX = 12,
	NEW_RSI = 13,
	NEW_RDI = 14,
	NEW_RIP = 16,
	NEW_FLAGS = 18,
	NEW_RSP = 19,
};

static volatile uint64_t *slot_word(unsigned int n, uint64_t offset)
{
	return (volatile uint64_t *)(slot(n) + offset);
}

static void set_new(unsigned int n, int reg, uint64_t val)
{
	*slot_word(n, SLOT_NEW + 8 * reg) = val;
}

/*
 * As soon as what waits at STUB_WAIT_IP is answered, it saves its vector state at `save`, and then
 * stops, as it seems: there is a frame, but no signal.
 */
static void forge_stop_behind(uint64_t save)
{
	siginfo_t *si = (siginfo_t *)(slot(1) + SLOT_FRAMES);
	struct frame *f = (struct frame *)(si + 1);

	memset(si, 0, sizeof(*si));
	memset(f, 0, sizeof(*f));
	f->flags = 6;
	f->mc.gregs[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	*slot_word(1, SLOT_SAVE_AT) = save;
	*slot_word(1, SLOT_SAVE_MASK) = 3;
	set_new(1, NEW_RDI, SIGURG);
	set_new(1, NEW_RSI, (uint64_t)si);
	set_new(1, NEW_RDX, (uint64_t)f);
	set_new(1, NEW_R8, slot(1));
	set_new(1, NEW_RIP, STUB_STOP_IP - 2);
	set_new(1, NEW_FLAGS, 0x202);
}

/*
 * It ends by a call in the stub with kicks blocked, and from there, by what answers change
 * registers with, comes to the stub's rt_sigreturn. That frame leads to what looks like a stop,
 * with a flag by which whoever goes on there is trapped.
 */
static void end_in_stub(void)
{
	struct jump_regs r = {.rax = SYS_exit_group, .rdi = 3};
	siginfo_t *si = (siginfo_t *)(slot(1) + SLOT_FRAMES);
	struct frame *f = (struct frame *)(si + 1), *stop = f + 1;

	memset(si, 0, sizeof(*si));
	memset(f, 0, 2 * sizeof(*f));
	f->flags = 6;
	f->sigmask = 1ULL << (SIGURG - 1);
	f->mc.gregs[REG_RIP] = STUB_STOP_IP - 2;
	f->mc.gregs[REG_EFL] = 0x302; /* TF */
	f->mc.gregs[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	f->mc.gregs[REG_RDI] = SIGURG;
	f->mc.gregs[REG_RSI] = (greg_t)si;
	f->mc.gregs[REG_RDX] = (greg_t)stop;
	*(volatile uint32_t *)(slot(1) + SLOT_IN_LEN) = 0;
	*slot_word(1, SLOT_SAVE_AT) = 0;
	set_new(1, NEW_RAX, SYS_rt_sigreturn);
	set_new(1, NEW_RIP, STUB_SIGRETURN_IP - 2);
	set_new(1, NEW_FLAGS, 0x202);
	set_new(1, NEW_RSP, (uint64_t)f);
	*(volatile uint32_t *)(slot(1) + SLOT_LOAD) = 1;
	jump_with(&r, STUB_ASK_IP - 2);
}

/* Fills its slot, and goes on with a frame of its own. argv[1]: which. */
HELPER(poison)
{
	static struct frame f = {.flags = 6 /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */};
	struct jump_regs r = {.rax = SYS_rt_sigreturn, .rsp = (uint64_t)&f};
	int how = atoi(argv[1]);

	f.mc.gregs[REG_RIP] = (greg_t)end;
	f.mc.gregs[REG_RSP] = (greg_t)(stack + sizeof(stack) / 2 - 8);
	f.mc.gregs[REG_EFL] = 0x202;
	f.mc.gregs[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	f.ss = (stack_t){.ss_sp = (void *)(slot(1) + SLOT_SIGSTACK), .ss_size = SLOT_SIGSTACK_SIZE};
	mark_slot();
	switch (how) {
	case 0:
		f.sigmask = ~0ULL;
		break;
	case 1:
		f.sigmask = 1ULL << (SIGURG - 1);
		break;
	case 2:
		f.ss = (stack_t){.ss_sp = stack, .ss_size = sizeof(stack)};
		break;
	case 3:
		f.ss = (stack_t){.ss_flags = SS_DISABLE};
		break;
	case 4:
		f.sigmask = ~0ULL;
		f.ss = (stack_t){.ss_sp = stack, .ss_size = sizeof(stack)};
		break;
	case 5:
		f.mc.gregs[REG_RIP] = (greg_t)forge_stop;
		f.ss = (stack_t){.ss_flags = SS_DISABLE};
		break;
	case 6:
		f.mc.gregs[REG_RIP] = (greg_t)end_in_stub;
		f.sigmask = 1ULL << (SIGURG - 1);
		break;
	default:
		_exit(3);
	}
	jump_with(&r, STUB_SIGRETURN_IP - 2);
}

#define VEIL 0x1122334455667788ULL
static volatile uint64_t veil = VEIL;

/*
 * It never has the mark itself in a register: whoever is stopped while he looks has his registers
 * in the slot.
 */
static bool is_marked(uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at += 8)
		if (*(volatile uint64_t *)at + veil == MARK + VEIL)
			return true;
	return false;
}

static volatile sig_atomic_t alarmed;

static void on_alarm(int sig)
{
	(void)sig;
	alarmed = 1;
}

/* 0: it finds all as a new program should. */
HELPER(victim)
{
	struct itimerval it = {.it_value = {0, 2000}};
	long long start = t_now_ms();
	sigset_t set;
	stack_t ss;

	(void)argc;
	(void)argv;
	if (is_marked(slot(1), slot(2)))
		return 10;
	if (sigprocmask(SIG_BLOCK, NULL, &set) || !sigisemptyset(&set))
		return 11;
	if (sigaltstack(NULL, &ss) || !(ss.ss_flags & SS_DISABLE))
		return 12;
	/* It has to be interrupted while it computes, and must get its faults. */
	signal(SIGALRM, on_alarm);
	if (setitimer(ITIMER_REAL, &it, NULL))
		return 13;
	while (!alarmed)
		if (t_now_ms() - start > 10000)
			return 14;
	catch_faults();
	return try_write(8, 1) ? 15 : 0;
}

/* By vfork, as posix_spawn() does it. The wait status. */
static int run(const char *helper, const char *arg)
{
	char *argv[] = {(char *)t_self(), "--helper", (char *)helper, (char *)arg, NULL};
	pid_t pid;

	CHECK_EQ(posix_spawn(&pid, t_self(), NULL, NULL, argv, environ), 0);
	return wait_or_kill(pid, 20000 * hostile_slow());
}

TEST(next_program_finds_nothing)
{
	for (int i = 0; i < ROUNDS; i++) {
		char how[12];
		int end_;

		snprintf(how, sizeof(how), "%d", i % 8);
		end_ = run("poison", how);
		CHECK(WIFEXITED(end_) || WIFSIGNALED(end_));
		CHECK_EXITED(run("victim", "-"), 0);
	}
}

TEST(nor_while_others_run)
{
	pid_t pid = SPAWN({
		for (int i = 0; i < ROUNDS; i++)
			run("poison", i % 2 ? "4" : "0");
	});

	for (int i = 0; i < ROUNDS; i++)
		CHECK_EXITED(run("victim", "-"), 0);
	CHECK_EXITED(t_wait(pid), 0);
}

/* ---- exec in place ---- */

static void set_call(unsigned int n, uint32_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	*(volatile uint32_t *)(slot(n) + SLOT_NR) = nr << 16;
	*slot_word(n, SLOT_ARGS) = a;
	*slot_word(n, SLOT_ARGS + 8) = b;
	*slot_word(n, SLOT_ARGS + 16) = c;
	*(volatile uint32_t *)(slot(n) + SLOT_IN_LEN) = 0;
}

#define CALLS 3000 /* so many that their site is patched */

/*
 * Gives a call to the CPU that looks for one in slot n, ours, and doesn't wait for the answer.
 * False: none came to look, since this engine doesn't, or there is no core for it.
 */
static bool give_call(unsigned int n, uint32_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	for (int i = 0; i < CALLS; i++) {
		uint32_t ready = CALL_READY;

		getppid();
		set_call(n, nr, a, b, c);
		if (__atomic_compare_exchange_n((uint32_t *)(slot(n) + SLOT_STATE), &ready,
						CALL_MADE, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

/* By the seccomp engine, where a CPU has a core to look for calls. */
static bool calls_are_taken(void)
{
	const char *cores = getenv("CORES");

	return is_seccomp_engine() && cores && atoi(cores) > 1;
}

/* So many times, and, as long as none has given a call though they are taken, some more. */
static bool another(int i, bool given)
{
	return i < ROUNDS / 6 || (i < 2 * ROUNDS && !given && calls_are_taken());
}

#define MXCSR (SLOT_IN + 24) /* where XSAVE puts what is never 0 */
#define NOT_GIVEN 77

/*
 * Does the host process of a thread that has ended write to its slot, here as well? 0: it doesn't.
 */
HELPER(next_to_a_thread)
{
	uint64_t at = slot(2) + MXCSR, val;

	catch_faults();
	if (!try_write(at, 0))
		return 0;
	for (int i = 0; i < 1000000; i++)
		if (try_read(at, &val) && val)
			return 20;
	return 0;
}

static uint32_t *given; /* shared */

/*
 * Ends by a call that it gives away, and computes on in the stub: it saves its vector state to its
 * slot, again and again.
 */
static void *end_and_go_on(void *unused)
{
	struct jump_regs r = {.rax = 3, .r11 = slot(2) + SLOT_IN};

	set_new(2, NEW_R11, r.r11);
	set_new(2, NEW_RAX, r.rax);
	set_new(2, NEW_RDX, 0);
	set_new(2, NEW_RIP, STUB_SAVE);
	set_new(2, NEW_FLAGS, 0x202);
	if (!give_call(2, SYS_exit, 0, 0, 0))
		return unused;
	*given = 1;
	jump_with(&r, STUB_SAVE);
}

TEST(threads_that_ended_compute_beside_no_other_program)
{
	given = t_shared(sizeof(*given));
	for (int i = 0; another(i, *given); i++) {
		pid_t pid = SPAWN({
			pthread_t t;

			CHECK_EQ(pthread_create(&t, NULL, end_and_go_on, NULL), 0);
			CHECK_EQ(pthread_join(t, NULL), 0);
			T_EXEC_HELPER("next_to_a_thread");
		});

		CHECK_EXITED(wait_or_kill(pid, 60000), 0);
	}
	CHECK(*given || !calls_are_taken());
}

/* At the same place in each program of this file. */
static uint64_t target[128] __attribute__((aligned(64)));

HELPER(target_is_zero)
{
	for (int i = 0; i < CALLS; i++)
		getppid();
	for (size_t i = 0; i < sizeof(target) / sizeof(target[0]); i++)
		if (target[i])
			return 30;
	return 0;
}

/*
 * The execve is given away, and then the old program waits in the stub, with kicks blocked: when it
 * is to stop for the new program's first registers it saves its vector state to where that has a
 * variable, and stops only then.
 */
static void exec_and_go_on(void)
{
	static char *argv[4] = {NULL, "--helper", "target_is_zero"};
	struct jump_regs r = {.rax = SYS_sched_yield};

	argv[0] = (char *)t_self();
	forge_stop_behind((uint64_t)target);
	if (!give_call(1, SYS_execve, (uint64_t)t_self(), (uint64_t)argv, (uint64_t)environ))
		_exit(NOT_GIVEN);
	*(volatile uint32_t *)(slot(1) + SLOT_LOAD) = 1;
	jump_with(&r, STUB_WAIT_IP - 2);
}

static void block_all_and_exec(void)
{
	static struct frame f = {.flags = 6, .sigmask = ~0ULL};
	struct jump_regs r = {.rax = SYS_rt_sigreturn, .rsp = (uint64_t)&f};

	f.mc.gregs[REG_RIP] = (greg_t)exec_and_go_on;
	f.mc.gregs[REG_RSP] = (greg_t)(stack + sizeof(stack) / 2 - 8);
	f.mc.gregs[REG_EFL] = 0x202;
	f.mc.gregs[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	f.ss = (stack_t){.ss_sp = (void *)(slot(1) + SLOT_SIGSTACK), .ss_size = SLOT_SIGSTACK_SIZE};
	jump_with(&r, STUB_SIGRETURN_IP - 2);
}

TEST(who_executes_computes_beside_no_other_program)
{
	bool any = false;

	for (int i = 0; another(i, any); i++) {
		int end_ = wait_or_kill(SPAWN(block_all_and_exec()), 60000);

		if (WIFEXITED(end_) && WEXITSTATUS(end_) == NOT_GIVEN)
			continue;
		CHECK_EXITED(end_, 0);
		any = true;
	}
	CHECK(any || !calls_are_taken());
}

/* By an instruction that is no patched site, since the way back from one goes by these words. */
static void set_words_and_exec(const char *helper)
{
	char *argv[] = {(char *)t_self(), "--helper", (char *)helper, NULL};

	mark_slot();
	*slot_word(1, SLOT_SAVE_AT) = (uint64_t)target;
	*slot_word(1, SLOT_SAVE_MASK) = 3;
	*(volatile uint32_t *)(slot(1) + SLOT_LOAD) = 1;
	__asm__ volatile("syscall" ::"a"(SYS_execve), "D"(t_self()), "S"(argv), "d"(environ)
			 : "rcx", "r11", "memory");
	_exit(98);
}

TEST(executed_program_finds_nothing_in_its_slot)
{
	CHECK_EXITED(wait_or_kill(SPAWN(set_words_and_exec("victim")), 60000), 0);
	CHECK_EXITED(wait_or_kill(SPAWN(set_words_and_exec("target_is_zero")), 60000), 0);
}

/* ---- exec of a program with other rights ---- */

#define SET_ID "set-id"
#define TAKEN_OVER 66

HELPER(set_id)
{
	return 0;
}

/* Where the old program would like the new one to begin. There is no stack. */
static void taken_over(void)
{
	__asm__ volatile("syscall\n\t"
			 "xor %%edi, %%edi\n\t"
			 "test %%eax, %%eax\n\t"
			 "cmovz %1, %%edi\n\t"
			 "mov %2, %%eax\n\t"
			 "syscall"
			 :
			 : "a"(SYS_geteuid), "r"(TAKEN_OVER), "i"(SYS_exit_group)
			 : "rcx", "rdi", "r11");
	__builtin_unreachable();
}

/*
 * How far below the end of the signal stack the host puts a frame's ucontext: as far as that of
 * this call. 0: nothing is there.
 */
static uint64_t frame_depth(void)
{
	syscall(SYS_sigaltstack, NULL, NULL);
	for (uint64_t at = slot(1) + SLOT_FRAMES; at < slot(2) - PAGE / 2; at += 64) {
		struct frame *f = (struct frame *)at;
		uint64_t state = (uint64_t)f->mc.fpregs;

		if (state > at && state < slot(2) && state % 64 == 0 && state - at < 1024)
			return slot(2) - at;
	}
	return 0;
}

#define KICKS_FRAME (SLOT_FRAME + 0x80)

/*
 * The signal stack is where the host's frame of a kick overlaps the new program's first one: what
 * is there the size of the stack becomes the stack pointer here, r8 the instruction pointer, and so
 * on.
 */
static void forge_execve(void)
{
	static char *argv[] = {SET_ID, "--helper", "set_id", NULL};
	struct jump_regs r = {.r8 = (uint64_t)taken_over, .r9 = 0x202, .r10 = 0x33 | 0x2bLL << 48};

	forge_call(r, SYS_execve, (uint64_t[]){(uint64_t)argv[0], (uint64_t)argv, 0});
}

static void exec_set_id(void)
{
	static struct frame f = {.flags = 6};
	struct jump_regs r = {.rax = SYS_rt_sigreturn, .rsp = (uint64_t)&f};

	f.mc.gregs[REG_RIP] = (greg_t)forge_execve;
	f.mc.gregs[REG_RSP] = (greg_t)(stack + sizeof(stack) / 2 - 8);
	f.mc.gregs[REG_EFL] = 0x202;
	f.mc.gregs[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	f.ss = (stack_t){.ss_sp = (void *)(slot(1) + SLOT_SIGSTACK),
			 .ss_size = frame_depth() + KICKS_FRAME - SLOT_SIGSTACK};
	jump_with(&r, STUB_SIGRETURN_IP - 2);
}

/* Who stops and continues it has it kicked as often. */
static int end_of_kicked(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGSTOP);
		kill(pid, SIGCONT);
	}
	return status;
}

TEST(set_id_program_is_not_the_old_ones)
{
	int ran = 0;

	t_cd_tmpdir();
	t_copy_self(SET_ID);
	MUST(chmod(SET_ID, 04755));
	t_become_ordinary();
	for (int i = 0; i < 100; i++) {
		int end_ = end_of_kicked(SPAWN(exec_set_id()));

		CHECK(end_ != TAKEN_OVER << 8);
		ran += end_ == 0;
	}
	CHECK(ran || !is_seccomp_engine());
}

#define THREADS 8

static void *hold(void *arg)
{
	pause();
	return arg;
}

/* In slots that this process never had a thread in. */
static bool knows_of_threads(void)
{
	const struct stub_ctl *ctl = (const void *)STUB_CTL;

	for (int i = 2; i < 2 + THREADS; i++)
		if (ctl->info[i].tid && ctl->info[i].tid != INFO_NONE)
			return true;
	return false;
}

TEST(control_page_tells_nothing_of_its_last_owner)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EXITED(IN_CHILD({
				     pthread_t t;

				     for (int k = 0; k < THREADS; k++)
					     CHECK_EQ(pthread_create(&t, NULL, hold, NULL), 0);
				     _exit(0);
			     }),
			     0);
		t_sleep_ms(5 * hostile_slow()); /* for the page to be free */
		CHECK_EXITED(IN_CHILD(_exit(knows_of_threads())), 0);
	}
}
