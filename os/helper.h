/* Host threads of os/ that are no CPUs. */
#ifndef HEDDLE_OS_HELPER_H
#define HEDDLE_OS_HELPER_H

#include "types.h"
#include <pthread.h>

/* Constant, since threads read it at any time. */
struct helper_thread {
	const char *name; /* at most 15 characters */
	void *(*fn)(void *unused);
	size_t stack_size; /* 0: the host's default */
};

/*
 * Starts one, with all signals blocked but those of its own crashes. *thread: to be joined; NULL:
 * detached. -errno.
 */
must_check int helper_thread_start(const struct helper_thread *h, pthread_t *thread);

#endif
