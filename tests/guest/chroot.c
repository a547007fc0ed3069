/* chroot. */
#include "t.h"

#define NEED_ROOT                                                                                  \
	do {                                                                                       \
		if (!t_is_root())                                                                  \
			SKIP("needs root");                                                        \
	} while (0)

TEST(ordinary_user_cannot_chroot)
{
	t_become_ordinary();
	CHECK_ERR(chroot("/tmp"), EPERM);
}

TEST(root_directory_changes)
{
	char cwd[64];

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("jail", 0755));
	t_write_file("jail/f", "inside");
	t_write_file("f", "outside");
	MUST(chroot("jail"));
	MUST(chdir("/"));
	CHECK_STR(t_read_file("/f"), "inside");
	CHECK_STR(t_read_file("/../../f"), "inside");
	CHECK_STR(t_read_file("../f"), "inside");
	CHECK_ERR(open("/etc/passwd", O_RDONLY), ENOENT);
	CHECK_STR(getcwd(cwd, sizeof(cwd)), "/");
}

TEST(absolute_symlinks_start_at_the_new_root)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("jail", 0755));
	t_write_file("jail/f", "inside");
	MUST(symlink("/f", "jail/l"));
	MUST(symlink("../../../f", "jail/up"));
	MUST(chroot("jail"));
	MUST(chdir("/"));
	CHECK_STR(t_read_file("l"), "inside");
	CHECK_STR(t_read_file("up"), "inside");
}

TEST(working_directory_outside_is_unreachable_by_name)
{
	char buf[256] = "";

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("jail", 0755));
	t_write_file("f", "outside");
	MUST(chroot("jail"));
	CHECK(syscall(SYS_getcwd, buf, sizeof(buf)) > 0);
	CHECK(!strncmp(buf, "(unreachable)", 13));
	CHECK_STR(t_read_file("f"), "outside");
}

TEST(chroot_is_inherited_and_ends_with_the_process)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("jail", 0755));
	CHECK_EXITED(IN_CHILD({
			     MUST(chroot("jail"));
			     CHECK_EXITED(IN_CHILD(CHECK_ERR(access("/etc/passwd", F_OK), ENOENT)),
					  0);
		     }),
		     0);
	CHECK_EQ(access("/etc/passwd", F_OK), 0);
}

TEST(descriptor_from_outside_leads_out)
{
	int fd;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("jail", 0755));
	t_write_file("f", "outside");
	fd = MUST(open(".", O_PATH));
	MUST(chroot("jail"));
	CHECK_EQ(close(MUST(openat(fd, "f", O_RDONLY))), 0);
}

TEST(chroot_errors)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_write_file("f", "");
	CHECK_ERR(chroot("missing"), ENOENT);
	CHECK_ERR(chroot("f"), ENOTDIR);
	MUST(symlink("self", "self"));
	CHECK_ERR(chroot("self"), ELOOP);
}

TEST(relative_openat_stops_at_the_new_root)
{
	struct stat a, b;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("jail", 0755));
	MUST(mkdir("jail/d", 0755));
	MUST(stat("jail", &a));
	MUST(chroot("jail"));
	MUST(chdir("/d"));
	MUST(stat("../../../..", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
}
