/* What the measures of the host's own round trips share. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 20000
#define RUNS 7

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Stays where it is now, with all that it starts from now on. */
static inline void stay_on_core(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

static inline double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline int compare_runs(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds that round_trip(arg) takes: the median of RUNS runs of so many rounds. */
static inline double median_ns(void (*round_trip)(int arg), int arg, int rounds)
{
	double runs[RUNS];

	for (int i = 0; i < RUNS; i++) {
		double start = now_ns();

		for (int k = 0; k < rounds; k++)
			round_trip(arg);
		runs[i] = (now_ns() - start) / rounds;
	}
	qsort(runs, RUNS, sizeof(runs[0]), compare_runs);
	return runs[RUNS / 2];
}

static inline void print_median(void (*round_trip)(int arg), int arg)
{
	printf("%.0f\n", median_ns(round_trip, arg, ROUNDS));
}

#endif
