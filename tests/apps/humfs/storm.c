/*
 * storm SEED DIR: changes two trees at random, without end, in two processes; for kill.py, which
 * kills the kernel meanwhile and then looks whether each file still has metadata that is its own.
 *
 * So whatever is made has a number U, which its data tells: a file contains it (and nothing else),
 * a symlink is it, a directory has it in a file "id", a device has it as its number. Its owner is 0
 * or U, its group 0 or U + 1, its permissions 0600 or 04000 | U & 0777. The value of each extended
 * attribute of a file is U.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned state;

static unsigned rnd(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 12) % n;
}

static const char *const names[] = {"a", "b", "c", "d", "metadata", "e"};

static const char *random_path(char *buf)
{
	int depth = 1 + rnd(3);

	*buf = '\0';
	while (depth--)
		sprintf(buf + strlen(buf), "%s%s", *buf ? "/" : "", names[rnd(6)]);
	return buf;
}

static unsigned new_number(void)
{
	return 1000 + rnd(1 << 18);
}

static void put_number(int fd, unsigned u)
{
	char text[20];
	int n = sprintf(text, "%u\n", u);

	if (write(fd, text, n) < 0 && errno != ENOSPC)
		exit(3);
}

static void give(const char *path, unsigned u)
{
	fchownat(AT_FDCWD, path, u, -1, AT_SYMLINK_NOFOLLOW);
	fchownat(AT_FDCWD, path, -1, u + 1, AT_SYMLINK_NOFOLLOW);
}

static void make_file(const char *path)
{
	unsigned u = new_number();
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return;
	put_number(fd, u);
	fchown(fd, u, -1);
	fchown(fd, -1, u + 1);
	fchmod(fd, 04000 | (u & 0777));
	close(fd);
}

static void make_nameless(const char *path)
{
	unsigned u = new_number();
	char link[40];
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		return;
	put_number(fd, u);
	fchown(fd, u, -1);
	sprintf(link, "/proc/self/fd/%d", fd);
	linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	close(fd);
}

static void make_dir(const char *path)
{
	unsigned u = new_number();
	char id[80];
	int fd;

	if (mkdir(path, 0600))
		return;
	sprintf(id, "%s/id", path);
	fd = open(id, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return;
	put_number(fd, u);
	close(fd);
	give(path, u);
}

static void make_other(const char *path)
{
	unsigned u = new_number();
	char text[20];

	if (rnd(2)) {
		sprintf(text, "%u", u);
		symlink(text, path);
	} else {
		mknod(path, S_IFCHR | 0600, makedev(u >> 8, u & 0xff));
	}
	/* Only if it was we who made it: else the number is another's. */
	if (errno == 0)
		give(path, u);
}

/* A directory, its number in the way. */
static void remove_dir(const char *path)
{
	char id[80];

	sprintf(id, "%s/id", path);
	unlink(id);
	if (rmdir(path) && errno == ENOTEMPTY) {
		/* Not empty: its number is lost, and so its owner must be nobody's. */
		chown(path, 0, 0);
	}
}

static void change_mode(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid)
		chmod(path, rnd(2) ? 0600 : 04000 | (st.st_uid & 0777));
}

/* Some are set, some removed: of the file that is open, whatever its name is by now. */
static void change_attributes(const char *path)
{
	static const char *const attributes[] = {"user.number", "trusted.number", "security.number",
						 "user.humfs.trusted.number"};
	int fd = open(path, O_RDONLY);
	const char *a = attributes[rnd(4)];
	char text[20];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	if (n > 0 && text[n - 1] == '\n' && rnd(3))
		fsetxattr(fd, a, text, n, 0);
	else if (n >= 0)
		fremovexattr(fd, a);
	close(fd);
}

static void rename_it(const char *from, const char *to)
{
	static const unsigned flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags[rnd(4)]);
}

static void step(void)
{
	char p[80], q[80];

	random_path(p);
	random_path(q);
	errno = 0;
	switch (rnd(14)) {
	case 0:
	case 1:
		make_file(p);
		break;
	case 2:
		make_nameless(p);
		break;
	case 3:
	case 4:
		make_dir(p);
		break;
	case 5:
		make_other(p);
		break;
	case 6:
		link(p, q);
		break;
	case 7:
		unlink(p);
		break;
	case 8:
		remove_dir(p);
		break;
	case 9:
		change_mode(p);
		break;
	case 10:
	case 11:
		change_attributes(p);
		break;
	default:
		rename_it(p, q);
		break;
	}
}

int main(int argc, char **argv)
{
	if (argc != 3 || chdir(argv[2]))
		return 2;
	state = atoi(argv[1]);
	umask(0);
	/* Each in a directory of its own: a path must not become another file between two calls. */
	mkdir("one", 0700);
	mkdir("two", 0700);
	if (fork() == 0) {
		state += 77;
		if (chdir("two"))
			return 2;
	} else if (chdir("one") || write(1, "ready\n", 6) < 0) {
		return 2;
	}
	for (;;)
		step();
}
