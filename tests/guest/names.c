/* link, unlink, rename, symlink, mkdir, rmdir, mknod: the changes of names. */
#include "t.h"

#include <sys/sysmacros.h>

TEST(link_makes_another_name)
{
	struct stat st;

	t_cd_tmpdir();
	t_write_file("a", "text");
	MUST(link("a", "b"));
	MUST(stat("a", &st));
	CHECK_EQ(st.st_nlink, 2);
	MUST(unlink("a"));
	CHECK_STR(t_read_file("b"), "text");
	MUST(stat("b", &st));
	CHECK_EQ(st.st_nlink, 1);
}

TEST(link_errors)
{
	t_cd_tmpdir();
	t_write_file("a", "");
	t_write_file("b", "");
	MUST(mkdir("d", 0755));
	CHECK_ERR(link("a", "b"), EEXIST);
	CHECK_ERR(link("missing", "c"), ENOENT);
	CHECK_ERR(link("a", "missing/c"), ENOENT);
	CHECK_ERR(link("d", "e"), EPERM);
	CHECK_ERR(link("a", "b/c"), ENOTDIR);
	CHECK_ERR(link("a", "/dev/shm/guest-test-link"), EXDEV);
}

TEST(links_to_the_files_of_others_are_as_protected_as_the_system_says)
{
	const char *protect = "/proc/sys/fs/protected_hardlinks";

	if (!t_is_root())
		SKIP("needs root to have a file of another user");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(mkdir("closed", 0755));
	t_become_ordinary();
	if (t_read_file(protect)[0] == '0') {
		CHECK_EQ(link("f", "g"), 0);
	} else {
		CHECK_ERR(link("f", "g"), EPERM);
		CHECK_ERR(link("f", "closed/g"), EPERM);
		CHECK_ERR(link("f", "f"), EEXIST);
	}
}

TEST(link_of_a_symlink_links_the_symlink)
{
	struct stat st;

	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(symlink("f", "s"));
	MUST(link("s", "t"));
	MUST(lstat("t", &st));
	CHECK(S_ISLNK(st.st_mode));
	MUST(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW));
	MUST(lstat("u", &st));
	CHECK(S_ISREG(st.st_mode));
}

TEST(unlink_errors)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("f", "");
	CHECK_ERR(unlink("missing"), ENOENT);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK_ERR(unlink("f/x"), ENOTDIR);
	CHECK_ERR(unlink("f/"), ENOTDIR);
	CHECK_ERR(unlink("."), EISDIR);
}

TEST(rename_replaces_its_target)
{
	t_cd_tmpdir();
	t_write_file("a", "new");
	t_write_file("b", "old");
	MUST(rename("a", "b"));
	CHECK_STR(t_read_file("b"), "new");
	CHECK_ERR(access("a", F_OK), ENOENT);
}

TEST(rename_to_another_name_of_the_same_file_does_nothing)
{
	t_cd_tmpdir();
	t_write_file("a", "x");
	MUST(link("a", "b"));
	MUST(rename("a", "b"));
	CHECK_EQ(access("a", F_OK), 0);
	CHECK_EQ(access("b", F_OK), 0);
	MUST(rename("a", "a"));
}

TEST(rename_of_directories)
{
	t_cd_tmpdir();
	MUST(mkdir("a", 0755));
	t_write_file("a/f", "x");
	MUST(mkdir("empty", 0755));
	MUST(mkdir("full", 0755));
	t_write_file("full/g", "");
	CHECK_ERR(rename("a", "full"), ENOTEMPTY);
	MUST(rename("a", "empty"));
	CHECK_STR(t_read_file("empty/f"), "x");
	CHECK_ERR(rename("empty", "empty/sub"), EINVAL);
	MUST(mkdir("empty/sub", 0755));
	CHECK_ERR(rename("empty/sub", "empty"), ENOTEMPTY);
	CHECK_ERR(rename("empty", "empty/sub/deeper"), EINVAL);
}

TEST(rename_between_kinds_is_refused)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("f", "");
	CHECK_ERR(rename("d", "f"), ENOTDIR);
	CHECK_ERR(rename("f", "d"), EISDIR);
	CHECK_ERR(rename("missing", "x"), ENOENT);
	CHECK_ERR(rename("f", "missing/x"), ENOENT);
	CHECK_ERR(rename("f", "d/"), ENOTDIR);
	CHECK_ERR(rename("f/", "g"), ENOTDIR);
	CHECK_ERR(rename(".", "x"), EBUSY);
	CHECK_ERR(rename("d/..", "x"), EBUSY);
	CHECK_ERR(rename("f", "/proc/f"), EXDEV);
}

TEST(rename_of_a_symlink_moves_the_symlink)
{
	char buf[16] = "";

	t_cd_tmpdir();
	t_write_file("f", "x");
	MUST(symlink("f", "s"));
	MUST(rename("s", "t"));
	CHECK_EQ(readlink("t", buf, 16), 1);
	CHECK_EQ(access("f", F_OK), 0);
	t_write_file("g", "y");
	MUST(rename("g", "t")); /* replaces the symlink, not what it points to */
	CHECK_STR(t_read_file("f"), "x");
}

