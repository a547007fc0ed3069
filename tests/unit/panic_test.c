/* What a panic tells of the other CPUs. */
#include "smp_util.h"
#include "../../smp/smp.h"
#include "in_child.h"
#include <string.h>

static u32 runs; /* atomic */

static void stays_in_the_kernel(long unused)
{
	__atomic_store_n(&runs, 1, __ATOMIC_RELEASE);
	for (;;)
		__builtin_ia32_pause();
}

static void sleeps_in_the_host(long unused)
{
	u32 word = 0;

	__atomic_store_n(&runs, 1, __ATOMIC_RELEASE);
	for (;;)
		host_futex_wait(&word, 0, KTIME_MAX);
}

static void (*other)(long);

/* Neither passes through the scheduler any more: each has a CPU of its own. */
static void panics_beside_it(void)
{
	struct test_thread *t = tt_make("other", &tt_ops, other, 0);

	sched_set_affinity(current_kthread(), 1);
	must_eq(sched_wait_affinity(current_kthread()), 0);
	t->kt.allowed = 2;
	kthread_start(&t->kt);
	while (!__atomic_load_n(&runs, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	panic("of this test");
}

static void both(void)
{
	panic_on_crash();
	with_cpus(2, panics_beside_it);
}

static void check_tells(void (*fn)(long), const char *name)
{
	static char text[65536];
	char *at;

	other = fn;
	ck_assert_int_eq(in_child(both, text, sizeof(text)), 70);
	at = strstr(text, "of this test");
	at = at ? strstr(at, "\ncpu ") : NULL;
	ck_assert_msg(at && strstr(at, name), "%s: %s", name, text);
}

START_TEST(a_panic_shows_where_other_cpus_are_in_the_kernel)
{
	check_tells(stays_in_the_kernel, "stays_in_the_kernel");
	check_tells(sleeps_in_the_host, "sleeps_in_the_host");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("panic");

	tcase_add_test(tc, a_panic_shows_where_other_cpus_are_in_the_kernel);
	return run_suite(tc, "panic");
}
