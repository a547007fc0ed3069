/*
 * test: cpus=1,2,4,4m
 *
 * inotify: what is told of names, waiting, limits, and all at once.
 */
#include "inotify.h"

/* ---- names ---- */

TEST(names_come_and_go)
{
	int fd;

	t_cd_tmpdir();
	fd = watching(".", ALL);
	MUST(mkdir("d", 0755));
	CHECK_EVENTS(fd, "1:create|isdir(d)");
	MUST(mknod("fifo", S_IFIFO | 0600, 0));
	MUST(symlink("x", "l"));
	CHECK_EVENTS(fd, "1:create(fifo) 1:create(l)");
	touch("f");
	CHECK_EVENTS(fd, "1:create(f) 1:open(f) 1:close_write(f)");
	MUST(link("f", "f2"));
	CHECK_EVENTS(fd, "1:create(f2)");
	MUST(unlink("f"));
	MUST(unlink("l"));
	MUST(rmdir("d"));
	CHECK_EVENTS(fd, "1:delete(f) 1:delete(l) 1:delete|isdir(d)");
	CHECK_ERR(mkdir("f2", 0755), EEXIST);
	CHECK_ERR(unlink("gone"), ENOENT);
	CHECK_EVENTS(fd, "");
}

TEST(only_direct_entries_count)
{
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	fd = watching(".", IN_ALL_EVENTS);
	touch("d/f");
	MUST(unlink("d/f"));
	CHECK_EVENTS(fd, "");
}

TEST(link_counts_are_attributes)
{
	int fd = watching_both();

	MUST(link("f", "f2"));
	CHECK_EVENTS(fd, "1:attrib 2:create(f2)");
	MUST(unlink("f2"));
	CHECK_EVENTS(fd, "1:attrib 2:delete(f2)");
}

TEST(the_last_name_ends_a_watch)
{
	int fd = watching_both();

	MUST(unlink("f"));
	CHECK_EVENTS(fd, "1:attrib 1:delete_self 1:ignored 2:delete(f)");
	CHECK_ERR(inotify_rm_watch(fd, 1), EINVAL);
}

TEST(open_files_put_off_the_end)
{
	int fd = watching_both(), f = MUST(open("f", O_RDWR));

	events(fd);
	MUST(unlink("f"));
	CHECK_EVENTS(fd, "1:attrib 2:delete(f)");
	CHECK(write(f, "x", 1) == 1);
	CHECK_EVENTS(fd, "2:modify(f) 1:modify");
	MUST(close(f));
	CHECK_EVENTS(fd, "2:close_write(f) 1:close_write 1:delete_self 1:ignored");
}

TEST(unlinked_files_can_be_left_out)
{
	int fd, f;

	t_cd_tmpdir();
	t_write_file("f", "text");
	f = MUST(open("f", O_RDWR));
	fd = watching(".", ALL | IN_EXCL_UNLINK);
	CHECK(write(f, "x", 1) == 1);
	MUST(unlink("f"));
	CHECK(write(f, "x", 1) == 1);
	MUST(close(f));
	CHECK_EVENTS(fd, "1:modify(f) 1:delete(f)");
}

TEST(removed_directories)
{
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	fd = watching("d", ALL);
	MUST(rmdir("d"));
	CHECK_EVENTS(fd, "1:delete_self 1:ignored");
	MUST(mkdir("d", 0755));
	CHECK_EQ(inotify_add_watch(fd, "d", ALL), 2);
}

TEST(a_new_file_of_that_name_is_another)
{
	int fd;

	t_cd_tmpdir();
	touch("f");
	fd = watching("f", ALL);
	MUST(unlink("f"));
	touch("f");
	CHECK_EVENTS(fd, "1:attrib 1:delete_self 1:ignored");
}

/* ---- renames ---- */

/* Reads the two events of a rename: their cookies agree. */
static unsigned int cookies(int fd)
{
	char buf[200] __attribute__((aligned(8)));
	struct inotify_event *e = (struct inotify_event *)buf, *e2;
	ssize_t n = MUST(read(fd, buf, sizeof(buf)));

	CHECK(e->mask & IN_MOVED_FROM);
	e2 = (struct inotify_event *)(buf + sizeof(*e) + e->len);
	CHECK_EQ(n, 2 * sizeof(*e) + e->len + e2->len);
	CHECK(e2->mask & IN_MOVED_TO);
	CHECK_EQ(e->cookie, e2->cookie);
	CHECK(e->cookie != 0);
	return e->cookie;
}

