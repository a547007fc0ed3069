/* The walk of paths: slashes, dots, symlinks in every place, empty paths with a descriptor. */
#include "t.h"

/* dir/, dir/file, file, ldir -> dir, lfile -> file, dangling -> nothing, loop -> loop */
static void tree(void)
{
	t_cd_tmpdir();
	MUST(mkdir("dir", 0755));
	t_write_file("dir/file", "inner");
	t_write_file("file", "outer");
	MUST(symlink("dir", "ldir"));
	MUST(symlink("file", "lfile"));
	MUST(symlink("nothing", "dangling"));
	MUST(symlink("loop", "loop"));
}

static mode_t kind(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode & S_IFMT;
}

TEST(slashes_and_dots_collapse)
{
	tree();
	CHECK_STR(t_read_file(".//dir///./file"), "inner");
	CHECK_STR(t_read_file("dir/../dir/.././file"), "outer");
	CHECK_STR(t_read_file("././././file"), "outer");
	CHECK_EQ(kind("dir//"), S_IFDIR);
	CHECK_EQ(kind("dir/."), S_IFDIR);
	CHECK_EQ(kind("//"), S_IFDIR);
}

TEST(dot_dot_goes_through_symlinks_physically)
{
	tree();
	MUST(mkdir("dir/sub", 0755));
	MUST(symlink("dir/sub", "lsub"));
	CHECK_STR(t_read_file("lsub/../file"), "inner"); /* not "outer" */
}

TEST(slash_behind_a_file_is_enotdir)
{
	tree();
	CHECK_ERR(open("file/", O_RDONLY), ENOTDIR);
	CHECK_ERR(access("file/.", F_OK), ENOTDIR);
	CHECK_ERR(access("file/..", F_OK), ENOTDIR);
	CHECK_ERR(access("lfile/", F_OK), ENOTDIR);
	CHECK_ERR(chdir("file"), ENOTDIR);
	CHECK_ERR(access("file/x/y", F_OK), ENOTDIR);
	CHECK_ERR(access("missing/..", F_OK), ENOENT);
	CHECK_ERR(access("missing/.", F_OK), ENOENT);
}

TEST(slash_behind_a_symlink_follows_it)
{
	char buf[16];

	tree();
	CHECK_EQ(kind("ldir"), S_IFLNK);
	CHECK_EQ(kind("ldir/"), S_IFDIR);
	CHECK_EQ(kind("ldir/."), S_IFDIR);
	CHECK_ERR(readlink("ldir/", buf, 16), EINVAL);
	CHECK_EQ(readlink("ldir", buf, 16), 3);
	CHECK_ERR(lstat("dangling/", &(struct stat){0}), ENOENT);
	CHECK_ERR(lstat("loop/", &(struct stat){0}), ELOOP);
}

TEST(removal_with_symlinks_and_slashes)
{
	tree();
	CHECK_ERR(unlink("ldir/"), ENOTDIR);
	CHECK_ERR(rmdir("ldir"), ENOTDIR);
	CHECK_ERR(rmdir("ldir/"), ENOTDIR);
	CHECK_ERR(unlink("dir/"), EISDIR);
	CHECK_ERR(unlink("missing/"), ENOENT);
	CHECK_ERR(unlink("dir/.."), EISDIR);
	CHECK_ERR(rmdir("dir/."), EINVAL);
	CHECK_ERR(rmdir("."), EINVAL);
	CHECK_ERR(rmdir(".."), ENOTEMPTY);
	CHECK_EQ(unlink("dangling"), 0);
	CHECK_EQ(unlink("loop"), 0);
	CHECK_EQ(unlink("ldir"), 0);
	CHECK_EQ(kind("dir"), S_IFDIR);
}

