/* CPUs: /proc/cpuinfo, stat, loadavg. */
#include "cpu.h"
#include "kernel/fs/proc/proc_priv.h"
#include "ktime.h"
#include "lock.h"
#include "sched.h"
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

/* ---- cpuinfo ---- */

/* What differs between our CPUs, or from the host's: one package, one thread a core. */
static bool own_line(struct seq *s, const char *key, size_t len, int cpu)
{
	const struct {
		const char *key;
		int value;
	} own[] = {{"processor", cpu},	   {"physical id", 0},	   {"siblings", nr_cpus},
		   {"core id", cpu},	   {"cpu cores", nr_cpus}, {"apicid", cpu},
		   {"initial apicid", cpu}};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (strlen(own[i].key) != len || memcmp(own[i].key, key, len))
			continue;
		seq_printf(s, "%s\t%s: %d\n", own[i].key, len < 8 ? "\t" : "", own[i].value);
		return true;
	}
	return false;
}

static void show_cpu(struct seq *s, int cpu)
{
	const char *line = host_info.cpu_block, *end;

	for (; *line; line = end) {
		size_t key = strcspn(line, "\t:\n");

		end = strchrnul(line, '\n');
		if (*end)
			end++;
		if (!own_line(s, line, key, cpu))
			seq_write(s, line, end - line);
	}
	seq_putc(s, '\n');
}

int proc_show_cpuinfo(struct seq *s, const struct proc_ctx *c)
{
	for (int i = 0; i < nr_cpus; i++)
		show_cpu(s, i);
	return 0;
}

/* ---- stat ---- */

/*
 * Racy reads of another CPU's accounts, with what has passed since they were last done. What is
 * neither guest nor kernel was idle, also while it sleeps and counts nothing.
 */
void cpu_times_get(int n, struct cpu_times *t)
{
	const struct cpu *c = &cpus[n];
	ktime_t since = load_relaxed(&c->last_switch);
	ktime_t now = ktime_mono(), up = now - ktime_boot_mono;

	t->user = load_relaxed(&c->stat.guest_ns);
	t->system = load_relaxed(&c->stat.kernel_ns);
	if (now > since && since) {
		if (load_relaxed(&c->in_guest))
			t->user += now - since;
		else if (cpu_running(c) != c->idle)
			t->system += now - since;
	}
	t->idle = up > t->user + t->system ? up - t->user - t->system : 0;
}

static void show_times(struct seq *s, const char *name, const struct cpu_times *t)
{
	seq_printf(s, "%s %llu 0 %llu %llu 0 0 0 0 0 0\n", name, (ull)t->user / 10000000,
		   (ull)t->system / 10000000, (ull)t->idle / 10000000);
}

static void show_all_times(struct seq *s)
{
	struct cpu_times sum = {0}, t[MAX_CPUS] = {{0}};
	char name[16];

	for (int i = 0; i < nr_cpus; i++) {
		cpu_times_get(i, &t[i]);
		sum.user += t[i].user;
		sum.system += t[i].system;
		sum.idle += t[i].idle;
	}
	show_times(s, "cpu ", &sum);
	for (int i = 0; i < nr_cpus; i++) {
		snprintf(name, sizeof(name), "cpu%d", i);
		show_times(s, name, &t[i]);
	}
}

int proc_show_stat(struct seq *s, const struct proc_ctx *c)
{
	u64 interrupts = 0;

	show_all_times(s);
	for (int i = 0; i < nr_cpus; i++)
		interrupts += load_relaxed(&cpus[i].stat.ticks) +
			      load_relaxed(&cpus[i].stat.ipis_taken);
	seq_printf(s, "intr %llu\nctxt %llu\nbtime %llu\n", (ull)interrupts,
		   (ull)sched_nr_switches(),
		   (ull)((ktime_real() - (ktime_mono() - ktime_boot_mono)) / NSEC_PER_SEC));
	seq_printf(s, "processes %llu\nprocs_running %u\nprocs_blocked 0\n",
		   (ull)load_relaxed(&nr_forks) + 1, max(sched_nr_running(), 1u));
	seq_puts(s, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

/* ---- loadavg ---- */

#define LOAD_PERIOD (5 * NSEC_PER_SEC)
#define LOAD_ONE 65536u

/* exp(-5 s / 1, 5, 15 min) in units of 1 / 2^32. */
static const u64 load_decay[3] = {3951560672u, 4223977731u, 4271172524u};

static struct spinlock load_lock = SPINLOCK_INIT("loadavg", RANK_MISC);
static u64 load_avg[3];	   /* load_lock: in units of 1 / LOAD_ONE */
static u64 load_busy;	   /* load_lock: CPU time used until load_stamp */
static ktime_t load_stamp; /* load_lock */
static ktime_t load_until; /* load_lock: a multiple of LOAD_PERIOD since boot */

/* x to the n-th power, for x < 1 in units of 1 / 2^32. */
static u64 power(u64 x, u64 n)
{
	u64 result = 1ULL << 32;

	for (; n; n >>= 1) {
		if (n & 1)
			result = (unsigned __int128)result * x >> 32;
		x = (unsigned __int128)x * x >> 32;
	}
	return result;
}

/* CPU time used by all, and how many wait for a CPU at this moment, but for who is asking. */
static u64 busy_now(unsigned *waiting)
{
	unsigned others = max(sched_nr_running(), 1u) - 1;
	u64 busy = 0;

	for (int i = 0; i < nr_cpus; i++) {
		struct cpu_times t;

		cpu_times_get(i, &t);
		busy += t.user + t.system;
	}
	*waiting = others > (unsigned)nr_cpus ? others - nr_cpus : 0;
	return busy;
}

/*
 * The averages decay in steps of five seconds, all those due at once. What ran meanwhile is known
 * exactly from the CPU time used; who waited for a CPU only as of now.
 */
void loadavg_get(u64 avg[3])
{
	ktime_t up = ktime_mono() - ktime_boot_mono;
	unsigned waiting;
	u64 busy = busy_now(&waiting), steps;

	spin_lock(&load_lock);
	steps = up > load_until ? (up - load_until) / LOAD_PERIOD : 0;
	if (steps) {
		ktime_t elapsed = up - load_stamp;
		u64 used = busy > load_busy ? busy - load_busy : 0;
		u64 load = used / (elapsed >> 16) + (u64)waiting * LOAD_ONE;

		for (int i = 0; i < 3; i++) {
			u64 old = power(load_decay[i], steps);

			load_avg[i] = (load_avg[i] * old + load * ((1ULL << 32) - old)) >> 32;
		}
		load_until += steps * LOAD_PERIOD;
		load_busy = busy;
		load_stamp = up;
	}
	memcpy(avg, load_avg, sizeof(load_avg));
	spin_unlock(&load_lock);
}

int proc_show_loadavg(struct seq *s, const struct proc_ctx *c)
{
	u64 avg[3];

	loadavg_get(avg);
	for (int i = 0; i < 3; i++) {
		u64 hundredths = (avg[i] * 100 + LOAD_ONE / 2) / LOAD_ONE;

		seq_printf(s, "%llu.%02llu ", (ull)hundredths / 100, (ull)hundredths % 100);
	}
	seq_printf(s, "%u/%u %d\n", max(sched_nr_running(), 1u), load_relaxed(&nr_tasks),
		   pid_last());
	return 0;
}
