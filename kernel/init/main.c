/* heddle: parses the command line, sets the machine up, runs it, and reports how it ended. */
#include "alloc.h"
#include "commit.h"
#include "confine.h"
#include "cpu.h"
#include "engine.h"
#include "event.h"
#include "fh.h"
#include "fs.h"
#include "host.h"
#include "hostio.h"
#include "hostmm.h"
#include "hosttool.h"
#include "kernel/init/boot.h"
#include "kernel/init/options.h"
#include "kernel/init/stats.h"
#include "ipc.h"
#include "log.h"
#include "ktime.h"
#include "net.h"
#include "patch.h"
#include "proc.h"
#include "sched.h"
#include "strace.h"
#include "tty.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void choose_engine(const char *name)
{
	static const struct engine_ops *const engines[] = {&seccomp_engine, &ptrace_engine};
	bool any = !strcmp(name, "auto");
	char why[200] = "";

	if (!any && strcmp(name, "ptrace") && strcmp(name, "seccomp"))
		usage_error("--engine %s: use auto, ptrace or seccomp", name);
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		if (!any && strcmp(engines[i]->name, name))
			continue;
		if (engines[i]->probe(why, sizeof(why)) == 0) {
			engine = engines[i];
			log_info("engine %s\n", engine->name);
			return;
		}
		if (!any)
			usage_error("engine %s: %s", name, why);
	}
	usage_error("this host allows no engine: %s", why);
}

static void must(int err, const char *what)
{
	if (err)
		usage_error("can't set up %s: %s", what, strerrordesc_np(-err));
}

static void set_up_strace(const struct options *o)
{
	int fd;

	if (!o->strace)
		return;
	fd = log_open_sink(o->strace_file);
	if (fd < 0)
		usage_error("--strace=%s: %s", o->strace_file, strerrordesc_np(-fd));
	log_set_sink(fd);
	strace_enabled = true;
}

/* Guests see the root and what --mount adds. */
static void confine_to_roots(const struct options *o)
{
	struct confine_dir dirs[MAX_MOUNTS + 2];
	int n = 0, err;

	dirs[n++] = (struct confine_dir){o->root, o->rw};
	if (o->overlay)
		dirs[n++] = (struct confine_dir){o->overlay, true};
	for (int i = 0; i < o->nmounts; i++)
		if (strcmp(o->mounts[i].type, "tmpfs"))
			dirs[n++] = (struct confine_dir){o->mounts[i].source,
							 !o->mounts[i].read_only};
	err = confine_files(dirs, n);
	if (err)
		usage_error("can't confine the kernel to its files: %s; try --no-sandbox",
			    strerrordesc_np(-err));
}

/* A humfs whose last use was cut off is made whole, as other systems check their disks. */
static void clean_humfs(const char *dir)
{
	char *journal = kasprintf("%s/journal", dir);
	char *argv[] = {"heddle", "humfs", "check", "--repair", "--quiet", (char *)dir, NULL};
	int status;

	if (!journal)
		usage_error("out of memory");
	if (host_file_exists(journal)) {
		log_info("%s: its last use was cut off: checking it\n", dir);
		status = host_run_tool(argv);
		if (status != 0 && status != 1)
			usage_error("%s: its last use was cut off, and it can't be checked", dir);
	}
	kfree(journal);
}

/*
 * The directory of --overlay, made if it isn't there: in the format of Linux's overlayfs where we
 * may give files away, else as a humfs, which may grow as the host lets it.
 */
static void prepare_overlay(struct options *o)
{
	char *superblock = kasprintf("%s/superblock", o->overlay);
	char *upper = kasprintf("%s/upper", o->overlay);
	char *argv[] = {"heddle", "humfs", "create", (char *)o->overlay, "--size", "8191P", NULL};
	int err = 0;

	if (!superblock || !upper)
		usage_error("out of memory");
	o->overlay_humfs = host_file_exists(superblock);
	if (!o->overlay_humfs && !host_file_exists(upper)) {
		o->overlay_humfs = !host_is_root();
		err = o->overlay_humfs ? host_run_tool(argv) : host_make_dir(o->overlay);
		if (err < 0)
			usage_error("--overlay %s: %s", o->overlay, strerrordesc_np(-err));
		if (err)
			usage_error("--overlay %s: it can't be made", o->overlay);
	}
	kfree(superblock);
	kfree(upper);
}

static void clean_all_humfs(const struct options *o)
{
	if (o->overlay_humfs)
		clean_humfs(o->overlay);
	if (o->root_humfs)
		clean_humfs(o->root);
	for (int i = 0; i < o->nmounts; i++)
		if (!strcmp(o->mounts[i].type, "humfs"))
			clean_humfs(o->mounts[i].source);
}

static void confine_to_calls(void)
{
	int err = confine_calls(engine == &ptrace_engine);

	if (err)
		usage_error("can't confine the kernel to its host calls: %s; try --no-sandbox",
			    strerrordesc_np(-err));
}

int main(int argc, char **argv)
{
	struct options o;
	int ncpus;

	confine_descriptors();
	host_stdio_reserve();
	options_parse(&o, argc, argv);
	o.host_workdir = host_workdir();
	log_verbose = o.verbose;
	if (o.overlay)
		prepare_overlay(&o);
	clean_all_humfs(&o);
	host_write_signals_ignore(); /* not earlier: our tools are to end by them */
	panic_on_crash();
	choose_engine(o.engine);
	set_up_strace(&o);
	ncpus = o.cpus ? o.cpus : min(host_cores(), MAX_CPUS);
	if (!o.no_patch && engine->use_trampolines)
		patch_enabled = engine->use_trampolines(o.spin);
	patch_ids = patch_enabled && !o.strace;
	log_info("%d CPUs on %d host cores\n", ncpus, host_cores());
	sched_debug_migrate = o.debug_migrate;
	boot_faults(true);
	must(smp_init(ncpus), "CPUs");
	host_processes_init();
	if (o.no_sandbox)
		log_info("not confined\n");
	else
		confine_to_roots(&o);
	/*
	 * Between the two steps: the zygote is forked from this thread, before there are others,
	 * and inherits Landlock but no filter.
	 */
	must(host_mm_init(ncpus), "the guests' first process");
	if (!o.no_sandbox)
		confine_to_calls();
	must(reaper_init(), "the reaper");
	must(host_spare_init(), "the maker of address spaces");
	must(fh_init(), "file handles");
	commit_init(o.memory);
	must(event_init(), "the event thread");
	must(vfs_init(), "the file system caches");
	must(ipc_init(), "pipes");
	must(net_init(), "sockets");
	must(proc_init("heddle"), "proc");
	must(console_init(), "the console");
	must(boot_start(&o), "the first process");
	must(smp_run(), "CPU threads");
	vfs_stop();
	console_shutdown();
	if (o.stats)
		stats_print();
	/* Host processes of guests that are left go with this process. */
	host_exit(boot_result());
}
