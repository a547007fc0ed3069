/* stat, fstat, lstat, statx, access, statfs. */
#include "t.h"

#include <sys/sysmacros.h>
#include <sys/vfs.h>

TEST(regular_file)
{
	struct stat st;

	t_cd_tmpdir();
	t_write_file("f", "12345");
	MUST(stat("f", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0644);
	CHECK_EQ(st.st_size, 5);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_EQ(st.st_gid, getegid());
	CHECK(st.st_ino != 0);
	CHECK(st.st_blksize >= 512);
}

TEST(every_type_of_file_is_told_apart)
{
	struct stat st;

	t_cd_tmpdir();
	t_write_file("file", "");
	MUST(mkdir("dir", 0755));
	MUST(symlink("file", "link"));
	MUST(mkfifo("fifo", 0600));
	MUST(stat("file", &st));
	CHECK(S_ISREG(st.st_mode));
	MUST(stat("dir", &st));
	CHECK(S_ISDIR(st.st_mode));
	MUST(stat("link", &st));
	CHECK(S_ISREG(st.st_mode));
	MUST(lstat("link", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(st.st_size, 4);
	CHECK_EQ(st.st_mode & 0777, 0777);
	MUST(stat("fifo", &st));
	CHECK(S_ISFIFO(st.st_mode));
	MUST(stat("/dev/null", &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(1, 3));
}

TEST(descriptor_and_path_agree)
{
	struct stat a, b;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "text");
	fd = MUST(open("f", O_RDONLY));
	MUST(stat("f", &a));
	MUST(fstat(fd, &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_mode == b.st_mode);
	MUST(fstatat(fd, "", &b, AT_EMPTY_PATH));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

TEST(inode_number_belongs_to_the_file_not_to_its_name)
{
	struct stat a, b;

	t_cd_tmpdir();
	t_write_file("f", "");
	t_write_file("g", "");
	MUST(stat("f", &a));
	MUST(stat("g", &b));
	CHECK(a.st_ino != b.st_ino);
	MUST(rename("f", "h"));
	MUST(stat("h", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	MUST(link("h", "i"));
	MUST(stat("i", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(b.st_nlink, 2);
}

TEST(changing_a_file_keeps_its_inode_number)
{
	struct stat a, b;

	/* A file that was there before may be copied on the first change: this must not show. */
	t_cd_tmpdir();
	t_write_file("f", "text");
	MUST(stat("f", &a));
	MUST(chmod("f", 0600));
	t_write_file("f", "other");
	MUST(stat("f", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

TEST(directory_link_count_follows_its_subdirectories)
{
	struct stat st;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	MUST(stat("d", &st));
	CHECK_EQ(st.st_nlink, 2);
	MUST(mkdir("d/a", 0755));
	MUST(mkdir("d/b", 0755));
	t_write_file("d/f", "");
	MUST(stat("d", &st));
	CHECK_EQ(st.st_nlink, 4);
	MUST(rmdir("d/a"));
	MUST(stat("d", &st));
	CHECK_EQ(st.st_nlink, 3);
	MUST(rename("d/b", "b"));
	MUST(stat("d", &st));
	CHECK_EQ(st.st_nlink, 2);
}

static long long ns(struct timespec ts)
{
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

TEST(times_follow_the_changes)
{
	struct timespec old = {1000, 5000}, times[2] = {old, old};
	struct stat a, b;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "text");
	MUST(utimensat(AT_FDCWD, "f", times, 0));
	MUST(stat("f", &a));
	CHECK(ns(a.st_mtim) == ns(old) && ns(a.st_atim) == ns(old));
	MUST(chmod("f", 0600));
	MUST(stat("f", &b));
	CHECK(ns(b.st_mtim) == ns(old) && ns(b.st_ctim) >= ns(a.st_ctim));
	fd = MUST(open("f", O_WRONLY));
	CHECK_EQ(write(fd, "x", 1), 1);
	MUST(fstat(fd, &b));
	CHECK(b.st_mtim.tv_sec > 1700000000);
	MUST(utimensat(AT_FDCWD, "f", times, 0));
	MUST(ftruncate(fd, 1));
	MUST(fstat(fd, &b));
	CHECK(b.st_mtim.tv_sec > 1700000000);
}

TEST(directory_time_changes_with_its_entries)
{
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	struct stat st;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	for (int i = 0; i < 4; i++) {
		MUST(utimensat(AT_FDCWD, "d", old, 0));
		if (i == 0)
			t_write_file("d/f", "");
		else if (i == 1)
			MUST(link("d/f", "d/g"));
		else if (i == 2)
			MUST(rename("d/g", "d/h"));
		else
			MUST(unlink("d/h"));
		MUST(stat("d", &st));
		CHECK(st.st_mtim.tv_sec > 1700000000);
	}
	/* Changing a file's contents leaves its directory alone. */
	MUST(utimensat(AT_FDCWD, "d", old, 0));
	t_write_file("d/f", "text");
	MUST(stat("d", &st));
	CHECK_EQ(st.st_mtim.tv_sec, 1000);
}

TEST(size_of_a_pipe_and_of_descriptors_without_files)
{
	struct stat st;
	int fd[2];

	MUST(pipe(fd));
	MUST(fstat(fd[0], &st));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
}

TEST(blocks_count_what_is_stored)
{
	struct stat st;
	static char buf[65536];
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 0);
	memset(buf, 1, sizeof(buf));
	CHECK_EQ(write(fd, buf, sizeof(buf)), (ssize_t)sizeof(buf));
	MUST(fsync(fd));
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 128);
	MUST(ftruncate(fd, 1 << 30));
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 128);
}

TEST(statx_gives_what_stat_gives)
{
	struct statx x;
	struct stat st;

	t_cd_tmpdir();
	t_write_file("f", "12345");
	MUST(stat("f", &st));
	MUST(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	CHECK_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK_EQ(x.stx_mode, st.st_mode);
	CHECK_EQ(x.stx_size, 5);
	CHECK_EQ(x.stx_ino, st.st_ino);
	CHECK_EQ(x.stx_nlink, 1);
	CHECK_EQ(x.stx_uid, st.st_uid);
	CHECK_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), st.st_dev);
	CHECK(x.stx_mtime.tv_sec == st.st_mtim.tv_sec && x.stx_mtime.tv_nsec == st.st_mtim.tv_nsec);
}

TEST(statx_of_a_descriptor_and_of_a_symlink)
{
	struct statx x;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "12345");
	MUST(symlink("f", "l"));
	fd = MUST(open("f", O_RDONLY));
	MUST(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	CHECK_EQ(x.stx_size, 5);
	MUST(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
	CHECK(S_ISLNK(x.stx_mode));
	CHECK_ERR(statx(fd, "", 0, STATX_SIZE, &x), ENOENT);
	CHECK_ERR(statx(AT_FDCWD, "missing", 0, STATX_SIZE, &x), ENOENT);
}

TEST(access_asks_for_the_real_user)
{
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0444));
	CHECK_EQ(access("f", F_OK), 0);
	CHECK_EQ(access("f", R_OK), 0);
	CHECK_ERR(access("f", X_OK), EACCES);
	CHECK_ERR(access("missing", F_OK), ENOENT);
	t_become_ordinary();
	CHECK_ERR(access("f", W_OK), EACCES);
	CHECK_ERR(access("f", R_OK | W_OK), EACCES);
}

TEST(root_may_execute_only_what_somebody_may)
{
	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0));
	CHECK_EQ(access("f", R_OK | W_OK), 0);
	CHECK_ERR(access("f", X_OK), EACCES);
	MUST(chmod("f", 0001));
	CHECK_EQ(access("f", X_OK), 0);
	MUST(mkdir("d", 0));
	CHECK_EQ(access("d", R_OK | W_OK | X_OK), 0);
}

TEST(faccessat_with_effective_ids)
{
	if (!t_is_root())
		SKIP("needs root to have two identities");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0600));
	MUST(setresuid(65534, 0, 0));
	CHECK_ERR(access("f", R_OK), EACCES);
	CHECK_EQ(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS), 0);
	MUST(setresuid(0, 65534, 0));
	CHECK_EQ(access("f", R_OK), 0);
	CHECK_ERR(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS), EACCES);
}

TEST(statfs_tells_about_the_file_system)
{
	struct statfs a, b;
	int fd = MUST(open("/tmp", O_RDONLY));

	MUST(statfs("/tmp", &a));
	MUST(fstatfs(fd, &b));
	CHECK_EQ(a.f_type, b.f_type);
	CHECK(a.f_bsize > 0 && a.f_namelen >= 255);
	CHECK(a.f_bfree <= a.f_blocks);
	MUST(statfs("/proc", &a));
	CHECK_EQ(a.f_type, 0x9fa0);
	CHECK_ERR(statfs("/missing", &a), ENOENT);
}

TEST(root_directory_is_its_own_parent)
{
	struct stat a, b;

	MUST(stat("/", &a));
	MUST(stat("/..", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}
