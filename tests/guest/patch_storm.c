/*
 * test: limit=240 quick=no cpus=1,2,2s,4,4m
 * Hot system-call sites under signals and under threads that race through them. See patch.h.
 */
#include "patch.h"
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>
#include <ucontext.h>

SITE_A(a_getpid, 39);
SITE_A(a_gettid, 186);
SITE_A(a_getppid, 110);
SITE_A(a_getuid, 102);
SITE_A(a_read, 0);
SITE_A(a_write, 1);
SITE_A(a_stat, 4);
SITE_A(a_pread, 17);
SITE_A(a_clock_nanosleep, 230);
SITE_B(b_call);
SITE_B(b_other);
SITE_B(b_stat);
long b_read(long, ...);
FUNCTION("b_read", "xor %eax, %eax\nsyscall\nret");
SITE_A(a_last, 39);

/* ---- where signals find us ---- */

#define RANGES 32
static struct {
	unsigned long start, end;
} text[RANGES];
static int n_text;

/* All text that comes from files, and the vDSO. Before anything is hot. */
static void find_text(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], perms[8];
	unsigned long start, end;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3 && perms[2] == 'x' &&
		    (strchr(line, '/') || strstr(line, "[vdso]")) && n_text < RANGES) {
			text[n_text].start = start;
			text[n_text++].end = end;
		}
	fclose(f);
	CHECK(n_text > 1);
}

static bool in_text(unsigned long ip)
{
	for (int i = 0; i < n_text; i++)
		if (ip >= text[i].start && ip < text[i].end)
			return true;
	return false;
}

static volatile int strays, wrong, signals;
static volatile unsigned long stray_ip;
static pid_t my_pid, my_ppid;
static __thread pid_t my_tid;		 /* 0: not known yet */
static __thread volatile int *my_signal; /* 1: one is on its way */

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	const greg_t *g = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	if (!in_text((unsigned long)g[REG_RIP])) {
		stray_ip = (unsigned long)g[REG_RIP];
		strays++;
	}
	if (g[REG_RIP] == (greg_t)((char *)a_getpid + 7) && g[REG_RAX] != my_pid)
		wrong++;
	if (g[REG_RIP] == (greg_t)((char *)a_getpid + 5) && g[REG_RAX] != SYS_getpid)
		wrong++;
	if (g[REG_RIP] == (greg_t)((char *)a_getppid + 7) && g[REG_RAX] != my_ppid)
		wrong++;
	if (call0(a_getpid, 0) != my_pid || call0(a_getppid, 0) != my_ppid ||
	    (my_tid && call0(a_gettid, 0) != my_tid) || call0(b_call, SYS_getppid) != my_ppid)
		wrong++;
	__atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
	if (my_signal)
		*my_signal = 0;
}

static int zero, null;

/* One round of calls whose results are known. */
static void round_of_calls(void)
{
	static const struct timespec no_time;
	unsigned char c = 255;
	struct stat st = {0};
	long ret;

	if (call0(a_getpid, 0) != my_pid || call0(a_getppid, 0) != my_ppid ||
	    call0(a_gettid, 0) != my_tid || call0(b_call, SYS_getpid) != my_pid ||
	    call0(b_call, SYS_getppid) != my_ppid || call0(b_other, SYS_gettid) != my_tid)
		wrong++;
	if (call3(a_read, 0, zero, (long)&c, 1) != 1 || c != 0)
		wrong++;
	c = 255;
	if (call3(b_read, 0, zero, (long)&c, 1) != 1 || c != 0)
		wrong++;
	if (call3(a_write, 0, null, (long)"x", 1) != 1)
		wrong++;
	if (call3(a_stat, 0, (long)"/dev/null", (long)&st, 0) != 0 || !S_ISCHR(st.st_mode))
		wrong++;
	if (call3(a_stat, 0, (long)"/does/not/exist", (long)&st, 0) != -ENOENT)
		wrong++;
	/*
	 * The first one is what the call's site becomes a jump for. Of the others the path can't be
	 * read.
	 */
	if (call3(b_stat, SYS_stat, (long)"/dev/null", (long)&st, 0) != 0)
		wrong++;
	for (int i = 0; i < 2; i++)
		if (call3(a_stat, 0, 16, (long)&st, 0) != -EFAULT ||
		    call3(b_stat, SYS_stat, 16, (long)&st, 0) != -EFAULT)
			wrong++;
	ret = call4(a_clock_nanosleep, 0, CLOCK_MONOTONIC, 0, (long)&no_time, 0);
	if (ret != 0 && ret != -EINTR)
		wrong++;
}

#define STORM_THREADS 3
#define STORM_ROUNDS 300
static volatile int running;

static struct victim {
	pthread_t thread;
	volatile pid_t tid;
	volatile int signal;
} victims[STORM_THREADS];

