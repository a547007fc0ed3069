/*
 * AF_UNIX stream and seqpacket sockets.
 * test: cpus=1,2,2s,4,4m
 */
#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int sp[2];

static void pair(int type)
{
	MUST(socketpair(AF_UNIX, type, 0, sp));
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, path);
	return a;
}

static int listen_at(const char *path, int type)
{
	struct sockaddr_un a = address(path);
	int fd = MUST(socket(AF_UNIX, type, 0));

	MUST(bind(fd, (void *)&a, sizeof(a)));
	MUST(listen(fd, 5));
	return fd;
}

static int try_connect(const char *path, int type)
{
	struct sockaddr_un a = address(path);
	int fd = MUST(socket(AF_UNIX, type, 0)), r = connect(fd, (void *)&a, sizeof(a)), e = errno;

	if (r == 0)
		return fd;
	close(fd);
	errno = e;
	return -1;
}

TEST(stream_joins_and_splits_writes)
{
	char buf[16] = "";

	pair(SOCK_STREAM);
	CHECK_EQ(write(sp[0], "abc", 3), 3);
	CHECK_EQ(write(sp[0], "def", 3), 3);
	CHECK_EQ(read(sp[1], buf, 4), 4);
	CHECK_STR(buf, "abcd");
	CHECK_EQ(read(sp[1], buf, 16), 2);
	CHECK_EQ(write(sp[1], "back", 4), 4);
	CHECK_EQ(read(sp[0], buf, 16), 4);
}

TEST(seqpacket_keeps_messages_apart)
{
	char buf[16] = "";

	pair(SOCK_SEQPACKET);
	CHECK_EQ(send(sp[0], "abcdef", 6, 0), 6);
	CHECK_EQ(send(sp[0], "gh", 2, 0), 2);
	CHECK_EQ(recv(sp[1], buf, 3, 0), 3);
	CHECK_EQ(recv(sp[1], buf, 16, 0), 2);
	CHECK(!memcmp(buf, "gh", 2));
	MUST(close(sp[0]));
	CHECK_EQ(recv(sp[1], buf, 16, 0), 0);
}

TEST(end_of_file_after_close_or_shutdown)
{
	char c;

	pair(SOCK_STREAM);
	CHECK_EQ(write(sp[0], "x", 1), 1);
	MUST(shutdown(sp[0], SHUT_WR));
	CHECK_EQ(read(sp[1], &c, 1), 1);
	CHECK_EQ(read(sp[1], &c, 1), 0);
	CHECK_EQ(write(sp[1], "y", 1), 1); /* the other direction still works */
	CHECK_EQ(read(sp[0], &c, 1), 1);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(sp[0], "z", 1), EPIPE);
	MUST(close(sp[0]));
	CHECK_ERR(write(sp[1], "z", 1), EPIPE);
}

TEST(shutdown_of_reading)
{
	char c;

	pair(SOCK_STREAM);
	MUST(shutdown(sp[0], SHUT_RD));
	CHECK_EQ(read(sp[0], &c, 1), 0);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(sp[1], "x", 1), EPIPE);
}

