/* Calls that the C library no longer makes, but old programs do. */
#include "t.h"

#include <poll.h>
#include <sys/time.h>

#define SYS(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

TEST(old_file_calls_work)
{
	struct stat st;
	char buf[16] = "";
	int fd;

	t_cd_tmpdir();
	fd = MUST((int)SYS(creat, "f", 0644));
	CHECK_EQ(write(fd, "text", 4), 4);
	fd = MUST((int)SYS(open, "f", O_RDONLY));
	CHECK_EQ(read(fd, buf, 16), 4);
	MUST((int)SYS(stat, "f", &st));
	CHECK_EQ(st.st_size, 4);
	MUST((int)SYS(mkdir, "d", 0755));
	MUST((int)SYS(rename, "f", "d/f"));
	MUST((int)SYS(link, "d/f", "g"));
	MUST((int)SYS(symlink, "g", "l"));
	CHECK_EQ(SYS(readlink, "l", buf, 16), 1);
	MUST((int)SYS(lstat, "l", &st));
	CHECK(S_ISLNK(st.st_mode));
	MUST((int)SYS(chmod, "g", 0600));
	MUST((int)SYS(chown, "g", -1, -1));
	MUST((int)SYS(lchown, "l", -1, -1));
	MUST((int)SYS(access, "g", R_OK));
	MUST((int)SYS(mknod, "n", S_IFREG | 0600, 0));
	MUST((int)SYS(unlink, "n"));
	MUST((int)SYS(unlink, "d/f"));
	MUST((int)SYS(rmdir, "d"));
}

struct old_dirent {
	unsigned long ino, off;
	unsigned short reclen;
	char name[];
};

TEST(old_getdents_keeps_the_type_in_the_last_byte)
{
	char buf[1024] __attribute__((aligned(8)));
	int fd, seen = 0;
	long n;

	t_cd_tmpdir();
	t_write_file("file", "");
	MUST(mkdir("dir", 0755));
	fd = MUST(open(".", O_RDONLY));
	while ((n = MUST(SYS(getdents, fd, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < n;) {
			struct old_dirent *e = (struct old_dirent *)(buf + at);
			char type = buf[at + e->reclen - 1];

			seen += !strcmp(e->name, "file") && type == DT_REG;
			seen += !strcmp(e->name, "dir") && type == DT_DIR;
			at += e->reclen;
		}
	CHECK_EQ(seen, 2);
}

TEST(old_descriptor_calls_work)
{
	int fd[2], ep;
	unsigned long set = 1ul << (SIGUSR1 - 1);

	MUST((int)SYS(pipe, fd));
	CHECK_EQ(SYS(dup2, fd[0], 40), 40);
	ep = MUST((int)SYS(epoll_create, 1));
	CHECK_EQ(fcntl(ep, F_GETFD), 0);
	CHECK_EQ(fcntl(MUST((int)SYS(eventfd, 0)), F_GETFD), 0);
	CHECK_EQ(fcntl(MUST((int)SYS(signalfd, -1, &set, 8)), F_GETFD), 0);
}

TEST(old_waiting_calls_work)
{
	struct timeval tv = {0, 1000};
	struct pollfd p = {-1, 0, 0};
	pid_t pid = SPAWN({
		t_handle(SIGALRM, SIG_DFL);
		SYS(alarm, 1);
		SYS(pause);
	});

	CHECK_EQ(SYS(select, 0, NULL, NULL, NULL, &tv), 0);
	CHECK_EQ(SYS(poll, &p, 1, 1), 0);
	CHECK_KILLED(t_wait(pid), SIGALRM);
}

TEST(old_process_calls_work)
{
	long pid = SYS(fork);

	if (pid == 0)
		_exit(3);
	CHECK(pid > 0);
	CHECK_EXITED(t_wait((pid_t)pid), 3);
	CHECK_EQ(SYS(getpgrp), getpgrp());
	CHECK(SYS(time, NULL) > 1700000000);
}

TEST(calls_that_were_removed_are_enosys)
{
	CHECK_ERR(SYS(create_module, 0), ENOSYS);
	CHECK_ERR(SYS(get_kernel_syms, 0), ENOSYS);
	CHECK_ERR(SYS(query_module, 0), ENOSYS);
	CHECK_ERR(SYS(getpmsg, 0), ENOSYS);
	CHECK_ERR(SYS(putpmsg, 0), ENOSYS);
	CHECK_ERR(SYS(afs_syscall, 0), ENOSYS);
	CHECK_ERR(SYS(tuxcall, 0), ENOSYS);
	CHECK_ERR(SYS(security, 0), ENOSYS);
	CHECK_ERR(SYS(set_thread_area, 0), ENOSYS);
	CHECK_ERR(SYS(get_thread_area, 0), ENOSYS);
	CHECK_ERR(SYS(epoll_ctl_old, 0), ENOSYS);
	CHECK_ERR(SYS(epoll_wait_old, 0), ENOSYS);
	CHECK_ERR(SYS(vserver, 0), ENOSYS);
	CHECK_ERR(SYS(nfsservctl, 0), ENOSYS);
}
