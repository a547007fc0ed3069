/*
 * t.h: the whole test library of the guest programs.
 *
 * A program is one subject and holds any number of behaviours:
 *
 *	TEST(pipe_write_without_reader_raises_sigpipe)
 *	{
 *		CHECK_ERR(write(fd, "x", 1), EPIPE);
 *	}
 *
 * They run in the order of the source, each in a child of its own (TEST) or in the main process
 * (TEST_NOFORK), with a time limit that the parent enforces. A failed check in any descendant or
 * thread of the test counts: reports go to shared memory. The output is one line a behaviour (ok,
 * skip) or one line a failed check (FAIL); it holds nothing that differs from run to run, so that
 * a run on the host and a run in the guest can be compared byte for byte.
 *
 *	CHECK...  ends the process at the first failure	EXPECT...  records it and goes on
 *	MUST      a call that has to succeed; gives its value	SKIP  ends the behaviour with a
 *reason
 *
 * HELPER(name) defines what the program does when it is executed again as t_self() with the
 * arguments "--helper", "name", ...: the tests of exec need no second binary.
 */
#ifndef GUEST_T_H
#define GUEST_T_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define T_MAX_TESTS 200
#define T_MAX_HELPERS 32
#define T_TIME_LIMIT 60 /* seconds a behaviour, if the environment variable says nothing else */

struct t_test {
	const char *name;
	void (*run)(void);
	int line;
	bool nofork;
};

struct t_helper {
	const char *name;
	int (*run)(int argc, char **argv);
};

/* Shared by the parent and every process of the running test. Counters are updated atomically. */
struct t_report {
	int failed;
	int skipped;
	int timed_out;
	unsigned int used;   /* bytes of text[] handed out */
	char text[16 << 10]; /* complete FAIL and skip lines */
	char tmpdir[64];     /* to be removed by the parent, or "" */
};

static struct t_test t_tests[T_MAX_TESTS];
static int t_n_tests;
static struct t_helper t_helpers[T_MAX_HELPERS];
static int t_n_helpers;
static struct t_report *t_report;
static const struct t_test *t_current;
static const char *t_context; /* what a loop is at; printed with a failure */
static char t_self_path[PATH_MAX];
static volatile pid_t t_child; /* the running test's process, for the time limit */
static jmp_buf t_nofork_end;
static pid_t t_nofork_pid;

/* ---- registration ---- */

/* Constructors run in no promised order, so tests are kept sorted by line. */
static inline void t_add(const char *name, void (*run)(void), int line, bool nofork)
{
	int i = t_n_tests++;

	if (i >= T_MAX_TESTS)
		abort();
	for (; i > 0 && t_tests[i - 1].line > line; i--)
		t_tests[i] = t_tests[i - 1];
	t_tests[i] = (struct t_test){name, run, line, nofork};
}

static inline void t_add_helper(const char *name, int (*run)(int, char **))
{
	if (t_n_helpers >= T_MAX_HELPERS)
		abort();
	t_helpers[t_n_helpers++] = (struct t_helper){name, run};
}

