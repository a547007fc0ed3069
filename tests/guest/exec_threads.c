/*
 * exec in a process with threads: the others end, and the caller takes the leader's identity.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <pthread.h>

static struct t_gate started;

static void *block_in_read(void *arg)
{
	t_gate_open(&started);
	t_gate_pass(arg);
	return arg;
}

static void *spin(void *arg)
{
	t_gate_open(&started);
	for (;;)
		__asm__ volatile("pause" ::: "memory");
	return arg;
}

static void start(int n, void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	started = t_gate();
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
	for (int i = 0; i < n; i++)
		t_gate_pass(&started);
}

/* alone PID: exit 0 if this is the process PID and it has one thread. */
HELPER(alone)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	while (readdir(dir))
		n++;
	if (getpid() != atoi(argv[1]) || syscall(SYS_gettid) != getpid())
		return 2;
	return n - 2 == 1 ? 0 : 1;
}

static void exec_alone(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	T_EXEC_HELPER("alone", pid);
}

TEST(exec_by_the_leader_ends_blocked_threads)
{
	CHECK_EXITED(IN_CHILD({
			     struct t_gate never = t_gate();
			     start(5, block_in_read, &never);
			     exec_alone();
		     }),
		     0);
}

TEST(exec_by_the_leader_ends_running_threads)
{
	CHECK_EXITED(IN_CHILD({
			     start(3, spin, NULL);
			     exec_alone();
		     }),
		     0);
}

static void *meet(void *barrier)
{
	pthread_barrier_wait(barrier);
	return NULL;
}

/*
 * Starts threads one by one. Each waits for it, and for ever if it is killed while it starts one.
 */
static void *start_others(void *arg)
{
	pthread_barrier_t barrier;
	pthread_t other;
	int err;

	CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
	t_gate_open(&started);
	for (;;) {
		/* clone is EAGAIN while exec opens its file. */
		while ((err = pthread_create(&other, NULL, meet, &barrier)) == EAGAIN)
			;
		CHECK_EQ(err, 0);
		pthread_barrier_wait(&barrier);
		pthread_join(other, NULL);
	}
	return arg;
}

TEST(exec_ends_threads_that_start_others)
{
	for (int round = 0; round < 5; round++)
		CHECK_EXITED(IN_CHILD({
				     start(4, start_others, NULL);
				     exec_alone();
			     }),
			     0);
}

static void *exec_in_thread(void *arg)
{
	exec_alone();
	return arg;
}

TEST(exec_by_a_thread_takes_the_pid_of_the_leader)
{
	CHECK_EXITED(IN_CHILD({
			     struct t_gate never = t_gate();
			     pthread_t thread;
			     start(3, block_in_read, &never);
			     CHECK_EQ(pthread_create(&thread, NULL, exec_in_thread, NULL), 0);
			     pthread_join(thread, NULL);
		     }),
		     0);
}

TEST(exec_by_a_thread_after_the_leader_has_ended)
{
	CHECK_EXITED(IN_CHILD({
			     pthread_t thread;
			     CHECK_EQ(pthread_create(&thread, NULL, exec_in_thread, NULL), 0);
			     syscall(SYS_exit, 0);
		     }),
		     0);
}

static void *race_to_exec(void *arg)
{
	pthread_barrier_wait(arg);
	exec_alone();
	return NULL;
}

TEST(of_many_threads_that_execute_at_once_one_wins)
{
	for (int round = 0; round < 10; round++)
		CHECK_EXITED(IN_CHILD({
				     pthread_barrier_t barrier;
				     pthread_t thread;
				     pthread_barrier_init(&barrier, NULL, 5);
				     for (int i = 0; i < 4; i++)
					     CHECK_EQ(pthread_create(&thread, NULL, race_to_exec,
								     &barrier),
						      0);
				     race_to_exec(&barrier);
			     }),
			     0);
}

static void *failing_exec(void *arg)
{
	for (int i = 0; i < 50; i++)
		CHECK_ERR(execl("/no/such/program", "x", NULL), ENOENT);
	return arg;
}

TEST(failed_exec_ends_no_thread)
{
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, failing_exec, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

HELPER(exit_with)
{
	return atoi(argv[1]);
}

static void *fork_and_exec(void *arg)
{
	for (int i = 0; i < 5; i++)
		CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("exit_with", "21")), 21);
	return arg;
}

TEST(threads_fork_and_execute_side_by_side)
{
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, fork_and_exec, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

HELPER(read_byte)
{
	char c;

	return read(atoi(argv[1]), &c, 1) == 1 && c == 'k' ? 0 : 1;
}

TEST(descriptors_survive_an_exec_that_ends_threads)
{
	int fd[2];
	char arg[16];

	MUST(pipe(fd));
	snprintf(arg, sizeof(arg), "%d", fd[0]);
	pid_t pid = SPAWN({
		struct t_gate never = t_gate();
		start(2, block_in_read, &never);
		T_EXEC_HELPER("read_byte", arg);
	});
	CHECK_EQ(write(fd[1], "k", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}
