/* --stats: what the kernel counted. */
#include "kernel/init/stats.h"
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "fh.h"
#include "hostfault.h"
#include "ktime.h"
#include "log.h"
#include "patch.h"
#include "syscalls.h"
#include "task.h"

static u64 unknown[NR_SYSCALLS + 1]; /* atomic; the last: numbers outside the table */

void stats_unknown_call(u64 nr)
{
	__atomic_add_fetch(&unknown[nr < NR_SYSCALLS ? nr : NR_SYSCALLS], 1, __ATOMIC_RELAXED);
}

static void print_cpus(void)
{
	log_warn("%-4s %10s %9s %9s %9s %8s %8s %8s %8s %9s %9s %9s\n", "cpu", "syscalls", "faults",
		 "switches", "migrated", "stolen", "ipis", "kicks", "ticks", "guest ms",
		 "kernel ms", "idle ms");
	for (int i = 0; i < nr_cpus; i++) {
		const struct cpu *c = &cpus[i];

		log_warn("%-4d %10lu %9lu %9lu %9lu %8lu %8lu %8lu %8lu %9lu %9lu %9lu\n", i,
			 c->stat.syscalls, c->stat.faults, c->stat.switches, c->stat.migrations,
			 c->stat.steals, c->stat.ipis_taken, c->stat.kicks, c->stat.ticks,
			 c->stat.guest_ns / NSEC_PER_MSEC, c->stat.kernel_ns / NSEC_PER_MSEC,
			 c->stat.idle_ns / NSEC_PER_MSEC);
	}
}

/*
 * How guests and their CPUs took turns: the host's wake-ups, on one core and across; calls found
 * while spinning, spins that found none; slices that the host made longer.
 */
static void print_turns(void)
{
	log_warn("%-4s %10s %10s %10s %10s %10s %10s\n", "cpu", "same core", "cross core", "spun",
		 "slept", "ipis sent", "extended");
	for (int i = 0; i < nr_cpus; i++) {
		const struct cpu *c = &cpus[i];

		log_warn("%-4d %10lu %10lu %10lu %10lu %10lu %10lu\n", i, c->stat.same_core,
			 c->stat.cross_core, c->stat.spun, c->stat.slept, c->stat.ipis_sent,
			 c->stat.extended);
	}
}

static void print_unknown(void)
{
	for (u64 nr = 0; nr <= NR_SYSCALLS; nr++) {
		u64 n = load_relaxed(&unknown[nr]);

		if (!n)
			continue;
		if (nr == NR_SYSCALLS)
			log_warn("not implemented: unknown numbers, %lu times\n", n);
		else
			log_warn("not implemented: %s, %lu times\n",
				 syscall_table[nr].name ? syscall_table[nr].name : "?", n);
	}
}

static void print_patches(void)
{
	struct patch_stats p;

	if (!patch_enabled)
		return;
	patch_get_stats(&p);
	log_warn(
		"call sites: %lu hot; patched %lu in form A, %lu in form B, %lu of them put back\n",
		p.seen, p.form_a, p.form_b, p.restored);
	for (int i = 1; i < PATCH_REFUSALS; i++)
		if (p.refused[i])
			log_warn("call sites refused: %s: %lu\n", patch_refusal_names[i],
				 p.refused[i]);
}

static void print_faults(void)
{
	const char *spec;
	u64 calls, hits;

	for (int i = 0; fault_stats(i, &spec, &calls, &hits); i++)
		log_warn("fault %s: %lu of %lu calls\n", spec, hits, calls);
}

void stats_print(void)
{
	struct fh_stats fh;

	fh_get_stats(&fh);
	log_warn("engine %s, %d CPUs, %lu ms\n", engine->name, nr_cpus,
		 (ktime_mono() - ktime_boot_mono) / NSEC_PER_MSEC);
	print_cpus();
	print_turns();
	log_warn("processes started: %lu; kernel memory: %zu KiB\n", nr_forks + 1,
		 kmalloc_bytes() >> 10);
	log_warn(
		"file handles: %lu, open %lu of %lu, pinned %lu, reclaimed %lu, reopened %lu, stale %lu, waits %lu\n",
		fh.handles, fh.open, fh.budget, fh.pinned, fh.reclaimed, fh.reopened, fh.stale,
		fh.waits);
	print_patches();
	print_faults();
	print_unknown();
}
