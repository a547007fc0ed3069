/*
 * Hot system-call sites and what tasks are: forks, executions, identities, segment bases, CPUs,
 * interrupted calls. See patch.h.
 * test: cpus=1,2,2s,4,4m quick=no
 */
#include "patch.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>

SITE_A(a_getpid, 39);
SITE_A(a_gettid, 186);
SITE_A(a_getppid, 110);
SITE_A(a_getuid, 102);
SITE_A(a_geteuid, 107);
SITE_A(a_getgid, 104);
SITE_A(a_getegid, 108);
SITE_A(a_write, 1);
SITE_A(a_readv, 19);
SITE_A(a_writev, 20);
SITE_A(a_stat, 4);
SITE_A(a_getcpu, 309);
SITE_B(b_call);
SITE_A(a_read, 0);
long b_read(long, ...);
FUNCTION("b_read", "xor %eax, %eax\nsyscall\nret");

static void heat_self(pid_t parent)
{
	heat(a_getpid, 0, getpid());
	heat(a_gettid, 0, syscall(SYS_gettid));
	heat(a_getppid, 0, parent);
	heat(b_call, SYS_getpid, getpid());
	heat(b_call, SYS_gettid, syscall(SYS_gettid));
	heat(b_call, SYS_getppid, parent);
	CHECK_EQ(getppid(), parent);
}

static void *thread_main(void *arg)
{
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);

	CHECK(pid != tid);
	CHECK_EQ(call0(a_gettid, 0), tid); /* its first hot calls at all */
	CHECK_EQ(call0(a_getpid, 0), pid);
	heat_self(getppid());
	CHECK_EQ(call0(a_gettid, 0), tid);
	return NULL;
}

static void in_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run, arg), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* ---- new tasks ---- */

TEST(forked_children_know_themselves)
{
	pid_t me = getpid();

	heat_self(getppid());
	for (int i = 0; i < 3; i++) {
		CHECK_EXITED(IN_CHILD({
				     pid_t child = getpid();

				     CHECK_EQ(call0(a_getppid, 0), me);
				     CHECK_EQ(call0(a_getpid, 0), child);
				     CHECK_EQ(call0(a_gettid, 0), child);
				     heat_self(me);
				     in_thread(thread_main, NULL);
				     CHECK_EXITED(IN_CHILD({
							  CHECK(call0(a_getpid, 0) != child);
							  heat_self(child);
							  in_thread(thread_main, NULL);
						  }),
						  0);
				     heat_self(me);
			     }),
			     0);
		heat_self(getppid());
		CHECK_EQ(call0(a_getpid, 0), me);
	}
}

TEST(new_threads_know_themselves)
{
	heat_self(getppid());
	for (int i = 0; i < 20; i++)
		in_thread(thread_main, NULL);
	heat_self(getppid());
}

static void *forking_thread(void *arg)
{
	pid_t me = getpid();

	heat_self(getppid());
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(call0(a_gettid, 0), getpid());
			     CHECK(call0(a_getpid, 0) != me);
			     heat_self(me);
		     }),
		     0);
	heat_self(getppid());
	return NULL;
}

TEST(thread_that_forks_leaves_a_child_that_knows_itself)
{
	for (int i = 0; i < 5; i++)
		in_thread(forking_thread, NULL);
}

HELPER(self)
{
	/* The arguments: who we have to be. */
	pid_t pid = atoi(argv[1]), parent = atoi(argv[2]);

	if (getpid() != pid || syscall(SYS_gettid) != pid)
		return 1;
	for (int i = 0; i < HOT; i++)
		if (call0(a_getpid, 0) != pid || call0(a_gettid, 0) != pid ||
		    call0(a_getppid, 0) != parent || call0(b_call, SYS_gettid) != pid)
			return 2;
	return 0;
}

static void execute_self(pid_t parent)
{
	char pid_arg[16], parent_arg[16];

	snprintf(pid_arg, sizeof(pid_arg), "%d", getpid());
	snprintf(parent_arg, sizeof(parent_arg), "%d", parent);
	T_EXEC_HELPER("self", pid_arg, parent_arg);
}

