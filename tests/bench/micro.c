/*
 * micro.c - one-file operating-system microbenchmark.
 *
 * Every case is calibrated so that one repetition takes about REP_MS, is then
 * repeated REPS times, and prints one line:
 *
 *     name <TAB> median <TAB> best <TAB> unit <TAB> repetitions
 * or  name <TAB> SKIP|FAIL <TAB> reason
 *
 * unit is "ns" (lower is better), "GB/s" or "x" (higher is better).
 * Latencies over two tasks (pipe, socket, futex) are whole round trips.
 *
 * Each case runs in a forked child with a time limit, so that one crashing or
 * hanging case does not lose the rest (-n runs them in this process).
 *
 * Build:  gcc -O2 -pthread micro.c -o micro          (dynamic)
 *         gcc -O2 -static -pthread micro.c -o micro  (static)
 * Use:    micro [-d DIR] [-r REPS] [-m REP_MS] [-t LIMIT_S] [-n] [-l] [CASE...]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MAXREPS 101
#define FILE_BYTES (64u << 20)
#define CHUNK (64u << 10)
#define DIR_ENTRIES 1000

static const char *dir = "/tmp/micro";
static int reps = 11;
static double rep_ns = 15e6;
static int limit_s = 60;
static const char *cur;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

__attribute__((noreturn, format(printf, 2, 3))) static void quit(const char *what, const char *fmt,
								 ...)
{
	va_list ap;

	printf("%s\t%s\t", cur, what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(0);
}

#define FAILNOW(what) quit("FAIL", "%s: %s", what, strerror(errno))
#define CHECK(c)                                                                                   \
	do {                                                                                       \
		if (!(c))                                                                          \
			FAILNOW(#c);                                                               \
	} while (0)

static int cmpd(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(double *v, int n, const char *unit)
{
	int higher = unit[0] != 'n';
	double med;

	qsort(v, n, sizeof *v, cmpd);
	med = n & 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
	printf("%s\t%.4g\t%.4g\t%s\t%d\n", cur, med, higher ? v[n - 1] : v[0], unit, n);
	fflush(stdout);
}

/* body(arg, n) does n operations and returns the nanoseconds they took. */
typedef double (*body_fn)(void *arg, long n);

static void bench(body_fn body, void *arg)
{
	double v[MAXREPS], t;
	long n = 1;
	int i;

	for (;;) { /* calibrate; also warms up */
		t = body(arg, n);
		if (t >= rep_ns / 4 || n >= 1L << 30)
			break;
		n = t < rep_ns / 64 ? n * 8 : n * 2;
	}
	n = (long)(n * rep_ns / t);
	if (n < 1)
		n = 1;
	for (i = 0; i < reps; i++)
		v[i] = body(arg, n) / n;
	report(v, reps, "ns");
}

#define LOOP(name, stmt)                                                                           \
	static double name(void *arg, long n)                                                      \
	{                                                                                          \
		double t0 = now_ns();                                                              \
		(void)arg;                                                                         \
		for (long i = 0; i < n; i++) {                                                     \
			stmt;                                                                      \
		}                                                                                  \
		return now_ns() - t0;                                                              \
	}

/* ---- plain system calls ---------------------------------------------- */

static int gfd;
static char path_a[512], path_tiny[512], path_big[512], path_dir[512];
static char buf[CHUNK];

LOOP(b_getppid, getppid())
LOOP(b_getpid, getpid())
LOOP(b_rawppid, syscall(SYS_getppid))
static struct timespec gts;
LOOP(b_clock, clock_gettime(CLOCK_MONOTONIC, &gts))
LOOP(b_read1, if (read(gfd, buf, 1) != 1) FAILNOW("read"))
LOOP(b_write1, if (write(gfd, buf, 1) != 1) FAILNOW("write"))
static struct stat gst;
LOOP(b_stat, if (stat(path_a, &gst)) FAILNOW("stat"))
LOOP(b_fstat, if (fstat(gfd, &gst)) FAILNOW("fstat"))
LOOP(b_open, int fd = open(path_a, O_RDONLY); if (fd < 0) FAILNOW("open"); close(fd))
LOOP(b_yield, sched_yield())

