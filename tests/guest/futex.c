/*
 * futex: wait, wake, bitsets, time-outs; private and shared words.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>

static long futex(volatile int *word, int op, int val, const struct timespec *ts, void *word2,
		  int val3)
{
	return syscall(SYS_futex, word, op, val, ts, word2, val3);
}

TEST(wait_with_another_value_is_eagain)
{
	int word = 5;

	CHECK_ERR(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 4, NULL, NULL, 0), EAGAIN);
}

TEST(wake_without_waiters_is_zero)
{
	int word = 0;

	CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
}

TEST(relative_wait_times_out)
{
	struct timespec ts = {0, 30000000};
	long long start = t_now_ms();
	int word = 0;

	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	CHECK(t_now_ms() - start >= 29);
}

TEST(absolute_wait_times_out_by_both_clocks)
{
	struct timespec ts;
	int word = 0;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY),
		  ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &ts);
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &ts, NULL,
			FUTEX_BITSET_MATCH_ANY),
		  ETIMEDOUT);
	ts = (struct timespec){0, 0};
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, 1), ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, 1), ETIMEDOUT);
}

static volatile int word;
static struct t_gate ready;
static int woken;

struct waiter {
	pthread_t thread;
	pid_t tid;
	int bits;
	bool private;
};

static void *wait_once(void *arg)
{
	struct waiter *w = arg;
	int op = FUTEX_WAIT_BITSET | (w->private ? FUTEX_PRIVATE_FLAG : 0);

	w->tid = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	CHECK_EQ(futex(&word, op, 0, NULL, NULL, w->bits), 0);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start(struct waiter *w, int n, int bits, bool private)
{
	ready = t_gate();
	for (int i = 0; i < n; i++) {
		w[i].bits = bits;
		w[i].private = private;
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

TEST(wake_wakes_as_many_as_it_says)
{
	struct waiter w[5];

	start(w, 5, -1, true);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 2);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
	join(w, 5);
	CHECK_EQ(woken, 5);
}

TEST(wake_is_first_come_first_served)
{
	struct waiter w[3];

	start(w, 3, -1, true);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
		CHECK_EQ(woken, i + 1);
	}
}

TEST(bitset_selects_the_waiters)
{
	struct waiter a[2], b[1];

	start(a, 2, 1, true);
	start(b, 1, 2, true);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 4), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 2), 1);
	join(b, 1);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 3), 2);
	join(a, 2);
}

TEST(private_and_shared_waiters_do_not_meet)
{
	struct waiter w[1];

	start(w, 1, -1, true);
	CHECK_EQ(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 1);
	join(w, 1);
	start(w, 1, -1, false);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0), 1);
	join(w, 1);
}

TEST(shared_word_wakes_across_processes)
{
	volatile int *shared = t_shared(4096);
	pid_t pid = SPAWN(CHECK_EQ(futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0), 0));

	t_wait_state(pid, 'S');
	CHECK_EQ(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(shared_word_in_a_file_is_the_same_at_two_addresses)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));
	volatile int *a, *b;

	MUST(ftruncate(fd, 8192));
	a = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096));
	b = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	pid_t pid = SPAWN(CHECK_EQ(futex(a + 5, FUTEX_WAIT, 0, NULL, NULL, 0), 0));
	t_wait_state(pid, 'S');
	CHECK_EQ(futex(b + 5, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_EQ(futex(b + 1024 + 5, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(private_memory_is_another_word_in_the_child)
{
	static volatile int mine;
	pid_t pid = SPAWN({
		struct timespec ts = {0, 50000000};
		CHECK_ERR(futex(&mine, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	});

	t_wait_state(pid, 'S');
	CHECK_EQ(futex(&mine, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(waiter_that_is_killed_is_no_longer_counted)
{
	volatile int *shared = t_shared(4096);
	pid_t pid = SPAWN(futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0));

	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK_EQ(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

static volatile int turn;

static void *take_turns(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 1000; i++) {
		int now;

		while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) % 2 != me)
			futex(&turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
		__atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST);
		futex(&turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return NULL;
}

TEST(no_wake_up_is_lost_in_two_thousand_hand_overs)
{
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, take_turns, (void *)(intptr_t)i), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(turn, 2000);
}

TEST(wait_on_read_only_memory_works)
{
	struct timespec ts = {0, 1000000};
	volatile int *p = MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0), EAGAIN);
}

TEST(waiting_word_may_be_unmapped)
{
	volatile int *p =
		MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	pid_t pid = SPAWN({
		struct timespec ts = {0, 30000000};
		CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
		MUST(munmap((void *)p, 4096));
		CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), EFAULT);
	});

	CHECK_EXITED(t_wait(pid), 0);
}

TEST(wake_op_on_a_read_only_word_is_efault_each_time)
{
	uint32_t word = 0;
	uint32_t *ro = MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (int i = 0; i < 100; i++) {
		CHECK_ERR(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, ro,
				  FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)),
			  EFAULT);
		MUST(munmap(MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
			    4096));
	}
}