TEST(executed_program_knows_itself)
{
	pid_t me = getpid();

	heat_self(getppid());
	for (int i = 0; i < 3; i++)
		CHECK_EXITED(IN_CHILD({
				     heat_self(me);
				     execute_self(me);
			     }),
			     0);
}

static void *executing_thread(void *arg)
{
	heat_self(getppid());
	execute_self(getppid());
	return NULL;
}

TEST(program_executed_by_a_thread_is_the_process)
{
	for (int i = 0; i < 3; i++)
		CHECK_EXITED(IN_CHILD({
				     heat_self(getppid());
				     in_thread(executing_thread, NULL);
			     }),
			     0);
}

TEST(vfork_children_know_themselves)
{
	static volatile pid_t seen[4];
	pid_t me = getpid();

	heat_self(getppid());
	for (int i = 0; i < 3; i++) {
		pid_t pid = MUST(vfork());

		if (pid == 0) {
			for (int k = 0; k < HOT; k++) {
				seen[0] = (pid_t)call0(a_getpid, 0);
				seen[1] = (pid_t)call0(a_gettid, 0);
				seen[2] = (pid_t)call0(a_getppid, 0);
				seen[3] = (pid_t)call0(b_call, SYS_getpid);
			}
			_exit(0);
		}
		CHECK_EXITED(t_wait(pid), 0);
		CHECK_EQ(seen[0], pid);
		CHECK_EQ(seen[1], pid);
		CHECK_EQ(seen[2], me);
		CHECK_EQ(seen[3], pid);
		heat_self(getppid());
	}
}

/* By the C library's call, which is hot, and by one of our own. */
TEST(tasks_made_by_a_hot_call)
{
	pid_t me = getpid(), pid;

	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(syscall(SYS_getpid), me);
		CHECK_EQ(call0(b_call, SYS_getpid), me);
	}
	for (int i = 0; i < 5; i++) {
		pid = (pid_t)MUST(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
		if (pid == 0) {
			for (int k = 0; k < HOT; k++)
				if (syscall(SYS_getppid) != me || syscall(SYS_getpid) == me)
					_exit(1);
			_exit(0);
		}
		CHECK_EXITED(t_wait(pid), 0);
		pid = (pid_t)call0(b_call, SYS_fork);
		CHECK(pid >= 0);
		if (pid == 0) {
			for (int k = 0; k < HOT; k++)
				if (call0(b_call, SYS_getppid) != me)
					syscall(SYS_exit_group, 1);
			call3(b_call, SYS_exit_group, 5, 0, 0);
		}
		CHECK_EXITED(t_wait(pid), 5);
		pid = (pid_t)call4(b_call, SYS_clone, SIGCHLD, 0, 0, 0);
		CHECK(pid >= 0);
		if (pid == 0)
			call3(b_call, SYS_exit, 6, 0, 0);
		CHECK_EXITED(t_wait(pid), 6);
	}
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(call0(b_call, SYS_getpid), me);
}

/* ---- identities ---- */

static void heat_ids(uid_t uid, uid_t euid, gid_t gid, gid_t egid)
{
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(call0(a_getuid, 0), uid);
		CHECK_EQ(call0(a_geteuid, 0), euid);
		CHECK_EQ(call0(a_getgid, 0), gid);
		CHECK_EQ(call0(a_getegid, 0), egid);
		CHECK_EQ(call0(b_call, SYS_geteuid), euid);
	}
}

static void *other_uid_thread(void *arg)
{
	/* By the bare calls: this thread only. */
	MUST(syscall(SYS_setresgid, 21, 22, 23));
	MUST(syscall(SYS_setresuid, 11, 12, 13));
	heat_ids(11, 12, 21, 22);
	CHECK_EXITED(IN_CHILD(heat_ids(11, 12, 21, 22)), 0);
	return NULL;
}

TEST(identities_follow_each_thread)
{
	heat_ids(getuid(), geteuid(), getgid(), getegid());
	if (!t_is_root())
		SKIP("needs root");
	in_thread(other_uid_thread, NULL);
	heat_ids(0, 0, getgid(), getegid());
	MUST(setegid(7));
	heat_ids(0, 0, getgid(), 7);
	MUST(seteuid(5));
	heat_ids(0, 5, getgid(), 7);
	MUST(seteuid(0));
	heat_ids(0, 0, getgid(), 7);
	MUST(setresgid(31, 32, 33));
	MUST(setresuid(41, 42, 43));
	heat_ids(41, 42, 31, 32);
	CHECK_EXITED(IN_CHILD(heat_ids(41, 42, 31, 32)), 0);
}

