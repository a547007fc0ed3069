/*
 * Heddle's own stdin, stdout and stderr, for the guest files that pass through to them.
 *
 * A description that other programs share can't be made non-blocking without making it so for them.
 * So pipes, fifos and terminals are opened anew through /proc/self/fd, where that is permitted;
 * sockets take MSG_DONTWAIT; for what remains poll comes first, and no more is written than a ready
 * pipe takes.
 */
#include "hostio.h"
#include "log.h"
#include "os/fault.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

static bool was_closed[3]; /* constant after host_stdio_reserve() */

void host_stdio_reserve(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		was_closed[fd] = true;
		/* The lowest free one: fd itself. */
		if (open("/dev/null", O_RDWR) != fd)
			panic("can't open /dev/null in place of descriptor %d", fd);
	}
}

void host_write_signals_ignore(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static enum host_stdio_kind kind_of(int fd, const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFBLK:
		return HOST_STDIO_FILE;
	case S_IFIFO:
		return HOST_STDIO_PIPE;
	case S_IFSOCK:
		return HOST_STDIO_SOCKET;
	case S_IFCHR:
		if (st->st_rdev == makedev(1, 3))
			return HOST_STDIO_NULL;
		return isatty(fd) ? HOST_STDIO_TTY : HOST_STDIO_OTHER;
	}
	return HOST_STDIO_OTHER;
}

/* A terminal is the console, whichever end of it this is: for reading and writing. */
static bool reopen(struct host_stdio *s)
{
	int mode = s->kind == HOST_STDIO_TTY ? O_RDWR : s->flags & O_ACCMODE;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", s->fd);
	fd = open(name, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	s->io = fd;
	return true;
}

void host_stdio_probe(struct host_stdio *s, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	*s = (struct host_stdio){.kind = HOST_STDIO_CLOSED, .fd = fd, .io = fd};
	if (was_closed[fd] || flags < 0 || fstat(fd, &s->st) < 0)
		return;
	s->flags = flags & (O_ACCMODE | O_APPEND);
	s->kind = kind_of(fd, &s->st);
	if (s->kind == HOST_STDIO_PIPE || s->kind == HOST_STDIO_TTY || s->kind == HOST_STDIO_OTHER)
		s->nonblock = reopen(s);
}

static bool ready(struct host_stdio *s, short events)
{
	struct pollfd p = {.fd = s->io, .events = events};

	return poll(&p, 1, 0) == 1;
}

static ssize_t result(ssize_t n)
{
	return n < 0 ? -errno : n;
}

static ssize_t read_file(struct host_stdio *s, void *buf, size_t n)
{
	struct iovec iov = {buf, n};
	ssize_t got = preadv2(s->fd, &iov, 1, -1, RWF_NOWAIT);

	/* Not every file system knows the flag; what it reads then may come from the disk. */
	if (got < 0 && errno == EOPNOTSUPP)
		return -EAGAIN;
	return result(got);
}

ssize_t host_stdio_read(struct host_stdio *s, void *buf, size_t n)
{
	ssize_t got = fault_inject(FAULT_stdio);

	if (got)
		return got;
	switch (s->kind) {
	case HOST_STDIO_FILE:
		return read_file(s, buf, n);
	case HOST_STDIO_SOCKET:
		return result(recv(s->fd, buf, n, MSG_DONTWAIT));
	default:
		if (!s->nonblock && !ready(s, POLLIN))
			return -EAGAIN;
		do
			got = read(s->io, buf, n);
		while (got < 0 && errno == EINTR);
		return result(got);
	}
}

ssize_t host_stdio_read_wait(struct host_stdio *s, void *buf, size_t n)
{
	ssize_t got = fault_inject(FAULT_stdio);

	if (got)
		return got;
	do
		got = read(s->fd, buf, n);
	while (got < 0 && errno == EINTR);
	return result(got);
}

ssize_t host_stdio_write(struct host_stdio *s, const void *buf, size_t n)
{
	ssize_t done = fault_inject(FAULT_stdio);

	if (done)
		return done;
	switch (s->kind) {
	case HOST_STDIO_SOCKET:
		return result(send(s->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL));
	case HOST_STDIO_FILE:
		break;
	default:
		if (s->nonblock)
			break;
		if (!ready(s, POLLOUT))
			return -EAGAIN;
		n = min(n, s->kind == HOST_STDIO_PIPE ? (size_t)PIPE_BUF : (size_t)256);
	}
	do
		done = write(s->io, buf, n);
	while (done < 0 && errno == EINTR);
	return result(done);
}

s64 host_stdio_lseek(struct host_stdio *s, s64 off, int whence)
{
	off_t pos = lseek(s->fd, off, whence);

	return pos < 0 ? -errno : pos;
}

ssize_t host_stdio_pread(struct host_stdio *s, void *buf, size_t n, u64 off)
{
	return HOST_CALL(stdio, pread(s->fd, buf, n, off));
}

ssize_t host_stdio_pwrite(struct host_stdio *s, const void *buf, size_t n, u64 off)
{
	return HOST_CALL(stdio, pwrite(s->fd, buf, n, off));
}

int host_stdio_stat(struct host_stdio *s, struct stat *st)
{
	return fstat(s->fd, st) < 0 ? -errno : 0;
}

int host_stdio_truncate(struct host_stdio *s, u64 size)
{
	return ftruncate(s->fd, size) < 0 ? -errno : 0;
}

int host_stdio_sync(struct host_stdio *s, bool datasync)
{
	return (datasync ? fdatasync(s->fd) : fsync(s->fd)) < 0 ? -errno : 0;
}

u32 host_stdio_poll(struct host_stdio *s, u32 events, int timeout_ms)
{
	struct pollfd p = {.fd = s->io, .events = events};

	return poll(&p, 1, timeout_ms) == 1 ? p.revents : 0;
}

int host_stdio_readable_bytes(struct host_stdio *s)
{
	int n;

	return ioctl(s->fd, FIONREAD, &n) < 0 ? -errno : n;
}

void host_stdio_retire(struct host_stdio *s)
{
	int null;

	/* stderr remains for heddle's own messages. */
	if (s->fd == STDERR_FILENO || (s->kind != HOST_STDIO_PIPE && s->kind != HOST_STDIO_SOCKET))
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	if (s->io != s->fd)
		dup3(null, s->io, O_CLOEXEC);
	dup2(null, s->fd);
	close(null);
}
