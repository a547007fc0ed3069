/* A small program with threads, processes and pipes, to be compiled and run inside the guest. */
#ifndef DEMO_H
#define DEMO_H

#include <stddef.h>
#include <stdint.h>

#define NR_TABLES 32
#define TABLE_SPAN 1000 /* numbers a table covers, in ten parts */

extern const int *const tables[NR_TABLES]; /* tables.c: what awk counted */

/* pool.c: calls work(arg, i) for each i below n, on nthreads threads. */
void pool_run(int nthreads, int n, void (*work)(void *arg, int i), void *arg);

/* fractal.c: fills a picture, one row a job. */
struct picture {
	int width, height;
	char *text; /* height rows of width characters */
};
void fractal_draw(struct picture *p, int nthreads);

/*
 * primes.c: primes below limit, counted by nworkers child processes that answer through pipes; -1
 * on failure.
 */
int primes_count(int limit, int nworkers);

/* sha256.c */
void sha256(const void *data, size_t n, uint8_t digest[32]);

/* cpus.c: the number of CPUs that /proc/cpuinfo and the scheduler report, and where threads ran. */
int cpus_in_proc(void);
int cpus_allowed(void);
void cpus_note(void); /* the calling thread is on some CPU now */
uint64_t cpus_noted(void);

/* system.c: one line about the kernel that this runs on. */
void system_describe(char *buf, size_t size);

#endif
