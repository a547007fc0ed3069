/*
 * test: quick=no cpus=4 seconds=60 serial=two options=-m,1G
 * Random arguments for every system call of kernel/syscalls.def, chosen by what the table says that
 * they are. Half of the workers are root, who must not do what root may do to the canary: signal
 * others. Workers live for a fraction of a second and are replaced.
 */
#include "t.h"

#include "tests/hostile/hostile.h"
#include <asm/ioctls.h>
#include <asm/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static const struct call {
	int nr;
	const char *name;
	const char *kinds[6];
} calls[] = {
#include "syscall_args.h"
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

#define WORKERS 6
#define LIFE_MS 250
#define STARTED_FD 3 /* where a worker says that it has */

struct worker {
	uint64_t seed;
	bool root;
	long long end;	       /* t_now_ms() */
	uint64_t scratch[128]; /* what pointers point to */
	uint64_t *pages;       /* 16 of them, the last can't be accessed */
	int fd[24];
	int nfds;
	char dir[64];
};

/* What root doesn't call: others' lives are root's to end, and the machine's. */
static bool spared(const struct worker *w, const char *name)
{
	static const char *const by_root[] = {
		"reboot",
		"kill",
		"tkill",
		"tgkill",
		"rt_sigqueueinfo",
		"rt_tgsigqueueinfo",
		"pidfd_send_signal",
		"sched_setscheduler",
		"sched_setparam",
		"sched_setattr",
	};

	for (size_t i = 0; w->root && i < sizeof(by_root) / sizeof(by_root[0]); i++)
		if (!strcmp(name, by_root[i]))
			return true;
	return false;
}

/* Nor does it make others owners of files, who get signals then. */
static bool makes_an_owner(const struct worker *w, int nr, const uint64_t a[6])
{
	int cmd = (int)a[1];

	if (!w->root)
		return false;
	return nr == SYS_fcntl ? cmd == F_SETOWN || cmd == F_SETSIG || cmd == F_SETOWN_EX
			       : nr == SYS_ioctl && (cmd == FIOSETOWN || cmd == SIOCSPGRP);
}

static uint64_t any_number(struct worker *w)
{
	static const uint64_t numbers[] = {
		0,	    1,		2,	    3,		4,	    7,		8,
		16,	    24,		64,	    100,	127,	    128,	255,
		256,	    511,	512,	    1000,	1023,	    1024,	4095,
		4096,	    4097,	8192,	    65535,	65536,	    1 << 20,	1 << 30,
		INT32_MAX,  1ULL << 31, UINT32_MAX, 1ULL << 32, 1ULL << 46, 1ULL << 47, INT64_MAX,
		1ULL << 63, -1ULL,	-2ULL,	    -4096ULL,
	};
	uint64_t r = hostile_random(&w->seed);

	switch (r % 4) {
	case 0:
		return hostile_random(&w->seed) >> (r >> 8) % 64;
	case 1:
		return 1ULL << (r >> 8) % 64;
	default:
		return numbers[(r >> 8) % (sizeof(numbers) / sizeof(numbers[0]))];
	}
}

static uint64_t any_address(struct worker *w)
{
	static const uint64_t places[] = {
		0,
		8,
		4096,
		0x400000,
		0x7fffbfe00000,
		0x7fffbffff000,
		0x7fffbfffffff,
		0x7fffc0000000,
		0x7fffc0010000,
		0x7fffc1000000,
		0x7fffc1008000,
		0x7fffe0000000,
		0x7ffffffff000,
		0x800000000000,
		0xffffffffff600000,
		0xffff800000000000,
		-1ULL,
	};
	uint64_t r = hostile_random(&w->seed);

	switch (r % 16) {
	case 0:
		return places[(r >> 8) % (sizeof(places) / sizeof(places[0]))];
	case 1:
		return any_number(w);
	case 2: /* the end of what can be accessed */
		return (uint64_t)w->pages + 15 * 4096 - (r >> 8) % 64;
	case 3:
		return (uint64_t)w->pages + (r >> 8) % 16 * 4096;
	case 4:
		return 0;
	default:
		return (uint64_t)&w->scratch[(r >> 8) % 64];
	}
}

static uint64_t any_path(struct worker *w)
{
	static char text[4200];
	uint64_t r = hostile_random(&w->seed);
	const char *paths[] = {
		"a",
		"b",
		"b/c",
		"d/../a",
		".",
		"..",
		"",
		"/proc/self/status",
		"/proc/self/fd/3",
		"/proc/self/maps",
		"/proc/self/exe",
		"/dev/null",
		"/dev/zero",
		"/dev/tty",
		"/dev/ptmx",
		"/proc/self/root",
		"/sys/kernel",
		"tmpfs",
		"proc",
		getenv("UNTOUCHED"),
	};

	if (r % 32 == 0) {
		memset(text, r & 32 ? '/' : 'x', sizeof(text) - 1);
		return (uint64_t)text;
	}
	r = (r >> 8) % (sizeof(paths) / sizeof(paths[0]));
	/*
	 * What root mounts there everybody sees, and it mustn't leave its directory for that of
	 * others.
	 */
	if (w->root && (strstr(paths[r], "self/") || !strcmp(paths[r], "..")))
		r = 0;
	return (uint64_t)paths[r];
}

static uint64_t any_fd(struct worker *w)
{
	uint64_t r = hostile_random(&w->seed);

	if (r % 16 == 0)
		return r & 256 ? (uint64_t)AT_FDCWD : any_number(w);
	return w->fd[(r >> 8) % w->nfds];
}

/* For root nobody but itself. */
static uint64_t any_pid(struct worker *w)
{
	uint64_t r = hostile_random(&w->seed);

	if (w->root)
		return getpid();
	return r % 4 == 0   ? any_number(w)
	       : r % 4 == 1 ? (uint64_t)getppid()
	       : r % 4 == 2 ? 0
			    : (uint64_t)getpid();
}

static uint64_t any_arg(struct worker *w, const char *kind)
{
	if (!kind)
		return any_number(w);
	if (!strcmp(kind, "fd") || !strcmp(kind, "dfd"))
		return any_fd(w);
	if (!strcmp(kind, "path") || !strcmp(kind, "str"))
		return hostile_random(&w->seed) % 8 ? any_path(w) : any_address(w);
	if (!strcmp(kind, "strv") || !strcmp(kind, "in") || !strcmp(kind, "out") ||
	    !strcmp(kind, "inout") || !strcmp(kind, "iov") || !strcmp(kind, "ptr") ||
	    !strcmp(kind, "addr"))
		return any_address(w);
	if (!strcmp(kind, "pid"))
		return any_pid(w);
	if (!strcmp(kind, "sig"))
		return hostile_random(&w->seed) % 70;
	if (!strcmp(kind, "clockid"))
		return hostile_random(&w->seed) % 14;
	if (strstr(kind, "flags") && hostile_random(&w->seed) % 2)
		return hostile_random(&w->seed) % 16;
	return any_number(w);
}

/* Structures are made of the same things as arguments. */
static void fill_scratch(struct worker *w)
{
	size_t at = hostile_random(&w->seed) % 64;

	for (size_t i = at; i < at + 12; i++) {
		uint64_t r = hostile_random(&w->seed);

		w->scratch[i] = r % 4 == 0   ? any_address(w)
				: r % 4 == 1 ? any_fd(w)
				: r % 4 == 2 ? any_number(w)
					     : any_path(w);
	}
}

static long raw_call(long nr, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4],
			      r9 __asm__("r9") = a[5];
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static bool makes_a_process(int nr)
{
	return nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == 435 /* clone3 */;
}

static void one_call(struct worker *w)
{
	const struct call *c = &calls[hostile_random(&w->seed) % NCALLS];
	uint64_t a[6];
	long nr = c->nr, ret;

	/* Those that end it are tried as seldom as that. */
	if (spared(w, c->name) || ((nr == SYS_exit || nr == SYS_exit_group ||
				    nr == SYS_rt_sigreturn || nr == SYS_pause) &&
				   hostile_random(&w->seed) % 16))
		return;
	fill_scratch(w);
	for (int i = 0; i < 6; i++)
		a[i] = any_arg(w, c->kinds[i]);
	if (makes_an_owner(w, nr, a))
		return;
	if (hostile_random(&w->seed) % 64 == 0)
		nr |= hostile_random(&w->seed) << 32 | (hostile_random(&w->seed) & 1) << 30;
	ret = raw_call(nr, a);
	if (ret == 0 && makes_a_process(nr))
		raw_call(SYS_exit, (uint64_t[6]){0});
}

static void open_files(struct worker *w)
{
	int p[2], fd[24], n = 0;

	fd[n++] = open("a", O_RDWR | O_CREAT, 0600);
	fd[n++] = open("b", O_RDONLY | O_DIRECTORY);
	fd[n++] = open("/dev/zero", O_RDWR);
	fd[n++] = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	fd[n++] = open("/proc/self/status", O_RDONLY);
	fd[n++] = open("/proc/self/mem", O_RDWR);
	fd[n++] = open(getenv("UNTOUCHED"), O_RDWR);
	if (pipe(p) == 0)
		fd[n++] = p[0], fd[n++] = p[1];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0)
		fd[n++] = p[0], fd[n++] = p[1];
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0)
		fd[n++] = p[0], fd[n++] = p[1];
	fd[n++] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	fd[n++] = eventfd(0, 0);
	fd[n++] = epoll_create1(0);
	fd[n++] = timerfd_create(CLOCK_MONOTONIC, 0);
	fd[n++] = memfd_create("m", MFD_ALLOW_SEALING);
	fd[n++] = syscall(SYS_pidfd_open, getpid(), 0);
	for (int i = 0; i < n; i++)
		if (fd[i] >= 0)
			w->fd[w->nfds++] = fd[i];
}

