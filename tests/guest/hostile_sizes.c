/* Absurd sizes, counts, offsets and alignments: an error, never an overflow, a hang or a crash. */
#include "hostile.h"

#include <linux/futex.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static const unsigned long huge[] = {1ul << 63, (1ul << 63) - 1, -1ul,
				     -4096ul,	1ul << 47,	 1ul << 62};
#define N_HUGE (sizeof(huge) / sizeof(*huge))

TEST(read_and_write_of_sizes_beyond_the_address_space_fail)
{
	int fd = text_file();
	char buf[16];

	for (size_t i = 0; i < N_HUGE; i++) {
		EXPECT_ERR(SYS(read, fd, buf, huge[i]), EFAULT);
		EXPECT_ERR(SYS(write, fd, buf, huge[i]), EFAULT);
		EXPECT_ERR(SYS(pread64, fd, buf, huge[i], 0), EFAULT);
		EXPECT_ERR(SYS(pwrite64, fd, buf, huge[i], 0), EFAULT);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_END), 16);
}

TEST(read_of_a_huge_size_gives_what_the_file_has)
{
	int fd = text_file();
	static char buf[32]; /* not on the stack: that is too close to the end of user space */

	CHECK_EQ(SYS(pread64, fd, buf, 1ul << 31, 0), 16);
	CHECK_EQ(SYS(pread64, fd, buf, 1ul << 40, 8), 8);
	CHECK_EQ(SYS(pread64, fd, buf, 1ul << 40, 16), 0);
}

TEST(negative_file_offsets_are_einval)
{
	int fd = text_file();
	char c;

	EXPECT_ERR(SYS(pread64, fd, &c, 1, -1l), EINVAL);
	EXPECT_ERR(SYS(pwrite64, fd, &c, 1, LONG_MIN), EINVAL);
	EXPECT_ERR(SYS(lseek, fd, -1l, SEEK_SET), EINVAL);
	EXPECT_ERR(SYS(lseek, fd, -17l, SEEK_END), EINVAL);
	EXPECT_ERR(SYS(ftruncate, fd, -1l), EINVAL);
	EXPECT_ERR(SYS(fallocate, fd, 0, -1l, 1), EINVAL);
	EXPECT_ERR(SYS(fallocate, fd, 0, 0, -1l), EINVAL);
	EXPECT_ERR(SYS(fallocate, fd, 0, 0, 0), EINVAL);
}

TEST(file_offsets_that_overflow_fail)
{
	int fd = text_file();
	char c = 0;

	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	EXPECT(SYS(lseek, fd, LONG_MAX, SEEK_CUR) == -1);
	EXPECT(errno == EOVERFLOW || errno == EINVAL);
	EXPECT_ERR(SYS(fallocate, fd, 0, LONG_MAX, LONG_MAX), EFBIG);
	EXPECT_ERR(SYS(pwrite64, fd, &c, 1, LONG_MAX), EINVAL);
	CHECK_EQ(SYS(pread64, fd, &c, 1, LONG_MAX - 1), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 16);
}

TEST(vectors_have_at_most_1024_parts)
{
	static struct iovec iov[1025];
	int fd = text_file();
	char buf[16];

	for (int i = 0; i < 1025; i++)
		iov[i] = (struct iovec){buf, 0};
	EXPECT_EQ(SYS(readv, fd, iov, 1024), 0);
	EXPECT_ERR(SYS(readv, fd, iov, 1025), EINVAL);
	EXPECT_ERR(SYS(writev, fd, iov, 1025), EINVAL);
	EXPECT_ERR(SYS(readv, fd, iov, -1l), EINVAL);
	EXPECT_ERR(SYS(preadv, fd, iov, INT_MAX, 0, 0), EINVAL);
}

TEST(vector_part_of_negative_length_is_einval)
{
	char buf[16];
	struct iovec iov[2] = {{buf, 4}, {buf, 1ul << 63}};
	int fd = text_file();

	EXPECT_ERR(SYS(readv, fd, iov, 2), EINVAL);
	iov[1].iov_len = -1ul;
	EXPECT_ERR(SYS(writev, fd, iov, 2), EINVAL);
	EXPECT_ERR(SYS(pwritev, fd, iov, 2, 0, 0), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 16);
}

TEST(poll_of_more_than_the_descriptor_limit_is_einval)
{
	struct pollfd pfd = {0, POLLIN, 0};

	EXPECT_ERR(SYS(poll, &pfd, 1 << 20, 0), EINVAL);
	EXPECT_ERR(SYS(poll, &pfd, UINT_MAX, 0), EINVAL);
	EXPECT_ERR(SYS(poll, &pfd, INT_MAX, 0), EINVAL);
}

