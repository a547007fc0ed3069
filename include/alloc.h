/* Kernel memory. Counted for --stats; implemented in os/alloc.c. None of these sleeps. */
#ifndef HEDDLE_ALLOC_H
#define HEDDLE_ALLOC_H

#include "types.h"

/* NULL when memory is exhausted: callers return -ENOMEM. */
must_check void *kmalloc(size_t size);
must_check void *kzalloc(size_t size);
must_check void *kcalloc(size_t n, size_t size); /* zeroed; NULL on overflow too */
must_check void *krealloc(void *p, size_t size);
must_check char *kstrdup(const char *s);
must_check char *kstrndup(const char *s, size_t max);
must_check void *kmemdup(const void *p, size_t size);
must_check char *kasprintf(const char *fmt, ...) printf_like(1, 2);
void kfree(void *p); /* NULL is allowed */

/* Zeroed, page-aligned memory straight from the host. NULL on failure. */
must_check void *pages_alloc(size_t npages);
void pages_free(void *p, size_t npages);

/*
 * Gives memory that is free back to the host; may take milliseconds, in which others wait who
 * allocate.
 */
void kmalloc_trim(void);

/* Bytes now held by kmalloc and friends (approximate while CPUs run). */
size_t kmalloc_bytes(void);

#endif
