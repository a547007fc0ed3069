/* read, write, pread, pwrite, readv, writev, lseek, and sparse files. */
#include "t.h"

#include <sys/uio.h>

static int new_file(const char *text)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

TEST(read_moves_the_position_and_ends_with_zero)
{
	int fd = new_file("0123456789");
	char buf[16];

	CHECK_EQ(read(fd, buf, 4), 4);
	CHECK(!memcmp(buf, "0123", 4));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_EQ(read(fd, buf, 16), 6);
	CHECK_EQ(read(fd, buf, 16), 0);
	CHECK_EQ(read(fd, buf, 16), 0);
}

TEST(pread_and_pwrite_leave_the_position_alone)
{
	int fd = new_file("0123456789");
	char buf[4];

	MUST(lseek(fd, 3, SEEK_SET));
	CHECK_EQ(pread(fd, buf, 4, 6), 4);
	CHECK(!memcmp(buf, "6789", 4));
	CHECK_EQ(pread(fd, buf, 4, 8), 2);
	CHECK_EQ(pread(fd, buf, 4, 100), 0);
	CHECK_EQ(pwrite(fd, "AB", 2, 9), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 11);
}

TEST(pwrite_on_an_append_descriptor_appends)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "0123");
	fd = MUST(open("f", O_WRONLY | O_APPEND));
	CHECK_EQ(pwrite(fd, "X", 1, 0), 1);
	CHECK_STR(t_read_file("f"), "0123X");
}

TEST(write_beyond_the_end_leaves_zeroes)
{
	int fd = new_file("abc");
	char buf[10];

	CHECK_EQ(pwrite(fd, "z", 1, 9), 1);
	CHECK_EQ(pread(fd, buf, 10, 0), 10);
	CHECK(!memcmp(buf, "abc\0\0\0\0\0\0z", 10));
}

TEST(seek_from_each_origin)
{
	int fd = new_file("0123456789");

	CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
	CHECK_EQ(lseek(fd, -2, SEEK_CUR), 3);
	CHECK_EQ(lseek(fd, -1, SEEK_END), 9);
	CHECK_EQ(lseek(fd, 100, SEEK_END), 110);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	CHECK_ERR(lseek(fd, -11, SEEK_CUR), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
}

TEST(files_beyond_four_gigabytes)
{
	int fd = new_file("start");
	off_t at = 5l << 30;
	struct stat st;
	char buf[4];

	CHECK_EQ(pwrite(fd, "far", 3, at), 3);
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_size, at + 3);
	CHECK(st.st_blocks < 1000);
	CHECK_EQ(pread(fd, buf, 4, at), 3);
	CHECK(!memcmp(buf, "far", 3));
	CHECK_EQ(pread(fd, buf, 4, 3l << 30), 4);
	CHECK(!memcmp(buf, "\0\0\0\0", 4));
	CHECK_EQ(lseek(fd, at, SEEK_SET), at);
	CHECK_EQ(read(fd, buf, 1), 1);
	CHECK_EQ(buf[0], 'f');
}

TEST(holes_and_data_can_be_found)
{
	int fd = new_file("");
	char block[4096];

	memset(block, 'x', sizeof(block));
	CHECK_EQ(pwrite(fd, block, 4096, 0), 4096);
	CHECK_EQ(pwrite(fd, block, 4096, 1 << 20), 4096);
	MUST(ftruncate(fd, 2 << 20));
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 4096);
	CHECK_EQ(lseek(fd, 4096, SEEK_DATA), 1 << 20);
	CHECK_EQ(lseek(fd, 1 << 20, SEEK_HOLE), (1 << 20) + 4096);
	CHECK_ERR(lseek(fd, (1 << 20) + 4096, SEEK_DATA), ENXIO);
	CHECK_EQ(lseek(fd, (1 << 20) + 4096, SEEK_HOLE), (1 << 20) + 4096);
	CHECK_ERR(lseek(fd, 2 << 20, SEEK_HOLE), ENXIO);
	CHECK_ERR(lseek(fd, -1, SEEK_DATA), ENXIO);
}

