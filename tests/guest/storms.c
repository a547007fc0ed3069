/*
 * More storms: signals, futexes, one address space, /proc, ends of processes amid all of it, descriptors, terminals, timers.
 * test: cpus=1,2,4,4m,16 quick=no
 */
#include "t.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define PAGE 4096UL

static __thread unsigned int seed = 1;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void *forever(void *arg)
{
	for (;;)
		sched_yield();
	return arg;
}

static void nothing(int sig)
{
	(void)sig;
}

/* ---- signals ---- */

#define RING 6
#define TURNS 300

static pthread_t ring[RING];
static pid_t ring_tid[RING];
static int ring_got, ring_wrong; /* atomic */
static pthread_barrier_t ring_ready;

static void in_ring(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	if (ring_tid[si->si_value.sival_int] != gettid())
		__atomic_add_fetch(&ring_wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&ring_got, 1, __ATOMIC_RELAXED);
}

static void *send_round(void *arg)
{
	int me = (int)(intptr_t)arg;

	seed = (unsigned int)me + 1;
	ring_tid[me] = gettid();
	pthread_barrier_wait(&ring_ready); /* ring[] is filled, too */
	for (int i = 0; i < TURNS; i++) {
		int to = (int)rnd(RING);

		while (pthread_sigqueue(ring[to], SIGRTMIN, (union sigval){.sival_int = to}) ==
		       EAGAIN)
			sched_yield();
		if (i % 16 == 0)
			MUST(kill(getpid(), SIGUSR1));
	}
	while (__atomic_load_n(&ring_got, __ATOMIC_RELAXED) < RING * TURNS)
		sched_yield();
	return NULL;
}

TEST(signals_between_threads_each_arrive_at_theirs)
{
	struct sigaction sa = {.sa_sigaction = in_ring, .sa_flags = SA_SIGINFO | SA_RESTART};

	MUST(sigaction(SIGRTMIN, &sa, NULL));
	t_handle_flags(SIGUSR1, nothing, SA_RESTART);
	pthread_barrier_init(&ring_ready, NULL, RING + 1);
	for (intptr_t i = 0; i < RING; i++)
		CHECK_EQ(pthread_create(&ring[i], NULL, send_round, (void *)i), 0);
	pthread_barrier_wait(&ring_ready);
	for (int i = 0; i < RING; i++)
		CHECK_EQ(pthread_join(ring[i], NULL), 0);
	CHECK_EQ(ring_wrong, 0);
}

#define MEMBERS 6

struct groups {
	pid_t leader[2];
	volatile int end;
};

static void change_groups(const struct groups *g, int me)
{
	seed = (unsigned int)me + 7;
	while (!g->end) {
		pid_t pid;

		MUST(setpgid(0, g->leader[rnd(2)]));
		pid = MUST(fork());
		if (pid == 0) {
			setpgid(0, g->leader[rnd(2)]);
			_exit(0);
		}
		CHECK_EXITED(t_wait(pid), 0);
	}
}

static void signal_groups(const struct groups *g, int me)
{
	static const int sigs[] = {SIGSTOP, SIGCONT, SIGUSR1, SIGURG, SIGCONT};

	seed = (unsigned int)me + 70;
	while (!g->end)
		MUST(kill(-g->leader[rnd(2)], sigs[rnd(5)]));
}

TEST(groups_that_change_while_they_are_signalled)
{
	struct groups *g = t_shared(sizeof(*g));
	pid_t pid[MEMBERS], sender[2];
	int left = MEMBERS, status;

	t_handle_flags(SIGUSR1, nothing, SA_RESTART);
	for (int i = 0; i < 2; i++) {
		g->leader[i] = SPAWN(for (;;) pause());
		MUST(setpgid(g->leader[i], g->leader[i]));
	}
	for (int i = 0; i < MEMBERS; i++)
		pid[i] = SPAWN(change_groups(g, i));
	for (int i = 0; i < 2; i++)
		sender[i] = SPAWN(signal_groups(g, i));
	t_sleep_ms(1000);
	g->end = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EXITED(t_wait(sender[i]), 0);
	while (left) { /* a child of theirs may have been stopped as the last thing */
		for (int i = 0; i < 2; i++)
			MUST(kill(-g->leader[i], SIGCONT));
		for (int i = 0; i < MEMBERS; i++)
			if (pid[i] && MUST(waitpid(pid[i], &status, WNOHANG)) == pid[i]) {
				CHECK_EXITED(status, 0);
				pid[i] = 0;
				left--;
			}
		usleep(1000);
	}
	for (int i = 0; i < 2; i++) {
		MUST(kill(g->leader[i], SIGKILL));
		CHECK_KILLED(t_wait(g->leader[i]), SIGKILL);
	}
}

