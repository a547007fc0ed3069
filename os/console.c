/*
 * Heddle's terminal. Raw mode begins when the guest first uses its console, and what was there
 * before comes back at the end, at a panic and while heddle is suspended.
 */
#include "hostio.h"
#include "log.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...); /* <sys/ioctl.h> has a struct termios of its own */
struct winsize_host {
	u16 v[4];
};

/*
 * The modes that were there before raw mode. Its two copies take turns, so that a signal handler
 * always finds a whole one.
 */
static int tty_fd = -1; /* constant after host_tty_init() */
static struct termios saved[2];
static u32 saved_now; /* atomic: which one is valid */
static u32 is_raw;    /* atomic */

static void put_modes(struct host_tty_modes *m, const struct termios *t)
{
	m->iflag = t->c_iflag;
	m->oflag = t->c_oflag;
	m->cflag = t->c_cflag;
	m->lflag = t->c_lflag;
	_Static_assert(sizeof(m->cc) == sizeof(t->c_cc), "NCCS");
	memcpy(m->cc, t->c_cc, sizeof(m->cc));
}

/* Looks at the modes afresh, unless they are ours. */
static int refresh_saved(void)
{
	u32 next = !load_relaxed(&saved_now);

	if (load_relaxed(&is_raw))
		return 0;
	if (ioctl(tty_fd, TCGETS, &saved[next]) < 0)
		return -errno;
	__atomic_store_n(&saved_now, next, __ATOMIC_SEQ_CST);
	return 0;
}

int host_tty_modes(struct host_tty_modes *m)
{
	int err = refresh_saved();

	put_modes(m, &saved[saved_now]);
	return err;
}

int host_tty_init(int fd, struct host_tty_modes *m)
{
	tty_fd = fd;
	panic_prepare = host_tty_restore;
	return host_tty_modes(m);
}

bool host_tty_in_foreground(void)
{
	pid_t pgrp;

	/* A terminal that isn't the controlling one has no say about foreground and background. */
	return ioctl(tty_fd, TIOCGPGRP, &pgrp) < 0 || pgrp == getpgrp();
}

/* Sets modes without being stopped for it: the callers have looked. */
static void set_modes(const struct termios *t)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	while (ioctl(tty_fd, TCSETS, t) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void host_tty_raw(u32 oflag)
{
	struct termios t;

	refresh_saved();
	t = saved[saved_now];
	t.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | INPCK | ISTRIP | INLCR | IGNCR | ICRNL | IUCLC |
		       IXON | IXOFF | IXANY);
	t.c_lflag &= ~(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHONL | IEXTEN);
	t.c_oflag = oflag;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	__atomic_store_n(&is_raw, 1, __ATOMIC_SEQ_CST);
	set_modes(&t);
}

bool host_tty_is_raw(void)
{
	return __atomic_load_n(&is_raw, __ATOMIC_SEQ_CST);
}

void host_tty_restore(void)
{
	int err = errno;

	if (__atomic_exchange_n(&is_raw, 0, __ATOMIC_SEQ_CST) && host_tty_in_foreground())
		set_modes(&saved[__atomic_load_n(&saved_now, __ATOMIC_SEQ_CST)]);
	errno = err;
}

/*
 * Stops the process by this very thread, so that nothing is done in between. False: the host
 * refuses, as for an orphaned group.
 */
static bool stop_self(int sig)
{
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	raise(sig);
	clock_gettime(CLOCK_MONOTONIC, &after);
	return after.tv_sec != before.tv_sec || after.tv_nsec - before.tv_nsec > 1000000;
}

void host_tty_foreground(int sig)
{
	struct sigaction sa = {.sa_handler = SIG_DFL}, old;
	sigset_t set, oldset;

	if (host_tty_in_foreground())
		return;
	sigaction(sig, &sa, &old);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, &oldset);
	while (!host_tty_in_foreground() && stop_self(sig))
		;
	pthread_sigmask(SIG_SETMASK, &oldset, NULL);
	sigaction(sig, &old, NULL);
}

int host_tty_winsize(u16 ws[4])
{
	struct winsize_host w;

	if (ioctl(tty_fd, TIOCGWINSZ, &w) < 0)
		return -errno;
	memcpy(ws, w.v, sizeof(w.v));
	return 0;
}

void host_tty_suspend(void)
{
	host_tty_restore();
	kill(getpid(), SIGSTOP);
}

noreturn_ void host_tty_die(int sig)
{
	sigset_t set;

	host_tty_restore();
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	_exit(128 + sig);
}
