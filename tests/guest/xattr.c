/* Extended attributes. */
#include "t.h"

#include <sys/xattr.h>

static void new_file(void)
{
	t_cd_tmpdir();
	t_write_file("f", "text");
	if (setxattr("f", "user.probe", "", 0, 0) < 0 && errno == EOPNOTSUPP)
		SKIP("this file system has no extended attributes");
	removexattr("f", "user.probe");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The names in order, with blanks between; of the user namespace only, as the host may add others.
 */
static const char *names(const char *path)
{
	static char text[500];
	char buf[500], *name[20];
	ssize_t n = MUST(listxattr(path, buf, sizeof(buf)));
	int nr = 0;

	for (ssize_t at = 0; at < n; at += strlen(buf + at) + 1)
		if (!strncmp(buf + at, "user.", 5) && nr < 20)
			name[nr++] = buf + at;
	qsort(name, nr, sizeof(name[0]), by_name);
	text[0] = 0;
	for (int i = 0; i < nr; i++)
		sprintf(text + strlen(text), "%s%s", i ? " " : "", name[i]);
	return text;
}

static const char *value(const char *path, const char *name)
{
	static char buf[100];
	ssize_t n = getxattr(path, name, buf, sizeof(buf) - 1);

	if (n < 0)
		return t_errname(errno);
	buf[n] = 0;
	return buf;
}

TEST(attributes_are_stored_and_listed)
{
	new_file();
	CHECK_STR(names("f"), "");
	MUST(setxattr("f", "user.one", "1", 1, 0));
	MUST(setxattr("f", "user.two", "zwei", 4, 0));
	MUST(setxattr("f", "user.one", "eins", 4, 0));
	CHECK_STR(names("f"), "user.one user.two");
	CHECK_STR(value("f", "user.one"), "eins");
	CHECK_STR(value("f", "user.two"), "zwei");
	MUST(removexattr("f", "user.one"));
	CHECK_STR(names("f"), "user.two");
	CHECK_STR(value("f", "user.one"), "ENODATA");
	CHECK_ERR(removexattr("f", "user.one"), ENODATA);
}

TEST(values_may_be_empty_or_binary)
{
	char buf[300], out[300];

	new_file();
	MUST(setxattr("f", "user.empty", "", 0, 0));
	CHECK_EQ(MUST(getxattr("f", "user.empty", buf, sizeof(buf))), 0);
	for (int i = 0; i < 300; i++)
		buf[i] = i;
	MUST(setxattr("f", "user.binary", buf, 300, 0));
	CHECK_EQ(MUST(getxattr("f", "user.binary", out, sizeof(out))), 300);
	CHECK(!memcmp(buf, out, 300));
}

TEST(create_and_replace)
{
	new_file();
	CHECK_ERR(setxattr("f", "user.a", "x", 1, XATTR_REPLACE), ENODATA);
	MUST(setxattr("f", "user.a", "x", 1, XATTR_CREATE));
	CHECK_ERR(setxattr("f", "user.a", "y", 1, XATTR_CREATE), EEXIST);
	MUST(setxattr("f", "user.a", "y", 1, XATTR_REPLACE));
	CHECK_STR(value("f", "user.a"), "y");
	CHECK_ERR(setxattr("f", "user.a", "y", 1, 4), EINVAL);
}

TEST(sizes_can_be_asked_for)
{
	char buf[100];

	new_file();
	MUST(setxattr("f", "user.long", "0123456789", 10, 0));
	CHECK_EQ(getxattr("f", "user.long", NULL, 0), 10);
	CHECK_ERR(getxattr("f", "user.long", buf, 9), ERANGE);
	CHECK_EQ(getxattr("f", "user.long", buf, 10), 10);
	CHECK(listxattr("f", NULL, 0) >= 10);
	CHECK_ERR(listxattr("f", buf, 5), ERANGE);
}

TEST(bad_names_and_sizes_are_refused)
{
	char longest[300];

	new_file();
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "user.", 5);
	longest[299] = 0;
	CHECK_ERR(setxattr("f", longest, "x", 1, 0), ERANGE);
	longest[255] = 0;
	CHECK_EQ(setxattr("f", longest, "x", 1, 0), 0);
	CHECK_EQ(getxattr("f", longest, NULL, 0), 1);
	CHECK_ERR(setxattr("f", "", "x", 1, 0), ERANGE);
	CHECK_ERR(setxattr("f", "user.", "x", 1, 0), EINVAL);
	CHECK_ERR(setxattr("f", "nobody.x", "x", 1, 0), EOPNOTSUPP);
	CHECK_ERR(getxattr("f", "nobody.x", NULL, 0), EOPNOTSUPP);
	CHECK_ERR(setxattr("f", "user", "x", 1, 0), EOPNOTSUPP);
	CHECK_ERR(setxattr("f", "user.big", longest, 65537, 0), E2BIG);
	CHECK_ERR(setxattr("gone", "user.x", "x", 1, 0), ENOENT);
	CHECK_ERR(setxattr("f", "user.x", (void *)8, 1, 0), EFAULT);
	CHECK_ERR(setxattr("f", (void *)8, "x", 1, 0), EFAULT);
	MUST(setxattr("f", "user.x", "x", 1, 0));
	CHECK_ERR(getxattr("f", "user.x", (void *)8, 1), EFAULT);
}

TEST(descriptors_do_as_well)
{
	int fd, path_fd;
	char buf[10];

	new_file();
	fd = MUST(open("f", O_RDONLY));
	path_fd = MUST(open("f", O_PATH));
	MUST(fsetxattr(fd, "user.a", "val", 3, 0));
	CHECK_EQ(fgetxattr(fd, "user.a", buf, sizeof(buf)), 3);
	CHECK(flistxattr(fd, NULL, 0) >= 7);
	CHECK_ERR(fgetxattr(path_fd, "user.a", buf, sizeof(buf)), EBADF);
	CHECK_ERR(fsetxattr(-1, "user.a", "x", 1, 0), EBADF);
	MUST(fremovexattr(fd, "user.a"));
	CHECK_STR(names("f"), "");
}

