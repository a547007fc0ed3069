/* All threads of the first process leave at the same moment, each with the same status. */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 4
#define STATUS 7

static pthread_barrier_t barrier;

static void *leave(void *arg)
{
	pthread_barrier_wait(&barrier);
	syscall(SYS_exit, STATUS);
	return arg;
}

int main(void)
{
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 1; i < THREADS; i++) {
		if (pthread_create(&t, NULL, leave, NULL))
			return 1;
	}
	leave(NULL);
}
