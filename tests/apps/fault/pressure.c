/*
 * As many threads, processes and mappings at once as there may be: what fails is theirs to make,
 * what was made works, and when they are gone there is room again.
 */
#include "load.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 300
#define CHILDREN 100
#define AREAS 160
#define STACK (8UL << 20)
#define AREA (64UL << 20)
#define PAGE 4096UL

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int arrived, go; /* mutex */

static void *wait_for_go(void *arg)
{
	pthread_mutex_lock(&mutex);
	arrived++;
	while (!go)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	return arg;
}

/* Its stack is ours: glibc aborts when it can't unmap one. NULL: no more. */
static void *thread_with_stack(pthread_t *t)
{
	void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	int err;

	if (!ok(stack != MAP_FAILED, "mmap of a stack"))
		return NULL;
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK);
	err = pthread_create(t, &attr, wait_for_go, NULL);
	errno = err;
	if (ok(err == 0, "pthread_create"))
		return stack;
	PERSIST(munmap(stack, STACK) == 0, "munmap");
	return NULL;
}

static int threads(void)
{
	static void *stack[THREADS];
	static pthread_t t[THREADS];
	int n = 0;

	arrived = go = 0;
	while (n < THREADS && (stack[n] = thread_with_stack(&t[n])))
		n++;
	pthread_mutex_lock(&mutex);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < n; i++) {
		if (pthread_join(t[i], NULL))
			wrong("pthread_join");
		PERSIST(munmap(stack[i], STACK) == 0, "munmap");
	}
	if (arrived != n)
		wrong("%d of %d threads ran", arrived, n);
	return n;
}

static int children(void)
{
	int fd[2], n = 0, status;
	pid_t pid[CHILDREN];
	char c;

	if (!ok(pipe(fd) == 0, "pipe"))
		return 0;
	for (; n < CHILDREN; n++) {
		pid[n] = fork();
		if (pid[n] == 0) {
			close(fd[1]);
			while (read(fd[0], &c, 1) < 0)
				;
			_exit(n);
		}
		if (!ok(pid[n] > 0, "fork"))
			break;
	}
	PERSIST(close(fd[1]) == 0, "close");
	for (int i = 0; i < n; i++) {
		if (waitpid(pid[i], &status, 0) != pid[i])
			wrong("waitpid: errno %d", errno);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != i)
			wrong("child %d: status %#x", i, status);
	}
	PERSIST(close(fd[0]) == 0, "close");
	return n;
}

static int areas(void)
{
	unsigned char *p[AREAS];
	int n = 0;

	for (; n < AREAS; n++) {
		p[n] = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!ok(p[n] != MAP_FAILED, "mmap"))
			break;
		p[n][0] = p[n][AREA - PAGE] = n;
	}
	for (int i = 0; i < n; i++) {
		if (p[i][0] != i || p[i][AREA - PAGE] != i || p[i][PAGE])
			wrong("area %d of %d has other bytes", i, n);
		PERSIST(munmap(p[i], AREA) == 0, "munmap");
	}
	return n;
}

void pressure(int rounds)
{
	static const struct {
		const char *what;
		int (*make)(void);
	} kinds[] = {{"threads", threads}, {"children", children}, {"areas", areas}};
	int first[3];

	for (int round = 0; round < rounds; round++) {
		for (int k = 0; k < 3; k++) {
			int n = kinds[k].make();

			if (round == 0)
				first[k] = n;
			else if (n < first[k] / 2 - 5)
				wrong("round %d: %d %s only, %d before", round, n, kinds[k].what,
				      first[k]);
			say("%d %s\n", n, kinds[k].what);
		}
	}
}