#define T_REGISTER_(name_, nofork_)                                                                \
	static void t_test_##name_(void);                                                          \
	__attribute__((constructor)) static void t_add_##name_(void)                               \
	{                                                                                          \
		t_add(#name_, t_test_##name_, __LINE__, nofork_);                                  \
	}                                                                                          \
	static void t_test_##name_(void)

#define TEST(name_) T_REGISTER_(name_, false)
#define TEST_NOFORK(name_) T_REGISTER_(name_, true)

#define HELPER(name_)                                                                              \
	static int t_helper_##name_(int argc, char **argv);                                        \
	__attribute__((constructor)) static void t_addh_##name_(void)                              \
	{                                                                                          \
		t_add_helper(#name_, t_helper_##name_);                                            \
	}                                                                                          \
	static int t_helper_##name_(int argc __attribute__((unused)),                              \
				    char **argv __attribute__((unused)))

/* The absolute path of this program, to execute it again. */
static inline const char *t_self(void)
{
	return t_self_path;
}

/* ---- reports ---- */

static inline void t_append(const char *line, unsigned int len)
{
	unsigned int at = __atomic_fetch_add(&t_report->used, len, __ATOMIC_SEQ_CST);

	if (at + len <= sizeof(t_report->text))
		memcpy(t_report->text + at, line, len);
}

__attribute__((noreturn)) static inline void t_end_test(int status)
{
	if (t_current->nofork && getpid() == t_nofork_pid)
		longjmp(t_nofork_end, 1);
	_exit(status);
}

__attribute__((format(printf, 4, 5))) static inline void t_fail(const char *file, int line,
								const char *what, const char *fmt,
								...)
{
	char got[256], out[640];
	const char *base = strrchr(file, '/');
	va_list ap;
	int len;

	if (!t_report || !t_current) { /* a helper that was executed: its exit status tells */
		fprintf(stderr, "helper: %s:%d: %s\n", file, line, what);
		_exit(99);
	}
	va_start(ap, fmt);
	vsnprintf(got, sizeof(got), fmt, ap);
	va_end(ap);
	len = snprintf(out, sizeof(out), "FAIL %s: %s:%d: %s (got %s)%s%s%s\n", t_current->name,
		       base ? base + 1 : file, line, what, got, t_context ? " [" : "",
		       t_context ? t_context : "", t_context ? "]" : "");
	if (len >= (int)sizeof(out)) {
		len = sizeof(out) - 1;
		out[len - 1] = '\n';
	}
	t_append(out, (unsigned int)len);
	__atomic_add_fetch(&t_report->failed, 1, __ATOMIC_SEQ_CST);
}

static inline void t_skip(const char *why)
{
	char out[320];
	int len = snprintf(out, sizeof(out), "skip %s: %s\n", t_current->name, why);

	t_append(out, (unsigned int)len);
	__atomic_store_n(&t_report->skipped, 1, __ATOMIC_SEQ_CST);
}

static inline const char *t_errname(int err)
{
	const char *name = err ? strerrorname_np(err) : "no error";

	return name ? name : "an unknown errno";
}

#define T_STOP_(fatal)                                                                             \
	do {                                                                                       \
		if (fatal)                                                                         \
			t_end_test(1);                                                             \
	} while (0)

#define T_COND_(cond, fatal)                                                                       \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			t_fail(__FILE__, __LINE__, #cond, "false, errno %s", t_errname(errno));    \
			T_STOP_(fatal);                                                            \
		}                                                                                  \
	} while (0)

#define T_ERR_(expr, want, fatal)                                                                  \
	do {                                                                                       \
		errno = 0;                                                                         \
		long t_r_ = (long)(expr);                                                          \
		int t_e_ = errno;                                                                  \
		if (t_r_ != -1 || t_e_ != (want)) {                                                \
			t_fail(__FILE__, __LINE__, #expr " fails with " #want, "%ld, %s", t_r_,    \
			       t_errname(t_e_));                                                   \
			T_STOP_(fatal);                                                            \
		}                                                                                  \
	} while (0)

