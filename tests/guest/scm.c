/* Descriptors, credentials and times in messages. */
#include "t.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

static int sp[2];

static void pair(int type)
{
	MUST(socketpair(AF_UNIX, type, 0, sp));
}

static ssize_t send_fds(int sock, const int *fds, int n)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int) * 300)] = "";
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c;

	m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	return sendmsg(sock, &m, 0);
}

/* Receives one byte and up to max descriptors; gives their number. */
static int recv_fds(int sock, int *fds, int max, int flags, int *msg_flags)
{
	char byte, control[CMSG_SPACE(sizeof(int) * 300)];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c;
	int n = 0;

	m.msg_controllen = max ? CMSG_SPACE(sizeof(int) * (size_t)max) : 0;
	CHECK_EQ(recvmsg(sock, &m, flags), 1);
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)n);
		}
	if (msg_flags)
		*msg_flags = m.msg_flags;
	return n;
}

TEST(descriptor_arrives_in_another_process)
{
	pid_t pid;
	int fd;

	pair(SOCK_STREAM);
	t_cd_tmpdir();
	pid = SPAWN({
		CHECK_EQ(recv_fds(sp[1], &fd, 1, 0, NULL), 1);
		CHECK_EQ(write(fd, "from the child", 14), 14);
	});
	fd = MUST(open("f", O_RDWR | O_CREAT, 0600));
	CHECK_EQ(send_fds(sp[0], &fd, 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14); /* it is the same open file */
	CHECK_STR(t_read_file("f"), "from the child");
}

TEST(descriptor_lives_on_while_it_is_under_way)
{
	int pipe_fd[2], fd;
	char c;

	pair(SOCK_DGRAM);
	MUST(pipe(pipe_fd));
	CHECK_EQ(send_fds(sp[0], &pipe_fd[1], 1), 1);
	MUST(close(pipe_fd[1]));
	MUST(fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(pipe_fd[0], &c, 1), EAGAIN);
	CHECK_EQ(recv_fds(sp[1], &fd, 1, 0, NULL), 1);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(read(pipe_fd[0], &c, 1), 1);
}

TEST(descriptors_in_a_closed_socket_are_closed)
{
	int pipe_fd[2];
	char c;

	pair(SOCK_STREAM);
	MUST(pipe(pipe_fd));
	CHECK_EQ(send_fds(sp[0], &pipe_fd[1], 1), 1);
	MUST(close(pipe_fd[1]));
	MUST(close(sp[0]));
	MUST(close(sp[1]));
	CHECK_EQ(read(pipe_fd[0], &c, 1), 0);
}

TEST(descriptors_that_nobody_asked_for_are_closed)
{
	int pipe_fd[2], flags;
	char c;

	pair(SOCK_STREAM);
	MUST(pipe(pipe_fd));
	CHECK_EQ(send_fds(sp[0], &pipe_fd[1], 1), 1);
	CHECK_EQ(send_fds(sp[0], &pipe_fd[1], 1), 1);
	MUST(close(pipe_fd[1]));
	CHECK_EQ(recv_fds(sp[1], NULL, 0, 0, &flags), 0);
	CHECK_EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
	CHECK_EQ(read(sp[1], &c, 1), 1);
	CHECK_EQ(read(pipe_fd[0], &c, 1), 0);
}

TEST(cloexec_can_be_asked_for)
{
	int fd, zero = 0;

	pair(SOCK_STREAM);
	CHECK_EQ(send_fds(sp[0], &zero, 1), 1);
	CHECK_EQ(recv_fds(sp[1], &fd, 1, MSG_CMSG_CLOEXEC, NULL), 1);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(send_fds(sp[0], &zero, 1), 1);
	CHECK_EQ(recv_fds(sp[1], &fd, 1, 0, NULL), 1);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
}

TEST(at_most_253_descriptors_a_message)
{
	int fds[254], got[254];

	pair(SOCK_STREAM);
	for (int i = 0; i < 254; i++)
		fds[i] = 0;
	CHECK_ERR(send_fds(sp[0], fds, 254), EINVAL);
	CHECK_EQ(send_fds(sp[0], fds, 253), 1);
	CHECK_EQ(recv_fds(sp[1], got, 253, 0, NULL), 253);
	for (int i = 0; i < 253; i++)
		CHECK(fcntl(got[i], F_GETFD) >= 0);
}

TEST(too_little_room_gives_what_fits)
{
	int fds[4] = {0, 0, 0, 0}, got[4], flags;

	pair(SOCK_STREAM);
	CHECK_EQ(send_fds(sp[0], fds, 4), 1);
	CHECK_EQ(recv_fds(sp[1], got, 2, 0, &flags), 2);
	CHECK_EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
	CHECK_EQ(dup(0), got[1] + 1); /* the others were not installed */
}

TEST(receiver_at_its_descriptor_limit_gets_none)
{
	struct rlimit lim = {10, 10};
	int fds[4] = {0, 0, 0, 0}, got[4], flags;

	pair(SOCK_STREAM);
	CHECK_EQ(send_fds(sp[0], fds, 4), 1);
	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	while (dup(0) >= 0)
		;
	CHECK_EQ(recv_fds(sp[1], got, 4, 0, &flags), 0);
	CHECK_EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
}

TEST(stream_read_stops_behind_descriptors)
{
	int zero = 0;
	char buf[8];

	pair(SOCK_STREAM);
	CHECK_EQ(write(sp[0], "ab", 2), 2);
	CHECK_EQ(send_fds(sp[0], &zero, 1), 1);
	CHECK_EQ(write(sp[0], "cd", 2), 2);
	CHECK_EQ(read(sp[1], buf, 8), 3);
	CHECK(!memcmp(buf, "abf", 3));
	CHECK_EQ(read(sp[1], buf, 8), 2);
}

TEST(socket_can_be_sent_through_itself_and_is_collected)
{
	for (int i = 0; i < 200; i++) {
		pair(SOCK_STREAM);
		CHECK_EQ(send_fds(sp[0], sp, 2), 1);
		MUST(close(sp[0]));
		MUST(close(sp[1]));
	}
}

TEST(every_kind_of_descriptor_can_be_sent)
{
	int fds[4], got[4];
	uint64_t v = 5;

	pair(SOCK_STREAM);
	fds[0] = MUST(eventfd(0, 0));
	fds[1] = MUST(open("/", O_PATH));
	fds[2] = MUST(memfd_create("m", 0));
	fds[3] = sp[0];
	CHECK_EQ(send_fds(sp[0], fds, 4), 1);
	CHECK_EQ(recv_fds(sp[1], got, 4, 0, NULL), 4);
	CHECK_EQ(write(got[0], &v, 8), 8);
	v = 0;
	CHECK_EQ(read(fds[0], &v, 8), 8);
	CHECK_EQ(v, 5);
	CHECK_EQ(close(MUST(openat(got[1], "tmp", O_RDONLY))), 0);
	CHECK_EQ(write(got[2], "x", 1), 1);
	CHECK_EQ(lseek(fds[2], 0, SEEK_END), 1);
	CHECK_EQ(write(got[3], "y", 1), 1);
}

TEST(empty_rights_message_is_ignored)
{
	int got[1];

	pair(SOCK_STREAM);
	CHECK_EQ(send_fds(sp[0], got, 0), 1);
	CHECK_EQ(recv_fds(sp[1], got, 1, 0, NULL), 0);
}

/* ---- credentials ---- */

TEST(peer_credentials_of_a_pair)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	pair(SOCK_STREAM);
	MUST(getsockopt(sp[0], SOL_SOCKET, SO_PEERCRED, &c, &len));
	CHECK_EQ(c.pid, getpid());
	CHECK_EQ(c.uid, geteuid());
	CHECK_EQ(c.gid, getegid());
}

