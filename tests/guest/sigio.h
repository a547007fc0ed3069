/* What the tests of O_ASYNC share: signals that are blocked and then taken. */
#ifndef GUEST_SIGIO_H
#define GUEST_SIGIO_H

#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define RT (SIGRTMIN + 3)
#define IN_BAND (POLLIN | POLLRDNORM)
#define OUT_BAND (POLLOUT | POLLWRNORM | POLLWRBAND)
#define HUP_BAND (POLLHUP | POLLERR)

static siginfo_t si; /* of what pending() or waited() found */

static inline int take(int sig, int seconds)
{
	const struct timespec ts = {seconds, 0};
	sigset_t set;

	memset(&si, 0, sizeof(si));
	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, &si, &ts) == sig;
}

/* Is sig, which is blocked, pending? Takes it. */
static inline bool pending(int sig)
{
	return take(sig, 0);
}

/*
 * The same for what comes a little later: the host's terminals have a thread of the kernel between.
 */
static inline bool waited(int sig)
{
	return take(sig, 10);
}

/* How many, all of that code. */
static inline int count(int sig, int code)
{
	int n = 0;

	while (pending(sig)) {
		EXPECT_EQ(si.si_code, code);
		n++;
	}
	return n;
}

static inline void set_async(int fd, bool on)
{
	int fl = MUST(fcntl(fd, F_GETFL));

	MUST(fcntl(fd, F_SETFL, on ? fl | O_ASYNC : fl & ~O_ASYNC));
}

static inline bool is_async(int fd)
{
	return MUST(fcntl(fd, F_GETFL)) & O_ASYNC;
}

/* fd sends sig to this process from now on. */
static inline void watch(int fd, int sig)
{
	t_block(SIGIO);
	t_block(RT);
	MUST(fcntl(fd, F_SETOWN, getpid()));
	MUST(fcntl(fd, F_SETSIG, sig));
	set_async(fd, true);
}

static inline void put(int fd)
{
	CHECK_EQ(write(fd, "x", 1), 1);
}

static inline void get(int fd)
{
	char c;

	CHECK_EQ(read(fd, &c, 1), 1);
}

#define EXPECT_SENT(fd_, code_, band_)                                                             \
	do {                                                                                       \
		CHECK(pending(RT));                                                                \
		EXPECT_EQ(si.si_code, code_);                                                      \
		EXPECT_EQ(si.si_band, band_);                                                      \
		EXPECT_EQ(si.si_fd, fd_);                                                          \
		EXPECT_EQ(si.si_errno, 0);                                                         \
	} while (0)

static inline void make_pipe(int p[2])
{
	MUST(pipe2(p, O_NONBLOCK | O_CLOEXEC));
}

#endif
