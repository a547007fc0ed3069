/* Descriptors that are closed, out of range or of the wrong kind, for every call that takes one. */
#include "hostile.h"

#include <linux/openat2.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <termios.h>

static const int no_fd[] = {-1, 3, 1000, 1 << 20, INT_MAX, INT_MIN, AT_FDCWD};

/* The call with every descriptor that isn't one; a test child has only 0, 1 and 2. */
#define BAD_FD(name, call)                                                                         \
	TEST(name)                                                                                 \
	{                                                                                          \
		char b[512] __attribute__((aligned(16))) = "";                                     \
		for (size_t i = 0; i < sizeof(no_fd) / sizeof(*no_fd); i++) {                      \
			int fd = no_fd[i];                                                         \
			EXPECT_ERR(call, EBADF);                                                   \
		}                                                                                  \
		(void)b;                                                                           \
	}

BAD_FD(read_of_no_descriptor, SYS(read, fd, b, 1))
BAD_FD(write_of_no_descriptor, SYS(write, fd, b, 1))
BAD_FD(pread64_of_no_descriptor, SYS(pread64, fd, b, 1, 0))
BAD_FD(pwrite64_of_no_descriptor, SYS(pwrite64, fd, b, 1, 0))
BAD_FD(readv_of_no_descriptor, SYS(readv, fd, b, 1))
BAD_FD(writev_of_no_descriptor, SYS(writev, fd, b, 1))
BAD_FD(preadv_of_no_descriptor, SYS(preadv, fd, b, 1, 0, 0))
BAD_FD(pwritev_of_no_descriptor, SYS(pwritev, fd, b, 1, 0, 0))
BAD_FD(close_of_no_descriptor, SYS(close, fd))
BAD_FD(lseek_of_no_descriptor, SYS(lseek, fd, 0, SEEK_SET))
BAD_FD(fstat_of_no_descriptor, SYS(fstat, fd, b))
BAD_FD(fstatfs_of_no_descriptor, SYS(fstatfs, fd, b))
BAD_FD(fsync_of_no_descriptor, SYS(fsync, fd))
BAD_FD(fdatasync_of_no_descriptor, SYS(fdatasync, fd))
BAD_FD(syncfs_of_no_descriptor, SYS(syncfs, fd))
BAD_FD(ftruncate_of_no_descriptor, SYS(ftruncate, fd, 0))
BAD_FD(fallocate_of_no_descriptor, SYS(fallocate, fd, 0, 0, 1))
BAD_FD(fchmod_of_no_descriptor, SYS(fchmod, fd, 0600))
BAD_FD(fchown_of_no_descriptor, SYS(fchown, fd, -1, -1))
BAD_FD(fchdir_of_no_descriptor, SYS(fchdir, fd))
BAD_FD(flock_of_no_descriptor, SYS(flock, fd, LOCK_SH))
BAD_FD(getdents64_of_no_descriptor, SYS(getdents64, fd, b, 512))
BAD_FD(inotify_add_watch_of_no_descriptor, SYS(inotify_add_watch, fd, "/", 1))
BAD_FD(inotify_rm_watch_of_no_descriptor, SYS(inotify_rm_watch, fd, 1))
BAD_FD(splice_from_no_descriptor, SYS(splice, fd, NULL, 1, NULL, 1ul, 0))
BAD_FD(splice_to_no_descriptor, SYS(splice, 0, NULL, fd, NULL, 1ul, 0))
BAD_FD(tee_from_no_descriptor, SYS(tee, fd, 1, 1ul, 0))
BAD_FD(tee_to_no_descriptor, SYS(tee, 0, fd, 1ul, 0))
BAD_FD(vmsplice_of_no_descriptor, SYS(vmsplice, fd, b, 1ul, 0))
BAD_FD(dup_of_no_descriptor, SYS(dup, fd))
BAD_FD(dup2_of_no_descriptor, SYS(dup2, fd, 0))
BAD_FD(dup2_of_no_descriptor_to_itself, SYS(dup2, fd, fd))
BAD_FD(dup3_of_no_descriptor, SYS(dup3, fd, 0, 0))
BAD_FD(fcntl_getfd_of_no_descriptor, SYS(fcntl, fd, F_GETFD))
BAD_FD(fcntl_setfl_of_no_descriptor, SYS(fcntl, fd, F_SETFL, 0))
BAD_FD(fcntl_dupfd_of_no_descriptor, SYS(fcntl, fd, F_DUPFD, 0))
BAD_FD(fcntl_getlk_of_no_descriptor, SYS(fcntl, fd, F_GETLK, b))
BAD_FD(ioctl_of_no_descriptor, SYS(ioctl, fd, FIONREAD, b))
BAD_FD(sendfile_from_no_descriptor, SYS(sendfile, 1, fd, NULL, 1))
BAD_FD(sendfile_to_no_descriptor, SYS(sendfile, fd, 0, NULL, 1))
BAD_FD(fadvise64_of_no_descriptor, SYS(fadvise64, fd, 0, 0, 0))
BAD_FD(sync_file_range_of_no_descriptor, SYS(sync_file_range, fd, 0, 0, 0))
BAD_FD(epoll_wait_of_no_descriptor, SYS(epoll_wait, fd, b, 1, 0))
BAD_FD(epoll_ctl_of_no_descriptor, SYS(epoll_ctl, fd, EPOLL_CTL_ADD, 0, b))
BAD_FD(epoll_ctl_adding_no_descriptor, ({
	       int ep = MUST(epoll_create1(0));
	       long r = SYS(epoll_ctl, ep, EPOLL_CTL_ADD, fd == ep ? -1 : fd, b);
	       int e = errno;
	       close(ep);
	       errno = e;
	       r;
       }))
