/*
 * Accesses of volatile data (racy_u32; liburcu's own flags) are marked as races that do no harm: the compiler has them call these instead of
 * what checks other accesses (--param tsan-distinguish-volatile).
 */
#ifdef __SANITIZE_THREAD__

#define MARKED(size)                                                                               \
	void __tsan_volatile_read##size(void *p);                                                  \
	void __tsan_volatile_read##size(void *p)                                                   \
	{                                                                                          \
	}                                                                                          \
	void __tsan_volatile_write##size(void *p);                                                 \
	void __tsan_volatile_write##size(void *p)                                                  \
	{                                                                                          \
	}

MARKED(1)
MARKED(2)
MARKED(4)
MARKED(8)
MARKED(16)

#else

typedef int not_instrumented; /* a file has to have something in it */

#endif
