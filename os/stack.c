/*
 * Kernel stacks: host mappings with an inaccessible page below. Some freed ones are kept, since
 * making one costs three host calls and the page faults of its first use.
 */
#include "host.h"
#include "lock.h"
#include "os/fault.h"
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)0)
#endif

#define CACHE_MAX 64

/* The link lies at the top end of the free stack, in a page that was certainly used. */
struct free_stack {
	struct free_stack *next;
	void *stack;
	size_t size;
};

static struct spinlock lock = SPINLOCK_INIT("stack cache", RANK_OS);
static struct free_stack *cache; /* lock */
static int cached;		 /* lock */

static struct free_stack *link_of(void *stack, size_t size)
{
	return (struct free_stack *)((char *)stack + size) - 1;
}

static void *cache_take(size_t size)
{
	struct free_stack *f = NULL;

	spin_lock(&lock);
	if (cache && cache->size == size) {
		f = cache;
		cache = f->next;
		cached--;
	}
	spin_unlock(&lock);
	return f ? f->stack : NULL;
}

static void *stack_map(size_t size)
{
	char *p;

	if (fault_inject(FAULT_mmap))
		return NULL;
	p = mmap(NULL, PAGE_SIZE + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p + PAGE_SIZE, size, PROT_READ | PROT_WRITE)) {
		munmap(p, PAGE_SIZE + size);
		return NULL;
	}
	return p + PAGE_SIZE;
}

void *host_stack_alloc(size_t size)
{
	void *stack = cache_take(size);

	if (!stack)
		stack = stack_map(size);
	/* Frames that nobody returned from have left their marks. */
	if (stack)
		ASAN_UNPOISON_MEMORY_REGION(stack, size);
	return stack;
}

void host_stack_free(void *stack, size_t size)
{
	struct free_stack *f;

	if (!stack)
		return;
	f = link_of(stack, size);
	spin_lock(&lock);
	if (cached < CACHE_MAX) {
		*f = (struct free_stack){cache, stack, size};
		cache = f;
		cached++;
		stack = NULL;
	}
	spin_unlock(&lock);
	if (stack)
		munmap((char *)stack - PAGE_SIZE, PAGE_SIZE + size);
}