TEST(renames_have_a_cookie)
{
	unsigned int first;
	int fd;

	t_cd_tmpdir();
	touch("a");
	fd = watching(".", ALL);
	MUST(rename("a", "b"));
	first = cookies(fd);
	MUST(rename("b", "c"));
	CHECK(cookies(fd) != first);
	MUST(rename("c", "d"));
	CHECK_EVENTS(fd, "1:moved_from(c) 1:moved_to(d)");
	CHECK_ERR(rename("gone", "d"), ENOENT);
	MUST(rename("d", "d"));
	CHECK_EVENTS(fd, "");
}

TEST(renames_between_directories)
{
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("a", 0755));
	MUST(mkdir("b", 0755));
	MUST(mkdir("a/d", 0755));
	fd = watching("a", ALL);
	CHECK_EQ(inotify_add_watch(fd, "b", ALL), 2);
	CHECK_EQ(inotify_add_watch(fd, "a/d", ALL), 3);
	MUST(rename("a/d", "b/e"));
	CHECK_EVENTS(fd, "1:moved_from|isdir(d) 2:moved_to|isdir(e) 3:move_self");
	touch("b/e/f");
	MUST(chmod("b/e", 0700));
	CHECK_EVENTS(fd, "3:create(f) 3:open(f) 3:close_write(f) 2:attrib|isdir(e) 3:attrib|isdir");
}

TEST(renames_over_a_file)
{
	int fd;

	t_cd_tmpdir();
	touch("a");
	touch("b");
	fd = watching("a", ALL);
	CHECK_EQ(inotify_add_watch(fd, "b", ALL), 2);
	CHECK_EQ(inotify_add_watch(fd, ".", ALL), 3);
	MUST(rename("a", "b"));
	CHECK_EVENTS(fd,
		     "3:moved_from(a) 3:moved_to(b) 2:attrib 1:move_self 2:delete_self 2:ignored");
	touch("b");
	CHECK_EVENTS(fd, "3:open(b) 1:open 3:close_write(b) 1:close_write");
}

TEST(exchanges)
{
	int fd;

	t_cd_tmpdir();
	touch("a");
	MUST(mkdir("d", 0755));
	fd = watching("a", ALL);
	CHECK_EQ(inotify_add_watch(fd, "d", ALL), 2);
	CHECK_EQ(inotify_add_watch(fd, ".", ALL), 3);
	MUST(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE));
	CHECK_EVENTS(fd, "3:moved_from(a) 3:moved_to(d) 1:move_self "
			 "3:moved_from|isdir(d) 3:moved_to|isdir(a) 2:move_self");
}

TEST(open_files_are_told_by_their_new_name)
{
	int fd, f;

	t_cd_tmpdir();
	t_write_file("a", "");
	f = MUST(open("a", O_WRONLY));
	MUST(rename("a", "b"));
	fd = watching(".", ALL);
	CHECK(write(f, "x", 1) == 1);
	MUST(close(f));
	CHECK_EVENTS(fd, "1:modify(b) 1:close_write(b)");
}

/* ---- mounts ---- */

TEST(unmounting_ends_a_watch)
{
	int fd;

	if (!t_may(CAP_SYS_ADMIN))
		SKIP("needs CAP_SYS_ADMIN");
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	touch("m/f");
	MUST(mkdir("m/d", 0755));
	fd = watching("m/f", IN_OPEN);
	touch("m/f");
	MUST(umount("m"));
	CHECK_EVENTS(fd, "1:open 1:unmount 1:ignored");
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	MUST(mkdir("m/d", 0755));
	CHECK_EQ(inotify_add_watch(fd, "m/d", IN_OPEN), 2);
	MUST(umount("m"));
	CHECK(strstr(events(fd), "2:unmount"));
	CHECK(strstr(text, "2:ignored"));
	CHECK_ERR(inotify_rm_watch(fd, 2), EINVAL);
}

/* ---- waiting ---- */

TEST(reads_block_until_there_is_an_event)
{
	int fd;
	pid_t pid;

	t_cd_tmpdir();
	fd = watching(".", IN_CREATE);
	MUST(fcntl(fd, F_SETFL, 0));
	pid = SPAWN({
		char buf[100];

		CHECK_EQ(read(fd, buf, sizeof(buf)), 32);
	});
	t_wait_state(pid, 'S');
	touch("f");
	CHECK_EXITED(t_wait(pid), 0);
}

static void on_alarm(int sig __attribute__((unused)))
{
}

