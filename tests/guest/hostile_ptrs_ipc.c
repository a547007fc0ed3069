/* Bad pointers in futexes, epoll, eventfd, signalfd and AF_UNIX sockets. */
#include "hostile.h"

#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int stream_with_data(void)
{
	int fd[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	CHECK(write(fd[1], "0123456789abcdef", 16) == 16);
	return fd[0];
}

static int dgram_with_data(int n)
{
	int fd[2];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	for (int i = 0; i < n; i++)
		CHECK(write(fd[1], "0123456789abcdef", 16) == 16);
	return fd[0];
}

static int ready_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = MUST(epoll_create1(0));

	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, stream_with_data(), &ev));
	return ep;
}

/* ---- futex ---- */
BAD_WORD(futex_wait_at_bad_word, , SYS(futex, p, FUTEX_WAIT, 0, NULL, NULL, 0))
BAD_WORD(futex_private_wait_at_bad_word, , SYS(futex, p, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0))
BAD_WORD(futex_wait_bitset_at_bad_word, ,
	 SYS(futex, p, FUTEX_WAIT_BITSET, 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY))
BAD_WORD(futex_shared_wake_at_bad_word, , SYS(futex, p, FUTEX_WAKE, 1, NULL, NULL, 0))
BAD_WORD(futex_cmp_requeue_from_bad_word, , ({
		 int other = 0;
		 SYS(futex, p, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1ul, &other, 0);
	 }))
BAD_WORD(futex_shared_requeue_to_bad_word, , ({
		 int word = 0;
		 SYS(futex, &word, FUTEX_CMP_REQUEUE, 1, 1ul, p, 0);
	 }))