static void *stormed(void *arg)
{
	struct victim *v = arg;

	my_tid = (pid_t)syscall(SYS_gettid);
	my_signal = &v->signal;
	v->tid = my_tid;
	for (int i = 0; i < STORM_ROUNDS || !signals; i++) /* whoever sends them may begin late */
		round_of_calls();
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void storm_setup(int sig)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	find_text();
	my_pid = getpid();
	my_ppid = getppid();
	my_tid = my_pid;
	zero = MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	null = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	MUST(sigaction(sig, &sa, NULL));
}

static void check_storm(void)
{
	if (strays) {
		static char where[40];

		snprintf(where, sizeof(where), "at %#lx", stray_ip);
		t_context = where;
	}
	CHECK_EQ(strays, 0);
	CHECK_EQ(wrong, 0);
	CHECK(signals > 0);
}

TEST(signals_from_a_sibling_find_hot_calls_as_they_were_written)
{
	storm_setup(SIGUSR1);
	running = STORM_THREADS;
	for (int i = 0; i < STORM_THREADS; i++)
		CHECK_EQ(pthread_create(&victims[i].thread, NULL, stormed, &victims[i]), 0);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
		for (int i = 0; i < STORM_THREADS; i++)
			if (victims[i].tid && !victims[i].signal) {
				victims[i].signal = 1;
				syscall(SYS_tgkill, my_pid, victims[i].tid, SIGUSR1);
			}
		sched_yield();
	}
	for (int i = 0; i < STORM_THREADS; i++)
		CHECK_EQ(pthread_join(victims[i].thread, NULL), 0);
	check_storm();
}

static int signals_seen = -1; /* -1: none is on its way */

/*
 * A signal `us` from now or a little later, if the last one has come: at a fixed rate a slow host
 * has time for nothing else.
 */
static void signal_soon(int us)
{
	struct itimerval soon = {{0}, {0, us + signals % 16 * 20}};

	if (signals == signals_seen)
		return;
	signals_seen = signals;
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
}

static void no_more_signals(void)
{
	const struct itimerval never = {0};

	MUST(setitimer(ITIMER_REAL, &never, NULL));
	signals_seen = -1;
}

TEST(signals_from_a_timer_find_hot_calls_as_they_were_written)
{
	storm_setup(SIGALRM);
	while (signals < 300) {
		signal_soon(350);
		round_of_calls();
	}
	no_more_signals();
	check_storm();
}

/* Calls whose answer takes longer than one looks for it. */
TEST(signals_during_long_calls_leave_their_results)
{
	size_t size = 1 << 20;
	char *buf = calloc(1, size), path[128];
	int fd;

	CHECK(buf);
	storm_setup(SIGALRM);
	snprintf(path, sizeof(path), "%s/file", t_tmpdir());
	fd = MUST(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	CHECK_EQ(pwrite(fd, buf, size, 0), size);
	for (int i = 0; i < 3000; i++) /* at a high rate, so that somebody looks for them */
		round_of_calls();
	while (signals < 300) {
		for (int i = 0; i < 100; i++)
			if (call0(a_getppid, 0) != my_ppid)
				wrong++;
		for (int i = 0; i < 10; i++) {
			size_t n = size >> (i % 8);

			signal_soon(550);
			CHECK_EQ(call4(a_pread, 0, fd, (long)buf, (long)n, 0), n);
			CHECK_EQ(call4(b_call, SYS_pread64, fd, (long)buf, (long)n, 0), n);
		}
	}
	no_more_signals();
	check_storm();
}

/* Bytes go to and fro between two threads, which sleep for each. */
static int forth[2], back[2];
#define PINGS 2000

static void *echo(void *arg)
{
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	if (arg)
		pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	my_tid = (pid_t)syscall(SYS_gettid);
	for (int i = 0; i < PINGS; i++) {
		unsigned char c = 0;

		if (call3(i % 2 ? (void *)a_read : (void *)b_read, 0, forth[0], (long)&c, 1) != 1 ||
		    c != (i & 127) + 1)
			wrong++;
		c += 100;
		if (call3(a_write, 0, back[1], (long)&c, 1) != 1)
			wrong++;
	}
	return NULL;
}

TEST(signals_during_calls_that_sleep_leave_their_data)
{
	pthread_t thread;

	storm_setup(SIGALRM);
	MUST(pipe2(forth, O_CLOEXEC));
	MUST(pipe2(back, O_CLOEXEC));
	for (long blocked = 0; blocked < 2; blocked++) {
		CHECK_EQ(pthread_create(&thread, NULL, echo, (void *)blocked), 0);
		for (int i = 0; i < PINGS; i++) {
			unsigned char c = (unsigned char)((i & 127) + 1);

			signal_soon(200);
			if (call3(a_write, 0, forth[1], (long)&c, 1) != 1)
				wrong++;
			c = 0;
			if (call3(i % 2 ? (void *)a_read : (void *)b_read, 0, back[0], (long)&c,
				  1) != 1 ||
			    c != (i & 127) + 101)
				wrong++;
		}
		no_more_signals();
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
	check_storm();
}

/* ---- threads that race ---- */

#define SITES 64
#define RACERS 8
#define RACE_CALLS 30

/* SITES functions: number k begins at byte 8 + k % 8 of a block of 64 bytes; padding follows. */
#define RACE_SITES(name, code)                                                                     \
	extern const char name[];                                                                  \
	__asm__(".text\n.p2align 6\n.globl " #name "\n" #name ":\n.set k, 0\n.rept " STR(          \
		SITES) "\n.skip 8 + k % 8, 0x90\n.cfi_startproc\n" code                            \
		       "syscall\nret\n.cfi_endproc\n"                                              \
		       ".skip 20, 0x90\n.p2align 6\n.set k, k + 1\n.endr\n")

RACE_SITES(race_a, "mov $110, %eax\n");
RACE_SITES(race_b, "nop\n");
FUNCTION("behind_race_b", "ret");

static const char *site(const char *race, int k)
{
	return race + 64 * k + 8 + k % 8;
}

static pthread_barrier_t start;

static void *racer(void *arg)
{
	long bad = 0;

	for (int k = 0; k < SITES; k++) {
		const char *a = site(race_a, k), *b = site(race_b, k);

		pthread_barrier_wait(&start);
		for (int i = 0; i < RACE_CALLS; i++) {
			bad += call0(a, 0) != my_ppid;
			bad += call0(b, SYS_getppid) != my_ppid;
			bad += call0(b, SYS_getpid) != my_pid;
		}
	}
	return (void *)bad;
}

static void race(void *(*run)(void *))
{
	pthread_t thread[RACERS];
	void *bad;

	my_pid = getpid();
	my_ppid = getppid();
	CHECK_EQ(pthread_barrier_init(&start, NULL, RACERS), 0);
	for (int i = 0; i < RACERS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, run, NULL), 0);
	for (int i = 0; i < RACERS; i++) {
		CHECK_EQ(pthread_join(thread[i], &bad), 0);
		CHECK_EQ((long)bad, 0);
	}
}

