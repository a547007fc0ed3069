/*
 * For fio, whose only use of System V shared memory is one segment that its own threads share:
 * gives it an ordinary mapping. Preloaded on all sides, as guests have no System V IPC.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define MAX 16

static struct {
	void *at;
	size_t size;
} segment[MAX];

int shmget(key_t key, size_t size, int flags)
{
	(void)flags;
	for (int id = 0; key == IPC_PRIVATE && id < MAX; id++) {
		if (segment[id].at)
			continue;
		segment[id].at = mmap(NULL, size, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (segment[id].at == MAP_FAILED)
			return -1;
		segment[id].size = size;
		return id;
	}
	errno = ENOSPC;
	return -1;
}

void *shmat(int id, const void *at, int flags)
{
	(void)at;
	(void)flags;
	return segment[id].at;
}

int shmdt(const void *at)
{
	for (int id = 0; id < MAX; id++) {
		if (segment[id].at != at)
			continue;
		munmap(segment[id].at, segment[id].size);
		segment[id].at = NULL;
		return 0;
	}
	errno = EINVAL;
	return -1;
}

int shmctl(int id, int cmd, struct shmid_ds *buf)
{
	(void)id;
	(void)cmd;
	(void)buf;
	return 0;
}