BAD_FD(timerfd_settime_of_no_descriptor, SYS(timerfd_settime, fd, 0, b, NULL))
BAD_FD(timerfd_gettime_of_no_descriptor, SYS(timerfd_gettime, fd, b))
BAD_FD(bind_of_no_descriptor, SYS(bind, fd, b, 110))
BAD_FD(listen_of_no_descriptor, SYS(listen, fd, 1))
BAD_FD(accept_of_no_descriptor, SYS(accept, fd, NULL, NULL))
BAD_FD(connect_of_no_descriptor, SYS(connect, fd, b, 110))
BAD_FD(sendto_of_no_descriptor, SYS(sendto, fd, b, 1, 0, NULL, 0))
BAD_FD(recvfrom_of_no_descriptor, SYS(recvfrom, fd, b, 1, 0, NULL, NULL))
BAD_FD(sendmsg_of_no_descriptor, SYS(sendmsg, fd, b, 0))
BAD_FD(recvmsg_of_no_descriptor, SYS(recvmsg, fd, b, 0))
BAD_FD(shutdown_of_no_descriptor, SYS(shutdown, fd, SHUT_RDWR))
BAD_FD(getsockname_of_no_descriptor, SYS(getsockname, fd, b, b + 256))
BAD_FD(getpeername_of_no_descriptor, SYS(getpeername, fd, b, b + 256))
BAD_FD(setsockopt_of_no_descriptor, SYS(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, b, 4))
BAD_FD(getsockopt_of_no_descriptor, SYS(getsockopt, fd, SOL_SOCKET, SO_TYPE, b, b + 256))
BAD_FD(pidfd_send_signal_to_no_descriptor, SYS(pidfd_send_signal, fd, 0, NULL, 0))

