/* An epoll in an epoll, and in poll and select. */
#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

static void add(int ep, int fd, unsigned int events)
{
	struct epoll_event ev = {.events = events};

	ev.data.fd = fd;
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

static void put(int fd)
{
	uint64_t v = 1;

	CHECK(write(fd, &v, 8) == 8);
}

static void take(int fd)
{
	uint64_t v;

	CHECK(read(fd, &v, 8) == 8);
}

TEST(inner_event_makes_the_outer_ready)
{
	int in = MUST(epoll_create1(0)), out = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));
	struct epoll_event ev;

	add(in, fd, EPOLLIN);
	add(out, in, EPOLLIN);
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 0);
	put(fd);
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 1);
	CHECK_EQ(ev.data.fd, in);
	CHECK_EQ(ev.events, EPOLLIN);
	CHECK_EQ(epoll_wait(in, &ev, 1, 0), 1);
	CHECK_EQ(ev.data.fd, fd);
	take(fd);
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 0);
}

TEST(waiter_of_the_outer_is_woken)
{
	int in = MUST(epoll_create1(0)), out = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));
	pid_t pid;

	add(in, fd, EPOLLIN);
	add(out, in, EPOLLIN);
	pid = SPAWN({
		struct epoll_event ev;
		CHECK_EQ(epoll_wait(out, &ev, 1, -1), 1);
	});
	t_wait_state(pid, 'S');
	put(fd);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(edge_triggered_outer_reports_once)
{
	int in = MUST(epoll_create1(0)), out = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));
	struct epoll_event ev;

	add(in, fd, EPOLLIN);
	add(out, in, EPOLLIN | EPOLLET);
	put(fd);
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 1);
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 0);
}

TEST(loops_and_deep_chains_are_eloop)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep[8];

	for (int i = 0; i < 8; i++)
		ep[i] = MUST(epoll_create1(0));
	add(ep[0], ep[1], EPOLLIN);
	CHECK_ERR(epoll_ctl(ep[1], EPOLL_CTL_ADD, ep[0], &ev), ELOOP);
	for (int i = 1; i < 4; i++)
		add(ep[i], ep[i + 1], EPOLLIN);
	CHECK_ERR(epoll_ctl(ep[4], EPOLL_CTL_ADD, ep[5], &ev), ELOOP);
	CHECK_ERR(epoll_ctl(ep[4], EPOLL_CTL_ADD, ep[0], &ev), ELOOP);
}

TEST(event_goes_up_a_chain_of_four)
{
	int ep[4], fd = MUST(eventfd(0, 0));
	struct epoll_event ev;

	for (int i = 0; i < 4; i++)
		ep[i] = MUST(epoll_create1(0));
	for (int i = 0; i < 3; i++)
		add(ep[i], ep[i + 1], EPOLLIN);
	add(ep[3], fd, EPOLLIN);
	CHECK_EQ(epoll_wait(ep[0], &ev, 1, 0), 0);
	put(fd);
	CHECK_EQ(epoll_wait(ep[0], &ev, 1, 0), 1);
}

TEST(epoll_can_be_polled_and_selected)
{
	int ep = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));
	struct pollfd p = {ep, POLLIN, 0};
	struct timeval tv = {0, 0};
	fd_set set;

	add(ep, fd, EPOLLIN);
	CHECK_EQ(poll(&p, 1, 0), 0);
	put(fd);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	FD_ZERO(&set);
	FD_SET(ep, &set);
	CHECK_EQ(select(ep + 1, &set, NULL, NULL, &tv), 1);
}

TEST(closed_inner_disappears_from_the_outer)
{
	int in = MUST(epoll_create1(0)), out = MUST(epoll_create1(0)), fd = MUST(eventfd(1, 0));
	struct epoll_event ev;

	add(in, fd, EPOLLIN);
	add(out, in, EPOLLIN);
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 1);
	MUST(close(in));
	CHECK_EQ(epoll_wait(out, &ev, 1, 0), 0);
}

TEST(one_descriptor_in_two_epolls)
{
	int a = MUST(epoll_create1(0)), b = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));
	struct epoll_event ev;

	add(a, fd, EPOLLIN | EPOLLET);
	add(b, fd, EPOLLIN | EPOLLET);
	put(fd);
	CHECK_EQ(epoll_wait(a, &ev, 1, 0), 1);
	CHECK_EQ(epoll_wait(b, &ev, 1, 0), 1);
}

static int inner;
static bool enough;

static void *wait_for_the_inner(void *arg)
{
	struct epoll_event ev;

	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		CHECK_EQ(epoll_wait(inner, &ev, 1, -1), 1);
	return NULL;
}

TEST(who_waits_for_the_inner_hides_nothing_from_who_waits_for_the_outer)
{
	int out = MUST(epoll_create1(0));
	struct epoll_event ev;
	pthread_t thread;

	inner = MUST(epoll_create1(0));
	add(inner, MUST(eventfd(1, 0)), EPOLLIN);
	add(out, inner, EPOLLIN);
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_the_inner, NULL), 0);
	for (int i = 0; i < 5000; i++)
		CHECK_EQ(epoll_wait(out, &ev, 1, -1), 1);
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}
