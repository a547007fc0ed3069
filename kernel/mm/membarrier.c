/* membarrier. */
#include "event.h"
#include "host.h"
#include "mm.h"
#include "syscall_protos.h"
#include "task.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>

/* Those that finish at once: a CPU waits for them. */
#define MEMBARRIER_EXPEDITED                                                                       \
	(MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |              \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |            \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |                                              \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

/* The registration that a command needs; 0: none. */
static int membarrier_needs(int cmd)
{
	switch (cmd) {
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		return MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	default:
		return 0;
	}
}

/*
 * The host does it. For all threads of all guests one of our own threads calls it, which may take a
 * while; else the keeper: to the host, guest threads of one address space are threads of one too,
 * and registrations belong to address spaces. Those outlive our exec, but not what we know of them.
 */
long sys_membarrier(int cmd, unsigned int flags, int cpu)
{
	struct mm *mm = current->mm;
	struct batch b;
	int err, needs = membarrier_needs(cmd);
	u64 result = 0;

	if (flags ||
	    (cmd && (!(cmd & (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_EXPEDITED)) || (cmd & (cmd - 1)))))
		return -EINVAL;
	if (cmd == MEMBARRIER_CMD_GLOBAL)
		return io_worker_call(host_barrier_global, NULL);
	if (needs && !(load_relaxed(&mm->membarrier) & needs))
		return -EPERM;
	batch_init(&b);
	batch_add(&b, SYS_membarrier, (u64)cmd, 0, 0, 0, 0, 0);
	mutex_lock(&mm->stub_lock);
	err = host_mm_run(mm->host, &b, NULL, &result);
	mutex_unlock(&mm->stub_lock);
	if (err)
		return err == -ENOSYS ? -EINVAL : err;
	__atomic_or_fetch(&mm->membarrier, (u32)cmd, __ATOMIC_RELAXED);
	return cmd ? 0 : (long)(result & (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_EXPEDITED));
}
