/*
 * AF_UNIX datagram sockets.
 * test: quick=no
 */
#include "t.h"

#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, path);
	return a;
}

static int bound(const char *path)
{
	struct sockaddr_un a = address(path);
	int fd = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));

	MUST(bind(fd, (void *)&a, sizeof(a)));
	return fd;
}

TEST(messages_keep_their_borders)
{
	char buf[16] = "";
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	CHECK_EQ(send(sp[0], "first", 5, 0), 5);
	CHECK_EQ(send(sp[0], "", 0, 0), 0);
	CHECK_EQ(send(sp[0], "third", 5, 0), 5);
	CHECK_EQ(recv(sp[1], buf, 16, 0), 5);
	CHECK_EQ(recv(sp[1], buf, 16, 0), 0);
	CHECK_EQ(recv(sp[1], buf, 2, 0), 2); /* the rest is dropped */
	CHECK_ERR(recv(sp[1], buf, 16, MSG_DONTWAIT), EAGAIN);
}

TEST(truncation_is_told)
{
	char buf[3];
	struct iovec iov = {buf, 3};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	CHECK_EQ(send(sp[0], "abcdef", 6, 0), 6);
	CHECK_EQ(send(sp[0], "abcdef", 6, 0), 6);
	CHECK_EQ(recvmsg(sp[1], &m, 0), 3);
	CHECK_EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	CHECK_EQ(recv(sp[1], buf, 3, MSG_TRUNC), 6);
}

TEST(sendto_and_recvfrom_by_path)
{
	struct sockaddr_un a = address("b"), from;
	socklen_t len = sizeof(from);
	char buf[8] = "";
	int x, y;

	t_cd_tmpdir();
	x = bound("a");
	y = bound("b");
	CHECK_EQ(sendto(x, "hello", 5, 0, (void *)&a, sizeof(a)), 5);
	CHECK_EQ(recvfrom(y, buf, 8, 0, (void *)&from, &len), 5);
	CHECK_STR(buf, "hello");
	CHECK_STR(from.sun_path, "a");
	CHECK_EQ(sendto(y, "back", 4, 0, (void *)&from, len), 4);
	CHECK_EQ(recv(x, buf, 8, 0), 4);
}

TEST(connected_socket_talks_to_its_peer_only)
{
	struct sockaddr_un a = address("a"), c = address("c");
	int x, y, z;
	char buf[8];

	t_cd_tmpdir();
	x = bound("a");
	y = bound("b");
	z = bound("c");
	MUST(connect(y, (void *)&a, sizeof(a)));
	CHECK_EQ(send(y, "to a", 4, 0), 4);
	CHECK_EQ(recv(x, buf, 8, 0), 4);
	MUST(connect(x, (void *)&c, sizeof(c)));
	/* a is connected to c, so b may not send to it any more. */
	CHECK_ERR(send(y, "x", 1, 0), EPERM);
	MUST(connect(y, (void *)&c, sizeof(c)));
	CHECK_EQ(send(y, "to c", 4, 0), 4);
	CHECK_EQ(recv(z, buf, 8, 0), 4);
}

TEST(errors_of_datagram_sockets)
{
	struct sockaddr_un a = address("missing");
	int fd = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), other;

	t_cd_tmpdir();
	CHECK_ERR(sendto(fd, "x", 1, 0, (void *)&a, sizeof(a)), ENOENT);
	CHECK_ERR(send(fd, "x", 1, 0), ENOTCONN);
	other = bound("gone");
	MUST(close(other));
	a = address("gone");
	CHECK_ERR(sendto(fd, "x", 1, 0, (void *)&a, sizeof(a)), ECONNREFUSED);
	CHECK_ERR(listen(fd, 1), EOPNOTSUPP);
	CHECK_ERR(accept(fd, NULL, NULL), EOPNOTSUPP);
}

TEST(peer_that_closes_refuses_the_connection)
{
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	MUST(close(sp[1]));
	CHECK_ERR(send(sp[0], "x", 1, 0), ECONNREFUSED);
}

