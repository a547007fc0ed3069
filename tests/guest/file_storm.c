/*
 * Processes that make, move, link, write, map and remove the same few names: whatever happened, the
 * tree that is left is sound, every file has the contents that its size says, and everything can be
 * removed.
 */
#include "t.h"

#include <ftw.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#define WORKERS 5
#define STEPS 1200

static unsigned int seed;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static const char *name(char *buf)
{
	int depth = 1 + (int)rnd(3);

	*buf = '\0';
	for (int i = 0; i < depth; i++)
		sprintf(buf + strlen(buf), "%s%c", i ? "/" : "", "abcdef"[rnd(6)]);
	return buf;
}

/* Every byte ever written is an 's'; holes are zero. */
static void write_some(const char *path)
{
	static const int flags[] = {O_CREAT, O_CREAT | O_TRUNC, O_CREAT | O_APPEND, 0};
	char buf[6000];
	int fd = open(path, O_RDWR | flags[rnd(4)], 0644);

	if (fd < 0)
		return;
	memset(buf, 's', sizeof(buf));
	for (unsigned int i = rnd(6); i; i--)
		EXPECT(pwrite(fd, buf, 1 + rnd(sizeof(buf) - 1), rnd(20000)) > 0);
	close(fd);
}

static void map_some(const char *path)
{
	struct stat st;
	char *map;
	int fd = open(path, O_RDWR);

	if (fd < 0)
		return;
	/* Others may cut the file meanwhile: the mapping is made, but read through the file. */
	if (!fstat(fd, &st) && st.st_size > 4096) {
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		EXPECT(map != MAP_FAILED);
		munmap(map, 4096);
	}
	close(fd);
}

static void punch_some(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		return;
	fallocate(fd, rnd(2) ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0, rnd(30000),
		  1 + rnd(30000));
	close(fd);
}

static void nameless(const char *path)
{
	char link[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		return; /* not every file system has it */
	EXPECT_EQ(write(fd, "sss", 3), 3);
	sprintf(link, "/proc/self/fd/%d", fd);
	linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	close(fd);
}

static void read_dir(const char *path)
{
	struct dirent *e;
	struct stat st;
	DIR *dir = opendir(path);

	if (!dir)
		return;
	while ((e = readdir(dir)))
		fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW);
	closedir(dir);
}

static void work(int id)
{
	char p[32], q[32];

	seed = 77u * (unsigned int)id + 1;
	for (int i = 0; i < STEPS; i++) {
		name(p);
		name(q);
		switch (rnd(18)) {
		case 0:
		case 1:
			mkdir(p, 0755);
			break;
		case 2:
			rmdir(p);
			break;
		case 3:
		case 4:
			unlink(p);
			break;
		case 5:
			EXPECT(symlink("a", p) == 0 || errno != EINVAL);
			break;
		case 6:
			EXPECT(link(p, q) == 0 || errno != EINVAL);
			break;
		case 7:
		case 8:
			rename(p, q);
			break;
		case 9:
			syscall(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, q, RENAME_EXCHANGE);
			break;
		case 10:
			EXPECT(truncate(p, (off_t)rnd(rnd(2) ? 40000 : 2000000)) == 0 ||
			       errno != EIO);
			break;
		case 11:
			chmod(p, 0700 + rnd(64));
			break;
		case 12:
			read_dir(p);
			break;
		case 13:
			map_some(p);
			break;
		case 14:
			punch_some(p);
			break;
		case 15:
			nameless(p);
			break;
		default:
			write_some(p);
			break;
		}
	}
}

static void check_contents(const char *path, off_t size)
{
	static char buf[65536];
	off_t got = 0;
	ssize_t n;
	int fd = MUST(open(path, O_RDONLY));

	while ((n = MUST(read(fd, buf, sizeof(buf)))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == 's' || !buf[i]);
		got += n;
	}
	CHECK_EQ(got, size);
	close(fd);
}

static int check_node(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	CHECK(type == FTW_F || type == FTW_D || type == FTW_SL);
	CHECK(st->st_nlink > 0);
	if (type == FTW_F)
		check_contents(path, st->st_size);
	return 0;
}

static int remove_node(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	if (ftw->level)
		MUST(remove(path));
	return 0;
}

static void storm(const char *dir)
{
	pid_t pid[WORKERS];
	int entries = 0;
	DIR *d;

	MUST(chdir(dir));
	for (int i = 0; i < WORKERS; i++)
		pid[i] = SPAWN(work(i));
	for (int i = 0; i < WORKERS; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	MUST(nftw(".", check_node, 20, FTW_PHYS));
	MUST(nftw(".", remove_node, 20, FTW_PHYS | FTW_DEPTH));
	d = opendir(".");
	CHECK(d);
	while (readdir(d))
		entries++;
	CHECK_EQ(entries, 2);
	closedir(d);
}

TEST(names_and_files_in_a_storm)
{
	storm(t_tmpdir());
}

TEST(names_and_files_in_a_storm_on_shm)
{
	char dir[] = "/dev/shm/storm-XXXXXX";

	CHECK(mkdtemp(dir));
	storm(dir);
	MUST(rmdir(dir));
}
