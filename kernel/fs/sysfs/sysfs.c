/*
 * sysfs: what programs read to find out about CPUs, memory nodes and huge pages. Tables of the same
 * kind as /proc's. Caches are the host's, looked up when asked for; each of our CPUs has a core of
 * its own.
 */
#include "alloc.h"
#include "cpu.h"
#include "hostio.h"
#include "kernel/fs/proc/proc_priv.h"
#include "kernel/fs/pseudo.h"
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

static struct super_block *instance; /* pseudo_mount() */

static u64 all_cpus(void)
{
	return nr_cpus == 64 ? ~0ULL : (1ULL << nr_cpus) - 1;
}

/* ---- sets of CPUs ---- */

static int show_all_list(struct seq *s, const struct proc_ctx *c)
{
	seq_bit_list(s, all_cpus(), nr_cpus);
	seq_putc(s, '\n');
	return 0;
}

static int show_all_mask(struct seq *s, const struct proc_ctx *c)
{
	seq_bit_mask(s, all_cpus(), nr_cpus);
	seq_putc(s, '\n');
	return 0;
}

static int show_self_list(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", c->fd);
	return 0;
}

static int show_self_mask(struct seq *s, const struct proc_ctx *c)
{
	seq_bit_mask(s, 1ULL << c->fd, nr_cpus);
	seq_putc(s, '\n');
	return 0;
}

static int show_empty_line(struct seq *s, const struct proc_ctx *c)
{
	seq_putc(s, '\n');
	return 0;
}

static int show_zero(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "0\n");
	return 0;
}

static int show_one(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "1\n");
	return 0;
}

static int show_kernel_max(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", MAX_CPUS - 1);
	return 0;
}

/* ---- devices/system/cpu/cpuN ---- */

static const struct proc_entry topology_table[] = {
	PROC_FILE("core_cpus", 0444, show_self_mask),
	PROC_FILE("core_cpus_list", 0444, show_self_list),
	PROC_FILE("core_id", 0444, show_self_list),
	PROC_FILE("core_siblings", 0444, show_all_mask),
	PROC_FILE("core_siblings_list", 0444, show_all_list),
	PROC_FILE("die_cpus", 0444, show_all_mask),
	PROC_FILE("die_cpus_list", 0444, show_all_list),
	PROC_FILE("die_id", 0444, show_zero),
	PROC_FILE("package_cpus", 0444, show_all_mask),
	PROC_FILE("package_cpus_list", 0444, show_all_list),
	PROC_FILE("physical_package_id", 0444, show_zero),
	PROC_FILE("thread_siblings", 0444, show_self_mask),
	PROC_FILE("thread_siblings_list", 0444, show_self_list),
	{0},
};

#define CACHE_MAX 4
#define CACHE_DIR "/sys/devices/system/cpu/cpu0/cache"

/* Level of the host's cache number n; 0: there is none. */
static int cache_level(int n)
{
	char path[80], *text;
	int level = 0;

	snprintf(path, sizeof(path), CACHE_DIR "/index%d/level", n);
	text = host_file_text(path);
	if (text && *text >= '1' && *text <= '9')
		level = *text - '0';
	kfree(text);
	return level;
}

static int show_cache_file(struct seq *s, int n, const char *name)
{
	char path[96], *text;

	snprintf(path, sizeof(path), CACHE_DIR "/index%d/%s", n, name);
	text = host_file_text(path);
	if (!text)
		return -ENODEV;
	seq_puts(s, text);
	kfree(text);
	return 0;
}

/* The third level is shared by all, the others are each core's own. */
static int show_cache_sharing(struct seq *s, const struct proc_ctx *c, int n, bool list)
{
	u64 set = cache_level(n) >= 3 ? all_cpus() : 1ULL << c->fd;

	if (list)
		seq_bit_list(s, set, nr_cpus);
	else
		seq_bit_mask(s, set, nr_cpus);
	seq_putc(s, '\n');
	return 0;
}

