/*
 * The event thread: one host thread that sleeps in epoll until a watched host descriptor is ready or a host signal for heddle itself
 * arrives, and calls back. Nothing wakes it otherwise.
 *
 * A watch is one-shot: after fn ran (or was about to run) it is silent until event_watch_arm(). epoll gives back the watch's
 * slot and generation, never its address, so an event that was fetched before event_watch_del() finds an empty slot.
 */
#include "event.h"

#include "alloc.h"
#include "host.h"
#include "lock.h"
#include "log.h"
#include "os/fault.h"
#include "os/helper.h"
#include "rcu.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct event_watch {
	int fd;				   /* constant */
	u32 slot, gen;			   /* constant */
	void (*fn)(void *arg, u32 events); /* constant */
	void *arg;			   /* constant */
};

struct watch_slot {
	struct event_watch *watch;
	u32 gen;
};

static struct spinlock watch_lock = SPINLOCK_INIT("event watches", RANK_OS);
static struct watch_slot *slots; /* watch_lock */
static u32 nr_slots;		 /* watch_lock */

/* The watch whose fn runs now: its slot + 1, or 0. Written by the event thread under watch_lock; a futex for event_watch_del(). */
static u32 running;
static u32 running_waiters; /* atomic */

static int epoll_fd = -1, stop_fd = -1; /* constant after event_init() */
static pthread_t event_thread;
static bool event_started; /* event_init() and event_shutdown() only */

/* Host signals that come to us: a signalfd each, and whom to call. */
static struct {
	int fd; /* 0: not asked for */
	void (*fn)(int signo);
} host_signal[NSIG]; /* watch_lock */

/* epoll's cookies that are no watches. Slots are far below. */
#define COOKIE_STOP UINT64_MAX
#define COOKIE_SIGNAL (UINT64_MAX - NSIG) /* + signal number */

static void watch_fire(u64 cookie, u32 events)
{
	u32 slot = (u32)cookie, gen = cookie >> 32;
	struct event_watch *w = NULL;
	void (*fn)(void *, u32) = NULL;
	void *arg = NULL;

	spin_lock(&watch_lock);
	if (slot < nr_slots && slots[slot].gen == gen)
		w = slots[slot].watch;
	if (w) {
		fn = w->fn;
		arg = w->arg;
		__atomic_store_n(&running, slot + 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&watch_lock);
	if (!fn)
		return;
	fn(arg, events);
	__atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&running_waiters, __ATOMIC_SEQ_CST))
		host_futex_wake(&running, INT32_MAX);
}

static void signal_fire(int signo)
{
	struct signalfd_siginfo si;
	void (*fn)(int);
	int fd;

	spin_lock(&watch_lock);
	fd = host_signal[signo].fd;
	fn = host_signal[signo].fn;
	spin_unlock(&watch_lock);
	while (read(fd, &si, sizeof(si)) == sizeof(si))
		fn(signo);
}

/* True: the thread is to end. */
static bool fire(const struct epoll_event *ev)
{
	u64 cookie = ev->data.u64;

	if (cookie == COOKIE_STOP)
		return true;
	if (cookie >= COOKIE_SIGNAL)
		signal_fire(cookie - COOKIE_SIGNAL);
	else
		watch_fire(cookie, ev->events);
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

/* A free slot, growing the table; -ENOMEM. watch_lock held. */
static int slot_find_locked(void)
{
	struct watch_slot *more;
	u32 i;

	for (i = 0; i < nr_slots; i++)
		if (!slots[i].watch)
			return i;
	more = krealloc(slots, (nr_slots + 16) * sizeof(*slots));
	if (!more)
		return -ENOMEM;
	slots = more;
	memset(slots + nr_slots, 0, 16 * sizeof(*slots));
	nr_slots += 16;
	return i;
}

static void slot_clear(struct event_watch *w)
{
	spin_lock(&watch_lock);
	slots[w->slot].watch = NULL;
	slots[w->slot].gen++;
	spin_unlock(&watch_lock);
}

struct event_watch *event_watch_add(int fd, u32 events, void (*fn)(void *arg, u32 events),
				    void *arg)
{
	struct event_watch *w = kzalloc(sizeof(*w));
	int slot, err;

	if (!w)
		return ERR_PTR(-ENOMEM);
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	spin_lock(&watch_lock);
	slot = slot_find_locked();
	if (slot >= 0) {
		w->slot = slot;
		w->gen = slots[slot].gen;
		slots[slot].watch = w;
	}
	spin_unlock(&watch_lock);
	if (slot < 0) {
		kfree(w);
		return ERR_PTR(slot);
	}
	err = epoll_add(fd, events | EPOLLONESHOT, (u64)w->gen << 32 | w->slot);
	if (err) {
		slot_clear(w);
		kfree(w);
		return ERR_PTR(err);
	}
	return w;
}

int event_watch_arm(struct event_watch *w, u32 events)
{
	struct epoll_event ev = {
		.events = events | EPOLLONESHOT,
		.data.u64 = (u64)w->gen << 32 | w->slot,
	};

	return HOST_CALL(epoll, epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &ev));
}

void event_watch_del(struct event_watch *w)
{
	u32 me = w->slot + 1;

	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	slot_clear(w);
	/* fn is found through the slot, so it can only be a call which had begun before. */
	__atomic_add_fetch(&running_waiters, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) == me)
		host_futex_wait(&running, me, KTIME_MAX);
	__atomic_sub_fetch(&running_waiters, 1, __ATOMIC_SEQ_CST);
	kfree(w);
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
	spin_lock(&watch_lock);
	host_signal[signo].fn = fn;
	known = host_signal[signo].fd;
	if (!known)
		host_signal[signo].fd = fd;
	spin_unlock(&watch_lock);
	if (known) {
		close(fd);
		return 0;
	}
	return epoll_add(fd, EPOLLIN, COOKIE_SIGNAL + signo);
}