#define T_EQ_(a, b, fatal)                                                                         \
	do {                                                                                       \
		long long t_a_ = (long long)(a), t_b_ = (long long)(b);                            \
		if (t_a_ != t_b_) {                                                                \
			t_fail(__FILE__, __LINE__, #a " == " #b, "%lld, %lld", t_a_, t_b_);        \
			T_STOP_(fatal);                                                            \
		}                                                                                  \
	} while (0)

#define T_STR_(a, b, fatal)                                                                        \
	do {                                                                                       \
		const char *t_a_ = (a), *t_b_ = (b);                                               \
		if (strcmp(t_a_, t_b_)) {                                                          \
			t_fail(__FILE__, __LINE__, #a " is " #b, "\"%.80s\"", t_a_);               \
			T_STOP_(fatal);                                                            \
		}                                                                                  \
	} while (0)

#define CHECK(cond) T_COND_(cond, 1)
#define CHECK_ERR(expr, want) T_ERR_(expr, want, 1)
#define CHECK_EQ(a, b) T_EQ_(a, b, 1)
#define CHECK_STR(a, b) T_STR_(a, b, 1)

#define EXPECT(cond) T_COND_(cond, 0)
#define EXPECT_ERR(expr, want) T_ERR_(expr, want, 0)
#define EXPECT_EQ(a, b) T_EQ_(a, b, 0)

#define MUST(expr)                                                                                 \
	({                                                                                         \
		__typeof__(expr) t_v_ = (expr);                                                    \
		if ((long)t_v_ == -1) {                                                            \
			t_fail(__FILE__, __LINE__, #expr, "%s", t_errname(errno));                 \
			t_end_test(1);                                                             \
		}                                                                                  \
		t_v_;                                                                              \
	})

#define SKIP(why)                                                                                  \
	do {                                                                                       \
		t_skip(why);                                                                       \
		t_end_test(0);                                                                     \
	} while (0)

/* ---- processes ---- */

static __thread pid_t
	t_spawned; /* what t_spawn() gave last; SPAWN can so be nested without a local */

static inline pid_t t_spawn(void)
{
	t_spawned = MUST(fork());
	return t_spawned;
}

/* Runs the block in a child; gives the child's pid. A block that comes to its end exits with 0. */
#define SPAWN(...)                                                                                 \
	({                                                                                         \
		if (t_spawn() == 0) {                                                              \
			__VA_ARGS__;                                                               \
			_exit(0);                                                                  \
		}                                                                                  \
		t_spawned;                                                                         \
	})

/* Runs the block in a child and waits for it; gives the wait status. */
#define IN_CHILD(...) t_wait(SPAWN(__VA_ARGS__))

#define T_WAIT_ERROR (-1) /* no wait status looks like this */

static inline int t_wait(pid_t pid)
{
	int status;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	return got == pid ? status : T_WAIT_ERROR;
}

static inline void t_check_exited(int status, int code, const char *what, const char *file,
				  int line)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == code)
		return;
	t_fail(file, line, what, "%#x for exit %d", (unsigned int)status, code);
	t_end_test(1);
}

static inline void t_check_killed(int status, int sig, const char *what, const char *file, int line)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == sig)
		return;
	t_fail(file, line, what, "%#x for death by signal %d", (unsigned int)status, sig);
	t_end_test(1);
}

#define CHECK_EXITED(status, code) t_check_exited(status, code, "wait status", __FILE__, __LINE__)
#define CHECK_KILLED(status, sig) t_check_killed(status, sig, "wait status", __FILE__, __LINE__)

/* Executes this program again as helper NAME. The arguments end with NULL. */
#define T_EXEC_HELPER(...)                                                                         \
	do {                                                                                       \
		char *t_argv_[] = {(char *)t_self(), "--helper", __VA_ARGS__, NULL};               \
		execv(t_self(), t_argv_);                                                          \
		_exit(98);                                                                         \
	} while (0)

/* State letter of a thread in /proc, or 0 where it is gone. */
static inline char t_state(pid_t pid, pid_t tid)
{
	char path[64], buf[512], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	end = strrchr(buf, ')');
	return end && end[1] == ' ' ? end[2] : 0;
}

/*
 * Waits until a thread is in a state: 'S' for blocked, 'T' stopped, 'Z' zombie, 0 gone; or until it
 * has ended, which the next check will find. Used after the thread has said that the call in
 * question is its next one, which makes 'S' mean "is blocked in it".
 */
static inline void t_wait_thread_state(pid_t pid, pid_t tid, char state)
{
	char now;

	while ((now = t_state(pid, tid)) != state) {
		if (now == 0 || (now == 'Z' && state != 0))
			return;
		usleep(500);
	}
}

static inline void t_wait_state(pid_t pid, char state)
{
	t_wait_thread_state(pid, pid, state);
}

/* A gate: one side opens it, the other side passes. Works between threads and between processes. */
struct t_gate {
	int fd[2];
};

static inline struct t_gate t_gate(void)
{
	struct t_gate gate;

	MUST(pipe2(gate.fd, O_CLOEXEC));
	return gate;
}

static inline void t_gate_open(const struct t_gate *gate)
{
	CHECK(write(gate->fd[1], "g", 1) == 1);
}

static inline void t_gate_pass(const struct t_gate *gate)
{
	ssize_t n;
	char c;

	do
		n = read(gate->fd[0], &c, 1);
	while (n < 0 && errno == EINTR);
	CHECK(n == 1);
}

/* Zeroed memory that the test's processes share. */
static inline void *t_shared(size_t size)
{
	return MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

static inline long long t_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/*
 * From now on this thread, and who it makes, runs on one CPU: the first of those that it may use.
 */
static inline void t_use_one_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	MUST(sched_getaffinity(0, sizeof(set), &set));
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	MUST(sched_setaffinity(0, sizeof(set), &set));
}

