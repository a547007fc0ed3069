/*
 * Heddle's terminal. Raw mode begins when the guest first uses its console, and what was there before comes back at the end,
 * at a panic and while heddle is suspended.
 */
#include "hostio.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...); /* <sys/ioctl.h> has a struct termios of its own */
struct winsize_host {
	u16 v[4];
};

static int tty_fd = -1;	     /* constant after host_tty_init() */
static struct termios saved; /* the same */
static u32 is_raw;	     /* atomic */

int host_tty_init(int fd, struct host_tty_modes *m)
{
	if (ioctl(fd, TCGETS, &saved) < 0)
		return -errno;
	m->iflag = saved.c_iflag;
	m->oflag = saved.c_oflag;
	m->cflag = saved.c_cflag;
	m->lflag = saved.c_lflag;
	_Static_assert(sizeof(m->cc) == sizeof(saved.c_cc), "NCCS");
	memcpy(m->cc, saved.c_cc, sizeof(m->cc));
	tty_fd = fd;
	return 0;
}

static bool in_foreground(void)
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
	struct termios t = saved;

	t.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | INPCK | ISTRIP | INLCR | IGNCR | ICRNL | IUCLC | IXON | IXOFF | IXANY);
	t.c_lflag &= ~(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHONL | IEXTEN);
	t.c_oflag = oflag;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	__atomic_store_n(&is_raw, 1, __ATOMIC_SEQ_CST);
	set_modes(&t);
}

void host_tty_restore(void)
{
	int err = errno;

	if (__atomic_exchange_n(&is_raw, 0, __ATOMIC_SEQ_CST) && in_foreground())
		set_modes(&saved);
	errno = err;
}

bool host_tty_foreground(int sig)
{
	struct sigaction sa = {.sa_handler = SIG_DFL}, old;
	sigset_t set, oldset;

	if (in_foreground())
		return false;
	sigaction(sig, &sa, &old);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, &oldset);
	kill(getpid(), sig);
	pthread_sigmask(SIG_SETMASK, &oldset, NULL);
	sigaction(sig, &old, NULL);
	return true;
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
