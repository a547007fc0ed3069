/*
 * epoll: level, edge and one-shot; adding, changing, removing; many descriptors.
 * test: cpus=1,2,2s,4,4m
 */
#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int ep;

static void set_up(void)
{
	ep = MUST(epoll_create1(EPOLL_CLOEXEC));
}

static void ctl(int op, int fd, unsigned int events)
{
	struct epoll_event ev = {.events = events};

	ev.data.fd = fd;
	MUST(epoll_ctl(ep, op, fd, &ev));
}

static void add(int fd, unsigned int events)
{
	ctl(EPOLL_CTL_ADD, fd, events);
}

/* The events of the one descriptor that is ready, or 0. */
static unsigned int ready(int fd)
{
	struct epoll_event ev[8];
	int n = MUST(epoll_wait(ep, ev, 8, 0));

	if (n == 0)
		return 0;
	CHECK_EQ(n, 1);
	CHECK_EQ(ev[0].data.fd, fd);
	return ev[0].events;
}

static void put(int fd, uint64_t v)
{
	CHECK(write(fd, &v, 8) == 8);
}

static void take(int fd)
{
	uint64_t v;

	CHECK(read(fd, &v, 8) == 8);
}

TEST(level_triggered_reports_until_it_is_read)
{
	int fd = MUST(eventfd(0, 0));

	set_up();
	add(fd, EPOLLIN);
	CHECK_EQ(ready(fd), 0);
	put(fd, 1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(ready(fd), EPOLLIN);
	take(fd);
	CHECK_EQ(ready(fd), 0);
}

TEST(edge_triggered_reports_once_an_event)
{
	int fd = MUST(eventfd(0, 0));

	set_up();
	add(fd, EPOLLIN | EPOLLET);
	put(fd, 1);
	CHECK_EQ(ready(fd), EPOLLIN);
	CHECK_EQ(ready(fd), 0);
	put(fd, 1); /* another event, though it was never read */
	CHECK_EQ(ready(fd), EPOLLIN);
	CHECK_EQ(ready(fd), 0);
}

TEST(edge_triggered_reports_what_was_ready_when_added)
{
	int fd = MUST(eventfd(1, 0));

	set_up();
	add(fd, EPOLLIN | EPOLLET);
	CHECK_EQ(ready(fd), EPOLLIN);
	CHECK_EQ(ready(fd), 0);
	ctl(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET); /* looks again */
	CHECK_EQ(ready(fd), EPOLLIN);
}

TEST(oneshot_is_silent_until_it_is_armed_again)
{
	int fd = MUST(eventfd(1, 0));

	set_up();
	add(fd, EPOLLIN | EPOLLONESHOT);
	CHECK_EQ(ready(fd), EPOLLIN);
	CHECK_EQ(ready(fd), 0);
	put(fd, 1);
	CHECK_EQ(ready(fd), 0);
	ctl(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT);
	CHECK_EQ(ready(fd), EPOLLIN);
}

TEST(interest_can_be_changed_and_removed)
{
	int fd = MUST(eventfd(1, 0));

	set_up();
	add(fd, EPOLLIN);
	ctl(EPOLL_CTL_MOD, fd, EPOLLOUT);
	CHECK_EQ(ready(fd), EPOLLOUT);
	ctl(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
	CHECK_EQ(ready(fd), EPOLLIN | EPOLLOUT);
	ctl(EPOLL_CTL_MOD, fd, 0);
	CHECK_EQ(ready(fd), 0);
	ctl(EPOLL_CTL_DEL, fd, 0);
	CHECK_EQ(ready(fd), 0);
}

TEST(control_errors)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = MUST(eventfd(0, 0));

	set_up();
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev), ENOENT);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), ENOENT);
	add(fd, EPOLLIN);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), EEXIST);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), 0);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
}

TEST(random_can_be_watched_and_urandom_cannot)
{
	int random = MUST(open("/dev/random", O_RDWR)),
	    urandom = MUST(open("/dev/urandom", O_RDWR));
	struct epoll_event ev = {.events = EPOLLIN};

	set_up();
	add(random, EPOLLIN | EPOLLOUT);
	CHECK_EQ(ready(random), EPOLLIN);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, urandom, &ev), EPERM);
}

TEST(events_that_fit_before_a_bad_page_are_given)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = sizeof(struct epoll_event);
	char *end = (char *)MUST(mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) +
		    page;
	struct epoll_event ev[8];

	MUST(munmap(end, page));
	set_up();
	for (int i = 0; i < 8; i++)
		add(MUST(eventfd(1, 0)), i < 4 ? EPOLLIN | EPOLLET : EPOLLIN);
	CHECK_ERR(epoll_wait(ep, (struct epoll_event *)(end - size / 2), 8, 0), EFAULT);
	CHECK_EQ(epoll_wait(ep, (struct epoll_event *)(end - 3 * size - size / 2), 8, 0), 3);
	CHECK_EQ(epoll_wait(ep, ev, 8, 0), 5); /* three edges have been told */
}

