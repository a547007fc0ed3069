/* When to spin: see spin.h. */
#include "os/spin.h"
#include "cpu.h"
#include "host.h"
#include "ktime.h"
#include <x86intrin.h>

#define NEED_MIN 64U
#define NEED_MAX (1U << 18)
#define WORTH 1024 /* calls in a turn that pay for moving the guest there and back */
#define FIRST 8	   /* times as long */
#define SOON (20 * NSEC_PER_USEC)

/* By CPU. `core`: where the guest is for which it spins, -1 none; atomic, others only look. `turn` is its own. */
static struct {
	int core;
	u64 turn;
} __attribute__((aligned(64))) cpu_spin[MAX_CPUS];

static u64 longest, soon; /* cycles; constant after boot */

/* Cycles of the TSC in `ns`, measured. */
static u64 cycles_in(ktime_t ns)
{
	ktime_t from = ktime_mono(), to;
	u64 start = __rdtsc(), n;

	do
		to = ktime_mono();
	while (to - from < NSEC_PER_MSEC);
	n = __rdtsc() - start;
	return (u64)((double)n * ns / (to - from));
}

void spin_setup(ktime_t ns)
{
	for (int i = 0; i < MAX_CPUS; i++)
		cpu_spin[i].core = -1;
	if (ns) {
		longest = cycles_in(ns);
		soon = cycles_in(SOON);
	}
}

u64 spin_cycles(const struct spin *s)
{
	return s->served ? longest : FIRST * longest;
}

void spin_learn(struct spin *s, u64 cycles, bool by_trampoline)
{
	if (by_trampoline && cycles < soon)
		s->streak++;
	else
		s->streak = 0;
}

bool spin_on(const struct spin *s, const struct cpu *cpu)
{
	return s->turn && s->turn == cpu_spin[cpu->id].turn &&
	       __atomic_load_n(&cpu_spin[cpu->id].core, __ATOMIC_RELAXED) >= 0;
}

/* Is nobody of ours on that host core, but cpu? */
static bool core_free(const struct cpu *cpu, int core)
{
	for (int i = 0; i < nr_cpus; i++)
		if (i != cpu->id && cpu_running(&cpus[i]) != cpus[i].idle &&
		    (cpus[i].host_core == core ||
		     __atomic_load_n(&cpu_spin[i].core, __ATOMIC_RELAXED) == core))
			return false;
	return true;
}

bool spin_crowded(const struct cpu *cpu)
{
	return !core_free(cpu, cpu->host_core) ||
	       !core_free(cpu, __atomic_load_n(&cpu_spin[cpu->id].core, __ATOMIC_RELAXED));
}

static int free_core(const struct cpu *cpu)
{
	/* Its own as well: where CPUs share a core, one that spins takes from the others. */
	if (!core_free(cpu, cpu->host_core))
		return -1;
	for (int i = 0; i < host_cores(); i++)
		if (host_core_nth(i) != cpu->host_core && core_free(cpu, host_core_nth(i)))
			return host_core_nth(i);
	return -1;
}

int spin_begin(struct spin *s, struct cpu *cpu)
{
	int core;

	if (!longest || cpu->host_core < 0 || s->streak < max(s->need, NEED_MIN))
		return -1;
	s->streak = 0;
	core = free_core(cpu);
	if (core < 0)
		return -1;
	s->turn = cpu_spin[cpu->id].turn = (cpu_spin[cpu->id].turn & ~63ULL) + 64 + cpu->id;
	s->served = 0;
	__atomic_store_n(&cpu_spin[cpu->id].core, core, __ATOMIC_RELAXED);
	return core;
}

void spin_none(struct cpu *cpu)
{
	if (__atomic_load_n(&cpu_spin[cpu->id].core, __ATOMIC_RELAXED) >= 0)
		__atomic_store_n(&cpu_spin[cpu->id].core, -1, __ATOMIC_RELAXED);
}

void spin_end(struct spin *s, struct cpu *cpu)
{
	if (s->served < WORTH)
		s->need = min(max(s->need, NEED_MIN) * 2, NEED_MAX);
	else
		s->need = NEED_MIN;
	s->turn = 0;
	s->streak = 0;
	spin_none(cpu);
}
