/* exit and exit_group: of a thread, of the leader, of everybody. */
#include "t.h"

#include <pthread.h>

static void *exit_all(void *arg)
{
	_exit((int)(intptr_t)arg);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *spin(void *arg)
{
	for (;;)
		__asm__ volatile("pause" ::: "memory");
	return arg;
}

static void start(int n, void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
}

TEST(exit_group_by_a_thread_ends_everybody)
{
	CHECK_EXITED(IN_CHILD({
			     start(3, wait_for_ever, NULL);
			     start(2, spin, NULL);
			     start(1, exit_all, (void *)(intptr_t)11);
			     pause();
		     }),
		     11);
}

TEST(exit_group_by_the_leader_ends_everybody)
{
	CHECK_EXITED(IN_CHILD({
			     start(3, wait_for_ever, NULL);
			     start(2, spin, NULL);
			     _exit(12);
		     }),
		     12);
}

TEST(first_of_many_exit_statuses_counts)
{
	int status = IN_CHILD({
		for (int i = 1; i <= 5; i++)
			start(1, exit_all, (void *)(intptr_t)i);
		_exit(6);
	});

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) >= 1 && WEXITSTATUS(status) <= 6);
}

static void *exit_one(void *arg)
{
	syscall(SYS_exit, 99);
	return arg;
}

TEST(exit_of_one_thread_leaves_the_others)
{
	CHECK_EXITED(IN_CHILD({
			     pthread_t thread;
			     CHECK_EQ(pthread_create(&thread, NULL, exit_one, NULL), 0);
			     CHECK_EQ(pthread_join(thread, NULL), 0);
			     _exit(13);
		     }),
		     13);
}

static struct t_gate gate;

static void *exit_after_gate(void *arg)
{
	t_gate_pass(&gate);
	_exit((int)(intptr_t)arg);
}

TEST(process_lives_on_after_its_leader_has_ended)
{
	pid_t pid;
	int status;

	gate = t_gate();
	pid = SPAWN({
		start(1, exit_after_gate, (void *)(intptr_t)14);
		syscall(SYS_exit, 50);
	});
	t_wait_state(pid, 'Z');
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(kill(pid, 0), 0);
	t_gate_open(&gate);
	CHECK_EXITED(t_wait(pid), 14);
}

static void *exit_one_after_gate(void *arg)
{
	t_gate_pass(&gate);
	syscall(SYS_exit, 60);
	return arg;
}

TEST(status_is_that_of_the_last_thread_to_exit)
{
	pid_t pid;

	gate = t_gate();
	pid = SPAWN({
		start(1, exit_one_after_gate, NULL);
		syscall(SYS_exit, 50);
	});
	t_wait_state(pid, 'Z');
	t_gate_open(&gate);
	CHECK_EXITED(t_wait(pid), 60);
}

TEST(kill_reaches_a_process_whose_leader_has_ended)
{
	pid_t pid;

	gate = t_gate();
	pid = SPAWN({
		start(1, exit_after_gate, NULL);
		syscall(SYS_exit, 0);
	});
	t_wait_state(pid, 'Z');
	MUST(kill(pid, SIGTERM));
	CHECK_KILLED(t_wait(pid), SIGTERM);
}

TEST(fatal_signal_ends_every_thread)
{
	pid_t pid;

	gate = t_gate();
	pid = SPAWN({
		start(3, spin, NULL);
		start(3, wait_for_ever, NULL);
		t_gate_open(&gate);
		pause();
	});
	t_gate_pass(&gate);
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

static void *fault(void *arg)
{
	*(volatile int *)arg = 1;
	return arg;
}

TEST(fault_in_one_thread_ends_every_thread)
{
	CHECK_KILLED(IN_CHILD({
			     start(2, wait_for_ever, NULL);
			     start(1, fault, (void *)16ul);
			     pause();
		     }),
		     SIGSEGV);
}

TEST(descriptors_are_closed_when_the_last_thread_ends)
{
	int fd[2];
	char c;

	MUST(pipe(fd));
	gate = t_gate();
	pid_t pid = SPAWN({
		MUST(close(fd[0]));
		start(1, exit_after_gate, NULL);
		syscall(SYS_exit, 0);
	});
	MUST(close(fd[1]));
	t_wait_state(pid, 'Z');
	/* Its thread still holds the pipe open. */
	MUST(fcntl(fd[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
	MUST(fcntl(fd[0], F_SETFL, 0));
	t_gate_open(&gate);
	CHECK_EQ(read(fd[0], &c, 1), 0);
	CHECK_EXITED(t_wait(pid), 0);
}
