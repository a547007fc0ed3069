/* Mappings: those that are there keep what is in them, whatever fails beside them. */
#include "load.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define AREAS 24
#define PAGE 4096UL

static struct area {
	unsigned char *p; /* NULL: none */
	size_t pages;
	unsigned seed;
	bool shared, writable;
} areas[AREAS];

static void check(const struct area *a, const char *when)
{
	unsigned char want[PAGE];

	for (size_t i = 0; i < a->pages; i++) {
		pattern(want, PAGE, a->seed, i * PAGE);
		if (memcmp(a->p + i * PAGE, want, PAGE))
			wrong("%s: page %zu of %zu of area %d", when, i, a->pages,
			      (int)(a - areas));
	}
}

static void fill(struct area *a)
{
	a->seed = next_random();
	pattern(a->p, a->pages * PAGE, a->seed, 0);
}

static void map(struct area *a, const char *dir)
{
	bool file = next_random() % 3 == 0;
	char name[4096];
	int fd = -1;

	a->pages = 1 + next_random() % 40;
	a->shared = file || next_random() % 2;
	a->writable = true;
	if (file) {
		snprintf(name, sizeof(name), "%s/m%d", dir, (int)(a - areas));
		fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
		if (!ok(fd >= 0, "open"))
			return;
		if (!ok(ftruncate(fd, a->pages * PAGE) == 0, "ftruncate")) {
			ok(close(fd) == 0, "close");
			return;
		}
	}
	a->p = mmap(NULL, a->pages * PAGE, PROT_READ | PROT_WRITE,
		    (a->shared ? MAP_SHARED : MAP_PRIVATE) | (file ? 0 : MAP_ANONYMOUS), fd, 0);
	if (ok(a->p != MAP_FAILED, "mmap"))
		fill(a);
	else
		a->p = NULL;
	if (fd >= 0)
		ok(close(fd) == 0, "close");
}

static void unmap(struct area *a)
{
	if (ok(munmap(a->p, a->pages * PAGE) == 0, "munmap"))
		a->p = NULL;
	else
		check(a, "munmap that failed");
}

static void protect(struct area *a)
{
	if (ok(mprotect(a->p, a->pages * PAGE, a->writable ? PROT_READ : PROT_READ | PROT_WRITE) ==
		       0,
	       "mprotect"))
		a->writable = !a->writable;
	check(a, "mprotect");
	if (a->writable)
		fill(a);
}

/* Shorter; longer, too, where there is something behind it then. */
static void move(struct area *a)
{
	size_t pages = 1 + next_random() % (a->shared ? a->pages : 2 * a->pages), old = a->pages;
	unsigned char *p = mremap(a->p, a->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);

	if (ok(p != MAP_FAILED, "mremap")) {
		a->p = p;
		a->pages = pages < old ? pages : old;
		check(a, "mremap");
		a->pages = pages;
		for (size_t i = old * PAGE; i < pages * PAGE; i++)
			if (p[i])
				wrong("mremap: new byte %zu is not 0", i);
		if (pages > old && a->writable)
			fill(a);
		else if (pages > old)
			PERSIST(munmap(p + old * PAGE, (pages - old) * PAGE) == 0 &&
					(a->pages = old),
				"munmap");
	} else {
		check(a, "mremap that failed");
	}
}

static void drop(struct area *a)
{
	if (a->shared || !a->writable)
		return;
	if (ok(madvise(a->p, a->pages * PAGE, MADV_DONTNEED) == 0, "madvise")) {
		for (size_t i = 0; i < a->pages * PAGE; i++)
			if (a->p[i])
				wrong("madvise: byte %zu is not 0", i);
		fill(a);
	} else {
		check(a, "madvise that failed");
	}
}

/* Kept in memory, or asked whether it is: nothing changes. */
static void pin(struct area *a)
{
	unsigned char in[128];
	size_t n = a->pages < sizeof(in) ? a->pages : sizeof(in);
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim) == 0 && lim.rlim_cur > a->pages * PAGE) {
		/* Marked as locked, though the host didn't? Then it can't be dropped later. */
		ok(mlock(a->p, a->pages * PAGE) == 0, "mlock");
		PERSIST(munlock(a->p, a->pages * PAGE) == 0, "munlock");
	}
	ok(mincore(a->p, n * PAGE, in) == 0, "mincore");
	check(a, "mlock and mincore");
}

/* What is sealed can't be changed; what couldn't be sealed can. */
static void seal(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING), seals;

	if (!ok(fd >= 0, "memfd_create"))
		return;
	if (ok(write(fd, "12345", 5) == 5, "write")) {
		bool sealed = ok(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0, "F_ADD_SEALS");

		seals = fcntl(fd, F_GET_SEALS);
		if (ok(seals >= 0, "F_GET_SEALS") && !(seals & F_SEAL_WRITE) == sealed)
			wrong("seals %#x", seals);
		if (!sealed)
			ok(write(fd, "6", 1) == 1, "write");
		else if (write(fd, "6", 1) >= 0 || errno != EPERM)
			wrong("a sealed file was written: errno %d", errno);
	}
	ok(close(fd) == 0, "close");
}

/* The stack grows, fault by fault. */
static unsigned deep(unsigned n)
{
	volatile unsigned char frame[50000];

	frame[0] = n;
	return n ? deep(n - 1) + frame[0] : 0;
}

/* The child sees all areas, and what it writes is seen in the shared ones only. */
static void fork_it(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (struct area *a = areas; a < areas + AREAS; a++) {
			if (!a->p)
				continue;
			check(a, "in a child");
			if (a->writable && !a->shared)
				memset(a->p, 0xee, a->pages * PAGE);
		}
		_exit(deep(20) != 210);
	}
	if (!ok(pid > 0, "fork"))
		return;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			wrong("waitpid: errno %d", errno);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) {
		errno = ENOMEM;
		ok(false, "a stack that grows");
	} else if (status) {
		wrong("the child's status: %#x", status);
	}
}

static void heap(void)
{
	size_t n = 1 + next_random() % 400000;
	unsigned char *p = malloc(n), *q;

	if (!ok(p != NULL, "malloc"))
		return;
	pattern(p, n, 5, 0);
	q = realloc(p, 2 * n);
	if (ok(q != NULL, "realloc"))
		p = q;
	for (size_t i = 0; i < n; i++) {
		unsigned char want;

		pattern(&want, 1, 5, i);
		if (p[i] != want)
			wrong("heap: byte %zu of %zu", i, n);
	}
	free(p);
}

void memory(const char *dir, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		struct area *a = &areas[next_random() % AREAS];

		if (!a->p)
			map(a, dir);
		else
			switch (next_random() % 6) {
			case 0:
				unmap(a);
				break;
			case 1:
				protect(a);
				break;
			case 2:
				move(a);
				break;
			case 3:
				drop(a);
				break;
			case 4:
				check(a, "later");
				break;
			case 5:
				pin(a);
				break;
			}
		if (i % 10 == 0)
			fork_it();
		if (i % 4 == 0)
			heap();
		if (i % 8 == 0)
			seal();
	}
	/* They go, so that there is room for a last word. */
	for (struct area *a = areas; a < areas + AREAS; a++) {
		if (!a->p)
			continue;
		check(a, "at the end");
		PERSIST(munmap(a->p, a->pages * PAGE) == 0, "munmap");
	}
}