TEST(at_calls_with_no_directory_descriptor_are_ebadf)
{
	struct open_how how = {.flags = O_RDONLY};
	struct statx sx;
	struct stat st;
	char b[64];

	for (size_t i = 0; i < 6; i++) { /* all but AT_FDCWD */
		int fd = no_fd[i];

		EXPECT_ERR(SYS(openat, fd, "x", O_RDONLY), EBADF);
		EXPECT_ERR(SYS(openat2, fd, "x", &how, sizeof(how)), EBADF);
		EXPECT_ERR(SYS(newfstatat, fd, "x", &st, 0), EBADF);
		EXPECT_ERR(SYS(newfstatat, fd, "", &st, AT_EMPTY_PATH), EBADF);
		EXPECT_ERR(SYS(statx, fd, "x", 0, STATX_BASIC_STATS, &sx), EBADF);
		EXPECT_ERR(SYS(faccessat, fd, "x", F_OK), EBADF);
		EXPECT_ERR(SYS(fchmodat, fd, "x", 0600), EBADF);
		EXPECT_ERR(SYS(fchownat, fd, "x", -1, -1, 0), EBADF);
		EXPECT_ERR(SYS(mkdirat, fd, "x", 0700), EBADF);
		EXPECT_ERR(SYS(mknodat, fd, "x", S_IFREG | 0600, 0), EBADF);
		EXPECT_ERR(SYS(unlinkat, fd, "x", 0), EBADF);
		EXPECT_ERR(SYS(symlinkat, "y", fd, "x"), EBADF);
		EXPECT_ERR(SYS(readlinkat, fd, "x", b, 64), EBADF);
		EXPECT_ERR(SYS(renameat, fd, "x", AT_FDCWD, "y"), EBADF);
		EXPECT_ERR(SYS(renameat, AT_FDCWD, "/tmp", fd, "y"), EBADF);
		EXPECT_ERR(SYS(linkat, fd, "x", AT_FDCWD, "y", 0), EBADF);
		EXPECT_ERR(SYS(utimensat, fd, "x", NULL, 0), EBADF);
		EXPECT_ERR(SYS(execveat, fd, "x", NULL, NULL, 0), EBADF);
	}
}

TEST(absolute_path_needs_no_directory_descriptor)
{
	struct stat st;

	CHECK_EQ(SYS(newfstatat, -1, "/", &st, 0), 0);
	CHECK_EQ(close(MUST((int)SYS(openat, 12345, "/", O_RDONLY))), 0);
}

TEST(file_as_directory_descriptor_is_enotdir)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY));
	struct stat st;

	EXPECT_ERR(SYS(openat, fd, "x", O_RDONLY), ENOTDIR);
	EXPECT_ERR(SYS(newfstatat, fd, "x", &st, 0), ENOTDIR);
	EXPECT_ERR(SYS(mkdirat, fd, "x", 0700), ENOTDIR);
	EXPECT_ERR(SYS(unlinkat, fd, "x", 0), ENOTDIR);
	EXPECT_ERR(SYS(symlinkat, "y", fd, "x"), ENOTDIR);
	EXPECT_ERR(SYS(fchdir, fd), ENOTDIR);
	EXPECT_ERR(SYS(getdents64, fd, &st, sizeof(st)), ENOTDIR);
}

TEST(directory_cannot_be_read_or_written_as_a_file)
{
	int fd = MUST(open(t_tmpdir(), O_RDONLY | O_DIRECTORY));
	char c;

	EXPECT_ERR(read(fd, &c, 1), EISDIR);
	EXPECT_ERR(pread(fd, &c, 1, 0), EISDIR);
	EXPECT_ERR(write(fd, &c, 1), EBADF);
	EXPECT_ERR(ftruncate(fd, 0), EINVAL);
	EXPECT_ERR(open(t_tmpdir(), O_RDWR), EISDIR);
	EXPECT_ERR(open(t_tmpdir(), O_WRONLY), EISDIR);
	EXPECT_ERR(open(t_tmpdir(), O_RDONLY | O_CREAT, 0600), EISDIR);
}

TEST(access_mode_of_a_descriptor_is_enforced)
{
	int in, out;
	char c = 0;

	t_cd_tmpdir();
	t_write_file("f", "text");
	in = MUST(open("f", O_RDONLY));
	out = MUST(open("f", O_WRONLY));
	EXPECT_ERR(write(in, &c, 1), EBADF);
	EXPECT_ERR(pwrite(in, &c, 1, 0), EBADF);
	EXPECT_ERR(read(out, &c, 1), EBADF);
	EXPECT_ERR(pread(out, &c, 1, 0), EBADF);
	EXPECT_ERR(ftruncate(in, 0), EINVAL);
	EXPECT_ERR(fallocate(in, 0, 0, 1), EBADF);
	EXPECT_ERR(sendfile(in, in, NULL, 1), EBADF);
	EXPECT_ERR(sendfile(out, out, NULL, 1), EBADF);
	EXPECT_ERR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, out, 0), EACCES);
	EXPECT_ERR(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, in, 0), EACCES);
}

