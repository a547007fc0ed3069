/* /proc/heddle: what this kernel tells about itself. */
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "fh.h"
#include "kernel/fs/proc/proc_priv.h"
#include "patch.h"

typedef unsigned long long ull;

static int show_cpu(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(
		s,
		"cpu core   syscalls     faults   switches   migrated     stolen  ipis_sent ipis_taken      kicks"
		"      ticks    wakeups  same_core cross_core       spun      slept   extended   guest_ms  kernel_ms    idle_ms\n");
	for (int i = 0; i < nr_cpus; i++) {
		const struct cpu *p = &cpus[i];
		struct cpu_times t;

		cpu_times_get(i, &t);
		seq_printf(
			s,
			"%3d %4d %10llu %10llu %10llu %10llu %10llu %10llu %10llu %10llu %10llu %10llu",
			i, p->host_core, (ull)load_relaxed(&p->stat.syscalls),
			(ull)load_relaxed(&p->stat.faults), (ull)load_relaxed(&p->stat.switches),
			(ull)load_relaxed(&p->stat.migrations), (ull)load_relaxed(&p->stat.steals),
			(ull)load_relaxed(&p->stat.ipis_sent),
			(ull)load_relaxed(&p->stat.ipis_taken), (ull)load_relaxed(&p->stat.kicks),
			(ull)load_relaxed(&p->stat.ticks), (ull)load_relaxed(&p->stat.wakeups));
		seq_printf(s, " %10llu %10llu %10llu %10llu %10llu",
			   (ull)load_relaxed(&p->stat.same_core),
			   (ull)load_relaxed(&p->stat.cross_core), (ull)load_relaxed(&p->stat.spun),
			   (ull)load_relaxed(&p->stat.slept), (ull)load_relaxed(&p->stat.extended));
		seq_printf(s, " %10llu %10llu %10llu\n", (ull)t.user / 1000000,
			   (ull)t.system / 1000000, (ull)t.idle / 1000000);
	}
	return 0;
}

static int show_fh(struct seq *s, const struct proc_ctx *c)
{
	struct fh_stats st;

	fh_get_stats(&st);
	seq_printf(
		s,
		"open %llu\npinned %llu\nhandles %llu\nreclaimed %llu\nreopened %llu\nstale %llu\nwaits %llu\nbudget %llu\n",
		(ull)st.open, (ull)st.pinned, (ull)st.handles, (ull)st.reclaimed, (ull)st.reopened,
		(ull)st.stale, (ull)st.waits, (ull)st.budget);
	return 0;
}

static int show_memory(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "kmalloc %zu\n", kmalloc_bytes());
	return 0;
}

static int show_patch(struct seq *s, const struct proc_ctx *c)
{
	struct patch_stats p;

	patch_get_stats(&p);
	seq_printf(s, "seen %llu\nform A %llu\nform B %llu\nput back %llu\n", (ull)p.seen,
		   (ull)p.form_a, (ull)p.form_b, (ull)p.restored);
	for (int i = 1; i < PATCH_REFUSALS; i++)
		seq_printf(s, "refused, %s %llu\n", patch_refusal_names[i], (ull)p.refused[i]);
	return 0;
}

static int show_version(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "heddle " HEDDLE_VERSION "\n");
	seq_printf(s, "engine %s\n", engine->name);
	return 0;
}

const struct proc_entry proc_heddle_table[] = {
	PROC_FILE("cpu", 0444, show_cpu),	  PROC_FILE("fh", 0444, show_fh),
	PROC_FILE("memory", 0444, show_memory),	  PROC_FILE("patch", 0444, show_patch),
	PROC_FILE("version", 0444, show_version), {0},
};
