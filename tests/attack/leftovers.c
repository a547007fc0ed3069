/* test: quick=no limit=60
 * What a small program leaves behind in its host process and its slot, when it has ended: the next program finds nothing of it, whatever signal
 * masks, signal stacks or memory it had made itself by frames of its own. Programs are started by vfork, one behind the other, since then they get
 * what the last one had. And what the kernel left behind: the control page.
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

/* Its end as the handler tells it of a call that the filter traps, without a handler: signals and their stack stay as they are. */
static void forge_stop(void)
{
	static struct jump_regs r;
	siginfo_t *si = (siginfo_t *)(slot(1) + SLOT_FRAMES);
	struct frame *f = (struct frame *)(si + 1);

	memset(si, 0, sizeof(*si));
	memset(f, 0, sizeof(*f));
	si->si_code = 1; /* SYS_SECCOMP */
	si->si_syscall = SYS_exit_group;
	si->si_arch = AUDIT_ARCH_X86_64;
	f->mc.gregs[REG_RDI] = 3;
	r.rdi = SIGSYS;
	r.rsi = (uint64_t)si;
	r.rdx = (uint64_t)f;
	r.rsp = (uint64_t)stack + sizeof(stack) / 2 - 8;
	jump_with(&r, STUB_STOP_IP - 2);
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
	default:
		_exit(3);
	}
	jump_with(&r, STUB_SIGRETURN_IP - 2);
}

#define VEIL 0x1122334455667788ULL
static volatile uint64_t veil = VEIL;

/* It never has the mark itself in a register: whoever is stopped while he looks has his registers in the slot. */
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
	return wait_or_kill(pid, 5000);
}

TEST(next_program_finds_nothing)
{
	for (int i = 0; i < ROUNDS; i++) {
		char how[12];
		int end_;

		snprintf(how, sizeof(how), "%d", i % 7);
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
		t_sleep_ms(5); /* for the page to be free */
		CHECK_EXITED(IN_CHILD(_exit(knows_of_threads())), 0);
	}
}
