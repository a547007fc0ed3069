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

TEST(sendfile_of_megabytes_through_a_pipe)
{
	size_t n = 2 << 20, got = 0;
	unsigned char *data = malloc(n), buf[10000];
	int in = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600)), out[2];
	pid_t pid;

	for (size_t i = 0; i < n; i++)
		data[i] = (unsigned char)(i * 2654435761u >> 11);
	CHECK_EQ(write(in, data, n), (ssize_t)n);
	MUST(pipe(out));
	pid = SPAWN({
		off_t at = 0;
		while ((size_t)at < n)
			CHECK(sendfile(out[1], in, &at, n - (size_t)at) > 0);
	});
	MUST(close(out[1]));
	for (ssize_t r; (r = read(out[0], buf, sizeof(buf))) > 0; got += (size_t)r)
		CHECK(!memcmp(data + got, buf, (size_t)r));
	CHECK_EQ(got, n);
	CHECK_EXITED(t_wait(pid), 0);
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