BAD_WORD(futex_wake_op_at_bad_word, , ({
		 int word = 0;
		 SYS(futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1ul, p,
		     FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
	 }))
BAD_IN(futex_wait_with_bad_timeout, ({
	       int word = 0;
	       SYS(futex, &word, FUTEX_WAIT_PRIVATE, 0, p, NULL, 0);
       }))

TEST(futex_word_must_be_aligned)
{
	static int words[2];

	for (int off = 1; off < 4; off++) {
		EXPECT_ERR(SYS(futex, (char *)words + off, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
		EXPECT_ERR(SYS(futex, (char *)words + off, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
		EXPECT_ERR(SYS(futex, (char *)words + off, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0),
			   EINVAL);
	}
}

TEST(futex_private_wake_in_the_kernel_half_is_efault)
{
	EXPECT_ERR(SYS(futex, 0xffff800000000000ul, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EFAULT);
	EXPECT_ERR(SYS(futex, 0xfffffffffffffffcul, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EFAULT);
}

/* ---- epoll, eventfd ---- */
BAD_IN_WITH(epoll_ctl_with_bad_event, int ep = MUST(epoll_create1(0));
	    int fd = stream_with_data(), SYS(epoll_ctl, ep, EPOLL_CTL_ADD, fd, p))
BAD_OUT_WITH(epoll_wait_to_bad_array, int ep = ready_epoll(), SYS(epoll_wait, ep, p, 1, 0))
BAD_IN_WITH(epoll_pwait_with_bad_mask, struct epoll_event ev;
	    int ep = ready_epoll(), SYS(epoll_pwait, ep, &ev, 1, 0, p, 8))
BAD_IN_WITH(eventfd_write_from_bad_buffer, int fd = MUST(eventfd(0, 0)), SYS(write, fd, p, 8))
BAD_OUT(eventfd_read_to_bad_buffer, ({
		int fd = MUST(eventfd(1, 0));
		SYS(read, fd, p, 8);
	}))

/* ---- sockets ---- */
BAD_OUT(socketpair_to_bad_array, SYS(socketpair, AF_UNIX, SOCK_STREAM, 0, p))
BAD_STREAM(stream_read_to_bad_buffer, int fd = stream_with_data(), SYS(read, fd, p, 16))
BAD_STREAM(stream_recvfrom_to_bad_buffer, int fd = stream_with_data(),
	   SYS(recvfrom, fd, p, 16, 0, NULL, NULL))
BAD_OUT_WITH(dgram_recvfrom_to_bad_buffer, int fd = dgram_with_data(HOSTILE_MAX),
	     SYS(recvfrom, fd, p, 16, 0, NULL, NULL))
BAD_IN_WITH(stream_write_from_bad_buffer, int fd = stream_with_data(), SYS(write, fd, p, 16))
BAD_IN_WITH(stream_sendto_from_bad_buffer, int fd = stream_with_data(),
	    SYS(sendto, fd, p, 16, 0, NULL, 0))
BAD_IN_WITH(sendmsg_with_bad_header, int fd = stream_with_data(), SYS(sendmsg, fd, p, 0))
BAD_IN_WITH(recvmsg_with_bad_header, int fd = stream_with_data(), SYS(recvmsg, fd, p, 0))
BAD_IN_WITH(sendmsg_with_bad_vector, int fd = stream_with_data(), ({
		    struct msghdr m = {.msg_iov = (struct iovec *)p, .msg_iovlen = 1};
		    SYS(sendmsg, fd, &m, 0);
	    }))
BAD_IN_WITH(sendmsg_with_bad_control, int fd = stream_with_data(), ({
		    struct iovec iov = {"x", 1};
		    struct msghdr m = {.msg_iov = &iov,
				       .msg_iovlen = 1,
				       .msg_control = p,
				       .msg_controllen = 64};
		    SYS(sendmsg, fd, &m, 0);
	    }))
BAD_IN_WITH(recvmsg_with_bad_vector, int fd = stream_with_data(), ({
		    struct msghdr m = {.msg_iov = (struct iovec *)p, .msg_iovlen = 1};
		    SYS(recvmsg, fd, &m, 0);
	    }))
BAD_IN_WITH(bind_with_bad_address, int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0)),
	    SYS(bind, fd, p, sizeof(struct sockaddr_un)))
BAD_IN_WITH(connect_with_bad_address, int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0)),
	    SYS(connect, fd, p, sizeof(struct sockaddr_un)))
BAD_IN_WITH(sendto_bad_address, int fd = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)),
	    SYS(sendto, fd, "x", 1, 0, p, sizeof(struct sockaddr_un)))
BAD_OUT_WITH(getsockname_with_bad_length, int fd = stream_with_data(), ({
		     struct sockaddr_un a;
		     SYS(getsockname, fd, &a, p);
	     }))
BAD_IN_WITH(setsockopt_from_bad_value, int fd = stream_with_data(),
	    SYS(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, p, 4))
BAD_OUT_WITH(getsockopt_to_bad_value, int fd = stream_with_data(), ({
		     socklen_t len = 4;
		     SYS(getsockopt, fd, SOL_SOCKET, SO_TYPE, p, &len);
	     }))
BAD_OUT_WITH(getsockopt_with_bad_length, int fd = stream_with_data(), ({
		     int v;
		     SYS(getsockopt, fd, SOL_SOCKET, SO_TYPE, &v, p);
	     }))

TEST(socketpair_to_bad_array_leaks_no_descriptor)
{
	int before = MUST(dup(0)), after;

	for (int i = 0; i < 100; i++)
		CHECK_ERR(SYS(socketpair, AF_UNIX, SOCK_STREAM, 0, 8ul), EFAULT);
	MUST(close(before));
	after = MUST(dup(0));
	CHECK_EQ(after, before);
}

TEST(failed_stream_read_loses_no_data)
{
	int fd = stream_with_data();
	char buf[32];

	CHECK_ERR(SYS(read, fd, 8ul, 16), EFAULT);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 16);
	CHECK(!memcmp(buf, "0123456789abcdef", 16));
}
