/*
 * The lock checker panics where it should and only there. It exists in debug builds only, so this
 * test compiles its own and calls it as the locks would, with a panic that comes back.
 * objects: os/alloc.o os/fault.o
 */
#define HEDDLE_DEBUG
#include "../../smp/lockcheck.c"
#include "alloc.h"
#include <check.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cpu cpus[MAX_CPUS];
int nr_cpus = 1;
__thread struct cpu *this_cpu_ptr;

static int a, b, c; /* stand for locks */

const char *kernel_symbol(const void *addr, char *buf, size_t size)
{
	return "somewhere";
}

static jmp_buf back;
static char message[512];

noreturn_ void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	longjmp(back, 1);
}

/* Does it panic, with a message that holds `words`? */
#define panics(call, words)                                                                        \
	({                                                                                         \
		volatile bool p_hit = false;                                                       \
		message[0] = 0;                                                                    \
		if (setjmp(back))                                                                  \
			p_hit = true;                                                              \
		else                                                                               \
			call;                                                                      \
		p_hit &&strstr(message, words);                                                    \
	})
#define passes(call) (!panics(call, ""))

static struct kthread idle, task;

static void setup(void)
{
	memset(cpu_spins, 0, sizeof(cpu_spins));
	memset(&cpus[0], 0, sizeof(cpus[0]));
	cpus[0].idle = &idle;
	cpus[0].current = &task;
	this_cpu_ptr = &cpus[0];
	lockcheck_kthread_init(&idle);
	lockcheck_kthread_init(&task);
}

static void teardown(void)
{
	kfree(idle.locks);
	kfree(task.locks);
}

static void take(void *lock, u16 rank, enum lock_how how)
{
	lockcheck_acquire(lock, "test", rank, how);
	lockcheck_acquired(lock, "test", rank, &a);
}

START_TEST(rising_ranks_pass_falling_ones_panic)
{
	ck_assert(passes(take(&a, RANK_FILES, LOCK_NORMAL)));
	ck_assert(passes(take(&b, RANK_WAITQ, LOCK_NORMAL)));
	ck_assert(panics(take(&c, RANK_FUTEX, LOCK_NORMAL), "lock order"));
	ck_assert(passes(take(&c, RANK_RQ, LOCK_NORMAL)));
}
END_TEST

START_TEST(equal_ranks_need_nesting)
{
	take(&a, RANK_DCACHE, LOCK_NORMAL);
	ck_assert(panics(take(&b, RANK_DCACHE, LOCK_NORMAL), "lock order"));
	ck_assert(passes(take(&b, RANK_DCACHE, LOCK_NESTED)));
	ck_assert(panics(take(&c, RANK_FILES, LOCK_NESTED), "lock order"));
}
END_TEST

START_TEST(a_try_may_go_against_the_order)
{
	take(&a, RANK_RQ, LOCK_NORMAL);
	ck_assert(passes(take(&b, RANK_FILES, LOCK_TRY)));
}
END_TEST

START_TEST(taking_a_lock_twice_panics)
{
	take(&a, RANK_FILES, LOCK_NORMAL);
	ck_assert(panics(take(&a, RANK_FILES, LOCK_NESTED), "twice"));
	lockcheck_release(&a, "test", RANK_FILES);
	ck_assert(passes(take(&a, RANK_FILES, LOCK_NORMAL)));
}
END_TEST

START_TEST(sleeping_locks_under_spinlocks_panic)
{
	ck_assert(passes(take(&a, RANK_INODE, LOCK_NORMAL)));
	ck_assert(passes(take(&b, RANK_FILES, LOCK_NORMAL)));
	ck_assert(panics(take(&c, RANK_PIPE, LOCK_NORMAL), "spinlock"));
	ck_assert(passes(take(&c, RANK_PIPE, LOCK_TRY)));
}
END_TEST

START_TEST(sleeping_locks_need_a_task)
{
	cpus[0].current = &idle;
	ck_assert(panics(take(&a, RANK_PIPE, LOCK_NORMAL), "outside"));
	this_cpu_ptr = NULL;
	ck_assert(panics(take(&a, RANK_PIPE, LOCK_NORMAL), "outside"));
	ck_assert(passes(take(&a, RANK_OS, LOCK_NORMAL)));
	ck_assert(passes(lockcheck_release(&a, "test", RANK_OS)));
}
END_TEST

START_TEST(sleeping_with_a_spinlock_or_in_a_read_section_panics)
{
	ck_assert(passes(lockcheck_may_sleep("x", NULL)));
	take(&a, RANK_PIPE, LOCK_NORMAL);
	ck_assert(passes(lockcheck_may_sleep("x", NULL)));
	take(&b, RANK_FUTEX, LOCK_NORMAL);
	ck_assert(panics(lockcheck_may_sleep("x", NULL), "x while spinlock"));
	ck_assert(passes(lockcheck_may_sleep("x", &b)));
	lockcheck_release(&b, "test", RANK_FUTEX);
	rcu_read_lock();
	ck_assert(panics(lockcheck_may_sleep("x", NULL), "read section"));
	rcu_read_unlock();
	ck_assert(passes(lockcheck_may_sleep("x", NULL)));
}
END_TEST