TEST(vector_reads_and_writes_go_in_order)
{
	struct iovec out[4] = {{"ab", 2}, {"", 0}, {"cde", 3}, {"f", 1}};
	char x[3] = "", y[5] = "";
	struct iovec in[2] = {{x, 2}, {y, 4}};
	int fd = new_file("");

	CHECK_EQ(writev(fd, out, 4), 6);
	MUST(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(readv(fd, in, 2), 6);
	CHECK_STR(x, "ab");
	CHECK_STR(y, "cdef");
	CHECK_EQ(readv(fd, in, 2), 0);
}

TEST(positioned_vectors)
{
	struct iovec out[2] = {{"AB", 2}, {"CD", 2}};
	char x[2] = "", y[8] = "";
	struct iovec in[2] = {{x, 1}, {y, 7}};
	int fd = new_file("0123456789");

	CHECK_EQ(pwritev(fd, out, 2, 4), 4);
	CHECK_EQ(preadv(fd, in, 2, 3), 7);
	CHECK_STR(x, "3");
	CHECK(!memcmp(y, "ABCD89", 6));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(preadv2(fd, in, 2, -1, 0), 8); /* at the position, which moves */
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
}

TEST(vector_of_many_small_parts)
{
	static char bytes[1024];
	static struct iovec iov[1024];
	int fd = new_file("");

	for (int i = 0; i < 1024; i++) {
		bytes[i] = (char)(i * 7);
		iov[i] = (struct iovec){&bytes[i], 1};
	}
	CHECK_EQ(writev(fd, iov, 1024), 1024);
	memset(bytes, 0, sizeof(bytes));
	CHECK_EQ(preadv(fd, iov, 1024, 0), 1024);
	for (int i = 0; i < 1024; i++)
		CHECK_EQ(bytes[i], (char)(i * 7));
}

TEST(empty_vector_is_no_error)
{
	int fd = new_file("x");
	struct iovec iov = {NULL, 0};

	CHECK_EQ(writev(fd, NULL, 0), 0);
	CHECK_EQ(readv(fd, &iov, 1), 0);
}

TEST(megabytes_survive_a_round_trip)
{
	size_t n = 4 << 20;
	unsigned char *a = malloc(n), *b = malloc(n);
	int fd = new_file("");

	for (size_t i = 0; i < n; i++)
		a[i] = (unsigned char)(i * 2654435761u >> 13);
	CHECK_EQ(write(fd, a, n), (ssize_t)n);
	CHECK_EQ(pread(fd, b, n, 0), (ssize_t)n);
	CHECK(!memcmp(a, b, n));
	CHECK_EQ(pread(fd, b, 12345, 1234567), 12345);
	CHECK(!memcmp(a + 1234567, b, 12345));
}

TEST(small_writes_at_odd_places)
{
	static unsigned char model[20000], got[20000];
	int fd = new_file("");
	unsigned int r = 1;

	MUST(ftruncate(fd, sizeof(model)));
	for (int i = 0; i < 500; i++) {
		unsigned char buf[100];
		size_t at, len;

		r = r * 1103515245 + 12345;
		at = (r >> 8) % (sizeof(model) - 100);
		len = (r >> 4) % 100;
		memset(buf, i, len);
		memset(model + at, i, len);
		CHECK_EQ(pwrite(fd, buf, len, (off_t)at), (ssize_t)len);
	}
	CHECK_EQ(pread(fd, got, sizeof(got), 0), (ssize_t)sizeof(got));
	CHECK(!memcmp(model, got, sizeof(got)));
}

static volatile sig_atomic_t signals;

static void note(int sig)
{
	(void)sig;
	signals++;
}

TEST(write_past_rlimit_raises_sigxfsz)
{
	struct rlimit lim = {1000, 1000};
	int fd = new_file("");
	char buf[2000] = "";

	MUST(setrlimit(RLIMIT_FSIZE, &lim));
	t_handle(SIGXFSZ, note);
	CHECK_EQ(write(fd, buf, 2000), 1000); /* up to the limit, without a signal */
	CHECK_EQ(signals, 0);
	CHECK_ERR(write(fd, buf, 1), EFBIG);
	CHECK_EQ(signals, 1);
	CHECK_ERR(ftruncate(fd, 1001), EFBIG);
	CHECK_EQ(signals, 2);
	CHECK_EQ(pwrite(fd, buf, 10, 500), 10);
	CHECK_KILLED(IN_CHILD({
			     signal(SIGXFSZ, SIG_DFL);
			     pwrite(fd, buf, 10, 1000) < 0 ? _exit(1) : _exit(2);
		     }),
		     SIGXFSZ);
}

TEST(position_is_shared_between_processes_that_write)
{
	int fd = new_file("");
	pid_t pid[4];
	char buf[8];

	for (int i = 0; i < 4; i++)
		pid[i] = SPAWN(for (int k = 0; k < 50; k++) CHECK(write(fd, "record!\n", 8) == 8));
	for (int i = 0; i < 4; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 4 * 50 * 8);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(pread(fd, buf, 8, i * 8), 8);
		CHECK(!memcmp(buf, "record!\n", 8));
	}
}

