/* vfork: the child borrows the parent's memory, and the parent sleeps until it is given back. */
#include "t.h"

TEST(vfork_parent_waits_until_the_child_exits)
{
	volatile int *stage = t_shared(4096);
	pid_t pid = MUST(vfork());

	if (pid == 0) {
		t_sleep_ms(30);
		*stage = 1;
		_exit(3);
	}
	CHECK_EQ(*stage, 1);
	CHECK_EXITED(t_wait(pid), 3);
}

HELPER(hold)
{
	struct t_gate gate = {{atoi(argv[1]), -1}};
	char c;

	return read(gate.fd[0], &c, 1) == 1 ? 4 : 5;
}

TEST(vfork_parent_goes_on_when_the_child_executes)
{
	static int fd[2];
	static char arg[16];
	pid_t pid;

	MUST(pipe(fd));
	snprintf(arg, sizeof(arg), "%d", fd[0]);
	pid = MUST(vfork());
	if (pid == 0) {
		execl(t_self(), t_self(), "--helper", "hold", arg, NULL);
		_exit(98);
	}
	/* The child is still there: it waits for our byte. */
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 4);
}

TEST(vfork_child_writes_to_its_parents_memory)
{
	static volatile int word;
	pid_t pid = MUST(vfork());

	if (pid == 0) {
		word = 77;
		_exit(0);
	}
	CHECK_EQ(word, 77);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(vfork_child_has_descriptors_of_its_own)
{
	static int fd;
	pid_t pid;

	fd = MUST(dup(0));
	pid = MUST(vfork());
	if (pid == 0) {
		close(fd);
		_exit(0);
	}
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(vfork_parent_goes_on_when_the_child_is_killed)
{
	pid_t pid = MUST(vfork());

	if (pid == 0) {
		raise(SIGKILL);
		_exit(0);
	}
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(vfork_child_whose_exec_fails_still_holds_its_parent)
{
	static volatile int err;
	pid_t pid = MUST(vfork());

	if (pid == 0) {
		execl("/no/such/program", "x", NULL);
		err = errno;
		_exit(6);
	}
	CHECK_EQ(err, ENOENT);
	CHECK_EXITED(t_wait(pid), 6);
}

TEST(vfork_parent_can_be_killed_while_it_waits)
{
	int *grandchild = t_shared(4096), fd[2];
	char c;
	pid_t pid;

	MUST(pipe(fd));
	pid = SPAWN({
		pid_t child = vfork();
		if (child == 0) {
			*grandchild = getpid();
			/* Holds the parent until the end of the test. */
			write(fd[1], "x", 1) == 1 ? pause() : 0;
			_exit(0);
		}
	});
	CHECK_EQ(read(fd[0], &c, 1), 1);
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK_EQ(kill(*grandchild, SIGKILL), 0);
}

TEST(hundred_vforks_with_exec)
{
	for (int i = 0; i < 100; i++) {
		pid_t pid = MUST(vfork());

		if (pid == 0) {
			execl("/bin/true", "true", NULL);
			_exit(98);
		}
		CHECK_EXITED(t_wait(pid), 0);
	}
}
