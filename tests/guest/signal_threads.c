/*
 * Signals in processes with threads: directed to one, or to any that does not block them.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <pthread.h>

static struct t_gate ready, end, got;
static volatile pid_t handled_by;

static void note_thread(int sig)
{
	(void)sig;
	handled_by = (pid_t)syscall(SYS_gettid);
	t_gate_open(&got);
}

static void set_up(void)
{
	ready = t_gate();
	end = t_gate();
	got = t_gate();
	t_handle_flags(SIGUSR1, note_thread, SA_RESTART);
}

static pid_t tids[4];

static void *stay(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	t_gate_pass(&end);
	return NULL;
}

static void *stay_blocked(void *arg)
{
	t_block(SIGUSR1);
	return stay(arg);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
	t_gate_pass(&ready);
	return thread;
}

static void finish(pthread_t *thread, int n)
{
	for (int i = 0; i < n; i++)
		t_gate_open(&end);
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(tgkill_runs_the_handler_in_that_thread)
{
	pthread_t thread[3];

	set_up();
	for (int i = 0; i < 3; i++)
		thread[i] = start(stay, &tids[i]);
	for (int i = 0; i < 3; i++) {
		MUST(syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1));
		t_gate_pass(&got);
		CHECK_EQ(handled_by, tids[i]);
	}
	finish(thread, 3);
}

TEST(process_signal_goes_to_a_thread_that_does_not_block_it)
{
	pthread_t thread[3];

	set_up();
	t_block(SIGUSR1);
	for (int i = 0; i < 2; i++)
		thread[i] = start(stay_blocked, &tids[i]);
	t_unblock(SIGUSR1);
	thread[2] = start(stay, &tids[2]);
	t_block(SIGUSR1);
	for (int i = 0; i < 20; i++) {
		MUST(kill(getpid(), SIGUSR1));
		t_gate_pass(&got);
		CHECK_EQ(handled_by, tids[2]);
	}
	finish(thread, 3);
}

TEST(signal_of_one_thread_is_not_pending_in_another)
{
	pthread_t thread[1];
	sigset_t set;

	set_up();
	t_block(SIGUSR1);
	thread[0] = start(stay_blocked, &tids[0]);
	MUST(syscall(SYS_tgkill, getpid(), tids[0], SIGUSR1));
	MUST(sigpending(&set));
	CHECK(!sigismember(&set, SIGUSR1));
	MUST(kill(getpid(), SIGUSR1));
	MUST(sigpending(&set));
	CHECK(sigismember(&set, SIGUSR1));
	finish(thread, 1);
}

static void *unblock_now(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	t_gate_pass(&end);
	t_unblock(SIGUSR1);
	return NULL;
}

TEST(pending_process_signal_is_taken_by_whoever_unblocks_it)
{
	pthread_t thread[1];

	set_up();
	t_block(SIGUSR1);
	thread[0] = start(unblock_now, &tids[0]);
	MUST(kill(getpid(), SIGUSR1));
	finish(thread, 1);
	t_gate_pass(&got);
	CHECK_EQ(handled_by, tids[0]);
}

TEST(mask_is_inherited_by_new_threads_and_then_apart)
{
	pthread_t thread[1];
	sigset_t set;

	set_up();
	thread[0] = start(stay_blocked, &tids[0]);
	MUST(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(!sigismember(&set, SIGUSR1));
	finish(thread, 1);
}

TEST(tgkill_with_the_wrong_process_is_esrch)
{
	pthread_t thread[1];

	set_up();
	thread[0] = start(stay, &tids[0]);
	CHECK_ERR(syscall(SYS_tgkill, getppid(), tids[0], 0), ESRCH);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), tids[0], 0), 0);
	CHECK_EQ(syscall(SYS_tkill, tids[0], 0), 0);
	finish(thread, 1);
	t_wait_thread_state(getpid(), tids[0], 0);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), tids[0], 0), ESRCH);
}

TEST(kill_by_thread_number_reaches_the_process)
{
	pthread_t thread[1];

	set_up();
	thread[0] = start(stay, &tids[0]);
	CHECK_EQ(kill(tids[0], 0), 0);
	MUST(kill(tids[0], SIGUSR1));
	t_gate_pass(&got);
	finish(thread, 1);
}

static void *spin_until(void *arg)
{
	tids[0] = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	while (!*(volatile int *)arg)
		;
	return NULL;
}

TEST(thread_that_computes_is_interrupted)
{
	volatile int stop = 0;
	pthread_t thread;

	set_up();
	thread = start(spin_until, (void *)&stop);
	for (int i = 0; i < 50; i++) {
		MUST(syscall(SYS_tgkill, getpid(), tids[0], SIGUSR1));
		t_gate_pass(&got);
		CHECK_EQ(handled_by, tids[0]);
	}
	stop = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void fault_handler(int sig)
{
	(void)sig;
	handled_by = (pid_t)syscall(SYS_gettid);
	syscall(SYS_exit, 0);
}

static void *fault(void *arg)
{
	tids[0] = (pid_t)syscall(SYS_gettid);
	*(volatile int *)arg = 1;
	return NULL;
}

TEST(fault_is_handled_by_the_thread_that_made_it)
{
	pthread_t thread;

	t_handle(SIGSEGV, fault_handler);
	CHECK_EQ(pthread_create(&thread, NULL, fault, (void *)8), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(handled_by, tids[0]);
}

TEST(ignoring_a_signal_discards_it_in_every_thread)
{
	pthread_t thread[1];

	set_up();
	t_block(SIGUSR1);
	thread[0] = start(unblock_now, &tids[0]);
	MUST(syscall(SYS_tgkill, getpid(), tids[0], SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	t_handle(SIGUSR1, note_thread);
	finish(thread, 1);
	CHECK_EQ(handled_by, 0);
}
