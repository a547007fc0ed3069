/* Random bytes from the host. */
#include "host.h"
#include "log.h"
#include <errno.h>
#include <sys/random.h>

void host_random(void *buf, size_t n)
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
