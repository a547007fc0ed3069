/*
 * Standard input goes to standard output, in pieces of any size: nothing is lost or doubled by a
 * call that failed.
 */
#include "load.h"
#include <termios.h>
#include <unistd.h>

#define PIECE 3000

static void pass_on(const unsigned char *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t put = write(1, buf + at, n - at);

		if (ok(put > 0, "write"))
			at += put;
	}
}

void stdio(size_t size)
{
	unsigned char buf[PIECE];
	struct termios raw;
	ssize_t n;

	/* A terminal's other side waits until it may send. */
	if (tcgetattr(0, &raw) == 0) {
		cfmakeraw(&raw);
		if (tcsetattr(0, TCSANOW, &raw))
			wrong("tcsetattr: errno %d", errno);
		pass_on((const unsigned char *)"R", 1);
	}
	while (size) {
		size_t want = 1 + next_random() % PIECE;

		n = read(0, buf, want < size ? want : size);
		if (!ok(n >= 0, "read"))
			continue;
		if (!n)
			wrong("the end %zu bytes too early", size);
		pass_on(buf, n);
		size -= n;
	}
}
