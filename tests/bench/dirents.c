/*
 * dirents DIR N [PHASE...]: a directory of N entries, in what follows one line a phase: name,
 *microseconds an entry (or a call), and how many.
 *
 *	make    creates DIR/0 ... (empty files)		look    random names that are there, and as
 *many that are not
 *	list    reads all entries			seek    telldir and seekdir, all over the
 *directory, forwards and back
 *	small   reads them 20 at a time			churn   creates and removes names in the
 *full directory remove  as rm -r does: reads and unlinks
 *
 * What is read is checked: each name once, and behind each cookie what was there before. Wrong:
 *status 1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MARKS 200
#define LOOKS 20000

static long n;
static unsigned char *seen;
static uint64_t seed = 1;

static void die(const char *what)
{
	fprintf(stderr, "dirents: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static long pick(long max)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (long)((seed >> 33) % (uint64_t)max);
}

static long number(const char *name)
{
	char *end;
	long i = strtol(name, &end, 10);

	return *end || i < 0 || i >= n ? -1 : i;
}

static void see(const char *name)
{
	long i = number(name);

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	errno = 0;
	if (i < 0 || seen[i]++)
		die(name);
}

static void check_all_seen(void)
{
	errno = 0;
	for (long i = 0; i < n; i++)
		if (!seen[i])
			die("an entry is missing");
	memset(seen, 0, n);
}

static long phase_make(void)
{
	char name[24];
	int fd;

	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%ld", i);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0)
			die(name);
		close(fd);
	}
	return n;
}

/* With a buffer of our own: size bytes a call. */
static long list(size_t size)
{
	static char buf[1 << 15];
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	if (fd < 0)
		die(".");
	while ((got = syscall(SYS_getdents64, fd, buf, size)) > 0)
		for (long i = 0; i < got; i += ((struct dirent64 *)(buf + i))->d_reclen)
			see(((struct dirent64 *)(buf + i))->d_name);
	if (got < 0)
		die("getdents64");
	close(fd);
	check_all_seen();
	return n;
}

static long phase_list(void)
{
	return list(1 << 15);
}

static long phase_small(void)
{
	return list(20 * 32);
}

static void expect(DIR *d, const char *name)
{
	struct dirent *e = readdir(d);

	errno = 0;
	if (!e || strcmp(e->d_name, name))
		die("another name behind a cookie");
}

static long phase_seek(void)
{
	struct {
		long at;
		char name[24];
	} mark[MARKS];
	DIR *d = opendir(".");
	struct dirent *e;
	int marks = 0;
	long at;

	if (!d)
		die(".");
	for (long i = 0;; i++) {
		at = telldir(d);
		e = readdir(d);
		if (!e)
			break;
		if (i % (n / MARKS + 1) == 0 && marks < MARKS) {
			mark[marks].at = at;
			snprintf(mark[marks++].name, sizeof(mark[0].name), "%.23s", e->d_name);
		}
	}
	for (int i = 0; i < 2 * marks; i++) {
		int m = i < marks ? marks - 1 - i : (int)pick(marks);

		seekdir(d, mark[m].at);
		expect(d, mark[m].name);
	}
	closedir(d);
	return 2L * marks;
}

static long phase_look(void)
{
	char name[24];
	struct stat st;

	for (long i = 0; i < LOOKS; i++) {
		snprintf(name, sizeof(name), "%ld", pick(n));
		if (stat(name, &st))
			die(name);
		snprintf(name, sizeof(name), "no%ld", pick(n));
		if (!stat(name, &st) || errno != ENOENT)
			die(name);
	}
	return 2L * LOOKS;
}

static long phase_churn(void)
{
	char name[24];
	int fd;

	for (long i = 0; i < LOOKS / 2; i++) {
		snprintf(name, sizeof(name), "new%ld", i);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0)
			die(name);
		close(fd);
		if (unlink(name))
			die(name);
	}
	return LOOKS;
}

static long phase_remove(void)
{
	DIR *d = opendir(".");
	struct dirent *e;

	if (!d)
		die(".");
	while ((e = readdir(d))) {
		if (number(e->d_name) >= 0 && unlink(e->d_name))
			die(e->d_name);
		see(e->d_name);
	}
	closedir(d);
	check_all_seen();
	return n;
}

static const struct {
	const char *name;
	long (*run)(void);
} phases[] = {
	{"make", phase_make},	  {"list", phase_list}, {"small", phase_small},
	{"seek", phase_seek},	  {"look", phase_look}, {"churn", phase_churn},
	{"remove", phase_remove},
};

static bool wanted(const char *name, char **names)
{
	for (char **p = names; *p; p++)
		if (!strcmp(*p, name))
			return true;
	return !*names;
}

int main(int argc, char **argv)
{
	if (argc < 3 || (n = atol(argv[2])) <= 0) {
		fprintf(stderr, "usage: dirents DIR N [PHASE...]\n");
		return 2;
	}
	seen = calloc(n, 1);
	if (!seen || chdir(argv[1]))
		die(argv[1]);
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		double start = now_us();
		long calls;

		if (!wanted(phases[i].name, argv + 3))
			continue;
		calls = phases[i].run();
		printf("%s %.3f %ld\n", phases[i].name, (now_us() - start) / calls, calls);
		fflush(stdout);
	}
	return 0;
}