static inline void t_sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static inline bool t_is_root(void)
{
	return geteuid() == 0;
}

/*
 * Gives up root for good (user and group 65534, no supplementary groups); an ordinary user stays
 * as is.
 */
static inline void t_become_ordinary(void)
{
	if (!t_is_root())
		return;
	MUST(syscall(SYS_setgroups, 0, NULL));
	MUST(syscall(SYS_setresgid, 65534, 65534, 65534));
	MUST(syscall(SYS_setresuid, 65534, 65534, 65534));
}

static inline void t_handle_flags(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	sigemptyset(&sa.sa_mask);
	MUST(sigaction(sig, &sa, NULL));
}

static inline void t_handle(int sig, void (*handler)(int))
{
	t_handle_flags(sig, handler, 0);
}

static inline void t_handle_info(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigemptyset(&sa.sa_mask);
	MUST(sigaction(sig, &sa, NULL));
}

static inline void t_block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
}

static inline void t_unblock(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

/* ---- files ---- */

/* An empty directory of the running test, removed after it. */
static inline const char *t_tmpdir(void)
{
	if (!t_report->tmpdir[0]) {
		char path[] = "/tmp/guest-test-XXXXXX";

		CHECK(mkdtemp(path));
		strcpy(t_report->tmpdir, path);
		MUST(chmod(path, 0777));
	}
	return t_report->tmpdir;
}

static inline void t_cd_tmpdir(void)
{
	MUST(chdir(t_tmpdir()));
}

static inline void t_write_file(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	MUST(close(fd));
}

/* A copy of this program, for all to execute. */
static inline void t_copy_self(const char *to)
{
	static char buf[1 << 16];
	int in = MUST(open(t_self(), O_RDONLY | O_CLOEXEC));
	int out = MUST(open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
	ssize_t n;

	while ((n = MUST(read(in, buf, sizeof(buf)))) > 0)
		CHECK(write(out, buf, (size_t)n) == n);
	MUST(close(out));
	MUST(close(in));
}

/* The whole text of a small file (also in /proc), in a static buffer. */
static inline const char *t_read_file(const char *path)
{
	static char buf[64 << 10];
	int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0)
		have += (size_t)n;
	CHECK(n == 0);
	MUST(close(fd));
	buf[have] = 0;
	return buf;
}

/* Has it the capability CAP_...? Root may lack one in a container. */
static inline bool t_may(int cap)
{
	const char *at = strstr(t_read_file("/proc/self/status"), "\nCapEff:");
	unsigned long long caps = 0;

	CHECK(at && sscanf(at, "\nCapEff: %llx", &caps) == 1);
	return caps >> cap & 1;
}

static inline void t_remove_entry(int dirfd, const char *name, unsigned int type);

static inline void t_remove_contents(int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			t_remove_entry(dirfd(dir), entry->d_name, entry->d_type);
	closedir(dir);
}

static inline void t_remove_entry(int parent, const char *name, unsigned int type)
{
	char path[64];
	int fd;

	if (type == DT_DIR || type == DT_UNKNOWN) {
		fchmodat(parent, name, 0700, 0);
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			t_remove_contents(fd);
			if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno != EBUSY)
				return;
		}
	}
	if (unlinkat(parent, name, 0) == 0)
		return;
	/* A mount point that the test left behind. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%.30s", parent, name);
	umount2(path, MNT_DETACH);
	unlinkat(parent, name, type == DT_DIR ? AT_REMOVEDIR : 0);
}

/* ---- running ---- */

static inline void t_on_time_limit(int sig __attribute__((unused)))
{
	pid_t child = t_child;

	t_report->timed_out = 1;
	if (child > 0) {
		kill(-child, SIGKILL);
		kill(child, SIGKILL);
		return;
	}
	static const char msg[] = "FAIL (a test without a process of its own): timed out\n";

	_exit(write(1, msg, sizeof(msg) - 1) < 0 ? 3 : 1);
}

static inline unsigned int t_time_limit(void)
{
	const char *text = getenv("T_TIME_LIMIT");
	int limit = text ? atoi(text) : 0;

	return limit > 0 ? (unsigned int)limit : T_TIME_LIMIT;
}

