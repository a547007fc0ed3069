/* When to spin: see spin.h. */
#include "os/spin.h"
#include "cpu.h"
#include "engine.h"
#include "host.h"
#include "hostio.h"
#include "ktime.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#define NEED_MIN 8U
#define NEED_MAX (1U << 18)
#define WORTH 16 /* calls in a turn that pay for moving the guest there and back */
#define FEW 4	 /* ... that pay for waking it up where it is */
#define FIRST 8	 /* times as long */
#define AUTO 50	 /* us: what is more than a wake-up costs pays for no one */
#define SOON (20 * NSEC_PER_USEC)

/*
 * By CPU. `core`: where the guest is for which it spins, -1 none; atomic, others only look. The
 * rest is its own.
 */
static struct {
	int core;
	u64 turn;
	u64 looked; /* at the host's load, TSC */
} __attribute__((aligned(64))) cpu_spin[MAX_CPUS];

static u64 longest, soon, often; /* cycles; constant after boot */

/* ---- is there a core to spare? ---- */

static int load_fd = -1; /* /proc/loadavg, if that is to be asked; constant after boot */
static long online;	 /* cores of the host; constant after boot */

/*
 * Are more threads than cores runnable on the host, with `more` besides those that are now? Then
 * who spins takes from others, and a guest that is moved to another core waits for its turn there.
 * False where nobody asks or the host doesn't tell.
 */
static bool host_busy(int more)
{
	char text[64], *at = text; /* "0.00 0.01 0.05 RUNNABLE/ALL LAST" */
	ssize_t n = pread(load_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	for (int i = 0; i < 3 && at; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at && strtol(at, NULL, 10) + more > online;
}

/* Hundredths of a core, of a control group's cpu.max: "QUOTA PERIOD", in us. */
static u64 quota(const char *text)
{
	unsigned long us, period;

	return sscanf(text, "%lu %lu", &us, &period) == 2 && period ? us * 100 / period
								    : UINT64_MAX;
}

/*
 * Is it known whether the host has a core to spare for us? Not if only some of its cores may be
 * used, whose load it doesn't tell; and time that is rationed isn't spare.
 */
static bool load_tells(void)
{
	return host_cores() >= online && host_cgroup_least(HOST_CGROUPS, "cpu.max", quota) >= 200;
}

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

void spin_setup(u32 spin)
{
	ktime_t ns = spin * NSEC_PER_USEC;

	if (spin == SPIN_AUTO) {
		online = sysconf(_SC_NPROCESSORS_ONLN);
		load_fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
		often = cycles_in(NSEC_PER_MSEC);
		ns = load_tells() ? AUTO * NSEC_PER_USEC : 0;
	}
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
	       load_relaxed(&cpu_spin[cpu->id].core) >= 0;
}

/* Is nobody of ours on that host core, but cpu? */
static bool core_free(const struct cpu *cpu, int core)
{
	for (int i = 0; i < nr_cpus; i++)
		if (i != cpu->id && cpu_running(&cpus[i]) != cpus[i].idle &&
		    (cpus[i].host_core == core || load_relaxed(&cpu_spin[i].core) == core))
			return false;
	return true;
}

/* The same for cpu's turn, looked up now and then only: false in between. */
static bool host_busy_often(const struct cpu *cpu, int more)
{
	u64 now = __rdtsc(), *looked = &cpu_spin[cpu->id].looked;

	if (now - *looked < often)
		return false;
	*looked = now;
	return host_busy(more);
}

bool spin_crowded(const struct cpu *cpu)
{
	if (!core_free(cpu, cpu->host_core) ||
	    !core_free(cpu, load_relaxed(&cpu_spin[cpu->id].core)))
		return true;
	return host_busy_often(cpu, 0);
}

/* It didn't pay: from now on it has to look more promising. */
static void wait_longer(struct spin *s)
{
	s->need = min(max(s->need, NEED_MIN) * 2, NEED_MAX);
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

static void new_turn(struct spin *s, struct cpu *cpu, int core)
{
	s->turn = cpu_spin[cpu->id].turn = (cpu_spin[cpu->id].turn & ~63ULL) + 64 + cpu->id;
	s->served = 0;
	store_relaxed(&cpu_spin[cpu->id].core, core);
	store_relaxed(&cpu->spins, 1);
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
	cpu_spin[cpu->id].looked = __rdtsc();
	if (host_busy(1)) {
		wait_longer(s);
		return -1;
	}
	new_turn(s, cpu, core);
	return core;
}

bool spin_resume(struct spin *s, struct cpu *cpu, int core)
{
	if (!s->turn)
		return false;
	if (s->served < FEW)
		wait_longer(s);
	else if (s->served >= WORTH)
		s->need /= 2;
	if (s->need > NEED_MIN || core < 0 || core == cpu->host_core ||
	    !core_free(cpu, cpu->host_core) || !core_free(cpu, core))
		return false;
	if (host_busy_often(cpu, 1))
		return false;
	new_turn(s, cpu, core);
	return true;
}

void spin_none(struct cpu *cpu)
{
	if (load_relaxed(&cpu_spin[cpu->id].core) >= 0)
		store_relaxed(&cpu_spin[cpu->id].core, -1);
	if (load_relaxed(&cpu->spins))
		store_relaxed(&cpu->spins, 0);
}

void spin_end(struct spin *s, struct cpu *cpu)
{
	if (s->served < WORTH)
		wait_longer(s);
	else
		s->need /= 2;
	s->turn = 0;
	s->streak = 0;
	spin_none(cpu);
}
