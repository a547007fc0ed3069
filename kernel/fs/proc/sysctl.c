/* /proc/sys: what programs read of it. What can't be changed here refuses to be written. */
#include "alloc.h"
#include "commit.h"
#include "cred.h"
#include "host.h"
#include "kernel/fs/notify/notify.h"
#include "kernel/fs/proc/proc_priv.h"
#include "kernel/fs/vfs.h"
#include "pipe.h"
#include "sched.h"
#include "task.h"
#include "uts.h"
#include <linux/capability.h>
#include <string.h>

typedef unsigned long long ull;

/* A file with a constant text. */
#define CONSTANT(fn, text)                                                                         \
	static int fn(struct seq *s, const struct proc_ctx *c)                                     \
	{                                                                                          \
		seq_puts(s, text "\n");                                                            \
		return 0;                                                                          \
	}

/* ---- kernel/ ---- */

static int show_uts(struct seq *s, size_t offset)
{
	struct utsname u;

	uts_get(&u);
	seq_printf(s, "%s\n", (const char *)&u + offset);
	return 0;
}

#define UTS(field)                                                                                 \
	static int show_##field(struct seq *s, const struct proc_ctx *c)                           \
	{                                                                                          \
		return show_uts(s, offsetof(struct utsname, field));                               \
	}
UTS(sysname)
UTS(release)
UTS(version)
UTS(nodename)
UTS(domainname)

static int store_hostname(const struct proc_ctx *c, char *text, size_t n)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	text[strcspn(text, "\n")] = '\0';
	uts_set_hostname(text);
	return 0;
}

CONSTANT(show_pid_max, "4194304")

static int show_threads_max(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%u\n", tasks_max());
	return 0;
}

CONSTANT(show_ngroups_max, "65536")
CONSTANT(show_cap_last_cap, "40")
CONSTANT(show_overflow_id, "65534")
CONSTANT(show_core_pattern, "core")
CONSTANT(show_zero, "0")
CONSTANT(show_one, "1")
CONSTANT(show_two, "2")
CONSTANT(show_shmmax, "18446744073692774399")
CONSTANT(show_msgmax, "8192")
CONSTANT(show_sem, "32000\t1024000000\t500\t32000")
CONSTANT(show_shmmni, "4096")
CONSTANT(show_printk, "4\t4\t1\t7")
CONSTANT(show_sched_rr, "100")

static int show_rt_period(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", SCHED_RT_PERIOD_US);
	return 0;
}

static int show_rt_runtime(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", SCHED_RT_RUNTIME_US);
	return 0;
}

static void put_uuid(struct seq *s, const u8 id[16])
{
	for (int i = 0; i < 16; i++)
		seq_printf(s, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	seq_putc(s, '\n');
}

/* Version 4. */
static void make_uuid(u8 id[16])
{
	host_random(id, 16);
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
}

static int show_uuid(struct seq *s, const struct proc_ctx *c)
{
	u8 id[16];

	make_uuid(id);
	put_uuid(s, id);
	return 0;
}

static int show_boot_id(struct seq *s, const struct proc_ctx *c)
{
	static struct spinlock lock = SPINLOCK_INIT("boot id", RANK_MISC);
	static u8 id[16]; /* lock */
	u8 copy[16];

	spin_lock(&lock);
	if (!id[6])
		make_uuid(id);
	memcpy(copy, id, sizeof(copy));
	spin_unlock(&lock);
	put_uuid(s, copy);
	return 0;
}

CONSTANT(show_entropy, "256")

static const struct proc_entry random_table[] = {
	PROC_FILE("boot_id", 0444, show_boot_id),
	PROC_FILE("uuid", 0444, show_uuid),
	PROC_FILE("entropy_avail", 0444, show_entropy),
	PROC_FILE("poolsize", 0444, show_entropy),
	{0},
};

static const struct proc_entry kernel_table[] = {
	PROC_FILE("ostype", 0444, show_sysname),
	PROC_FILE("osrelease", 0444, show_release),
	PROC_FILE("version", 0444, show_version),
	PROC_FILE("hostname", 0644, show_nodename, .store = store_hostname),
	PROC_FILE("domainname", 0444, show_domainname),
	PROC_FILE("pid_max", 0444, show_pid_max),
	PROC_FILE("threads-max", 0444, show_threads_max),
	PROC_FILE("ngroups_max", 0444, show_ngroups_max),
	PROC_FILE("cap_last_cap", 0444, show_cap_last_cap),
	PROC_DIR("random", 0555, random_table),
	PROC_FILE("overflowuid", 0444, show_overflow_id),
	PROC_FILE("overflowgid", 0444, show_overflow_id),
	PROC_FILE("core_pattern", 0444, show_core_pattern),
	PROC_FILE("core_uses_pid", 0444, show_zero),
	PROC_FILE("randomize_va_space", 0444, show_two),
	PROC_FILE("printk", 0444, show_printk),
	PROC_FILE("dmesg_restrict", 0444, show_one),
	PROC_FILE("kptr_restrict", 0444, show_one),
	PROC_FILE("perf_event_paranoid", 0444, show_two),
	PROC_FILE("panic", 0444, show_zero),
	PROC_FILE("tainted", 0444, show_zero),
	PROC_FILE("sched_rr_timeslice_ms", 0444, show_sched_rr),
	PROC_FILE("sched_rt_period_us", 0444, show_rt_period),
	PROC_FILE("sched_rt_runtime_us", 0444, show_rt_runtime),
	PROC_FILE("shmmax", 0444, show_shmmax),
	PROC_FILE("shmall", 0444, show_shmmax),
	PROC_FILE("shmmni", 0444, show_shmmni),
	PROC_FILE("msgmax", 0444, show_msgmax),
	PROC_FILE("sem", 0444, show_sem),
	{0},
};

/* ---- vm/ ---- */

CONSTANT(show_max_map_count, "65530")
CONSTANT(show_mmap_min_addr, "65536")
CONSTANT(show_swappiness, "60")

/* See commit.h. */
static int show_overcommit(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, commit_strict() ? "2\n" : "0\n");
	return 0;
}

