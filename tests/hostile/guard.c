/*
 * guard PROGRAM ARGS...: the first process of a guest. Runs the hostile program beside a second
 * process, the canary, which has to go on with its work meanwhile and behind it. Its own exit
 * status is the kernel's.
 */
#include "hostile.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANARY_LIMIT 60 /* seconds that it has for a round; a busy host isn't a dead canary */

static struct {
	uint32_t rounds; /* futex */
	uint32_t dead;
	uint32_t alone; /* the hostile program has ended: nothing may be refused any more */
	char why[200];
} * shared;

/* ---- the canary ---- */

static void futex(uint32_t *word, int op, uint32_t val, const struct timespec *ts)
{
	syscall(SYS_futex, word, op, val, ts, NULL, 0);
}

__attribute__((noreturn, format(printf, 1, 2))) static void canary_fail(const char *fmt, ...)
{
	int err = errno;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(shared->why, sizeof(shared->why), fmt, ap);
	va_end(ap);
	snprintf(shared->why + n, sizeof(shared->why) - n, " (%s)", strerror(err));
	_exit(1);
}

/*
 * While others take all there is, memory, tasks and space may be refused; that isn't a fault. The
 * round is over then.
 */
static jmp_buf round_end;

static void canary_refused(const char *what)
{
	if (!__atomic_load_n(&shared->alone, __ATOMIC_SEQ_CST) &&
	    (errno == ENOMEM || errno == EAGAIN || errno == ENOSPC))
		longjmp(round_end, 1);
	canary_fail("%s", what);
}

static void check_time(void)
{
	static struct timespec last;
	struct timespec now, ms = {0, 1000000};

	nanosleep(&ms, NULL);
	if (clock_gettime(CLOCK_MONOTONIC, &now))
		canary_fail("no clock");
	if (now.tv_sec < last.tv_sec ||
	    (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec + ms.tv_nsec))
		canary_fail("time went back, or stood still");
	last = now;
}

static void check_file(int dir)
{
	static unsigned char out[1 << 15], in[sizeof(out)];
	static unsigned int seed;
	int fd = openat(dir, "canary", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = rand_r(&seed);
	if (fd < 0)
		canary_refused("can't create a file");
	n = write(fd, out, sizeof(out));
	if (n != sizeof(out)) {
		close(fd);
		errno = n < 0 ? errno : ENOSPC;
		canary_refused("can't write");
	}
	if (pread(fd, in, sizeof(in), 0) != sizeof(in))
		canary_fail("can't read");
	if (memcmp(out, in, sizeof(out)))
		canary_fail("it read other bytes than it wrote");
	close(fd);
}

static void check_fork(void)
{
	volatile int mine = 1;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		mine = 2;
		_exit(40 + mine);
	}
	if (pid < 0)
		canary_refused("can't fork");
	if (waitpid(pid, &status, 0) != pid)
		canary_fail("its child is lost");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42 || mine != 1)
		canary_fail("its child ended with %#x", status);
}

static void check_memory(void)
{
	const size_t size = 1 << 20;
	unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);

	if (p == MAP_FAILED)
		canary_refused("can't map");
	for (size_t i = 0; i < size; i += 4096)
		if (p[i]++)
			canary_fail("its new memory isn't zero");
	munmap(p, size);
}

__attribute__((noreturn)) static void canary(int told)
{
	struct pollfd p = {.fd = told, .events = POLLIN};
	char dirname[] = "/tmp/canary.XXXXXX";
	int dir = mkdtemp(dirname) ? open(dirname, O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir < 0)
		canary_fail("no directory");
	while (poll(&p, 1, 0) == 0) {
		check_time();
		if (!setjmp(round_end)) {
			check_file(dir);
			check_fork();
			check_memory();
		}
		__atomic_add_fetch(&shared->rounds, 1, __ATOMIC_SEQ_CST);
		futex(&shared->rounds, FUTEX_WAKE, INT_MAX, NULL);
	}
	_exit(0);
}

/* Waits for two rounds from now on: one that begins and ends. False: there are none. */
static bool canary_goes_on(void)
{
	uint32_t first = __atomic_load_n(&shared->rounds, __ATOMIC_SEQ_CST), now = first;
	struct timespec start, t, left = {CANARY_LIMIT * hostile_slow(), 0};

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (now - first < 2 && !__atomic_load_n(&shared->dead, __ATOMIC_SEQ_CST)) {
		futex(&shared->rounds, FUTEX_WAIT, now, &left);
		now = __atomic_load_n(&shared->rounds, __ATOMIC_SEQ_CST);
		clock_gettime(CLOCK_MONOTONIC, &t);
		if (t.tv_sec - start.tv_sec >= left.tv_sec)
			return false;
	}
	return now - first >= 2;
}

/* ---- the guard ---- */

static pid_t canary_pid;

static void on_child(int sig)
{
	siginfo_t si = {0};

	(void)sig;
	if (waitid(P_PID, canary_pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    si.si_pid == canary_pid) {
		__atomic_store_n(&shared->dead, 1, __ATOMIC_SEQ_CST);
		futex(&shared->rounds, FUTEX_WAKE, INT_MAX, NULL);
	}
}

static bool say(const char *name, bool good, const char *why)
{
	if (good)
		dprintf(1, "ok %s\n", name);
	else
		dprintf(1, "FAIL %s: %s\n", name, why);
	return good;
}

static int run_program(char **argv)
{
	pid_t pid = fork(), r;
	int status = -1;

	if (pid == 0) {
		setsid();
		execv(argv[0], argv);
		_exit(127);
	}
	/* Whoever loses its parent becomes our child. */
	do
		r = wait(&status);
	while (r > 0 ? r != pid : errno == EINTR);
	return status;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_child};
	int told[2], status;
	bool good;

	if (argc < 2 || !getenv("UNTOUCHED")) {
		fprintf(stderr, "to be run by tests/run-hostile\n");
		return 2;
	}
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe2(told, O_CLOEXEC) || sigaction(SIGCHLD, &sa, NULL))
		return 2;
	canary_pid = fork();
	if (canary_pid == 0) {
		close(told[1]);
		signal(SIGCHLD, SIG_DFL);
		canary(told[0]);
	}
	close(told[0]);
	good = say("canary_starts", canary_goes_on(), shared->why);
	status = run_program(argv + 1);
	good &= say("program_ends", WIFEXITED(status) && WEXITSTATUS(status) <= 1, "it was killed");
	__atomic_store_n(&shared->alone, 1, __ATOMIC_SEQ_CST);
	good &= say("canary_goes_on", canary_goes_on(), *shared->why ? shared->why : "it stands");
	close(told[1]);
	status = -1;
	while (waitpid(canary_pid, &status, 0) < 0 && errno == EINTR)
		;
	good &= say("canary_ends", status == 0, shared->why);
	return good && WIFEXITED(status) ? 0 : 1;
}
