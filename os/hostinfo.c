/* Small files of the host's /proc and /sys. */
#include "alloc.h"
#include "hostio.h"
#include <fcntl.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20)

/* Reads until the end, in a buffer that grows. */
static char *read_all(int fd)
{
	size_t cap = 4096, len = 0;
	char *buf = kmalloc(cap), *more;

	while (buf) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n <= 0)
			break;
		len += n;
		if (len < cap - 1 || cap >= TEXT_MAX)
			continue;
		more = krealloc(buf, cap * 2);
		if (!more)
			break;
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
