/*
 * What a get_fh()/put_fh() pair takes on an open handle: one thread; several with handles of their
 * own; several with the same one. Links with libheddle.a; runs on the host. Prints "name<TAB>ns".
 */
#include "fh.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 5000000
#define ROUNDS 7
#define THREADS_MAX 16

static struct fh *handle[THREADS_MAX];
static pthread_barrier_t start;
static double took[THREADS_MAX];

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void *pairs(void *arg)
{
	long i = (long)arg;
	struct fh *h = handle[i];
	double t;

	pthread_barrier_wait(&start);
	t = now_ns();
	for (int n = 0; n < PAIRS; n++) {
		if (get_fh(h) < 0)
			exit(1);
		put_fh(h);
	}
	took[i] = (now_ns() - t) / PAIRS;
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

/* The median of some rounds of the slowest thread's time for a pair. */
static void measure(const char *name, int threads)
{
	double round[ROUNDS];
	pthread_t id[THREADS_MAX];

	for (int r = 0; r < ROUNDS; r++) {
		pthread_barrier_init(&start, NULL, threads);
		for (long i = 0; i < threads; i++)
			pthread_create(&id[i], NULL, pairs, (void *)i);
		round[r] = 0;
		for (int i = 0; i < threads; i++) {
			pthread_join(id[i], NULL);
			if (took[i] > round[r])
				round[r] = took[i];
		}
		pthread_barrier_destroy(&start);
	}
	qsort(round, ROUNDS, sizeof(round[0]), by_value);
	printf("%s\t%.1f\n", name, round[ROUNDS / 2]);
}

int main(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int threads = cores < THREADS_MAX ? cores : THREADS_MAX;
	struct fh *root;

	if (fh_init())
		return 1;
	root = fh_open_root("/");
	if ((unsigned long)root > -4096UL)
		return 1;
	/* Apart from each other, as handles usually are. */
	for (int i = 0; i < THREADS_MAX; i++) {
		handle[i] = fh_open_at(root, "etc", O_PATH | O_DIRECTORY, 0);
		if ((unsigned long)handle[i] > -4096UL || !malloc(128))
			return 1;
	}
	measure("get_fh + put_fh, one thread", 1);
	measure("the same in a thread on each core, handles of their own", threads);
	for (int i = 1; i < THREADS_MAX; i++)
		handle[i] = handle[0];
	measure("the same, one handle for all", threads);
	return 0;
}
