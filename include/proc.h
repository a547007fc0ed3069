/*
 * What /proc and /sys show, for those who show the same numbers by other ways (sysinfo,
 * getloadavg), and boot's settings.
 */
#ifndef HEDDLE_PROC_H
#define HEDDLE_PROC_H

#include "types.h"

struct file;
struct fs_type;
struct pid;
extern const struct fs_type proc_fs_type, sysfs_fs_type, devtmpfs_fs_type, devpts_fs_type;

/*
 * Boot: reads what is shown of the host (CPU model, flags, caches), once. cmdline is what
 * /proc/cmdline shows. -ENOMEM.
 */
must_check int proc_init(const char *cmdline);

struct mem_info {
	u64 total, free, available, buffers, cached, shared, swap_total, swap_free; /* bytes */
	u64 mapped, anon, commit_limit, committed;
};
/*
 * The guest's memory: total is the limit, the rest follows from what its processes and files hold.
 * May sleep.
 */
void mem_info_get(struct mem_info *m);

/*
 * Load averages of 1, 5 and 15 minutes in units of 1/65536 (as sysinfo wants them). Computed when
 * asked: nothing ticks.
 */
void loadavg_get(u64 avg[3]);

/*
 * The process whose directory /proc/PID f has open, +1; NULL: f is something else. For
 * pidfd_send_signal.
 */
must_check struct pid *proc_dir_pid(const struct file *f);

#endif
