/*
 * maker SECONDS: the first process of a guest, as a user of its own, who makes directories, fifos,
 * sockets and symlinks in /mnt and removes them, over and over. A process of the host puts other
 * things in their place meanwhile. Ends with 0 if it has got anywhere.
 */
#include "tests/hostile/hostile.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

static int make(const char *path, int kind)
{
	switch (kind) {
	case 0:
		return mkdir(path, 0777);
	case 1:
		return mkfifo(path, 0666);
	case 2:
		return mknod(path, S_IFSOCK | 0666, 0);
	default:
		return symlink("somewhere", path);
	}
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	long made = 0;

	if (setgid(NOBODY) || setuid(NOBODY) || chdir("/mnt"))
		return 2;
	while (time(NULL) < end) {
		for (int i = 0; i < 32; i++) {
			int kind = i % 4;

			made += !make(kind ? "x" : "d", kind);
			(void)!(kind ? unlink("x") : rmdir("d"));
		}
	}
	if (made < 100)
		printf("FAIL idle: %ld made\n", made);
	return made < 100;
}
