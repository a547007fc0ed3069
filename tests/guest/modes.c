/* chmod, chown, utimens, umask: attributes and who may change them. */
#include "t.h"

#include <sched.h>
#include <sys/time.h>

static unsigned int mode_of(const char *path)
{
	struct stat st;

	MUST(stat(path, &st));
	return st.st_mode & 07777;
}

TEST(chmod_sets_all_twelve_bits)
{
	t_cd_tmpdir();
	t_write_file("f", "");
	for (unsigned int m = 0; m < 4; m++) {
		static const unsigned int modes[] = {0, 0777, 04755, 01644};

		MUST(chmod("f", modes[m]));
		CHECK_EQ(mode_of("f"), modes[m]);
	}
	MUST(fchmod(MUST(open("f", O_RDONLY)), 0123));
	CHECK_EQ(mode_of("f"), 0123);
	MUST(mkdir("d", 0755));
	MUST(chmod("d", 01777));
	CHECK_EQ(mode_of("d"), 01777);
}

TEST(chmod_follows_symlinks)
{
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(symlink("f", "l"));
	MUST(chmod("l", 0600));
	CHECK_EQ(mode_of("f"), 0600);
}

TEST(chmod_of_somebody_elses_file_is_eperm)
{
	if (!t_is_root())
		SKIP("needs root to have a file of another user");
	t_cd_tmpdir();
	t_write_file("f", "");
	t_become_ordinary();
	CHECK_ERR(chmod("f", 0777), EPERM);
	CHECK_ERR(chown("f", 65534, -1u), EPERM);
	CHECK_EQ(mode_of("f"), 0644);
}

TEST(chown_by_root)
{
	struct stat st;

	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chown("f", 1234, 5678));
	MUST(stat("f", &st));
	CHECK(st.st_uid == 1234 && st.st_gid == 5678);
	MUST(chown("f", -1u, 99));
	MUST(stat("f", &st));
	CHECK(st.st_uid == 1234 && st.st_gid == 99);
	MUST(symlink("f", "l"));
	MUST(lchown("l", 7, 8));
	MUST(stat("f", &st));
	CHECK_EQ(st.st_uid, 1234);
	MUST(lstat("l", &st));
	CHECK(st.st_uid == 7 && st.st_gid == 8);
	MUST(fchown(MUST(open("f", O_RDONLY)), 1, 2));
	MUST(stat("f", &st));
	CHECK(st.st_uid == 1 && st.st_gid == 2);
}

TEST(chown_clears_set_user_id)
{
	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 06755));
	MUST(chown("f", 1234, 1234));
	CHECK_EQ(mode_of("f"), 0755);
}

TEST(chown_without_new_ids_takes_set_id_bits_from_ones_own_files_only)
{
	if (!t_is_root())
		SKIP("needs root to have a file of another user");
	t_cd_tmpdir();
	t_write_file("f", "");
	t_write_file("plain", "");
	MUST(chmod("f", 06755));
	t_become_ordinary();
	CHECK_ERR(chown("f", -1u, -1u), EPERM);
	CHECK_EQ(mode_of("f"), 06755);
	CHECK_EQ(chown("plain", -1u, -1u), 0);
	t_write_file("mine", "");
	MUST(chmod("mine", 06755));
	CHECK_EQ(chown("mine", -1u, -1u), 0);
	CHECK_EQ(mode_of("mine"), 0755);
}

static unsigned int mode_of_fd(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return st.st_mode & 07777;
}

TEST(file_that_root_takes_over_never_has_its_old_owners_set_user_id_bit)
{
	pid_t pid;
	int fd;

	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0755));
	MUST(fchown(fd, 65534, 65534));
	pid = SPAWN({
		t_become_ordinary();
		for (;;) { /* EPERM while root has it */
			fchmod(fd, 04755);
			fchmod(fd, 0755);
		}
	});
	for (long long end = t_now_ms() + 1000; t_now_ms() < end;) {
		MUST(fchown(fd, 0, -1u));
		CHECK_EQ(mode_of_fd(fd) & S_ISUID, 0);
		sched_yield();
		CHECK_EQ(mode_of_fd(fd) & S_ISUID, 0);
		MUST(fchown(fd, 65534, -1u));
	}
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(mode_stays_as_it_was_set_while_others_write_and_truncate)
{
	pid_t pid;
	int fd;

	t_become_ordinary();
	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0755));
	pid = SPAWN({
		for (;;) {
			CHECK_EQ(pwrite(fd, "xx", 2, 0), 2);
			MUST(ftruncate(fd, 1));
		}
	});
	for (long long end = t_now_ms() + 1000; t_now_ms() < end;) {
		MUST(fchmod(fd, 04777));
		MUST(fchmod(fd, 0700));
		CHECK_EQ(mode_of_fd(fd), 0700);
		sched_yield();
		CHECK_EQ(mode_of_fd(fd), 0700);
	}
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(write_by_an_ordinary_user_clears_set_user_id)
{
	int fd;

	t_become_ordinary();
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 06777));
	fd = MUST(open("f", O_WRONLY));
	CHECK_EQ(mode_of("f"), 06777);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(mode_of("f"), 0777);
}

TEST(chown_to_oneself_is_allowed)
{
	t_become_ordinary();
	t_cd_tmpdir();
	t_write_file("f", "");
	CHECK_EQ(chown("f", geteuid(), getegid()), 0);
	CHECK_EQ(chown("f", -1u, -1u), 0);
	CHECK_ERR(chown("f", 0, -1u), EPERM);
}