static void c_syscall(void)
{
	bench(b_getppid, 0);
}
static void c_getpid(void)
{
	bench(b_getpid, 0);
}
static void c_syscall_raw(void)
{
	bench(b_rawppid, 0);
}
static void c_clock(void)
{
	bench(b_clock, 0);
}
static void c_yield(void)
{
	bench(b_yield, 0);
}

static void c_read(void)
{
	CHECK((gfd = open("/dev/zero", O_RDONLY)) >= 0);
	bench(b_read1, 0);
}

static void c_write(void)
{
	CHECK((gfd = open("/dev/null", O_WRONLY)) >= 0);
	bench(b_write1, 0);
}

static void c_stat(void)
{
	bench(b_stat, 0);
}

static void c_fstat(void)
{
	CHECK((gfd = open(path_a, O_RDONLY)) >= 0);
	bench(b_fstat, 0);
}

static void c_open_close(void)
{
	bench(b_open, 0);
}

/* ---- select ---------------------------------------------------------- */

struct sel {
	fd_set set;
	int max;
};

static double b_select(void *arg, long n)
{
	struct sel *s = arg;
	double t0 = now_ns();

	for (long i = 0; i < n; i++) {
		fd_set f = s->set;
		struct timeval tv = {0, 0};

		if (select(s->max + 1, &f, 0, 0, &tv) < 0)
			FAILNOW("select");
	}
	return now_ns() - t0;
}

static void do_select(int nfds)
{
	struct sel s;
	int p[2], i, fd;

	CHECK(pipe(p) == 0);
	FD_ZERO(&s.set);
	s.max = 0;
	for (i = 0; i < nfds; i++) {
		fd = dup(p[0]);
		if (fd < 0)
			FAILNOW("dup");
		if (fd >= FD_SETSIZE)
			quit("SKIP", "fd %d is beyond FD_SETSIZE", fd);
		FD_SET(fd, &s.set);
		if (fd > s.max)
			s.max = fd;
	}
	bench(b_select, &s);
}

static void c_select10(void)
{
	do_select(10);
}
static void c_select100(void)
{
	do_select(100);
}
static void c_select1000(void)
{
	do_select(1000);
}

/* ---- token passing between two processes ----------------------------- */

static double b_token(void *arg, long n)
{
	int *fd = arg;
	char c = 'x';
	double t0 = now_ns();

	for (long i = 0; i < n; i++) {
		if (write(fd[1], &c, 1) != 1)
			FAILNOW("token write");
		if (read(fd[0], &c, 1) != 1)
			FAILNOW("token read");
	}
	return now_ns() - t0;
}

static void echo_loop(int rd, int wr)
{
	char c;

	while (read(rd, &c, 1) == 1)
		if (write(wr, &c, 1) != 1)
			break;
	_exit(0);
}

static pid_t child(void)
{
	pid_t p = fork();

	if (p < 0)
		FAILNOW("fork");
	if (p == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return p;
}

static void c_pipe(void)
{
	int a[2], b[2], fd[2];

	CHECK(pipe(a) == 0 && pipe(b) == 0);
	if (child() == 0) {
		close(a[1]);
		close(b[0]);
		echo_loop(a[0], b[1]);
	}
	close(a[0]);
	close(b[1]);
	fd[0] = b[0];
	fd[1] = a[1];
	bench(b_token, fd);
}

static void c_unix(void)
{
	int s[2], fd[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	if (child() == 0) {
		close(s[0]);
		echo_loop(s[1], s[1]);
	}
	close(s[1]);
	fd[0] = fd[1] = s[0];
	bench(b_token, fd);
}

static void lo_up(void)
{
	struct ifreq r;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0)
		return;
	memset(&r, 0, sizeof r);
	strcpy(r.ifr_name, "lo");
	if (ioctl(s, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP)) {
		r.ifr_flags |= IFF_UP | IFF_RUNNING;
		ioctl(s, SIOCSIFFLAGS, &r);
	}
	close(s);
}

static void c_tcp(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof a;
	int l, s, one = 1, fd[2];

	lo_up();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = socket(AF_INET, SOCK_STREAM, 0);
	if (l < 0)
		quit("SKIP", "socket(AF_INET): %s", strerror(errno));
	if (bind(l, (void *)&a, sizeof a) || listen(l, 1) || getsockname(l, (void *)&a, &len))
		quit("SKIP", "bind/listen on 127.0.0.1: %s", strerror(errno));
	if (child() == 0) {
		s = accept(l, 0, 0);
		if (s < 0)
			_exit(1);
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		echo_loop(s, s);
	}
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0 || connect(s, (void *)&a, sizeof a))
		quit("SKIP", "connect to 127.0.0.1: %s", strerror(errno));
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fd[0] = fd[1] = s;
	bench(b_token, fd);
}

