/* The root of /proc: self, the files about the system that are short, and the whole table. */
#include "cred.h"
#include "alloc.h"
#include "cpu.h"
#include "fs.h"
#include "kernel/fs/proc/proc_priv.h"
#include "ktime.h"
#include "uts.h"
#include <string.h>
#include <sys/sysmacros.h>

typedef unsigned long long ull;

static char *text_or_error(char *text)
{
	return text ? text : ERR_PTR(-ENOMEM);
}

static char *self_link(const struct proc_ctx *c)
{
	return text_or_error(kasprintf("%d", tg_nr(current->tg)));
}

static char *thread_self_link(const struct proc_ctx *c)
{
	return text_or_error(kasprintf("%d/task/%d", tg_nr(current->tg), current->tid));
}

static char *mounts_link(const struct proc_ctx *c)
{
	return text_or_error(kstrdup("self/mounts"));
}

static int show_uptime(struct seq *s, const struct proc_ctx *c)
{
	u64 up = (ktime_mono() - ktime_boot_mono) / 10000000, idle = 0;

	for (int i = 0; i < nr_cpus; i++) {
		struct cpu_times t;

		cpu_times_get(i, &t);
		idle += t.idle / 10000000;
	}
	seq_printf(s, "%llu.%02llu %llu.%02llu\n", (ull)up / 100, (ull)up % 100, (ull)idle / 100,
		   (ull)idle % 100);
	return 0;
}

static int show_version(struct seq *s, const struct proc_ctx *c)
{
	struct utsname u;

	uts_get(&u);
	seq_printf(s, "%s version %s (heddle@heddle) (gcc " __VERSION__ ") %s\n", u.sysname,
		   u.release, u.version);
	return 0;
}

static int show_filesystems(struct seq *s, const struct proc_ctx *c)
{
	for (int i = 0; fs_types[i]; i++)
		seq_printf(s, "%s\t%s\n", fs_types[i]->nodev ? "nodev" : "", fs_types[i]->name);
	return 0;
}

static int show_cmdline(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%s\n", host_info.cmdline);
	return 0;
}

/* Majors that have devices; char_devices has several of one. */
static int show_devices(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(
		s,
		"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\n"
		"Block devices:\n");
	return 0;
}

static int show_partitions(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "major minor  #blocks  name\n\n");
	return 0;
}

static int show_swaps(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return 0;
}

static int show_nothing(struct seq *s, const struct proc_ctx *c)
{
	return 0;
}

/* What there is of interrupts: between CPUs, and the preemption tick. */
static int show_interrupts(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "    ");
	for (int i = 0; i < nr_cpus; i++)
		seq_printf(s, "       CPU%-4d", i);
	seq_puts(s, "\nLOC:");
	for (int i = 0; i < nr_cpus; i++)
		seq_printf(s, " %10llu   ", (ull)load_relaxed(&cpus[i].stat.ticks));
	seq_puts(s, "  Local timer interrupts\nRES:");
	for (int i = 0; i < nr_cpus; i++)
		seq_printf(s, " %10llu   ", (ull)load_relaxed(&cpus[i].stat.ipis_taken));
	seq_puts(s, "  Rescheduling interrupts\n");
	return 0;
}

/* ---- locks ---- */

static void note_lock(const struct file_lock_info *info, void *raw)
{
	seq_write(raw, info, sizeof(*info));
}

static void show_lock(struct seq *s, size_t nr, const struct file_lock_info *l)
{
	static const char *const kinds[] = {
		[LOCK_POSIX] = "POSIX ", [LOCK_OFD] = "OFDLCK", [LOCK_FLOCK] = "FLOCK "};

	seq_printf(s, "%zu: %s ADVISORY  %s %d %02x:%02x:%llu %llu ", nr, kinds[l->kind],
		   l->exclusive ? "WRITE" : "READ", l->pid, major(l->dev), minor(l->dev),
		   (ull)l->ino, (ull)l->start);
	if (l->end == INT64_MAX)
		seq_puts(s, "EOF\n");
	else
		seq_printf(s, "%llu\n", (ull)l->end);
}

/*
 * They are collected first, under spinlocks, and made text of afterwards. Who waits for one isn't
 * shown.
 */
static int show_locks(struct seq *s, const struct proc_ctx *c)
{
	struct seq raw;
	size_t n;

	seq_init(&raw);
	file_locks_for_each(note_lock, &raw);
	n = raw.len / sizeof(struct file_lock_info);
	for (size_t i = 0; i < n && !s->failed; i++) {
		struct file_lock_info l;

		memcpy(&l, raw.buf + i * sizeof(l), sizeof(l));
		show_lock(s, i + 1, &l);
	}
	s->failed |= raw.failed;
	seq_destroy(&raw);
	return 0;
}

static const char *terminal_drivers =
	"/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
	"/dev/console         /dev/console    5       1 system:console\n"
	"/dev/ptmx            /dev/ptmx       5       2 system\n"
	"pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
	"pty_master           /dev/ptm      128 0-1048575 pty:master\n";

static int show_tty_drivers(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, terminal_drivers);
	return 0;
}

static int show_tty_ldiscs(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "n_tty       0\n");
	return 0;
}

static const struct proc_entry tty_table[] = {
	PROC_FILE("drivers", 0444, show_tty_drivers),
	PROC_FILE("ldiscs", 0444, show_tty_ldiscs),
	{0},
};

const struct proc_entry proc_root_table[] = {
	PROC_FILE("cmdline", 0444, show_cmdline),
	PROC_FILE("cpuinfo", 0444, proc_show_cpuinfo),
	PROC_FILE("devices", 0444, show_devices),
	PROC_FILE("diskstats", 0444, show_nothing),
	PROC_FILE("filesystems", 0444, show_filesystems),
	PROC_DIR("heddle", 0555, proc_heddle_table),
	PROC_FILE("interrupts", 0444, show_interrupts),
	PROC_FILE("loadavg", 0444, proc_show_loadavg),
	PROC_FILE("locks", 0444, show_locks),
	PROC_FILE("meminfo", 0444, proc_show_meminfo),
	PROC_FILE("modules", 0444, show_nothing),
	PROC_LINK("mounts", mounts_link),
	PROC_FILE("partitions", 0444, show_partitions),
	PROC_LINK("self", self_link),
	PROC_FILE("stat", 0444, proc_show_stat),
	PROC_FILE("swaps", 0444, show_swaps),
	PROC_DIR("sys", 0555, proc_sys_table),
	PROC_LINK("thread-self", thread_self_link),
	PROC_DIR("tty", 0555, tty_table),
	PROC_FILE("uptime", 0444, show_uptime),
	PROC_FILE("version", 0444, show_version),
	PROC_FILE("vmstat", 0444, proc_show_vmstat),
	{0},
};

const struct proc_entry proc_root = PROC_DIR("", 0555, proc_root_table, .names = &proc_pid_names);
