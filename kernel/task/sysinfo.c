/* About the system: uname and its names, sysinfo, getrandom. */
#include "alloc.h"
#include "cred.h"
#include "dev.h"
#include "ktime.h"
#include "proc.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include "uts.h"
#include <linux/capability.h>
#include <string.h>
#include <sys/random.h>
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
	return (unsigned short)min(load_relaxed(&nr_tasks), (u32)UINT16_MAX);
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