TEST(advice_and_sync_calls_are_taken)
{
	int fd = new_file("data");

	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 4, POSIX_FADV_DONTNEED), 0);
	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(fdatasync(fd), 0);
	CHECK_EQ(readahead(fd, 0, 4096), 0);
}

/* Enough for whatever moves large pieces in another way. */
#define LARGE (3 << 20)

TEST(large_pieces_are_complete)
{
	static unsigned char out[LARGE], in[LARGE];
	struct iovec v[3] = {
		{in, 5}, {in + 5, 1 << 20}, {in + 5 + (1 << 20), LARGE - 5 - (1 << 20)}};
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	for (int i = 0; i < LARGE; i++)
		out[i] = i * 5 + (i >> 12);
	CHECK_EQ(pwrite(fd, out, LARGE, 77), LARGE);
	CHECK_EQ(lseek(fd, 0, SEEK_END), LARGE + 77);
	CHECK_EQ(pread(fd, in, LARGE, 77), LARGE);
	CHECK(!memcmp(in, out, LARGE));
	memset(in, 0, LARGE);
	MUST(lseek(fd, 77, SEEK_SET));
	CHECK_EQ(readv(fd, v, 3), LARGE);
	CHECK(!memcmp(in, out, LARGE));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), LARGE + 77);
	CHECK_EQ(pread(fd, in, LARGE, LARGE), 77);
	CHECK_EQ(pread(fd, in, LARGE, LARGE + 77), 0);
	/* Over a part of it, and beyond the end. */
	memset(out, 'x', 1 << 20);
	CHECK_EQ(pwrite(fd, out, 1 << 20, LARGE), 1 << 20);
	CHECK_EQ(pread(fd, in, LARGE, LARGE), 1 << 20);
	CHECK(!memcmp(in, out, 1 << 20));
}

TEST(large_pieces_end_at_a_bad_address)
{
	char *at = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	CHECK(at != MAP_FAILED);
	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	memset(at, 'a', 2 << 20);
	CHECK_EQ(pwrite(fd, at, 2 << 20, 0), 2 << 20);
	MUST(munmap(at + (1 << 20), 4096));
	CHECK_EQ(pread(fd, at, 2 << 20, 0), 1 << 20);
	CHECK_EQ(pwrite(fd, at, 2 << 20, 0), 1 << 20);
	MUST(mprotect(at, 4096, PROT_READ));
	CHECK_ERR(pread(fd, at, 1 << 20, 0), EFAULT);
	CHECK_EQ(pwrite(fd, at, 1 << 20, 0), 1 << 20);
}
