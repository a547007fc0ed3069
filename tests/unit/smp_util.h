/* For unit tests that need real CPUs: runs kthreads on them and waits for their end. */
#ifndef TESTS_UNIT_SMP_UTIL_H
#define TESTS_UNIT_SMP_UTIL_H

#include "alloc.h"
#include "cpu.h"
#include "ktime.h"
#include "log.h"
#include "sched.h"
#include "wait.h"
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

/* In kthreads, where a failed check can't jump out: ends the test program with a panic. */
#define must(cond) ASSERT(cond)
#define must_eq(a, b) ASSERT((a) == (b))

struct test_thread {
	struct kthread kt;
	void (*fn)(long arg);
	long arg;
	bool signalled; /* atomic: what signal_pending says */
	bool keep;	/* the test frees it, after join_all() */
};

static struct wait_queue tt_queue;
static int tt_live; /* atomic */
static struct test_thread *tt_first;

static inline void tt_dead(struct kthread *kt)
{
	struct test_thread *t = caa_container_of(kt, struct test_thread, kt);

	kthread_destroy(kt);
	if (!t->keep)
		kfree(t);
	__atomic_fetch_sub(&tt_live, 1, __ATOMIC_SEQ_CST);
	wake_up_all(&tt_queue);
}

static inline bool tt_signal_pending(struct kthread *kt, bool fatal_only)
{
	return __atomic_load_n(&caa_container_of(kt, struct test_thread, kt)->signalled,
			       __ATOMIC_SEQ_CST);
}

static const struct kthread_ops tt_ops = {.dead = tt_dead, .signal_pending = tt_signal_pending};

static inline void tt_main(void *arg)
{
	struct test_thread *t = arg;

	t->fn(t->arg);
	kthread_exit();
}

static inline struct test_thread *tt_make(const char *name, const struct kthread_ops *ops,
					  void (*fn)(long), long arg)
{
	struct test_thread *t = kzalloc(sizeof(*t));

	must(t);
	t->fn = fn;
	t->arg = arg;
	must(kthread_init(&t->kt, name, ops, tt_main, t) == 0);
	__atomic_fetch_add(&tt_live, 1, __ATOMIC_SEQ_CST);
	return t;
}

static inline struct test_thread *spawn(void (*fn)(long), long arg)
{
	struct test_thread *t = tt_make("test", &tt_ops, fn, arg);

	kthread_start(&t->kt);
	return t;
}

/* From a kthread: sleeps until it is the last one. */
static inline void join_all(void)
{
	int err = wait_event_expr(&tt_queue, __atomic_load_n(&tt_live, __ATOMIC_SEQ_CST) == 1,
				  &((struct wait_opts){.state = KT_UNINTERRUPTIBLE}));

	must(!err);
}

static inline void sleep_us(u64 us)
{
	kthread_set_state(KT_UNINTERRUPTIBLE);
	schedule_deadline(ktime_mono() + us * NSEC_PER_USEC);
}

static inline void burn_us(u64 us)
{
	ktime_t end = ktime_mono() + us * NSEC_PER_USEC;

	while (ktime_mono() < end)
		__builtin_ia32_pause();
}

static inline void tt_boot(long arg)
{
	((void (*)(void))arg)();
	join_all();
	smp_stop();
}

/* Runs fn as the first kthread of n CPUs, until it and all that it spawned have ended. */
static inline void with_cpus(int n, void (*fn)(void))
{
	tt_live = 0;
	wait_queue_init(&tt_queue);
	must(smp_init(n) == 0);
	tt_first = spawn(tt_boot, (long)fn);
	must(smp_run() == 0);
}

/*
 * The same, up to ten times, until it was right: others may have the machine's cores for a while.
 * The pauses grow, nine seconds in all: few chances for what is wrong, but time for a load to go
 * by.
 */
static inline void with_cpus_until(int n, void (*fn)(void), bool (*right)(void))
{
	int i;

	for (i = 0; i < 10; i++) {
		usleep((useconds_t)i * 200000);
		with_cpus(n, fn);
		if (right())
			break;
	}
}

static const int cpu_counts[] = {1, 2, 4};

static inline int run_suite(TCase *tc, const char *name)
{
	Suite *s = suite_create(name);
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	/*
	 * The tests start threads: the child of a process with threads may not, under sanitizers.
	 */
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
