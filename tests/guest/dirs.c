/* Reading directories: getdents64, positions, large directories, and changes while reading. */
#include "t.h"

struct entry64 {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int count(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void make_files(int n)
{
	char name[32];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		t_write_file(name, "");
	}
}

TEST(empty_directory_has_dot_and_dot_dot)
{
	struct dirent *e;
	bool dot = false, dot_dot = false;
	DIR *dir;

	t_cd_tmpdir();
	dir = opendir(".");
	CHECK(dir);
	while ((e = readdir(dir))) {
		CHECK_EQ(e->d_type, DT_DIR);
		dot |= !strcmp(e->d_name, ".");
		dot_dot |= !strcmp(e->d_name, "..");
	}
	CHECK(dot && dot_dot);
}

TEST(entries_have_type_and_inode_number)
{
	static const struct {
		const char *name;
		unsigned char type;
	} want[] = {{"file", DT_REG}, {"dir", DT_DIR}, {"link", DT_LNK}, {"fifo", DT_FIFO}};
	struct dirent *e;
	struct stat st;
	int seen = 0;
	DIR *dir;

	t_cd_tmpdir();
	t_write_file("file", "");
	MUST(mkdir("dir", 0755));
	MUST(symlink("file", "link"));
	MUST(mkfifo("fifo", 0600));
	dir = opendir(".");
	while ((e = readdir(dir)))
		for (int i = 0; i < 4; i++)
			if (!strcmp(e->d_name, want[i].name)) {
				CHECK_EQ(e->d_type, want[i].type);
				MUST(lstat(e->d_name, &st));
				CHECK_EQ(e->d_ino, st.st_ino);
				seen++;
			}
	CHECK_EQ(seen, 4);
}

TEST(large_directory_shows_every_entry_once)
{
	static char seen[2000];
	struct dirent *e;
	int n = 0;
	DIR *dir;

	t_cd_tmpdir();
	make_files(2000);
	dir = opendir(".");
	while ((e = readdir(dir)))
		if (e->d_name[0] == 'f') {
			int i = atoi(e->d_name + 1);

			CHECK(i >= 0 && i < 2000 && !seen[i]);
			seen[i] = 1;
			n++;
		}
	CHECK_EQ(n, 2000);
}

TEST(small_buffers_give_the_same_entries)
{
	char buf[64] __attribute__((aligned(8)));
	int fd, n = 0;
	long got;

	t_cd_tmpdir();
	make_files(100);
	fd = MUST(open(".", O_RDONLY));
	while ((got = MUST(syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < got; at += ((struct entry64 *)(buf + at))->reclen)
			n++;
	CHECK_EQ(n, 102);
	CHECK_EQ(syscall(SYS_getdents64, fd, buf, sizeof(buf)), 0);
}

TEST(records_are_well_formed)
{
	char buf[4096] __attribute__((aligned(8)));
	int fd;
	long got;

	t_cd_tmpdir();
	make_files(50);
	fd = MUST(open(".", O_RDONLY));
	while ((got = MUST(syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < got;) {
			struct entry64 *e = (struct entry64 *)(buf + at);

			CHECK_EQ(e->reclen % 8, 0);
			CHECK(e->reclen >= 24 && at + e->reclen <= got);
			CHECK(strlen(e->name) + 20 <= e->reclen);
			CHECK(e->ino != 0);
			at += e->reclen;
		}
}

TEST(seek_to_a_remembered_position)
{
	char third[256] = "";
	struct dirent *e;
	long pos = 0;
	DIR *dir;

	t_cd_tmpdir();
	make_files(30);
	dir = opendir(".");
	for (int i = 0; i < 10; i++) {
		pos = telldir(dir);
		e = readdir(dir);
		strcpy(third, e->d_name);
	}
	while (readdir(dir))
		;
	seekdir(dir, pos);
	CHECK_STR(readdir(dir)->d_name, third);
	closedir(dir);
}

TEST(failed_read_leaves_the_position)
{
	char buf[1024] __attribute__((aligned(8))), want[256];
	const struct entry64 *e = (void *)buf;
	off_t first, third;
	int fd;

	t_cd_tmpdir();
	make_files(30);
	fd = MUST(open(".", O_RDONLY));
	/* One or more entries at a time: where the second call begins, and the fourth. */
	MUST(syscall(SYS_getdents64, fd, buf, 64));
	first = MUST(lseek(fd, 0, SEEK_CUR));
	CHECK(syscall(SYS_getdents64, fd, buf, 64) > 0);
	strcpy(want, e->name);
	CHECK(syscall(SYS_getdents64, fd, buf, 64) > 0);
	third = MUST(lseek(fd, 0, SEEK_CUR));

	MUST(lseek(fd, first, SEEK_SET));
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, 16), EINVAL);
	MUST(lseek(fd, third, SEEK_SET));
	CHECK(syscall(SYS_getdents64, fd, buf, 64) > 0);
	CHECK(strcmp(e->name, want));
	MUST(lseek(fd, first, SEEK_SET));
	CHECK(syscall(SYS_getdents64, fd, buf, 64) > 0);
	CHECK_STR(e->name, want);
}

TEST(rewind_starts_again_and_sees_new_entries)
{
	DIR *dir;
	int n = 0;

	t_cd_tmpdir();
	dir = opendir(".");
	while (readdir(dir))
		;
	t_write_file("new", "");
	rewinddir(dir);
	while (readdir(dir))
		n++;
	CHECK_EQ(n, 3);
}

TEST(position_is_shared_by_duplicates)
{
	char buf[64] __attribute__((aligned(8)));
	int fd, copy, n = 0;
	long got;

	t_cd_tmpdir();
	make_files(20);
	fd = MUST(open(".", O_RDONLY));
	copy = MUST(dup(fd));
	while ((got = MUST(syscall(SYS_getdents64, n % 2 ? fd : copy, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < got; at += ((struct entry64 *)(buf + at))->reclen)
			n++;
	CHECK_EQ(n, 22);
	CHECK_EQ(lseek(copy, 0, SEEK_SET), 0);
	CHECK(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
}

TEST(removing_entries_while_reading_skips_no_other)
{
	static char seen[500];
	struct dirent *e;
	DIR *dir;

	t_cd_tmpdir();
	make_files(500);
	dir = opendir(".");
	while ((e = readdir(dir)))
		if (e->d_name[0] == 'f') {
			seen[atoi(e->d_name + 1)]++;
			MUST(unlink(e->d_name));
		}
	for (int i = 0; i < 500; i++)
		CHECK_EQ(seen[i], 1);
	closedir(dir);
	CHECK_EQ(count("."), 0);
}

TEST(entries_that_stay_are_seen_while_others_come)
{
	static char seen[200];
	struct dirent *e;
	int made = 0;
	DIR *dir;

	t_cd_tmpdir();
	make_files(200);
	dir = opendir(".");
	while ((e = readdir(dir))) {
		if (e->d_name[0] == 'f')
			seen[atoi(e->d_name + 1)]++;
		if (made < 300) {
			char name[32];

			snprintf(name, sizeof(name), "new%d", made++);
			t_write_file(name, "");
		}
	}
	for (int i = 0; i < 200; i++)
		CHECK_EQ(seen[i], 1);
}

TEST(removed_directory_is_empty)
{
	char buf[256] __attribute__((aligned(8)));
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	fd = MUST(open("d", O_RDONLY));
	MUST(rmdir("d"));
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, sizeof(buf)), ENOENT);
}

TEST(count_follows_creation_and_removal)
{
	char name[32];

	t_cd_tmpdir();
	for (int round = 0; round < 3; round++) {
		make_files(100);
		CHECK_EQ(count("."), 100);
		for (int i = 0; i < 100; i += 2) {
			snprintf(name, sizeof(name), "f%d", i);
			MUST(unlink(name));
		}
		CHECK_EQ(count("."), 50);
	}
}

TEST(directory_is_read_without_search_permission)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "");
	MUST(chmod("d", 0444));
	t_become_ordinary();
	CHECK_EQ(count("d"), 1);
	CHECK_ERR(open("d/f", O_RDONLY), EACCES);
}

TEST(directory_without_read_permission_can_be_searched)
{
	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "");
	MUST(chmod("d", 0111));
	t_become_ordinary();
	CHECK_ERR(open("d", O_RDONLY), EACCES);
	CHECK_EQ(close(MUST(open("d/f", O_RDONLY))), 0);
	CHECK_EQ(close(MUST(open("d", O_PATH))), 0);
}

TEST(root_directory_lists_the_usual_names)
{
	static const char *const want[] = {"bin", "dev", "etc", "proc", "tmp", "usr"};
	int found = 0;
	struct dirent *e;
	DIR *dir = opendir("/");

	while ((e = readdir(dir)))
		for (size_t i = 0; i < 6; i++)
			found += !strcmp(e->d_name, want[i]);
	CHECK_EQ(found, 6);
}

TEST(chdir_and_fchdir)
{
	char cwd[256], want[256];
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("f", "");
	fd = MUST(open("d", O_PATH));
	MUST(fchdir(fd));
	snprintf(want, sizeof(want), "%s/d", t_tmpdir());
	CHECK_STR(getcwd(cwd, sizeof(cwd)), want);
	MUST(chdir(".."));
	CHECK_STR(getcwd(cwd, sizeof(cwd)), t_tmpdir());
	CHECK_ERR(chdir("f"), ENOTDIR);
	CHECK_ERR(chdir("missing"), ENOENT);
	MUST(chmod("d", 0));
	t_become_ordinary();
	CHECK_ERR(chdir("d"), EACCES);
}
