/* The guest's memory as a whole: mem_info_get(), /proc/meminfo, vmstat. */
#include "alloc.h"
#include "commit.h"
#include "hostio.h"
#include "kernel/fs/proc/proc_priv.h"
#include "kernel/fs/tmpfs/memdata.h"
#include "mm.h"
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

/* The number behind "Key:" at the start of a line of the host's meminfo, in bytes. */
static u64 host_value(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, key, n) && line[n] == ':')
			return strtoull(line + n + 1, NULL, 10) << 10;
	}
	return 0;
}

struct usage {
	u64 anon, file; /* pages */
};

static void add_process(struct usage *u, struct thread_group *tg)
{
	struct task *t = find_task(tg_nr(tg));
	u64 pages[7];
	struct mm *mm;

	if (!t)
		return;
	mm = task_mm_get(t);
	task_put(t);
	if (!mm)
		return;
	down_read(&mm->lock);
	if (mm->host && !host_mm_statm(mm->host, pages) && pages[1] >= pages[2]) {
		u->anon += pages[1] - pages[2];
		u->file = max(u->file, pages[2]); /* mostly the same pages in all */
	}
	up_read(&mm->lock);
	mm_put(mm);
}

static void add_processes(struct usage *u)
{
	struct thread_group *tg;
	pid_t from = 1;

	while ((tg = next_process(from))) {
		from = tg_nr(tg) + 1;
		add_process(u, tg);
		tg_put(tg);
	}
}

/*
 * Total is what boot was told, or the host's. Used is what processes and the kernel hold. Free and
 * available are no more than what the host has, because that is where it comes from.
 */
void mem_info_get(struct mem_info *m)
{
	char *host = host_file_text("/proc/meminfo");
	struct usage u = {0};
	u64 used, rest, memfds;

	*m = (struct mem_info){.total = memory_size(),
			       .commit_limit = commit_limit(),
			       .committed = commit_pages() << PAGE_SHIFT};
	add_processes(&u);
	m->anon = u.anon << PAGE_SHIFT;
	m->mapped = u.file << PAGE_SHIFT;
	memdata_usage(&m->shared, &memfds);
	used = m->anon + memfds + kmalloc_bytes();
	rest = m->total > used ? m->total - used : 0;
	m->free = m->available = rest;
	if (host) {
		m->free = min(rest, host_value(host, "MemFree"));
		m->available = min(rest, host_value(host, "MemAvailable"));
		m->cached = min(rest - m->free, host_value(host, "Cached"));
		m->buffers = min(rest - m->free - m->cached, host_value(host, "Buffers"));
	}
	m->available = max(m->available, m->free);
	kfree(host);
}

int proc_show_meminfo(struct seq *s, const struct proc_ctx *c)
{
	struct mem_info m;
	const struct {
		const char *name;
		const u64 *bytes;
	} rows[] = {
		{"MemTotal", &m.total},
		{"MemFree", &m.free},
		{"MemAvailable", &m.available},
		{"Buffers", &m.buffers},
		{"Cached", &m.cached},
		{"SwapCached", NULL},
		{"Active", &m.anon},
		{"Inactive", &m.cached},
		{"Active(anon)", &m.anon},
		{"Inactive(anon)", NULL},
		{"Active(file)", NULL},
		{"Inactive(file)", &m.cached},
		{"Unevictable", NULL},
		{"Mlocked", NULL},
		{"SwapTotal", &m.swap_total},
		{"SwapFree", &m.swap_free},
		{"Dirty", NULL},
		{"Writeback", NULL},
		{"AnonPages", &m.anon},
		{"Mapped", &m.mapped},
		{"Shmem", &m.shared},
		{"KReclaimable", NULL},
		{"Slab", NULL},
		{"SReclaimable", NULL},
		{"SUnreclaim", NULL},
		{"KernelStack", NULL},
		{"PageTables", NULL},
		{"NFS_Unstable", NULL},
		{"Bounce", NULL},
		{"WritebackTmp", NULL},
		{"CommitLimit", &m.commit_limit},
		{"Committed_AS", &m.committed},
	};

	mem_info_get(&m);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t at = s->len;

		seq_printf(s, "%s:", rows[i].name);
		seq_pad(s, at, 16);
		seq_printf(s, "%8llu kB\n", rows[i].bytes ? (ull)*rows[i].bytes >> 10 : 0ULL);
	}
	seq_puts(
		s,
		"VmallocTotal:   34359738367 kB\nVmallocUsed:           0 kB\nVmallocChunk:          0 kB\n"
		"HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
		"HugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n");
	return 0;
}

int proc_show_vmstat(struct seq *s, const struct proc_ctx *c)
{
	struct mem_info m;
	u64 faults = 0;

	mem_info_get(&m);
	for (int i = 0; i < nr_cpus; i++)
		faults += load_relaxed(&cpus[i].stat.faults);
	seq_printf(s,
		   "nr_free_pages %llu\nnr_anon_pages %llu\nnr_mapped %llu\nnr_file_pages %llu\n",
		   (ull)m.free >> 12, (ull)m.anon >> 12, (ull)m.mapped >> 12, (ull)m.cached >> 12);
	seq_printf(
		s,
		"nr_dirty 0\nnr_writeback 0\nnr_shmem %llu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n",
		(ull)m.shared >> 12);
	seq_printf(s, "pgfault %llu\npgmajfault 0\noom_kill 0\n", (ull)faults);
	return 0;
}