TEST(signals_interrupt_reads)
{
	char buf[100];
	int fd;

	t_cd_tmpdir();
	fd = MUST(inotify_init1(0));
	t_handle(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 20000}, {0, 20000}}, NULL);
	CHECK_ERR(read(fd, buf, sizeof(buf)), EINTR);
}

TEST(poll_and_epoll_see_events)
{
	struct pollfd p = {.events = POLLIN | POLLOUT};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int ep = MUST(epoll_create1(0));
	pid_t pid;

	t_cd_tmpdir();
	p.fd = watching(".", IN_CREATE | IN_DELETE);
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p.fd, &ev));
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	pid = SPAWN({
		CHECK_EQ(poll(&p, 1, -1), 1);
		CHECK_EQ(p.revents, POLLIN);
	});
	t_wait_state(pid, 'S');
	touch("f");
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	MUST(unlink("f"));
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EVENTS(p.fd, "1:create(f) 1:delete(f)");
	CHECK_EQ(poll(&p, 1, 0), 0);
}

TEST(descriptors_are_like_others)
{
	int fd = MUST(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), plain = MUST(inotify_init());
	char link[100] = "", path[64];

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(plain, F_GETFD), 0);
	CHECK_EQ(fcntl(plain, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(readlink(path, link, sizeof(link) - 1));
	CHECK_STR(link, "anon_inode:inotify");
}

TEST(fdinfo_has_a_line_for_each_watch)
{
	char path[64], want[200];
	struct stat a, b;
	const char *info;
	int fd;

	t_cd_tmpdir();
	touch("a");
	touch("b");
	MUST(stat("a", &a));
	MUST(stat("b", &b));
	fd = watching("a", IN_OPEN);
	CHECK_EQ(inotify_add_watch(fd, "b", ALL), 2);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = t_read_file(path);
	snprintf(want, sizeof(want), "inotify wd:2 ino:%lx sdev:", (long)b.st_ino);
	info = strstr(info, want);
	CHECK(info);
	CHECK(strstr(info, " mask:fff ignored_mask:0 "));
	snprintf(want, sizeof(want), "\ninotify wd:1 ino:%lx sdev:", (long)a.st_ino);
	info = strstr(info, want);
	CHECK(info);
	CHECK(strstr(info, " mask:20 ignored_mask:0 "));
}

/* ---- limits ---- */

static long limit(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "/proc/sys/fs/inotify/%s", name);
	return atol(t_read_file(path));
}

TEST(queues_overflow_once)
{
	long max = limit("max_queued_events");
	struct inotify_event e;
	int fd, f, queued;

	if (max > 100000)
		SKIP("the queue is too long to be filled");
	t_cd_tmpdir();
	t_write_file("f", "");
	f = MUST(open("f", O_RDWR));
	fd = watching("f", IN_MODIFY | IN_ATTRIB);
	for (long i = 0; i < max / 2 + 10; i++) {
		MUST(ftruncate(f, 0));
		MUST(fchmod(f, 0600));
	}
	MUST(ioctl(fd, FIONREAD, &queued));
	CHECK_EQ(queued, (max + 1) * (long)sizeof(e));
	for (long i = 0; i < max; i++)
		CHECK(read(fd, &e, sizeof(e)) == sizeof(e) && e.wd == 1);
	/* Not in the queue, but after it. */
	MUST(ftruncate(f, 0));
	CHECK(read(fd, &e, sizeof(e)) == sizeof(e));
	CHECK_EQ(e.wd, -1);
	CHECK_EQ(e.mask, IN_Q_OVERFLOW);
	CHECK_EQ(e.cookie, 0);
	CHECK_EQ(e.len, 0);
	CHECK_EVENTS(fd, "1:modify");
}

TEST(a_user_has_so_many_instances)
{
	long max = limit("max_user_instances"), n = 0;
	uid_t user = 30000 + (uid_t)getpid() % 30000;
	int fd;

	if (max > 1000)
		SKIP("there may be very many");
	if (!t_is_root())
		SKIP("needs root: this user's other programs would have none");
	/* A user of whom there is nobody else, though this test may run twice at once. */
	MUST(setresuid(user, user, user));
	while ((fd = inotify_init1(0)) >= 0)
		n++;
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(n, max);
	MUST(close(3 + (int)n - 1));
	MUST(inotify_init1(0));
}