TEST(queue_is_limited)
{
	struct sockaddr_un a = address("a");
	int fd, out, n = 0;

	t_cd_tmpdir();
	fd = bound("a");
	out = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	while (n < 100000 && sendto(out, "x", 1, 0, (void *)&a, sizeof(a)) == 1)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n >= 1);
	CHECK(recv(fd, &n, 1, 0) == 1);
	CHECK_EQ(sendto(out, "x", 1, 0, (void *)&a, sizeof(a)), 1);
}

TEST(blocked_sender_is_woken_by_the_receiver)
{
	int sp[2];
	char c;
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	while (send(sp[0], "x", 1, MSG_DONTWAIT) == 1)
		;
	pid = SPAWN(CHECK_EQ(send(sp[0], "y", 1, 0), 1));
	t_wait_state(pid, 'S');
	while (recv(sp[1], &c, 1, MSG_DONTWAIT) == 1)
		;
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(too_large_message_is_emsgsize)
{
	int sp[2];
	char *big = calloc(1, 16 << 20);

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	CHECK_ERR(send(sp[0], big, 16 << 20, 0), EMSGSIZE);
	CHECK_EQ(send(sp[0], big, 60000, 0), 60000);
}

TEST(peek_leaves_the_message)
{
	char buf[8] = "";
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	CHECK_EQ(send(sp[0], "abc", 3, 0), 3);
	CHECK_EQ(recv(sp[1], buf, 8, MSG_PEEK), 3);
	CHECK_EQ(recv(sp[1], buf, 8, 0), 3);
	CHECK_STR(buf, "abc");
}

TEST(poll_follows_the_queue)
{
	struct pollfd p;
	char c;
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	p = (struct pollfd){sp[1], POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	CHECK_EQ(send(sp[0], "x", 1, 0), 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
	CHECK_EQ(recv(sp[1], &c, 1, 0), 1);
}

/* Who was refused is told of room by an edge, though other senders' messages filled the queue. */
TEST(refused_sender_is_told_of_room)
{
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
	struct sockaddr_un a = address("r");
	int r, x, y, ep = MUST(epoll_create1(0));
	char c;

	t_cd_tmpdir();
	r = bound("r");
	x = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	y = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	MUST(connect(x, (void *)&a, sizeof(a)));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, x, &ev));
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	while (sendto(y, "y", 1, 0, (void *)&a, sizeof(a)) == 1)
		;
	CHECK_ERR(send(x, "x", 1, 0), EAGAIN);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	CHECK_EQ(recv(r, &c, 1, 0), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 10000), 1);
	CHECK_EQ(ev.events, EPOLLOUT);
	CHECK_EQ(send(x, "x", 1, 0), 1);
}

TEST(several_messages_in_one_call)
{
	struct mmsghdr m[3];
	struct iovec iov[3];
	char buf[3][8];
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	memset(m, 0, sizeof(m));
	for (int i = 0; i < 3; i++) {
		buf[i][0] = (char)('a' + i);
		iov[i] = (struct iovec){buf[i], 1};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	CHECK_EQ(sendmmsg(sp[0], m, 3, 0), 3);
	memset(buf, 0, sizeof(buf));
	CHECK_EQ(recvmmsg(sp[1], m, 3, 0, NULL), 3);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(m[i].msg_len, 1);
		CHECK_EQ(buf[i][0], 'a' + i);
	}
}

/*
 * A call that receives very many shares its CPU with others. The same message and a small piece of
 * memory do for all.
 */