/* ---- futexes ---- */

static struct futexes {
	volatile int word[4];
	int end;	      /* atomic */
	long woken, returned; /* atomic: what wakers were told, and waits that ended with 0 */
} * fx;

static long fx_call(int op, int a, unsigned int val, void *val2, int b, unsigned int val3)
{
	return syscall(SYS_futex, &fx->word[a], op, val, val2, &fx->word[b], val3);
}

static void waited(long ret)
{
	__atomic_add_fetch(&fx->returned, ret == 0, __ATOMIC_RELAXED);
}

static void some_operation(void)
{
	int private = rnd(2) ? FUTEX_PRIVATE_FLAG : 0, a = (int)rnd(4), b = (int)rnd(4);
	unsigned int wake = rnd(3), now = (unsigned int)fx->word[a];
	struct timespec ts = {0, 1000 * (1 + (long)rnd(2000))};
	long n = 0;

	switch (rnd(8)) {
	case 0:
	case 1:
		waited(fx_call(FUTEX_WAIT | private, a, now, &ts, 0, 0));
		return;
	case 2:
	case 3:
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += 1000000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		waited(fx_call(FUTEX_WAIT_BITSET | private, a, now, &ts, 0, 1u << rnd(2)));
		return;
	case 4:
		n = fx_call(FUTEX_WAKE | private, a, wake + 1, NULL, 0, 0);
		break;
	case 5:
		n = fx_call(FUTEX_WAKE_BITSET | private, a, wake + 1, NULL, 0, 1u << rnd(2));
		break;
	case 6: /* the first ones are woken, the rest is moved; both are counted */
		n = fx_call((rnd(2) ? FUTEX_REQUEUE : FUTEX_CMP_REQUEUE) | private, a, wake,
			    (void *)(uintptr_t)rnd(3), b, now);
		n = n > (long)wake ? (long)wake : n;
		break;
	default:
		n = fx_call(FUTEX_WAKE_OP | private, a, 1, (void *)1, b,
			    FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GE, 0));
		break;
	}
	if (n > 0)
		__atomic_add_fetch(&fx->woken, n, __ATOMIC_RELAXED);
}

static void *all_operations(void *arg)
{
	seed = (unsigned int)(uintptr_t)arg;
	while (!__atomic_load_n(&fx->end, __ATOMIC_RELAXED))
		some_operation();
	return NULL;
}