TEST(select_of_negative_count_is_einval)
{
	struct timeval tv = {0, 0};
	fd_set set;

	FD_ZERO(&set);
	EXPECT_ERR(SYS(select, -1, &set, NULL, NULL, &tv), EINVAL);
	EXPECT_ERR(SYS(select, INT_MIN, &set, NULL, NULL, &tv), EINVAL);
	/* A count beyond the table is cut down to the table. */
	EXPECT_EQ(SYS(select, INT_MAX, NULL, NULL, NULL, &tv), 0);
}

TEST(epoll_wait_wants_a_positive_count)
{
	struct epoll_event ev;
	int ep = MUST(epoll_create1(0));

	EXPECT_ERR(SYS(epoll_wait, ep, &ev, 0, 0), EINVAL);
	EXPECT_ERR(SYS(epoll_wait, ep, &ev, -1, 0), EINVAL);
	EXPECT_ERR(SYS(epoll_wait, ep, &ev, INT_MAX, 0), EINVAL);
	EXPECT_ERR(SYS(epoll_create, 0), EINVAL);
	EXPECT_ERR(SYS(epoll_create, -1), EINVAL);
}

TEST(signal_sets_must_have_eight_bytes)
{
	unsigned long set[2] = {0, 0};
	struct timespec ts = {0, 0};

	for (size_t size = 0; size < 17; size++) {
		if (size == 8)
			continue;
		EXPECT_ERR(SYS(rt_sigprocmask, SIG_BLOCK, set, NULL, size), EINVAL);
		EXPECT_ERR(SYS(rt_sigaction, SIGUSR1, NULL, NULL, size), EINVAL);
		EXPECT_ERR(SYS(rt_sigtimedwait, set, NULL, &ts, size), EINVAL);
		EXPECT_ERR(SYS(rt_sigsuspend, set, size), EINVAL);
		EXPECT_ERR(SYS(signalfd4, -1, set, size, 0), EINVAL);
	}
	EXPECT_ERR(SYS(rt_sigprocmask, SIG_BLOCK, set, NULL, -1ul), EINVAL);
	EXPECT_ERR(SYS(rt_sigpending, set, 9), EINVAL);
}

TEST(readlink_and_getcwd_want_room)
{
	char buf[64];

	EXPECT_ERR(SYS(readlink, "/proc/self", buf, 0), EINVAL);
	EXPECT_ERR(SYS(readlink, "/proc/self", buf, -1), EINVAL);
	MUST(chdir("/tmp"));
	EXPECT_ERR(SYS(getcwd, buf, 0), ERANGE);
	EXPECT_ERR(SYS(getcwd, buf, 4), ERANGE);
	EXPECT_EQ(SYS(getcwd, buf, 5), 5);
}

TEST(getdents_buffer_too_small_for_one_entry_is_einval)
{
	char buf[64];
	int fd = MUST(open("/", O_RDONLY));

	EXPECT_ERR(SYS(getdents64, fd, buf, 0), EINVAL);
	EXPECT_ERR(SYS(getdents64, fd, buf, 8), EINVAL);
	EXPECT_ERR(SYS(getdents64, fd, buf, 19), EINVAL);
}

TEST(socket_addresses_of_absurd_length_are_einval)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "x"};
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	EXPECT_ERR(SYS(bind, fd, &addr, -1), EINVAL);
	EXPECT_ERR(SYS(bind, fd, &addr, 129), EINVAL);
	EXPECT_ERR(SYS(bind, fd, &addr, 111), EINVAL);
	EXPECT_ERR(SYS(bind, fd, &addr, 1), EINVAL);
	EXPECT_ERR(SYS(connect, fd, &addr, INT_MIN), EINVAL);
	EXPECT_ERR(SYS(connect, fd, &addr, 0), EINVAL);
}

TEST(getsockname_of_negative_room_is_einval)
{
	struct sockaddr_un addr;
	socklen_t len = (socklen_t)-1;
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	EXPECT_ERR(SYS(getsockname, fd, &addr, &len), EINVAL);
	EXPECT_ERR(SYS(getsockopt, fd, SOL_SOCKET, SO_TYPE, &addr, &len), EINVAL);
}

TEST(message_with_too_long_control_data_is_refused)
{
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &byte};
	int fd[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	m.msg_controllen = (size_t)INT_MAX + 1;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), ENOBUFS);
	m.msg_controllen = -1ul;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), ENOBUFS);
	m.msg_control = NULL;
	m.msg_controllen = 0;
	m.msg_iovlen = 1025;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EMSGSIZE);
	EXPECT_ERR(SYS(recvmsg, fd[0], &m, 0), EMSGSIZE);
}

