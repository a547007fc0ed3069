/*
 * test: cpus=1,2,2s,4,4m
 * Restartable sequences: the area that the C library has registered, what rseq(2) refuses, and
 * critical sections that are interrupted.
 */
#include "t.h"
#include <pthread.h>
#include <sys/rseq.h>
#include <sys/time.h>
#include <ucontext.h>

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static long do_rseq(void *where, unsigned len, int flags, unsigned sig)
{
	return syscall(SYS_rseq, where, len, flags, sig);
}

/*
 * A section from 1 to 2 with its abort address, 4, behind a signature; `sig` is that of the C
 * library, or it isn't.
 */
#define SECTION(sig)                                                                               \
	".pushsection .data.rseq, \"aw\"\n.balign 32\n"                                            \
	"3:\n.long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"                                     \
	".pushsection .text.unlikely, \"ax\"\n.byte 0x0f, 0xb9, 0x3d\n.long " sig                  \
	"\n4:\njmp %l[aborted]\n.popsection\n"                                                     \
	"leaq 3b(%%rip), %%rax\nmovq %%rax, %[cs]\n"
#define RIGHT "0x53053053"
#define WRONG "0x53053054"

/* Stays in a critical section until it is interrupted; the label keeps each function's own. */
#define STAY(name, sig)                                                                            \
	__attribute__((noinline)) static void name(struct rseq *r)                                 \
	{                                                                                          \
		__asm__ goto(SECTION(sig) "1:\npause\njmp 1b\n2:\n"                                \
			     :                                                                     \
			     : [cs] "m"(r->rseq_cs)                                                \
			     : "memory", "cc", "rax"                                               \
			     : aborted);                                                           \
aborted:                                                                                           \
		return;                                                                            \
	}
STAY(stay, RIGHT)
STAY(stay_without_signature, WRONG)

/* Adds 1 to *v, taking its time, if this is CPU `cpu` and nobody interrupts. */
__attribute__((noinline)) static bool add_on(struct rseq *r, unsigned cpu, volatile long *v)
{
	__asm__ goto(SECTION(RIGHT) "1:\ncmpl %[cpu], %[at]\njnz %l[aborted]\n"
				    "movq %[v], %%rax\n.rept 20\npause\n.endr\n"
				    "addq $1, %%rax\nmovq %%rax, %[v]\n2:\n"
		     :
		     : [cs] "m"(r->rseq_cs), [at] "m"(r->cpu_id), [cpu] "r"(cpu), [v] "m"(*v)
		     : "memory", "cc", "rax"
		     : aborted);
	return true;
aborted:
	return false;
}

TEST(the_c_library_has_registered_its_area)
{
	CHECK(__rseq_size >= offsetof(struct rseq, flags) + 4);
	CHECK_EQ(__rseq_flags, 0);
	CHECK((int)area()->cpu_id >= 0);
	CHECK_EQ(area()->cpu_id, area()->cpu_id_start);
}

TEST(the_area_tells_the_cpu)
{
	cpu_set_t allowed, one;

	MUST(sched_getaffinity(0, sizeof(allowed), &allowed));
	for (int round = 0; round < 20; round++)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
			if (!CPU_ISSET(cpu, &allowed))
				continue;
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			MUST(sched_setaffinity(0, sizeof(one), &one));
			CHECK_EQ(area()->cpu_id, cpu);
			CHECK_EQ(area()->cpu_id_start, cpu);
		}
}