TEST(access_mode_of_pipe_ends_is_enforced)
{
	int fd[2];
	char c = 0;

	MUST(pipe(fd));
	EXPECT_ERR(write(fd[0], &c, 1), EBADF);
	EXPECT_ERR(read(fd[1], &c, 1), EBADF);
}

TEST(things_that_cannot_seek_are_espipe)
{
	int fd[6], n = 0;
	char c;

	MUST(pipe(fd));
	n = 2;
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd + n));
	n += 2;
	for (int i = 0; i < n; i++) {
		EXPECT_ERR(lseek(fd[i], 0, SEEK_CUR), ESPIPE);
		EXPECT_ERR(lseek(fd[i], 0, SEEK_END), ESPIPE);
	}
	EXPECT_ERR(pread(fd[0], &c, 1, 0), ESPIPE);
	EXPECT_ERR(pwrite(fd[1], "x", 1, 0), ESPIPE);
	EXPECT_ERR(pread(fd[2], &c, 1, 0), ESPIPE);
	EXPECT_ERR(fallocate(fd[1], 0, 0, 1), ESPIPE);
}

TEST(things_that_cannot_be_truncated_are_einval)
{
	int fd[2];

	MUST(pipe(fd));
	EXPECT_ERR(ftruncate(fd[1], 0), EINVAL);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	EXPECT_ERR(ftruncate(fd[1], 0), EINVAL);
}

TEST(things_that_cannot_be_synced_are_einval)
{
	int fd[2];

	MUST(pipe(fd));
	EXPECT_ERR(fsync(fd[1]), EINVAL);
	EXPECT_ERR(fsync(MUST(eventfd(0, 0))), EINVAL);
	EXPECT_ERR(fdatasync(MUST(epoll_create1(0))), EINVAL);
}

TEST(file_is_no_socket)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr);
	struct msghdr m = {0};

	EXPECT_ERR(bind(fd, (void *)&addr, sizeof(addr)), ENOTSOCK);
	EXPECT_ERR(listen(fd, 1), ENOTSOCK);
	EXPECT_ERR(accept(fd, NULL, NULL), ENOTSOCK);
	EXPECT_ERR(connect(fd, (void *)&addr, sizeof(addr)), ENOTSOCK);
	EXPECT_ERR(send(fd, "x", 1, 0), ENOTSOCK);
	EXPECT_ERR(recv(fd, &addr, 1, 0), ENOTSOCK);
	EXPECT_ERR(sendmsg(fd, &m, 0), ENOTSOCK);
	EXPECT_ERR(recvmsg(fd, &m, 0), ENOTSOCK);
	EXPECT_ERR(shutdown(fd, SHUT_RD), ENOTSOCK);
	EXPECT_ERR(getsockname(fd, (void *)&addr, &len), ENOTSOCK);
	EXPECT_ERR(getsockopt(fd, SOL_SOCKET, SO_TYPE, &addr, &len), ENOTSOCK);
}

TEST(special_calls_refuse_descriptors_of_another_kind)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct itimerspec its = {{0, 0}, {0, 0}};
	struct termios tio;
	sigset_t set;
	int fd[2];

	sigemptyset(&set);
	MUST(pipe(fd));
	EXPECT_ERR(epoll_ctl(fd[0], EPOLL_CTL_ADD, fd[1], &ev), EINVAL);
	EXPECT_ERR(epoll_wait(fd[0], &ev, 1, 0), EINVAL);
	EXPECT_ERR(timerfd_settime(fd[0], 0, &its, NULL), EINVAL);
	EXPECT_ERR(timerfd_gettime(fd[0], &its), EINVAL);
	EXPECT_ERR(signalfd(fd[0], &set, 0), EINVAL);
	EXPECT_ERR(SYS(pidfd_send_signal, fd[0], 0, NULL, 0), EBADF);
	EXPECT_ERR(ioctl(fd[0], TCGETS, &tio), ENOTTY);
	EXPECT_ERR(ioctl(fd[0], TIOCSCTTY, 0), ENOTTY);
}

