/*
 * Copies between the kernel and guests' memory, by the host: through the keeper, who outlives the
 * tasks.
 */
#include "os/context.h"
#include "os/fault.h"
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
	if (fault_inject(FAULT_usermem))
		return 0;
	n = process_vm_readv(hm->keeper, &local, 1, from, cnt, 0);
	return n < 0 ? 0 : n;
}

size_t host_mm_writev(struct host_mm *hm, const struct iovec *to, int cnt, const void *from)
{
	struct iovec local = {.iov_base = (void *)from};
	ssize_t n;

	for (int i = 0; i < cnt; i++)
		local.iov_len += to[i].iov_len;
	if (fault_inject(FAULT_usermem))
		return 0;
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

/* ---- through the slot ---- */

static const u8 *slot_in(const struct host_task *ht)
{
	return (const u8 *)slot_alias(ht->global_slot) + SLOT_IN;
}

/* How many bytes from `from` on are there. */
static size_t came_along(const struct host_task *ht, uaddr_t from)
{
	return ht->copies && from >= ht->in_addr && from - ht->in_addr < ht->in_len
		       ? ht->in_len - (from - ht->in_addr)
		       : 0;
}

bool context_copy_in(struct context *c, void *to, uaddr_t from, size_t n)
{
	const struct host_task *ht = c->ht;

	if (!n || came_along(ht, from) < n)
		return false;
	memcpy(to, slot_in(ht) + (from - ht->in_addr), n);
	return true;
}

size_t context_string_in(struct context *c, char *to, uaddr_t from, size_t size)
{
	size_t n = min(came_along(c->ht, from), size);

	if (!n)
		return 0;
	memcpy(to, slot_in(c->ht) + (from - c->ht->in_addr), n);
	n = strnlen(to, n) + 1; /* as copied: the guest may change it there */
	return n <= min(came_along(c->ht, from), size) ? n : 0;
}

bool context_may_copy_out(struct context *c, size_t n)
{
	return c->ht->copies && !c->ht->out_len && n && n <= SLOT_COPY_MAX;
}

void context_copy_out(struct context *c, uaddr_t to, const void *from, size_t n)
{
	struct host_task *ht = c->ht;

	memcpy((u8 *)slot_alias(ht->global_slot) + SLOT_OUT, from, n);
	ht->out_addr = to;
	ht->out_len = n;
}

bool context_copy_pending(struct context *c, uaddr_t addr, size_t n)
{
	const struct host_task *ht = c->ht;

	return ht->out_len && addr < ht->out_addr + ht->out_len && addr + n > ht->out_addr;
}

bool context_copy_flush(struct context *c)
{
	struct host_task *ht = c->ht;
	u32 n = ht->out_len;

	ht->out_len = 0;
	return !n || host_mm_write(c->hm, ht->out_addr,
				   (u8 *)slot_alias(ht->global_slot) + SLOT_OUT, n) == n;
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
