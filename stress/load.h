/* What the load's threads share: see load.c. */
#ifndef STRESS_LOAD_H
#define STRESS_LOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESSES 10
#define THREADS_EACH 20
#define MAX_JOBS 32
#define WORKERS (PROCESSES * THREADS_EACH)

/*
 * A working thread, in memory that all processes share. Written by the thread itself, all but the
 * last by atomic stores.
 */
struct worker {
	int id;
	pid_t pid, tid;
	const char *job;  /* what it is doing; NULL: nothing */
	uint64_t since;	  /* when that began, CLOCK_MONOTONIC ns */
	uint64_t rounds;  /* jobs done */
	uint64_t longest; /* what one of them took at most, ns */
	uint64_t random;  /* state of its generator */
};

struct shared {
	int stop;	    /* atomic: end after the present job */
	int failed;	    /* atomic */
	uint64_t processes; /* atomic: started by jobs so far */
	uint64_t threads;   /* atomic: the same */
	struct worker worker[WORKERS];
};

extern struct shared *shared;
extern const char *self_path; /* this program, to be executed by jobs */

struct job {
	const char *name;
	void (*run)(struct worker *w);
};

extern const struct job jobs[];
extern const int nr_jobs;

/*
 * What the program does when a job executes it, with its arguments behind --child. Returns an exit
 * status.
 */
int child_main(int argc, char **argv);

/* From 0 to below - 1, for this worker. */
unsigned int pick(struct worker *w, unsigned int below);

/* Reports a failure, with errno, on stderr; also from forked children. Returns ok. */
bool check(bool ok, const char *what, const char *file, int line);

#define CHECK(cond) check(cond, #cond, __FILE__, __LINE__)

#endif
