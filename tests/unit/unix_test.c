/*
 * AF_UNIX sockets as system calls, by tasks on 1, 2 and 4 CPUs: streams, datagrams, connections,
 * passed files and the collector.
 * objects: kernel/net/[a-z]*.o kernel/ipc/epoll*.o kernel/ipc/pipe*.o kernel/ipc/fifo.o kernel/ipc/eventfd.o kernel/ipc/poll*.o kernel/signal/sigqueue.o kernel/signal/sighand.o kernel/signal/send.o kernel/signal/stop.o kernel/task/cred.o smp/[a-z]*.o os/alloc.o os/fault.o os/clock.o os/log.o os/panic.o os/slice.o os/stack.o os/symbols.o os/thread.o
 */
#include "fowner.h"
#include "ipc_util.h"
#include "net.h"
#include "timeout.h"
#include <sys/socket.h>
#include <sys/un.h>

/* ---- what isn't linked ---- */

long file_setown(struct file *f, int who)
{
	return -ESRCH;
}
long file_getown(struct file *f)
{
	return 0;
}
ktime_t deadline_in(ktime_t ns)
{
	return ktime_mono() + ns;
}
struct pid *find_pid(pid_t nr)
{
	return NULL;
}
void pid_put(struct pid *p)
{
}
int path_create(int dfd, const char *name, bool is_dir, struct path *parent, struct dentry **d)
{
	return -ENOENT;
}
void path_create_done(struct path *parent, struct dentry *d)
{
}
int vfs_mknod(const struct path *parent, struct dentry *d, u32 mode, dev_t dev)
{
	return -ENOENT;
}
int vfs_unlink(const struct path *parent, struct dentry *d)
{
	return -ENOENT;
}
int path_lookup(int dfd, const char *name, unsigned flags, struct path *out)
{
	return -ENOENT;
}
int inode_permission(struct inode *inode, int mask)
{
	return 0;
}
void path_get(const struct path *p)
{
}
void path_put(struct path *p)
{
}
static void close_all_and_check(void)
{
	close_all();
	nothing_left();
}

static void pair(int type, int s[2])
{
	must_eq(sys_socketpair(AF_UNIX, type, 0, U(s)), 0);
}

static long send_(int fd, const void *buf, size_t n, int flags)
{
	return sys_sendto(fd, U(buf), n, (unsigned)flags, 0, 0);
}

static long recv_(int fd, void *buf, size_t n, int flags)
{
	return sys_recvfrom(fd, U(buf), n, (unsigned)flags, 0, 0);
}

static u32 events_of(int fd)
{
	return fu_table[fd]->ops->poll(fu_table[fd], NULL);
}

