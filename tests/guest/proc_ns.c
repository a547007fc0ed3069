/* /proc/PID/ns: what the links say and lead to; setns into where one is. */
#include "t.h"

#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

static const struct {
	const char *link, *kind;
} links[] = {
	{"cgroup", "cgroup"}, {"ipc", "ipc"},
	{"mnt", "mnt"},	      {"net", "net"},
	{"pid", "pid"},	      {"pid_for_children", "pid"},
	{"time", "time"},     {"user", "user"},
	{"uts", "uts"},	      {"time_for_children", "time"},
};
#define NLINKS (sizeof(links) / sizeof(links[0]))

static const char *ns_path(pid_t pid, const char *link)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, link);
	return path;
}

static const char *link_text(const char *path)
{
	static char text[64];
	ssize_t n = MUST(readlink(path, text, sizeof(text) - 1));

	text[n] = 0;
	return text;
}

static int open_ns(const char *link)
{
	return MUST(open(ns_path(getpid(), link), O_RDONLY));
}

TEST(links_tell_kind_and_number)
{
	for (size_t i = 0; i < NLINKS; i++) {
		const char *path = ns_path(getpid(), links[i].link);
		unsigned long ino;
		char kind[32];
		struct stat st;

		t_context = links[i].link;
		CHECK_EQ(sscanf(link_text(path), "%31[^:]:[%lu]", kind, &ino), 2);
		CHECK_STR(kind, links[i].kind);
		MUST(lstat(path, &st));
		CHECK_EQ(st.st_mode, S_IFLNK | 0777);
		MUST(stat(path, &st));
		CHECK_EQ(st.st_mode, S_IFREG | 0444);
		CHECK_EQ(st.st_ino, ino);
	}
}

TEST(the_directory_lists_them)
{
	DIR *dir = opendir("/proc/self/ns");
	bool seen[NLINKS] = {false};
	struct dirent *e;
	struct stat st;

	CHECK(dir);
	MUST(fstat(dirfd(dir), &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0511);
	while ((e = readdir(dir)))
		for (size_t i = 0; i < NLINKS; i++)
			seen[i] |= !strcmp(e->d_name, links[i].link) && e->d_type == DT_LNK;
	for (size_t i = 0; i < NLINKS; i++)
		CHECK(seen[i]);
	closedir(dir);
}

TEST(a_child_is_in_the_same)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));

	for (size_t i = 0; i < NLINKS; i++) {
		struct stat a, b;

		MUST(stat(ns_path(getpid(), links[i].link), &a));
		MUST(stat(ns_path(pid, links[i].link), &b));
		CHECK(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
	}
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(an_open_one_keeps_its_name)
{
	int fd = open_ns("uts");
	char path[64], want[64];

	snprintf(want, sizeof(want), "%s", link_text(ns_path(getpid(), "uts")));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_STR(link_text(path), want);
}

TEST(an_open_one_tells_its_kind)
{
	struct statfs sf;
	struct stat ns, other;
	int fd = open_ns("uts");

	MUST(fstatfs(fd, &sf));
	CHECK_EQ(sf.f_type, NSFS_MAGIC);
	CHECK_EQ(MUST(ioctl(fd, NS_GET_NSTYPE)), CLONE_NEWUTS);
	CHECK_EQ(MUST(ioctl(open_ns("pid"), NS_GET_NSTYPE)), CLONE_NEWPID);
	MUST(fstat(fd, &ns));
	MUST(fstat(open_ns("ipc"), &other));
	CHECK_EQ(ns.st_dev, other.st_dev);
	MUST(fstat(eventfd(0, 0), &other));
	CHECK(ns.st_dev != other.st_dev);
}

TEST(there_is_nothing_to_read_or_change)
{
	int fd = open_ns("uts");
	char c;

	CHECK_ERR(read(fd, &c, 1), EINVAL);
	CHECK_ERR(write(fd, &c, 1), EBADF);
	CHECK_ERR(lseek(fd, 0, SEEK_SET), ESPIPE);
	CHECK_ERR(fchmod(fd, 0600), EPERM);
	CHECK_ERR(open(ns_path(getpid(), "uts"), O_RDWR), EPERM);
}

TEST(those_of_others_are_closed)
{
	pid_t root = getpid();
	char buf[64];

	if (!t_is_root())
		SKIP("needs root to have a process of another user");
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(readlink(ns_path(root, "uts"), buf, 64), EACCES);
			     CHECK_ERR(open(ns_path(root, "uts"), O_RDONLY), EACCES);
			     CHECK_ERR(open(ns_path(root, ""), O_RDONLY), EACCES);
		     }),
		     0);
}

TEST(setns_wants_a_namespace_of_that_kind)
{
	int uts = open_ns("uts"), file = MUST(open("/dev/null", O_RDONLY));

	CHECK_ERR(setns(-1, 0), EBADF);
	CHECK_ERR(setns(file, 0), EINVAL);
	CHECK_ERR(setns(file, CLONE_NEWUTS), EINVAL);
	CHECK_ERR(setns(uts, CLONE_NEWIPC), EINVAL);
	CHECK_ERR(setns(uts, CLONE_NEWUTS | CLONE_NEWIPC), EINVAL);
	CHECK_ERR(setns(open_ns("user"), CLONE_NEWUSER), EINVAL); /* one's own */
}

TEST(setns_is_for_root)
{
	int uts = open_ns("uts"), ipc = open_ns("ipc"), net = open_ns("net");

	if (t_may(CAP_SYS_ADMIN)) {
		MUST(setns(uts, CLONE_NEWUTS));
		MUST(setns(ipc, 0));
		MUST(setns(net, CLONE_NEWNET));
	}
	t_become_ordinary();
	CHECK_ERR(setns(uts, CLONE_NEWUTS), EPERM);
	CHECK_ERR(setns(ipc, 0), EPERM);
	CHECK_ERR(setns(net, CLONE_NEWNET), EPERM);
}