TEST(receiver_of_very_many_messages_lets_others_run)
{
	enum { PIECE = 1 << 21, PIECES = 4 };
	struct turns {
		bool begun, ended;
	} *t = t_shared(sizeof(*t));
	int sp[2], n = 0, mem = MUST(memfd_create("messages", 0));
	char *m = MUST(mmap(NULL, PIECES * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	pid_t pid;

	MUST(ftruncate(mem, PIECE));
	for (int i = 0; i < PIECES; i++)
		MUST(mmap(m + i * PIECE, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mem,
			  0));
	t_use_one_cpu();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	CHECK_EQ(send(sp[1], "", 0, 0), 0);
	pid = SPAWN({
		__atomic_store_n(&t->begun, true, __ATOMIC_SEQ_CST);
		CHECK_EQ(recvmmsg(sp[0], (void *)m, PIECES * PIECE / sizeof(struct mmsghdr),
				  MSG_PEEK, NULL),
			 PIECES * PIECE / sizeof(struct mmsghdr));
		__atomic_store_n(&t->ended, true, __ATOMIC_SEQ_CST);
	});
	while (!__atomic_load_n(&t->ended, __ATOMIC_SEQ_CST)) {
		n += __atomic_load_n(&t->begun, __ATOMIC_SEQ_CST);
		sched_yield();
	}
	CHECK_EXITED(t_wait(pid), 0);
	CHECK(n > 1);
}

/* CPU time of the thread. */
static long long cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

struct search {
	unsigned int from; /* names of the kind that the kernel gives are taken from this one on */
	bool begun, ended;
	long long ms;
	int turns; /* that others had meanwhile */
};

static void bind_taking(int fd, unsigned int nr)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path + 1, 6, "%05x", nr & 0xfffff);
	CHECK(bind(fd, (void *)&a, sizeof(a.sun_family) + 6) == 0 || errno == EADDRINUSE);
}

static void search_for_a_name(struct search *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(a);
	int fd;
	pid_t pid;

	for (unsigned int i = 0; i < 19900; i++)
		bind_taking(MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), s->from + i);
	t_use_one_cpu();
	fd = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	pid = SPAWN({
		s->ms = -cpu_ms();
		__atomic_store_n(&s->begun, true, __ATOMIC_SEQ_CST);
		MUST(bind(fd, (void *)&a, sizeof(a.sun_family)));
		s->ms += cpu_ms();
		__atomic_store_n(&s->ended, true, __ATOMIC_SEQ_CST);
	});
	while (!__atomic_load_n(&s->ended, __ATOMIC_SEQ_CST)) {
		s->turns += __atomic_load_n(&s->begun, __ATOMIC_SEQ_CST);
		sched_yield();
	}
	CHECK_EXITED(t_wait(pid), 0);
	/* The next search goes on there. */
	MUST(getsockname(fd, (void *)&a, &len));
	CHECK(sscanf(a.sun_path + 1, "%5x", &s->from) == 1);
	s->from++;
}

/*
 * Linux begins anywhere, and so seldom has to search. A host that takes the core away makes a turn
 * look long, but not each time.
 */
TEST(search_for_an_automatic_name_lets_others_run)
{
	const struct rlimit lim = {20000, 20000};
	struct search *s = t_shared(sizeof(*s));
	bool right = false;

	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		SKIP("not so many files");
	for (int i = 0; i < 10 && !right; i++) {
		*s = (struct search){.from = s->from};
		/* Its names are free again when it has ended. */
		CHECK_EXITED(IN_CHILD(search_for_a_name(s)), 0);
		right = s->turns > 2 || s->ms < 10;
	}
	CHECK(right);
}

TEST(peer_that_leaves_is_an_error_if_messages_are_lost)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(int);
	int sp[2], err;

	for (int lost = 0; lost < 2; lost++) {
		MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
		CHECK_EQ(send(sp[1], "x", 1, 0), 1); /* stays */
		if (lost)
			CHECK_EQ(send(sp[0], "x", 1, 0), 1);
		MUST(connect(sp[1], &none, sizeof(none)));
		MUST(getsockopt(sp[0], SOL_SOCKET, SO_ERROR, &err, &len));
		EXPECT_EQ(err, lost ? ECONNRESET : 0);
	}
}

/* The last reference to a file that an epoll instance watches goes with the message. */
TEST(watched_file_goes_with_a_lost_message)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct epoll_event ev = {.events = EPOLLIN};
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	int sp[2], ep = MUST(epoll_create1(0)), e = MUST(eventfd(1, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
	*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &e, sizeof(e));
	CHECK_EQ(sendmsg(sp[1], &m, 0), 1);
	MUST(close(e));
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	MUST(connect(sp[0], &none, sizeof(none)));
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
}
