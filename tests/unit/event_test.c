/* The event thread and the I/O workers. */
#include "event.h"
#include "smp_util.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static int pipe_fd[2];
static struct wait_queue queue;
static u32 fired, last_events; /* atomic */

static void on_ready(void *arg, u32 events)
{
	must(arg == &fired);
	__atomic_store_n(&last_events, events, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&fired, 1, __ATOMIC_SEQ_CST);
	wake_up_all(&queue);
}

static void wait_fired(u32 n)
{
	int err = wait_event_expr(&queue, __atomic_load_n(&fired, __ATOMIC_SEQ_CST) >= n, NULL);

	must(!err);
}

static struct event_watch *watch;

static void watching(void)
{
	char c;

	__atomic_store_n(&fired, 0, __ATOMIC_SEQ_CST);
	watch = event_watch_add(pipe_fd[0], POLLIN, on_ready, &fired);
	must(!IS_ERR(watch));
	must(write(pipe_fd[1], "a", 1) == 1);
	wait_fired(1);
	must_eq(__atomic_load_n(&last_events, __ATOMIC_SEQ_CST), POLLIN);
	/* One-shot: silent until armed again, then at once. */
	must(write(pipe_fd[1], "b", 1) == 1);
	sleep_us(2000);
	must_eq(__atomic_load_n(&fired, __ATOMIC_SEQ_CST), 1);
	must(!event_watch_arm(watch, POLLIN));
	wait_fired(2);
	must(read(pipe_fd[0], &c, 1) == 1 && read(pipe_fd[0], &c, 1) == 1);
	/* A regular file is always ready: can't be watched. */
	must_eq(PTR_ERR(event_watch_add(open("/etc/passwd", O_RDONLY), POLLIN, on_ready, &fired)),
		-EPERM);
}

START_TEST(watches_fire_once)
{
	ck_assert_int_eq(pipe(pipe_fd), 0);
	wait_queue_init(&queue);
	ck_assert_int_eq(event_init(), 0);
	with_cpus(cpu_counts[_i], watching);
	event_shutdown();
	kfree(watch); /* the kernel keeps its own */
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}
END_TEST

static u32 signals; /* atomic */

static void on_signal(int signo)
{
	must_eq(signo, SIGWINCH);
	__atomic_add_fetch(&signals, 1, __ATOMIC_SEQ_CST);
	wake_up_all(&queue);
}

static void signalling(void)
{
	int err;

	__atomic_store_n(&signals, 0, __ATOMIC_SEQ_CST);
	must(!kill(getpid(), SIGWINCH));
	err = wait_event_expr(&queue, __atomic_load_n(&signals, __ATOMIC_SEQ_CST), NULL);
	must(!err);
}

START_TEST(host_signals_come_to_the_event_thread)
{
	wait_queue_init(&queue);
	ck_assert_int_eq(event_init(), 0);
	ck_assert_int_eq(event_signal(SIGWINCH, on_signal), 0);
	ck_assert_int_eq(event_signal(0, on_signal), -EINVAL);
	with_cpus(2, signalling);
	event_shutdown();
}
END_TEST

static u32 at_work, most_at_work; /* atomic */

static long slow(void *arg)
{
	u32 n = __atomic_add_fetch(&at_work, 1, __ATOMIC_SEQ_CST);
	u32 most = __atomic_load_n(&most_at_work, __ATOMIC_SEQ_CST);

	while (n > most && !__atomic_compare_exchange_n(&most_at_work, &most, n, false,
							__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	usleep(3000);
	__atomic_sub_fetch(&at_work, 1, __ATOMIC_SEQ_CST);
	return *(long *)arg * 3;
}

static void caller(long arg)
{
	for (long i = arg; i < arg + 10; i++)
		must_eq(io_worker_call(slow, &i), i * 3);
}

static void callers(void)
{
	for (long i = 0; i < 40; i++)
		spawn(caller, i * 100);
	join_all();
}

/*
 * 40 tasks with 10 calls of 3 ms each: 1.2 s of blocking, on however few CPUs. The host may pause:
 * in less at least once.
 */
START_TEST(workers_run_beside_the_cpus)
{
	ktime_t took = KTIME_MAX;

	most_at_work = 0;
	for (int i = 0; i < 10 && took >= 900 * NSEC_PER_MSEC; i++) {
		ktime_t begin = ktime_mono();

		with_cpus(cpu_counts[_i], callers);
		took = ktime_mono() - begin;
	}
	ck_assert_uint_gt(most_at_work, 4);
	ck_assert_uint_le(most_at_work, 16);
	ck_assert_uint_lt(took, 900 * NSEC_PER_MSEC);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("event");

	/* First, while no other thread could take the signal. */
	tcase_add_test(tc, host_signals_come_to_the_event_thread);
	tcase_add_loop_test(tc, watches_fire_once, 0, 3);
	tcase_add_loop_test(tc, workers_run_beside_the_cpus, 0, 3);
	return run_suite(tc, "event");
}
