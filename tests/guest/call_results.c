/*
 * Calls that write more than one thing, often enough that their sites are hot: each result is
 * there, and bad addresses are told.
 */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 300
#define BAD ((void *)16)

static void bound_pair(int fd[2], struct sockaddr_un name[2])
{
	for (int i = 0; i < 2; i++) {
		socklen_t len = sizeof(name[i]);

		fd[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		CHECK(fd[i] >= 0);
		/* An abstract name of the kernel's choice. */
		CHECK_EQ(bind(fd[i], &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
			 0);
		CHECK_EQ(getsockname(fd[i], (struct sockaddr *)&name[i], &len), 0);
		CHECK_EQ(len, 8);
	}
}

TEST(data_address_and_length)
{
	struct sockaddr_un name[2], from;
	char buf[3000], data[3000];
	int fd[2], wrong = 0;

	bound_pair(fd, name);
	for (int i = 0; i < CALLS; i++) {
		size_t n = i % 7 ? 1 + i : 2500 + i; /* what fits into a slot, and more */
		socklen_t len = i % 3 ? sizeof(from) : 4;

		memset(data, i, n);
		memset(buf, ~i, sizeof(buf));
		memset(&from, 0x55, sizeof(from));
		wrong += sendto(fd[0], data, n, 0, (struct sockaddr *)&name[1], 8) != (ssize_t)n;
		wrong += recvfrom(fd[1], buf, sizeof(buf), 0, (struct sockaddr *)&from, &len) !=
			 (ssize_t)n;
		wrong += memcmp(buf, data, n) != 0 || buf[n] != (char)~i;
		wrong += len != 8 || memcmp(&from, &name[0], i % 3 ? 8 : 4) != 0;
		wrong += ((char *)&from)[i % 3 ? 8 : 4] != 0x55;
	}
	CHECK_EQ(wrong, 0);
	for (int i = 0; i < CALLS; i++) {
		socklen_t len = sizeof(from);

		wrong += sendto(fd[0], data, 100, 0, (struct sockaddr *)&name[1], 8) != 100;
		if (i % 2) /* the datagram is lost */
			wrong += recvfrom(fd[1], buf, 100, 0, BAD, &len) != -1 || errno != EFAULT;
		else
			wrong += recvfrom(fd[1], buf, 100, 0, (struct sockaddr *)&from, BAD) !=
					 -1 ||
				 errno != EFAULT;
	}
	CHECK_EQ(wrong, 0);
	CHECK_ERR(recv(fd[1], buf, 1, MSG_DONTWAIT), EAGAIN);
	close(fd[0]);
	close(fd[1]);
}

TEST(one_range_written_twice)
{
	struct sockaddr_un name[2];
	socklen_t len;
	int fd[2], wrong = 0;
	union {
		char data[200];
		struct sockaddr_un from;
	} both;

	bound_pair(fd, name);
	for (int i = 0; i < CALLS; i++) { /* the address comes after the data */
		len = sizeof(both.from);
		memset(&both, 'x', sizeof(both));
		wrong += sendto(fd[0], &both, 100, 0, (struct sockaddr *)&name[1], 8) != 100;
		memset(&both, 'y', sizeof(both));
		wrong += recvfrom(fd[1], &both, 100, 0, (struct sockaddr *)&both.from, &len) != 100;
		wrong += memcmp(&both, &name[0], 8) != 0 || both.data[8] != 'x' ||
			 both.data[99] != 'x' || both.data[100] != 'y';
	}
	CHECK_EQ(wrong, 0);
	close(fd[0]);
	close(fd[1]);
}

TEST(offsets)
{
	int in = memfd_create("in", 0), out = memfd_create("out", 0), wrong = 0;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	off_t *edge = (off_t *)(page + 4096) - 1;

	CHECK_EQ(ftruncate(in, 100000), 0);
	CHECK_EQ(mprotect(page + 4096, 4096, PROT_NONE), 0);
	*edge = 0;
	for (int i = 0; i < CALLS; i++)
		wrong += sendfile(out, in, edge, 100) != 100 || *edge != 100 * (i + 1);
	CHECK_EQ(wrong, 0);
	for (int i = 0; i < CALLS; i++) {
		loff_t from = i, to = 2 * i;

		wrong += copy_file_range(in, &from, out, &to, 10, 0) != 10 || from != i + 10 ||
			 to != 2 * i + 10;
	}
	CHECK_EQ(wrong, 0);
	CHECK_ERR(sendfile(out, in, (off_t *)(page + 4096), 100), EFAULT);
	munmap(page, 8192);
	close(in);
	close(out);
}

TEST(events_in_place)
{
	struct pollfd p[3];
	int fd[2], wrong = 0;

	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	for (int i = 0; i < CALLS; i++) {
		struct timeval tv = {5, 0};
		fd_set in, out, ex;

		for (int k = 0; k < 3; k++)
			p[k] = (struct pollfd){k < 2 ? fd[k] : -1, POLLIN | POLLOUT, 0x55};
		wrong += poll(p, 3, 1000) != 2 || p[0].revents != POLLIN ||
			 p[1].revents != POLLOUT || p[2].revents;
		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_ZERO(&ex);
		FD_SET(fd[0], &in);
		FD_SET(fd[1], &in);
		FD_SET(fd[1], &out);
		FD_SET(fd[0], &ex);
		wrong += select(fd[1] + 1, i % 2 ? &in : NULL, &out, &ex, &tv) != 1 + i % 2;
		wrong += FD_ISSET(fd[0], &in) == 0 || FD_ISSET(fd[1], &in) == i % 2 ||
			 !FD_ISSET(fd[1], &out) || FD_ISSET(fd[0], &ex) || tv.tv_sec > 5;
	}
	CHECK_EQ(wrong, 0);
	close(fd[0]);
	close(fd[1]);
}

TEST(status_and_usage)
{
	int wrong = 0;

	for (int i = 0; i < CALLS / 3; i++) {
		struct rusage ru;
		siginfo_t info;
		int status = 0x5555;
		pid_t pid = fork();

		if (!pid)
			_exit(i % 100);
		memset(&ru, 0x55, sizeof(ru));
		memset(&info, 0x55, sizeof(info));
		wrong += waitid(P_PID, pid, i % 2 ? &info : NULL, WEXITED | WNOWAIT) != 0;
		wrong += i % 2 && (info.si_pid != pid || info.si_status != i % 100);
		wrong += wait4(pid, i % 3 ? &status : NULL, 0, i % 4 ? &ru : NULL) != pid;
		wrong += i % 3 && (!WIFEXITED(status) || WEXITSTATUS(status) != i % 100);
		wrong += i % 4 && (uint64_t)ru.ru_utime.tv_usec >= 1000000;
	}
	CHECK_EQ(wrong, 0);
}