static void *waiting_thread(void *arg)
{
	pthread_barrier_t *b = arg;

	heat_ids(0, 0, getgid(), getegid());
	pthread_barrier_wait(b);
	pthread_barrier_wait(b);
	heat_ids(51, 52, 61, 62);
	return NULL;
}

TEST(identities_that_the_library_sets_hold_for_all_threads)
{
	pthread_barrier_t b;
	pthread_t thread;

	if (!t_is_root())
		SKIP("needs root");
	CHECK_EQ(pthread_barrier_init(&b, NULL, 2), 0);
	CHECK_EQ(pthread_create(&thread, NULL, waiting_thread, &b), 0);
	pthread_barrier_wait(&b);
	MUST(setresgid(61, 62, 63));
	MUST(setresuid(51, 52, 53));
	pthread_barrier_wait(&b);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	heat_ids(51, 52, 61, 62);
}

/* ---- CPUs ---- */

TEST(cpu_number_follows_the_affinity)
{
	cpu_set_t all, one;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int round = 0; round < 3; round++)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
			unsigned int got[3];

			if (!CPU_ISSET(cpu, &all))
				continue;
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
			for (int i = 0; i < HOT; i++) {
				unsigned int node = 99;

				CHECK_EQ(sched_getcpu(), cpu);
				CHECK_EQ(getcpu(&got[0], &node), 0);
				CHECK_EQ(got[0], cpu);
				CHECK(node != 99);
				CHECK_EQ(call3(a_getcpu, 0, (long)&got[1], 0, 0), 0);
				CHECK_EQ(got[1], cpu);
				CHECK_EQ(call3(b_call, SYS_getcpu, (long)&got[2], 0, 0), 0);
				CHECK_EQ(got[2], cpu);
			}
		}
}

/* ---- segment bases ---- */

static unsigned long gs_word(void)
{
	unsigned long v;

	__asm__ volatile("mov %%gs:8, %0" : "=r"(v));
	return v;
}

static void heat_with_gs(unsigned long base)
{
	unsigned long now;

	for (int i = 0; i < 3; i++) {
		heat_self(getppid());
		if (base)
			CHECK_EQ(gs_word(), 0x1234567);
		MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &now));
		CHECK_EQ(now, base);
	}
}

static void write_gs(unsigned long base)
{
	__asm__ volatile("wrgsbase %0" ::"r"(base));
}

TEST(hot_calls_work_with_a_gs_base)
{
	static unsigned long data[4] = {0, 0x1234567};
	unsigned long base = (unsigned long)data;

	heat_with_gs(0);
	for (int i = 0; i < 3; i++) {
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, base));
		heat_with_gs(base);
		CHECK_EXITED(IN_CHILD(heat_with_gs(base)), 0);
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
		heat_with_gs(0);
	}
	if (!(getauxval(AT_HWCAP2) & 2))
		return;
	for (int i = 0; i < 3; i++) {
		write_gs(base);
		heat_with_gs(base);
		CHECK_EXITED(IN_CHILD(heat_with_gs(base)), 0);
		write_gs(0);
		heat_with_gs(0);
	}
}

static void *gs_thread(void *arg)
{
	static unsigned long data[4] = {0, 0x1234567};

	for (int i = 0; i < 3; i++) {
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, data));
		heat_with_gs((unsigned long)data);
		sched_yield();
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
		heat_with_gs(0);
	}
	return NULL;
}

