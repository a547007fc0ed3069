/* /proc/PID/fd and fdinfo. */
#include "t.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static const char *target(int fd)
{
	static char text[PATH_MAX];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = MUST(readlink(path, text, sizeof(text) - 1));
	text[n] = 0;
	return text;
}

TEST(files_show_their_path)
{
	char want[128];
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "");
	fd = MUST(open("f", O_RDONLY));
	snprintf(want, sizeof(want), "%s/f", t_tmpdir());
	CHECK_STR(target(fd), want);
	MUST(rename("f", "g"));
	snprintf(want, sizeof(want), "%s/g", t_tmpdir());
	CHECK_STR(target(fd), want);
	MUST(unlink("g"));
	strcat(want, " (deleted)");
	CHECK_STR(target(fd), want);
	CHECK_STR(target(MUST(open("/", O_RDONLY))), "/");
	CHECK_STR(target(MUST(open("/dev/null", O_RDONLY))), "/dev/null");
}

TEST(things_without_a_path_show_their_kind)
{
	char want[64];
	struct stat st;
	int fd[2];

	MUST(pipe(fd));
	MUST(fstat(fd[0], &st));
	snprintf(want, sizeof(want), "pipe:[%lu]", st.st_ino);
	CHECK_STR(target(fd[0]), want);
	CHECK_STR(target(fd[1]), want);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	MUST(fstat(fd[0], &st));
	snprintf(want, sizeof(want), "socket:[%lu]", st.st_ino);
	CHECK_STR(target(fd[0]), want);
	CHECK(strcmp(target(fd[1]), want));
	CHECK_STR(target(MUST(eventfd(0, 0))), "anon_inode:[eventfd]");
	CHECK_STR(target(MUST(epoll_create1(0))), "anon_inode:[eventpoll]");
	CHECK_STR(target(MUST(timerfd_create(CLOCK_MONOTONIC, 0))), "anon_inode:[timerfd]");
}

TEST(directory_lists_the_open_descriptors)
{
	struct dirent *e;
	int seen[4] = {0}, n = 0;
	DIR *dir;

	MUST(dup2(0, 30));
	dir = opendir("/proc/self/fd");
	CHECK(dir);
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		CHECK_EQ(e->d_type, DT_LNK);
		n++;
		if (fd < 3)
			seen[fd]++;
		seen[3] += fd == 30;
	}
	closedir(dir);
	CHECK(seen[0] == 1 && seen[1] == 1 && seen[2] == 1 && seen[3] == 1);
	CHECK_EQ(n, 5);
}

TEST(link_permissions_show_the_access_mode)
{
	char path[64];
	struct stat st;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "");
	fd = MUST(open("f", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(lstat(path, &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0500);
	MUST(dup2(MUST(open("f", O_WRONLY)), fd));
	MUST(lstat(path, &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0300);
	MUST(dup2(MUST(open("f", O_RDWR)), fd));
	MUST(lstat(path, &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0700);
}

TEST(closed_descriptor_is_not_there)
{
	char buf[16];

	CHECK_ERR(readlink("/proc/self/fd/77", buf, 16), ENOENT);
	CHECK_ERR(open("/proc/self/fd/77", O_RDONLY), ENOENT);
	CHECK_ERR(readlink("/proc/self/fd/x", buf, 16), ENOENT);
	CHECK_ERR(readlink("/proc/self/fd/-1", buf, 16), ENOENT);
}

TEST(removed_file_can_be_read_through_its_link)
{
	char path[64];
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "still there");
	fd = MUST(open("f", O_RDONLY));
	MUST(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_STR(t_read_file(path), "still there");
}

TEST(permissions_are_checked_again_on_reopening)
{
	char path[64];
	int fd;

	if (!t_is_root())
		SKIP("needs root");
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0600));
	fd = MUST(open("f", O_RDWR));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	MUST(setresuid(65534, 65534, 65534));
	CHECK(open(path, O_RDWR) == -1);
	CHECK_EQ(errno, EACCES);
}

TEST(fdinfo_tells_position_and_flags)
{
	unsigned long pos;
	unsigned int flags;
	char path[64];
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "0123456789");
	fd = MUST(open("f", O_RDWR | O_APPEND | O_CLOEXEC));
	MUST(lseek(fd, 7, SEEK_SET));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	CHECK_EQ(sscanf(t_read_file(path), "pos:\t%lu\nflags:\t%o", &pos, &flags), 2);
	CHECK_EQ(pos, 7);
	CHECK_EQ(flags & ~0100000u, O_RDWR | O_APPEND | O_CLOEXEC);
}

TEST(descriptors_of_a_child)
{
	struct t_gate ready = t_gate(), end = t_gate();
	char path[64], text[64] = "";
	pid_t pid = SPAWN({
		MUST(dup2(MUST(open("/dev/zero", O_RDONLY)), 40));
		t_gate_open(&ready);
		t_gate_pass(&end);
	});

	t_gate_pass(&ready);
	snprintf(path, sizeof(path), "/proc/%d/fd/40", pid);
	MUST(readlink(path, text, sizeof(text) - 1));
	CHECK_STR(text, "/dev/zero");
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(dev_fd_and_dev_stdin_lead_here)
{
	int fd[2];
	char c;

	MUST(pipe(fd));
	MUST(dup2(fd[0], 0));
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(read(MUST(open("/dev/stdin", O_RDONLY)), &c, 1), 1);
	CHECK_EQ(write(MUST(open("/dev/fd/0", O_WRONLY)), "y", 1), 1);
	CHECK_EQ(read(0, &c, 1), 1);
}
