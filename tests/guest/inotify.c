/* inotify: arguments, watches, and what is told of files. */
#include "inotify.h"

/* ---- hostile arguments ---- */

TEST(unknown_flags_are_refused)
{
	int fd;

	CHECK_ERR(inotify_init1(1), EINVAL);
	CHECK_ERR(inotify_init1(-1), EINVAL);
	CHECK_ERR(inotify_init1(IN_CLOEXEC | 0x40000000), EINVAL);
	t_cd_tmpdir();
	fd = MUST(inotify_init1(0));
	CHECK_ERR(inotify_add_watch(fd, ".", 0), EINVAL);
	CHECK_ERR(inotify_add_watch(fd, ".", 0x1000), EINVAL);
	CHECK_ERR(inotify_add_watch(fd, ".", IN_OPEN | 0x00800000), EINVAL);
	CHECK_ERR(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	/* Any known bit will do, even one that isn't an event. */
	CHECK_EQ(inotify_add_watch(fd, ".", IN_ISDIR), 1);
}

TEST(wrong_descriptors_are_refused)
{
	int fd = MUST(inotify_init1(IN_NONBLOCK)), file = MUST(open("/", O_RDONLY));

	CHECK_ERR(inotify_add_watch(-1, "/", IN_OPEN), EBADF);
	CHECK_ERR(inotify_add_watch(1000, "/", IN_OPEN), EBADF);
	CHECK_ERR(inotify_add_watch(-1, "/", 0), EINVAL);
	CHECK_ERR(inotify_add_watch(file, "/", IN_OPEN), EINVAL);
	CHECK_ERR(inotify_add_watch(file, (char *)8, IN_OPEN), EINVAL);
	CHECK_ERR(inotify_rm_watch(-1, 1), EBADF);
	CHECK_ERR(inotify_rm_watch(file, 1), EINVAL);
	CHECK_ERR(inotify_rm_watch(fd, 1), EINVAL);
	CHECK_ERR(inotify_rm_watch(fd, 0), EINVAL);
	CHECK_ERR(inotify_rm_watch(fd, -1), EINVAL);
	CHECK_ERR(inotify_rm_watch(fd, INT_MAX), EINVAL);
	CHECK_ERR(inotify_rm_watch(fd, INT_MIN), EINVAL);
	CHECK_ERR(write(fd, "x", 1), EBADF);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 0);
	CHECK_ERR(pread(fd, (char[64]){0}, 64, 0), ESPIPE);
}

