/* splice, tee, vmsplice. */
#include "hostile.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <termios.h>

#define NOWAIT SPLICE_F_NONBLOCK

struct ends {
	int r, w;
};

static struct ends new_pipe(void)
{
	int fd[2];

	MUST(pipe2(fd, O_CLOEXEC));
	return (struct ends){fd[0], fd[1]};
}

static struct ends pipe_with(const char *text)
{
	struct ends p = new_pipe();

	CHECK(write(p.w, text, strlen(text)) == (ssize_t)strlen(text));
	return p;
}

static int file_with(const char *text)
{
	t_cd_tmpdir();
	t_write_file("f", text);
	return MUST(open("f", O_RDWR | O_CLOEXEC));
}

static int queued(int fd)
{
	int n;

	MUST(ioctl(fd, FIONREAD, &n));
	return n;
}

/* What is in the pipe, and leaves it. */
static const char *drained(int fd)
{
	static char buf[70000];
	size_t n = 0;
	int left = queued(fd);

	while (left > 0) {
		ssize_t got = MUST(read(fd, buf + n, sizeof(buf) - 1 - n));

		n += (size_t)got;
		left -= (int)got;
	}
	buf[n] = 0;
	return buf;
}

static void fill(int w)
{
	static char page[4096];

	MUST(fcntl(w, F_SETFL, O_NONBLOCK));
	while (write(w, page, sizeof(page)) > 0)
		;
	MUST(fcntl(w, F_SETFL, 0));
}

/* ---- hostile arguments ---- */

TEST(unknown_flags_are_refused)
{
	struct ends a = pipe_with("x"), b = new_pipe();

	for (int bit = 4; bit < 32; bit++) {
		EXPECT_ERR(SYS(splice, a.r, NULL, b.w, NULL, 1ul, 1u << bit), EINVAL);
		EXPECT_ERR(SYS(tee, a.r, b.w, 1ul, 1u << bit), EINVAL);
		EXPECT_ERR(SYS(vmsplice, b.w, NULL, 0ul, 1u << bit), EINVAL);
	}
	/* Which of them comes first. */
	CHECK_EQ(SYS(splice, -1, (void *)8, -1, (void *)8, 0ul, 0), 0);
	CHECK_EQ(SYS(splice, -1, NULL, -1, NULL, 0ul, 16), 0);
	CHECK_EQ(SYS(tee, -1, -1, 0ul, 0), 0);
	CHECK_ERR(SYS(tee, -1, -1, 0ul, 16), EINVAL);
	CHECK_EQ(SYS(splice, a.r, NULL, b.w, NULL, 1ul, 15), 1);
}

