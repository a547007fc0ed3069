/*
 * What attacks on the stub share: jumps with chosen registers, children that may end in any way but
 * must end.
 */
#ifndef ATTACK_ATTACK_H
#define ATTACK_ATTACK_H

#include "t.h"

#include "stub/layout.h"
#include "tests/hostile/hostile.h"
#include <sched.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/auxv.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* In this order in jump_with(). */
struct jump_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
};

static struct jump_regs jump_regs;
static uint64_t jump_target;

/* Goes there with these registers, flags as they are. */
__attribute__((noreturn)) static inline void jump_with(const struct jump_regs *r, uint64_t to)
{
	jump_regs = *r;
	jump_target = to;
	__asm__ volatile("movq 0(%0), %%rax; movq 8(%0), %%rbx; movq 16(%0), %%rcx\n\t"
			 "movq 24(%0), %%rdx; movq 32(%0), %%rsi; movq 48(%0), %%rbp\n\t"
			 "movq 56(%0), %%rsp; movq 64(%0), %%r8; movq 72(%0), %%r9\n\t"
			 "movq 80(%0), %%r10; movq 88(%0), %%r11; movq 96(%0), %%r12\n\t"
			 "movq 104(%0), %%r13; movq 112(%0), %%r14; movq 120(%0), %%r15\n\t"
			 "movq 40(%0), %%rdi\n\t"
			 "jmp *%1"
			 :
			 : "D"(&jump_regs), "m"(jump_target)
			 : "memory");
	__builtin_unreachable();
}

/*
 * For clone(): makes a stop without a frame, for which the seccomp engine kills its host process.
 * The slot stays mapped.
 */
static inline int die(void *unused)
{
	const struct jump_regs r = {.rdi = SIGSEGV};

	(void)unused;
	jump_with(&r, STUB_STOP_IP - 2);
}

static int dare_told = -1; /* where who dares something says that it begins, if somebody asks */

/*
 * A jump may lead anywhere, to what reports failures too, to the keeper's lseek(), and to a kill()
 * of process 1: from here on this process can't touch what its parent reports with, nor signal whom
 * root runs.
 */
static inline void be_harmless(void)
{
	if (geteuid() == 0)
		MUST(setuid(NOBODY));
	if (t_report) /* there is none in a helper */
		munmap(t_report, sizeof(*t_report));
	if (dare_told >= 0 && write(dare_told, "!", 1) < 0)
		_exit(1);
	syscall(SYS_close_range, 0, ~0U, 0);
}

/* Gives it so long; then it is killed, which it can't block, whatever it does. The wait status. */
static inline int wait_or_kill(pid_t pid, int ms)
{
	struct pollfd p = {.fd = MUST(syscall(SYS_pidfd_open, pid, 0)), .events = POLLIN};

	if (poll(&p, 1, ms) == 0)
		kill(pid, SIGKILL);
	close(p.fd);
	return t_wait(pid);
}

#define BEGIN_LIMIT 10000 /* ms that a child has until it begins: the machine may be busy */

/* Before the child is made. What dare_begun() wants to know. */
static inline int dare_ask(void)
{
	int fd[2];

	MUST(pipe(fd));
	dare_told = fd[1];
	return fd[0];
}

/* Behind that: waits until the child has called be_harmless(). False: it never did. */
static inline bool dare_begun(int asked)
{
	struct pollfd p = {.fd = asked, .events = POLLIN};
	bool begun;
	char c;

	close(dare_told);
	dare_told = -1;
	begun = poll(&p, 1, BEGIN_LIMIT * hostile_slow()) == 1 && read(asked, &c, 1) == 1;
	close(asked);
	return begun;
}

/*
 * A child that does something of which nothing is expected but that it ends: so long after it began
 * it is killed.
 */
