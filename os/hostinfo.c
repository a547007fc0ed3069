/* Files of the host's /proc and /sys. */
#include "alloc.h"
#include "hostio.h"
#include <fcntl.h>
#include <unistd.h>

#define TEXT_MAX (64u << 20) /* smaps of as many mappings as there may be */

/* Reads until the end, in a buffer that grows. NULL: it doesn't fit. */
static char *read_all(int fd)
{
	size_t cap = 4096, len = 0;
	char *buf = kmalloc(cap), *more;

	while (buf) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n <= 0)
			break;
		len += n;
		if (len < cap - 1)
			continue;
		more = cap < TEXT_MAX ? krealloc(buf, cap * 2) : NULL;
		if (!more) {
			kfree(buf);
			return NULL;
		}
		buf = more;
		cap *= 2;
	}
	if (buf)
		buf[len] = '\0';
	return buf;
}

char *host_file_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;

	if (fd < 0)
		return NULL;
	text = read_all(fd);
	close(fd);
	return text;
}
