/* open, openat, creat, close, dup and descriptor flags. */
#include "t.h"

#include <linux/close_range.h>
#include <pthread.h>

TEST(lowest_free_descriptor_is_taken)
{
	int a = MUST(open("/", O_RDONLY)), b = MUST(open("/", O_RDONLY)), c;

	CHECK_EQ(a, 3);
	CHECK_EQ(b, 4);
	MUST(close(a));
	c = MUST(open("/", O_RDONLY));
	CHECK_EQ(c, 3);
	CHECK_EQ(dup(0), 5);
	CHECK_EQ(fcntl(0, F_DUPFD, 100), 100);
	CHECK_EQ(fcntl(0, F_DUPFD, 100), 101);
}

TEST(create_makes_an_empty_file_with_mode_and_umask)
{
	struct stat st;

	t_cd_tmpdir();
	umask(027);
	MUST(open("f", O_WRONLY | O_CREAT, 0666));
	MUST(stat("f", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_EQ(st.st_nlink, 1);
}

TEST(mode_without_write_permission_still_gives_a_writable_descriptor)
{
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0400));
	CHECK_EQ(write(fd, "x", 1), 1);
}

TEST(exclusive_creation_of_what_exists_is_eexist)
{
	t_cd_tmpdir();
	MUST(open("f", O_WRONLY | O_CREAT | O_EXCL, 0600));
	CHECK_ERR(open("f", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	MUST(symlink("nowhere", "dangling"));
	CHECK_ERR(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(access("nowhere", F_OK), ENOENT);
}

TEST(creation_through_a_dangling_symlink_makes_its_target)
{
	t_cd_tmpdir();
	MUST(symlink("target", "link"));
	MUST(open("link", O_WRONLY | O_CREAT, 0600));
	CHECK_EQ(access("target", F_OK), 0);
}

TEST(truncation_on_open)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "text");
	fd = MUST(open("f", O_WRONLY | O_TRUNC));
	CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
	CHECK_EQ(close(MUST(creat("g", 0600))), 0);
}

TEST(missing_things_are_enoent)
{
	t_cd_tmpdir();
	CHECK_ERR(open("missing", O_RDONLY), ENOENT);
	CHECK_ERR(open("missing/file", O_RDWR | O_CREAT, 0600), ENOENT);
}

TEST(file_as_directory_is_enotdir)
{
	t_cd_tmpdir();
	t_write_file("f", "");
	CHECK_ERR(open("f/x", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("f/.", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
}

TEST(nofollow_refuses_a_symlink_at_the_end_only)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "");
	MUST(symlink("d", "ld"));
	MUST(symlink("d/f", "lf"));
	CHECK_ERR(open("lf", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERR(open("ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	CHECK_EQ(close(MUST(open("ld/f", O_RDONLY | O_NOFOLLOW))), 0);
	CHECK_EQ(close(MUST(open("lf", O_PATH | O_NOFOLLOW))), 0);
}

TEST(path_descriptors_are_opened_whatever_else_the_flags_say)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("f", "x");
	CHECK_EQ(close(MUST(open("d", O_PATH | O_CREAT | O_DIRECTORY, 0600))), 0);
	CHECK_EQ(close(MUST(open("d", O_PATH | O_TMPFILE, 0600))), 0);
	CHECK_EQ(close(MUST(open("f", O_PATH | (O_TMPFILE & ~O_DIRECTORY)))), 0);
	CHECK_EQ(close(MUST(open("f", O_PATH | O_RDWR | O_TRUNC | O_CREAT | O_EXCL, 0600))), 0);
	CHECK_STR(t_read_file("f"), "x");
	CHECK_ERR(open("new", O_PATH | O_CREAT, 0600), ENOENT);
}

TEST(append_writes_at_the_end)
{
	int a, b;

	t_cd_tmpdir();
	a = MUST(open("f", O_WRONLY | O_CREAT | O_APPEND, 0600));
	b = MUST(open("f", O_WRONLY | O_APPEND));
	CHECK_EQ(write(a, "one", 3), 3);
	CHECK_EQ(write(b, "two", 3), 3);
	CHECK_EQ(lseek(a, 0, SEEK_SET), 0);
	CHECK_EQ(write(a, "three", 5), 5);
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 11);
	CHECK_STR(t_read_file("f"), "onetwothree");
}

TEST(append_can_be_switched_by_fcntl)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "0123");
	fd = MUST(open("f", O_WRONLY));
	MUST(fcntl(fd, F_SETFL, O_APPEND));
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE), O_APPEND | O_WRONLY);
	CHECK_EQ(write(fd, "4", 1), 1);
	MUST(fcntl(fd, F_SETFL, 0));
	MUST(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(write(fd, "X", 1), 1);
	CHECK_STR(t_read_file("f"), "X1234");
}

TEST(status_flags_are_reported)
{
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_EXCL | O_TRUNC, 0600));
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDWR | O_APPEND | O_NONBLOCK);
	/* The access mode can't be changed. */
	MUST(fcntl(fd, F_SETFL, O_RDONLY));
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDWR);
}