static void on_tick(int sig)
{
	(void)sig; /* interrupts what sleeps */
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;

	while (t_now_ms() < w->end)
		one_call(w);
	return NULL;
}

/* fuzz SEED root|user */
HELPER(worker)
{
	static struct worker w[2];
	struct itimerval tick = {{0, 20000}, {0, 20000}};
	pthread_t t;

	w[0].seed = strtoull(argv[1], NULL, 10);
	w[0].root = argv[2][0] == 'r';
	w[0].end = t_now_ms() + LIFE_MS;
	snprintf(w[0].dir, sizeof(w[0].dir), "/tmp/fuzz/%d/x/y/z", getpid());
	for (char *p = w[0].dir + 5; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		mkdir(w[0].dir, 0777);
	}
	mkdir(w[0].dir, 0777);
	if (chdir(w[0].dir))
		return 1; /* another one has taken the way away */
	mkdir("b", 0777);
	mkdir("d", 0777);
	if (!w[0].root && setuid(NOBODY))
		return 1;
	w[0].pages = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	if (w[0].pages == MAP_FAILED)
		return 1; /* others have taken all */
	mprotect((char *)w[0].pages + 15 * 4096, 4096, PROT_NONE);
	if (write(STARTED_FD, "!", 1) != 1)
		return 1;
	close(STARTED_FD);
	open_files(&w[0]);
	t_handle_flags(SIGALRM, on_tick, 0);
	setitimer(ITIMER_REAL, &tick, NULL);
	w[1] = w[0];
	w[1].seed ^= 1;
	if (w[0].seed % 4 == 0 && pthread_create(&t, NULL, worker_thread, &w[1]))
		return 0;
	worker_thread(&w[0]);
	return 0;
}

