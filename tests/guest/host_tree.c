/*
 * Files that were there before: reading directories, walking, and opening for writing without
 * writing.
 */
#include "t.h"

#include <sys/sysmacros.h>

static unsigned char type_of(mode_t mode)
{
	return (unsigned char)((mode & S_IFMT) >> 12);
}

/* False: it has gone since, on the host. */
static bool look_up(DIR *dir, const char *name, struct stat *st)
{
	struct dirent *e;
	bool listed = false;
	DIR *again;

	if (fstatat(dirfd(dir), name, st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	CHECK_EQ(errno, ENOENT);
	again = fdopendir(MUST(openat(dirfd(dir), ".", O_RDONLY | O_DIRECTORY)));
	CHECK(again);
	while ((e = readdir(again)))
		listed |= !strcmp(e->d_name, name);
	closedir(again);
	CHECK(!listed);
	return false;
}

/* Every entry can be looked up and is what the directory says it is. */
static void check_directory(const char *path, int least)
{
	struct dirent *e;
	struct stat st;
	DIR *dir = opendir(path);
	int n = 0;

	t_context = path;
	CHECK(dir);
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".."))
			continue;
		if (!look_up(dir, e->d_name, &st))
			continue;
		if (e->d_type != DT_UNKNOWN)
			CHECK_EQ(e->d_type, type_of(st.st_mode));
		n++;
	}
	closedir(dir);
	CHECK(n >= least);
	t_context = NULL;
}

TEST(entries_of_system_directories_are_what_they_say)
{
	check_directory("/", 10);
	check_directory("/etc", 20);
	check_directory("/usr", 5);
	check_directory("/usr/bin", 100);
	check_directory("/usr/lib", 5);
	check_directory("/dev", 10);
}

TEST(inode_numbers_in_directories_agree_with_stat)
{
	struct dirent *e;
	struct stat st;
	DIR *dir = opendir("/etc");

	CHECK(dir);
	while ((e = readdir(dir))) {
		if (look_up(dir, e->d_name, &st) && S_ISREG(st.st_mode))
			CHECK_EQ(e->d_ino, st.st_ino);
	}
	closedir(dir);
}

TEST(every_directory_entry_is_seen_once)
{
	static char names[8192][256];
	struct dirent *e;
	DIR *dir = opendir("/usr/bin");
	int n = 0;

	CHECK(dir);
	while ((e = readdir(dir)) && n < 8192)
		strcpy(names[n++], e->d_name);
	closedir(dir);
	qsort(names, (size_t)n, 256, (int (*)(const void *, const void *))strcmp);
	for (int i = 1; i < n; i++)
		CHECK(strcmp(names[i], names[i - 1]));
}

TEST(programs_can_be_read_and_executed)
{
	char magic[4];
	int fd = MUST(open("/bin/true", O_RDONLY));

	CHECK_EQ(read(fd, magic, 4), 4);
	CHECK(!memcmp(magic, "\177ELF", 4));
	CHECK_EXITED(IN_CHILD(execl("/bin/true", "true", NULL)), 0);
	CHECK_EXITED(IN_CHILD(execl("/bin/false", "false", NULL)), 1);
	CHECK_EXITED(IN_CHILD(execl("/bin/sh", "sh", "-c", "exit 5", NULL)), 5);
}

TEST(walk_up_and_down_ends_where_it_started)
{
	char cwd[256];

	MUST(chdir("/usr/share/../bin/../lib/./.."));
	CHECK_STR(getcwd(cwd, sizeof(cwd)), "/usr");
	MUST(chdir("bin"));
	CHECK_STR(getcwd(cwd, sizeof(cwd)), "/usr/bin");
}

/* What a program could notice of a file being copied before it is first written. */
struct seen {
	dev_t dev;
	ino_t ino;
	mode_t mode;
	nlink_t nlink;
	off_t size;
	struct timespec mtime;
};

static struct seen look(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return (struct seen){st.st_dev, st.st_ino, st.st_mode, st.st_nlink, st.st_size, st.st_mtim};
}