TEST(a_file_without_a_name_keeps_them)
{
	int fd;
	char buf[10];

	new_file();
	MUST(setxattr("f", "user.a", "1", 1, 0));
	fd = MUST(open("f", O_RDWR));
	MUST(unlink("f"));
	CHECK_EQ(fgetxattr(fd, "user.a", buf, sizeof(buf)), 1);
	MUST(fsetxattr(fd, "user.b", "22", 2, 0));
	CHECK_EQ(fgetxattr(fd, "user.b", buf, sizeof(buf)), 2);
}

TEST(names_share_them)
{
	new_file();
	MUST(setxattr("f", "user.a", "1", 1, 0));
	MUST(link("f", "g"));
	CHECK_STR(names("g"), "user.a");
	MUST(rename("f", "h"));
	MUST(setxattr("h", "user.b", "1", 1, 0));
	CHECK_STR(names("g"), "user.a user.b");
	MUST(unlink("h"));
	MUST(setxattr("g", "user.c", "1", 1, 0));
	CHECK_STR(names("g"), "user.a user.b user.c");
}

TEST(directories_have_them_too)
{
	new_file();
	MUST(mkdir("d", 0755));
	MUST(setxattr("d", "user.a", "1", 1, 0));
	CHECK_STR(names("d"), "user.a");
	MUST(rename("d", "e"));
	CHECK_STR(value("e", "user.a"), "1");
}

TEST(those_of_a_removed_directory_are_its_own)
{
	char c;
	int fd;

	new_file();
	MUST(mkdir("d", 0755));
	fd = MUST(open("d", O_RDONLY | O_DIRECTORY));
	MUST(rmdir("d"));
	MUST(mkdir("d", 0755));
	MUST(setxattr("d", "user.other", "1", 1, 0));
	CHECK_ERR(fgetxattr(fd, "user.other", &c, 1), ENODATA);
	MUST(fsetxattr(fd, "user.a", "1", 1, 0));
	CHECK_EQ(fgetxattr(fd, "user.a", &c, 1), 1);
	CHECK_STR(names("d"), "user.other");
}

TEST(symlinks_have_none_for_users)
{
	char buf[10];

	new_file();
	MUST(symlink("f", "l"));
	MUST(setxattr("l", "user.a", "1", 1, 0));
	CHECK_STR(names("f"), "user.a");
	CHECK_ERR(lsetxattr("l", "user.a", "1", 1, 0), EPERM);
	CHECK_ERR(lgetxattr("l", "user.a", buf, sizeof(buf)), ENODATA);
	CHECK_ERR(lremovexattr("l", "user.a"), EPERM);
}

TEST(permissions_of_the_file_count)
{
	new_file();
	if (getuid())
		SKIP("not root");
	MUST(chmod(".", 0755));
	MUST(chmod("f", 0644));
	MUST(setxattr("f", "user.a", "1", 1, 0));
	MUST(setxattr("f", "trusted.t", "1", 1, 0));
	CHECK_STR(value("f", "trusted.t"), "1");
	CHECK_EXITED(IN_CHILD({
			     MUST(setresuid(65534, 65534, 65534));
			     CHECK_STR(value("f", "user.a"), "1");
			     CHECK_STR(value("f", "trusted.t"), "ENODATA");
			     CHECK_STR(names("f"), "user.a");
			     CHECK_ERR(setxattr("f", "user.a", "2", 1, 0), EACCES);
			     CHECK_ERR(removexattr("f", "user.a"), EACCES);
			     CHECK_ERR(setxattr("f", "trusted.t", "2", 1, 0), EPERM);
		     }),
		     0);
	MUST(chmod("f", 0600));
	CHECK_EXITED(IN_CHILD({
			     MUST(setresuid(65534, 65534, 65534));
			     CHECK_STR(value("f", "user.a"), "EACCES");
		     }),
		     0);
	CHECK_STR(value("f", "user.a"), "1");
}

TEST(security_attributes_need_privileges)
{
	new_file();
	if (getuid())
		SKIP("not root");
	MUST(chmod(".", 0755));
	MUST(chmod("f", 0666));
	if (setxattr("f", "security.probe", "s", 1, 0) < 0 && errno == EOPNOTSUPP)
		SKIP("this file system has none but file capabilities");
	MUST(setxattr("f", "security.probe", "s", 1, 0));
	CHECK_ERR(setxattr("f", "security.probe", "s", 1, XATTR_CREATE), EEXIST);
	CHECK_EXITED(IN_CHILD({
			     MUST(setresuid(65534, 65534, 65534));
			     CHECK_STR(value("f", "security.probe"), "s");
			     CHECK_ERR(setxattr("f", "security.probe", "2", 1, 0), EPERM);
			     CHECK_ERR(removexattr("f", "security.probe"), EPERM);
		     }),
		     0);
	MUST(removexattr("f", "security.probe"));
	CHECK_STR(value("f", "security.probe"), "ENODATA");
}

TEST(changes_show_in_the_change_time)
{
	struct stat before, after;

	new_file();
	MUST(utimensat(AT_FDCWD, "f", (struct timespec[2]){{1, 0}, {1, 0}}, 0));
	MUST(stat("f", &before));
	/* The clock of file times is coarse. */
	do {
		MUST(setxattr("f", "user.a", "1", 1, 0));
		MUST(stat("f", &after));
	} while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	CHECK_EQ(after.st_mtim.tv_sec, 1);
}