/*
 * A group of its own, so that what a worker forked is found. The null device was opened before the
 * first worker: root removes it, and a worker that had our standard output would write its noise
 * there.
 */
static pid_t start_worker(uint64_t seed, bool root, int null, int *started)
{
	char text[24];
	pid_t pid;
	int fd[2];

	*started = -1;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return -1;
	pid = fork();
	if (pid == 0) {
		setsid();
		for (int i = 0; i < 3; i++)
			if (dup2(null, i) != i)
				_exit(1);
		if (dup2(fd[1], STARTED_FD) != STARTED_FD)
			_exit(1);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
		T_EXEC_HELPER("worker", text, root ? (char *)"root" : (char *)"user");
	}
	close(fd[1]);
	*started = fd[0];
	return pid;
}

/* Whoever is left of the unprivileged ones, wherever it hides. */
static void kill_users(void)
{
	int status = IN_CHILD({
		MUST(setuid(NOBODY));
		if (kill(-1, SIGKILL) && errno != ESRCH)
			_exit(1);
	});

	CHECK_EXITED(status, 0);
}

TEST(random_arguments)
{
	uint64_t seed = hostile_seed(), started = 0, failed = 0;
	long long end = t_now_ms() + 1000LL * hostile_seconds();
	int null = MUST(open("/dev/null", O_RDWR | O_CLOEXEC));
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	mkdir("/tmp/fuzz", 0777);
	while (t_now_ms() < end) {
		struct {
			pid_t pid;
			int started;
		} w[WORKERS];
		long long until = t_now_ms() + 4 * LIFE_MS;
		int left = 0, status;
		char c;

		for (int i = 0; i < WORKERS; i++) {
			w[i].pid = start_worker(hostile_random(&seed), i % 2, null, &w[i].started);
			left += w[i].pid > 0;
			failed += w[i].pid < 0;
		}
		started += left;
		while (left > 0 && t_now_ms() < until) {
			struct timespec ts = {0, 50000000};

			sigtimedwait(&chld, NULL, &ts);
			for (int i = 0; i < WORKERS; i++)
				if (w[i].pid > 0 &&
				    waitpid(w[i].pid, &status, WNOHANG) == w[i].pid) {
					failed += WIFEXITED(status) &&
						  read(w[i].started, &c, 1) != 1;
					w[i].pid = 0;
					left--;
				}
		}
		for (int i = 0; i < WORKERS; i++) {
			close(w[i].started);
			if (w[i].pid > 0) {
				kill(-w[i].pid, SIGKILL);
				kill(w[i].pid, SIGKILL);
				CHECK_EQ(waitpid(w[i].pid, &status, 0), w[i].pid);
			}
		}
	}
	kill_users();
	CHECK(started > (uint64_t)hostile_seconds());
	CHECK(failed < started / 4);
}