TEST(threads_race_through_calls_that_become_hot)
{
	race(racer);
}

/* Text that changes while they run there: each write permission puts back what was linked. */
static void *protector(void *arg)
{
	static const int writable = PROT_READ | PROT_WRITE | PROT_EXEC;
	char *first = (char *)((unsigned long)race_a & ~4095ul);
	size_t len = (size_t)(race_b + 64 * SITES - first);

	while (!__atomic_load_n(&running, __ATOMIC_SEQ_CST))
		sched_yield();
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) != 2) {
		MUST(mprotect(first, len, writable));
		MUST(mprotect(first, len, PROT_READ | PROT_EXEC));
		sched_yield();
	}
	return NULL;
}

static long calls_at_all(int rounds)
{
	long bad = 0;

	for (int i = 0; i < rounds; i++)
		for (int k = 0; k < SITES; k++) {
			bad += call0(site(race_a, k), 0) != my_ppid;
			bad += call0(site(race_b, k), SYS_getppid) != my_ppid;
		}
	return bad;
}

static void *hot_racer(void *arg)
{
	long bad = calls_at_all(5); /* jumps, that still are */

	__atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
	return (void *)(bad + calls_at_all(20));
}

TEST(text_becomes_writable_under_running_threads)
{
	pthread_t thread;

	/* Hot while there is one thread, which leaves all ways of changing it. */
	my_pid = getpid();
	my_ppid = getppid();
	CHECK_EQ(calls_at_all(100), 0);
	running = 0;
	CHECK_EQ(pthread_create(&thread, NULL, protector, NULL), 0);
	race(hot_racer);
	__atomic_store_n(&running, 2, __ATOMIC_SEQ_CST);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* Forks in the midst of it. */
static void *forker(void *arg)
{
	long bad = 0;

	for (int k = 0; k < SITES; k++) {
		const char *a = site(race_a, k), *b = site(race_b, k);

		pthread_barrier_wait(&start);
		for (int i = 0; i < RACE_CALLS; i++) {
			bad += call0(a, 0) != my_ppid;
			bad += call0(b, SYS_getppid) != my_ppid;
		}
		if (k % 16 == 5) {
			pid_t child = fork();
			char c;

			if (child == 0) {
				for (int i = 0; i < 100; i++) {
					bad += call0(a, 0) != my_pid;
					bad += call0(b, SYS_getppid) != my_pid;
					c = 1;
					bad += call3(b_read, 0, zero, (long)&c, 1) != 1 || c != 0;
				}
				_exit(bad ? 1 : 0);
			}
			bad += child < 0 || t_wait(child) != 0;
		}
	}
	return (void *)bad;
}

TEST(threads_fork_while_calls_become_hot)
{
	zero = MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	race(forker);
}
