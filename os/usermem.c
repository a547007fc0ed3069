/* Copies between the kernel and guests' memory, by the host: through the keeper, who outlives the tasks. */
#include "os/hostmm_priv.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

size_t host_mm_readv(struct host_mm *hm, void *to, const struct iovec *from, int cnt)
{
	struct iovec local = {.iov_base = to};
	ssize_t n;

	for (int i = 0; i < cnt; i++)
		local.iov_len += from[i].iov_len;
	n = process_vm_readv(hm->keeper, &local, 1, from, cnt, 0);
	return n < 0 ? 0 : n;
}

size_t host_mm_writev(struct host_mm *hm, const struct iovec *to, int cnt, const void *from)
{
	struct iovec local = {.iov_base = (void *)from};
	ssize_t n;

	for (int i = 0; i < cnt; i++)
		local.iov_len += to[i].iov_len;
	n = process_vm_writev(hm->keeper, &local, 1, to, cnt, 0);
	return n < 0 ? 0 : n;
}

size_t host_mm_read(struct host_mm *hm, void *to, uaddr_t from, size_t n)
{
	struct iovec remote = {.iov_base = (void *)from, .iov_len = n};

	return host_mm_readv(hm, to, &remote, 1);
}

size_t host_mm_write(struct host_mm *hm, uaddr_t to, const void *from, size_t n)
{
	struct iovec remote = {.iov_base = (void *)to, .iov_len = n};

	return host_mm_writev(hm, &remote, 1, from);
}

int host_mm_statm(struct host_mm *hm, u64 pages[7])
{
	char path[64], buf[160];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", hm->keeper);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	buf[n] = 0;
	memset(pages, 0, 7 * sizeof(pages[0]));
	sscanf(buf, "%lu %lu %lu %lu %lu %lu %lu", &pages[0], &pages[1], &pages[2], &pages[3],
	       &pages[4], &pages[5], &pages[6]);
	return 0;
}
