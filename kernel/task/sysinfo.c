/* About the system: uname and its names, sysinfo, getrandom, membarrier. */
#include "alloc.h"
#include "cred.h"
#include "dev.h"
#include "event.h"
#include "host.h"
#include "ktime.h"
#include "mm.h"
#include "proc.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include "uts.h"
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

static struct spinlock uts_lock = SPINLOCK_INIT("uts", RANK_MISC);
/* uts_lock. The release is that of a Linux whose system calls these are; programs compare it. */
static struct utsname uts = {
	.sysname = "Linux",
	.nodename = "heddle",
	.release = "6.1.0-heddle",
	.version = "#1 SMP Heddle " HEDDLE_VERSION,
	.machine = "x86_64",
	.domainname = "(none)",
};

void uts_get(struct utsname *u)
{
	spin_lock(&uts_lock);
	*u = uts;
	spin_unlock(&uts_lock);
}

static void set_name(char *field, const char *name, size_t len)
{
	spin_lock(&uts_lock);
	memset(field, 0, sizeof(uts.nodename));
	memcpy(field, name, len);
	spin_unlock(&uts_lock);
}

void uts_set_hostname(const char *name)
{
	set_name(uts.nodename, name, strnlen(name, sizeof(uts.nodename) - 1));
}

long sys_uname(uaddr_t buf)
{
	struct utsname u;

	uts_get(&u);
	return copy_to_user(buf, &u, sizeof(u));
}

static long set_name_user(char *field, uaddr_t name, int len)
{
	char buf[sizeof(uts.nodename)];

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || (size_t)len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, name, (size_t)len))
		return -EFAULT;
	set_name(field, buf, (size_t)len);
	return 0;
}

long sys_sethostname(uaddr_t name, int len)
{
	return set_name_user(uts.nodename, name, len);
}

long sys_setdomainname(uaddr_t name, int len)
{
	return set_name_user(uts.domainname, name, len);
}

long sys_syslog(int type, uaddr_t buf, int len)
{
	return -EPERM;
}

static unsigned short count_processes(void)
{
	return (unsigned short)min(__atomic_load_n(&nr_tasks, __ATOMIC_RELAXED), (u32)UINT16_MAX);
}

long sys_sysinfo(uaddr_t info)
{
	struct sysinfo si;
	struct mem_info m;
	u64 avg[3];
	int i;

	memset(&si, 0, sizeof(si));
	mem_info_get(&m);
	loadavg_get(avg);
	si.uptime = (long)((ktime_mono() - ktime_boot_mono) / NSEC_PER_SEC);
	for (i = 0; i < 3; i++)
		si.loads[i] = avg[i];
	si.totalram = m.total;
	si.freeram = m.free;
	si.sharedram = m.shared;
	si.bufferram = m.buffers;
	si.totalswap = m.swap_total;
	si.freeswap = m.swap_free;
	si.procs = count_processes();
	si.mem_unit = 1;
	return copy_to_user(info, &si, sizeof(si));
}

#define GRND_INSECURE_ 4u

long sys_getrandom(uaddr_t buf, size_t count, unsigned int flags)
{
	struct iov_iter it;
	ssize_t ret;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE_))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE_)) == (GRND_RANDOM | GRND_INSECURE_))
		return -EINVAL;
	ret = iov_iter_user(&it, buf, min(count, (size_t)INT32_MAX & PAGE_MASK));
	if (ret)
		return ret;
	ret = random_to_iter(&it);
	iov_iter_done(&it);
	return ret;
}

/* ---- membarrier ---- */

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
 * The host does it. For all threads of all guests one of our own threads calls it, which may take a while; else the keeper: to the host, guest threads of one address space are threads of one too, and
 * registrations belong to address spaces. Those outlive our exec, but not what we know of them.
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
	if (needs && !(__atomic_load_n(&mm->membarrier, __ATOMIC_RELAXED) & needs))
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
