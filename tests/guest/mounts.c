/*
 * tmpfs, bind and proc mounts.
 * test: quick=no
 */
#include "t.h"

#include <sys/statvfs.h>
#include <sys/vfs.h>

#define NEED_ROOT                                                                                  \
	do {                                                                                       \
		if (!t_may(CAP_SYS_ADMIN))                                                         \
			SKIP("needs CAP_SYS_ADMIN");                                               \
	} while (0)

TEST(ordinary_user_cannot_mount)
{
	t_cd_tmpdir();
	MUST(mkdir("m", 0777));
	t_become_ordinary();
	CHECK_ERR(mount("none", "m", "tmpfs", 0, NULL), EPERM);
	CHECK_ERR(umount("m"), EPERM);
}

TEST(tmpfs_hides_and_shows_again)
{
	struct statfs sf;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	t_write_file("m/below", "x");
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	CHECK_ERR(access("m/below", F_OK), ENOENT);
	MUST(statfs("m", &sf));
	CHECK_EQ(sf.f_type, 0x01021994);
	t_write_file("m/f", "text");
	CHECK_STR(t_read_file("m/f"), "text");
	MUST(umount("m"));
	CHECK_EQ(access("m/below", F_OK), 0);
	CHECK_ERR(access("m/f", F_OK), ENOENT);
}

TEST(tmpfs_takes_mode_and_size)
{
	struct stat st;
	struct statfs sf;
	char *buf = calloc(1, 2 << 20);

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", 0, "size=1m,mode=0700"));
	MUST(stat("m", &st));
	CHECK_EQ(st.st_mode & 07777, 0700);
	MUST(statfs("m", &sf));
	CHECK_EQ(sf.f_blocks * (unsigned long)sf.f_bsize, 1 << 20);
	int fd = MUST(open("m/f", O_RDWR | O_CREAT, 0600));
	ssize_t n = write(fd, buf, 2 << 20);
	CHECK(n > 0 && n <= 1 << 20);
	CHECK_ERR(write(fd, buf, 4096), ENOSPC);
	MUST(close(fd));
	MUST(umount("m"));
}

TEST(busy_mount_cannot_be_removed)
{
	int fd;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	fd = MUST(open("m/f", O_RDWR | O_CREAT, 0600));
	CHECK_ERR(umount("m"), EBUSY);
	CHECK_ERR(rmdir("m"), EBUSY);
	CHECK_ERR(rename("m", "n"), EBUSY);
	MUST(umount2("m", MNT_DETACH));
	CHECK_EQ(write(fd, "x", 1), 1); /* alive as long as it is open */
	MUST(rmdir("m"));
}

TEST(bind_mount_shows_the_same_directory)
{
	struct stat a, b;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("from", 0755));
	MUST(mkdir("to", 0755));
	t_write_file("from/f", "text");
	MUST(mount("from", "to", NULL, MS_BIND, NULL));
	CHECK_STR(t_read_file("to/f"), "text");
	MUST(stat("from", &a));
	MUST(stat("to", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	t_write_file("to/g", "new");
	CHECK_STR(t_read_file("from/g"), "new");
	CHECK_ERR(rename("to/g", "from/h"), EXDEV); /* the same file system, another mount */
	CHECK_ERR(link("to/g", "from/h"), EXDEV);
	MUST(umount("to"));
	CHECK_ERR(access("to/f", F_OK), ENOENT);
}

TEST(file_can_be_bound_over_a_file)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_write_file("a", "A");
	t_write_file("b", "B");
	MUST(mount("a", "b", NULL, MS_BIND, NULL));
	CHECK_STR(t_read_file("b"), "A");
	CHECK_ERR(unlink("b"), EBUSY);
	MUST(umount("b"));
	CHECK_STR(t_read_file("b"), "B");
	MUST(mkdir("d", 0755));
	CHECK_ERR(mount("a", "d", NULL, MS_BIND, NULL), ENOTDIR);
}

