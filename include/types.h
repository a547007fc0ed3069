/* Scalar types and small helpers that every folder uses. */
#ifndef HEDDLE_TYPES_H
#define HEDDLE_TYPES_H

#include "atomic.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/*
 * Written under a lock, and read without it where an old value does no harm. ThreadSanitizer is
 * told by smp/tsan.c.
 */
typedef volatile uint32_t racy_u32;
typedef volatile uint64_t racy_u64;
typedef volatile int racy_int;
typedef volatile bool racy_bool;

/* An address in a guest's address space. Never dereferenced: see uaccess.h. */
typedef uint64_t uaddr_t;

/* Nanoseconds; what they count from is the clock's business (ktime.h). */
typedef uint64_t ktime_t;
#define KTIME_MAX UINT64_MAX

#define must_check __attribute__((warn_unused_result))
#define noreturn_ __attribute__((noreturn))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min_named(a, b, x, y)                                                                      \
	({                                                                                         \
		__typeof__(a) x = (a);                                                             \
		__typeof__(b) y = (b);                                                             \
		x < y ? x : y;                                                                     \
	})
#define max_named(a, b, x, y)                                                                      \
	({                                                                                         \
		__typeof__(a) x = (a);                                                             \
		__typeof__(b) y = (b);                                                             \
		x > y ? x : y;                                                                     \
	})
#define paste_(a, b) a##b
#define paste(a, b) paste_(a, b)
/* Each evaluates its arguments once; the names are unique so that calls may nest. */
#define min(a, b) min_named(a, b, paste(min_a, __COUNTER__), paste(min_b, __COUNTER__))
#define max(a, b) max_named(a, b, paste(max_a, __COUNTER__), paste(max_b, __COUNTER__))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define ROUND_UP(x, a) (((x) + (a)-1) / (a) * (a))
#define PAGE_ALIGN(x) (((x) + PAGE_SIZE - 1) & PAGE_MASK)

/* Errors carried in pointers, as Linux does. */
#define MAX_ERRNO 4095
static inline void *ERR_PTR(long err)
{
	return (void *)err;
}
static inline long PTR_ERR(const void *p)
{
	return (long)p;
}
static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-MAX_ERRNO;
}
static inline bool IS_ERR_OR_NULL(const void *p)
{
	return !p || IS_ERR(p);
}

/*
 * Results of interrupted calls; never seen by the guest (kernel/signal/deliver.c turns them into
 * EINTR or a restart).
 */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ENOIOCTLCMD 515
#define ERESTART_RESTARTBLOCK 516

#endif