/* ---- signals and faults ----------------------------------------------- */

static volatile sig_atomic_t got;
static void on_usr1(int s)
{
	(void)s;
	got++;
}

static struct sigaction gsa;
LOOP(b_siginst, if (sigaction(SIGUSR1, &gsa, 0)) FAILNOW("sigaction"))
LOOP(b_sigdel, int g = got; kill(getpid(), SIGUSR1); while (got == g);)

static void c_signal_install(void)
{
	gsa.sa_handler = on_usr1;
	bench(b_siginst, 0);
}

static void c_signal_deliver(void)
{
	gsa.sa_handler = on_usr1;
	CHECK(sigaction(SIGUSR1, &gsa, 0) == 0);
	bench(b_sigdel, 0);
}

/* The handler moves the program counter past the faulting store. */
static void *volatile fault_next;
static void on_segv(int s, siginfo_t *si, void *uc)
{
	(void)s;
	(void)si;
#if defined(__x86_64__)
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] = (greg_t)fault_next;
#elif defined(__aarch64__)
	((ucontext_t *)uc)->uc_mcontext.pc = (uintptr_t)fault_next;
#endif
	got++;
}

static double b_prot(void *arg, long n)
{
	double t0 = now_ns();

	for (long i = 0; i < n; i++) {
#if defined(__x86_64__)
		__asm__ volatile("lea 1f(%%rip), %%rdx\n\tmov %%rdx, %0\n\t"
				 "movb $1, (%1)\n1:"
				 : "=m"(fault_next)
				 : "r"(arg)
				 : "rdx", "memory");
#elif defined(__aarch64__)
		__asm__ volatile("adr x2, 1f\n\tstr x2, %0\n\tstrb wzr, [%1]\n1:"
				 : "=m"(fault_next)
				 : "r"(arg)
				 : "x2", "memory");
#endif
	}
	return now_ns() - t0;
}

static void c_prot_fault(void)
{
	struct sigaction sa;
	void *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_segv;
	sa.sa_flags = SA_SIGINFO;
	CHECK(sigaction(SIGSEGV, &sa, 0) == 0);
	b_prot(p, 3);
	if (got != 3)
		quit("FAIL", "handler ran %d times for 3 faults", (int)got);
	bench(b_prot, p);
}

/* ---- processes ---------------------------------------------------------- */

static void reap(pid_t p)
{
	int st;

	while (waitpid(p, &st, 0) < 0)
		if (errno != EINTR)
			FAILNOW("waitpid");
	if (!WIFEXITED(st) || WEXITSTATUS(st))
		quit("FAIL", "child status 0x%x", st);
}

static double spawn(void *arg, long n)
{
	char *const *argv = arg;
	char *env[] = {"PATH=/usr/bin:/bin", 0};
	double t0 = now_ns();

	for (long i = 0; i < n; i++) {
		pid_t p = fork();

		if (p < 0)
			FAILNOW("fork");
		if (p == 0) {
			if (!argv)
				_exit(0);
			execve(argv[0], argv, env);
			_exit(127);
		}
		reap(p);
	}
	return now_ns() - t0;
}

static void c_fork_exit(void)
{
	bench(spawn, 0);
}

static void c_fork_execve(void)
{
	char *argv[] = {path_tiny, 0};

	bench(spawn, argv);
}

static void c_fork_exec_dyn(void)
{
	char *argv[] = {"/bin/true", 0};

	if (access(argv[0], X_OK))
		quit("SKIP", "no /bin/true");
	bench(spawn, argv);
}

static void c_fork_sh(void)
{
	char *argv[] = {"/bin/sh", "-c", path_tiny, 0};

	if (access(argv[0], X_OK))
		quit("SKIP", "no /bin/sh");
	bench(spawn, argv);
}

/* ---- threads ------------------------------------------------------------ */

static void *t_nothing(void *a)
{
	return a;
}

LOOP(b_thread, pthread_t t;
     if ((errno = pthread_create(&t, 0, t_nothing, 0))) FAILNOW("pthread_create");
     pthread_join(t, 0))

