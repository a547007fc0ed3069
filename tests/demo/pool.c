#include "demo.h"
#include <pthread.h>

#define MAX_THREADS 64

struct pool {
	pthread_mutex_t lock;
	int next, n; /* lock */
	void (*work)(void *arg, int i);
	void *arg;
};

static void *pool_thread(void *arg)
{
	struct pool *pool = arg;

	for (;;) {
		int i;

		pthread_mutex_lock(&pool->lock);
		i = pool->next++;
		pthread_mutex_unlock(&pool->lock);
		if (i >= pool->n)
			return NULL;
		pool->work(pool->arg, i);
	}
}

void pool_run(int nthreads, int n, void (*work)(void *arg, int i), void *arg)
{
	struct pool pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .n = n, .work = work, .arg = arg};
	pthread_t threads[MAX_THREADS];
	int started = 0;

	while (started < nthreads && started < MAX_THREADS &&
	       pthread_create(&threads[started], NULL, pool_thread, &pool) == 0)
		started++;
	pool_thread(&pool); /* helps, and does it all if no thread could be had */
	while (started)
		pthread_join(threads[--started], NULL);
}
