/* Messages, memory, names, sizes and the progress bar. */
#include "tools/tools.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *tool_name = "";
static struct progress *on_screen; /* the bar that a message has to make room for */

static void wipe_line(void)
{
	if (on_screen && on_screen->shown)
		fputs("\r\033[K", stderr);
}

/* The control characters of ASCII, and those that UTF-8 adds. */
static bool is_control(const u8 *p)
{
	return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
}

void print_escaped(FILE *f, const char *s)
{
	for (const u8 *p = (const u8 *)s; *p; p++) {
		if (is_control(p))
			fprintf(f, "\\%03o", *p);
		else if (*p == '\\')
			fputs("\\\\", f);
		else
			putc(*p, f);
	}
}

static void message(const char *fmt, va_list ap)
{
	char *text;

	wipe_line();
	fprintf(stderr, "heddle %s: ", tool_name);
	if (vasprintf(&text, fmt, ap) < 0) {
		fputs("out of memory\n", stderr);
		return;
	}
	print_escaped(stderr, text);
	free(text);
	fputc('\n', stderr);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	exit(2);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		die("out of memory");
	return p;
}

void *xmalloc(size_t size)
{
	return xrealloc(NULL, size);
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	return s;
}

char *join(const char *a, const char *b)
{
	return xasprintf("%s%s%s", a, *a ? "/" : "", b);
}

u64 parse_size(const char *s)
{
	static const char units[] = "KMGTP";
	char *end, *u;
	u64 n = strtoull(s, &end, 10);

	if (end == s || *s == '-')
		die("%s: not a size; use bytes, or a number with K, M, G, T or P", s);
	u = *end ? strchr(units, *end & ~0x20) : NULL;
	if (*end && (!u || end[1]))
		die("%s: not a size; use bytes, or a number with K, M, G, T or P", s);
	for (int i = 0; u && i <= u - units && n <= INT64_MAX; i++)
		n = n > (u64)INT64_MAX >> 10 ? UINT64_MAX : n << 10;
	if (n > INT64_MAX)
		die("%s: too large", s);
	return n;
}

const char *show_size(u64 bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	static char buf[2][32];
	static int turn;
	double n = bytes;
	int i = 0;

	turn ^= 1;
	while (n >= 1024) {
		n /= 1024;
		i++;
	}
	snprintf(buf[turn], sizeof(buf[0]), i ? "%.1f %s" : "%.0f %s", n, units[i]);
	return buf[turn];
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names names_of(int dirfd, const char *what)
{
	struct names l = {NULL, 0};
	size_t room = 0;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		die("%s: %m", what);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (l.n == room) {
			room = room * 2 + 16;
			l.name = xrealloc(l.name, room * sizeof(*l.name));
		}
		l.name[l.n++] = xstrdup(e->d_name);
	}
	if (errno)
		die("%s: %m", what);
	closedir(d);
	if (l.n)
		qsort(l.name, l.n, sizeof(*l.name), by_name);
	return l;
}

void names_free(struct names *l)
{
	while (l->n)
		free(l->name[--l->n]);
	free(l->name);
	l->name = NULL;
}

/* ---- progress ---- */

#define BAR_WIDTH 30
#define REDRAW_NS 100000000

void progress_start(struct progress *p, const char *what, u64 total)
{
	*p = (struct progress){.what = what, .total = total};
	on_screen = isatty(2) ? p : NULL;
}

static void draw(struct progress *p)
{
	char bar[BAR_WIDTH + 1];
	int full = p->total ? min(p->done, p->total) * BAR_WIDTH / p->total : 0;

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', full);
	bar[BAR_WIDTH] = '\0';
	if (p->total)
		fprintf(stderr, "\r\033[K%s [%s] %3lu %%  %s, %lu files", p->what, bar,
			(unsigned long)(min(p->done, p->total) * 100 / p->total),
			show_size(p->done), p->files);
	else
		fprintf(stderr, "\r\033[K%s  %s, %lu files", p->what, show_size(p->done), p->files);
	p->shown = true;
}

void progress_show(struct progress *p, u64 done)
{
	struct timespec ts;
	u64 now;

	p->done = done;
	if (on_screen != p)
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	if (now - p->last_ns < REDRAW_NS)
		return;
	p->last_ns = now;
	draw(p);
}

void progress_end(struct progress *p)
{
	if (on_screen == p) {
		draw(p);
		fputc('\n', stderr);
	}
	on_screen = NULL;
}
