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
