/* Random bytes from the host. */
#include "host.h"
#include "cpu.h"
#include "log.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void get_random(void *buf, size_t n)
{
	char *p = buf;

	while (n) {
		/* Up to 256 bytes can't be interrupted; larger ones may come short. */
		ssize_t got = getrandom(p, n, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			panic("the host has no getrandom: %d", errno);
		}
		p += got;
		n -= got;
	}
}

/*
 * An exec needs a few bytes here and there. Owned by its CPU: kernel code isn't preempted. What is
 * given out is erased.
 */
static struct pool {
	u8 bytes[256];
	u32 left; /* of bytes, at its beginning */
} __attribute__((aligned(64))) pools[MAX_CPUS];

void host_random(void *buf, size_t n)
{
	struct cpu *c = this_cpu();
	struct pool *p;

	if (!c || n > 32) {
		get_random(buf, n);
		return;
	}
	p = &pools[c->id];
	if (p->left < n) {
		get_random(p->bytes, sizeof(p->bytes));
		p->left = sizeof(p->bytes);
	}
	p->left -= n;
	memcpy(buf, p->bytes + p->left, n);
	explicit_bzero(p->bytes + p->left, n);
}