START_TEST(an_rcu_pointer_wants_a_read_section_or_a_lock)
{
	int *p = &a;

	ck_assert(panics((void)rcu_dereference(p), "outside of a read section"));
	rcu_read_lock();
	ck_assert(passes((void)rcu_dereference(p)));
	rcu_read_unlock();
	take(&a, RANK_PIPE, LOCK_NORMAL);
	ck_assert(passes((void)rcu_dereference(p)));
	lockcheck_release(&a, "test", RANK_PIPE);
	take(&b, RANK_FILES, LOCK_NORMAL);
	ck_assert(passes((void)rcu_dereference(p)));
	lockcheck_release(&b, "test", RANK_FILES);
	ck_assert(panics((void)rcu_dereference(p), "no lock"));
	this_cpu_ptr = NULL; /* the threads of os/ have sections of their own */
	ck_assert(passes((void)rcu_dereference(p)));
}
END_TEST

START_TEST(a_lock_kept_to_the_guest_panics)
{
	ck_assert(passes(lockcheck_none_held("the return")));
	take(&a, RANK_INODE, LOCK_NORMAL);
	ck_assert(panics(lockcheck_none_held("the return"), "the return while lock test"));
	lockcheck_release(&a, "test", RANK_INODE);
	ck_assert(passes(lockcheck_none_held("the return")));
}
END_TEST

START_TEST(releasing_what_one_does_not_hold_panics)
{
	ck_assert(panics(lockcheck_release(&a, "test", RANK_FILES), "doesn't hold"));
	take(&a, RANK_FILES, LOCK_NORMAL);
	take(&b, RANK_FS, LOCK_NORMAL);
	ck_assert(passes(lockcheck_release(&a, "test", RANK_FILES)));
	ck_assert(panics(lockcheck_release(&a, "test", RANK_FILES), "doesn't hold"));
	ck_assert(passes(lockcheck_release(&b, "test", RANK_FS)));
}
END_TEST

START_TEST(uninitialised_locks_panic)
{
	ck_assert(panics(take(&a, 0, LOCK_NORMAL), "isn't initialised"));
}
END_TEST

static char dumped[1024];

static void collect(const char *fmt, ...)
{
	size_t n = strlen(dumped);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dumped + n, sizeof(dumped) - n, fmt, ap);
	va_end(ap);
}

START_TEST(the_dump_names_holders)
{
	static struct run_queue rq;

	cpus[0].rq = &rq;
	strcpy(task.name, "sometask");
	take(&a, RANK_INODE, LOCK_NORMAL);
	lockcheck_acquire(&b, "wheel", RANK_TIMER, LOCK_NORMAL);
	lockcheck_acquired(&b, "wheel", RANK_TIMER, &a);
	dumped[0] = 0;
	lockcheck_dump(collect);
	ck_assert_ptr_nonnull(strstr(dumped, "sometask"));
	ck_assert_ptr_nonnull(strstr(dumped, "holds test"));
	ck_assert_ptr_nonnull(strstr(dumped, "holds wheel"));
}
END_TEST

START_TEST(who_holds_a_lock_may_say_so)
{
	ck_assert(panics(lockdep_assert_held(&a), "isn't held"));
	take(&a, RANK_INODE, LOCK_NORMAL); /* sleeping */
	take(&b, RANK_RQ, LOCK_NORMAL);
	ck_assert(passes(lockdep_assert_held(&a)));
	ck_assert(passes(lockdep_assert_held(&b)));
	ck_assert(panics(lockdep_assert_held(&c), "isn't held"));
	lockcheck_release(&b, "test", RANK_RQ);
	ck_assert(panics(lockdep_assert_held(&b), "isn't held"));
	ck_assert(passes(lockdep_assert_held(&a)));
	lockcheck_release(&a, "test", RANK_INODE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rising_ranks_pass_falling_ones_panic,
		equal_ranks_need_nesting,
		a_try_may_go_against_the_order,
		taking_a_lock_twice_panics,
		sleeping_locks_under_spinlocks_panic,
		sleeping_locks_need_a_task,
		sleeping_with_a_spinlock_or_in_a_read_section_panics,
		an_rcu_pointer_wants_a_read_section_or_a_lock,
		a_lock_kept_to_the_guest_panics,
		releasing_what_one_does_not_hold_panics,
		uninitialised_locks_panic,
		who_holds_a_lock_may_say_so,
		the_dump_names_holders,
	};
	Suite *s = suite_create("lockcheck");
	TCase *tc = tcase_create("lockcheck");
	SRunner *sr = srunner_create(s);
	size_t i;
	int failed;

	for (i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