TEST(peer_credentials_of_a_connection_are_those_of_connect_and_listen)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
	struct ucred c;
	socklen_t len = sizeof(c);
	int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), s;
	struct t_gate end = t_gate();
	pid_t pid;

	t_cd_tmpdir();
	MUST(bind(l, (void *)&a, sizeof(a)));
	MUST(listen(l, 1));
	pid = SPAWN({
		int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
		MUST(connect(fd, (void *)&a, sizeof(a)));
		MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len));
		CHECK_EQ(c.pid, getppid());
		t_gate_pass(&end);
	});
	s = MUST(accept(l, NULL, NULL));
	MUST(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &c, &len));
	CHECK_EQ(c.pid, pid);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

static bool recv_cred(int sock, struct ucred *out)
{
	char byte, control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c;

	CHECK_EQ(recvmsg(sock, &m, 0), 1);
	c = CMSG_FIRSTHDR(&m);
	if (!c)
		return false;
	CHECK_EQ(c->cmsg_type, SCM_CREDENTIALS);
	memcpy(out, CMSG_DATA(c), sizeof(*out));
	return true;
}

TEST(passcred_tells_who_sent)
{
	struct ucred c;
	int on = 1;
	pid_t pid;

	pair(SOCK_DGRAM);
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	pid = SPAWN(CHECK_EQ(send(sp[0], "x", 1, 0), 1));
	CHECK(recv_cred(sp[1], &c));
	CHECK_EQ(c.pid, pid);
	CHECK_EQ(c.uid, getuid());
	CHECK_EXITED(t_wait(pid), 0);
	on = 0;
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	CHECK_EQ(send(sp[0], "x", 1, 0), 1);
	CHECK(!recv_cred(sp[1], &c));
}

