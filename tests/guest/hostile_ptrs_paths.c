/* Bad pointers where a call expects a path: EFAULT from every call that takes one. */
#include "hostile.h"

#include <sys/vfs.h>

BAD_IN(open_of_bad_path, SYS(open, p, O_RDONLY))
BAD_IN(open_creating_bad_path, SYS(open, p, O_RDWR | O_CREAT, 0600))
BAD_IN(creat_of_bad_path, SYS(creat, p, 0600))
BAD_IN(openat_of_bad_path, SYS(openat, AT_FDCWD, p, O_RDONLY))
BAD_IN(stat_of_bad_path, ({
	       struct stat st;
	       SYS(stat, p, &st);
       }))
BAD_IN(lstat_of_bad_path, ({
	       struct stat st;
	       SYS(lstat, p, &st);
       }))
BAD_IN(newfstatat_of_bad_path, ({
	       struct stat st;
	       SYS(newfstatat, AT_FDCWD, p, &st, 0);
       }))
BAD_IN(statx_of_bad_path, ({
	       struct statx st;
	       SYS(statx, AT_FDCWD, p, 0, STATX_BASIC_STATS, &st);
       }))
BAD_IN(statfs_of_bad_path, ({
	       struct statfs st;
	       SYS(statfs, p, &st);
       }))
BAD_IN(access_of_bad_path, SYS(access, p, R_OK))
BAD_IN(faccessat_of_bad_path, SYS(faccessat, AT_FDCWD, p, R_OK))
BAD_IN(chmod_of_bad_path, SYS(chmod, p, 0600))
BAD_IN(fchmodat_of_bad_path, SYS(fchmodat, AT_FDCWD, p, 0600))
BAD_IN(chown_of_bad_path, SYS(chown, p, -1, -1))
BAD_IN(lchown_of_bad_path, SYS(lchown, p, -1, -1))
BAD_IN(fchownat_of_bad_path, SYS(fchownat, AT_FDCWD, p, -1, -1, 0))
BAD_IN(mkdir_of_bad_path, SYS(mkdir, p, 0700))
BAD_IN(mkdirat_of_bad_path, SYS(mkdirat, AT_FDCWD, p, 0700))
BAD_IN(rmdir_of_bad_path, SYS(rmdir, p))
BAD_IN(unlink_of_bad_path, SYS(unlink, p))
BAD_IN(unlinkat_of_bad_path, SYS(unlinkat, AT_FDCWD, p, 0))
BAD_IN(mknod_of_bad_path, SYS(mknod, p, S_IFIFO | 0600, 0))
BAD_IN(mknodat_of_bad_path, SYS(mknodat, AT_FDCWD, p, S_IFIFO | 0600, 0))
BAD_IN(truncate_of_bad_path, SYS(truncate, p, 0))
BAD_IN(chdir_to_bad_path, SYS(chdir, p))
BAD_IN(chroot_to_bad_path, SYS(chroot, p))
BAD_IN(utimensat_of_bad_path, SYS(utimensat, AT_FDCWD, p, NULL, 0))
BAD_IN(utime_of_bad_path, SYS(utime, p, NULL))
BAD_IN(execve_of_bad_path, SYS(execve, p, NULL, NULL))
BAD_IN(execveat_of_bad_path, SYS(execveat, AT_FDCWD, p, NULL, NULL, 0))
BAD_IN(memfd_create_with_bad_name, SYS(memfd_create, p, 0))

BAD_IN_WITH(link_from_bad_path, t_cd_tmpdir(), SYS(link, p, "new"))
BAD_IN_WITH(link_to_bad_path, (t_cd_tmpdir(), t_write_file("old", "")), SYS(link, "old", p))
BAD_IN_WITH(linkat_to_bad_path, (t_cd_tmpdir(), t_write_file("old", "")),
	    SYS(linkat, AT_FDCWD, "old", AT_FDCWD, p, 0))
