/* Socket options and message flags of AF_UNIX sockets. */
#include "t.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int sp[2];

static int get(int fd, int opt)
{
	int v = -1;
	socklen_t len = sizeof(v);

	MUST(getsockopt(fd, SOL_SOCKET, opt, &v, &len));
	CHECK_EQ(len, sizeof(v));
	return v;
}

static void set(int fd, int opt, int v)
{
	MUST(setsockopt(fd, SOL_SOCKET, opt, &v, sizeof(v)));
}

TEST(buffer_sizes_are_doubled)
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	set(sp[0], SO_SNDBUF, 20000);
	CHECK_EQ(get(sp[0], SO_SNDBUF), 40000);
	set(sp[0], SO_RCVBUF, 30000);
	CHECK_EQ(get(sp[0], SO_RCVBUF), 60000);
	set(sp[0], SO_SNDBUF, 1); /* not below the least */
	CHECK(get(sp[0], SO_SNDBUF) >= 2048);
}

TEST(negative_buffer_size_is_the_largest)
{
	static const int opts[] = {SO_SNDBUF, SO_RCVBUF};
	int largest;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	for (int i = 0; i < 2; i++) {
		set(sp[0], opts[i], INT_MAX);
		largest = get(sp[0], opts[i]);
		set(sp[0], opts[i], 5000);
		set(sp[0], opts[i], -1);
		EXPECT_EQ(get(sp[0], opts[i]), largest);
	}
}

TEST(small_send_buffer_limits_what_is_queued)
{
	static char buf[4096];
	ssize_t total = 0, n;

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sp));
	set(sp[0], SO_SNDBUF, 10000);
	while ((n = write(sp[0], buf, sizeof(buf))) > 0)
		total += n;
	CHECK_EQ(errno, EAGAIN);
	CHECK(total >= 1000 && total <= 40000);
}

TEST(boolean_options_are_kept)
{
	static const int opts[] = {SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST,
				   SO_PASSCRED,	 SO_OOBINLINE, SO_TIMESTAMP};

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	for (size_t i = 0; i < sizeof(opts) / sizeof(*opts); i++) {
		EXPECT_EQ(get(sp[0], opts[i]), 0);
		set(sp[0], opts[i], 1);
		EXPECT_EQ(get(sp[0], opts[i]), 1);
	}
}

TEST(of_two_kinds_of_timestamps_the_last_one_set_holds)
{
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	set(sp[0], SO_TIMESTAMP, 1);
	set(sp[0], SO_TIMESTAMPNS, 1);
	CHECK_EQ(get(sp[0], SO_TIMESTAMP), 0);
	CHECK_EQ(get(sp[0], SO_TIMESTAMPNS), 1);
	set(sp[0], SO_TIMESTAMP, 0); /* switches off both */
	CHECK_EQ(get(sp[0], SO_TIMESTAMPNS), 0);
}

TEST(linger_and_timeouts_are_kept)
{
	struct linger l = {1, 5};
	struct timeval tv = {3, 500000};
	socklen_t len = sizeof(l);

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	MUST(setsockopt(sp[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	l = (struct linger){0, 0};
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_LINGER, &l, &len));
	CHECK(l.l_onoff == 1 && l.l_linger == 5);
	MUST(setsockopt(sp[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	tv = (struct timeval){0, 0};
	len = sizeof(tv);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_SNDTIMEO, &tv, &len));
	CHECK(tv.tv_sec == 3 && tv.tv_usec == 500000);
	tv = (struct timeval){0, 1000000};
	CHECK_ERR(setsockopt(sp[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), EDOM);
}

TEST(send_timeout)
{
	static char buf[65536];
	struct timeval tv = {0, 20000};
	long long start;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	while (send(sp[0], buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	while (send(sp[0], buf, 1, MSG_DONTWAIT) > 0)
		;
	MUST(setsockopt(sp[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	start = t_now_ms();
	CHECK_ERR(write(sp[0], buf, sizeof(buf)), EAGAIN);
	CHECK(t_now_ms() - start >= 19);
}

TEST(option_values_are_cut_to_the_room)
{
	char v[4] = {9, 9, 9, 9};
	socklen_t len = 1;

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sp));
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_TYPE, v, &len));
	CHECK(len == 1 && v[0] == SOCK_DGRAM && v[1] == 9);
	len = 100;
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_TYPE, v, &len));
	CHECK_EQ(len, 4);
}

TEST(options_of_other_levels_are_refused)
{
	int v = 1;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	CHECK(setsockopt(sp[0], 6 /* TCP */, 1, &v, sizeof(v)) == -1);
	CHECK_EQ(errno, EOPNOTSUPP);
	socklen_t len = sizeof(v);
	CHECK_ERR(getsockopt(sp[0], 6, 1, &v, &len), EOPNOTSUPP);
}

TEST(read_only_options_cannot_be_set)
{
	int v = 1;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	CHECK_ERR(setsockopt(sp[0], SOL_SOCKET, SO_TYPE, &v, sizeof(v)), ENOPROTOOPT);
	CHECK_ERR(setsockopt(sp[0], SOL_SOCKET, SO_ERROR, &v, sizeof(v)), ENOPROTOOPT);
	CHECK_ERR(setsockopt(sp[0], SOL_SOCKET, SO_ACCEPTCONN, &v, sizeof(v)), ENOPROTOOPT);
}

TEST(unsent_bytes_can_be_asked_for)
{
	int n = -1;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	MUST(ioctl(sp[0], SIOCOUTQ, &n));
	CHECK_EQ(n, 0);
	CHECK_EQ(write(sp[0], "12345", 5), 5);
	MUST(ioctl(sp[0], SIOCOUTQ, &n));
	CHECK(n >= 5);
	MUST(ioctl(sp[1], SIOCINQ, &n));
	CHECK_EQ(n, 5);
}

TEST(sockets_show_in_stat)
{
	struct stat st;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	MUST(fstat(sp[0], &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0777);
}

TEST(socket_cannot_be_opened_through_proc)
{
	char path[64];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", sp[0]);
	CHECK_ERR(open(path, O_RDWR), ENXIO);
}

TEST(connect_twice_and_to_oneself)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
	int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	t_cd_tmpdir();
	MUST(bind(l, (void *)&a, sizeof(a)));
	CHECK_ERR(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED); /* not listening yet */
	MUST(listen(l, 5));
	MUST(connect(c, (void *)&a, sizeof(a)));
	CHECK_ERR(connect(c, (void *)&a, sizeof(a)), EISCONN);
	CHECK_ERR(connect(l, (void *)&a, sizeof(a)), EINVAL);
	strcpy(a.sun_path, "t");
	CHECK_ERR(bind(l, (void *)&a, sizeof(a)), EINVAL);
}
