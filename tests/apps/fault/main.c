/* load WORK ERROR,... ARG...: see ../fault.sh. */
#include "load.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned long done, failed;
static const char *announced = "";

void wrong(const char *fmt, ...)
{
	char line[500];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = snprintf(line, sizeof(line), "WRONG: ");
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = n < (int)sizeof(line) - 1 ? n : (int)sizeof(line) - 2;
	line[n++] = '\n';
	for (int i = 0; i < 100 && write(1, line, n) < 0; i++)
		;
	_exit(3);
}

static char out[8192]; /* goes out at the end, in one piece */
static size_t out_len;

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_len += vsnprintf(out + out_len, sizeof(out) - out_len, fmt, ap);
	va_end(ap);
	if (out_len >= sizeof(out))
		wrong("too much to say");
}

/* The status: 4, if all was right but there is no way to say it. */
static int say_it(void)
{
	int tries = 0;

	for (size_t at = 0; at < out_len;) {
		ssize_t n = write(1, out + at, out_len - at);

		if (ok(n > 0, "write"))
			at += n;
		else if (++tries == 1000)
			return 4;
	}
	return 0;
}

static bool is_announced(int err)
{
	const char *name = strerrorname_np(err), *at = announced;
	size_t n = strlen(name);

	for (; (at = strstr(at, name)); at += n)
		if ((at == announced || at[-1] == ',') && (!at[n] || at[n] == ','))
			return true;
	return false;
}

bool ok(bool success, const char *call)
{
	int err = errno;

	__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
	if (success)
		return true;
	__atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED);
	if (!is_announced(err))
		wrong("%s: %s", call, strerrorname_np(err));
	errno = err;
	return false;
}

unsigned next_random(void)
{
	static unsigned long x = 1;

	x = x * 6364136223846793005 + 1442695040888963407;
	return x >> 33;
}

void pattern(unsigned char *to, size_t n, unsigned seed, size_t at)
{
	for (size_t i = 0; i < n; i++)
		to[i] = ((at + i) * 31 + (at + i) / 251 + seed * 77) ^ seed;
}

/*
 * Whoever had a call fail may leave others waiting for ever, and a mask of signals that stays set
 * is enough for that. So after 20 s a child ends this process, and with it the guest, by calls that
 * have nothing in memory.
 */
static void survive(const char *self, int rounds)
{
	if (!syscall(SYS_fork)) {
		syscall(SYS_poll, NULL, 0, 20000);
		kill(getppid(), SIGKILL);
		_exit(0);
	}
	processes(self, rounds);
}

int main(int argc, char **argv)
{
	const char *work = argc > 1 ? argv[1] : "";

	if (argc > 2)
		announced = argv[2];
	if (!strcmp(work, "files") && argc == 5)
		files(argv[3], atoi(argv[4]));
	else if (!strcmp(work, "files-make") && argc == 4)
		files_make(argv[3]);
	else if (!strcmp(work, "files-check") && argc == 4)
		files_check(argv[3]);
	else if (!strcmp(work, "processes") && argc == 4)
		processes(argv[0], atoi(argv[3]));
	else if (!strcmp(work, "survive") && argc == 4)
		survive(argv[0], atoi(argv[3]));
	else if (!strcmp(work, "child") && argc == 4)
		process_child(atoi(argv[3]));
	else if (!strcmp(work, "memory") && argc == 5)
		memory(argv[3], atoi(argv[4]));
	else if (!strcmp(work, "stdio") && argc == 4)
		stdio(atol(argv[3]));
	else if (!strcmp(work, "pressure") && argc == 4)
		pressure(atoi(argv[3]));
	else
		return 2;
	say("done: %lu calls, %lu failed\n", done, failed);
	return say_it();
}
