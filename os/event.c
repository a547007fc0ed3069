/*
 * The event thread: one host thread that sleeps in epoll until a watched host descriptor is ready
 * or a host signal for heddle itself arrives, and calls back. Nothing wakes it otherwise.
 *
 * A watch is one-shot: after fn ran (or was about to run) it is silent until event_watch_arm(). It
 * is never deleted: only the kernel's own standard files are watched, and they are there to its
 * end.
 */
#include "event.h"

#include "alloc.h"
#include "lock.h"
#include "log.h"
#include "os/fault.h"
#include "os/helper.h"
#include "rcu.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Constant, but for armed. Its address is epoll's cookie. */
struct event_watch {
	int fd;
	void (*fn)(void *arg, u32 events);
	void *arg;
	u32 armed; /* atomic: what precedes that it was armed precedes its call */
};

static int epoll_fd = -1, stop_fd = -1; /* constant after event_init() */
static pthread_t event_thread;
static bool event_started; /* event_init() and event_shutdown() only */

static struct spinlock signal_lock = SPINLOCK_INIT("host signals", RANK_OS);

/* Host signals that come to us: a signalfd each, and whom to call. */
static struct {
	int fd; /* 0: not asked for */
	void (*fn)(int signo);
} host_signal[NSIG]; /* signal_lock */

/* epoll's cookies that are no watches: no addresses. */
#define COOKIE_STOP UINT64_MAX
#define COOKIE_SIGNAL (UINT64_MAX - NSIG) /* + signal number */

static void signal_fire(int signo)
{
	struct signalfd_siginfo si;
	void (*fn)(int);
	int fd;

	spin_lock(&signal_lock);
	fd = host_signal[signo].fd;
	fn = host_signal[signo].fn;
	spin_unlock(&signal_lock);
	while (read(fd, &si, sizeof(si)) == sizeof(si))
		fn(signo);
}

/* True: the thread is to end. */
static bool fire(const struct epoll_event *ev)
{
	u64 cookie = ev->data.u64;
	const struct event_watch *w;

	if (cookie == COOKIE_STOP)
		return true;
	if (cookie >= COOKIE_SIGNAL) {
		signal_fire(cookie - COOKIE_SIGNAL);
		return false;
	}
	w = (const struct event_watch *)cookie;
	(void)load_acquire(&w->armed);
	w->fn(w->arg, ev->events);
	return false;
}

static void *event_loop(void *unused)
{
	struct epoll_event ev[16];

	bool stop = false;

	rcu_register_thread(); /* callbacks send signals to guests */
	while (!stop) {
		int n;

		rcu_thread_offline();
		n = epoll_wait(epoll_fd, ev, ARRAY_SIZE(ev), -1);
		if (n < 0 && errno != EINTR)
			panic("event thread: epoll_wait: errno %d", errno);
		rcu_thread_online();
		for (int i = 0; i < n && !stop; i++)
			stop = fire(&ev[i]);
	}
	rcu_unregister_thread();
	return unused;
}

static int epoll_add(int fd, u32 events, u64 cookie)
{
	struct epoll_event ev = {.events = events, .data.u64 = cookie};

	return HOST_CALL(epoll, epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev));
}

/* It takes no host signal itself: they come by the signalfd. */
static const struct helper_thread event_helper = {.name = "heddle-event", .fn = event_loop};

int event_init(void)
{
	int err;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll_fd < 0 || stop_fd < 0)
		return -errno;
	err = epoll_add(stop_fd, EPOLLIN, COOKIE_STOP);
	if (!err)
		err = helper_thread_start(&event_helper, &event_thread);
	event_started = !err;
	return err;
}

void event_shutdown(void)
{
	u64 one = 1;

	if (!event_started)
		return;
	event_started = false;
	if (write(stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(event_thread, NULL);
}

struct event_watch *event_watch_add(int fd, u32 events, void (*fn)(void *arg, u32 events),
				    void *arg)
{
	struct event_watch *w = kmalloc(sizeof(*w));
	int err;

	if (!w)
		return ERR_PTR(-ENOMEM);
	*w = (struct event_watch){.fd = fd, .fn = fn, .arg = arg};
	store_release(&w->armed, 1);
	err = epoll_add(fd, events | EPOLLONESHOT, (uintptr_t)w);
	if (err) {
		kfree(w);
		return ERR_PTR(err);
	}
	return w;
}

int event_watch_arm(struct event_watch *w, u32 events)
{
	struct epoll_event ev = {.events = events | EPOLLONESHOT, .data.u64 = (uintptr_t)w};

	store_release(&w->armed, 1);
	return HOST_CALL(epoll, epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &ev));
}

int event_signal(int signo, void (*fn)(int signo))
{
	sigset_t one;
	bool known;
	int fd;

	if (signo <= 0 || signo >= NSIG)
		return -EINVAL;
	sigemptyset(&one);
	sigaddset(&one, signo);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	fd = signalfd(-1, &one, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	spin_lock(&signal_lock);
	host_signal[signo].fn = fn;
	known = host_signal[signo].fd;
	if (!known)
		host_signal[signo].fd = fd;
	spin_unlock(&signal_lock);
	if (known) {
		close(fd);
		return 0;
	}
	return epoll_add(fd, EPOLLIN, COOKIE_SIGNAL + signo);
}