TEST(duplicates_are_watched_apart)
{
	int fd = MUST(eventfd(1, 0)), copy = MUST(dup(fd));
	struct epoll_event ev[4];

	set_up();
	add(fd, EPOLLIN);
	add(copy, EPOLLIN);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 2);
}

TEST(closing_the_last_descriptor_removes_it)
{
	int fd = MUST(eventfd(1, 0)), copy = MUST(dup(fd));
	struct epoll_event ev[4];

	set_up();
	add(fd, EPOLLIN);
	MUST(close(fd));
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1); /* the file is still open */
	MUST(close(copy));
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
}

TEST(user_data_comes_back)
{
	struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = 0x123456789abcdef0}};

	set_up();
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, MUST(eventfd(1, 0)), &ev));
	ev.data.u64 = 0;
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	CHECK(ev.data.u64 == 0x123456789abcdef0);
}

TEST(hang_up_and_error_are_always_reported)
{
	int fd[2], other[2];

	set_up();
	MUST(pipe(fd));
	MUST(pipe(other));
	add(fd[0], 0);
	CHECK_EQ(ready(fd[0]), 0);
	MUST(close(fd[1]));
	CHECK_EQ(ready(fd[0]), EPOLLHUP);
	MUST(close(fd[0]));
	add(other[1], 0);
	MUST(close(other[0]));
	CHECK_EQ(ready(other[1]), EPOLLERR);
}