BAD_IN_WITH(symlink_with_bad_target, t_cd_tmpdir(), SYS(symlink, p, "new"))
BAD_IN(symlink_at_bad_path, SYS(symlink, "target", p))
BAD_IN_WITH(rename_from_bad_path, t_cd_tmpdir(), SYS(rename, p, "new"))
BAD_IN_WITH(rename_to_bad_path, (t_cd_tmpdir(), t_write_file("old", "")), SYS(rename, "old", p))
BAD_IN_WITH(renameat2_to_bad_path, (t_cd_tmpdir(), t_write_file("old", "")),
	    SYS(renameat2, AT_FDCWD, "old", AT_FDCWD, p, 0))
BAD_IN(readlink_of_bad_path, ({
	       char buf[16];
	       SYS(readlink, p, buf, sizeof(buf));
       }))
BAD_OUT_WITH(readlink_to_bad_buffer, t_cd_tmpdir();
	     MUST(symlink("a-long-target", "link")), SYS(readlink, "link", p, 64))
BAD_OUT(getcwd_to_bad_buffer, SYS(getcwd, p, 4096))

TEST(path_that_starts_null_is_efault)
{
	EXPECT_ERR(SYS(open, NULL, O_RDONLY), EFAULT);
	EXPECT_ERR(SYS(unlink, NULL), EFAULT);
	EXPECT_ERR(SYS(mkdir, NULL, 0700), EFAULT);
	EXPECT_ERR(SYS(chdir, NULL), EFAULT);
	EXPECT_ERR(SYS(execve, NULL, NULL, NULL), EFAULT);
	EXPECT_ERR(SYS(rename, NULL, NULL), EFAULT);
}

TEST(path_that_ends_at_the_edge_of_a_page_works)
{
	char *hole = hostile_page(-1);
	char *p = hole - sizeof("/tmp");

	strcpy(p, "/tmp");
	CHECK(access(p, F_OK) == 0);
	CHECK_EQ(close(MUST(open(p, O_RDONLY))), 0);
}

TEST(path_without_an_end_before_a_hole_is_efault)
{
	char *hole = hostile_page(-1);

	for (size_t n = 1; n < 300; n += 37)
		EXPECT_ERR(SYS(open, hole - n, O_RDONLY), EFAULT);
}

TEST(path_of_path_max_bytes_is_too_long_before_it_is_read_on)
{
	char *hole = hostile_page(-1);

	/* 4096 bytes without a zero: the name is too long, whatever comes behind. */
	CHECK_ERR(SYS(open, hole - 4096, O_RDONLY), ENAMETOOLONG);
	CHECK_ERR(SYS(mkdir, hole - 4096, 0700), ENAMETOOLONG);
}

TEST(component_of_256_bytes_is_too_long)
{
	char name[300] = "/tmp/";

	memset(name + 5, 'x', 256);
	CHECK_ERR(open(name, O_RDONLY), ENAMETOOLONG);
	CHECK_ERR(mkdir(name, 0700), ENAMETOOLONG);
	CHECK_ERR(unlink(name), ENAMETOOLONG);
	name[5 + 255] = 0;
	CHECK_ERR(open(name, O_RDONLY), ENOENT);
}

TEST(empty_path_is_enoent)
{
	EXPECT_ERR(open("", O_RDONLY), ENOENT);
	EXPECT_ERR(mkdir("", 0700), ENOENT);
	EXPECT_ERR(rmdir(""), ENOENT);
	EXPECT_ERR(unlink(""), ENOENT);
	EXPECT_ERR(chdir(""), ENOENT);
	EXPECT_ERR(access("", F_OK), ENOENT);
	EXPECT_ERR(SYS(readlink, "", "x", 1), ENOENT);
	EXPECT_ERR(SYS(execve, "", NULL, NULL), ENOENT);
	EXPECT_ERR(symlink("", "/tmp/x"), ENOENT);
	EXPECT_ERR(rename("", ""), ENOENT);
}