static int show_ratio(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, commit_strict() ? "100\n" : "50\n");
	return 0;
}

static const struct proc_entry vm_table[] = {
	PROC_FILE("overcommit_memory", 0444, show_overcommit),
	PROC_FILE("overcommit_ratio", 0444, show_ratio),
	PROC_FILE("max_map_count", 0444, show_max_map_count),
	PROC_FILE("mmap_min_addr", 0444, show_mmap_min_addr),
	PROC_FILE("swappiness", 0444, show_swappiness),
	PROC_FILE("nr_hugepages", 0444, show_zero),
	{0},
};

/* ---- fs/ ---- */

static int show_file_max(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%llu\n", (unsigned long long)file_max());
	return 0;
}

CONSTANT(show_nr_open, "1048576")

static int show_file_nr(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%llu\t0\t9223372036854775807\n", (ull)file_count());
	return 0;
}

static int show_pipe_max(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", PIPE_MAX_SIZE);
	return 0;
}

static int show_pipe_pages(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", PIPE_USER_PAGES_SOFT);
	return 0;
}

/* ---- fs/inotify/ ---- */

#define LIMIT(field)                                                                               \
	static int show_inotify_##field(struct seq *s, const struct proc_ctx *c)                   \
	{                                                                                          \
		u32 v = load_relaxed(&inotify_limits.field);                                       \
                                                                                                   \
		seq_printf(s, "%u\n", v);                                                          \
		return 0;                                                                          \
	}                                                                                          \
	static int store_inotify_##field(const struct proc_ctx *c, char *text, size_t n)           \
	{                                                                                          \
		long v;                                                                            \
		int err = proc_parse_long(text, 0, INT_MAX, &v);                                   \
                                                                                                   \
		if (!err)                                                                          \
			store_relaxed(&inotify_limits.field, (u32)v);                              \
		return err;                                                                        \
	}
LIMIT(events)
LIMIT(instances)
LIMIT(watches)

static const struct proc_entry inotify_table[] = {
	PROC_FILE("max_queued_events", 0644, show_inotify_events, .store = store_inotify_events),
	PROC_FILE("max_user_instances", 0644, show_inotify_instances,
		  .store = store_inotify_instances),
	PROC_FILE("max_user_watches", 0644, show_inotify_watches, .store = store_inotify_watches),
	{0},
};

static const struct proc_entry fs_table[] = {
	PROC_FILE("file-max", 0444, show_file_max),
	PROC_FILE("file-nr", 0444, show_file_nr),
	PROC_DIR("inotify", 0555, inotify_table),
	PROC_FILE("nr_open", 0444, show_nr_open),
	PROC_FILE("pipe-max-size", 0444, show_pipe_max),
	PROC_FILE("pipe-user-pages-hard", 0444, show_zero),
	PROC_FILE("pipe-user-pages-soft", 0444, show_pipe_pages),
	PROC_FILE("protected_fifos", 0444, show_zero),
	PROC_FILE("protected_hardlinks", 0444, show_one),
	PROC_FILE("protected_regular", 0444, show_zero),
	PROC_FILE("protected_symlinks", 0444, show_zero),
	PROC_FILE("suid_dumpable", 0444, show_zero),
	{0},
};

const struct proc_entry proc_sys_table[] = {
	PROC_DIR("fs", 0555, fs_table),
	PROC_DIR("kernel", 0555, kernel_table),
	PROC_DIR("vm", 0555, vm_table),
	{0},
};