static void c_thread(void)
{
	bench(b_thread, 0);
}

static struct {
	int a;
	char pad[60];
	int b;
	char pad2[60];
} fx;
static int fx_stop;

static void fwait(int *p, int v)
{
	syscall(SYS_futex, p, FUTEX_WAIT_PRIVATE, v, 0, 0, 0);
}
static void fwake(int *p)
{
	syscall(SYS_futex, p, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
static void take(int *p)
{
	while (!__atomic_load_n(p, __ATOMIC_ACQUIRE))
		fwait(p, 0);
	__atomic_store_n(p, 0, __ATOMIC_RELEASE);
}
static void give(int *p)
{
	__atomic_store_n(p, 1, __ATOMIC_RELEASE);
	fwake(p);
}

static void *t_pong(void *a)
{
	(void)a;
	for (;;) {
		take(&fx.a);
		if (fx_stop)
			return 0;
		give(&fx.b);
	}
}

LOOP(b_futex, give(&fx.a); take(&fx.b))

static void c_futex(void)
{
	pthread_t t;

	CHECK((errno = pthread_create(&t, 0, t_pong, 0)) == 0);
	bench(b_futex, 0);
	fx_stop = 1;
	give(&fx.a);
	pthread_join(t, 0);
}

static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER;
static volatile long counter;
static long mtx_n;
static pthread_barrier_t bar;

static void *t_mutex(void *a)
{
	long n = mtx_n;

	pthread_barrier_wait(&bar);
	for (long i = 0; i < n; i++) {
		pthread_mutex_lock(&mtx);
		counter++;
		pthread_mutex_unlock(&mtx);
	}
	return a;
}

/* Nanoseconds per locked increment, over both threads together. */
static double b_mutex(void *arg, long n)
{
	pthread_t t;
	double t0;

	(void)arg;
	mtx_n = (n + 1) / 2;
	counter = 0;
	pthread_barrier_init(&bar, 0, 2);
	CHECK((errno = pthread_create(&t, 0, t_mutex, 0)) == 0);
	t0 = now_ns();
	t_mutex(0);
	pthread_join(t, 0);
	t0 = now_ns() - t0;
	if (counter != 2 * mtx_n)
		quit("FAIL", "lost updates: %ld of %ld", counter, 2 * mtx_n);
	return t0;
}

static void c_mutex(void)
{
	bench(b_mutex, 0);
}

/* ---- memory -------------------------------------------------------------- */

#define ANON(sz) mmap(0, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)

LOOP(b_mmap, void *p = ANON(65536); if (p == MAP_FAILED) FAILNOW("mmap"); munmap(p, 65536))
static void c_mmap(void)
{
	bench(b_mmap, 0);
}

/* First touches of private anonymous 4 KiB pages, 4 MiB at a time. */
static double b_anon(void *arg, long n)
{
	double t = 0;

	(void)arg;
	while (n > 0) {
		long k = n < 1024 ? n : 1024;
		char *p = ANON(k * 4096);
		double t0;

		if (p == MAP_FAILED)
			FAILNOW("mmap");
		madvise(p, k * 4096, MADV_NOHUGEPAGE);
		t0 = now_ns();
		for (long i = 0; i < k; i++)
			p[i * 4096] = 1;
		t += now_ns() - t0;
		munmap(p, k * 4096);
		n -= k;
	}
	return t;
}

static void c_anon(void)
{
	bench(b_anon, 0);
}

static char *mp;
LOOP(b_mprot,
     if (mprotect(mp, 65536, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE)) FAILNOW("mprotect"))
static void c_mprotect(void)
{
	CHECK((mp = ANON(65536)) != MAP_FAILED);
	memset(mp, 1, 65536);
	bench(b_mprot, 0);
}

/* ---- files ----------------------------------------------------------------- */

static void bandwidth(double (*pass)(void))
{
	double v[MAXREPS];
	int i, n = reps > 7 ? 7 : reps;

	pass();
	for (i = 0; i < n; i++)
		v[i] = FILE_BYTES / pass();
	report(v, n, "GB/s");
}

static void make_big(void)
{
	struct stat st;
	int fd;

	if (!stat(path_big, &st) && st.st_size == FILE_BYTES)
		return;
	CHECK((fd = open(path_big, O_CREAT | O_TRUNC | O_RDWR, 0644)) >= 0);
	memset(buf, 'a', sizeof buf);
	for (unsigned o = 0; o < FILE_BYTES; o += CHUNK)
		CHECK(write(fd, buf, CHUNK) == CHUNK);
	close(fd);
}

static double p_read(void)
{
	double t0;

	lseek(gfd, 0, SEEK_SET);
	t0 = now_ns();
	for (unsigned o = 0; o < FILE_BYTES; o += CHUNK)
		if (read(gfd, buf, CHUNK) != CHUNK)
			FAILNOW("read 64 KiB");
	return now_ns() - t0;
}

static double p_write(void)
{
	double t0;

	lseek(gfd, 0, SEEK_SET);
	t0 = now_ns();
	for (unsigned o = 0; o < FILE_BYTES; o += CHUNK)
		if (write(gfd, buf, CHUNK) != CHUNK)
			FAILNOW("write 64 KiB");
	return now_ns() - t0;
}

static volatile uint64_t sink;

static double p_mmap(void)
{
	uint64_t sum = 0, *p;
	double t0 = now_ns();

	p = mmap(0, FILE_BYTES, PROT_READ, MAP_SHARED, gfd, 0);
	if (p == MAP_FAILED)
		FAILNOW("mmap of file");
	for (unsigned i = 0; i < FILE_BYTES / 8; i++)
		sum += p[i];
	sink = sum;
	munmap(p, FILE_BYTES);
	return now_ns() - t0;
}

static void c_read_bw(void)
{
	make_big();
	CHECK((gfd = open(path_big, O_RDONLY)) >= 0);
	bandwidth(p_read);
}

static void c_write_bw(void)
{
	make_big();
	CHECK((gfd = open(path_big, O_RDWR)) >= 0);
	bandwidth(p_write);
}

static void c_mmap_bw(void)
{
	make_big();
	CHECK((gfd = open(path_big, O_RDONLY)) >= 0);
	bandwidth(p_mmap);
}

/* Create, write 1 KiB, close, unlink. */
static double b_small(void *arg, long n)
{
	char p[600];
	double t0 = now_ns();

	(void)arg;
	snprintf(p, sizeof p, "%s/small", dir);
	for (long i = 0; i < n; i++) {
		int fd = open(p, O_CREAT | O_EXCL | O_WRONLY, 0644);

		if (fd < 0)
			FAILNOW("create");
		if (write(fd, buf, 1024) != 1024)
			FAILNOW("write");
		close(fd);
		if (unlink(p))
			FAILNOW("unlink");
	}
	return now_ns() - t0;
}

static void c_small(void)
{
	char p[600];

	snprintf(p, sizeof p, "%s/small", dir);
	unlink(p);
	bench(b_small, 0);
}

static void make_dir(void)
{
	char p[700];
	int fd, i;

	mkdir(path_dir, 0755);
	for (i = 0; i < DIR_ENTRIES; i++) {
		snprintf(p, sizeof p, "%s/entry-%04d", path_dir, i);
		if (access(p, F_OK) == 0)
			continue;
		CHECK((fd = open(p, O_CREAT | O_WRONLY, 0644)) >= 0);
		close(fd);
	}
}

static double b_readdir(void *arg, long n)
{
	double t0 = now_ns();

	(void)arg;
	for (long i = 0; i < n; i++) {
		DIR *d = opendir(path_dir);
		int k = 0;

		if (!d)
			FAILNOW("opendir");
		while (readdir(d))
			k++;
		closedir(d);
		if (k != DIR_ENTRIES + 2)
			quit("FAIL", "readdir saw %d entries, not %d", k, DIR_ENTRIES + 2);
	}
	return now_ns() - t0;
}

static void c_readdir(void)
{
	make_dir();
	bench(b_readdir, 0);
}

static double b_getdents(void *arg, long n)
{
	double t0 = now_ns();

	(void)arg;
	for (long i = 0; i < n; i++) {
		long r;

		if (lseek(gfd, 0, SEEK_SET) != 0)
			FAILNOW("lseek");
		while ((r = syscall(SYS_getdents64, gfd, buf, 32768)) > 0)
			;
		if (r < 0)
			FAILNOW("getdents64");
	}
	return now_ns() - t0;
}

static void c_getdents(void)
{
	make_dir();
	CHECK((gfd = open(path_dir, O_RDONLY | O_DIRECTORY)) >= 0);
	bench(b_getdents, 0);
}

/* ---- computing ---------------------------------------------------------------- */

#define ALU_STEPS 20000000L

__attribute__((noinline)) static uint64_t alu(long n)
{
	uint64_t x = 88172645463325252ull;

	for (long i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		__asm__ volatile("" : "+r"(x)); /* keep every step */
	}
	return x;
}

/* Nanoseconds per 1000 steps of an xorshift loop: no system call in it. */
LOOP(b_alu, sink = alu(1000))
static void c_compute(void)
{
	bench(b_alu, 0);
}

static void *t_alu(void *a)
{
	sink = alu(ALU_STEPS);
	return a;
}

static double alu_one(void)
{
	double t0 = now_ns();

	sink = alu(ALU_STEPS);
	return now_ns() - t0;
}

/* Work done by two at once over work done by one in the same time (2 = ideal). */
static void scaling(double (*two)(void))
{
	double v[MAXREPS];
	int i, n = reps > 7 ? 7 : reps;

	alu_one();
	for (i = 0; i < n; i++) {
		double one = alu_one();

		v[i] = 2 * one / two();
	}
	report(v, n, "x");
}

static double two_threads(void)
{
	pthread_t t;
	double t0 = now_ns();

	CHECK((errno = pthread_create(&t, 0, t_alu, 0)) == 0);
	t_alu(0);
	pthread_join(t, 0);
	return now_ns() - t0;
}

static double two_procs(void)
{
	double t0 = now_ns();
	pid_t p = child();

	if (p == 0) {
		t_alu(0);
		_exit(0);
	}
	t_alu(0);
	reap(p);
	return now_ns() - t0;
}

static void c_compute2t(void)
{
	scaling(two_threads);
}
static void c_compute2p(void)
{
	scaling(two_procs);
}

/* ---- driver ------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*fn)(void);
} cases[] = {
	{"syscall", c_syscall},
	{"syscall_raw", c_syscall_raw},
	{"getpid", c_getpid},
	{"clock_gettime", c_clock},
	{"sched_yield", c_yield},
	{"read", c_read},
	{"write", c_write},
	{"stat", c_stat},
	{"fstat", c_fstat},
	{"open_close", c_open_close},
	{"select-10", c_select10},
	{"select-100", c_select100},
	{"select-1000", c_select1000},
	{"pipe_latency", c_pipe},
	{"unix_sock_latency", c_unix},
	{"tcp_loopback_latency", c_tcp},
	{"signal_install", c_signal_install},
	{"signal_deliver", c_signal_deliver},
	{"prot_fault", c_prot_fault},
	{"fork_exit", c_fork_exit},
	{"fork_execve", c_fork_execve},
	{"fork_execve_dyn", c_fork_exec_dyn},
	{"fork_sh", c_fork_sh},
	{"thread_create_join", c_thread},
	{"futex_pingpong", c_futex},
	{"mutex_contended", c_mutex},
	{"mmap_munmap", c_mmap},
	{"mprotect", c_mprotect},
	{"anon_page_fault", c_anon},
	{"file_read_bw", c_read_bw},
	{"file_write_bw", c_write_bw},
	{"file_reread_mmap", c_mmap_bw},
	{"small_file_create_delete", c_small},
	{"readdir", c_readdir},
	{"getdents", c_getdents},
	{"compute", c_compute},
	{"compute_2threads", c_compute2t},
	{"compute_2procs", c_compute2p},
};

#define NCASES (sizeof cases / sizeof cases[0])

/* A whole x86-64 or AArch64 program that only does exit_group(0). */
static void write_tiny(void)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p;
		unsigned char code[16];
	} f;
#if defined(__x86_64__)
	static const unsigned char code[] = {0x31, 0xff, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05};
	int machine = EM_X86_64;
#elif defined(__aarch64__)
	static const unsigned char code[] = {0,	   0,	 0x80, 0xd2, 0xc8, 0x0b,
					     0x80, 0xd2, 1,    0,    0,	   0xd4};
	int machine = EM_AARCH64;
#endif
	int fd;

	memset(&f, 0, sizeof f);
	memcpy(f.e.e_ident, ELFMAG, SELFMAG);
	f.e.e_ident[EI_CLASS] = ELFCLASS64;
	f.e.e_ident[EI_DATA] = ELFDATA2LSB;
	f.e.e_ident[EI_VERSION] = EV_CURRENT;
	f.e.e_type = ET_EXEC;
	f.e.e_machine = machine;
	f.e.e_version = EV_CURRENT;
	f.e.e_entry = 0x400000 + offsetof(typeof(f), code);
	f.e.e_phoff = offsetof(typeof(f), p);
	f.e.e_ehsize = sizeof f.e;
	f.e.e_phentsize = sizeof f.p;
	f.e.e_phnum = 1;
	f.p.p_type = PT_LOAD;
	f.p.p_flags = PF_R | PF_X;
	f.p.p_vaddr = f.p.p_paddr = 0x400000;
	f.p.p_filesz = f.p.p_memsz = sizeof f;
	f.p.p_align = 4096;
	memcpy(f.code, code, sizeof code);
	unlink(path_tiny);
	fd = open(path_tiny, O_CREAT | O_EXCL | O_WRONLY, 0755);
	if (fd < 0 || write(fd, &f, sizeof f) != sizeof f) {
		perror(path_tiny);
		exit(1);
	}
	close(fd);
}

