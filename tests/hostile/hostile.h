/* What hostile programs share. */
#ifndef HOSTILE_HOSTILE_H
#define HOSTILE_HOSTILE_H

#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534 /* a user that owns nothing */

/* How long something may take that can go on for any time. */
static inline int hostile_seconds(void)
{
	const char *s = getenv("HOSTILE_SECONDS");

	return s ? atoi(s) : 10;
}

/* How many times slower than an ordinary kernel this one may be. */
static inline int hostile_slow(void)
{
	const char *s = getenv("SLOW");

	return s ? atoi(s) : 1;
}

static inline uint64_t hostile_seed(void)
{
	const char *s = getenv("HOSTILE_SEED");

	return s ? strtoull(s, NULL, 10) : 1;
}

/* splitmix64: any seed will do. */
static inline uint64_t hostile_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* A starting signal for any number of waiters, in shared memory that is 0 at first. */
static inline void hostile_wait(uint32_t *word)
{
	while (!__atomic_load_n(word, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static inline void hostile_release(uint32_t *word)
{
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

#endif