TEST(rename_noreplace)
{
	t_cd_tmpdir();
	t_write_file("a", "a");
	t_write_file("b", "b");
	CHECK_ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
	CHECK_STR(t_read_file("b"), "b");
	MUST(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	CHECK_STR(t_read_file("c"), "a");
}

TEST(rename_exchange)
{
	t_cd_tmpdir();
	t_write_file("f", "file");
	MUST(mkdir("d", 0755));
	t_write_file("d/x", "inside");
	MUST(renameat2(AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE));
	CHECK_STR(t_read_file("d"), "file");
	CHECK_STR(t_read_file("f/x"), "inside");
	CHECK_ERR(renameat2(AT_FDCWD, "f", AT_FDCWD, "missing", RENAME_EXCHANGE), ENOENT);
}

TEST(moved_directory_has_its_new_parent)
{
	struct stat a, b;

	t_cd_tmpdir();
	MUST(mkdir("p", 0755));
	MUST(mkdir("q", 0755));
	MUST(mkdir("p/d", 0755));
	MUST(rename("p/d", "q/d"));
	MUST(stat("q/d/..", &a));
	MUST(stat("q", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
}

TEST(symlink_holds_any_text)
{
	char target[4096], buf[4096];

	t_cd_tmpdir();
	MUST(symlink("no/such/target", "s"));
	CHECK_EQ(readlink("s", buf, sizeof(buf)), 14);
	CHECK_EQ(readlink("s", buf, 5), 5);
	CHECK(!memcmp(buf, "no/su", 5));
	CHECK_ERR(open("s", O_RDONLY), ENOENT);
	memset(target, 't', 4000);
	target[4000] = 0;
	MUST(symlink(target, "long"));
	CHECK_EQ(readlink("long", buf, sizeof(buf)), 4000);
	CHECK_ERR(symlink("x", "s"), EEXIST);
	CHECK_ERR(readlink(".", buf, sizeof(buf)), EINVAL);
}

TEST(symlinks_are_followed_in_the_middle_and_at_the_end)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "text");
	MUST(symlink("d", "l1"));
	MUST(symlink("l1", "l2"));
	MUST(symlink("l2/f", "l3"));
	CHECK_STR(t_read_file("l3"), "text");
	CHECK_STR(t_read_file("l2/../l1/./f"), "text");
	CHECK_STR(t_read_file("l1//f"), "text");
}

TEST(symlink_loop_is_eloop)
{
	struct stat st;

	t_cd_tmpdir();
	MUST(symlink("self", "self"));
	CHECK_ERR(open("self", O_RDONLY), ELOOP);
	CHECK_ERR(stat("self/x", &st), ELOOP);
	CHECK_EQ(lstat("self", &st), 0);
	MUST(unlink("self"));
}

TEST(mkdir_and_rmdir)
{
	struct stat st;

	t_cd_tmpdir();
	umask(022);
	MUST(mkdir("d", 0777));
	MUST(stat("d", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	CHECK_ERR(mkdir("d", 0755), EEXIST);
	CHECK_ERR(mkdir("missing/d", 0755), ENOENT);
	MUST(mkdir("d/e/", 0755));
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(rmdir("d/e/."), EINVAL);
	CHECK_ERR(rmdir("d/e/.."), ENOTEMPTY);
	MUST(rmdir("d/e/"));
	MUST(rmdir("d"));
	CHECK_ERR(rmdir("d"), ENOENT);
	t_write_file("f", "");
	CHECK_ERR(rmdir("f"), ENOTDIR);
	CHECK_ERR(rmdir("/"), EBUSY);
	CHECK_ERR(mkdir("/", 0755), EEXIST);
	CHECK_ERR(mkdir("f", 0755), EEXIST);
}

TEST(removed_cwd_cannot_be_named)
{
	char buf[256];

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	MUST(chdir("d"));
	MUST(rmdir("../d"));
	CHECK_ERR(syscall(SYS_getcwd, buf, sizeof(buf)), ENOENT);
	CHECK_ERR(open("f", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERR(mkdir("e", 0755), ENOENT);
	MUST(chdir(".."));
	CHECK_STR(getcwd(buf, sizeof(buf)), t_tmpdir());
}

TEST(getcwd_follows_renames)
{
	char buf[256], want[256];

	t_cd_tmpdir();
	MUST(mkdir("a", 0755));
	MUST(chdir("a"));
	MUST(rename("../a", "../b"));
	snprintf(want, sizeof(want), "%s/b", t_tmpdir());
	CHECK_STR(getcwd(buf, sizeof(buf)), want);
}

TEST(mknod_makes_files_and_fifos_for_everybody)
{
	struct stat st;

	t_become_ordinary();
	t_cd_tmpdir();
	MUST(mknod("file", S_IFREG | 0644, 0));
	MUST(mknod("plain", 0600, 0));
	MUST(mknod("fifo", S_IFIFO | 0600, 0));
	MUST(mknod("sock", S_IFSOCK | 0600, 0));
	MUST(stat("file", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0644);
	MUST(stat("plain", &st));
	CHECK(S_ISREG(st.st_mode));
	MUST(stat("sock", &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERR(mknod("dev", S_IFCHR | 0600, makedev(1, 3)), EPERM);
	CHECK_ERR(mknod("dir", S_IFDIR | 0700, 0), EPERM);
	CHECK_ERR(mknod("file", S_IFREG | 0600, 0), EEXIST);
	CHECK_ERR(open("sock", O_RDONLY), ENXIO);
}

TEST(mknod_makes_devices_for_root)
{
	struct stat st;
	char c;

	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	MUST(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	MUST(stat("null", &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(1, 3));
	CHECK_EQ(read(MUST(open("null", O_RDONLY)), &c, 1), 0);
}

/* fd is open on what had this name; another one has it now. */
static void check_others_are_left_alone(int fd, const char *name)
{
	const struct timespec old[2] = {{1, 0}, {1, 0}};
	struct stat st;

	MUST(fchmod(fd, 0777));
	MUST(futimens(fd, old));
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_mode & 07777, 0777);
	CHECK_EQ(st.st_mtime, 1);
	MUST(stat(name, &st));
	CHECK_EQ(st.st_mode & 07777, 0600);
	CHECK(st.st_mtime != 1);
}

TEST(attributes_of_what_was_removed_are_its_own)
{
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0700));
	fd = MUST(open("d", O_RDONLY | O_DIRECTORY));
	MUST(rmdir("d"));
	MUST(mkdir("d", 0600));
	check_others_are_left_alone(fd, "d");
	MUST(mkfifo("p", 0700));
	fd = MUST(open("p", O_RDWR));
	MUST(unlink("p"));
	MUST(mkfifo("p", 0600));
	check_others_are_left_alone(fd, "p");
	t_write_file("f", "");
	fd = MUST(open("f", O_RDONLY));
	MUST(unlink("f"));
	MUST(close(MUST(open("f", O_RDONLY | O_CREAT, 0600))));
	check_others_are_left_alone(fd, "f");
}

TEST(attributes_of_what_was_replaced_are_its_own)
{
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0700));
	MUST(mkdir("e", 0600));
	fd = MUST(open("d", O_RDONLY | O_DIRECTORY));
	MUST(rename("e", "d"));
	check_others_are_left_alone(fd, "d");
	MUST(mkfifo("p", 0700));
	MUST(mkfifo("q", 0600));
	fd = MUST(open("p", O_RDWR));
	MUST(rename("q", "p"));
	check_others_are_left_alone(fd, "p");
}

TEST(a_removed_symlink_leads_where_it_led)
{
	char target[10];
	int fd;

	t_cd_tmpdir();
	MUST(symlink("old", "l"));
	fd = MUST(open("l", O_PATH | O_NOFOLLOW));
	MUST(unlink("l"));
	MUST(symlink("other", "l"));
	CHECK_EQ(readlinkat(fd, "", target, sizeof(target)), 3);
	CHECK(!memcmp(target, "old", 3));
}

TEST(sticky_directory_protects_files_of_others)
{
	if (!t_is_root())
		SKIP("needs root to have files of another user");
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	MUST(chmod("d", 01777));
	t_write_file("d/theirs", "");
	MUST(mkdir("d/dir", 0777));
	t_become_ordinary();
	CHECK_ERR(unlink("d/theirs"), EPERM);
	CHECK_ERR(rename("d/theirs", "d/x"), EPERM);
	CHECK_ERR(rmdir("d/dir"), EPERM);
	t_write_file("d/mine", "");
	CHECK_ERR(rename("d/mine", "d/theirs"), EPERM);
	MUST(unlink("d/mine"));
}

TEST(directory_without_write_permission_keeps_its_entries)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "");
	MUST(chmod("d", 0555));
	t_become_ordinary();
	CHECK_ERR(unlink("d/f"), EACCES);
	CHECK_ERR(open("d/g", O_RDWR | O_CREAT, 0600), EACCES);
	CHECK_ERR(mkdir("d/e", 0700), EACCES);
	CHECK_ERR(rename("d/f", "d/g"), EACCES);
	CHECK_ERR(symlink("x", "d/s"), EACCES);
}

TEST(names_of_255_bytes_and_odd_characters)
{
	char name[300];

	t_cd_tmpdir();
	memset(name, 'n', 255);
	name[255] = 0;
	t_write_file(name, "long");
	CHECK_STR(t_read_file(name), "long");
	MUST(rename(name, " \n\t\001\377*?\\"));
	CHECK_STR(t_read_file(" \n\t\001\377*?\\"), "long");
	t_write_file("...", "dots");
	CHECK_STR(t_read_file("./..."), "dots");
}

TEST(deep_directories)
{
	char path[4096] = ".";
	struct stat st;

	t_cd_tmpdir();
	for (int i = 0; i < 100; i++) {
		strcat(path, "/directory");
		MUST(mkdir(path, 0755));
	}
	strcat(path, "/f");
	t_write_file(path, "deep");
	MUST(stat(path, &st));
	CHECK_EQ(st.st_size, 4);
	CHECK(strlen(path) > 1000);
}
