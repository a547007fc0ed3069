/* copy_file_range. */
#include "t.h"

static int a, b;

static void set_up(void)
{
	t_cd_tmpdir();
	t_write_file("a", "0123456789");
	a = MUST(open("a", O_RDWR));
	b = MUST(open("b", O_RDWR | O_CREAT, 0600));
}

TEST(copy_moves_both_positions)
{
	set_up();
	MUST(lseek(a, 2, SEEK_SET));
	CHECK_EQ(copy_file_range(a, NULL, b, NULL, 5, 0), 5);
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 7);
	CHECK_EQ(lseek(b, 0, SEEK_CUR), 5);
	CHECK_STR(t_read_file("b"), "23456");
	CHECK_EQ(copy_file_range(a, NULL, b, NULL, 100, 0), 3);
	CHECK_EQ(copy_file_range(a, NULL, b, NULL, 100, 0), 0);
}

TEST(copy_with_offsets_leaves_positions_alone)
{
	off_t in = 8, out = 1;

	set_up();
	CHECK_EQ(copy_file_range(a, &in, b, &out, 100, 0), 2);
	CHECK(in == 10 && out == 3);
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(b, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(b, 0, SEEK_END), 3);
}

TEST(copy_within_one_file)
{
	off_t in = 0, out = 5;

	set_up();
	CHECK_EQ(copy_file_range(a, &in, a, &out, 3, 0), 3);
	CHECK_STR(t_read_file("a"), "0123401289");
	in = 0;
	out = 2;
	CHECK_ERR(copy_file_range(a, &in, a, &out, 5, 0), EINVAL); /* overlapping */
}

TEST(copy_errors)
{
	int fd[2], ro, append;

	set_up();
	MUST(pipe(fd));
	ro = MUST(open("a", O_RDONLY));
	append = MUST(open("b", O_WRONLY | O_APPEND));
	CHECK_ERR(copy_file_range(a, NULL, ro, NULL, 1, 0), EBADF);
	CHECK_ERR(copy_file_range(a, NULL, append, NULL, 1, 0), EBADF);
	CHECK_ERR(copy_file_range(fd[0], NULL, b, NULL, 1, 0), EINVAL);
	CHECK_ERR(copy_file_range(MUST(open(".", O_RDONLY)), NULL, b, NULL, 1, 0), EISDIR);
	CHECK_ERR(copy_file_range(a, NULL, b, NULL, 1, 1), EINVAL);
	CHECK_ERR(copy_file_range(-1, NULL, b, NULL, 1, 0), EBADF);
}

/* Large enough for whatever does it in one go. */
#define LARGE (3 << 20)

static void fill_large(const char *path, unsigned char *buf)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	for (int i = 0; i < LARGE; i++)
		buf[i] = i * 7 + (i >> 12);
	CHECK_EQ(write(fd, buf, LARGE), LARGE);
	MUST(close(fd));
}

TEST(large_copies_are_complete)
{
	static unsigned char want[LARGE], got[LARGE];
	off_t from = 5, to = 100;
	struct stat st;
	int in, out;

	t_cd_tmpdir();
	fill_large("in", want);
	in = MUST(open("in", O_RDONLY));
	out = MUST(open("out", O_RDWR | O_CREAT, 0644));
	while (from < LARGE)
		CHECK(copy_file_range(in, &from, out, &to, LARGE, 0) > 0);
	CHECK_EQ(from, LARGE);
	CHECK_EQ(to, LARGE + 95);
	MUST(fstat(out, &st));
	CHECK_EQ(st.st_size, LARGE + 95);
	CHECK_EQ(pread(out, got, LARGE, 100), LARGE - 5);
	CHECK(!memcmp(got, want + 5, LARGE - 5));
	CHECK_EQ(pread(out, got, 100, 0), 100);
	CHECK_EQ(got[0], 0);
	CHECK_EQ(copy_file_range(in, &from, out, &to, LARGE, 0), 0);
}

TEST(large_copies_take_set_id_bits_away)
{
	static unsigned char buf[LARGE];
	struct stat st;
	int in, out;

	t_cd_tmpdir();
	if (getuid())
		SKIP("not root");
	fill_large("in", buf);
	MUST(chmod(".", 0755));
	in = MUST(open("in", O_RDONLY));
	out = MUST(open("out", O_RDWR | O_CREAT, 0644));
	MUST(fchown(out, 65534, 65534));
	MUST(fchmod(out, 06755));
	CHECK_EXITED(IN_CHILD({
			     MUST(setresuid(65534, 65534, 65534));
			     CHECK(copy_file_range(in, NULL, out, NULL, LARGE, 0) > 0);
		     }),
		     0);
	MUST(fstat(out, &st));
	CHECK_EQ(st.st_mode & 07777, 0755);
}

TEST(large_copies_end_at_the_size_limit)
{
	static unsigned char buf[LARGE];
	int in, out;

	t_cd_tmpdir();
	fill_large("in", buf);
	in = MUST(open("in", O_RDONLY));
	out = MUST(open("out", O_RDWR | O_CREAT, 0644));
	signal(SIGXFSZ, SIG_IGN);
	MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}));
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, LARGE, 0), 1 << 20);
	CHECK_ERR(copy_file_range(in, NULL, out, NULL, LARGE, 0), EFBIG);
}