static void setup(void)
{
	int fd;

	mkdir(dir, 0777);
	snprintf(path_a, sizeof path_a, "%s/a", dir);
	snprintf(path_tiny, sizeof path_tiny, "%s/tiny", dir);
	snprintf(path_big, sizeof path_big, "%s/big", dir);
	snprintf(path_dir, sizeof path_dir, "%s/entries", dir);
	fd = open(path_a, O_CREAT | O_RDWR, 0644);
	if (fd < 0 || write(fd, "hello\n", 6) != 6) {
		perror(path_a);
		exit(1);
	}
	close(fd);
	write_tiny();
}

static void run_case(int i, int inline_)
{
	pid_t p;
	int st;

	cur = cases[i].name;
	got = 0;
	if (inline_) {
		cases[i].fn();
		return;
	}
	fflush(stdout);
	p = fork();
	if (p < 0) {
		printf("%s\tFAIL\tfork: %s\n", cur, strerror(errno));
		return;
	}
	if (p == 0) {
		setpgid(0, 0);
		signal(SIGALRM, SIG_DFL);
		alarm(limit_s);
		cases[i].fn();
		fflush(stdout);
		_exit(0);
	}
	while (waitpid(p, &st, 0) < 0 && errno == EINTR)
		;
	kill(-p, SIGKILL);
	if (WIFSIGNALED(st) && WTERMSIG(st) == SIGALRM)
		printf("%s\tFAIL\tstill running after %d s\n", cur, limit_s);
	else if (WIFSIGNALED(st))
		printf("%s\tFAIL\tkilled by signal %d\n", cur, WTERMSIG(st));
	else if (WEXITSTATUS(st))
		printf("%s\tFAIL\texit status %d\n", cur, WEXITSTATUS(st));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int o, inline_ = 0, bad = 0;

	while ((o = getopt(argc, argv, "d:r:m:t:nl")) != -1)
		switch (o) {
		case 'd':
			dir = optarg;
			break;
		case 'r':
			reps = atoi(optarg);
			break;
		case 'm':
			rep_ns = atof(optarg) * 1e6;
			break;
		case 't':
			limit_s = atoi(optarg);
			break;
		case 'n':
			inline_ = 1;
			break;
		case 'l':
			for (unsigned i = 0; i < NCASES; i++)
				puts(cases[i].name);
			return 0;
		default:
			fprintf(stderr,
				"usage: %s [-d dir] [-r reps] [-m rep_ms] "
				"[-t limit_s] [-n] [-l] [case...]\n",
				argv[0]);
			return 2;
		}
	if (reps < 1 || reps > MAXREPS)
		reps = 11;
	setup();
	for (unsigned i = 0; optind >= argc && i < NCASES; i++)
		run_case(i, inline_);
	for (; optind < argc; optind++) {
		unsigned i = 0;

		while (i < NCASES && strcmp(argv[optind], cases[i].name))
			i++;
		if (i == NCASES) {
			fprintf(stderr, "no case %s\n", argv[optind]);
			bad = 1;
		} else {
			run_case(i, inline_);
		}
	}
	return bad;
}
