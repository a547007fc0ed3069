/*
 * Accesses of volatile data (racy_u32; liburcu's own flags) are marked as races with each other
 * that do no harm: the compiler has them call these instead of what checks other accesses (--param
 * tsan-distinguish-volatile). To ThreadSanitizer they are relaxed atomic ones, so that it reports
 * those that race with plain accesses, or with free(). A write adds nothing here; the store itself
 * follows.
 */
#ifdef __SANITIZE_THREAD__

#include "types.h"

#define MARKED(bytes, type)                                                                        \
	void __tsan_volatile_read##bytes(void *p);                                                 \
	void __tsan_volatile_read##bytes(void *p)                                                  \
	{                                                                                          \
		(void)load_relaxed((type *)p);                                                     \
	}                                                                                          \
	void __tsan_volatile_write##bytes(void *p);                                                \
	void __tsan_volatile_write##bytes(void *p)                                                 \
	{                                                                                          \
		(void)__atomic_fetch_add((type *)p, 0, __ATOMIC_RELAXED);                          \
	}

MARKED(1, u8)
MARKED(2, u16)
MARKED(4, u32)
MARKED(8, u64)

#else

typedef int not_instrumented; /* a file has to have something in it */

#endif