static void check_same(struct seen a, struct seen b)
{
	CHECK_EQ(a.dev, b.dev);
	CHECK_EQ(a.ino, b.ino);
	CHECK_EQ(a.mode, b.mode);
	CHECK_EQ(a.nlink, b.nlink);
	CHECK_EQ(a.size, b.size);
	CHECK_EQ(a.mtime.tv_sec, b.mtime.tv_sec);
	CHECK_EQ(a.mtime.tv_nsec, b.mtime.tv_nsec);
}

TEST(opening_for_writing_changes_nothing)
{
	static char before[65536], after[65536];
	int ro = MUST(open("/etc/passwd", O_RDONLY)), rw;
	struct seen first = look(ro);
	ssize_t n = pread(ro, before, sizeof(before), 0);

	rw = open("/etc/passwd", O_RDWR | O_APPEND);
	if (rw < 0) {
		CHECK_EQ(errno, EACCES);
		CHECK(!t_is_root());
		return;
	}
	check_same(first, look(rw));
	check_same(first, look(ro));
	check_same(first, look(MUST(open("/etc/passwd", O_RDONLY))));
	CHECK_EQ(pread(rw, after, sizeof(after), 0), n);
	CHECK(!memcmp(before, after, (size_t)n));
	CHECK_EQ(pread(ro, after, sizeof(after), 0), n);
	CHECK(!memcmp(before, after, (size_t)n));
}

TEST(mapping_made_before_stays_valid_when_the_file_is_opened_for_writing)
{
	int ro = MUST(open("/etc/group", O_RDONLY));
	struct seen first = look(ro);
	char *p = MUST(mmap(NULL, (size_t)first.size, PROT_READ, MAP_SHARED, ro, 0)), c;

	c = p[0];
	if (open("/etc/group", O_RDWR) < 0)
		CHECK_EQ(errno, EACCES);
	CHECK_EQ(p[0], c);
	CHECK_EQ(p[first.size - 1], '\n');
}

TEST(ordinary_user_cannot_change_the_system)
{
	const char *protect = "/proc/sys/fs/protected_hardlinks";
	int link_error = access(protect, R_OK) == 0 && t_read_file(protect)[0] == '0' ? EACCES
										      : EPERM;

	t_become_ordinary();
	EXPECT_ERR(open("/etc/passwd", O_WRONLY), EACCES);
	EXPECT_ERR(open("/etc/new-file", O_WRONLY | O_CREAT, 0600), EACCES);
	EXPECT_ERR(unlink("/etc/passwd"), EACCES);
	EXPECT_ERR(rename("/etc/passwd", "/etc/x"), EACCES);
	EXPECT_ERR(mkdir("/usr/new-directory", 0700), EACCES);
	EXPECT_ERR(chmod("/etc/passwd", 0777), EPERM);
	EXPECT_ERR(truncate("/etc/passwd", 0), EACCES);
	EXPECT_ERR(link("/etc/passwd", "/etc/y"), link_error);
	EXPECT_ERR(symlink("x", "/etc/z"), EACCES);
}

TEST(text_of_a_system_file_is_the_same_by_every_call)
{
	static char a[65536], b[65536];
	int fd = MUST(open("/etc/passwd", O_RDONLY));
	ssize_t n = MUST(read(fd, a, sizeof(a))), got = 0;
	char *p;

	CHECK(n > 0 && n < (ssize_t)sizeof(a));
	CHECK_EQ(pread(fd, b, sizeof(b), 0), n);
	CHECK(!memcmp(a, b, (size_t)n));
	p = MUST(mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, fd, 0));
	CHECK(!memcmp(a, p, (size_t)n));
	MUST(lseek(fd, 0, SEEK_SET));
	while (got < n) {
		ssize_t r = read(fd, b, 17);

		CHECK(r > 0 && !memcmp(a + got, b, (size_t)r));
		got += r;
	}
	CHECK(!memcmp(a, "root:", 5));
}