#define CACHE_FILE(n, file)                                                                        \
	static int show_##file##_##n(struct seq *s, const struct proc_ctx *c)                      \
	{                                                                                          \
		return show_cache_file(s, n, #file);                                               \
	}
#define CACHE(n)                                                                                   \
	CACHE_FILE(n, coherency_line_size)                                                         \
	CACHE_FILE(n, level)                                                                       \
	CACHE_FILE(n, number_of_sets)                                                              \
	CACHE_FILE(n, physical_line_partition)                                                     \
	CACHE_FILE(n, size)                                                                        \
	CACHE_FILE(n, type)                                                                        \
	CACHE_FILE(n, ways_of_associativity)                                                       \
	static int show_shared_list_##n(struct seq *s, const struct proc_ctx *c)                   \
	{                                                                                          \
		return show_cache_sharing(s, c, n, true);                                          \
	}                                                                                          \
	static int show_shared_map_##n(struct seq *s, const struct proc_ctx *c)                    \
	{                                                                                          \
		return show_cache_sharing(s, c, n, false);                                         \
	}                                                                                          \
	static const struct proc_entry cache_table_##n[] = {                                       \
		PROC_FILE("coherency_line_size", 0444, show_coherency_line_size_##n),              \
		PROC_FILE("level", 0444, show_level_##n),                                          \
		PROC_FILE("number_of_sets", 0444, show_number_of_sets_##n),                        \
		PROC_FILE("physical_line_partition", 0444, show_physical_line_partition_##n),      \
		PROC_FILE("shared_cpu_list", 0444, show_shared_list_##n),                          \
		PROC_FILE("shared_cpu_map", 0444, show_shared_map_##n),                            \
		PROC_FILE("size", 0444, show_size_##n),                                            \
		PROC_FILE("type", 0444, show_type_##n),                                            \
		PROC_FILE("ways_of_associativity", 0444, show_ways_of_associativity_##n),          \
		{0},                                                                               \
	}
CACHE(0);
CACHE(1);
CACHE(2);
CACHE(3);

static const struct proc_entry cache_dirs[CACHE_MAX] = {
	PROC_DIR("index0", 0555, cache_table_0),
	PROC_DIR("index1", 0555, cache_table_1),
	PROC_DIR("index2", 0555, cache_table_2),
	PROC_DIR("index3", 0555, cache_table_3),
};

static struct inode *cache_lookup(struct inode *dir, const char *name, size_t len)
{
	int n = len == 6 && !memcmp(name, "index", 5) ? name[5] - '0' : -1;

	if (n < 0 || n >= CACHE_MAX || !cache_level(n))
		return ERR_PTR(-ENOENT);
	return proc_new_inode(dir->sb, &cache_dirs[n], NULL, false, proc_i(dir)->fd);
}

static void cache_iterate(struct inode *dir, struct dir_context *dc)
{
	for (u64 n = dc->pos - PROC_NAMES_POS; n < CACHE_MAX && cache_level(n); n++)
		if (!dc->emit(dc, cache_dirs[n].name, 6,
			      proc_ino(0, false, &cache_dirs[n], proc_i(dir)->fd), DT_DIR,
			      PROC_NAMES_POS + n + 1))
			break;
}

static const struct proc_names cache_names = {cache_lookup, cache_iterate};

static const struct proc_entry cpu_table[] = {
	PROC_DIR("cache", 0555, NULL, .names = &cache_names),
	PROC_FILE("online", 0444, show_one),
	PROC_DIR("topology", 0555, topology_table),
	{0},
};
static const struct proc_entry cpu_dir = PROC_DIR("", 0555, cpu_table);

static struct inode *cpu_lookup(struct inode *dir, const char *name, size_t len)
{
	int n = len > 3 && !memcmp(name, "cpu", 3) ? proc_parse_number(name + 3, len - 3) : -1;

	if (n < 0 || n >= nr_cpus)
		return ERR_PTR(-ENOENT);
	return proc_new_inode(dir->sb, &cpu_dir, NULL, false, n);
}

static void cpu_iterate(struct inode *dir, struct dir_context *dc)
{
	for (u64 n = dc->pos - PROC_NAMES_POS; n < (u64)nr_cpus; n++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "cpu%d", (int)n);

		if (!dc->emit(dc, name, len, proc_ino(0, false, &cpu_dir, n), DT_DIR,
			      PROC_NAMES_POS + n + 1))
			break;
	}
}

static const struct proc_names cpu_names = {cpu_lookup, cpu_iterate};

static const struct proc_entry cpus_table[] = {
	PROC_FILE("isolated", 0444, show_empty_line),
	PROC_FILE("kernel_max", 0444, show_kernel_max),
	PROC_FILE("offline", 0444, show_empty_line),
	PROC_FILE("online", 0444, show_all_list),
	PROC_FILE("possible", 0444, show_all_list),
	PROC_FILE("present", 0444, show_all_list),
	{0},
};

/* ---- devices/system/node ---- */

static int show_node_meminfo(struct seq *s, const struct proc_ctx *c)
{
	struct mem_info m;

	mem_info_get(&m);
	seq_printf(
		s,
		"Node 0 MemTotal:       %8llu kB\nNode 0 MemFree:        %8llu kB\nNode 0 MemUsed:        %8llu kB\n",
		(ull)m.total >> 10, (ull)m.free >> 10, (ull)(m.total - m.free) >> 10);
	return 0;
}

static int show_distance(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "10\n");
	return 0;
}

static const struct proc_entry node0_table[] = {
	PROC_FILE("cpulist", 0444, show_all_list),
	PROC_FILE("cpumap", 0444, show_all_mask),
	PROC_FILE("distance", 0444, show_distance),
	PROC_FILE("meminfo", 0444, show_node_meminfo),
	{0},
};

static const struct proc_entry node_table[] = {
	PROC_FILE("has_cpu", 0444, show_zero),	PROC_FILE("has_memory", 0444, show_zero),
	PROC_DIR("node0", 0555, node0_table),	PROC_FILE("online", 0444, show_zero),
	PROC_FILE("possible", 0444, show_zero), {0},
};

/* ---- kernel/mm ---- */

static int show_host_file(struct seq *s, const char *path, const char *otherwise)
{
	char *text = host_file_text(path);

	seq_puts(s, text ? text : otherwise);
	kfree(text);
	return 0;
}

static int show_thp_enabled(struct seq *s, const struct proc_ctx *c)
{
	return show_host_file(s, "/sys/kernel/mm/transparent_hugepage/enabled",
			      "always madvise [never]\n");
}

static int show_thp_size(struct seq *s, const struct proc_ctx *c)
{
	return show_host_file(s, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
}

static const struct proc_entry thp_table[] = {
	PROC_FILE("enabled", 0444, show_thp_enabled),
	PROC_FILE("hpage_pmd_size", 0444, show_thp_size),
	{0},
};

/* ---- the tree ---- */

static const struct proc_entry mm_table[] = {PROC_DIR("transparent_hugepage", 0555, thp_table),
					     {0}};
static const struct proc_entry kernel_table[] = {PROC_DIR("mm", 0555, mm_table), {0}};
static const struct proc_entry system_table[] = {
	PROC_DIR("cpu", 0555, cpus_table, .names = &cpu_names),
	PROC_DIR("node", 0555, node_table),
	{0}};
static const struct proc_entry devices_table[] = {PROC_DIR("system", 0555, system_table), {0}};
static const struct proc_entry fs_table[] = {PROC_DIR("cgroup", 0555, NULL), {0}};
static const struct proc_entry class_table[] = {PROC_DIR("block", 0555, NULL),
						PROC_DIR("net", 0555, NULL),
						PROC_DIR("tty", 0555, NULL),
						{0}};
static const struct proc_entry root_table[] = {
	PROC_DIR("block", 0555, NULL),	      PROC_DIR("bus", 0555, NULL),
	PROC_DIR("class", 0555, class_table), PROC_DIR("devices", 0555, devices_table),
	PROC_DIR("fs", 0555, fs_table),	      PROC_DIR("kernel", 0555, kernel_table),
	PROC_DIR("module", 0555, NULL),	      {0},
};
static const struct proc_entry sysfs_root = PROC_DIR("", 0555, root_table);

static int sysfs_statfs(struct super_block *sb, struct kstatfs *st)
{
	*st = (struct kstatfs){
		.type = SYSFS_MAGIC, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = 255};
	return 0;
}

static const struct super_ops super_ops = {
	.statfs = sysfs_statfs,
	.evict_inode = proc_evict,
};

static struct super_block *make_instance(const struct fs_type *type, const char *source)
{
	return proc_make_super(type, source, &super_ops, &sysfs_root);
}

static struct super_block *sysfs_mount(const struct fs_type *type, const char *source,
				       const char *options, u64 flags)
{
	return pseudo_mount(&instance, type, source, make_instance);
}

const struct fs_type sysfs_fs_type = {
	.name = "sysfs",
	.mount = sysfs_mount,
	.nodev = true,
	.user_mountable = true,
};