TEST(wrong_descriptors_are_refused)
{
	struct ends a = pipe_with("x"), b = new_pipe();
	struct iovec v = {"x", 1};
	int f = file_with("text"), ro, wo, path, d;

	ro = MUST(open("f", O_RDONLY));
	wo = MUST(open("f", O_WRONLY));
	path = MUST(open("f", O_PATH));
	d = MUST(open(".", O_RDONLY));
	CHECK_ERR(splice(-1, NULL, b.w, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(a.r, NULL, -1, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(path, NULL, b.w, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(a.w, NULL, b.w, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(a.r, NULL, b.r, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(a.r, NULL, ro, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(wo, NULL, b.w, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(f, NULL, f, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(d, NULL, b.w, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(a.r, NULL, a.w, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(MUST(eventfd(1, 0)), NULL, b.w, NULL, 8, 0), EINVAL);
	CHECK_ERR(splice(a.r, NULL, MUST(eventfd(1, 0)), NULL, 8, 0), EINVAL);
	CHECK_ERR(tee(-1, b.w, 1, 0), EBADF);
	CHECK_ERR(tee(a.r, 1000, 1, 0), EBADF);
	CHECK_ERR(tee(a.w, b.w, 1, 0), EBADF);
	CHECK_ERR(tee(a.r, b.r, 1, 0), EBADF);
	CHECK_ERR(tee(a.r, a.w, 1, 0), EINVAL);
	CHECK_ERR(tee(f, b.w, 1, 0), EINVAL);
	CHECK_ERR(tee(a.r, f, 1, 0), EINVAL);
	CHECK_ERR(vmsplice(-1, &v, 1, 0), EBADF);
	CHECK_ERR(vmsplice(f, &v, 1, 0), EBADF);
	CHECK_ERR(vmsplice(path, &v, 1, 0), EBADF);
	CHECK_EQ(vmsplice(f, &v, 0, 0), 0);
	CHECK_STR(drained(a.r), "x");
}

TEST(offsets_belong_to_files)
{
	struct ends a = pipe_with("x"), b = new_pipe();
	loff_t off = 0, negative = -1, last = INT64_MAX;
	int f = file_with("text"), s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_ERR(splice(a.r, &off, f, NULL, 1, 0), ESPIPE);
	CHECK_ERR(splice(f, NULL, b.w, &off, 1, 0), ESPIPE);
	CHECK_ERR(splice(a.r, &off, b.w, NULL, 1, 0), ESPIPE);
	CHECK_ERR(splice(a.r, NULL, b.w, &off, 1, 0), ESPIPE);
	CHECK_ERR(splice(a.r, NULL, b.w, (loff_t *)8, 1, 0), ESPIPE);
	CHECK_ERR(splice(f, &negative, b.w, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(f, &last, b.w, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(a.r, NULL, f, &negative, 1, 0), EINVAL);
	CHECK_ERR(splice(a.r, NULL, f, &last, 1, 0), EINVAL);
	CHECK_ERR(splice(f, NULL, b.w, NULL, SIZE_MAX, 0), EINVAL);
	CHECK_ERR(splice(a.r, NULL, f, NULL, SIZE_MAX, 0), EINVAL);
	CHECK_ERR(splice(a.r, NULL, s[0], &off, 1, 0), EINVAL);
	CHECK_ERR(splice(s[0], &off, b.w, NULL, 1, 0), EINVAL);
	MUST(fcntl(f, F_SETFL, O_APPEND));
	CHECK_ERR(splice(a.r, NULL, f, NULL, 1, 0), EINVAL);
	CHECK_STR(drained(a.r), "x");
	CHECK_EQ(queued(b.r), 0);
}

BAD_OUT_WITH(splice_from_bad_offset, struct ends b = new_pipe();
	     int f = file_with("text"), SYS(splice, f, p, b.w, NULL, 1ul, 0))
BAD_IN_WITH(splice_to_bad_offset, struct ends a = pipe_with("0123456789abcdefghij");
	    int f = file_with("text"), SYS(splice, a.r, NULL, f, p, 1ul, 0))
BAD_IN_WITH(vmsplice_of_bad_vector, struct ends a = new_pipe(), SYS(vmsplice, a.w, p, 1ul, 0))
BAD_STREAM(vmsplice_to_bad_memory, struct ends a = pipe_with("0123456789abcdef"), ({
		   struct iovec v = {p, 4};
		   SYS(vmsplice, a.r, &v, 1ul, 0);
	   }))
BAD_WORD(vmsplice_from_bad_memory, struct ends a = new_pipe(), ({
		 struct iovec v = {p, 4};
		 SYS(vmsplice, a.w, &v, 1ul, 0);
	 }))

TEST(vectors_have_limits)
{
	struct ends a = new_pipe();
	struct iovec v = {"x", SIZE_MAX};

	CHECK_ERR(vmsplice(a.w, &v, 1, 0), EINVAL);
	CHECK_ERR(SYS(vmsplice, a.w, &v, 1025ul, 0), EINVAL);
	CHECK_ERR(SYS(vmsplice, a.w, &v, -1ul, 0), EINVAL);
	CHECK_EQ(SYS(vmsplice, a.w, &v, 0ul, 0), 0);
	v.iov_len = 0;
	CHECK_EQ(vmsplice(a.w, &v, 1, 0), 0);
	CHECK_EQ(vmsplice(a.r, &v, 1, 0), 0);
}

/* ---- from files ---- */

TEST(from_a_file_at_its_position)
{
	struct ends p = new_pipe();
	int f = file_with("0123456789");

	CHECK_EQ(splice(f, NULL, p.w, NULL, 4, 0), 4);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 4);
	CHECK_EQ(splice(f, NULL, p.w, NULL, 100, 0), 6);
	CHECK_EQ(splice(f, NULL, p.w, NULL, 100, 0), 0);
	CHECK_STR(drained(p.r), "0123456789");
}

TEST(from_a_file_at_an_offset)
{
	struct ends p = new_pipe();
	int f = file_with("0123456789");
	loff_t off = 7;

	CHECK_EQ(splice(f, &off, p.w, NULL, 2, 0), 2);
	CHECK_EQ(off, 9);
	CHECK_EQ(splice(f, &off, p.w, NULL, 100, 0), 1);
	CHECK_EQ(off, 10);
	CHECK_EQ(splice(f, &off, p.w, NULL, 100, 0), 0);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 0);
	off = 1000;
	CHECK_EQ(splice(f, &off, p.w, NULL, 100, 0), 0);
	CHECK_STR(drained(p.r), "789");
}

TEST(a_pipe_takes_what_it_has_room_for)
{
	struct ends p = new_pipe();
	int f = file_with("");
	char c;

	MUST(ftruncate(f, 1 << 20));
	CHECK_EQ(splice(f, NULL, p.w, NULL, 1 << 20, 0), 65536);
	CHECK_ERR(splice(f, NULL, p.w, NULL, 1, NOWAIT), EAGAIN);
	CHECK(read(p.r, &c, 1) == 1);
	CHECK_ERR(splice(f, NULL, p.w, NULL, 1, NOWAIT), EAGAIN);
	MUST(fcntl(p.w, F_SETFL, O_NONBLOCK));
	CHECK_ERR(splice(f, NULL, p.w, NULL, 1, 0), EAGAIN);
	CHECK(read(p.r, (char[4096]){0}, 4095) == 4095);
	CHECK_EQ(splice(f, NULL, p.w, NULL, 1 << 20, 0), 4096);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 65536 + 4096);
	MUST(fcntl(p.w, F_SETPIPE_SZ, 1 << 20));
	CHECK_EQ(splice(f, NULL, p.w, NULL, 1 << 20, 0), (1 << 20) - 65536 - 4096);
}

TEST(each_splice_takes_pages_of_its_own)
{
	struct ends p = new_pipe();
	int f = file_with("0123456789abcdefghij");

	for (int i = 0; i < 16; i++)
		CHECK_EQ(splice(f, NULL, p.w, NULL, 1, NOWAIT), 1);
	CHECK_ERR(splice(f, NULL, p.w, NULL, 1, NOWAIT), EAGAIN);
	CHECK_STR(drained(p.r), "0123456789abcdef");
}

TEST(without_readers_it_is_sigpipe)
{
	struct ends p = new_pipe(), from = pipe_with("x");
	struct iovec v = {"x", 1};
	int f = file_with("text");

	MUST(close(p.r));
	CHECK_KILLED(IN_CHILD(splice(f, NULL, p.w, NULL, 1, 0)), SIGPIPE);
	CHECK_KILLED(IN_CHILD(splice(from.r, NULL, p.w, NULL, 1, 0)), SIGPIPE);
	CHECK_KILLED(IN_CHILD(tee(from.r, p.w, 1, 0)), SIGPIPE);
	CHECK_KILLED(IN_CHILD(vmsplice(p.w, &v, 1, 0)), SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(splice(f, NULL, p.w, NULL, 1, 0), EPIPE);
	CHECK_ERR(splice(from.r, NULL, p.w, NULL, 1, 0), EPIPE);
	CHECK_ERR(tee(from.r, p.w, 1, 0), EPIPE);
	CHECK_ERR(vmsplice(p.w, &v, 1, 0), EPIPE);
	CHECK_STR(drained(from.r), "x");
}

TEST(devices_are_files_too)
{
	struct ends p = new_pipe();
	int null = MUST(open("/dev/null", O_RDWR)), zero = MUST(open("/dev/zero", O_RDWR));

	CHECK_EQ(splice(zero, NULL, p.w, NULL, 10, 0), 10);
	CHECK_EQ(splice(p.r, NULL, null, NULL, 5, 0), 5);
	CHECK_EQ(splice(p.r, NULL, zero, NULL, 100, 0), 5);
}

/* ---- to files ---- */

TEST(to_a_file_at_its_position)
{
	struct ends p = pipe_with("abcdef");
	int f = file_with("0123456789");

	CHECK_EQ(splice(p.r, NULL, f, NULL, 2, 0), 2);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 2);
	CHECK_EQ(splice(p.r, NULL, f, NULL, 100, 0), 4);
	CHECK_STR(t_read_file("f"), "abcdef6789");
	CHECK_ERR(splice(p.r, NULL, f, NULL, 100, NOWAIT), EAGAIN);
	MUST(fcntl(p.r, F_SETFL, O_NONBLOCK));
	CHECK_ERR(splice(p.r, NULL, f, NULL, 100, 0), EAGAIN);
	MUST(close(p.w));
	CHECK_EQ(splice(p.r, NULL, f, NULL, 100, 0), 0);
}

TEST(to_a_file_at_an_offset)
{
	struct ends p = pipe_with("abcdef");
	int f = file_with("0123456789");
	loff_t off = 8;

	CHECK_EQ(splice(p.r, NULL, f, &off, 4, 0), 4);
	CHECK_EQ(off, 12);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 0);
	CHECK_STR(t_read_file("f"), "01234567abcd");
	CHECK_STR(drained(p.r), "ef");
}

TEST(what_a_file_does_not_take_stays)
{
	struct ends p = pipe_with("abcdef");
	struct rlimit rl = {3, RLIM_INFINITY};
	int f = file_with("");

	signal(SIGXFSZ, SIG_IGN);
	MUST(setrlimit(RLIMIT_FSIZE, &rl));
	CHECK_EQ(splice(p.r, NULL, f, NULL, 6, 0), 3);
	CHECK_ERR(splice(p.r, NULL, f, NULL, 6, 0), EFBIG);
	CHECK_STR(drained(p.r), "def");
}

TEST(much_data_arrives_in_order)
{
	static unsigned int data[256 << 10];
	struct ends p = new_pipe();
	unsigned int seed = 1;
	struct stat st;
	pid_t pid;
	int f = file_with(""), g = MUST(open("g", O_RDWR | O_CREAT, 0600));

	for (size_t i = 0; i < sizeof(data) / sizeof(*data); i++)
		data[i] = (unsigned int)i * 2654435761u;
	CHECK(write(f, data, sizeof(data)) == sizeof(data));
	MUST(lseek(f, 0, SEEK_SET));
	pid = SPAWN({
		MUST(close(p.r));
		while (MUST(splice(f, NULL, p.w, NULL, (size_t)rand_r(&seed) % 100000 + 1, 0)) > 0)
			;
	});
	MUST(close(p.w));
	while (MUST(splice(p.r, NULL, g, NULL, (size_t)rand_r(&seed) % 100000 + 1, 0)) > 0)
		;
	CHECK_EXITED(t_wait(pid), 0);
	MUST(fstat(g, &st));
	CHECK_EQ(st.st_size, sizeof(data));
	void *map = MUST(mmap(NULL, sizeof(data), PROT_READ, MAP_SHARED, g, 0));
	CHECK(!memcmp(map, data, sizeof(data)));
}

/* ---- sockets ---- */

TEST(sockets_on_either_side)
{
	struct ends p = pipe_with("hello"), q = new_pipe();
	char buf[20];
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_ERR(splice(s[1], NULL, q.w, NULL, 100, NOWAIT), EAGAIN);
	CHECK_EQ(splice(p.r, NULL, s[0], NULL, 100, 0), 5);
	CHECK_EQ(splice(s[1], NULL, q.w, NULL, 100, 0), 5);
	CHECK_STR(drained(q.r), "hello");
	CHECK(write(s[0], "abc", 3) == 3);
	CHECK_EQ(splice(s[1], NULL, q.w, NULL, 2, NOWAIT), 2);
	CHECK(read(s[1], buf, sizeof(buf)) == 1);
	MUST(close(s[0]));
	CHECK_EQ(splice(s[1], NULL, q.w, NULL, 100, 0), 0);
	CHECK(write(p.w, "x", 1) == 1);
	CHECK_KILLED(IN_CHILD(splice(p.r, NULL, s[1], NULL, 1, 0)), SIGPIPE);
}

TEST(splice_waits_for_a_socket)
{
	struct ends p = new_pipe();
	pid_t pid;
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = SPAWN(CHECK_EQ(splice(s[1], NULL, p.w, NULL, 100, 0), 3));
	t_wait_state(pid, 'S');
	CHECK(write(s[0], "abc", 3) == 3);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_STR(drained(p.r), "abc");
}

/* ---- terminals ---- */

struct pty {
	int master, slave;
};

/* Bytes pass as they are. */
static struct pty raw_pty(void)
{
	struct termios t;
	struct pty p;

	p.master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
	MUST(unlockpt(p.master));
	p.slave = MUST(ioctl(p.master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	MUST(tcgetattr(p.slave, &t));
	cfmakeraw(&t);
	MUST(tcsetattr(p.slave, TCSANOW, &t));
	return p;
}

/* It may come in pieces. */
static void sees(int fd, const char *want)
{
	char buf[40] = "";

	for (size_t n = 0; n < strlen(want);)
		n += (size_t)MUST(read(fd, buf + n, strlen(want) - n));
	CHECK_STR(buf, want);
}

TEST(to_a_terminal)
{
	struct ends p = pipe_with("one\ntwo\n");
	struct pty t = raw_pty();
	struct termios tio;

	CHECK_EQ(splice(p.r, NULL, t.slave, NULL, 4, 0), 4);
	sees(t.master, "one\n");
	MUST(tcgetattr(t.slave, &tio));
	tio.c_oflag |= OPOST | ONLCR;
	MUST(tcsetattr(t.slave, TCSANOW, &tio));
	/* What counts is what was taken, not what became of it. */
	CHECK_EQ(splice(p.r, NULL, t.slave, NULL, 100, 0), 4);
	sees(t.master, "two\r\n");
	CHECK_EQ(write(p.w, "typed", 5), 5);
	CHECK_EQ(splice(p.r, NULL, t.master, NULL, 100, 0), 5);
	sees(t.slave, "typed");
	CHECK_EQ(write(p.w, "x", 1), 1);
	CHECK_ERR(splice(p.r, &(loff_t){0}, t.slave, NULL, 1, 0), ESPIPE);
	CHECK_ERR(splice(p.r, NULL, t.slave, &(loff_t){0}, 1, 0), EINVAL);
	CHECK_STR(drained(p.r), "x");
}

TEST(from_a_terminal)
{
	struct ends p = new_pipe();
	struct pty t = raw_pty();
	pid_t pid;

	MUST(fcntl(t.slave, F_SETFL, O_NONBLOCK));
	CHECK_ERR(splice(t.slave, NULL, p.w, NULL, 100, 0), EAGAIN);
	MUST(fcntl(t.slave, F_SETFL, 0));
	pid = SPAWN(CHECK_EQ(splice(t.slave, NULL, p.w, NULL, 100, 0), 5));
	t_wait_state(pid, 'S');
	CHECK_EQ(write(t.master, "typed", 5), 5);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_STR(drained(p.r), "typed");
	CHECK_EQ(write(t.slave, "shown", 5), 5);
	CHECK_EQ(splice(t.master, NULL, p.w, NULL, 100, 0), 5);
	CHECK_STR(drained(p.r), "shown");
}

/* ---- between pipes ---- */

TEST(from_pipe_to_pipe)
{
	struct ends a = pipe_with("0123456789"), b = pipe_with("<");

	CHECK_EQ(splice(a.r, NULL, b.w, NULL, 4, 0), 4);
	CHECK_EQ(queued(a.r), 6);
	CHECK_EQ(splice(a.r, NULL, b.w, NULL, SIZE_MAX, 0), 6);
	CHECK_STR(drained(b.r), "<0123456789");
	CHECK_ERR(splice(a.r, NULL, b.w, NULL, 1, NOWAIT), EAGAIN);
	MUST(fcntl(b.w, F_SETFL, O_NONBLOCK));
	CHECK_ERR(splice(a.r, NULL, b.w, NULL, 1, 0), EAGAIN);
	MUST(close(a.w));
	CHECK_EQ(splice(a.r, NULL, b.w, NULL, 1, 0), 0);
}

TEST(a_full_pipe_takes_nothing)
{
	struct ends a = pipe_with("0123456789"), b = new_pipe();

	fill(b.w);
	CHECK_ERR(splice(a.r, NULL, b.w, NULL, 4, NOWAIT), EAGAIN);
	CHECK_ERR(tee(a.r, b.w, 4, NOWAIT), EAGAIN);
	CHECK(read(b.r, (char[4096]){0}, 4096) == 4096);
	CHECK_EQ(splice(a.r, NULL, b.w, NULL, 4, NOWAIT), 4);
	CHECK_ERR(splice(a.r, NULL, b.w, NULL, 4, NOWAIT), EAGAIN);
	CHECK_STR(drained(a.r), "456789");
}

TEST(tee_copies)
{
	struct ends a = pipe_with("0123456789"), b = new_pipe();

	CHECK_EQ(tee(a.r, b.w, 4, 0), 4);
	CHECK_EQ(tee(a.r, b.w, SIZE_MAX, 0), 10);
	CHECK_STR(drained(a.r), "0123456789");
	CHECK_STR(drained(b.r), "01230123456789");
	CHECK_ERR(tee(a.r, b.w, 1, NOWAIT), EAGAIN);
	MUST(close(a.w));
	CHECK_EQ(tee(a.r, b.w, 1, 0), 0);
}

TEST(packets_lose_nothing)
{
	struct ends a, b = new_pipe();
	char buf[20];
	int fd[2];

	MUST(pipe2(fd, O_DIRECT));
	a = (struct ends){fd[0], fd[1]};
	CHECK(write(a.w, "abc", 3) == 3);
	CHECK(write(a.w, "def", 3) == 3);
	CHECK_EQ(tee(a.r, b.w, 100, 0), 6);
	CHECK_EQ(splice(a.r, NULL, b.w, NULL, 4, 0), 4);
	CHECK(read(a.r, buf, sizeof(buf)) == 2);
	CHECK(read(b.r, buf, sizeof(buf)) == 3);
	CHECK_EQ(queued(b.r), 7);
}

/* ---- memory ---- */

TEST(vmsplice_both_ways)
{
	struct ends p = new_pipe();
	char a[] = "abc", b[] = "defgh", c[3], d[10] = "";
	struct iovec in[2] = {{a, 3}, {b, 5}}, out[2] = {{c, 3}, {d, 9}};

	CHECK_EQ(vmsplice(p.w, in, 2, 0), 8);
	CHECK_EQ(queued(p.r), 8);
	CHECK_EQ(vmsplice(p.r, out, 1, 0), 3);
	CHECK(!memcmp(c, "abc", 3));
	CHECK_EQ(vmsplice(p.r, out, 2, 0), 5);
	CHECK(!memcmp(c, "def", 3));
	CHECK(!memcmp(d, "gh", 2));
	CHECK_ERR(vmsplice(p.r, out, 2, NOWAIT), EAGAIN);
	MUST(close(p.w));
	CHECK_EQ(vmsplice(p.r, out, 2, 0), 0);
}

TEST(vmsplice_stops_at_a_full_pipe)
{
	static char big[1 << 20] __attribute__((aligned(4096)));
	struct ends p = new_pipe();
	struct iovec v = {big, sizeof(big)};

	CHECK_EQ(vmsplice(p.w, &v, 1, SPLICE_F_GIFT), 65536);
	CHECK_ERR(vmsplice(p.w, &v, 1, NOWAIT), EAGAIN);
	CHECK_EQ(vmsplice(p.r, &v, 1, 0), 65536);
}

/* ---- waiting ---- */

TEST(they_wait_for_data)
{
	struct ends a = new_pipe(), b = new_pipe();
	struct iovec v = {(char[4]){0}, 4};
	int f = file_with("");

	for (int i = 0; i < 4; i++) {
		pid_t pid = SPAWN({
			CHECK_EQ(i == 0	  ? splice(a.r, NULL, f, NULL, 4, 0)
				 : i == 1 ? splice(a.r, NULL, b.w, NULL, 4, 0)
				 : i == 2 ? tee(a.r, b.w, 4, 0)
					  : vmsplice(a.r, &v, 1, 0),
				 1);
		});

		t_wait_state(pid, 'S');
		CHECK(write(a.w, "x", 1) == 1);
		CHECK_EXITED(t_wait(pid), 0);
		drained(a.r);
	}
}

TEST(they_wait_for_room)
{
	struct ends a = pipe_with("y"), b = new_pipe();
	struct iovec v = {"x", 1};
	int f = file_with("xxxx");

	for (int i = 0; i < 4; i++) {
		pid_t pid;

		fill(b.w);
		pid = SPAWN({
			CHECK_EQ(i == 0	  ? splice(f, NULL, b.w, NULL, 1, 0)
				 : i == 1 ? tee(a.r, b.w, 1, 0)
				 : i == 2 ? splice(a.r, NULL, b.w, NULL, 1, 0)
					  : vmsplice(b.w, &v, 1, 0),
				 1);
		});
		t_wait_state(pid, 'S');
		CHECK(read(b.r, (char[4096]){0}, 4096) == 4096);
		CHECK_EXITED(t_wait(pid), 0);
		drained(b.r);
	}
}

static void on_alarm(int sig __attribute__((unused)))
{
}

TEST(signals_interrupt)
{
	struct ends a = new_pipe(), b = new_pipe();
	struct iovec v = {(char[4]){0}, 4};
	int f = file_with("text");

	fill(b.w);
	t_handle(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 20000}, {0, 20000}}, NULL);
	CHECK_ERR(splice(a.r, NULL, f, NULL, 4, 0), EINTR);
	CHECK_ERR(splice(f, NULL, b.w, NULL, 4, 0), EINTR);
	CHECK_ERR(tee(a.r, b.w, 4, 0), EINTR);
	CHECK_ERR(vmsplice(a.r, &v, 1, 0), EINTR);
	CHECK_ERR(vmsplice(b.w, &v, 1, 0), EINTR);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 0);
}

TEST(poll_and_readers_wake_up)
{
	struct ends p = new_pipe();
	struct pollfd pfd = {p.r, POLLIN, 0};
	pid_t poller = SPAWN(CHECK_EQ(poll(&pfd, 1, -1), 1));
	pid_t reader = SPAWN(CHECK(read(p.r, (char[10]){0}, 10) == 4));
	int f = file_with("text");

	t_wait_state(poller, 'S');
	t_wait_state(reader, 'S');
	CHECK_EQ(splice(f, NULL, p.w, NULL, 10, 0), 4);
	CHECK_EXITED(t_wait(reader), 0);
	CHECK(write(p.w, "x", 1) == 1);
	CHECK_EXITED(t_wait(poller), 0);
}

TEST(inotify_sees_both_files)
{
	char buf[1000] __attribute__((aligned(8)));
	struct inotify_event *e = (struct inotify_event *)buf;
	struct ends p = new_pipe();
	int f = file_with("text"), fd = MUST(inotify_init1(IN_NONBLOCK));

	MUST(inotify_add_watch(fd, "f", IN_ACCESS | IN_MODIFY));
	CHECK_EQ(splice(f, NULL, p.w, NULL, 4, 0), 4);
	CHECK(read(fd, buf, sizeof(buf)) == sizeof(*e));
	CHECK_EQ(e->mask, IN_ACCESS);
	CHECK_EQ(splice(p.r, NULL, f, NULL, 4, 0), 4);
	CHECK(read(fd, buf, sizeof(buf)) == sizeof(*e));
	CHECK_EQ(e->mask, IN_MODIFY);
}

/* ---- all at once ---- */

#define BYTES (1 << 19)

static struct ends storm_a, storm_b;

static void *from_zero(void *arg)
{
	ssize_t left = BYTES, n;

	while (left > 0) {
		n = splice(*(int *)arg, NULL, storm_a.w, NULL, left > 5000 ? 5000 : (size_t)left,
			   0);
		if (n <= 0)
			return "from a file";
		left -= n;
	}
	return NULL;
}

static void *write_them(void *arg)
{
	static char zeros[3000];
	ssize_t left = BYTES, n;

	while (left > 0) {
		n = write(storm_a.w, zeros, left > 3000 ? 3000 : (size_t)left);
		if (n <= 0)
			return "write";
		left -= n;
	}
	return arg ? NULL : "no argument";
}

static void *across(void *arg)
{
	while (splice(storm_a.r, NULL, storm_b.w, NULL, 3333, 0) > 0)
		;
	return arg ? NULL : "no argument";
}

/* How many bytes came. */
static void *read_them(void *arg)
{
	char buf[7000];
	long sum = 0;
	ssize_t n;

	while ((n = read(storm_b.r, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum += !buf[i];
	return arg ? (void *)sum : NULL;
}

static void *to_null(void *arg)
{
	long sum = 0;
	ssize_t n;

	while ((n = splice(storm_b.r, NULL, *(int *)arg, NULL, 10000, 0)) > 0)
		sum += n;
	return (void *)sum;
}

TEST(nothing_is_lost_between_many)
{
	int zero = MUST(open("/dev/zero", O_RDWR));
	void *(*run[])(void *) = {from_zero, write_them, from_zero, across,
				  across,    read_them,	 to_null,   read_them};
	pthread_t thread[8];
	void *ret;
	long sum = 0;

	storm_a = new_pipe();
	storm_b = new_pipe();
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, run[i], &zero), 0);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(pthread_join(thread[i], &ret), 0);
		if (i < 5)
			CHECK_STR(ret ? ret : "", "");
		else
			sum += (long)ret;
		if (i == 2)
			MUST(close(storm_a.w));
		if (i == 4)
			MUST(close(storm_b.w));
	}
	CHECK_EQ(sum, 3l * BYTES);
}