TEST(close_on_exec_is_per_descriptor)
{
	int fd = MUST(open("/", O_RDONLY | O_CLOEXEC)), copy = MUST(dup(fd));

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(copy, F_GETFD), 0);
	MUST(fcntl(copy, F_SETFD, FD_CLOEXEC));
	MUST(fcntl(fd, F_SETFD, 0));
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(MUST(fcntl(fd, F_DUPFD_CLOEXEC, 0)), F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(MUST(dup3(fd, 50, O_CLOEXEC)), F_GETFD), FD_CLOEXEC);
}

TEST(duplicates_share_position_and_status)
{
	int fd, copy;

	t_cd_tmpdir();
	t_write_file("f", "0123456789");
	fd = MUST(open("f", O_RDWR));
	copy = MUST(dup(fd));
	MUST(lseek(fd, 7, SEEK_SET));
	CHECK_EQ(lseek(copy, 0, SEEK_CUR), 7);
	MUST(fcntl(copy, F_SETFL, O_APPEND));
	CHECK_EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	MUST(close(fd));
	CHECK_EQ(lseek(copy, 0, SEEK_CUR), 7);
}

TEST(two_opens_have_positions_of_their_own)
{
	int a, b;

	t_cd_tmpdir();
	t_write_file("f", "0123456789");
	a = MUST(open("f", O_RDONLY));
	b = MUST(open("f", O_RDONLY));
	MUST(lseek(a, 5, SEEK_SET));
	CHECK_EQ(lseek(b, 0, SEEK_CUR), 0);
}

TEST(dup2_closes_its_target)
{
	int fd[2];
	char c;

	MUST(pipe(fd));
	CHECK_EQ(dup2(0, fd[1]), fd[1]);
	CHECK_EQ(read(fd[0], &c, 1), 0); /* the last writer is gone */
	CHECK_EQ(dup2(fd[0], fd[0]), fd[0]);
}

TEST(unlinked_file_lives_until_it_is_closed)
{
	struct stat st;
	char c;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "x");
	fd = MUST(open("f", O_RDWR));
	MUST(unlink("f"));
	CHECK_ERR(open("f", O_RDONLY), ENOENT);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(write(fd, "yz", 2), 2);
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_size, 3);
	t_write_file("f", "other");
	CHECK_EQ(lseek(fd, 0, SEEK_END), 3);
}