TEST(threads_have_gs_bases_of_their_own)
{
	pthread_t thread[3];

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, i ? gs_thread : thread_main, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/*
 * Bases that are nobody's memory, or look like the kernel's: what is relative to gs isn't used
 * here, calls are.
 */
TEST(hot_calls_work_with_any_gs_base)
{
	static const unsigned long bases[] = {1,
					      0x1000,
					      0x7fffc0000000,
					      0x7fffc8000000,
					      0x7fffc8008000,
					      0x7fffcfff8000,
					      0x7fffcfffffff,
					      0x7fffd0000000,
					      0x7fffffffe000};
	pid_t me = getpid();

	heat_self(getppid());
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		/*
		 * Memory there may be missing, which is the program's own fault; it must not be
		 * anybody else's.
		 */
		int status = IN_CHILD({
			if (syscall(SYS_arch_prctl, ARCH_SET_GS, bases[i]) == 0)
				for (int k = 0; k < HOT; k++)
					(void)call0(a_getppid, 0);
			_exit(0);
		});

		CHECK(WIFEXITED(status) || WIFSIGNALED(status));
		heat_self(getppid());
		CHECK_EQ(getpid(), me);
	}
}

/* ---- results of calls that fail, or are interrupted ---- */

TEST(bad_addresses_are_told_by_hot_calls)
{
	int zero = MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	int fd[2];
	struct stat st;
	char c;

	MUST(pipe2(fd, O_CLOEXEC));
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(call3(a_read, 0, zero, (long)&c, 1), 1);
		CHECK_EQ(call3(a_read, 0, zero, 16, 1), -EFAULT);
		CHECK_EQ(call3(b_read, 0, zero, -16, 1), -EFAULT);
		CHECK_EQ(call3(b_read, 0, zero, (long)&c, 1), 1);
		CHECK_EQ(call3(a_write, 0, fd[1], 16, 1), -EFAULT);
		CHECK_EQ(call3(a_write, 0, fd[1], (long)&c, 1), 1);
		CHECK_EQ(call3(b_read, 0, fd[0], (long)&c, 1), 1);
		CHECK_EQ(call3(a_stat, 0, (long)"/", 16, 0), -EFAULT);
		CHECK_EQ(call3(a_stat, 0, 16, (long)&st, 0), -EFAULT);
		CHECK_EQ(call3(a_stat, 0, (long)"/", (long)&st, 0), 0);
		CHECK_EQ(call3(a_read, 0, -1, (long)&c, 1), -EBADF);
	}
}

TEST(vectors_of_all_lengths_are_hot)
{
	static const int counts[] = {0, 1, 2, 7, 127, 128, 129, 1024};
	static char bytes[1024], got[1024];
	static struct iovec v[1025];
	int fd[2];

	MUST(pipe2(fd, O_CLOEXEC));
	for (int i = 0; i < 1024; i++) {
		bytes[i] = (char)(i * 7);
		v[i] = (struct iovec){bytes + i, 1};
	}
	for (int k = 0; k < HOT; k++) {
		int n = counts[k % 8];

		CHECK_EQ(call3(k % 2 ? a_writev : b_call, SYS_writev, fd[1], (long)v, n), n);
		CHECK_EQ(read(fd[0], got, n), n);
		CHECK(!memcmp(got, bytes, n));
		CHECK_EQ(call3(a_writev, 0, fd[1], (long)v, 1025), -EINVAL);
		CHECK_EQ(call3(a_writev, 0, fd[1], (long)v, -1), -EINVAL);
		CHECK_EQ(call3(a_writev, 0, fd[1], 16, 3), -EFAULT);
		CHECK_EQ(call3(a_writev, 0, fd[1], -16, 2), -EFAULT);
	}
}

TEST(vectors_that_overlap_are_filled_in_order)
{
	char buf[8] = {};
	struct iovec v[] = {{buf, 4}, {buf + 2, 4}};
	int fd[2];

	MUST(pipe2(fd, O_CLOEXEC));
	for (int k = 0; k < HOT; k++) {
		CHECK_EQ(write(fd[1], "abcdefgh", 8), 8);
		CHECK_EQ(call3(a_readv, 0, fd[0], (long)v, 2), 8);
		CHECK(!memcmp(buf, "abefgh", 6));
		memset(buf, 0, sizeof(buf));
	}
}

static volatile int signals;

static void on_signal(int sig)
{
	signals++;
}

static struct {
	int fd[2];
	volatile pid_t tid;
	volatile long result;
	const void *fn;
	long nr;
} reader;