TEST(registering_twice_fails)
{
	static struct rseq other __attribute__((aligned(64)));

	CHECK_ERR(do_rseq(area(), 32, 0, RSEQ_SIG), EBUSY);
	CHECK_ERR(do_rseq(area(), 32, 0, RSEQ_SIG + 1), EPERM);
	CHECK_ERR(do_rseq(&other, 32, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(do_rseq(area(), 64, 0, RSEQ_SIG), EINVAL);
	CHECK_ERR(do_rseq(area(), 32, 2, RSEQ_SIG), EINVAL);
}

TEST(an_area_is_unregistered_and_another_registered)
{
	static struct rseq other __attribute__((aligned(64)));

	CHECK_ERR(do_rseq(&other, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_ERR(do_rseq(area(), 33, RSEQ_FLAG_UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_ERR(do_rseq(area(), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG + 1), EPERM);
	CHECK_ERR(do_rseq(area(), 32, RSEQ_FLAG_UNREGISTER | 2, RSEQ_SIG), EINVAL);
	MUST(do_rseq(area(), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
	CHECK_EQ((int)area()->cpu_id, -1);
	CHECK_EQ(area()->cpu_id_start, 0);
	CHECK_ERR(do_rseq(area(), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG), EINVAL);
	CHECK_ERR(do_rseq((char *)&other + 8, 32, 0, 7), EINVAL);
	CHECK_ERR(do_rseq(&other, 16, 0, 7), EINVAL);
	CHECK_ERR(do_rseq((void *)0xffff800000000000, 32, 0, 7), EFAULT);
	MUST(do_rseq(&other, 32, 0, 7));
	CHECK((int)other.cpu_id >= 0);
	CHECK_ERR(do_rseq(&other, 32, 0, 7), EBUSY);
}

static void *own_area(void *arg)
{
	return area() == arg || do_rseq(area(), 32, 0, RSEQ_SIG) != -1 || errno != EBUSY ? arg
											 : NULL;
}

TEST(a_child_inherits_it_and_a_thread_has_its_own)
{
	pthread_t thread;
	void *bad;

	CHECK_EXITED(IN_CHILD({
			     _exit(do_rseq(area(), 32, 0, RSEQ_SIG) == -1 && errno == EBUSY ? 0
											    : 1);
		     }),
		     0);
	CHECK_EQ(pthread_create(&thread, NULL, own_area, area()), 0);
	CHECK_EQ(pthread_join(thread, &bad), 0);
	CHECK(!bad);
}

/* ---- interruptions ---- */

static volatile unsigned long handler_ip;

static void note_ip(int sig, siginfo_t *info, void *ctx)
{
	handler_ip = (unsigned long)((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP];
}

/* And every 2 ms from then on: the first may come before it is waited for. */
static void alarm_after_us(long us)
{
	MUST(setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, us}}, NULL));
}

TEST(a_signal_ends_a_section)
{
	int found = 0;

	t_handle_info(SIGALRM, note_ip);
	/* On a busy machine it mostly is preempted then. */
	for (int i = 0; i < 20 || (!found && i < 1000); i++) {
		unsigned signature = 0;

		handler_ip = 0;
		alarm_after_us(1 + i % 20 * 100);
		stay(area());
		CHECK_EQ(area()->rseq_cs, 0);
		/* Unless it was preempted, the handler saw the abort address. */
		if (handler_ip)
			memcpy(&signature, (char *)handler_ip - 4, 4);
		found += signature == RSEQ_SIG;
	}
	CHECK(found > 0);
}

static volatile int aborts[2];
static volatile bool enough;

static void *stay_often(void *arg)
{
	while (!enough) {
		stay(area());
		aborts[(long)arg]++;
	}
	return NULL;
}

TEST(preemption_ends_a_section)
{
	pthread_t thread[2];

	t_use_one_cpu();
	for (long i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, stay_often, (void *)i), 0);
	while (aborts[0] < 5 || aborts[1] < 5)
		t_sleep_ms(1);
	enough = true;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* Numbers of a CPU, which only sections of that CPU change, without atomic operations. */
static struct {
	volatile long n;
} __attribute__((aligned(64))) count[1024];
#define ADDERS 6
#define ADDS 20000

static void *adder(void *arg)
{
	struct rseq *r = area();
	long tries = 0;

	for (int i = 0; i < ADDS; i++) {
		unsigned cpu;

		do {
			cpu = *(volatile unsigned *)&r->cpu_id_start;
			tries++;
		} while (!add_on(r, cpu, &count[cpu % 1024].n));
		if (i % 500 == 0)
			sched_yield();
	}
	return (void *)tries;
}

TEST(counters_of_each_cpu_lose_nothing)
{
	pthread_t thread[ADDERS];
	long sum = 0;
	void *tries;

	for (int i = 0; i < ADDERS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, adder, NULL), 0);
	for (int i = 0; i < ADDERS; i++) {
		CHECK_EQ(pthread_join(thread[i], &tries), 0);
		CHECK((long)tries >= ADDS);
	}
	for (int i = 0; i < 1024; i++)
		sum += count[i].n;
	CHECK_EQ(sum, (long)ADDERS * ADDS);
}

/* ---- what ends the program ---- */

static void nothing(int sig)
{
}

TEST(a_section_without_signature_is_a_fault)
{
	CHECK_KILLED(IN_CHILD({
			     t_handle(SIGALRM, nothing);
			     alarm_after_us(1000);
			     stay_without_signature(area());
		     }),
		     SIGSEGV);
}

TEST(a_section_that_cannot_be_read_is_a_fault)
{
	CHECK_KILLED(IN_CHILD({
			     t_handle(SIGALRM, nothing);
			     *(volatile unsigned long *)&area()->rseq_cs = 4096;
			     alarm_after_us(1000);
			     for (;;)
				     ;
		     }),
		     SIGSEGV);
}

TEST(an_area_that_is_gone_is_a_fault)
{
	CHECK_KILLED(IN_CHILD({
			     char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			     MUST(do_rseq(area(), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
			     MUST(do_rseq(page, 32, 0, RSEQ_SIG));
			     MUST(munmap(page, 4096));
			     t_handle(SIGALRM, nothing);
			     MUST(setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}},
					    NULL));
			     for (;;)
				     ;
		     }),
		     SIGSEGV);
}