#define DARE(ms, ...)                                                                              \
	do {                                                                                       \
		int asked_ = dare_ask();                                                           \
		pid_t dare_ = SPAWN({                                                              \
			be_harmless();                                                             \
			__VA_ARGS__;                                                               \
		});                                                                                \
		bool begun_ = dare_begun(asked_);                                                  \
		int end_ = wait_or_kill(dare_, begun_ ? (ms)*hostile_slow() : 0);                  \
                                                                                                   \
		CHECK(begun_);                                                                     \
		CHECK(WIFEXITED(end_) || WIFSIGNALED(end_));                                       \
	} while (0)

static inline bool is_seccomp_engine(void)
{
	const char *engine = getenv("ENGINE");

	return engine && !strcmp(engine, "seccomp");
}

/* Whether this thread has slot n; only the seccomp engine tells. */
static inline bool has_slot(unsigned int n)
{
	return ((const struct stub_ctl *)STUB_CTL)->info[n].tid == (uint32_t)gettid();
}

static inline uint64_t slot(unsigned int n)
{
	return STUB_SLOTS + (uint64_t)n * SLOT_SIZE;
}

/* The gs base, by the instruction where the host has it. */
static inline bool has_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & 2;
}

static inline void set_gs(uint64_t base)
{
	if (has_fsgsbase())
		__asm__ volatile("wrgsbase %0" : : "r"(base));
	else
		MUST(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, base));
}

/* ---- accesses that may fault ---- */

static sigjmp_buf access_fault;

static inline void on_access_fault(int sig)
{
	siglongjmp(access_fault, sig);
}

static inline void catch_faults(void)
{
	t_handle_flags(SIGSEGV, on_access_fault, SA_NODEFER);
	t_handle_flags(SIGBUS, on_access_fault, SA_NODEFER);
}

/* After catch_faults(). False: it faulted. */
static inline bool try_write(uint64_t addr, uint64_t val)
{
	if (sigsetjmp(access_fault, 0))
		return false;
	*(volatile uint64_t *)addr = val;
	return true;
}

static inline bool try_read(uint64_t addr, uint64_t *val)
{
	if (sigsetjmp(access_fault, 0))
		return false;
	*val = *(volatile uint64_t *)addr;
	return true;
}

/* Something that code or data in the stub area might stumble over. */
static inline uint64_t odd_value(uint64_t *seed)
{
	static const uint64_t odd[] = {
		0,
		1,
		2,
		7,
		8,
		0x33,
		0x2b,
		4096,
		SLOT_SIZE,
		SLOT_SIGSTACK_SIZE,
		INT32_MAX,
		UINT32_MAX,
		1ULL << 47,
		(1ULL << 47) - 1,
		~0ULL,
		-4096ULL,
		1ULL << 63,
		0x4141414141414141,
		STUB_TEXT,
		STUB_PARK,
		STUB_FAULT,
		STUB_STOP,
		STUB_STOP_IP,
		STUB_SIGRETURN_IP - 2,
		STUB_CTL,
		STUB_CTL + CTL_OPS,
		STUB_CTL + 4095,
		STUB_SLOTS,
		STUB_SLOTS + SLOT_FRAME,
		STUB_SLOTS + SLOT_SIZE,
		STUB_SLOTS + SLOT_SIZE + SLOT_FRAME,
		STUB_SLOTS + 2 * SLOT_SIZE,
		STUB_END,
		STUB_VDSO_AREA,
		0x7ffffffff000,
		0xffffffffff600000,
		0xffff800000000000,
	};
	uint64_t r = hostile_random(seed);

	if (r % 8 == 0)
		return hostile_random(seed);
	return odd[r / 8 % (sizeof(odd) / sizeof(odd[0]))] + (r % 8 == 1 ? r >> 60 : 0);
}

static inline void odd_regs(struct jump_regs *r, uint64_t *seed)
{
	uint64_t *word = (uint64_t *)r;

	for (size_t i = 0; i < sizeof(*r) / sizeof(*word); i++)
		word[i] = odd_value(seed);
}

#endif