TEST(creation_with_symlinks_and_slashes)
{
	tree();
	CHECK_ERR(mkdir("dangling", 0755), EEXIST);
	CHECK_ERR(mkdir("dangling/", 0755), EEXIST);
	CHECK_ERR(mkdir("loop", 0755), EEXIST);
	CHECK_ERR(mkdir("dir/.", 0755), EEXIST);
	CHECK_ERR(mkdir("new/.", 0755), ENOENT);
	CHECK_ERR(mkdir("..", 0755), EEXIST);
	CHECK_ERR(mknod("dangling", S_IFREG | 0600, 0), EEXIST);
	CHECK_ERR(mknod("new/", S_IFREG | 0600, 0), ENOENT);
	CHECK_ERR(symlink("x", "new/"), ENOENT);
	CHECK_ERR(symlink("x", "dangling"), EEXIST);
	CHECK_ERR(symlink("x", "dir/"), EEXIST);
	CHECK_ERR(link("file", "new/"), ENOENT);
	CHECK_ERR(link("file", "dir/"), EEXIST);
	CHECK_ERR(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("dir/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("loop", O_RDWR | O_CREAT, 0600), ELOOP);
	CHECK_ERR(open("dangling/x", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_EQ(kind("nothing"), 0);
}

TEST(rename_with_symlinks_and_slashes)
{
	tree();
	CHECK_ERR(rename("ldir/", "new"), ENOTDIR);
	CHECK_ERR(rename("file", "new/"), ENOTDIR);
	CHECK_EQ(rename("dir/", "dir2/"), 0);
	CHECK_EQ(kind("dir2"), S_IFDIR);
	CHECK_ERR(rename("dir2", "dangling"), ENOTDIR);
	CHECK_EQ(rename("file", "dangling"), 0);
	CHECK_EQ(kind("dangling"), S_IFREG);
	CHECK_EQ(rename("loop", "loop2"), 0);
	CHECK_ERR(rename("dir2/.", "x"), EBUSY);
	CHECK_ERR(rename("dir2/..", "x"), EBUSY);
	CHECK_ERR(rename("lfile", "."), EBUSY);
}

TEST(symlink_with_slashes_in_its_text)
{
	tree();
	MUST(symlink("dir/", "a"));
	MUST(symlink("./dir/../dir//file", "b"));
	MUST(symlink("file/", "c"));
	CHECK_STR(t_read_file("a/file"), "inner");
	CHECK_STR(t_read_file("b"), "inner");
	CHECK_ERR(open("c", O_RDONLY), ENOTDIR);
}

TEST(symlink_to_dot_and_dot_dot)
{
	tree();
	MUST(symlink(".", "dot"));
	MUST(symlink("..", "dir/up"));
	CHECK_STR(t_read_file("dot/dot/dot/dir/up/dir/up/file"), "outer");
	CHECK_STR(t_read_file("dir/up/lfile"), "outer");
}

TEST(forty_symlinks_in_a_row_within_one_path)
{
	char path[1024] = "";

	tree();
	MUST(symlink(".", "dot"));
	for (int i = 0; i < 40; i++)
		strcat(path, "dot/");
	strcat(path, "file");
	CHECK_STR(t_read_file(path), "outer");
	memmove(path + 4, path, strlen(path) + 1);
	memcpy(path, "dot/", 4);
	CHECK_ERR(open(path, O_RDONLY), ELOOP);
}

TEST(path_of_exactly_path_max)
{
	char path[4200];

	tree();
	memset(path, '/', sizeof(path));
	memcpy(path, "./", 2);
	strcpy(path + 4095 - 4, "file");
	CHECK_EQ(strlen(path), 4095);
	CHECK_STR(t_read_file(path), "outer");
	memset(path + 2, '/', 4095);
	strcpy(path + 4096 - 4, "file");
	CHECK_ERR(open(path, O_RDONLY), ENAMETOOLONG);
}

TEST(name_that_is_too_long_in_the_middle)
{
	char path[400];

	tree();
	memset(path, 'x', 256);
	strcpy(path + 256, "/file");
	CHECK_ERR(open(path, O_RDONLY), ENAMETOOLONG);
	CHECK_ERR(rename("file", path), ENAMETOOLONG);
	CHECK_ERR(symlink("a", path), ENAMETOOLONG);
}

TEST(empty_path_names_the_descriptor)
{
	struct timespec t[2] = {{5, 0}, {6, 0}};
	struct stat st;
	int fd, dir;

	tree();
	fd = MUST(open("file", O_RDONLY));
	dir = MUST(open("dir", O_PATH));
	MUST(fstatat(fd, "", &st, AT_EMPTY_PATH));
	CHECK_EQ(st.st_size, 5);
	MUST(fstatat(dir, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISDIR(st.st_mode));
	MUST(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_ERR(fstatat(fd, "", &st, 0), ENOENT);
	MUST((int)syscall(SYS_utimensat, fd, "", t, AT_EMPTY_PATH));
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_mtim.tv_sec, 6);
	MUST(fchownat(fd, "", -1u, -1u, AT_EMPTY_PATH));
	MUST((int)syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
	CHECK_ERR(openat(fd, "", O_RDONLY), ENOENT);
}

TEST(descriptor_of_a_symlink_itself)
{
	struct stat st;
	char buf[16] = "";
	int fd;

	tree();
	fd = MUST(open("lfile", O_PATH | O_NOFOLLOW));
	MUST(fstat(fd, &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(readlinkat(fd, "", buf, 16), 4);
	CHECK_STR(buf, "file");
	CHECK_ERR(openat(fd, "x", O_RDONLY), ENOTDIR);
}

TEST(very_deep_working_directory)
{
	static const char name[] = "a-directory-name-of-some-length";
	static char buf[8192];

	t_cd_tmpdir();
	for (int i = 0; i < 200; i++) {
		MUST(mkdir(name, 0755));
		MUST(chdir(name));
	}
	CHECK_ERR(syscall(SYS_getcwd, buf, sizeof(buf)), ENAMETOOLONG);
	t_write_file("f", "deep");
	CHECK_STR(t_read_file("f"), "deep");
	for (int i = 0; i < 150; i++)
		MUST(chdir(".."));
	CHECK(syscall(SYS_getcwd, buf, sizeof(buf)) > 50 * (long)sizeof(name));
}

TEST(working_directory_may_be_moved_removed_and_replaced)
{
	char cwd[256], want[256];

	tree();
	MUST(mkdir("w", 0755));
	MUST(chdir("w"));
	MUST(rename("../w", "../dir/w2"));
	snprintf(want, sizeof(want), "%s/dir/w2", t_tmpdir());
	CHECK_STR(getcwd(cwd, sizeof(cwd)), want);
	CHECK_STR(t_read_file("../file"), "inner");
	MUST(rmdir("../w2"));
	MUST(mkdir("../w2", 0755));
	t_write_file("../w2/f", "");
	CHECK_ERR(access("f", F_OK), ENOENT); /* still the removed one */
	CHECK_EQ(access(".", F_OK), 0);
}

TEST(exclusive_temporary_file_cannot_be_linked)
{
	char path[64];
	int fd;

	tree();
	fd = MUST(open(".", O_RDWR | O_TMPFILE | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_ERR(linkat(AT_FDCWD, path, AT_FDCWD, "new", AT_SYMLINK_FOLLOW), ENOENT);
}

TEST(search_permission_is_needed_in_every_directory)
{
	tree();
	MUST(mkdir("dir/deep", 0755));
	t_write_file("dir/deep/f", "x");
	MUST(symlink("dir/deep/f", "ldeep"));
	MUST(chmod("dir", 0644));
	t_become_ordinary();
	CHECK_ERR(access("dir/deep/f", F_OK), EACCES);
	CHECK_ERR(access("ldeep", F_OK), EACCES);
	CHECK_ERR(access("dir/missing", F_OK), EACCES);
	CHECK_ERR(access("dir/..", F_OK), EACCES);
	CHECK_ERR(readlink("dir/x", (char[8]){0}, 8), EACCES);
	CHECK_EQ(access("dir", F_OK), 0);
}
