/* Bad pointers to data in the file calls: buffers, vectors, structures. */
#include "hostile.h"

#include <linux/openat2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/vfs.h>

static int rewound_file(void)
{
	int fd = text_file();

	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

static int filled_pipe(void)
{
	int fd[2];

	MUST(pipe(fd));
	CHECK(write(fd[1], "0123456789abcdef", 16) == 16);
	return fd[0];
}

static int pipe_to_write(void)
{
	int fd[2];

	MUST(pipe(fd));
	return fd[1];
}

BAD_STREAM(read_file_to_bad_buffer, int fd = rewound_file(), SYS(read, fd, p, 16))
BAD_STREAM(pread_file_to_bad_buffer, int fd = rewound_file(), SYS(pread64, fd, p, 16, 0))
BAD_STREAM(read_pipe_to_bad_buffer, int fd = filled_pipe(), SYS(read, fd, p, 16))
BAD_STREAM(read_dev_zero_to_bad_buffer, int fd = MUST(open("/dev/zero", O_RDONLY)),
	   SYS(read, fd, p, 16))
BAD_STREAM(read_proc_file_to_bad_buffer, int fd = MUST(open("/proc/self/status", O_RDONLY)),
	   SYS(read, fd, p, 16))
BAD_STREAM(read_memory_to_bad_buffer, int fd = MUST(open("/proc/self/mem", O_RDONLY)),
	   SYS(pread64, fd, p, 16, table))
BAD_WORD(write_memory_from_bad_buffer, int fd = MUST(open("/proc/self/mem", O_RDWR)),
	 SYS(pwrite64, fd, p, 16, table))
BAD_STREAM(readv_to_bad_buffer, int fd = rewound_file(), ({
		   struct iovec iov = {p, 16};
		   SYS(readv, fd, &iov, 1);
	   }))
BAD_IN_WITH(readv_with_bad_vector, int fd = rewound_file(), SYS(readv, fd, p, 1))
BAD_IN_WITH(preadv_with_bad_vector, int fd = rewound_file(), SYS(preadv, fd, p, 1, 0, 0))
BAD_WORD(write_file_from_bad_buffer, int fd = rewound_file(), SYS(write, fd, p, 16))
BAD_WORD(pwrite_file_from_bad_buffer, int fd = rewound_file(), SYS(pwrite64, fd, p, 16, 0))
BAD_WORD(write_pipe_from_bad_buffer, int fd = pipe_to_write(), SYS(write, fd, p, 16))
BAD_IN_WITH(writev_with_bad_vector, int fd = rewound_file(), SYS(writev, fd, p, 1))
BAD_IN_WITH(pwritev_with_bad_vector, int fd = rewound_file(), SYS(pwritev, fd, p, 1, 0, 0))
BAD_WORD(writev_from_bad_buffer, int fd = rewound_file(), ({
		 struct iovec iov = {p, 16};
		 SYS(writev, fd, &iov, 1);
	 }))
BAD_OUT(stat_to_bad_buffer, SYS(stat, "/", p))
BAD_OUT(lstat_to_bad_buffer, SYS(lstat, "/", p))
BAD_OUT_WITH(fstat_to_bad_buffer, int fd = rewound_file(), SYS(fstat, fd, p))
BAD_OUT(newfstatat_to_bad_buffer, SYS(newfstatat, AT_FDCWD, "/", p, 0))
BAD_OUT(statx_to_bad_buffer, SYS(statx, AT_FDCWD, "/", 0, STATX_BASIC_STATS, p))
BAD_OUT(statfs_to_bad_buffer, SYS(statfs, "/", p))
BAD_OUT_WITH(fstatfs_to_bad_buffer, int fd = rewound_file(), SYS(fstatfs, fd, p))
BAD_OUT_WITH(getdents64_to_bad_buffer, int fd = MUST(open("/", O_RDONLY)), ({
		     MUST(lseek(fd, 0, SEEK_SET));
		     SYS(getdents64, fd, p, 4096);
	     }))
BAD_IN_WITH(utimensat_with_bad_times, int fd = rewound_file(), SYS(utimensat, fd, NULL, p, 0))
BAD_IN(utimes_with_bad_times, SYS(utimes, "/tmp", p))
BAD_IN(openat2_with_bad_how, SYS(openat2, AT_FDCWD, "/", p, sizeof(struct open_how)))
BAD_OUT(pipe_to_bad_array, SYS(pipe, p))
BAD_OUT(pipe2_to_bad_array, SYS(pipe2, p, O_CLOEXEC))
BAD_IN_WITH(fcntl_setlk_with_bad_lock, int fd = rewound_file(), SYS(fcntl, fd, F_SETLK, p))
BAD_IN_WITH(fcntl_getlk_with_bad_lock, int fd = rewound_file(), SYS(fcntl, fd, F_GETLK, p))
BAD_IN_WITH(fcntl_ofd_setlk_with_bad_lock, int fd = rewound_file(), SYS(fcntl, fd, F_OFD_SETLK, p))
BAD_OUT_WITH(ioctl_fionread_to_bad_word, int fd = filled_pipe(), SYS(ioctl, fd, FIONREAD, p))
BAD_IN_WITH(ioctl_fionbio_from_bad_word, int fd = filled_pipe(), SYS(ioctl, fd, FIONBIO, p))
BAD_OUT_WITH(sendfile_with_bad_offset, int in = rewound_file();
	     int out = rewound_file(), SYS(sendfile, out, in, p, 4))
BAD_OUT(poll_with_bad_array, SYS(poll, p, 1, 0))
BAD_OUT(ppoll_with_bad_array, ({
		struct timespec ts = {0, 0};
		SYS(ppoll, p, 1, &ts, NULL, 8);
	}))
BAD_IN(ppoll_with_bad_timeout, ({
	       struct pollfd pfd = {-1, 0, 0};
	       SYS(ppoll, &pfd, 1, p, NULL, 8);
       }))
BAD_IN(ppoll_with_bad_mask, ({
	       struct pollfd pfd = {-1, 0, 0};
	       struct timespec ts = {0, 0};
	       SYS(ppoll, &pfd, 1, &ts, p, 8);
       }))
BAD_IN(select_with_bad_set, ({
	       struct timeval tv = {0, 0};
	       SYS(select, 3, p, NULL, NULL, &tv);
       }))
BAD_IN(select_with_bad_timeout, SYS(select, 0, NULL, NULL, NULL, p))
BAD_IN(pselect6_with_bad_mask_argument, ({
	       struct timespec ts = {0, 0};
	       SYS(pselect6, 0, NULL, NULL, NULL, &ts, p);
       }))

static int next_fd(void)
{
	int fd = MUST(dup(0));

	MUST(close(fd));
	return fd;
}

TEST(pipe_to_bad_array_leaks_no_descriptor)
{
	int before = next_fd();

	for (int i = 0; i < 100; i++)
		CHECK_ERR(SYS(pipe, 8ul), EFAULT);
	CHECK_EQ(next_fd(), before);
}

TEST(failed_read_consumes_nothing_from_a_pipe)
{
	int fd = filled_pipe();
	char buf[32];

	CHECK_ERR(SYS(read, fd, 8ul, 16), EFAULT);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 16);
	CHECK(!memcmp(buf, "0123456789abcdef", 16));
}