TEST(write_to_a_closed_peer_raises_sigpipe_unless_told_not_to)
{
	pair(SOCK_STREAM);
	MUST(close(sp[1]));
	CHECK_ERR(send(sp[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_KILLED(IN_CHILD(_exit(write(sp[0], "x", 1) < 0)), SIGPIPE);
}

TEST(unread_data_at_close_is_a_reset)
{
	char c;

	pair(SOCK_STREAM);
	CHECK_EQ(write(sp[0], "x", 1), 1);
	MUST(close(sp[1]));
	CHECK_ERR(read(sp[0], &c, 1), ECONNRESET);
	CHECK_EQ(read(sp[0], &c, 1), 0);
}

TEST(connection_through_a_path)
{
	struct stat st;
	char buf[8] = "";
	int l, c, s;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	MUST(stat("sock", &st));
	CHECK(S_ISSOCK(st.st_mode));
	c = MUST(try_connect("sock", SOCK_STREAM));
	s = MUST(accept(l, NULL, NULL));
	CHECK_EQ(write(c, "hello", 5), 5);
	CHECK_EQ(read(s, buf, 8), 5);
	CHECK_STR(buf, "hello");
	CHECK_EQ(write(s, "hi", 2), 2);
	CHECK_EQ(read(c, buf, 8), 2);
}

TEST(connection_errors)
{
	struct sockaddr_un a;
	int l, fd;

	t_cd_tmpdir();
	CHECK_ERR(try_connect("missing", SOCK_STREAM), ENOENT);
	t_write_file("file", "");
	CHECK_ERR(try_connect("file", SOCK_STREAM), ECONNREFUSED);
	l = listen_at("sock", SOCK_STREAM);
	CHECK_ERR(try_connect("sock", SOCK_DGRAM), EPROTOTYPE);
	MUST(close(l));
	CHECK_ERR(try_connect("sock", SOCK_STREAM), ECONNREFUSED);
	fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	a = address("sock");
	CHECK_ERR(bind(fd, (void *)&a, sizeof(a)), EADDRINUSE);
	CHECK_ERR(accept(fd, NULL, NULL), EINVAL);
	CHECK_ERR(listen(fd, 1), EINVAL);
	CHECK_ERR(send(fd, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	a = address("missing/sock");
	CHECK_ERR(bind(fd, (void *)&a, sizeof(a)), ENOENT);
	a.sun_family = 77;
	CHECK_ERR(bind(fd, (void *)&a, sizeof(a)), EINVAL);
}

TEST(abstract_names_need_no_file)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int len, l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)),
		 c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	socklen_t size;

	len = snprintf(a.sun_path + 1, 64, "guest-test-%d", getpid());
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
	MUST(bind(l, (void *)&a, size));
	MUST(listen(l, 1));
	MUST(connect(c, (void *)&a, size));
	MUST(accept(l, NULL, NULL));
	/* Its length counts: the same text with one zero more is another name. */
	c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_ERR(connect(c, (void *)&a, size + 1), ECONNREFUSED);
	CHECK_ERR(bind(c, (void *)&a, size), EADDRINUSE);
	MUST(close(l));
	MUST(bind(c, (void *)&a, size));
}

TEST(autobind_gives_an_abstract_name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(a);
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	MUST(bind(fd, (void *)&a, sizeof(sa_family_t)));
	MUST(getsockname(fd, (void *)&a, &len));
	CHECK_EQ(len, sizeof(sa_family_t) + 6);
	CHECK_EQ(a.sun_path[0], 0);
}

TEST(names_of_both_sides)
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	int l, c, s;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	c = MUST(try_connect("sock", SOCK_STREAM));
	s = MUST(accept(l, (void *)&a, &len));
	CHECK_EQ(len, sizeof(sa_family_t)); /* the client has no name */
	len = sizeof(a);
	MUST(getpeername(c, (void *)&a, &len));
	CHECK_STR(a.sun_path, "sock");
	CHECK_EQ(len, sizeof(sa_family_t) + 5);
	len = sizeof(a);
	MUST(getsockname(s, (void *)&a, &len));
	CHECK_STR(a.sun_path, "sock");
	len = 4; /* cut, but the full length is told */
	MUST(getsockname(s, (void *)&a, &len));
	CHECK_EQ(len, sizeof(sa_family_t) + 5);
	len = sizeof(a);
	CHECK_ERR(getpeername(l, (void *)&a, &len), ENOTCONN);
}

TEST(accept_waits_and_connect_wakes)
{
	pid_t pid;
	int l;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	pid = SPAWN({
		char c;
		int s = MUST(accept(l, NULL, NULL));
		CHECK_EQ(read(s, &c, 1), 1);
	});
	t_wait_state(pid, 'S');
	CHECK_EQ(write(MUST(try_connect("sock", SOCK_STREAM)), "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(backlog_is_limited)
{
	struct sockaddr_un a = address("sock");
	int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), c;
	pid_t pid;

	t_cd_tmpdir();
	MUST(bind(l, (void *)&a, sizeof(a)));
	MUST(listen(l, 1));
	MUST(try_connect("sock", SOCK_STREAM));
	MUST(try_connect("sock", SOCK_STREAM));
	c = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	CHECK_ERR(connect(c, (void *)&a, sizeof(a)), EAGAIN);
	pid = SPAWN(MUST(try_connect("sock", SOCK_STREAM)));
	t_wait_state(pid, 'S');
	MUST(accept(l, NULL, NULL)); /* room for one more */
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(accept4_sets_flags)
{
	int l, s;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	MUST(try_connect("sock", SOCK_STREAM));
	s = MUST(accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(s, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	MUST(fcntl(l, F_SETFL, O_NONBLOCK));
	CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
	CHECK_ERR(accept4(l, NULL, NULL, 1), EINVAL);
	CHECK_ERR(accept4(0, NULL, NULL, 1), EINVAL); /* not even a socket */
	CHECK_ERR(accept4(0, NULL, NULL, 0), ENOTSOCK);
	CHECK_ERR(accept4(-1, NULL, NULL, 1), EBADF);
}

TEST(nonblocking_send_and_receive)
{
	char buf[4096] = "", c;

	pair(SOCK_STREAM | SOCK_NONBLOCK);
	CHECK_ERR(read(sp[0], &c, 1), EAGAIN);
	while (write(sp[0], buf, sizeof(buf)) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	pair(SOCK_STREAM);
	CHECK_ERR(recv(sp[0], &c, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(blocked_sender_goes_on_when_there_is_room)
{
	size_t n = 1 << 20, got = 0;
	char *data = calloc(1, n), buf[9973];
	pid_t pid;

	pair(SOCK_STREAM);
	pid = SPAWN({
		for (size_t i = 0; i < n; i++)
			data[i] = (char)(i % 127);
		CHECK_EQ(write(sp[0], data, n), (ssize_t)n);
	});
	MUST(close(sp[0]));
	for (ssize_t r; (r = read(sp[1], buf, sizeof(buf))) > 0; got += (size_t)r)
		for (ssize_t i = 0; i < r; i++)
			CHECK_EQ(buf[i], (char)((got + (size_t)i) % 127));
	CHECK_EQ(got, n);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(peek_leaves_the_data)
{
	char buf[8] = "";

	pair(SOCK_STREAM);
	CHECK_EQ(write(sp[0], "abc", 3), 3);
	CHECK_EQ(recv(sp[1], buf, 2, MSG_PEEK), 2);
	CHECK_EQ(recv(sp[1], buf, 8, MSG_PEEK), 3);
	CHECK_EQ(recv(sp[1], buf, 8, 0), 3);
	CHECK_STR(buf, "abc");
}

TEST(waitall_waits_for_everything)
{
	pid_t pid;

	pair(SOCK_STREAM);
	pid = SPAWN({
		char buf[6];
		CHECK_EQ(recv(sp[1], buf, 6, MSG_WAITALL), 6);
	});
	CHECK_EQ(write(sp[0], "abc", 3), 3);
	t_wait_state(pid, 'S');
	CHECK_EQ(write(sp[0], "def", 3), 3);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(receive_timeout)
{
	struct timeval tv = {0, 20000};
	socklen_t len = sizeof(tv);
	long long start = t_now_ms();
	char c;

	pair(SOCK_STREAM);
	MUST(setsockopt(sp[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	CHECK_ERR(read(sp[0], &c, 1), EAGAIN);
	CHECK(t_now_ms() - start >= 19);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 20000);
}

TEST(poll_of_a_connection_and_of_a_listener)
{
	struct pollfd p;
	int l, c, s;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	p = (struct pollfd){l, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	c = MUST(try_connect("sock", SOCK_STREAM));
	CHECK_EQ(poll(&p, 1, 0), 1);
	s = MUST(accept(l, NULL, NULL));
	p = (struct pollfd){s, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	MUST(close(c));
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT | POLLHUP);
}

TEST(socket_options_tell_type_and_state)
{
	int v, l;
	socklen_t len = sizeof(v);

	pair(SOCK_SEQPACKET);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_TYPE, &v, &len));
	CHECK_EQ(v, SOCK_SEQPACKET);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_DOMAIN, &v, &len));
	CHECK_EQ(v, AF_UNIX);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_ERROR, &v, &len));
	CHECK_EQ(v, 0);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
	CHECK_EQ(v, 0);
	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	MUST(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
	CHECK_EQ(v, 1);
}

TEST(fionread_counts_what_is_there)
{
	int n = -1;

	pair(SOCK_STREAM);
	CHECK_EQ(write(sp[0], "12345", 5), 5);
	MUST(ioctl(sp[1], FIONREAD, &n));
	CHECK_EQ(n, 5);
	MUST(ioctl(sp[0], FIONREAD, &n));
	CHECK_EQ(n, 0);
}

TEST(vectors_through_a_socket)
{
	struct iovec out[2] = {{"one", 3}, {"two", 3}};
	char a[4] = "", b[8] = "";
	struct iovec in[2] = {{a, 3}, {b, 8}};
	struct msghdr m = {.msg_iov = out, .msg_iovlen = 2};

	pair(SOCK_STREAM);
	CHECK_EQ(sendmsg(sp[0], &m, 0), 6);
	m.msg_iov = in;
	CHECK_EQ(recvmsg(sp[1], &m, 0), 6);
	CHECK_STR(a, "one");
	CHECK_STR(b, "two");
	CHECK_EQ(m.msg_flags, 0);
}

/* The second message would have room. */
TEST(message_sent_in_part_is_the_last_of_its_call)
{
	enum { GOOD = 192 << 10 };
	char *buf = MUST(mmap(NULL, GOOD + 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct iovec iov[2] = {{buf, GOOD + 1}, {"x", 1}};
	struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
			       {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};

	pair(SOCK_STREAM | SOCK_NONBLOCK);
	MUST(munmap(buf + GOOD, 4096));
	CHECK_EQ(sendmmsg(sp[0], m, 2, 0), 1);
	CHECK(m[0].msg_len > 0 && m[0].msg_len <= GOOD);
	CHECK_EQ(send(sp[0], "x", 1, 0), 1);
}

TEST(path_permissions_are_checked)
{
	t_cd_tmpdir();
	listen_at("sock", SOCK_STREAM);
	MUST(chmod("sock", 0444));
	t_become_ordinary();
	CHECK_ERR(try_connect("sock", SOCK_STREAM), EACCES);
}

TEST(connection_goes_on_after_the_path_is_removed)
{
	int l, c, s;
	char x;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	c = MUST(try_connect("sock", SOCK_STREAM));
	MUST(unlink("sock"));
	s = MUST(accept(l, NULL, NULL));
	CHECK_EQ(write(c, "x", 1), 1);
	CHECK_EQ(read(s, &x, 1), 1);
	CHECK_ERR(try_connect("sock", SOCK_STREAM), ENOENT);
}

struct binder {
	int *ready; /* both begin when it is 2 */
	int fd;
	const char *path;
	int err;
};

static void *bind_once(void *arg)
{
	struct binder *b = arg;
	struct sockaddr_un a = address(b->path);

	__atomic_fetch_add(b->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(b->ready, __ATOMIC_SEQ_CST) < 2)
		;
	b->err = bind(b->fd, (void *)&a, sizeof(a)) ? errno : 0;
	return NULL;
}

TEST(loser_of_two_binds_leaves_no_name)
{
	int ready;
	struct binder b[2] = {{&ready, .path = "x/sock"}, {&ready, .path = "y/sock"}};
	pthread_t t;

	t_cd_tmpdir();
	MUST(mkdir("x", 0755));
	MUST(mkdir("y", 0755));
	for (int i = 0; i < 200; i++) {
		b[0].fd = b[1].fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
		ready = 0;
		CHECK_EQ(pthread_create(&t, NULL, bind_once, &b[0]), 0);
		bind_once(&b[1]);
		CHECK_EQ(pthread_join(t, NULL), 0);
		CHECK_EQ(b[0].err + b[1].err, EINVAL);
		CHECK_ERR(access(b[b[0].err == 0].path, F_OK), ENOENT);
		MUST(unlink(b[b[0].err != 0].path));
		MUST(close(b[0].fd));
	}
}

TEST(hundred_clients)
{
	int l, sum = 0;
	pid_t pid;

	t_cd_tmpdir();
	l = listen_at("sock", SOCK_STREAM);
	pid = SPAWN(for (int i = 0; i < 100; i++) {
		unsigned char c = (unsigned char)i;
		int fd = MUST(try_connect("sock", SOCK_STREAM));
		CHECK_EQ(write(fd, &c, 1), 1);
		MUST(close(fd));
	});
	for (int i = 0; i < 100; i++) {
		unsigned char c;
		int s = MUST(accept(l, NULL, NULL));

		CHECK_EQ(read(s, &c, 1), 1);
		sum += c;
		MUST(close(s));
	}
	CHECK_EQ(sum, 99 * 100 / 2);
	CHECK_EXITED(t_wait(pid), 0);
}
