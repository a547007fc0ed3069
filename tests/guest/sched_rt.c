/*
 * Real-time threads that don't sleep, and others on their CPU.
 * test: serial=yes quick=no
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>

static volatile int stop;
static volatile int hog_runs;	/* 1: as a real-time thread; -1: it may not */
static volatile bool hog_ended; /* by itself */

/* Computes with hardly a system call. */
static void *hog(void *arg)
{
	struct sched_param p = {.sched_priority = 1};
	long long end = t_now_ms() + 10000;

	if (sched_setscheduler(0, SCHED_FIFO, &p) < 0) {
		CHECK_EQ(errno, EPERM);
		hog_runs = -1;
		return arg;
	}
	hog_runs = 1;
	while (!stop && !hog_ended) {
		for (volatile int i = 0; i < 10000000 && !stop; i++)
			;
		hog_ended = t_now_ms() >= end;
	}
	return arg;
}

/* Its creator is such a thread: it comes back while the other one still computes. */
TEST(a_real_time_thread_leaves_others_on_its_cpu_a_share)
{
	char runtime[32] = "";
	pthread_t thread;
	FILE *f = fopen("/proc/sys/kernel/sched_rt_runtime_us", "r");

	if (!f || !fgets(runtime, sizeof(runtime), f) || atoi(runtime) != 950000)
		SKIP("the system leaves them another share, or none");
	fclose(f);
	t_use_one_cpu();
	CHECK_EQ(pthread_create(&thread, NULL, hog, NULL), 0);
	while (!hog_runs)
		sched_yield();
	stop = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	if (hog_runs < 0)
		SKIP("only root may");
	CHECK(!hog_ended);
}