static void futex_process(unsigned int p)
{
	pthread_t thread[6];

	for (uintptr_t i = 0; i < 6; i++)
		CHECK_EQ(
			pthread_create(&thread[i], NULL, all_operations, (void *)(100 * p + i + 1)),
			0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(futex_operations_at_random_lose_no_wake_up)
{
	pid_t pid[3];

	fx = t_shared(sizeof(*fx));
	for (unsigned int p = 0; p < 3; p++)
		pid[p] = SPAWN(futex_process(p));
	t_sleep_ms(1500);
	__atomic_store_n(&fx->end, 1, __ATOMIC_RELAXED);
	for (int p = 0; p < 3; p++)
		CHECK_EXITED(t_wait(pid[p]), 0);
	CHECK(fx->woken > 0);
	CHECK_EQ(fx->woken, fx->returned);
}

struct heirs {
	pthread_mutex_t m;
	int holders; /* m */
	int deaths;  /* m */
};

static void lock_and_die(struct heirs *h, unsigned int how)
{
	for (int i = 0; i < 20; i++) {
		int err = pthread_mutex_lock(&h->m);

		CHECK(err == 0 || err == EOWNERDEAD);
		if (err == EOWNERDEAD) {
			CHECK_EQ(h->holders, 1);
			h->holders = 0;
			h->deaths++;
			CHECK_EQ(pthread_mutex_consistent(&h->m), 0);
		}
		CHECK_EQ(h->holders++, 0);
		if (i == 19)
			break;
		h->holders--;
		CHECK_EQ(pthread_mutex_unlock(&h->m), 0);
	}
	if (how % 3 == 0)
		raise(SIGKILL);
	if (how % 3 == 1)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

TEST(lock_passes_on_from_owners_that_die_in_the_crowd)
{
	struct heirs *h = t_shared(sizeof(*h));
	pthread_mutexattr_t attr;
	pid_t line[5];

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	CHECK_EQ(pthread_mutex_init(&h->m, &attr), 0);
	for (int i = 0; i < 5; i++)
		line[i] = SPAWN(for (unsigned int k = 0; k < 20; k++)
					t_wait(SPAWN(lock_and_die(h, k))));
	for (int i = 0; i < 5; i++)
		CHECK_EXITED(t_wait(line[i]), 0);
	CHECK_EQ(pthread_mutex_lock(&h->m), EOWNERDEAD);
	CHECK_EQ(h->deaths, 5 * 20 - 1);
}

/* ---- one address space ---- */

#define ARENA 64

static unsigned char *arena;
static int mm_end; /* atomic */
static __thread sigjmp_buf mm_env;

static void mm_fault(int sig)
{
	(void)sig;
	siglongjmp(mm_env, 1);
}

/* A page holds 0 or its own number. */
static void touch(size_t page)
{
	volatile unsigned char *p = arena + page * PAGE;

	if (sigsetjmp(mm_env, 1))
		return;
	CHECK(*p == 0 || *p == (unsigned char)(page + 1));
	*p = (unsigned char)(page + 1);
}

static void fork_and_unmap(void)
{
	pid_t pid = MUST((pid_t)syscall(SYS_fork)); /* without what the library does at a fork */

	if (pid == 0) {
		munmap(arena, ARENA * PAGE);
		_exit(0);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

static void *change_arena(void *arg)
{
	seed = (unsigned int)(uintptr_t)arg;
	while (!__atomic_load_n(&mm_end, __ATOMIC_RELAXED)) {
		size_t at = rnd(ARENA), n = 1 + rnd((unsigned int)(ARENA - at));
		void *p = arena + at * PAGE;

		switch (rnd(9)) {
		case 0:
		case 1:
			MUST(mmap(p, n * PAGE, PROT_READ | PROT_WRITE,
				  (rnd(2) ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0));
			break;
		case 2: /* nobody else gets the place */
			MUST(mmap(p, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0));
			break;
		case 3:
			MUST(mprotect(p, n * PAGE, rnd(2) ? PROT_READ : PROT_READ | PROT_WRITE));
			break;
		case 4:
			MUST(madvise(p, n * PAGE, MADV_DONTNEED));
			break;
		case 5:
			fork_and_unmap();
			break;
		default:
			for (size_t i = at; i < at + n; i++)
				touch(i);
			break;
		}
	}
	return NULL;
}

/* It changes while it is read: only each line has to be right. */
static void check_maps(void)
{
	unsigned long lo, hi;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		CHECK(sscanf(line, "%lx-%lx", &lo, &hi) == 2 && lo < hi);
	fclose(f);
}

TEST(one_address_space_changed_by_many_threads)
{
	pthread_t thread[5];

	t_handle(SIGSEGV, mm_fault);
	arena = MUST(mmap(NULL, ARENA * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (uintptr_t i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, change_arena, (void *)(i + 1)), 0);
	for (long long end = t_now_ms() + 1000; t_now_ms() < end;)
		check_maps();
	__atomic_store_n(&mm_end, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

#define SPREAD 256 /* each page has a page table of its own */
#define STRIDE (2UL << 20)

static void generation(volatile unsigned char *p, int depth)
{
	for (size_t i = (size_t)depth % 4; i < SPREAD; i += 4)
		p[i * STRIDE] = (unsigned char)(depth + 1);
	if (depth < 15)
		CHECK_EXITED(IN_CHILD(generation(p, depth + 1)), 0);
	for (size_t i = 0; i < SPREAD; i++) {
		int who = depth - (depth - (int)(i % 4) + 4) % 4; /* who wrote it last, of us */

		CHECK_EQ(p[i * STRIDE], who < 0 ? 0 : who + 1);
	}
}

TEST(chains_of_forks_with_many_page_tables)
{
	pid_t pid[3];

	for (int k = 0; k < 3; k++)
		pid[k] = SPAWN(
			generation(MUST(mmap(NULL, SPREAD * STRIDE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
				   0));
	for (int k = 0; k < 3; k++)
		CHECK_EXITED(t_wait(pid[k]), 0);
}

/* ---- /proc, exec, kill ---- */

HELPER(again)
{
	int n = atoi(argv[1]);
	char left[16];
	pthread_t thread;

	if (n == 0)
		return 7;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread, NULL, forever, NULL), 0);
	snprintf(left, sizeof(left), "%d", n - 1);
	T_EXEC_HELPER("again", left);
	return 98;
}

static bool gone(int err)
{
	return err == ENOENT || err == ESRCH || err == EACCES || err == EPERM || err == EIO;
}

static void read_all_of(pid_t pid)
{
	static const char *const files[] = {"stat",    "status", "maps",   "smaps", "cmdline",
					    "environ", "statm",	 "limits", "wchan", "syscall",
					    "comm",    "task",	 "fd"};
	static const char *const links[] = {"exe", "cwd", "root", "fd/0"};
	char path[64], buf[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			CHECK(gone(errno));
			continue;
		}
		do
			n = i < 11 ? read(fd, buf, sizeof(buf))
				   : syscall(SYS_getdents64, fd, buf, sizeof(buf));
		while (n > 0);
		CHECK(n == 0 || gone(errno));
		MUST(close(fd));
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
		CHECK(readlink(path, buf, sizeof(buf)) > 0 || gone(errno));
	}
}

struct target {
	volatile pid_t pid;
	volatile int end;
};

static void read_until_the_end(const struct target *s)
{
	while (!s->end)
		read_all_of(s->pid ? s->pid : getpid());
}

TEST(proc_is_read_while_processes_execute_and_end)
{
	struct target *s = t_shared(sizeof(*s));
	pid_t reader[3];

	for (int i = 0; i < 3; i++)
		reader[i] = SPAWN(read_until_the_end(s));
	for (int i = 0; i < 20; i++) {
		int status;

		s->pid = SPAWN(T_EXEC_HELPER("again", "5"));
		if (i % 2) {
			usleep((useconds_t)(i * 400));
			kill(s->pid, SIGKILL);
		}
		status = t_wait(s->pid);
		CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7) ||
		      (i % 2 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	}
	s->end = 1;
	for (int i = 0; i < 3; i++)
		CHECK_EXITED(t_wait(reader[i]), 0);
}

/* ---- the end, in the middle of everything ---- */

static int in_pipe[2], in_ep, in_word;

static void *in_a_pipe(void *arg)
{
	char c = 0;

	for (;;)
		if ((arg ? write(in_pipe[1], &c, 1) : read(in_pipe[0], &c, 1)) < 0)
			sched_yield();
	return NULL;
}

static void *in_a_futex(void *arg)
{
	for (;;)
		syscall(SYS_futex, &in_word, arg ? FUTEX_WAIT_PRIVATE : FUTEX_WAKE_PRIVATE,
			arg ? 0 : 1, NULL, NULL, 0);
	return NULL;
}

static void *in_a_fork(void *arg)
{
	for (;;) {
		pid_t pid = (pid_t)syscall(SYS_fork);

		if (pid == 0 && arg)
			execl("/bin/true", "true", NULL);
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return NULL;
}

static void *in_mmap(void *arg)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p != MAP_FAILED) {
			*p = 1;
			munmap(p, 1 << 16);
		}
	}
	return arg;
}

static void *in_epoll(void *arg)
{
	struct epoll_event ev = {.events = EPOLLIN};

	for (;;) {
		int fd = eventfd(1, EFD_CLOEXEC);

		epoll_ctl(in_ep, EPOLL_CTL_ADD, fd, &ev);
		epoll_wait(in_ep, &ev, 1, 1);
		close(fd);
	}
	return arg;
}

static void *in_sockets(void *arg)
{
	for (;;) {
		char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec iov = {&byte, 1};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		int sp[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp))
			continue;
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET,
						      SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &sp[1], sizeof(int));
		sendmsg(sp[0], &m, 0); /* in flight to itself */
		close(sp[0]);
		close(sp[1]);
	}
	return arg;
}

static void busy_with_everything(int how)
{
	static void *(*const what[])(void *) = {in_a_pipe, in_a_futex, in_a_fork,
						in_mmap,   in_epoll,   in_sockets};
	pthread_t thread;

	MUST(pipe2(in_pipe, O_CLOEXEC));
	in_ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	for (size_t i = 0; i < 6; i++)
		for (int k = 0; k < 2; k++)
			CHECK_EQ(pthread_create(&thread, NULL, what[i], k ? &thread : NULL), 0);
	usleep(500 * (useconds_t)how);
	switch (how % 4) {
	case 0:
		_exit(3);
	case 1:
		raise(SIGKILL);
		break;
	case 2:
		execl("/bin/sh", "sh", "-c", "exit 3", NULL);
		_exit(98);
	default:
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)NULL = 0;
	}
}

/* All that it and its children had open is closed then: the other end of a pipe says so. */
TEST(process_ends_in_the_middle_of_everything)
{
	for (int i = 0; i < 24; i++) {
		int out[2], status;
		char c;
		pid_t pid;

		MUST(pipe(out));
		pid = SPAWN(MUST(close(out[0])); busy_with_everything(i));
		MUST(close(out[1]));
		status = t_wait(pid);
		if (i % 2 == 0)
			CHECK_EXITED(status, 3);
		else
			CHECK_KILLED(status, i % 4 == 1 ? SIGKILL : SIGSEGV);
		CHECK_EQ(read(out[0], &c, 1), 0);
		MUST(close(out[0]));
	}
}

/* ---- descriptors ---- */

static int hot, fd_end; /* atomic */

static void *use_hot(void *arg)
{
	struct pollfd p = {.events = POLLIN};
	char c;

	while (!__atomic_load_n(&fd_end, __ATOMIC_RELAXED)) {
		int fd = __atomic_load_n(&hot, __ATOMIC_RELAXED);

		if (arg) {
			CHECK(read(fd, &c, 1) >= 0 || errno == EBADF);
			continue;
		}
		p.fd = fd;
		poll(&p, 1, 1);
		CHECK_EXITED(IN_CHILD(_exit(0)), 0); /* copies the table */
	}
	return NULL;
}

TEST(descriptors_close_under_those_that_block_in_them)
{
	pthread_t thread[4];

	MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	hot = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	for (intptr_t i = 0; i < 4; i++) /* the first one polls and forks */
		CHECK_EQ(pthread_create(&thread[i], NULL, use_hot, (void *)i), 0);
	for (int i = 0; i < 300; i++) {
		int p[2], high = 400 + i; /* the table grows under them */

		MUST(pipe2(p, O_CLOEXEC));
		MUST(dup3(p[0], high, O_CLOEXEC));
		__atomic_store_n(&hot, high, __ATOMIC_RELAXED);
		sched_yield();
		MUST(syscall(SYS_close_range, high, high, 0));
		MUST(close(p[0]));
		CHECK(write(p[1], "xxxxxxxx", 8) == 8 || errno == EPIPE);
		MUST(close(p[1])); /* who still reads meets the end of it */
	}
	__atomic_store_n(&fd_end, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* ---- terminals ---- */

static void read_terminal(int s)
{
	char c;

	errno = 0;
	while (read(s, &c, 1) > 0 || errno == EINTR)
		errno = 0;
}

static void write_terminal(int s)
{
	while (write(s, "some text\n", 10) >= 0 || errno == EINTR)
		;
}

/* A session whose jobs are at the terminal when that, or the session's leader, goes. */
static void session(int s, int how)
{
	MUST(setsid());
	MUST(ioctl(s, TIOCSCTTY, 0));
	(void)SPAWN(MUST(setpgid(0, 0)); read_terminal(s));
	(void)SPAWN(write_terminal(s));
	if (how % 4 == 1 && t_is_root())
		vhangup();
	if (how % 4 == 2)
		ioctl(s, TIOCNOTTY);
	if (how % 4 == 3)
		_exit(0);
	pause();
}

TEST(sessions_lose_their_terminals_in_the_middle_of_it)
{
	for (int i = 0; i < 40; i++) {
		int m, s, out[2], status;
		pid_t pid;
		char c;

		MUST(pipe(out));
		MUST(openpty(&m, &s, NULL, NULL, NULL));
		pid = SPAWN(MUST(close(m)); MUST(close(out[0])); session(s, i));
		MUST(close(s));
		MUST(close(out[1]));
		CHECK(write(m, "\003line\n", 6) > 0 || errno == EIO);
		usleep((useconds_t)(i * 100));
		MUST(close(m));
		kill(pid, SIGKILL);
		status = t_wait(pid);
		CHECK(WIFEXITED(status) || WIFSIGNALED(status));
		CHECK_EQ(read(out[0], &c, 1), 0); /* nobody of that session is left */
		MUST(close(out[0]));
	}
}

/* ---- timers ---- */

#define TIMERS 10000

TEST(ten_thousand_timers_all_expire_once)
{
	static unsigned char seen[TIMERS];
	static timer_t id[TIMERS];
	struct rlimit lim = {2 * TIMERS, 2 * TIMERS};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	sigset_t rt;
	siginfo_t si;

	if (setrlimit(RLIMIT_SIGPENDING, &lim))
		SKIP("needs a higher limit of queued signals");
	t_block(SIGRTMIN);
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	for (int i = 0; i < TIMERS; i++) {
		ev.sigev_value.sival_int = i;
		MUST(timer_create(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ev, &id[i]));
	}
	for (int i = 0; i < TIMERS; i++) {
		struct itimerspec its = {.it_value.tv_nsec = 1000000 * (1 + i % 500)};

		MUST(timer_settime(id[i], 0, &its, NULL));
	}
	for (int i = 0; i < TIMERS; i++) {
		CHECK_EQ(sigwaitinfo(&rt, &si), SIGRTMIN);
		CHECK_EQ(seen[si.si_value.sival_int]++, 0);
	}
	for (int i = 0; i < TIMERS; i += 2)
		MUST(timer_delete(id[i])); /* the rest goes with the process */
}

TEST(ten_thousand_timer_descriptors_in_one_epoll)
{
	struct rlimit lim = {TIMERS + 100, TIMERS + 100};
	int ep = MUST(epoll_create1(0)), left = TIMERS;
	struct epoll_event ev[64];

	if (setrlimit(RLIMIT_NOFILE, &lim))
		SKIP("needs a higher limit of descriptors");
	for (int i = 0; i < TIMERS; i++) {
		struct itimerspec its = {.it_value.tv_nsec = 1000000 * (1 + i % 500)};
		int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));

		ev[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev[0]));
		MUST(timerfd_settime(fd, 0, &its, NULL));
	}
	while (left) {
		int n = MUST(epoll_wait(ep, ev, 64, -1));

		for (int i = 0; i < n; i++, left--) {
			uint64_t times;

			CHECK(read(ev[i].data.fd, &times, 8) == 8 && times == 1);
			MUST(close(ev[i].data.fd));
		}
	}
}

/* ---- many to one to many ---- */

#define SOURCES 8
#define WORDS 200

static int fan_ep, fan_sum, fan_left = SOURCES; /* atomic, but for the first */

static void *fan_out(void *arg)
{
	struct epoll_event ev;
	unsigned char buf[64];

	while (__atomic_load_n(&fan_left, __ATOMIC_SEQ_CST) > 0) {
		ssize_t n;
		int sum = 0;

		if (epoll_wait(fan_ep, &ev, 1, 20) != 1)
			continue;
		while ((n = read(ev.data.fd, buf, sizeof(buf))) > 0)
			for (ssize_t i = 0; i < n; i++)
				sum += buf[i];
		__atomic_add_fetch(&fan_sum, sum, __ATOMIC_SEQ_CST);
		if (n == 0) {
			MUST(close(ev.data.fd));
			__atomic_sub_fetch(&fan_left, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		CHECK_EQ(errno, EAGAIN);
		ev.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
		MUST(epoll_ctl(fan_ep, EPOLL_CTL_MOD, ev.data.fd, &ev));
	}
	return arg;
}

static void fan_in(int fd)
{
	for (int k = 0; k < WORDS; k++)
		CHECK_EQ(write(fd, "\1\2\3", 3), 3);
}

TEST(pipes_and_sockets_of_many_processes_meet_in_one_epoll)
{
	pthread_t thread[4];
	pid_t pid[SOURCES];

	fan_ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	for (int i = 0; i < SOURCES; i++) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLET | EPOLLONESHOT};
		int p[2];

		if (i % 2)
			MUST(pipe2(p, O_CLOEXEC));
		else
			MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p));
		pid[i] = SPAWN(fan_in(p[1]));
		MUST(close(p[1]));
		MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
		ev.data.fd = p[0];
		MUST(epoll_ctl(fan_ep, EPOLL_CTL_ADD, p[0], &ev));
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, fan_out, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < SOURCES; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	CHECK_EQ(fan_sum, SOURCES * WORDS * 6);
}
