/*
 * busy: the first process of a guest in which a lot begins and ends all the time: processes,
 * threads, programs, mappings. Says "ready" before it begins, "busy" a little later, and ends with
 * 0 when its input ends.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 6

static void *thread(void *arg)
{
	char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED) {
		memset(p, 1, 1 << 16);
		munmap(p, 1 << 16);
	}
	return arg;
}

static void threads(void)
{
	pthread_t t[4];
	int n = 0;

	while (n < 4 && pthread_create(&t[n], NULL, thread, NULL) == 0)
		n++;
	while (n)
		pthread_join(t[--n], NULL);
}

__attribute__((noreturn)) static void work(const char *self)
{
	signal(SIGPIPE, SIG_DFL);
	for (volatile int i = 0;; i++) {
		pid_t pid = i % 3 == 2 ? vfork() : fork();

		if (pid == 0) {
			if (i % 3)
				execl(self, self, "--nothing", (char *)NULL);
			_exit(0);
		}
		if (i % 4 == 0)
			threads();
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

/* Workers that ended, whoever killed them, are replaced. */
static void tend(const char *self, pid_t *worker)
{
	for (int i = 0; i < WORKERS; i++) {
		if (worker[i] > 0 && waitpid(worker[i], NULL, WNOHANG) == 0)
			continue;
		worker[i] = fork();
		if (worker[i] == 0)
			work(self);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	pid_t worker[WORKERS] = {0};

	if (argc > 1)
		return 0;
	dprintf(1, "ready\n");
	if (read(0, &(char){0}, 1) != 1)
		return 0;
	for (int i = 0; i < 2; i++)
		tend(argv[0], worker);
	dprintf(1, "busy\n");
	while (poll(&in, 1, 2) == 0)
		tend(argv[0], worker);
	for (int i = 0; i < WORKERS; i++)
		if (worker[i] > 0)
			kill(worker[i], SIGKILL);
	return 0;
}