static ssize_t send_cred(int sock, struct ucred cred)
{
	char byte = 'c', control[CMSG_SPACE(sizeof(struct ucred))] = "";
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	return sendmsg(sock, &m, 0);
}

TEST(own_credentials_may_be_sent_and_others_not)
{
	struct ucred mine = {getpid(), getuid(), getgid()}, c;
	int on = 1;

	pair(SOCK_STREAM);
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	CHECK_EQ(send_cred(sp[0], mine), 1);
	CHECK(recv_cred(sp[1], &c));
	CHECK(c.pid == mine.pid && c.uid == mine.uid && c.gid == mine.gid);
	t_become_ordinary();
	c = (struct ucred){getpid(), 0, getgid()};
	CHECK_ERR(send_cred(sp[0], c), EPERM);
	c = (struct ucred){getppid(), getuid(), getgid()};
	CHECK_ERR(send_cred(sp[0], c), EPERM);
}

/* Receives a byte and the time that came with it, in ns; 0: none, or of another kind. */
static long long recv_stamp(int sock, int type)
{
	char byte, control[256];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c;
	long long v[2];

	m.msg_controllen = sizeof(control);
	CHECK_EQ(recvmsg(sock, &m, 0), 1);
	CHECK_EQ(m.msg_flags, 0);
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != type)
		return 0;
	CHECK_EQ(c->cmsg_len, CMSG_LEN(sizeof(v)));
	memcpy(v, CMSG_DATA(c), sizeof(v));
	return v[0] * 1000000000 + (type == SCM_TIMESTAMP ? v[1] * 1000 : v[1]);
}

static long long real_ns(void)
{
	struct timespec ts;

	MUST(clock_gettime(CLOCK_REALTIME, &ts));
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int on = 1, off;

TEST(datagrams_tell_when_they_were_sent)
{
	long long before, after, t;

	pair(SOCK_DGRAM);
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)));
	before = real_ns();
	CHECK_EQ(send(sp[0], "a", 1, 0), 1);
	after = real_ns();
	usleep(20000);
	t = recv_stamp(sp[1], SCM_TIMESTAMPNS);
	CHECK(t >= before && t <= after);
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	CHECK_EQ(send(sp[0], "b", 1, 0), 1);
	t = recv_stamp(sp[1], SCM_TIMESTAMP);
	CHECK(t >= after / 1000 * 1000 && t <= real_ns());
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_TIMESTAMPNS, &off, sizeof(off)));
	CHECK_EQ(send(sp[0], "c", 1, 0), 1);
	CHECK_EQ(recv_stamp(sp[1], SCM_TIMESTAMP), 0);
}

TEST(time_asked_for_after_sending_is_that_of_receiving)
{
	long long after;

	pair(SOCK_DGRAM);
	CHECK_EQ(send(sp[0], "a", 1, 0), 1);
	usleep(20000);
	after = real_ns();
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)));
	CHECK(recv_stamp(sp[1], SCM_TIMESTAMPNS) >= after);
}

TEST(streams_tell_no_time)
{
	pair(SOCK_STREAM);
	MUST(setsockopt(sp[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	CHECK_EQ(send(sp[0], "a", 1, 0), 1);
	CHECK_EQ(recv_stamp(sp[1], SCM_TIMESTAMP), 0);
}
