/*
 * Many processes and threads that get in each other's way: in the end everything is accounted
 * for.
 * test: cpus=1,2,4,4m,16 quick=no
 */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static volatile int stop;

TEST(children_killed_at_any_moment_are_all_reaped)
{
	for (int i = 0; i < 60; i++) {
		pid_t pid = SPAWN(for (;;) {
			pid_t child = fork();
			if (child == 0)
				_exit(0);
			if (child > 0)
				waitpid(child, NULL, 0);
		});

		usleep((useconds_t)(i * 50));
		MUST(kill(pid, SIGKILL));
		CHECK_KILLED(t_wait(pid), SIGKILL);
	}
	CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

TEST(programs_killed_while_they_start)
{
	for (int i = 0; i < 60; i++) {
		pid_t pid = SPAWN(execl("/bin/true", "true", NULL));
		int status;

		usleep((useconds_t)(i * 30));
		MUST(kill(pid, SIGKILL));
		status = t_wait(pid);
		CHECK(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
	}
}

TEST(stop_and_continue_at_any_moment_loses_nothing)
{
	volatile int *count = t_shared(4096);
	int status;
	pid_t pid = SPAWN({
		for (int i = 0; i < 20000; i++) {
			getppid();
			(*count)++;
		}
		_exit(7);
	});

	for (int i = 0; i < 200; i++) {
		kill(pid, SIGSTOP);
		kill(pid, SIGCONT);
	}
	kill(pid, SIGCONT);
	do
		CHECK_EQ(waitpid(pid, &status, WUNTRACED | WCONTINUED), pid);
	while (!WIFEXITED(status));
	CHECK_EXITED(status, 7);
	CHECK_EQ(*count, 20000);
}

static volatile sig_atomic_t handled;

static void note(int sig)
{
	(void)sig;
	handled++;
}

TEST(work_under_a_rain_of_signals_is_right)
{
	pid_t parent = getpid(), pid;
	volatile int *end = t_shared(4096);
	char buf[64];
	int fd[2];

	t_handle_flags(SIGUSR1, note, SA_RESTART);
	MUST(pipe(fd));
	pid = SPAWN(while (!*end) kill(parent, SIGUSR1));
	for (int i = 0; i < 300 || !handled; i++) { /* the rain may begin late */
		char *p = MUST(mmap(NULL, 16384, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		snprintf(buf, sizeof(buf), "%d", i);
		CHECK(write(fd[1], buf, strlen(buf) + 1) == (ssize_t)strlen(buf) + 1);
		CHECK(read(fd[0], p + 4090, 64) == (ssize_t)strlen(buf) + 1);
		CHECK_STR(p + 4090, buf);
		MUST(munmap(p, 16384));
		if (i % 30 == 0)
			CHECK_EXITED(IN_CHILD(_exit(i / 30 % 100)), i / 30 % 100);
	}
	*end = 1;
	CHECK_EXITED(t_wait(pid), 0);
}

static void *touch_pages(void *arg)
{
	volatile unsigned char *p = arg;

	while (!stop)
		for (size_t i = 0; i < 64; i++)
			p[i * 4096]++;
	return NULL;
}

TEST(fork_while_other_threads_write_gives_whole_pages)
{
	unsigned char *p = MUST(
		mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, touch_pages, p + i), 0);
	for (int i = 0; i < 40; i++)
		CHECK_EXITED(IN_CHILD({
				     /* Nobody writes here any more. */
				     unsigned char first[64];
				     for (size_t k = 0; k < 64; k++)
					     first[k] = p[k * 4096];
				     for (int round = 0; round < 20; round++)
					     for (size_t k = 0; k < 64; k++)
						     CHECK_EQ(p[k * 4096], first[k]);
			     }),
			     0);
	stop = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

static void *change_protection(void *arg)
{
	while (!stop) {
		MUST(mprotect(arg, 4096, PROT_READ));
		MUST(mprotect(arg, 4096, PROT_READ | PROT_WRITE));
	}
	return NULL;
}

static __thread sigjmp_buf env;
static volatile int faults;

static void fault(int sig)
{
	(void)sig;
	faults++;
	siglongjmp(env, 1);
}

TEST(writes_against_changing_protection_either_fault_or_happen)
{
	volatile unsigned int *p =
		MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	volatile unsigned int written = 0;
	pthread_t thread;

	t_handle(SIGSEGV, fault);
	CHECK_EQ(pthread_create(&thread, NULL, change_protection, (void *)p), 0);
	for (int i = 0; i < 3000; i++)
		if (!sigsetjmp(env, 1)) {
			*p = written + 1;
			written++;
		}
	stop = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(*p, written);
}

static void *make_threads(void *arg)
{
	for (int i = 0; i < (arg ? 30 : 3); i++) {
		pthread_t thread;

		if (arg) {
			CHECK_EQ(pthread_create(&thread, NULL, make_threads, NULL), 0);
			CHECK_EQ(pthread_join(thread, NULL), 0);
		} else {
			sched_yield();
		}
	}
	return NULL;
}

TEST(threads_that_make_threads)
{
	pthread_t thread[5];

	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, make_threads, thread), 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(process_with_many_threads_dies_at_once)
{
	for (int i = 0; i < 10; i++) {
		struct t_gate ready = t_gate();
		pid_t pid = SPAWN({
			pthread_t thread;
			char *p = MUST(mmap(NULL, 65 * 4096, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
			for (int k = 0; k < 10; k++)
				CHECK_EQ(pthread_create(&thread, NULL, touch_pages, p + k), 0);
			t_gate_open(&ready);
			if (i % 2)
				_exit(3);
			pause();
		});

		t_gate_pass(&ready);
		if (i % 2 == 0)
			MUST(kill(pid, SIGKILL));
		if (i % 2)
			CHECK_EXITED(t_wait(pid), 3);
		else
			CHECK_KILLED(t_wait(pid), SIGKILL);
	}
}

static int shared_fd;

static void *replace_descriptor(void *arg)
{
	int other = *(int *)arg;

	while (!stop)
		MUST(dup2(other, shared_fd));
	return NULL;
}

TEST(reads_against_dup2_see_one_file_or_the_other)
{
	int zero = MUST(open("/dev/zero", O_RDONLY)), null = MUST(open("/dev/null", O_RDONLY));
	pthread_t thread[2];
	char buf[8];

	shared_fd = MUST(dup(zero));
	CHECK_EQ(pthread_create(&thread[0], NULL, replace_descriptor, &zero), 0);
	CHECK_EQ(pthread_create(&thread[1], NULL, replace_descriptor, &null), 0);
	for (int i = 0; i < 3000; i++) {
		ssize_t n = read(shared_fd, buf, 8);

		CHECK(n == 8 || n == 0);
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

static int watched_ep;

static void *wait_events(void *arg)
{
	struct epoll_event ev[8];

	while (!stop)
		epoll_wait(watched_ep, ev, 8, 1);
	return arg;
}

TEST(descriptors_closed_while_they_are_watched)
{
	struct epoll_event ev = {.events = EPOLLIN};
	pthread_t thread[2];

	watched_ep = MUST(epoll_create1(0));
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, wait_events, NULL), 0);
	for (int i = 0; i < 500; i++) {
		int fd = MUST(eventfd(1, 0));

		MUST(epoll_ctl(watched_ep, EPOLL_CTL_ADD, fd, &ev));
		MUST(close(fd));
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(epoll_wait(watched_ep, &ev, 1, 0), 0);
}

TEST(terminals_come_and_go)
{
	for (int i = 0; i < 40; i++) {
		int m, s;
		pid_t pid;

		MUST(openpty(&m, &s, NULL, NULL, NULL));
		pid = SPAWN({
			char c;
			MUST(close(m));
			while (read(s, &c, 1) > 0)
				;
		});
		CHECK_EQ(write(m, "line\n", 5), 5);
		MUST(close(s));
		MUST(close(m));
		CHECK_EXITED(t_wait(pid), 0);
	}
}

TEST(futex_waiters_killed_and_woken_at_once)
{
	int *word = t_shared(4096);

	for (int i = 0; i < 50; i++) {
		pid_t a = SPAWN(syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0));
		pid_t b = SPAWN(while (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
					sched_yield());
		int status;

		if (i % 2 == 0) {
			CHECK_EXITED(t_wait(a), 0);
			CHECK_EXITED(t_wait(b), 0);
			continue;
		}
		MUST(kill(a, SIGKILL));
		status = t_wait(a);
		CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
		MUST(kill(b, SIGKILL));
		t_wait(b);
	}
}

TEST(messages_with_descriptors_between_many_processes)
{
	int sp[2];
	pid_t pid[4];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sp));
	for (int i = 0; i < 4; i++)
		pid[i] = SPAWN({
			union {
				struct cmsghdr h;
				char raw[CMSG_SPACE(sizeof(int))];
			} c;
			char byte = 'x';
			for (int k = 0; k < 100; k++) {
				struct iovec iov = {&byte, 1};
				struct msghdr m = {.msg_iov = &iov,
						   .msg_iovlen = 1,
						   .msg_control = &c,
						   .msg_controllen = sizeof(c)};
				int fd = 0;
				if (i % 2) {
					c.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
							       .cmsg_level = SOL_SOCKET,
							       .cmsg_type = SCM_RIGHTS};
					memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
					CHECK(sendmsg(sp[0], &m, 0) == 1);
				} else {
					CHECK(recvmsg(sp[1], &m, 0) == 1);
					memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
					MUST(close(fd));
				}
			}
		});
	for (int i = 0; i < 4; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
}

TEST(four_hundred_processes_at_once)
{
	struct t_gate go = t_gate();
	static pid_t pid[400];

	for (int i = 0; i < 400; i++)
		pid[i] = SPAWN(t_gate_pass(&go); _exit(i % 200));
	for (int i = 0; i < 400; i++)
		t_gate_open(&go);
	for (int i = 0; i < 400; i++)
		CHECK_EXITED(t_wait(pid[i]), i % 200);
}

static struct t_gate many_go;

static void *pass_gate(void *arg)
{
	t_gate_pass(&many_go);
	return arg;
}

TEST(two_hundred_threads_at_once)
{
	static pthread_t thread[200];

	many_go = t_gate();
	for (int i = 0; i < 200; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, pass_gate, NULL), 0);
	for (int i = 0; i < 200; i++)
		t_gate_open(&many_go);
	for (int i = 0; i < 200; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}