TEST(failed_read_does_not_move_the_file_position)
{
	int fd = rewound_file();

	CHECK_ERR(SYS(read, fd, 8ul, 16), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_ERR(SYS(write, fd, 8ul, 16), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 16);
}

TEST(failed_write_puts_nothing_into_a_pipe)
{
	int fd[2], n = -1;

	MUST(pipe(fd));
	CHECK_ERR(SYS(write, fd[1], 8ul, 16), EFAULT);
	MUST(ioctl(fd[0], FIONREAD, &n));
	CHECK_EQ(n, 0);
}

TEST(read_of_nothing_needs_no_buffer)
{
	int fd = rewound_file();

	CHECK_EQ(SYS(read, fd, 8ul, 0), 0);
	CHECK_EQ(SYS(read, fd, NULL, 0), 0);
	CHECK_EQ(SYS(write, fd, NULL, 0), 0);
	CHECK_EQ(SYS(pread64, fd, NULL, 0, 0), 0);
	CHECK_EQ(SYS(readv, fd, NULL, 0), 0);
}

TEST(file_read_across_a_hole_gives_what_fits)
{
	char *hole = hostile_page(-1), page[4096];
	int fd = rewound_file();

	memset(page, 'z', sizeof(page));
	CHECK_EQ(pwrite(fd, page, 4096, 0), 4096);
	CHECK_EQ(pwrite(fd, page, 4096, 4096), 4096);
	CHECK_EQ(read(fd, hole - 4096, 8192), 4096);
	CHECK_EQ(hole[-1], 'z');
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4096);
}

TEST(vector_stops_at_its_first_bad_buffer)
{
	char good[8] = "", *hole = hostile_page(-1);
	struct iovec iov[2] = {{good, 8}, {hole, 8}};
	int fd = rewound_file();

	CHECK_EQ(readv(fd, iov, 2), 8);
	CHECK(!memcmp(good, "01234567", 8));
}

TEST(structures_at_odd_addresses_work)
{
	char raw[sizeof(struct stat) + 16];
	struct timespec ts = {0, 0};
	struct stat st;

	for (int off = 1; off < 8; off += 2) {
		CHECK_EQ(SYS(stat, "/", raw + off), 0);
		memcpy(&st, raw + off, sizeof(st));
		CHECK(S_ISDIR(st.st_mode));
		memcpy(raw + off, &ts, sizeof(ts));
		CHECK_EQ(SYS(nanosleep, raw + off, NULL), 0);
		CHECK_EQ(SYS(pipe, raw + off), 0);
	}
}
