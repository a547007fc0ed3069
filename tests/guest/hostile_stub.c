/*
 * test: static=no limit=300
 * A guest that returns from frames of its own making by the stub, and that takes hold of
 * trampolines: it may harm itself, and nobody else. On the host there is no stub. (tests/hostile
 * has jumps into it and writes over its slots.)
 */
#include "t.h"
#include "../../stub/layout.h"
#include <pthread.h>
#include <ucontext.h>

#define SKIP_ON_THE_HOST()                                                                         \
	do {                                                                                       \
		if (access("/proc/heddle", F_OK))                                                  \
			SKIP("there is no stub");                                                  \
	} while (0)

/* What everybody else can do as before. */
static void others_live(void)
{
	char c = 0;
	int p[2];

	CHECK_EXITED(IN_CHILD(_exit(7)), 7);
	MUST(pipe(p));
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(read(p[0], &c, 1), 1);
	close(p[0]);
	close(p[1]);
}

/* ---- frames ---- */

/* Returns to `to` from a frame that blocks all signals of the host process. */
__attribute__((noreturn)) static void forged_return(void (*to)(void))
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	static ucontext_t uc;
	greg_t *g = uc.uc_mcontext.gregs;

	g[REG_RIP] = (greg_t)to;
	g[REG_RSP] = (greg_t)(stack + sizeof(stack) - 8);
	g[REG_EFL] = 0x202;
	g[REG_CSGSFS] = 0x33 | 0x2bLL << 48;
	memset(&uc.uc_sigmask, 0xff, 8);
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "mov $15, %%eax\n\t"
			 "jmp *%1"
			 :
			 : "r"(&uc), "r"(STUB_SIGRETURN_IP - 2)
			 : "memory");
	__builtin_unreachable();
}

static void compute(void)
{
	for (;;)
		__asm__ volatile("pause");
}

/* The kernel gives it 200 ms of CPU time to answer, which may take a while on a busy host. */
TEST(blocked_host_signals_dont_save_from_sigkill)
{
	pid_t pid;

	SKIP_ON_THE_HOST();
	pid = SPAWN(forged_return(compute));
	usleep(20000);
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	others_live();
}

/* Makes the call in which a task waits for the answer to a trampoline's, again and again. */
__attribute__((naked)) static void wait_for_answers(void)
{
	__asm__ volatile("rdgsbase %%rbx\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "mov %%rax, %c0(%%rbx)\n\t"
			 "1: mov $24, %%eax\n\t"
			 "mov %1, %%rdx\n\t"
			 "jmp *%%rdx"
			 :
			 : "i"(SLOT_RETURN), "i"(STUB_WAIT_IP - 2));
}

static void ignore(int sig)
{
	(void)sig;
}

TEST(waiting_for_answers_that_nobody_owes_ends_with_the_process)
{
	SKIP_ON_THE_HOST();
	for (int i = 0; i < 3; i++) {
		pid_t pid = SPAWN(signal(SIGUSR1, ignore); forged_return(wait_for_answers));

		for (int k = 0; k < 20; k++) {
			usleep(1000);
			kill(pid, SIGUSR1);
		}
		MUST(kill(pid, SIGKILL));
		CHECK(t_wait(pid) != T_WAIT_ERROR);
	}
	others_live();
}

/* ---- trampolines ---- */

/* The area of trampolines; 0: nothing was patched here. */
static unsigned long find_trampolines(size_t *size)
{
	unsigned long start, end, found = 0;
	char line[256];
	FILE *f;

	for (int i = 0; i < 2000; i++)
		getppid();
	f = fopen("/proc/self/maps", "r");
	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		if (strstr(line, "[heddle]") && sscanf(line, "%lx-%lx", &start, &end) == 2) {
			found = start;
			*size = end - start;
		}
	fclose(f);
	return found;
}

TEST(trampolines_grow_into_nothing_and_stay_read_only)
{
	unsigned long area;
	size_t size = 0;

	SKIP_ON_THE_HOST();
	area = find_trampolines(&size);
	if (!area)
		SKIP("nothing was patched");
	CHECK_ERR((long)mremap((void *)area, size, size + (1 << 20), MREMAP_MAYMOVE), EFAULT);
	CHECK_ERR((long)mremap((void *)area, size, size + 4096, 0), EFAULT);
	CHECK(mprotect((void *)area, size, PROT_READ | PROT_WRITE) == -1);
	CHECK_EQ(munmap((void *)area, size), 0);
	CHECK(getppid() > 0);
	others_live();
}

/* ---- batches ---- */

#define FORKS 100
#define LONG_MS 240
#define PAUSES 3 /* of a busy machine */

static void *write_zeroes(void *arg)
{
	for (;;)
		*(volatile uint32_t *)(STUB_SLOTS + SLOT_READY) = 0;
	return arg;
}

/*
 * A fork's first batch has ended when the kernel begins to wait for it: all tasks of its CPU would
 * wait for a quarter of a second.
 */
TEST(batchs_word_that_stands_costs_milliseconds)
{
	pthread_t t;
	int n = 0;

	SKIP_ON_THE_HOST();
	CHECK_EQ(pthread_create(&t, NULL, write_zeroes, NULL), 0);
	for (int i = 0; i < FORKS; i++) {
		long long start;

		usleep(5000); /* behind that no timer of this CPU interrupts its waiting */
		start = t_now_ms();
		CHECK_EXITED(IN_CHILD(_exit(0)), 0);
		n += t_now_ms() - start >= LONG_MS;
	}
	CHECK(n <= PAUSES);
}
