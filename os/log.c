/* Messages. A line goes out in one write, so lines of several CPUs never mix. */
#include "log.h"
#include "lock.h"
#include <fcntl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

bool log_verbose;
static int sink = -1;						   /* constant after boot */
static struct spinlock sink_lock = SPINLOCK_INIT("log", RANK_LOG); /* for lines in several writes */

static void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			buf += n;
			len -= n;
		}
	}
}

/*
 * What is named in a message may be a guest's: it doesn't move the terminal's cursor, nor make a
 * line two.
 */
static void mask_controls(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((u8)text[i] < ' ' && (text[i] != '\n' || i + 1 < n))
			text[i] = '?';
}

static void message(const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t at = (size_t)snprintf(line, sizeof(line), "heddle: ");
	int n = vsnprintf(line + at, sizeof(line) - at, fmt, ap);

	if (n < 0)
		return;
	n = min(n, (int)(sizeof(line) - 1 - at));
	mask_controls(line + at, (size_t)n);
	at += n;
	if (line[at - 1] != '\n') {
		if (at == sizeof(line) - 1)
			at--;
		line[at++] = '\n';
	}
	write_all(STDERR_FILENO, line, at);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void log_set_sink(int fd)
{
	sink = fd;
}

void log_line(const char *buf, size_t len)
{
	if (sink < 0)
		return;
	spin_lock(&sink_lock);
	write_all(sink, buf, len);
	spin_unlock(&sink_lock);
}

int log_open_sink(const char *path)
{
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
		      : fcntl(2, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}
