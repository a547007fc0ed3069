/*
 * reader PREFIX: how often a CPU stood still for 80 ms, while another process read 20 files, twice
 * each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int read_all(const char *prefix)
{
	char name[200], c;

	for (int i = 0; i < 20; i++) {
		int fd;

		snprintf(name, sizeof(name), "%s%d", prefix, i);
		fd = open(name, O_RDONLY);
		if (fd < 0 || read(fd, &c, 1) != 1 || pread(fd, &c, 1, 1) != 1)
			return 1;
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	double last = now(), t;
	int n = 0, status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(argc < 2 || read_all(argv[1]));
	while (waitpid(pid, &status, WNOHANG) == 0) {
		t = now();
		n += t - last > 0.08;
		last = t;
	}
	if (status)
		return 1;
	printf("%d\n", n);
	return 0;
}