TEST(bind_mount_can_become_read_only)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("from", 0755));
	MUST(mkdir("to", 0755));
	t_write_file("from/f", "text");
	MUST(mount("from", "to", NULL, MS_BIND, NULL));
	MUST(mount(NULL, "to", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	CHECK_ERR(open("to/f", O_RDWR), EROFS);
	CHECK_ERR(open("to/new", O_RDWR | O_CREAT, 0600), EROFS);
	CHECK_ERR(mkdir("to/d", 0755), EROFS);
	CHECK_ERR(unlink("to/f"), EROFS);
	CHECK_ERR(chmod("to/f", 0600), EROFS);
	CHECK_ERR(access("to/f", W_OK), EROFS);
	t_write_file("f", "text");
	CHECK_ERR(link("f", "to/f2"), EROFS);
	CHECK_EQ(close(MUST(open("to/f", O_RDONLY))), 0);
	CHECK_EQ(close(MUST(open("from/f", O_RDWR))), 0);
	MUST(umount("to"));
}

TEST(remount_keeps_what_it_says_nothing_of_the_access_time)
{
	struct statvfs sv;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", MS_NOATIME, NULL));
	MUST(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	MUST(statvfs("m", &sv));
	CHECK((sv.f_flag & (ST_NOATIME | ST_RDONLY)) == (ST_NOATIME | ST_RDONLY));
	MUST(mount(NULL, "m", NULL, MS_REMOUNT | MS_RELATIME, NULL));
	MUST(statvfs("m", &sv));
	CHECK_EQ(sv.f_flag & (ST_NOATIME | ST_RDONLY), 0);
	MUST(umount("m"));
}

TEST(read_only_tmpfs_becomes_writable)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", MS_RDONLY, NULL));
	CHECK_ERR(open("m/f", O_RDWR | O_CREAT, 0600), EROFS);
	MUST(mount(NULL, "m", NULL, MS_REMOUNT, NULL));
	t_write_file("m/f", "text");
	MUST(mount(NULL, "m", NULL, MS_PRIVATE, NULL));
	MUST(mount(NULL, "m", NULL, MS_SLAVE | MS_REC, NULL));
	CHECK_ERR(mount(NULL, "m", NULL, MS_PRIVATE | MS_SLAVE, NULL), EINVAL);
	MUST(umount("m"));
}

TEST(noexec_mount_runs_nothing)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", MS_NOEXEC, NULL));
	t_write_file("m/s", "#!/bin/sh\n");
	MUST(chmod("m/s", 0755));
	CHECK_ERR(execl("m/s", "s", NULL), EACCES);
	MUST(umount("m"));
}

TEST(nodev_mount_opens_no_device)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", MS_NODEV, NULL));
	MUST(mknod("m/null", S_IFCHR | 0666, 0x103));
	CHECK_ERR(open("m/null", O_RDONLY), EACCES);
	MUST(umount("m"));
}

TEST(proc_can_be_mounted_again)
{
	char path[64];

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("p", 0755));
	MUST(mount("none", "p", "proc", 0, NULL));
	snprintf(path, sizeof(path), "p/%d/status", getpid());
	CHECK_EQ(access(path, R_OK), 0);
	MUST(umount("p"));
}

TEST(mounts_stack)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("one", "m", "tmpfs", 0, NULL));
	t_write_file("m/one", "");
	MUST(mount("two", "m", "tmpfs", 0, NULL));
	CHECK_ERR(access("m/one", F_OK), ENOENT);
	MUST(umount("m"));
	CHECK_EQ(access("m/one", F_OK), 0);
	MUST(umount("m"));
	CHECK_ERR(umount("m"), EINVAL);
}

static bool unmounts_sooner_than_it_fills(void)
{
	const int files = 30000;
	long long start, filled, end;
	char name[32];

	MUST(mount("none", "m", "tmpfs", 0, "nr_inodes=0"));
	start = t_now_ms();
	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "m/%d", i);
		MUST(mknod(name, S_IFREG | 0600, 0));
	}
	filled = t_now_ms();
	MUST(umount("m"));
	end = t_now_ms();
	return end - filled <= filled - start;
}

/*
 * The work is so much for a name, not for each pair of them. A machine may stand still for a while,
 * but not each time.
 */
TEST(unmounting_takes_no_longer_than_filling)
{
	bool sooner = false;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	for (int i = 0; i < 3 && !sooner; i++)
		sooner = unmounts_sooner_than_it_fills();
	CHECK(sooner);
}

TEST(mounts_are_listed)
{
	char want[256];

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("my-source", "m", "tmpfs", MS_NOSUID, NULL));
	snprintf(want, sizeof(want), "my-source %s/m tmpfs rw,nosuid", t_tmpdir());
	CHECK(strstr(t_read_file("/proc/self/mounts"), want));
	MUST(umount("m"));
	CHECK(!strstr(t_read_file("/proc/self/mounts"), want));
}

TEST(mount_errors)
{
	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	t_write_file("f", "");
	CHECK_ERR(mount("none", "m", "no-such-type", 0, NULL), ENODEV);
	CHECK_ERR(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERR(mount("none", "f", "tmpfs", 0, NULL), ENOTDIR);
	CHECK_ERR(mount("missing", "m", NULL, MS_BIND, NULL), ENOENT);
	CHECK_ERR(umount("missing"), ENOENT);
	CHECK_ERR(umount("m"), EINVAL);
	CHECK_ERR(umount2("m", 0x1000), EINVAL);
}

TEST(dot_dot_crosses_a_mount)
{
	struct stat a, b;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	MUST(mkdir("m/d", 0755));
	MUST(stat(".", &a));
	MUST(stat("m/d/../..", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	MUST(umount("m"));
}

TEST(directory_is_not_removed_while_it_is_mounted_on)
{
	pid_t pid;

	NEED_ROOT;
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mkdir("from", 0755));
	pid = SPAWN({
		for (;;) {
			rmdir("m");
			mkdir("m", 0755);
		}
	});
	for (long long end = t_now_ms() + 1000; t_now_ms() < end;) {
		if (mount("from", "m", NULL, MS_BIND, NULL) < 0) {
			CHECK_EQ(errno, ENOENT);
			continue;
		}
		MUST(umount("m")); /* the name leads to it still */
	}
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}
