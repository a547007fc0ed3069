/* openat2 and its ways to restrict the walk. */
#include "t.h"

#include <linux/openat2.h>

static int do_openat2(int dir, const char *path, unsigned long flags, unsigned long resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};

	if (flags & (O_CREAT | O_TMPFILE))
		how.mode = 0600;
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* d/f, d/sub, d/in -> f, d/out -> ../outside, d/abs -> /tmp, outside */
static int tree(void)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	MUST(mkdir("d/sub", 0755));
	t_write_file("d/f", "file");
	t_write_file("outside", "");
	MUST(symlink("f", "d/in"));
	MUST(symlink("../outside", "d/out"));
	MUST(symlink("/tmp", "d/abs"));
	return MUST(open("d", O_PATH | O_DIRECTORY));
}

TEST(plain_openat2_works_like_openat)
{
	int dir = tree();

	CHECK_EQ(close(MUST(do_openat2(dir, "f", O_RDONLY, 0))), 0);
	CHECK_EQ(close(MUST(do_openat2(dir, "out", O_RDONLY, 0))), 0);
	CHECK_EQ(close(MUST(do_openat2(dir, "new", O_RDWR | O_CREAT | O_EXCL, 0))), 0);
	CHECK_ERR(do_openat2(dir, "missing", O_RDONLY, 0), ENOENT);
	CHECK_EQ(access("d/new", F_OK), 0);
}

TEST(beneath_refuses_to_leave_the_directory)
{
	int dir = tree();

	CHECK_EQ(close(MUST(do_openat2(dir, "f", O_RDONLY, RESOLVE_BENEATH))), 0);
	CHECK_EQ(close(MUST(do_openat2(dir, "sub/../in", O_RDONLY, RESOLVE_BENEATH))), 0);
	CHECK_ERR(do_openat2(dir, "..", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(do_openat2(dir, "sub/../../outside", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(do_openat2(dir, "out", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(do_openat2(dir, "abs", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(do_openat2(dir, "/tmp", O_RDONLY, RESOLVE_BENEATH), EXDEV);
}

TEST(in_root_makes_the_directory_the_root)
{
	int dir = tree();

	CHECK_EQ(close(MUST(do_openat2(dir, "/f", O_RDONLY, RESOLVE_IN_ROOT))), 0);
	CHECK_EQ(close(MUST(do_openat2(dir, "../../../f", O_RDONLY, RESOLVE_IN_ROOT))), 0);
	CHECK_ERR(do_openat2(dir, "out", O_RDONLY, RESOLVE_IN_ROOT), ENOENT);
	CHECK_ERR(do_openat2(dir, "abs", O_RDONLY, RESOLVE_IN_ROOT), ENOENT);
}

TEST(no_symlinks_refuses_each_of_them)
{
	int dir = tree();

	CHECK_EQ(close(MUST(do_openat2(dir, "f", O_RDONLY, RESOLVE_NO_SYMLINKS))), 0);
	CHECK_ERR(do_openat2(dir, "in", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
	MUST(symlink("sub", "d/lsub"));
	CHECK_ERR(do_openat2(dir, "lsub/x", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_EQ(close(MUST(do_openat2(dir, "in", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS))), 0);
}

TEST(no_magiclinks_refuses_descriptors_in_proc)
{
	int dir = tree(), fd = MUST(openat(dir, "f", O_RDONLY));
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_EQ(close(MUST(do_openat2(AT_FDCWD, path, O_RDONLY, 0))), 0);
	CHECK_ERR(do_openat2(AT_FDCWD, path, O_RDONLY, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_EQ(close(MUST(do_openat2(dir, "in", O_RDONLY, RESOLVE_NO_MAGICLINKS))), 0);
}

TEST(no_xdev_stays_on_its_mount)
{
	int root = MUST(open("/", O_PATH)), dir = tree();

	CHECK_ERR(do_openat2(root, "proc/self/status", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	CHECK_EQ(close(MUST(do_openat2(dir, "f", O_RDONLY, RESOLVE_NO_XDEV))), 0);
}

TEST(beneath_and_in_root_together_are_einval)
{
	int dir = tree();

	CHECK_ERR(do_openat2(dir, "f", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
}

TEST(path_with_other_flags_is_einval)
{
	int dir = tree();

	CHECK_ERR(do_openat2(dir, "f", O_PATH | O_RDWR, 0), EINVAL);
	CHECK_ERR(do_openat2(dir, "f", O_PATH | O_APPEND, 0), EINVAL);
}

TEST(forty_symlinks_are_followed_and_no_more)
{
	char from[16], to[16];

	t_cd_tmpdir();
	t_write_file("l0", "");
	for (int i = 1; i <= 41; i++) {
		snprintf(to, sizeof(to), "l%d", i - 1);
		snprintf(from, sizeof(from), "l%d", i);
		MUST(symlink(to, from));
	}
	CHECK_EQ(close(MUST(open("l40", O_RDONLY))), 0);
	CHECK_ERR(open("l41", O_RDONLY), ELOOP);
}
