/* sendfile. */
#include "t.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

static int source(void)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

TEST(sendfile_moves_the_source_position)
{
	int in = source(), out[2];
	char buf[16] = "";

	MUST(pipe(out));
	CHECK_EQ(sendfile(out[1], in, NULL, 4), 4);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
	CHECK_EQ(sendfile(out[1], in, NULL, 100), 6);
	CHECK_EQ(sendfile(out[1], in, NULL, 100), 0);
	CHECK_EQ(read(out[0], buf, 16), 10);
	CHECK_STR(buf, "0123456789");
}

TEST(sendfile_with_an_offset_leaves_the_position_alone)
{
	int in = source(), out[2];
	off_t at = 7;
	char buf[8] = "";

	MUST(pipe(out));
	CHECK_EQ(sendfile(out[1], in, &at, 100), 3);
	CHECK_EQ(at, 10);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(read(out[0], buf, 8), 3);
	CHECK_STR(buf, "789");
	at = -1;
	CHECK_ERR(sendfile(out[1], in, &at, 1), EINVAL);
}

TEST(sendfile_to_a_file_and_to_a_socket)
{
	int in = source(), out, pair[2];
	char buf[16] = "";
	off_t at = 0;

	t_cd_tmpdir();
	out = MUST(open("out", O_RDWR | O_CREAT, 0600));
	CHECK_EQ(sendfile(out, in, &at, 10), 10);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 10);
	CHECK_STR(t_read_file("out"), "0123456789");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	at = 2;
	CHECK_EQ(sendfile(pair[0], in, &at, 3), 3);
	CHECK_EQ(read(pair[1], buf, 16), 3);
	CHECK_STR(buf, "234");
}

TEST(sendfile_errors)
{
	int in = source(), out[2], append;

	MUST(pipe(out));
	CHECK_ERR(sendfile(out[1], out[0], NULL, 1), EINVAL);
	CHECK_ERR(sendfile(out[0], in, NULL, 1), EBADF);
	CHECK_ERR(sendfile(out[1], 999, NULL, 1), EBADF);
	t_cd_tmpdir();
	append = MUST(open("f", O_WRONLY | O_CREAT | O_APPEND, 0600));
	CHECK_ERR(sendfile(append, in, NULL, 1), EINVAL);
	CHECK_EQ(sendfile(out[1], in, NULL, 0), 0);
}

/* n bytes, which differ from place to place. */
static int large_source(size_t n, unsigned char **data)
{
	int in = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	*data = malloc(n);
	for (size_t i = 0; i < n; i++)
		(*data)[i] = (unsigned char)(i * 2654435761u >> 11);
	CHECK_EQ(write(in, *data, n), (ssize_t)n);
	MUST(lseek(in, 0, SEEK_SET));
	return in;
}

static void send_megabytes(int from, int to)
{
	size_t n = 2 << 20, got = 0;
	unsigned char *data, buf[10000];
	int in = large_source(n, &data);
	pid_t pid = SPAWN({
		off_t at = 0;
		while ((size_t)at < n)
			CHECK(sendfile(to, in, &at, n - (size_t)at) > 0);
	});

	MUST(close(to));
	for (ssize_t r; (r = read(from, buf, sizeof(buf))) > 0; got += (size_t)r)
		CHECK(!memcmp(data + got, buf, (size_t)r));
	CHECK_EQ(got, n);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(sendfile_of_megabytes_through_a_pipe)
{
	int out[2];

	MUST(pipe(out));
	send_megabytes(out[0], out[1]);
}

TEST(sendfile_of_megabytes_through_a_socket)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	send_megabytes(pair[0], pair[1]);
}

TEST(sendfile_to_a_socket_ends_where_the_file_does)
{
	size_t n = 100000, got = 0;
	unsigned char *data, buf[8192];
	int in = large_source(n, &data), pair[2];
	off_t at = (off_t)n + 5;

	CHECK_EQ(sendfile(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), in, NULL, 0), 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_EQ(sendfile(pair[0], in, &at, 10), 0);
	MUST(lseek(in, 1, SEEK_SET));
	CHECK_EQ(sendfile(pair[0], in, NULL, 1 << 20), (ssize_t)n - 1);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), (off_t)n);
	CHECK_EQ(sendfile(pair[0], in, NULL, 1 << 20), 0);
	MUST(close(pair[0]));
	for (ssize_t r; (r = read(pair[1], buf, sizeof(buf))) > 0; got += (size_t)r)
		CHECK(!memcmp(data + 1 + got, buf, (size_t)r));
	CHECK_EQ(got, n - 1);
}

TEST(sendfile_to_a_socket_that_is_full_or_closed)
{
	size_t n = 1 << 20;
	unsigned char *data;
	int in = large_source(n, &data), pair[2];
	ssize_t first;

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	first = sendfile(pair[0], in, NULL, n);
	CHECK(first > 0 && first < (ssize_t)n);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), first);
	while (sendfile(pair[0], in, NULL, 4096) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	MUST(close(pair[1]));
	CHECK_KILLED(IN_CHILD(sendfile(pair[0], in, NULL, 1)), SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(sendfile(pair[0], in, NULL, 1), EPIPE);
}

/*
 * What is sent is of the file, however short it becomes meanwhile; or zeros, where a page is cut
 * off that is on its way.
 */
TEST(sendfile_of_a_file_that_shrinks)
{
	const off_t n = 200000;
	int in = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600)), pair[2];
	char *ones = malloc(n), *buf = malloc(n);
	uint32_t *stop = t_shared(sizeof(*stop));
	pid_t other;

	memset(ones, 1, n);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_EQ(pwrite(in, ones, n, 0), n);
	other = SPAWN({
		for (off_t size = 0; !__atomic_load_n(stop, __ATOMIC_RELAXED);
		     size = (size + 4099) % n) {
			MUST(ftruncate(in, size));
			CHECK_EQ(pwrite(in, ones + size, n - size, size), n - size);
		}
	});
	for (int i = 0; i < 200; i++) {
		off_t at = 0;
		ssize_t sent = MUST(sendfile(pair[0], in, &at, 100000)), got = 0;

		CHECK_EQ(at, sent);
		while (got < sent)
			got += MUST(recv(pair[1], buf + got, (size_t)(sent - got), 0));
		for (ssize_t k = 0; k < sent; k++)
			CHECK(buf[k] == 0 || buf[k] == 1);
	}
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
	CHECK_EXITED(t_wait(other), 0);
}

TEST(sendfile_to_a_full_nonblocking_pipe_is_eagain)
{
	static char buf[65536];
	int in = source(), out[2];

	MUST(pipe2(out, O_NONBLOCK));
	CHECK_EQ(write(out[1], buf, sizeof(buf)), 65536);
	CHECK_ERR(sendfile(out[1], in, NULL, 5), EAGAIN);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
}
