/* truncate, ftruncate, fallocate. */
#include "t.h"

static off_t size_of(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return st.st_size;
}

static int new_file(const char *text)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("f", text);
	fd = MUST(open("f", O_RDWR));
	return fd;
}

TEST(truncate_shortens_and_lengthens)
{
	int fd = new_file("0123456789");
	char buf[20];

	MUST(ftruncate(fd, 4));
	CHECK_EQ(size_of(fd), 4);
	MUST(ftruncate(fd, 12));
	CHECK_EQ(pread(fd, buf, 20, 0), 12);
	CHECK(!memcmp(buf, "0123\0\0\0\0\0\0\0\0", 12));
	MUST(truncate("f", 2));
	CHECK_EQ(size_of(fd), 2);
	MUST(truncate("f", 0));
	CHECK_EQ(size_of(fd), 0);
}

TEST(truncate_leaves_the_position_alone)
{
	int fd = new_file("0123456789");

	MUST(lseek(fd, 8, SEEK_SET));
	MUST(ftruncate(fd, 2));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(size_of(fd), 9);
}

TEST(truncate_errors)
{
	new_file("x");
	MUST(mkdir("d", 0755));
	CHECK_ERR(truncate("missing", 0), ENOENT);
	CHECK_ERR(truncate("d", 0), EISDIR);
	CHECK_ERR(truncate("f", -1), EINVAL);
	CHECK_ERR(truncate("f/x", 0), ENOTDIR);
	MUST(chmod("f", 0444));
	t_become_ordinary();
	CHECK_ERR(truncate("f", 0), EACCES);
}

TEST(huge_sizes_take_no_space)
{
	int fd = new_file("x");
	struct stat st;
	char c;

	MUST(ftruncate(fd, 1l << 40));
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_size, 1l << 40);
	CHECK(st.st_blocks <= 16);
	CHECK_EQ(pread(fd, &c, 1, (1l << 40) - 1), 1);
	CHECK_EQ(c, 0);
}

TEST(truncation_reaches_other_descriptors)
{
	int fd = new_file("0123456789"), other = MUST(open("f", O_RDONLY));
	char buf[16];

	MUST(ftruncate(fd, 3));
	CHECK_EQ(read(other, buf, 16), 3);
}

TEST(fallocate_lengthens)
{
	int fd = new_file("abc");
	struct stat st;
	char buf[8];

	MUST(fallocate(fd, 0, 0, 65536));
	CHECK_EQ(size_of(fd), 65536);
	MUST(fstat(fd, &st));
	CHECK(st.st_blocks >= 128);
	CHECK_EQ(pread(fd, buf, 8, 0), 8);
	CHECK(!memcmp(buf, "abc\0\0\0\0\0", 8));
	MUST(fallocate(fd, 0, 0, 10));
	CHECK_EQ(size_of(fd), 65536);
}

TEST(fallocate_with_keep_size)
{
	int fd = new_file("abc");

	MUST(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536));
	CHECK_EQ(size_of(fd), 3);
}

TEST(punch_hole_clears_a_range)
{
	int fd = new_file("");
	char buf[4096];

	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(fd, buf, 4096, i * 4096), 4096);
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 5000));
	CHECK_EQ(size_of(fd), 16384);
	CHECK_EQ(pread(fd, buf, 4096, 0), 4096);
	CHECK(buf[999] == 'x' && buf[1000] == 0 && buf[4095] == 0);
	CHECK_EQ(pread(fd, buf, 4096, 4096), 4096);
	CHECK(buf[0] == 0 && buf[1903] == 0 && buf[1904] == 'x');
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), EOPNOTSUPP);
}

TEST(punch_hole_gives_space_back)
{
	static char buf[1 << 20];
	int fd = new_file("");
	struct stat st;

	memset(buf, 'x', sizeof(buf));
	CHECK_EQ(write(fd, buf, sizeof(buf)), (ssize_t)sizeof(buf));
	MUST(fsync(fd));
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(buf)));
	MUST(fsync(fd));
	MUST(fstat(fd, &st));
	CHECK(st.st_blocks <= 16);
	CHECK_EQ(st.st_size, 1 << 20);
}

TEST(fallocate_errors)
{
	int fd = new_file("abc"), ro = MUST(open("f", O_RDONLY));

	CHECK_ERR(fallocate(ro, 0, 0, 10), EBADF);
	CHECK_ERR(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_EQ(posix_fallocate(fd, 0, 100), 0);
	CHECK_EQ(size_of(fd), 100);
	CHECK_ERR(fallocate(MUST(open("/tmp", O_RDONLY)), 0, 0, 10), EBADF);
}

TEST(file_size_limit_stops_growth_by_every_call)
{
	struct rlimit lim = {4096, 4096};
	int fd = new_file("abc");

	MUST(setrlimit(RLIMIT_FSIZE, &lim));
	signal(SIGXFSZ, SIG_IGN);
	CHECK_ERR(ftruncate(fd, 4097), EFBIG);
	CHECK_ERR(truncate("f", 4097), EFBIG);
	CHECK_EQ(ftruncate(fd, 4096), 0);
}

TEST(file_size_limit_is_only_for_what_grows)
{
	struct rlimit lim = {100, 100};
	int fd = new_file("");

	MUST(ftruncate(fd, 1000));
	MUST(setrlimit(RLIMIT_FSIZE, &lim));
	CHECK_EQ(ftruncate(fd, 500), 0);
	CHECK_EQ(truncate("f", 400), 0);
	CHECK_EQ(fallocate(fd, 0, 0, 400), 0);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_ERR(ftruncate(fd, 401), EFBIG);
	CHECK_ERR(truncate("f", 401), EFBIG);
	CHECK_ERR(fallocate(fd, 0, 0, 401), EFBIG);
	CHECK_EQ(size_of(fd), 400);
}