/* Runs the test in a child that leads a process group of its own; gives the wait status. */
static inline int t_run_forked(const struct t_test *test)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return T_WAIT_ERROR;
	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		setpgid(0, 0);
		test->run();
		_exit(0);
	}
	setpgid(child, child);
	t_child = child;
	alarm(t_time_limit());
	status = t_wait(child);
	alarm(0);
	t_child = 0;
	kill(-child, SIGKILL); /* whatever the test left behind */
	return status;
}

static inline int t_run_here(const struct t_test *test)
{
	t_nofork_pid = getpid();
	alarm(t_time_limit());
	if (setjmp(t_nofork_end) == 0)
		test->run();
	alarm(0);
	return 0;
}

static inline void t_print(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(1, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(3);
		text += n;
		len -= (size_t)n;
	}
}

/* Runs one behaviour and prints its lines. Gives whether it did not fail. */
static inline bool t_run(const struct t_test *test)
{
	char out[256];
	size_t used;
	int status, len = 0;

	memset(t_report, 0, sizeof(*t_report));
	t_current = test;
	t_context = NULL;
	status = test->nofork ? t_run_here(test) : t_run_forked(test);
	if (t_report->tmpdir[0])
		t_remove_entry(AT_FDCWD, t_report->tmpdir, DT_DIR);

	used = t_report->used < sizeof(t_report->text) ? t_report->used : sizeof(t_report->text);
	t_print(t_report->text, used);
	if (t_report->timed_out)
		len = snprintf(out, sizeof(out), "FAIL %s: timed out\n", test->name);
	else if (t_report->failed || t_report->skipped)
		len = 0;
	else if (status == T_WAIT_ERROR)
		len = snprintf(out, sizeof(out), "FAIL %s: can't fork or wait\n", test->name);
	else if (WIFSIGNALED(status))
		len = snprintf(out, sizeof(out), "FAIL %s: killed by signal %d\n", test->name,
			       WTERMSIG(status));
	else if (status)
		len = snprintf(out, sizeof(out), "FAIL %s: ended with status %#x\n", test->name,
			       (unsigned int)status);
	else
		len = snprintf(out, sizeof(out), "ok %s\n", test->name);
	t_print(out, (size_t)len);
	return !t_report->failed && !t_report->timed_out && (t_report->skipped || status == 0);
}

/* What the caller left us must not show: signals, umask, descriptors, limits. */
static inline void t_normalise(void)
{
	struct rlimit lim;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && (sig < 32 || sig >= SIGRTMIN))
			signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	for (int fd = open("/dev/null", O_RDWR); fd >= 0 && fd < 3;)
		fd = open("/dev/null", O_RDWR);
	if (syscall(SYS_close_range, 3, ~0u, 0) < 0)
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur > 1024) {
		lim.rlim_cur = 1024;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (getrlimit(RLIMIT_CORE, &lim) == 0) {
		lim.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &lim);
	}
}

static inline void t_find_self(const char *argv0)
{
	ssize_t n;

	if (strchr(argv0, '/') && realpath(argv0, t_self_path))
		return;
	n = readlink("/proc/self/exe", t_self_path, sizeof(t_self_path) - 1);
	t_self_path[n > 0 ? n : 0] = 0;
}

static inline bool t_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

/*
 * No arguments: all tests. "--list": their names. Names: these tests only. "--helper NAME ...":
 * see HELPER.
 */
int main(int argc, char **argv)
{
	bool good = true;

	t_find_self(argc > 0 ? argv[0] : "");
	if (argc > 2 && !strcmp(argv[1], "--helper")) {
		for (int i = 0; i < t_n_helpers; i++)
			if (!strcmp(t_helpers[i].name, argv[2]))
				return t_helpers[i].run(argc - 2, argv + 2);
		return 97;
	}
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (int i = 0; i < t_n_tests; i++)
			printf("%s\n", t_tests[i].name);
		return 0;
	}
	t_normalise();
	t_report = mmap(NULL, sizeof(*t_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (t_report == MAP_FAILED)
		return 3;
	t_handle_flags(SIGALRM, t_on_time_limit, SA_RESTART);
	for (int i = 0; i < t_n_tests; i++)
		if (t_wanted(t_tests[i].name, argc, argv))
			good &= t_run(&t_tests[i]);
	return good ? 0 : 1;
}

#endif
