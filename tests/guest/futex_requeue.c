/* futex: requeue, compare-and-requeue, wake-op. */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

static volatile int first, second;
static struct t_gate ready;

static long futex(volatile int *word, int op, int val, long val2, volatile int *word2, int val3)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, val2, word2, val3);
}

struct waiter {
	pthread_t thread;
	pid_t tid;
	volatile int *word;
	volatile bool awake;
};

static void *wait_once(void *arg)
{
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	CHECK_EQ(futex(w->word, FUTEX_WAIT, 0, 0, NULL, 0), 0);
	w->awake = true;
	return NULL;
}

static void start(struct waiter *w, int n, volatile int *word)
{
	ready = t_gate();
	for (int i = 0; i < n; i++) {
		w[i] = (struct waiter){.word = word};
		CHECK_EQ(pthread_create(&w[i].thread, NULL, wait_once, &w[i]), 0);
		t_gate_pass(&ready);
		t_wait_thread_state(getpid(), w[i].tid, 'S');
	}
}

static void join(struct waiter *w, int n)
{
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
}

TEST(requeue_wakes_some_and_moves_the_rest)
{
	struct waiter w[4];

	start(w, 4, &first);
	CHECK_EQ(futex(&first, FUTEX_REQUEUE, 1, INT_MAX, &second, 0), 4);
	CHECK_EQ(futex(&first, FUTEX_WAKE, INT_MAX, 0, NULL, 0), 0);
	CHECK_EQ(futex(&second, FUTEX_WAKE, INT_MAX, 0, NULL, 0), 3);
	join(w, 4);
}

TEST(requeue_moves_as_many_as_it_says)
{
	struct waiter w[4];

	start(w, 4, &first);
	CHECK_EQ(futex(&first, FUTEX_REQUEUE, 0, 2, &second, 0), 2);
	CHECK_EQ(futex(&second, FUTEX_WAKE, INT_MAX, 0, NULL, 0), 2);
	CHECK_EQ(futex(&first, FUTEX_WAKE, INT_MAX, 0, NULL, 0), 2);
	join(w, 4);
}

TEST(cmp_requeue_checks_the_value)
{
	struct waiter w[2];

	start(w, 2, &first);
	CHECK_ERR(futex(&first, FUTEX_CMP_REQUEUE, 1, 1, &second, 5), EAGAIN);
	CHECK_EQ(futex(&first, FUTEX_CMP_REQUEUE, 1, 1, &second, 0), 2);
	CHECK_EQ(futex(&second, FUTEX_WAKE, INT_MAX, 0, NULL, 0), 1);
	join(w, 2);
}

TEST(requeue_to_the_same_word_keeps_the_waiters)
{
	struct waiter w[3];

	start(w, 3, &first);
	CHECK_EQ(futex(&first, FUTEX_CMP_REQUEUE, 0, INT_MAX, &first, 0), 3);
	CHECK_EQ(futex(&first, FUTEX_WAKE, INT_MAX, 0, NULL, 0), 3);
	join(w, 3);
}