static void *read_one(void *arg)
{
	char c = 0;

	reader.tid = (pid_t)syscall(SYS_gettid);
	reader.result = call3(reader.fn, reader.nr, reader.fd[0], (long)&c, 1);
	if (reader.result == 1 && c != 'z')
		reader.result = 1000;
	return NULL;
}

/* Warms the call up, then blocks a thread in it; gives the thread. */
static pthread_t blocked_reader(const void *fn, long nr)
{
	pthread_t thread;
	char c;

	reader.fn = fn;
	reader.nr = nr;
	reader.tid = 0;
	signals = 0;
	for (int i = 0; i < HOT; i++) {
		CHECK_EQ(write(reader.fd[1], "y", 1), 1);
		CHECK_EQ(call3(fn, nr, reader.fd[0], (long)&c, 1), 1);
	}
	CHECK_EQ(pthread_create(&thread, NULL, read_one, NULL), 0);
	while (!reader.tid)
		sched_yield();
	t_wait_thread_state(getpid(), reader.tid, 'S');
	return thread;
}

static void check_interrupted(const void *fn, long nr)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		t_handle_flags(SIGUSR1, on_signal, 0);
		thread = blocked_reader(fn, nr);
		MUST(syscall(SYS_tgkill, getpid(), reader.tid, SIGUSR1));
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(reader.result, -EINTR);
		CHECK_EQ(signals, 1);

		t_handle_flags(SIGUSR1, on_signal, SA_RESTART);
		thread = blocked_reader(fn, nr);
		for (int k = 1; k <= 3; k++) {
			MUST(syscall(SYS_tgkill, getpid(), reader.tid, SIGUSR1));
			while (signals < k)
				sched_yield();
			t_wait_thread_state(getpid(), reader.tid, 'S');
		}
		CHECK_EQ(write(reader.fd[1], "z", 1), 1);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(reader.result, 1);
	}
}

TEST(hot_read_that_blocks_is_interrupted_or_restarted)
{
	MUST(pipe2(reader.fd, O_CLOEXEC));
	check_interrupted(a_read, 0);
	check_interrupted(b_read, 0);
	check_interrupted(b_call, SYS_read);
}

TEST(hot_read_goes_on_after_a_stop)
{
	const void *const fns[] = {a_read, b_read};

	for (size_t k = 0; k < 2; k++) {
		struct t_gate ready = t_gate();
		int fd[2];
		pid_t child;

		MUST(pipe2(fd, O_CLOEXEC));
		child = SPAWN({
			char c = 0;

			for (int i = 0; i < HOT; i++) {
				CHECK_EQ(write(fd[1], "y", 1), 1);
				CHECK_EQ(call3(fns[k], 0, fd[0], (long)&c, 1), 1);
			}
			t_gate_open(&ready);
			CHECK_EQ(call3(fns[k], 0, fd[0], (long)&c, 1), 1);
			CHECK_EQ(c, 'z');
		});
		t_gate_pass(&ready);
		t_wait_state(child, 'S');
		for (int i = 0; i < 5; i++) {
			int status;

			MUST(kill(child, SIGSTOP));
			CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
			CHECK(WIFSTOPPED(status));
			MUST(kill(child, SIGCONT));
			CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
			CHECK(WIFCONTINUED(status));
		}
		CHECK_EQ(write(fd[1], "z", 1), 1);
		CHECK_EXITED(t_wait(child), 0);
	}
}

/* A loop of hot calls that is stopped and continued all the time. */
TEST(hot_calls_are_right_across_stops)
{
	volatile int *stop = t_shared(4096);
	pid_t me = getpid(), child;

	child = SPAWN({
		pid_t pid = getpid();

		while (!*stop) {
			CHECK_EQ(call0(a_getpid, 0), pid);
			CHECK_EQ(call0(a_getppid, 0), me);
			CHECK_EQ(call0(b_call, SYS_getppid), me);
		}
	});
	for (int i = 0; i < 100; i++) {
		int status;

		MUST(kill(child, SIGSTOP));
		CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
		CHECK(WIFSTOPPED(status));
		MUST(kill(child, SIGCONT));
		CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
		CHECK(WIFCONTINUED(status));
	}
	*stop = 1;
	CHECK_EXITED(t_wait(child), 0);
}