TEST(peer_shutdown_is_reported_as_rdhup)
{
	int fd[2];

	set_up();
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	add(fd[0], EPOLLIN | EPOLLRDHUP);
	CHECK_EQ(ready(fd[0]), 0);
	MUST(shutdown(fd[1], SHUT_WR));
	CHECK_EQ(ready(fd[0]), EPOLLIN | EPOLLRDHUP);
	MUST(close(fd[1]));
	CHECK_EQ(ready(fd[0]), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

TEST(waiting_is_ended_by_an_event)
{
	int fd = MUST(eventfd(0, 0));
	pid_t pid;

	set_up();
	add(fd, EPOLLIN);
	pid = SPAWN({
		struct epoll_event ev;
		CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	});
	t_wait_state(pid, 'S');
	put(fd, 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(waiting_times_out)
{
	struct timespec ts = {0, 20000000};
	struct epoll_event ev;
	long long start = t_now_ms();

	set_up();
	CHECK_EQ(epoll_wait(ep, &ev, 1, 20), 0);
	CHECK(t_now_ms() - start >= 20);
	start = t_now_ms();
	CHECK_EQ(epoll_pwait2(ep, &ev, 1, &ts, NULL), 0);
	CHECK(t_now_ms() - start >= 19);
}

TEST(descriptor_added_while_another_thread_waits)
{
	int fd = MUST(eventfd(1, 0));
	pid_t pid;

	set_up();
	pid = SPAWN({
		struct epoll_event ev;
		CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	});
	t_wait_state(pid, 'S');
	add(fd, EPOLLIN);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(five_hundred_descriptors)
{
	static int fds[500];
	static struct epoll_event ev[500];
	static char seen[1024];
	int n = 0, got;

	set_up();
	for (int i = 0; i < 500; i++) {
		fds[i] = MUST(eventfd(0, 0));
		add(fds[i], EPOLLIN | EPOLLET);
	}
	for (int i = 0; i < 500; i += 2)
		put(fds[i], 1);
	/* In portions; each is reported once. */
	while ((got = epoll_wait(ep, ev, 37, 0)) > 0)
		for (int i = 0; i < got; i++) {
			CHECK(!seen[ev[i].data.fd]);
			seen[ev[i].data.fd] = 1;
			n++;
		}
	CHECK_EQ(n, 250);
	for (int i = 0; i < 500; i += 2)
		CHECK(seen[fds[i]]);
}

TEST(level_triggered_descriptors_take_turns)
{
	struct epoll_event ev;
	int fds[3], seen[3] = {0};

	set_up();
	for (int i = 0; i < 3; i++) {
		fds[i] = MUST(eventfd(1, 0));
		add(fds[i], EPOLLIN);
	}
	for (int i = 0; i < 30; i++) {
		CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
		for (int k = 0; k < 3; k++)
			seen[k] += ev.data.fd == fds[k];
	}
	CHECK(seen[0] == 10 && seen[1] == 10 && seen[2] == 10);
}

static int total;

static void *worker(void *arg)
{
	struct epoll_event ev;

	while (epoll_wait(ep, &ev, 1, -1) == 1) {
		uint64_t v;

		if (ev.data.fd == *(int *)arg)
			return NULL;
		if (read(ev.data.fd, &v, 8) == 8)
			__atomic_add_fetch(&total, (int)v, __ATOMIC_SEQ_CST);
		ctl(EPOLL_CTL_MOD, ev.data.fd, EPOLLIN | EPOLLONESHOT);
	}
	return NULL;
}

TEST(oneshot_with_many_threads_loses_no_event)
{
	int stop = MUST(eventfd(0, 0)), fds[8];
	pthread_t thread[4];

	set_up();
	add(stop, EPOLLIN);
	for (int i = 0; i < 8; i++) {
		fds[i] = MUST(eventfd(0, EFD_NONBLOCK));
		add(fds[i], EPOLLIN | EPOLLONESHOT);
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, worker, &stop), 0);
	for (int i = 0; i < 800; i++)
		put(fds[i % 8], 1);
	while (__atomic_load_n(&total, __ATOMIC_SEQ_CST) < 800)
		usleep(500);
	put(stop, 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(total, 800);
}

static bool enough;

static void *poll_the_epoll(void *arg)
{
	struct pollfd p = {ep, POLLIN, 0};

	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		CHECK_EQ(poll(&p, 1, 0), 1);
	return NULL;
}

TEST(who_polls_an_epoll_hides_nothing_from_who_waits)
{
	struct epoll_event ev;
	pthread_t thread;

	set_up();
	add(MUST(eventfd(1, 0)), EPOLLIN);
	CHECK_EQ(pthread_create(&thread, NULL, poll_the_epoll, NULL), 0);
	for (int i = 0; i < 5000; i++)
		CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

#define FILES 40
#define NUMBERS 800 /* of descriptors, from 200 */

/*
 * The last close of `fd`, which removes all watches, takes no longer than making them did, but for
 * a stall of the machine.
 */
static bool closes_within(int fd, long long ms)
{
	long long start = t_now_ms();

	MUST(close(fd));
	return t_now_ms() - start < ms + 500;
}

/* The machine may be busy: up to three times. */
static bool once_in_three(bool (*fn)(void))
{
	return fn() || fn() || fn();
}

static bool epoll_is_closed_fast(void)
{
	int files[FILES];
	long long start;

	MUST((int)syscall(SYS_close_range, 3, 200 + NUMBERS, 0));
	set_up();
	for (int k = 0; k < FILES; k++)
		files[k] = MUST(eventfd(0, 0));
	start = t_now_ms();
	for (int n = 200; n < 200 + NUMBERS; n++)
		for (int k = 0; k < FILES; k++)
			add(MUST(dup2(files[k], n)), EPOLLIN);
	return closes_within(ep, t_now_ms() - start);
}

TEST(epoll_with_many_watches_is_closed_without_a_search)
{
	CHECK(once_in_three(epoll_is_closed_fast));
}

static bool file_is_closed_fast(void)
{
	int eps[FILES], fd = MUST(eventfd(0, 0));
	long long start;

	MUST((int)syscall(SYS_close_range, fd + 1, 200 + NUMBERS, 0));
	for (int k = 0; k < FILES; k++)
		eps[k] = MUST(epoll_create1(0));
	start = t_now_ms();
	for (int n = 200; n < 200 + NUMBERS; n++) {
		MUST(dup2(fd, n));
		for (int k = 0; k < FILES; k++) {
			ep = eps[k];
			add(n, EPOLLIN);
		}
	}
	MUST((int)syscall(SYS_close_range, 201, 200 + NUMBERS, 0));
	MUST(close(fd));
	return closes_within(200, t_now_ms() - start);
}

TEST(file_with_many_watches_is_closed_without_a_search)
{
	CHECK(once_in_three(file_is_closed_fast));
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(pwait_changes_the_mask_while_it_waits)
{
	struct epoll_event ev;
	sigset_t none;
	pid_t pid;

	set_up();
	t_handle(SIGUSR1, nothing);
	t_block(SIGUSR1);
	sigemptyset(&none);
	pid = SPAWN({
		CHECK_ERR(epoll_pwait(ep, &ev, 1, -1, &none), EINTR);
		sigset_t now;
		MUST(sigprocmask(SIG_BLOCK, NULL, &now));
		CHECK(sigismember(&now, SIGUSR1));
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(event_structure_is_packed)
{
	/* Twelve bytes each: the second must not be shifted. */
	struct epoll_event ev[2];
	int a = MUST(eventfd(1, 0)), b = MUST(eventfd(1, 0));

	CHECK_EQ(sizeof(struct epoll_event), 12);
	set_up();
	add(a, EPOLLIN);
	add(b, EPOLLIN);
	CHECK_EQ(epoll_wait(ep, ev, 2, 0), 2);
	CHECK_EQ(ev[0].data.fd + ev[1].data.fd, a + b);
	CHECK(ev[0].events == EPOLLIN && ev[1].events == EPOLLIN);
}