static void *wait_with_timeout(void *arg)
{
	struct timespec ts = {0, 300000000};
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	CHECK_ERR(syscall(SYS_futex, &first, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	return NULL;
}

TEST(requeued_waiter_still_times_out)
{
	struct waiter w;

	ready = t_gate();
	CHECK_EQ(pthread_create(&w.thread, NULL, wait_with_timeout, &w), 0);
	t_gate_pass(&ready);
	t_wait_thread_state(getpid(), w.tid, 'S');
	if (futex(&first, FUTEX_REQUEUE, 0, 1, &second, 0) == 1) {
		CHECK_EQ(pthread_join(w.thread, NULL), 0);
		CHECK_EQ(futex(&second, FUTEX_WAKE, 1, 0, NULL, 0), 0);
	}
}

static int wake_op(int op, int oparg, int cmp, int cmparg)
{
	return (int)((unsigned)op << 28 | (unsigned)cmp << 24 | ((unsigned)oparg & 0xfff) << 12 |
		     ((unsigned)cmparg & 0xfff));
}

TEST(wake_op_computes)
{
	static const struct {
		int op, old, arg, new;
	} t[] = {
		{FUTEX_OP_SET, 3, 9, 9},
		{FUTEX_OP_ADD, 3, 9, 12},
		{FUTEX_OP_ADD, 3, -5, -2},
		{FUTEX_OP_OR, 5, 10, 15},
		{FUTEX_OP_ANDN, 15, 6, 9},
		{FUTEX_OP_XOR, 5, 3, 6},
		{FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 0, 4, 16},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		second = t[i].old;
		CHECK_EQ(futex(&first, FUTEX_WAKE_OP, 1, 1, &second,
			       wake_op(t[i].op, t[i].arg, FUTEX_OP_CMP_EQ, 0)),
			 0);
		CHECK_EQ(second, t[i].new);
	}
}

TEST(wake_op_wakes_the_second_word_if_its_old_value_compares)
{
	static const struct {
		int cmp, old, arg, wakes;
	} t[] = {
		{FUTEX_OP_CMP_EQ, 3, 3, 1},  {FUTEX_OP_CMP_EQ, 3, 4, 0},
		{FUTEX_OP_CMP_NE, 3, 4, 1},  {FUTEX_OP_CMP_LT, 3, 4, 1},
		{FUTEX_OP_CMP_LT, 4, 4, 0},  {FUTEX_OP_CMP_LE, 4, 4, 1},
		{FUTEX_OP_CMP_GT, 5, 4, 1},  {FUTEX_OP_CMP_GE, 4, 4, 1},
		{FUTEX_OP_CMP_LT, -1, 0, 1}, {FUTEX_OP_CMP_EQ, -1, -1, 1},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct waiter w;

		second = 0;
		start(&w, 1, &second);
		second = t[i].old;
		CHECK_EQ(futex(&first, FUTEX_WAKE_OP, 1, 1, &second,
			       wake_op(FUTEX_OP_ADD, 1, t[i].cmp, t[i].arg)),
			 t[i].wakes);
		CHECK_EQ(second, t[i].old + 1);
		if (!t[i].wakes)
			CHECK_EQ(futex(&second, FUTEX_WAKE, 1, 0, NULL, 0), 1);
		join(&w, 1);
	}
}

TEST(wake_op_wakes_both_words)
{
	struct waiter a[2], b[2];

	first = second = 0;
	start(a, 2, &first);
	start(b, 2, &second);
	CHECK_EQ(futex(&first, FUTEX_WAKE_OP, 2, 2, &second,
		       wake_op(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)),
		 4);
	CHECK_EQ(second, 7);
	join(a, 2);
	join(b, 2);
}

TEST(wake_op_with_an_unknown_operation_is_enosys)
{
	CHECK_ERR(futex(&first, FUTEX_WAKE_OP, 1, 1, &second, wake_op(7, 0, FUTEX_OP_CMP_EQ, 0)),
		  ENOSYS);
	CHECK_ERR(futex(&first, FUTEX_WAKE_OP, 1, 1, &second, wake_op(FUTEX_OP_SET, 0, 9, 0)),
		  ENOSYS);
}

static volatile int atomic_word;

static void *add_by_kernel(void *arg)
{
	for (int i = 0; i < 2000; i++)
		futex(&first, FUTEX_WAKE_OP, 0, 0, &atomic_word,
		      wake_op(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
	return arg;
}

static void *add_by_user(void *arg)
{
	for (int i = 0; i < 200000; i++)
		__atomic_add_fetch(&atomic_word, 1, __ATOMIC_SEQ_CST);
	return arg;
}

TEST(wake_op_is_atomic_against_user_space)
{
	pthread_t thread[3];

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, i ? add_by_kernel : add_by_user, NULL),
			 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(atomic_word, 200000 + 2 * 2000);
}

/* ---- words that come and go ---- */

static volatile int *page;
static volatile bool enough;

static void on_cpu(int n)
{
	cpu_set_t all, one;

	MUST(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && n-- == 0)
			CPU_SET(i, &one);
	if (CPU_COUNT(&one))
		MUST(sched_setaffinity(0, sizeof(one), &one));
}

static void *map_and_unmap(void *arg)
{
	on_cpu(1);
	while (!enough) {
		if (mmap((void *)page, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
			break;
		munmap((void *)page, 4096);
	}
	return arg;
}

static void *requeue_there(void *arg)
{
	on_cpu(0);
	while (!enough)
		futex(page, FUTEX_CMP_REQUEUE, 1, 1, &second, 0);
	return arg;
}

static void *wake_there(void *arg)
{
	on_cpu(0);
	while (!enough)
		futex(page, FUTEX_WAKE, 1, 0, NULL, 0);
	return arg;
}

/* Below the stack, where a page that isn't there may be one to come. */
TEST(words_below_the_stack_that_come_and_go_block_nobody)
{
	void *(*const body[])(void *) = {map_and_unmap, requeue_there, wake_there, requeue_there};
	pthread_t thread[4];
	char here;

	enough = false;
	page = (void *)(((uintptr_t)&here & -4096UL) - (2 << 20));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, body[i], NULL), 0);
	usleep(700000);
	enough = true;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

static void *increment(void *arg)
{
	on_cpu(1);
	while (!enough)
		++*page;
	return arg;
}

static void *op_there(void *arg)
{
	on_cpu(0);
	while (!enough)
		futex(&first, FUTEX_WAKE_OP, 0, 0, page,
		      wake_op(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
	return arg;
}

/*
 * Somebody stores into the word all the time: that costs who shares the CPU with a WAKE_OP nothing.
 */
TEST(wake_op_of_a_word_that_never_rests_leaves_others_their_turn)
{
	static volatile int word;
	struct timespec tick = {0, 1000000};
	pthread_t inc, op;
	int turns = 0;

	enough = false;
	page = &word;
	on_cpu(0);
	CHECK_EQ(pthread_create(&inc, NULL, increment, NULL), 0);
	CHECK_EQ(pthread_create(&op, NULL, op_there, NULL), 0);
	for (long long end = t_now_ms() + 20000; turns < 20 && t_now_ms() < end; turns++)
		nanosleep(&tick, NULL);
	enough = true;
	CHECK_EQ(pthread_join(inc, NULL), 0);
	CHECK_EQ(pthread_join(op, NULL), 0);
	EXPECT_EQ(turns, 20);
}
