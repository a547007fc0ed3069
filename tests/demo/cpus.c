#define _GNU_SOURCE
#include "demo.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Atomic uint64_t noted;

int cpus_in_proc(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[1024];
	int n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		n += !strncmp(line, "processor", 9);
	fclose(f);
	return n;
}

int cpus_allowed(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 0 : CPU_COUNT(&set);
}

void cpus_note(void)
{
	int cpu = sched_getcpu();

	if (cpu >= 0 && cpu < 64)
		atomic_fetch_or(&noted, 1ull << cpu);
}

uint64_t cpus_noted(void)
{
	return noted;
}
