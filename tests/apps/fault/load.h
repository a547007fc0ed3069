/*
 * Work under a host that fails: calls may fail, with an error that was announced, but what
 * succeeded holds. Shared by the workloads.
 */
#ifndef FAULT_LOAD_H
#define FAULT_LOAD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

extern unsigned long done, failed; /* calls */

/* Ends the process: something is not as it must be. */
__attribute__((noreturn, format(printf, 1, 2))) void wrong(const char *fmt, ...);
/* For standard output. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);
/*
 * Counts a call. True if it succeeded; if not, its errno has to be one of those that were
 * announced.
 */
bool ok(bool success, const char *call);
/* Repeats a call that has to succeed some time, such as one that cleans up. */
#define PERSIST(success, call)                                                                     \
	do {                                                                                       \
		int tries = 0;                                                                     \
		while (!ok(success, call))                                                         \
			if (++tries == 1000)                                                       \
				wrong("%s fails for ever: errno %d", call, errno);                 \
	} while (0)
/* Pseudo-random, the same each time. */
unsigned next_random(void);
/* n bytes that depend on seed and their place. */
void pattern(unsigned char *to, size_t n, unsigned seed, size_t at);

void files(const char *dir, int rounds);
void files_make(const char *dir);  /* what is there before */
void files_check(const char *dir); /* against the list on stdin that files() printed */
void processes(const char *self, int rounds);
void process_child(int n);
void memory(const char *dir, int rounds);
void stdio(size_t size);
void pressure(int rounds);

#endif
