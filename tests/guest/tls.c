/*
 * The fs and gs bases: set, read, kept apart by thread, copied by fork and kept across
 * everything.
 */
#include "t.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>

static unsigned long get_base(int which)
{
	unsigned long base = 1;

	MUST(syscall(SYS_arch_prctl, which, &base));
	return base;
}

static unsigned long gs_word(void)
{
	unsigned long v;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(v));
	return v;
}

TEST(fs_base_points_to_itself)
{
	unsigned long self;

	__asm__("mov %%fs:0, %0" : "=r"(self));
	CHECK_EQ(self, get_base(ARCH_GET_FS));
}

TEST(gs_base_starts_at_zero_and_can_be_set)
{
	static unsigned long word = 0x1234567890abcdef;

	CHECK_EQ(get_base(ARCH_GET_GS), 0);
	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	CHECK_EQ(get_base(ARCH_GET_GS), (unsigned long)&word);
	CHECK_EQ(gs_word(), word);
}

TEST(base_in_the_kernel_half_is_eperm)
{
	EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x800000000000ul), EPERM);
	EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000ul), EPERM);
	EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_SET_FS, -8ul), EPERM);
	EXPECT_EQ(get_base(ARCH_GET_GS), 0);
}

TEST(gs_base_is_copied_by_fork)
{
	static unsigned long word = 77;

	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(gs_word(), 77);
			     word = 78;
			     CHECK_EQ(gs_word(), 78);
		     }),
		     0);
	CHECK_EQ(gs_word(), 77);
}

HELPER(no_gs)
{
	return get_base(ARCH_GET_GS) == 0 ? 0 : 1;
}

TEST(gs_base_is_zero_after_exec)
{
	static unsigned long word;

	CHECK_EXITED(IN_CHILD({
			     MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
			     T_EXEC_HELPER("no_gs");
		     }),
		     0);
}

static void *own_gs(void *arg)
{
	unsigned long word = (unsigned long)arg;

	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	for (int i = 0; i < 30; i++) {
		sched_yield();
		CHECK_EQ(gs_word(), (unsigned long)arg);
	}
	return NULL;
}

TEST(every_thread_has_a_gs_base_of_its_own)
{
	pthread_t thread[8];

	for (long i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, own_gs, (void *)(i + 1)), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(get_base(ARCH_GET_GS), 0);
}

static unsigned long in_handler;

static void use_gs(int sig)
{
	static unsigned long other = 5;

	(void)sig;
	in_handler = gs_word();
	syscall(SYS_arch_prctl, ARCH_SET_GS, &other);
}

TEST(gs_base_is_no_part_of_the_signal_frame)
{
	static unsigned long word = 4;

	t_handle(SIGUSR1, use_gs);
	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	raise(SIGUSR1);
	CHECK_EQ(in_handler, 4);
	CHECK_EQ(gs_word(), 5);
}

static int report_fs(void *arg)
{
	*(unsigned long *)arg = get_base(ARCH_GET_FS);
	return 0;
}

TEST(clone_settls_sets_the_fs_base)
{
	static char tls[4096] __attribute__((aligned(64)));
	unsigned long *seen = t_shared(4096);
	char *stack = malloc(65536);
	void *base;
	pid_t pid;

	/* A copy of our own thread area with its pointers to itself changed. */
	__asm__("mov %%fs:0, %0" : "=r"(base));
	memcpy(tls + 1024, base, 1024);
	*(void **)(tls + 1024) = tls + 1024;
	*(void **)(tls + 1024 + 16) = tls + 1024;
	pid = MUST(clone(report_fs, stack + 65536, CLONE_SETTLS | SIGCHLD, seen, NULL, tls + 1024));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(*seen, (unsigned long)tls + 1024);
}

TEST(bases_survive_blocking_and_preemption)
{
	static unsigned long word = 99;
	struct t_gate a = t_gate(), b = t_gate();

	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	pid_t pid = SPAWN({
		unsigned long other = 11;
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, &other));
		for (int i = 0; i < 50; i++) {
			t_gate_pass(&a);
			CHECK_EQ(gs_word(), 11);
			t_gate_open(&b);
		}
	});
	for (int i = 0; i < 50; i++) {
		t_gate_open(&a);
		t_gate_pass(&b);
		CHECK_EQ(gs_word(), 99);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

/* ---- what no system call sets ---- */

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

/* A signal on each CPU. */
static void go_round(void)
{
	cpu_set_t all, one;
	int n = 0;

	t_handle(SIGUSR1, count_signal);
	MUST(sched_getaffinity(0, sizeof(all), &all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		MUST(sched_setaffinity(0, sizeof(one), &one));
		raise(SIGUSR1);
		CHECK_EQ(signals, ++n);
	}
}

TEST(selectors_of_other_privilege_levels_survive_signals_and_moves)
{
	static const unsigned int selectors[] = {1, 2, 0x28, 0x29};

	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++)
		CHECK_EXITED(IN_CHILD({
				     unsigned int ds, es;

				     __asm__ volatile("mov %0, %%ds; mov %0, %%es"
						      :
						      : "r"(selectors[i]));
				     go_round();
				     __asm__ volatile("mov %%ds, %0; mov %%es, %1"
						      : "=r"(ds), "=r"(es));
				     /* Of null ones the level isn't kept. */
				     CHECK_EQ(ds | 3, selectors[i] | 3);
				     CHECK_EQ(es | 3, selectors[i] | 3);
			     }),
			     0);
}

TEST(base_in_the_upper_half_survives_signals_and_moves)
{
	const unsigned long base = 0xffff800000001000;
	unsigned long now;

	if (!(getauxval(AT_HWCAP2) & 2 /* FSGSBASE */))
		SKIP("no instruction for it");
	__asm__ volatile("wrgsbase %0" : : "r"(base));
	go_round();
	__asm__ volatile("rdgsbase %0" : "=r"(now));
	CHECK_EQ(now, base);
}