TEST(set_group_id_directory_passes_its_group_on)
{
	struct stat st;

	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	MUST(chown("d", 0, 4321));
	MUST(chmod("d", 02755));
	t_write_file("d/f", "");
	MUST(mkdir("d/e", 0755));
	MUST(stat("d/f", &st));
	CHECK_EQ(st.st_gid, 4321);
	MUST(stat("d/e", &st));
	CHECK_EQ(st.st_gid, 4321);
	CHECK_EQ(st.st_mode & 02000, 02000);
}

TEST(umask_is_applied_and_returned)
{
	t_cd_tmpdir();
	CHECK_EQ(umask(0777), 022);
	CHECK_EQ(umask(01077), 0777);
	CHECK_EQ(umask(0), 0077);
	MUST(mkdir("d", 0777));
	CHECK_EQ(mode_of("d"), 0777);
	umask(0137);
	MUST(creat("f", 0777));
	CHECK_EQ(mode_of("f"), 0640);
	MUST(mkfifo("p", 0666));
	CHECK_EQ(mode_of("p"), 0640);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	MUST(lstat(path, &st));
	return st;
}

TEST(utimensat_sets_nanoseconds)
{
	struct timespec t[2] = {{123456789, 987654321}, {1000000000, 1}};
	struct stat st;

	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(utimensat(AT_FDCWD, "f", t, 0));
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec == 123456789 && st.st_atim.tv_nsec == 987654321);
	CHECK(st.st_mtim.tv_sec == 1000000000 && st.st_mtim.tv_nsec == 1);
}

TEST(utimensat_now_and_omit)
{
	struct timespec t[2] = {{1000, 0}, {2000, 0}};
	struct stat st;

	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(utimensat(AT_FDCWD, "f", t, 0));
	t[0] = (struct timespec){0, UTIME_OMIT};
	t[1] = (struct timespec){0, UTIME_NOW};
	MUST(utimensat(AT_FDCWD, "f", t, 0));
	st = stat_of("f");
	CHECK_EQ(st.st_atim.tv_sec, 1000);
	CHECK(st.st_mtim.tv_sec > 1700000000);
	t[1].tv_nsec = UTIME_OMIT;
	MUST(utimensat(AT_FDCWD, "f", t, 0));
	CHECK_EQ(stat_of("f").st_atim.tv_sec, 1000);
	MUST(utimensat(AT_FDCWD, "f", NULL, 0));
	CHECK(stat_of("f").st_atim.tv_sec > 1700000000);
}

TEST(utimensat_of_a_symlink_and_of_a_descriptor)
{
	struct timespec t[2] = {{1000, 0}, {2000, 0}};
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(symlink("f", "l"));
	MUST(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	CHECK_EQ(stat_of("l").st_mtim.tv_sec, 2000);
	CHECK(stat_of("f").st_mtim.tv_sec > 1700000000);
	fd = MUST(open("f", O_RDONLY));
	MUST(futimens(fd, t));
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 2000);
}

TEST(utimensat_errors)
{
	struct timespec t[2] = {{0, 1000000000}, {0, 0}};

	t_cd_tmpdir();
	t_write_file("f", "");
	CHECK_ERR(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
	t[0].tv_nsec = 0;
	CHECK_ERR(utimensat(AT_FDCWD, "missing", t, 0), ENOENT);
	if (t_is_root()) {
		MUST(chmod("f", 0444));
		t_become_ordinary();
		CHECK_ERR(utimensat(AT_FDCWD, "f", t, 0), EPERM);
		CHECK_ERR(utimensat(AT_FDCWD, "f", NULL, 0), EACCES);
	}
}

TEST(old_calls_for_times_work_too)
{
	struct timeval tv[2] = {{111, 222}, {333, 444}};

	t_cd_tmpdir();
	t_write_file("f", "");
	MUST((int)syscall(SYS_utimes, "f", tv));
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 333);
	CHECK_EQ(stat_of("f").st_mtim.tv_nsec, 444000);
	MUST((int)syscall(SYS_futimesat, AT_FDCWD, "f", NULL));
	CHECK(stat_of("f").st_mtim.tv_sec > 1700000000);
	long t[2] = {5, 6};
	MUST((int)syscall(SYS_utime, "f", t));
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 6);
}

TEST(whoever_may_write_may_set_the_time_to_now)
{
	if (!t_is_root())
		SKIP("needs root to have a file of another user");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0666));
	t_become_ordinary();
	CHECK_EQ(utimensat(AT_FDCWD, "f", NULL, 0), 0);
}

TEST(group_permissions_hold_for_members)
{
	gid_t group = 4321;

	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chown("f", 0, group));
	MUST(chmod("f", 0640));
	CHECK_EXITED(IN_CHILD({
			     MUST(syscall(SYS_setgroups, 1, &group));
			     MUST(setresgid(65534, 65534, 65534));
			     MUST(setresuid(65534, 65534, 65534));
			     MUST(open("f", O_RDONLY));
			     CHECK_ERR(open("f", O_WRONLY), EACCES);
		     }),
		     0);
	/* Owner bits count for the owner even where the group's would allow more. */
	MUST(chown("f", 65534, group));
	MUST(chmod("f", 0060));
	CHECK_EXITED(IN_CHILD({
			     MUST(syscall(SYS_setgroups, 1, &group));
			     MUST(setresgid(65534, 65534, 65534));
			     MUST(setresuid(65534, 65534, 65534));
			     CHECK_ERR(open("f", O_RDONLY), EACCES);
		     }),
		     0);
}