TEST(bad_paths_are_refused)
{
	int fd = MUST(inotify_init1(0));
	char longest[5000];

	t_cd_tmpdir();
	touch("f");
	MUST(symlink("f", "l"));
	MUST(symlink("gone", "dangling"));
	memset(longest, 'x', sizeof(longest));
	longest[4999] = 0;
	CHECK_ERR(SYS(inotify_add_watch, fd, NULL, IN_OPEN), EFAULT);
	CHECK_ERR(inotify_add_watch(fd, "", IN_OPEN), ENOENT);
	CHECK_ERR(inotify_add_watch(fd, "gone", IN_OPEN), ENOENT);
	CHECK_ERR(inotify_add_watch(fd, "dangling", IN_OPEN), ENOENT);
	CHECK_ERR(inotify_add_watch(fd, longest, IN_OPEN), ENAMETOOLONG);
	CHECK_ERR(inotify_add_watch(fd, "f/x", IN_OPEN), ENOTDIR);
	CHECK_ERR(inotify_add_watch(fd, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	CHECK_ERR(inotify_add_watch(fd, "l", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	CHECK_EQ(inotify_add_watch(fd, ".", IN_OPEN | IN_ONLYDIR), 1);
	CHECK_EQ(inotify_add_watch(fd, "dangling", IN_OPEN | IN_DONT_FOLLOW), 2);
}

BAD_IN_WITH(add_watch_of_bad_path, int fd = MUST(inotify_init()),
	    SYS(inotify_add_watch, fd, p, IN_OPEN))

static int with_an_event(void)
{
	int fd = MUST(inotify_init());

	t_cd_tmpdir();
	MUST(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE));
	return fd;
}

BAD_OUT_WITH(read_to_bad_buffer, int fd = with_an_event(), ({
		     if (mkdir("d", 0755) < 0)
			     rmdir("d");
		     SYS(read, fd, p, 100);
	     }))
BAD_OUT_WITH(fionread_to_bad_word, int fd = with_an_event(), SYS(ioctl, fd, FIONREAD, p))

TEST(read_permission_is_needed)
{
	int fd;

	t_cd_tmpdir();
	touch("f");
	MUST(chmod("f", 0200));
	MUST(mkdir("d", 0311));
	t_become_ordinary();
	fd = MUST(inotify_init1(0));
	if (geteuid() == 65534)
		MUST(inotify_add_watch(fd, ".", IN_OPEN));
	CHECK_ERR(inotify_add_watch(fd, "f", IN_OPEN), EACCES);
	CHECK_ERR(inotify_add_watch(fd, "d", IN_OPEN), EACCES);
}

TEST(buffers_take_whole_events_only)
{
	char buf[100] __attribute__((aligned(8)));
	struct inotify_event *e = (struct inotify_event *)buf;
	int fd, queued;

	t_cd_tmpdir();
	fd = watching(".", IN_CREATE);
	CHECK_ERR(read(fd, buf, sizeof(buf)), EAGAIN);
	CHECK_ERR(read(fd, buf, 0), EAGAIN);
	MUST(ioctl(fd, FIONREAD, &queued));
	CHECK_EQ(queued, 0);
	touch("a");
	touch("0123456789abcde");
	touch("0123456789abcdef");
	MUST(ioctl(fd, FIONREAD, &queued));
	CHECK_EQ(queued, 32 + 32 + 48);
	CHECK_ERR(read(fd, buf, 0), EINVAL);
	CHECK_ERR(read(fd, buf, 16), EINVAL);
	CHECK_ERR(read(fd, buf, 31), EINVAL);
	memset(buf, 'x', sizeof(buf));
	CHECK_EQ(read(fd, buf, 63), 32);
	CHECK_EQ(e->len, 16);
	CHECK(!memcmp(e->name, "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x", 17));
	CHECK_EQ(read(fd, buf, 79), 32);
	CHECK_STR(e->name, "0123456789abcde");
	CHECK_ERR(read(fd, buf, 47), EINVAL);
	CHECK_EQ(read(fd, buf, 48), 48);
	CHECK_EQ(e->len, 32);
	CHECK_STR(e->name, "0123456789abcdef");
	CHECK_ERR(ioctl(fd, FIONREAD, 8), EFAULT);
	CHECK_ERR(ioctl(fd, TIOCGWINSZ, buf), ENOTTY);
}

TEST(an_event_read_to_nowhere_is_lost)
{
	void *nowhere = hostile_page(PROT_NONE);
	int fd;

	t_cd_tmpdir();
	fd = watching(".", IN_CREATE);
	touch("a");
	touch("b");
	CHECK_ERR(read(fd, nowhere, 100), EFAULT);
	CHECK_EVENTS(fd, "1:create(b)");
}

/* ---- watches ---- */

TEST(descriptors_count_up_and_are_not_used_again)
{
	int fd = MUST(inotify_init1(IN_NONBLOCK));

	t_cd_tmpdir();
	touch("a");
	touch("b");
	touch("c");
	CHECK_EQ(inotify_add_watch(fd, "a", ALL), 1);
	CHECK_EQ(inotify_add_watch(fd, "b", ALL), 2);
	CHECK_EQ(inotify_add_watch(fd, "a", IN_OPEN), 1);
	MUST(inotify_rm_watch(fd, 1));
	CHECK_ERR(inotify_rm_watch(fd, 1), EINVAL);
	CHECK_EQ(inotify_add_watch(fd, "a", ALL), 3);
	CHECK_EQ(inotify_add_watch(fd, "c", ALL), 4);
	MUST(link("a", "a2"));
	CHECK_EQ(inotify_add_watch(fd, "a2", ALL), 3);
	CHECK_EVENTS(fd, "1:ignored 3:attrib");
}

TEST(a_mask_is_replaced_or_added_to)
{
	int fd;

	t_cd_tmpdir();
	touch("f");
	fd = watching("f", IN_OPEN);
	touch("f");
	CHECK_EQ(inotify_add_watch(fd, "f", IN_CLOSE_WRITE), 1);
	touch("f");
	CHECK_EQ(inotify_add_watch(fd, "f", IN_OPEN | IN_MASK_ADD), 1);
	touch("f");
	CHECK_EVENTS(fd, "1:open 1:close_write 1:open 1:close_write");
	CHECK_ERR(inotify_add_watch(fd, "f", IN_OPEN | IN_MASK_CREATE), EEXIST);
	touch("g");
	CHECK_EQ(inotify_add_watch(fd, "g", IN_OPEN | IN_MASK_CREATE), 2);
}

TEST(symlinks_are_followed_or_not)
{
	int fd;

	t_cd_tmpdir();
	touch("f");
	MUST(symlink("f", "l"));
	fd = watching("l", ALL);
	CHECK_EQ(inotify_add_watch(fd, "l", ALL | IN_DONT_FOLLOW), 2);
	touch("f");
	MUST(lchown("l", getuid(), getgid()));
	MUST(unlink("l"));
	CHECK_EVENTS(fd, "1:open 1:close_write 2:attrib 2:delete_self 2:ignored");
}

TEST(oneshot_watches_go_after_one_event)
{
	int fd;

	t_cd_tmpdir();
	touch("f");
	fd = watching("f", IN_OPEN | IN_ONESHOT);
	MUST(chmod("f", 0600));
	touch("f");
	touch("f");
	CHECK_EVENTS(fd, "1:open 1:ignored");
	CHECK_ERR(inotify_rm_watch(fd, 1), EINVAL);
	CHECK_EQ(inotify_add_watch(fd, "f", IN_OPEN), 2);
}

TEST(instances_are_independent)
{
	int a, b;

	t_cd_tmpdir();
	touch("f");
	a = watching("f", IN_OPEN);
	b = watching("f", IN_CLOSE);
	touch("f");
	CHECK_EVENTS(a, "1:open");
	CHECK_EVENTS(b, "1:close_write");
	MUST(close(a));
	touch("f");
	CHECK_EVENTS(b, "1:close_write");
}

/* ---- events of a file, and of its directory ---- */

TEST(open_read_write_close)
{
	int fd = watching_both(), f = MUST(open("f", O_RDWR));
	char c;

	CHECK_EVENTS(fd, "2:open(f) 1:open");
	CHECK(write(f, "x", 1) == 1);
	CHECK_EVENTS(fd, "2:modify(f) 1:modify");
	CHECK(read(f, &c, 1) == 1);
	CHECK(pread(f, &c, 1, 0) == 1);
	CHECK(read(f, &c, 0) == 0);
	CHECK(pwrite(f, &c, 0, 0) == 0);
	CHECK_EVENTS(fd, "2:access(f) 1:access 2:access(f) 1:access");
	MUST(close(dup(f)));
	CHECK_EVENTS(fd, "");
	MUST(close(f));
	CHECK_EVENTS(fd, "2:close_write(f) 1:close_write");
	f = MUST(open("f", O_RDONLY));
	MUST(close(f));
	CHECK_EVENTS(fd, "2:open(f) 1:open 2:close_nowrite(f) 1:close_nowrite");
	CHECK_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("f", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_EVENTS(fd, "");
}

TEST(end_of_file_is_no_access)
{
	int fd = watching_both(), f = MUST(open("f", O_RDONLY));
	char buf[10];

	CHECK(read(f, buf, 10) == 4);
	CHECK(read(f, buf, 10) == 0);
	CHECK_EVENTS(fd, "2:open(f) 1:open 2:access(f) 1:access");
}

TEST(sizes)
{
	int fd = watching_both(), f;

	MUST(truncate("f", 2));
	CHECK_EVENTS(fd, "2:modify(f) 1:modify");
	f = MUST(open("f", O_RDWR | O_TRUNC));
	CHECK_EVENTS(fd, "2:open(f) 1:open 2:modify(f) 1:modify");
	MUST(ftruncate(f, 100));
	CHECK_EVENTS(fd, "2:modify(f) 1:modify");
	MUST(fallocate(f, 0, 0, 8192));
	CHECK_EVENTS(fd, "2:modify(f) 1:modify");
	CHECK_ERR(ftruncate(f, -1), EINVAL);
	CHECK_EVENTS(fd, "");
}

TEST(attributes)
{
	int fd = watching_both();
	struct timespec both[2] = {{1, 0}, {2, 0}}, atime[2] = {{1, 0}, {0, UTIME_OMIT}},
			mtime[2] = {{0, UTIME_OMIT}, {2, 0}};

	MUST(chmod("f", 0600));
	CHECK_EVENTS(fd, "2:attrib(f) 1:attrib");
	MUST(chown("f", getuid(), -1));
	CHECK_EVENTS(fd, "2:attrib(f) 1:attrib");
	MUST(chown("f", -1, -1));
	CHECK_EVENTS(fd, "");
	MUST(utimensat(AT_FDCWD, "f", both, 0));
	CHECK_EVENTS(fd, "2:attrib(f) 1:attrib");
	MUST(utimensat(AT_FDCWD, "f", atime, 0));
	CHECK_EVENTS(fd, "2:access(f) 1:access");
	MUST(utimensat(AT_FDCWD, "f", mtime, 0));
	CHECK_EVENTS(fd, "2:modify(f) 1:modify");
	if (!setxattr("f", "user.x", "1", 1, 0)) {
		CHECK_EVENTS(fd, "2:attrib(f) 1:attrib");
		MUST(removexattr("f", "user.x"));
		CHECK_EVENTS(fd, "2:attrib(f) 1:attrib");
	}
	MUST(chmod(".", 0755));
	CHECK_EVENTS(fd, "2:attrib|isdir");
}

TEST(copies_within_the_kernel)
{
	int fd, in, out;

	t_cd_tmpdir();
	t_write_file("in", "0123456789");
	t_write_file("out", "");
	in = MUST(open("in", O_RDONLY));
	out = MUST(open("out", O_RDWR));
	fd = watching("in", ALL);
	CHECK_EQ(inotify_add_watch(fd, "out", ALL), 2);
	CHECK_EQ(sendfile(out, in, NULL, 10), 10);
	CHECK_EVENTS(fd, "1:access 2:modify");
	CHECK_EQ(sendfile(out, in, NULL, 10), 0);
	CHECK_EVENTS(fd, "");
	CHECK_EQ(copy_file_range(in, &(off_t){0}, out, &(off_t){0}, 5, 0), 5);
	CHECK_EVENTS(fd, "1:access 2:modify");
}

TEST(identical_neighbours_are_one)
{
	int fd, f;

	t_cd_tmpdir();
	t_write_file("f", "");
	fd = watching("f", IN_MODIFY | IN_ATTRIB);
	f = MUST(open("f", O_WRONLY));
	for (int i = 0; i < 100; i++)
		CHECK(write(f, "x", 1) == 1);
	MUST(fchmod(f, 0600));
	CHECK(write(f, "x", 1) == 1);
	CHECK(write(f, "x", 1) == 1);
	CHECK_EVENTS(fd, "1:modify 1:attrib 1:modify");
}

TEST(directories_as_files)
{
	int fd, d;
	char buf[1000];

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	fd = watching("d", ALL);
	CHECK_EQ(inotify_add_watch(fd, ".", ALL), 2);
	d = MUST(open("d", O_RDONLY));
	while (MUST(syscall(SYS_getdents64, d, buf, sizeof(buf))) > 0)
		;
	MUST(close(d));
	CHECK_EVENTS(fd, "2:open|isdir(d) 1:open|isdir 2:access|isdir(d) 1:access|isdir "
			 "2:access|isdir(d) 1:access|isdir "
			 "2:close_nowrite|isdir(d) 1:close_nowrite|isdir");
}

TEST(exec_opens_and_reads)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("script", "#!/bin/true\n");
	MUST(chmod("script", 0755));
	fd = watching("script", ALL);
	CHECK_EXITED(IN_CHILD(execl("script", "script", NULL)), 0);
	CHECK(strstr(events(fd), "1:open 1:access"));
	CHECK(strstr(text, "1:close_nowrite"));
}

TEST(o_path_and_stat_tell_nothing)
{
	int fd;
	struct stat st;

	t_cd_tmpdir();
	t_write_file("f", "");
	fd = watching(".", ALL);
	MUST(stat("f", &st));
	MUST(access("f", R_OK));
	MUST(close(MUST(open("f", O_PATH))));
	CHECK_EVENTS(fd, "");
}
