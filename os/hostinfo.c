/* Files of the host's /proc and /sys. */
#include "alloc.h"
#include "hostio.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

u64 host_file_value(const char *path, u64 (*value)(const char *text))
{
	char *text = host_file_text(path);
	u64 n = text ? value(text) : UINT64_MAX;

	kfree(text);
	return n;
}

u64 host_cgroup_least(const char *root, const char *file, u64 (*value)(const char *text))
{
	char *text = host_file_text("/proc/self/cgroup"), *at, *end, path[4096];
	u64 n = UINT64_MAX;

	at = text ? strstr(text, "0::/") : NULL;
	if (at) {
		at[strcspn(at, "\n")] = '\0';
		at += strlen("0::");
		do {
			snprintf(path, sizeof(path), "%s%s/%s", root, at, file);
			n = min(n, host_file_value(path, value));
			end = strrchr(at, '/');
			*end = '\0';
		} while (end > at);
	}
	kfree(text);
	return n;
}
