/* Kernel memory: the host libc's allocator, counted. */
#include "alloc.h"
#include "cpu.h"
#include "os/fault.h"
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Bytes in use, by CPU; the last is for other threads. What one CPU allocates another may free, so
 * only the sum means something. Atomic: a CPU's own is only written by itself, the last by any
 * thread.
 */
static struct counter {
	s64 bytes;
} __attribute__((aligned(64))) counters[MAX_CPUS + 1];

static void count(s64 n)
{
	struct cpu *c = this_cpu();
	s64 *p = &counters[c ? c->id : MAX_CPUS].bytes;

	if (c)
		store_relaxed(p, *p + n);
	else
		__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

static void *counted(void *p)
{
	if (p)
		count(malloc_usable_size(p));
	return p;
}

void *kmalloc(size_t size)
{
	return fault_inject(FAULT_kmalloc) ? NULL : counted(malloc(size));
}

void *kzalloc(size_t size)
{
	return fault_inject(FAULT_kmalloc) ? NULL : counted(calloc(1, size));
}

void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes);
}

void *krealloc(void *p, size_t size)
{
	s64 old = p ? malloc_usable_size(p) : 0;
	void *q = fault_inject(FAULT_kmalloc) ? NULL : realloc(p, size ? size : 1);

	if (q)
		count((s64)malloc_usable_size(q) - old);
	return q;
}

void kfree(void *p)
{
	if (p)
		count(-(s64)malloc_usable_size(p));
	free(p);
}

char *kstrdup(const char *s)
{
	return kmemdup(s, strlen(s) + 1);
}

char *kstrndup(const char *s, size_t max)
{
	size_t n = strnlen(s, max);
	char *p = n + 1 ? kmalloc(n + 1) : NULL;

	if (p) {
		memcpy(p, s, n);
		p[n] = 0;
	}
	return p;
}

void *kmemdup(const void *p, size_t size)
{
	void *q = kmalloc(size);

	return q ? memcpy(q, p, size) : NULL;
}

char *kasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	if (fault_inject(FAULT_kmalloc))
		return NULL;
	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : counted(p);
}

void *pages_alloc(size_t npages)
{
	void *p;

	if (!npages || npages > SIZE_MAX / PAGE_SIZE || fault_inject(FAULT_mmap))
		return NULL;
	p = mmap(NULL, npages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	return p == MAP_FAILED ? NULL : p;
}

void pages_free(void *p, size_t npages)
{
	if (p)
		munmap(p, npages * PAGE_SIZE);
}

void kmalloc_trim(void)
{
	malloc_trim(0);
}

size_t kmalloc_bytes(void)
{
	s64 sum = 0;
	int i;

	for (i = 0; i <= MAX_CPUS; i++)
		sum += load_relaxed(&counters[i].bytes);
	return sum > 0 ? sum : 0;
}