TEST(a_user_has_so_many_watches)
{
	char name[20];
	int fd;

	if (!t_is_root())
		SKIP("needs root");
	if (limit("max_user_watches") < 8192)
		SKIP("somebody has changed the limit");
	t_cd_tmpdir();
	fd = MUST(inotify_init1(IN_NONBLOCK));
	/* Many of them are found, whatever their number. */
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		touch(name);
		CHECK_EQ(inotify_add_watch(fd, name, ALL), i + 1);
	}
	for (int i = 0; i < 500; i += 2)
		MUST(inotify_rm_watch(fd, i + 1));
	for (int i = 0; i < 500; i += 2)
		CHECK_ERR(inotify_rm_watch(fd, i + 1), EINVAL);
	events(fd);
	touch("201");
	touch("202");
	CHECK_EVENTS(fd, "202:open 202:close_write");
}

/* ---- all at once ---- */

#define ROUNDS 300

static int storm_fd[2];

static void *add_and_remove(void *arg)
{
	unsigned int seed = (unsigned int)(long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		int fd = storm_fd[rand_r(&seed) & 1];
		int wd = inotify_add_watch(fd, rand_r(&seed) & 1 ? "f" : "d",
					   ALL | (rand_r(&seed) & 1 ? IN_ONESHOT : 0));

		if (wd > 0 && rand_r(&seed) & 1)
			inotify_rm_watch(fd, wd);
	}
	return NULL;
}

static void *change_names(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int f = open("f", O_RDWR | O_CREAT, 0644);

		mkdir("d", 0755);
		rename("f", "d/g");
		link("d/g", "f");
		unlink("d/g");
		rmdir("d");
		if (f >= 0) {
			if (write(f, "x", 1) != 1)
				return "write";
			close(f);
		}
		rename("d", "e");
		rename("e", "d");
	}
	return arg ? NULL : "no argument";
}

static void *open_and_close(void *arg)
{
	char buf[4096];

	for (int i = 0; i < ROUNDS; i++) {
		int fd = inotify_init1(IN_NONBLOCK);

		inotify_add_watch(fd, ".", ALL);
		inotify_add_watch(fd, "f", ALL);
		for (int k = 0; k < 3; k++)
			if (read(storm_fd[i & 1], buf, sizeof(buf)) < 0 && errno != EAGAIN)
				return "read";
		close(fd);
	}
	return arg ? NULL : "no argument";
}

TEST(watches_come_and_go_while_names_do)
{
	void *(*run[])(void *) = {add_and_remove, change_names, open_and_close, add_and_remove,
				  change_names};
	pthread_t thread[5];

	t_cd_tmpdir();
	for (int i = 0; i < 2; i++)
		storm_fd[i] = MUST(inotify_init1(IN_NONBLOCK));
	for (long i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, run[i], (void *)(i + 1)), 0);
	for (int i = 0; i < 5; i++) {
		void *why;

		CHECK_EQ(pthread_join(thread[i], &why), 0);
		CHECK_STR(why ? why : "", "");
	}
}

static void *mount_and_unmount(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (mount("none", "m", "tmpfs", 0, NULL) < 0)
			return "mount";
		close(open("m/f", O_WRONLY | O_CREAT, 0644));
		mkdir("m/d", 0755);
		inotify_add_watch(storm_fd[0], "m/d", ALL);
		if (umount2("m", MNT_DETACH) < 0)
			return "umount";
	}
	__atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *watch_mounted(void *arg)
{
	char buf[4096];

	while (!__atomic_load_n((int *)arg, __ATOMIC_SEQ_CST)) {
		int wd = inotify_add_watch(storm_fd[1], "m/f", ALL | IN_MASK_ADD);

		inotify_add_watch(storm_fd[0], "m", ALL);
		if (wd > 0)
			inotify_rm_watch(storm_fd[1], wd);
		for (int i = 0; i < 2; i++)
			if (read(storm_fd[i], buf, sizeof(buf)) < 0 && errno != EAGAIN)
				return "read";
	}
	return NULL;
}

TEST(watches_come_and_go_while_mounts_do)
{
	pthread_t thread[3];
	int done = 0;

	if (!t_may(CAP_SYS_ADMIN))
		SKIP("needs CAP_SYS_ADMIN");
	t_cd_tmpdir();
	MUST(mkdir("m", 0755));
	for (int i = 0; i < 2; i++)
		storm_fd[i] = MUST(inotify_init1(IN_NONBLOCK));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, i ? watch_mounted : mount_and_unmount,
					&done),
			 0);
	for (int i = 0; i < 3; i++) {
		void *why;

		CHECK_EQ(pthread_join(thread[i], &why), 0);
		CHECK_STR(why ? why : "", "");
	}
}