TEST(control_message_headers_that_lie_are_einval)
{
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr h;
		char raw[64];
	} c = {.raw = ""};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
	int fd[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = 0;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EINVAL);
	c.h.cmsg_len = sizeof(struct cmsghdr) - 1;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EINVAL);
	c.h.cmsg_len = sizeof(c) + 8;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EINVAL);
	c.h.cmsg_len = -1ul;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EINVAL);
	c.h.cmsg_len = sizeof(c);
	c.h.cmsg_type = 99;
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EINVAL);
}

TEST(rights_message_with_a_closed_descriptor_is_ebadf)
{
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr h;
		char raw[CMSG_SPACE(sizeof(int))];
	} c = {.raw = ""};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
	int fd[2], bad = 999;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	c.h = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&c.h), &bad, sizeof(bad));
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EBADF);
	bad = -1;
	memcpy(CMSG_DATA(&c.h), &bad, sizeof(bad));
	EXPECT_ERR(SYS(sendmsg, fd[0], &m, 0), EBADF);
}

TEST(structures_with_a_size_argument_check_it)
{
	struct open_how how = {.flags = O_RDONLY};
	char args[8192] = "";

	EXPECT_ERR(SYS(openat2, AT_FDCWD, "/", &how, 0), EINVAL);
	EXPECT_ERR(SYS(openat2, AT_FDCWD, "/", &how, sizeof(how) - 1), EINVAL);
	EXPECT_ERR(SYS(openat2, AT_FDCWD, "/", args, 8192), E2BIG);
	args[sizeof(how) + 3] = 1;
	EXPECT_ERR(SYS(openat2, AT_FDCWD, "/", args, sizeof(how) + 8), E2BIG);
	EXPECT_ERR(SYS(clone3, args, 0), EINVAL);
	EXPECT_ERR(SYS(clone3, args, 63), EINVAL);
	EXPECT_ERR(SYS(clone3, args, 8192), E2BIG);
	EXPECT_ERR(SYS(set_robust_list, args, 23), EINVAL);
	EXPECT_ERR(SYS(set_robust_list, args, 0), EINVAL);
}

TEST(structure_with_zeros_behind_it_is_taken)
{
	struct {
		struct open_how how;
		char tail[64];
	} big = {.how = {.flags = O_RDONLY}};

	CHECK_EQ(close(MUST((int)SYS(openat2, AT_FDCWD, "/", &big, sizeof(big)))), 0);
}

TEST(affinity_masks_of_odd_sizes_are_einval)
{
	unsigned long mask[16];

	EXPECT_ERR(SYS(sched_getaffinity, 0, 0, mask), EINVAL);
	EXPECT_ERR(SYS(sched_getaffinity, 0, 7, mask), EINVAL);
	EXPECT_ERR(SYS(sched_getaffinity, 0, 129, mask), EINVAL);
	EXPECT_ERR(SYS(sched_setaffinity, 0, 0, mask), EINVAL);
}

TEST(group_lists_of_absurd_length_are_refused)
{
	gid_t list[4];

	EXPECT_ERR(SYS(getgroups, -1, list), EINVAL);
	t_become_ordinary();
	EXPECT_ERR(SYS(setgroups, 0, list), EPERM);
	EXPECT_ERR(SYS(setgroups, 1 << 20, list), EPERM);
}

TEST(time_values_out_of_range_are_einval)
{
	static const struct timespec bad[] = {
		{0, -1}, {0, 1000000000}, {-1, 0}, {0, LONG_MAX}, {LONG_MIN, 0}};
	struct pollfd pfd = {-1, 0, 0};
	int word = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_ERR(SYS(nanosleep, &bad[i], NULL), EINVAL);
		EXPECT_ERR(SYS(clock_nanosleep, CLOCK_MONOTONIC, 0, &bad[i], NULL), EINVAL);
		EXPECT_ERR(SYS(futex, &word, FUTEX_WAIT, 0, &bad[i], NULL, 0), EINVAL);
		EXPECT_ERR(SYS(ppoll, &pfd, 1, &bad[i], NULL, 8), EINVAL);
	}
}

TEST(sleep_until_the_end_of_time_can_be_interrupted)
{
	struct timespec ts = {LONG_MAX, 999999999};
	pid_t pid = SPAWN({
		SYS(nanosleep, &ts, NULL);
		_exit(1);
	});

	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGTERM));
	CHECK_KILLED(t_wait(pid), SIGTERM);
}

TEST(futex_counts_may_be_anything)
{
	int word = 0;

	CHECK_EQ(SYS(futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
	CHECK_EQ(SYS(futex, &word, FUTEX_WAKE_PRIVATE, -1, NULL, NULL, 0), 0);
	CHECK_EQ(SYS(futex, &word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0), 0);
	CHECK_ERR(SYS(futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, -1, 1ul, &word, 0), EINVAL);
	CHECK_ERR(SYS(futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1, -1l, &word, 0), EINVAL);
	CHECK_ERR(SYS(futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(SYS(futex, &word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 0), EINVAL);
}
