/*
 * rover SECONDS SEED INODE...: the first process of a guest whose /mnt is a directory of the host
 * that others change all the time. Does all that can be done with names there, and looks at what
 * comes back: nothing may come from a file with "canary" in it, or have one of the inode numbers,
 * which are those of what lies beside the directory on the host. Prints what did; ends with 0 if
 * nothing has.
 */
#include "tests/hostile/hostile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#define PROCESSES 3
#define KEPT 8 /* directories that stay open while others move them */

static uint64_t seed;
static int nr_forbidden;
static unsigned long forbidden[16];
static int kept[KEPT];
static long worked, failed;

static void escaped(const char *how, const char *path)
{
	printf("FAIL escaped: %s %s\n", how, path);
	fflush(stdout);
	_exit(3);
}

static unsigned int pick(unsigned int n)
{
	return hostile_random(&seed) % n;
}

/* Relative, mostly; a name that the host's process plays with, or one of our own. */
static void make_path(char *path)
{
	static const char *const names[] = {
		"a",   "b",    "c",    "d", "f",      "g",   "p",  "abs", "rel",
		"dot", "own0", "own1", "x", "canary", "out", "..", "..",
	};
	int depth = 1 + pick(4);

	strcpy(path, pick(3) ? "" : "/mnt/");
	for (int i = 0; i < depth; i++) {
		if (i)
			strcat(path, "/");
		strcat(path, names[pick(sizeof(names) / sizeof(names[0]))]);
	}
}

static void look_at(const struct stat *st, const char *path)
{
	for (int i = 0; i < nr_forbidden; i++)
		if (st->st_ino == forbidden[i])
			escaped("stat", path);
}

static void look_into(int fd, const char *path)
{
	char buf[64] = "";
	struct stat st;
	void *map;

	if (!fstat(fd, &st))
		look_at(&st, path);
	if (pread(fd, buf, sizeof(buf) - 1, 0) > 0 && strstr(buf, "canary"))
		escaped("read", path);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		munmap(map, 4096);
}

static void list(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		for (int i = 0; i < nr_forbidden; i++)
			if (e->d_ino == forbidden[i])
				escaped("list", path);
	}
	if (d)
		closedir(d);
}

static void keep(const char *path)
{
	int i = pick(KEPT),
	    fd = open(path, (pick(2) ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (kept[i] > 0)
		close(kept[i]);
	kept[i] = fd;
}

static void go_somewhere(void)
{
	int fd = kept[pick(KEPT)];

	if (fd <= 0 || fchdir(fd))
		(void)!chdir("/mnt");
}

static void use_file(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0666);

	if (fd < 0)
		return;
	look_into(fd, path);
	if (pick(2))
		(void)!pwrite(fd, "ours", 4, 0);
	close(fd);
}

/* One call or two. 0 or -1. */
static int act(const char *path, const char *other)
{
	static const int flags[] = {
		O_RDONLY,	    O_RDWR, O_WRONLY, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_TRUNC,
		O_WRONLY | O_APPEND};
	struct stat st;
	struct statfs fs;
	char buf[PATH_MAX];
	int fd;

	switch (pick(20)) {
	case 0 ... 2:
		use_file(path, flags[pick(6)]);
		return 0;
	case 3:
		if (!stat(path, &st))
			look_at(&st, path);
		return 0;
	case 4:
		if (!lstat(path, &st))
			look_at(&st, path);
		return 0;
	case 5:
		list(path);
		return 0;
	case 6:
		return mkdir(path, 0777);
	case 7:
		return unlink(path);
	case 8:
		return rmdir(path);
	case 9:
		return rename(path, other);
	case 10:
		return renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE);
	case 11:
		return linkat(AT_FDCWD, path, AT_FDCWD, other, pick(2) ? AT_SYMLINK_FOLLOW : 0);
	case 12:
		return symlink(pick(2) ? "../.." : "/mnt/../..", path);
	case 13:
		return chmod(path, 0700 | pick(0100));
	case 14:
		return utimensat(AT_FDCWD, path, NULL, pick(2) ? AT_SYMLINK_NOFOLLOW : 0);
	case 15:
		return truncate(path, pick(10));
	case 16:
		return setxattr(path, "user.rover", "1", 1, 0);
	case 17:
		fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0)
			return -1;
		snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
		(void)!linkat(AT_FDCWD, buf, AT_FDCWD, other, AT_SYMLINK_FOLLOW);
		return close(fd);
	case 18:
		return statfs(path, &fs);
	default:
		return readlink(path, buf, sizeof(buf)) < 0 ? -1 : 0;
	}
}

static int rove(int seconds)
{
	time_t end = time(NULL) + seconds, give_up = end + 60;
	char path[256], other[256];

	(void)!chdir("/mnt");
	/* A race that never gets anywhere would prove nothing: a slow machine takes longer. */
	while (time(NULL) < end || ((worked < 20 || failed < 20) && time(NULL) < give_up)) {
		make_path(path);
		make_path(other);
		if (pick(10) == 0)
			keep(path);
		if (pick(10) == 0)
			go_somewhere();
		use_file("/mnt/door", O_RDONLY);
		if (act(path, other))
			failed++;
		else
			worked++;
	}
	if (worked < 20 || failed < 20) {
		printf("FAIL idle: %ld calls worked, %ld failed\n", worked, failed);
		fflush(stdout);
		return 4;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status, result = 0, seconds;

	if (argc < 3)
		return 2;
	seconds = atoi(argv[1]);
	seed = strtoull(argv[2], NULL, 10);
	for (int i = 3; i < argc && nr_forbidden < 16; i++)
		forbidden[nr_forbidden++] = strtoul(argv[i], NULL, 10);
	for (int i = 0; i < PROCESSES; i++) {
		seed += i;
		if (fork() == 0)
			_exit(rove(seconds));
	}
	while (wait(&status) > 0)
		if (status)
			result = 1;
	return result;
}