TEST(temporary_file_has_no_name_until_it_is_linked)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0640));
	char path[64], text[8] = "";
	struct stat st;

	t_cd_tmpdir();
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(write(fd, "tmp", 3), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	MUST(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(read(MUST(open("named", O_RDONLY)), text, 4), 3);
	CHECK_STR(text, "tmp");
	CHECK_ERR(open(t_tmpdir(), O_RDONLY | O_TMPFILE, 0600), EINVAL);
}

TEST(openat_is_relative_to_its_directory)
{
	int dir;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	dir = MUST(open("d", O_RDONLY | O_DIRECTORY));
	MUST(openat(dir, "f", O_WRONLY | O_CREAT, 0600));
	CHECK_EQ(access("d/f", F_OK), 0);
	/* It stays the same directory under another name. */
	MUST(rename("d", "e"));
	MUST(openat(dir, "g", O_WRONLY | O_CREAT, 0600));
	CHECK_EQ(access("e/g", F_OK), 0);
	MUST(openat(dir, "../h", O_WRONLY | O_CREAT, 0600));
	CHECK_EQ(access("h", F_OK), 0);
}

TEST(removed_directory_takes_no_new_files)
{
	int dir;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	dir = MUST(open("d", O_RDONLY | O_DIRECTORY));
	MUST(rmdir("d"));
	CHECK_ERR(openat(dir, "f", O_WRONLY | O_CREAT, 0600), ENOENT);
	MUST(openat(dir, "..", O_RDONLY));
	MUST(openat(dir, ".", O_RDONLY));
}

TEST(descriptor_can_be_opened_again_through_proc)
{
	char path[64];
	int fd, again;

	t_cd_tmpdir();
	t_write_file("f", "0123");
	fd = MUST(open("f", O_RDONLY));
	MUST(lseek(fd, 2, SEEK_SET));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = MUST(open(path, O_RDWR));
	CHECK_EQ(lseek(again, 0, SEEK_CUR), 0);
	CHECK_EQ(write(again, "X", 1), 1);
	CHECK_STR(t_read_file("f"), "X123");
}

TEST(close_range_closes_and_marks)
{
	MUST(dup2(0, 10));
	MUST(dup2(0, 11));
	MUST(dup2(0, 20));
	MUST((int)syscall(SYS_close_range, 10, 15, 0));
	CHECK_ERR(fcntl(10, F_GETFD), EBADF);
	CHECK_ERR(fcntl(11, F_GETFD), EBADF);
	MUST((int)syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */));
	CHECK_EQ(fcntl(20, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(0, F_GETFD), 0);
}

static void *close_unshared(void *arg)
{
	MUST((int)syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_UNSHARE));
	CHECK_ERR(fcntl(*(int *)arg, F_GETFD), EBADF);
	return NULL;
}

TEST(close_range_can_unshare_first)
{
	int fd = MUST(dup(0));
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, close_unshared, &fd), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
}

TEST(device_files_behave)
{
	char buf[16] = "xxxxxxxx";
	int fd = MUST(open("/dev/null", O_RDWR));

	CHECK_EQ(read(fd, buf, 8), 0);
	CHECK_EQ(write(fd, buf, 8), 8);
	fd = MUST(open("/dev/zero", O_RDWR));
	CHECK_EQ(read(fd, buf, 8), 8);
	CHECK(!memcmp(buf, "\0\0\0\0\0\0\0", 8));
	CHECK_EQ(write(fd, buf, 8), 8);
	fd = MUST(open("/dev/full", O_RDWR));
	CHECK_EQ(read(fd, buf, 8), 8);
	CHECK_ERR(write(fd, buf, 8), ENOSPC);
	CHECK_ERR(write(fd, buf, 0), ENOSPC);
	fd = MUST(open("/dev/urandom", O_RDONLY));
	CHECK_EQ(read(fd, buf, 16), 16);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 0);
	CHECK_EQ(lseek(fd, -1, SEEK_END), 0);
}

TEST(permissions_are_checked_for_ordinary_users)
{
	t_cd_tmpdir();
	t_write_file("none", "");
	t_write_file("ro", "");
	MUST(chmod("none", 0));
	MUST(chmod("ro", 0444));
	t_become_ordinary();
	CHECK_ERR(open("none", O_RDONLY), EACCES);
	CHECK_ERR(open("ro", O_WRONLY), EACCES);
	CHECK_ERR(open("ro", O_RDONLY | O_TRUNC), EACCES);
	CHECK_EQ(close(MUST(open("ro", O_RDONLY))), 0);
}

TEST(directory_without_search_permission_hides_its_files)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "");
	MUST(chmod("d", 0644));
	t_become_ordinary();
	CHECK_ERR(open("d/f", O_RDONLY), EACCES);
	CHECK_ERR(access("d/f", F_OK), EACCES);
	CHECK_ERR(open("d/new", O_RDWR | O_CREAT, 0600), EACCES);
	CHECK_EQ(close(MUST(open("d", O_RDONLY))), 0);
}

TEST(sync_flags_are_taken)
{
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT | O_SYNC, 0600));
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_SYNC, O_SYNC);
	fd = MUST(open("f", O_RDWR | O_DSYNC));
	CHECK_EQ(fcntl(fd, F_GETFL) & O_SYNC, O_DSYNC);
	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(syncfs(fd), 0);
	sync();
}

TEST(noatime_is_only_for_the_owner)
{
	if (!t_is_root())
		SKIP("needs root to have a file of another user");
	t_cd_tmpdir();
	t_write_file("f", "");
	CHECK_EQ(close(MUST(open("f", O_RDONLY | O_NOATIME))), 0);
	t_become_ordinary();
	CHECK_ERR(open("f", O_RDONLY | O_NOATIME), EPERM);
}