static int abstract(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(a->sun_path + 1, name);
	return (int)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

/* ---- streams ---- */

#define STREAM_BYTES 3000000

static int s[2];

static u8 pattern(u64 i)
{
	return (u8)(i * 131 + (i >> 9));
}

static void stream_writer(long fd)
{
	u8 *buf = kmalloc(100000);
	u64 sent = 0;

	for (u64 i = 0; sent < STREAM_BYTES; i++) {
		size_t n = min((size_t)(i * 7919 % 90000 + 1), (size_t)(STREAM_BYTES - sent));
		long r;

		for (size_t k = 0; k < n; k++)
			buf[k] = pattern(sent + k);
		r = send_((int)fd, buf, n, 0);
		must(r > 0);
		sent += (u64)r;
	}
	must_eq(sys_shutdown((int)fd, SHUT_WR), 0);
	kfree(buf);
}

static void stream_reader(long fd)
{
	u8 *buf = kmalloc(70000);
	u64 got = 0;

	for (u64 i = 0;; i++) {
		size_t n = i * 6101 % 65000 + 1;
		long r = recv_((int)fd, buf, n, i % 3 ? 0 : MSG_WAITALL);

		must(r >= 0);
		if (!r)
			break;
		for (long k = 0; k < r; k++)
			must_eq(buf[k], pattern(got + (u64)k));
		got += (u64)r;
	}
	must_eq(got, STREAM_BYTES);
	kfree(buf);
}

static void streams(void)
{
	char c;

	pair(SOCK_STREAM, s);
	go(stream_writer, s[0]);
	go(stream_reader, s[1]);
	go(stream_writer, s[1]);
	go(stream_reader, s[0]);
	settle(4);
	must_eq(recv_(s[0], &c, 1, 0), 0);
	must_eq(events_of(s[0]) & POLLHUP, POLLHUP);
	must_eq(send_(s[0], &c, 1, MSG_NOSIGNAL), -EPIPE);
	close_all_and_check();
}

static void stream_errors(void)
{
	char c = 1, buf[10];
	int fd;

	fd = (int)sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must_eq(send_(fd, &c, 1, 0), -ENOTCONN);
	must_eq(recv_(fd, &c, 1, 0), -EINVAL);
	must_eq(events_of(fd), POLLOUT | POLLWRNORM | POLLWRBAND | POLLHUP);
	must_eq(sys_listen(fd, 1), -EINVAL);
	must_eq(sys_socket(AF_INET, SOCK_STREAM, 0), -EAFNOSUPPORT);
	must_eq(sys_socket(AF_UNIX, SOCK_RDM, 0), -ESOCKTNOSUPPORT);
	must_eq(sys_socket(AF_UNIX, 55, 0), -EINVAL);
	must_eq(sys_socket(AF_UNIX, SOCK_STREAM, 5), -EPROTONOSUPPORT);
	must_eq(sys_socketpair(AF_UNIX, SOCK_STREAM, 0, 8), -EFAULT);
	pair(SOCK_STREAM | SOCK_NONBLOCK, s);
	must_eq(recv_(s[0], &c, 1, 0), -EAGAIN);
	must_eq(send_(s[0], "abc", 3, 0), 3);
	must_eq(send_(s[0], "def", 3, 0), 3);
	must_eq(recv_(s[1], buf, 10, MSG_PEEK), 6);
	must_eq(recv_(s[1], buf, 2, 0), 2);
	must_eq(recv_(s[1], buf, 10, MSG_PEEK), 4);
	must(!memcmp(buf, "cdef", 4));
	must_eq(send_(s[0], "x", 1, MSG_OOB), -EOPNOTSUPP);
	must_eq(sys_sendto(s[0], 8, 1, 0, 0, 0), -EFAULT);
	/* Unread data makes the other end's close a reset. */
	must(!fd_close(s[1]));
	must_eq(events_of(s[0]) & (POLLIN | POLLHUP | POLLERR | POLLRDHUP),
		POLLIN | POLLHUP | POLLERR | POLLRDHUP);
	must_eq(recv_(s[0], buf, 10, 0), -ECONNRESET);
	must_eq(recv_(s[0], buf, 10, 0), 0);
	close_all_and_check();
}

/* ---- datagrams ---- */

static struct sockaddr_un addr;
static int addr_len;

static void dgram_client(long n)
{
	int fd = (int)sys_socket(AF_UNIX, SOCK_DGRAM, 0);
	u8 buf[50];

	for (int i = 0; i < 300; i++) {
		memset(buf, (int)n, sizeof(buf));
		if (i == 100)
			must(!sys_connect(fd, U(&addr), addr_len));
		if (i < 100)
			must_eq(sys_sendto(fd, U(buf), sizeof(buf), 0, U(&addr), addr_len), 50);
		else
			must_eq(send_(fd, buf, sizeof(buf), 0), 50);
	}
	must(!fd_close(fd));
}

static void dgram_server(long fd)
{
	u8 buf[50];

	for (int i = 0; i < 600; i++) {
		must_eq(recv_((int)fd, buf, sizeof(buf), 0), 50);
		must_eq(buf[0], buf[49]);
	}
}

/* Clients that poll for room, like a log's. */
static void polling_client(long n)
{
	int fd = (int)sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	u8 buf[50] = {0};

	must(!sys_connect(fd, U(&addr), addr_len));
	for (int i = 0; i < 300;) {
		long r = send_(fd, buf, sizeof(buf), 0);

		if (r == 50) {
			i++;
			continue;
		}
		must_eq(r, -EAGAIN);
		must_eq(sys_poll(U(&p), 1, 5000), 1);
	}
	must(!fd_close(fd));
}

static void datagrams(void)
{
	int server = (int)sys_socket(AF_UNIX, SOCK_DGRAM, 0), fd, n;
	char c;

	addr_len = abstract(&addr, "server");
	must(!sys_bind(server, U(&addr), addr_len));
	must_eq(sys_bind(server, U(&addr), addr_len), -EINVAL);
	fd = (int)sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	must_eq(sys_bind(fd, U(&addr), addr_len), -EADDRINUSE);
	must_eq(send_(fd, "x", 1, 0), -ENOTCONN);
	for (n = 0; sys_sendto(fd, U("x"), 1, 0, U(&addr), addr_len) == 1; n++)
		;
	must_eq(n, 11);
	while (n--)
		must_eq(recv_(server, &c, 1, 0), 1);
	for (int i = 0; i < 2; i++) {
		go(dgram_client, i);
		go(polling_client, i);
		go(dgram_server, server);
	}
	settle(6);
	must(!sys_connect(fd, U(&addr), addr_len));
	must(!fd_close(server));
	must_eq(send_(fd, "x", 1, 0), -ECONNREFUSED);
	must_eq(send_(fd, "x", 1, 0), -ENOTCONN);
	must_eq(sys_connect(fd, U(&addr), addr_len), -ECONNREFUSED);
	pair(SOCK_SEQPACKET, s);
	must_eq(send_(s[0], "hello", 5, 0), 5);
	must_eq(recv_(s[1], &c, 1, MSG_TRUNC), 5);
	must(!fd_close(s[0]));
	must_eq(recv_(s[1], &c, 1, 0), 0);
	must_eq(send_(s[1], "x", 1, 0), -EPIPE);
	close_all_and_check();
}

/* ---- connections ---- */

static int listener;

static void connector(long n)
{
	for (int i = 0; i < 100; i++) {
		int fd = (int)sys_socket(AF_UNIX, SOCK_STREAM, 0);
		char c = (char)n;

		must(!sys_connect(fd, U(&addr), addr_len));
		must_eq(send_(fd, &c, 1, 0), 1);
		must_eq(recv_(fd, &c, 1, 0), 1);
		must_eq(c, (char)(n + 1));
		must(!fd_close(fd));
	}
}

static void acceptor(long n)
{
	for (int i = 0; i < n; i++) {
		int fd = (int)sys_accept4(listener, 0, 0, 0);
		char c;

		must(fd >= 0);
		must_eq(recv_(fd, &c, 1, 0), 1);
		c++;
		must_eq(send_(fd, &c, 1, 0), 1);
		must(!fd_close(fd));
	}
}

static void connections(void)
{
	int fd;

	listener = (int)sys_socket(AF_UNIX, SOCK_STREAM, 0);
	addr_len = abstract(&addr, "listener");
	fd = (int)sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must_eq(sys_connect(fd, U(&addr), addr_len), -ECONNREFUSED);
	must(!sys_bind(listener, U(&addr), addr_len));
	must_eq(sys_connect(fd, U(&addr), addr_len), -ECONNREFUSED);
	must(!sys_listen(listener, 1));
	for (int i = 0; i < 4; i++)
		go(connector, i);
	go(acceptor, 150);
	go(acceptor, 250);
	settle(6);
	/* Connections that wait when the listener goes are reset. */
	must(!sys_connect(fd, U(&addr), addr_len));
	must_eq(sys_connect(fd, U(&addr), addr_len), -EISCONN);
	must_eq(events_of(listener), POLLIN | POLLRDNORM);
	must(!fd_close(listener));
	must_eq(recv_(fd, &fd, 1, 0), -ECONNRESET);
	close_all_and_check();
}

/* ---- passed files ---- */

static long send_fds(int sock, const int *fds, int n)
{
	u8 control[CMSG_SPACE(253 * sizeof(int))] = {0};
	struct cmsghdr *h = (struct cmsghdr *)control;
	struct iovec iov = {.iov_base = (void *)"f", .iov_len = 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};

	*h = (struct cmsghdr){.cmsg_len = CMSG_LEN((size_t)n * sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(h), fds, (size_t)n * sizeof(int));
	return sys_sendmsg(sock, U(&m), 0);
}

/* How many came; -1: there were more. */
static int recv_fds(int sock, int *fds, int room, int flags)
{
	u8 control[CMSG_SPACE(253 * sizeof(int))];
	struct cmsghdr *h = (struct cmsghdr *)control;
	char c;
	struct iovec iov = {.iov_base = &c, .iov_len = 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = room ? CMSG_SPACE((size_t)room * sizeof(int)) : 0};
	int n = 0;

	must_eq(sys_recvmsg(sock, U(&m), (unsigned)flags), 1);
	if (m.msg_controllen) {
		n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(h), (size_t)n * sizeof(int));
	}
	return m.msg_flags & MSG_CTRUNC ? -1 : n;
}

static void rights(void)
{
	int p[2], got[4], bad = 4000;
	char c = 'z';

	for (int k = 0; k < 3; k++) {
		pair(k == 0 ? SOCK_STREAM : k == 1 ? SOCK_DGRAM : SOCK_SEQPACKET, s);
		p[0] = (int)sys_eventfd2(1, 0);
		p[1] = fu_dup(s[0]);
		must_eq(send_fds(s[0], p, 2), 1);
		must_eq(send_fds(s[0], &bad, 1), -EBADF);
		must(!fd_close(p[0]) && !fd_close(p[1]));
		must_eq(recv_fds(s[1], got, 4, MSG_PEEK), 2);
		must(!fd_close(got[0]) && !fd_close(got[1]));
		must_eq(recv_fds(s[1], got, 4, 0), 2);
		must_eq(send_(got[1], &c, 1, 0), 1);
		must_eq(recv_(s[1], &c, 1, 0), 1);
		must(!fd_close(got[1]));
		/* Not all of them fit: the rest is closed. */
		p[0] = got[0];
		p[1] = got[0];
		must_eq(send_fds(s[0], p, 2), 1);
		must_eq(recv_fds(s[1], got, 0, 0), -1);
		must_eq(send_fds(s[0], p, 2), 1);
		close_all_and_check();
	}
}

/* A pair that is passed through itself, and closed. */
static void cycle(void)
{
	pair(SOCK_STREAM, s);
	must_eq(send_fds(s[0], s, 2), 1);
	must_eq(send_fds(s[1], s, 2), 1);
	must(!fd_close(s[0]) && !fd_close(s[1]));
}

static void collector(void)
{
	int a[2], b[2], l, c;

	for (int i = 0; i < 50; i++)
		cycle();
	pair(SOCK_DGRAM, a); /* its release is what runs the collector behind the last cycle */
	close_all_and_check();

	/* Two pairs in each other's queues; one is also known to us, then not. */
	pair(SOCK_STREAM, a);
	pair(SOCK_STREAM, b);
	must_eq(send_fds(a[0], b, 2), 1);
	must_eq(send_fds(b[0], a, 2), 1);
	must(!fd_close(b[0]) && !fd_close(b[1]) && !fd_close(a[0]));
	must_eq(fu_live_files, 4);
	must_eq(recv_fds(a[1], b, 2, 0), 2);
	must_eq(recv_fds(b[1], a, 2, 0), 2);
	close_all_and_check();

	/* In a connection that nobody accepts, the listener itself. */
	l = (int)sys_socket(AF_UNIX, SOCK_STREAM, 0);
	c = (int)sys_socket(AF_UNIX, SOCK_STREAM, 0);
	addr_len = abstract(&addr, "listener");
	must(!sys_bind(l, U(&addr), addr_len) && !sys_listen(l, 5) &&
	     !sys_connect(c, U(&addr), addr_len));
	must_eq(send_fds(c, &l, 1), 1);
	must(!fd_close(l));
	must(!fd_close(c));
	close_all_and_check();
}

/* Each pair travels in the queue of the next: putting the last puts them all, however many. */
static void deep(void)
{
	int last[2], next[2];

	pair(SOCK_STREAM, last);
	for (int i = 0; i < 3000; i++) {
		pair(SOCK_STREAM, next);
		must_eq(send_fds(next[0], last, 2), 1);
		must(!fd_close(last[0]) && !fd_close(last[1]));
		memcpy(last, next, sizeof(last));
	}
	close_all_and_check();
}

static void passer(long n)
{
	int got[2], p[2];

	for (int i = 0; i < 100; i++) {
		if (n & 1) {
			pair(SOCK_STREAM, p);
			must_eq(send_fds(s[0], p, 2), 1);
			must_eq(send_fds(p[0], p, 2), 1);
			must(!fd_close(p[0]) && !fd_close(p[1]));
		} else {
			must_eq(recv_fds(s[1], got, 2, 0), 2);
			must_eq(recv_fds(got[1], p, 2, 0), 2);
			must(!fd_close(got[0]) && !fd_close(got[1]) && !fd_close(p[0]) &&
			     !fd_close(p[1]));
		}
	}
}

/* The collector runs all the while, and must not take what is still on its way. */
static void passing_crowd(void)
{
	pair(SOCK_STREAM, s);
	for (int i = 0; i < 4; i++)
		go(passer, i);
	settle(4);
	close_all_and_check();
}

static void passcred(void)
{
	u8 control[CMSG_SPACE(sizeof(struct ucred))];
	struct cmsghdr *h = (struct cmsghdr *)control;
	char c;
	struct iovec iov = {.iov_base = &c, .iov_len = 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct ucred cred;
	int on = 1, len = sizeof(cred);

	pair(SOCK_STREAM, s);
	must(!sys_getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, U(&cred), U(&len)));
	must(cred.uid == 1000 && cred.gid == 1000 && cred.pid == tg_nr(group));
	must(!sys_setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, U(&on), sizeof(on)));
	must_eq(send_(s[0], "x", 1, 0), 1);
	must_eq(sys_recvmsg(s[1], U(&m), 0), 1);
	must_eq(h->cmsg_type, SCM_CREDENTIALS);
	memcpy(&cred, CMSG_DATA(h), sizeof(cred));
	must(cred.uid == 1000 && cred.gid == 1000 && cred.pid == tg_nr(group));
	cred.uid = 0;
	memcpy(CMSG_DATA(h), &cred, sizeof(cred));
	m.msg_controllen = sizeof(control);
	must_eq(sys_sendmsg(s[0], U(&m), 0), -EPERM);
	cred.uid = 1000;
	memcpy(CMSG_DATA(h), &cred, sizeof(cred));
	must_eq(sys_sendmsg(s[0], U(&m), 0), 1);
	close_all_and_check();
}

/* ---- running ---- */

static void (*const parts[])(void) = {
	stream_errors, streams, datagrams,     connections, rights,
	collector,     deep,	passing_crowd, passcred,
};

static void all_parts(void)
{
	run_parts(parts, ARRAY_SIZE(parts));
}

START_TEST(works_on_some_cpus)
{
	group = make_group();
	must(!ipc_init() && !net_init());
	with_cpus(cpu_counts[_i], all_parts);
	free_group(group);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("unix");

	tcase_add_loop_test(tc, works_on_some_cpus, 0, ARRAY_SIZE(cpu_counts));
	return run_suite(tc, "unix");
}