TEST(epoll_takes_no_regular_file_and_no_directory)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = MUST(epoll_create1(0));

	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, MUST(open("/proc/self/exe", O_RDONLY)), &ev),
		   EPERM);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, MUST(open("/tmp", O_RDONLY)), &ev), EPERM);
}

TEST(path_descriptor_allows_no_data_and_no_change)
{
	struct stat st;
	char c;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "text");
	fd = MUST(open("f", O_PATH));
	EXPECT_ERR(read(fd, &c, 1), EBADF);
	EXPECT_ERR(write(fd, "x", 1), EBADF);
	EXPECT_ERR(lseek(fd, 0, SEEK_SET), EBADF);
	EXPECT_ERR(fchmod(fd, 0600), EBADF);
	EXPECT_ERR(fchown(fd, -1, -1), EBADF);
	EXPECT_ERR(ftruncate(fd, 0), EBADF);
	EXPECT_ERR(fsync(fd), EBADF);
	EXPECT_ERR(flock(fd, LOCK_SH), EBADF);
	EXPECT_ERR(ioctl(fd, FIONREAD, &c), EBADF);
	EXPECT_ERR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EBADF);
	EXPECT_ERR(fcntl(fd, F_SETFL, O_NONBLOCK), EBADF);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 4);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
	EXPECT_EQ(close(MUST(dup(fd))), 0);
}

TEST(poll_reports_a_closed_descriptor_and_skips_a_negative_one)
{
	struct pollfd pfd[3] = {{999, POLLIN, 0}, {-1, POLLIN, 7}, {INT_MAX, POLLIN, 0}};

	CHECK_EQ(poll(pfd, 3, 0), 2);
	CHECK_EQ(pfd[0].revents, POLLNVAL);
	CHECK_EQ(pfd[1].revents, 0);
	CHECK_EQ(pfd[2].revents, POLLNVAL);
}

TEST(select_of_a_closed_descriptor_is_ebadf)
{
	struct timeval tv = {0, 0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(40, &set);
	CHECK_ERR(select(41, &set, NULL, NULL, &tv), EBADF);
}

TEST(descriptors_beyond_the_limit_are_refused)
{
	struct rlimit lim;

	MUST(getrlimit(RLIMIT_NOFILE, &lim));
	EXPECT_ERR(dup2(0, (int)lim.rlim_cur), EBADF);
	EXPECT_ERR(dup2(0, -1), EBADF);
	EXPECT_ERR(dup2(0, INT_MAX), EBADF);
	EXPECT_ERR(fcntl(0, F_DUPFD, (int)lim.rlim_cur), EINVAL);
	EXPECT_ERR(fcntl(0, F_DUPFD, -1), EINVAL);
	EXPECT_ERR(fcntl(0, F_DUPFD, INT_MAX), EINVAL);
	EXPECT_EQ(dup2(0, (int)lim.rlim_cur - 1), (int)lim.rlim_cur - 1);
}

TEST(descriptor_table_fills_up_to_the_limit_and_recovers)
{
	struct rlimit lim = {64, 64};
	int fd, last = -1;

	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	while ((fd = dup(0)) >= 0)
		last = fd;
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(last, 63);
	CHECK_ERR(open("/", O_RDONLY), EMFILE);
	CHECK_ERR(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE);
	CHECK_ERR(epoll_create1(0), EMFILE);
	CHECK_ERR(eventfd(0, 0), EMFILE);
	MUST(close(40));
	int pair[2];
	CHECK_ERR(pipe(pair), EMFILE);
	CHECK_EQ(dup(0), 40);
}
