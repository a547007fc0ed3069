/* Command-line options, by argp. */
#include "kernel/init/options.h"
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "host.h"
#include "hostfault.h"
#include "hosttool.h"
#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_RW = 256,
	OPT_OVERLAY,
	OPT_ROOT_OPTIONS,
	OPT_CLEAN_ENV,
	OPT_HOSTNAME,
	OPT_STRACE,
	OPT_STATS,
	OPT_VERBOSE,
	OPT_DEBUG,
	OPT_NO_SANDBOX,
	OPT_PATCH,
	OPT_SPIN,
	OPT_FAULT
};

static const struct argp_option table[] = {
	{NULL, 0, NULL, 0, "Machine:", 1},
	{"cpus", 'c', "N", 0, "Virtual CPUs, 1 to 64 (default: the host's cores)", 1},
	{"memory", 'm', "SIZE", 0,
	 "Memory that the guest finds and may use, at least 16M: bytes, or with K, M, G, T", 1},
	{"engine", 'e', "NAME", 0,
	 "auto, ptrace or seccomp (default: auto, the fastest that this host allows)", 1},
	{"patch", OPT_PATCH, "on|off", 0,
	 "Turn system-call sites that are used often into jumps, where that is safe (default: on; seccomp engine)",
	 1},
	{"spin", OPT_SPIN, "auto|off|USEC", 0,
	 "How long a CPU with a host core to spare looks for its guest's next call before it sleeps (default: auto)",
	 1},
	{"hostname", OPT_HOSTNAME, "NAME", 0, "The guest's host name (default: heddle)", 1},
	{"no-sandbox", OPT_NO_SANDBOX, NULL, 0,
	 "The kernel doesn't confine itself to the host calls and files that it needs", 1},
	{NULL, 0, NULL, 0, "Files:", 2},
	{"root", 'r', "[humfs:]DIR", 0,
	 "Host directory, or humfs in one, that becomes the guest's root (default: /)", 2},
	{"rw", OPT_RW, NULL, 0,
	 "Write through to the root (default: changes stay in memory and are lost)", 2},
	{"root-options", OPT_ROOT_OPTIONS, "OPTION,...", 0,
	 "Of the root: cache=exclusive|strict (default: exclusive), uid=N, gid=N", 2},
	{"overlay", OPT_OVERLAY, "DIR", 0,
	 "Keep changes of the root in DIR, and find those made before", 2},
	{"mount", 'v', "TYPE:SOURCE:TARGET[:OPTION,...]", 0,
	 "Mount a hostfs, humfs or tmpfs. Options: ro or rw (default); of a hostfs also cache=strict|exclusive (default: strict), uid=N, gid=N",
	 2},
	{"workdir", 'w', "DIR", 0,
	 "Working directory in the guest (default: the current one, where the guest has it, else /)",
	 2},
	{NULL, 0, NULL, 0, "Process:", 3},
	{"user", 'u', "UID[:GID]", 0,
	 "User and group of the first process (default: 0:0; without GID: the same number)", 3},
	{"env", 'E', "KEY=VALUE", 0, "Set an environment variable", 3},
	{"clean-env", OPT_CLEAN_ENV, NULL, 0, "Start from an empty environment", 3},
	{NULL, 0, NULL, 0, "Looking inside:", 4},
	{"strace", OPT_STRACE, "FILE", OPTION_ARG_OPTIONAL,
	 "Show the guest's system calls and signals (default: on stderr)", 4},
	{"stats", OPT_STATS, NULL, 0, "Print the kernel's counters at the end", 4},
	{"verbose", OPT_VERBOSE, NULL, 0, "Say what is chosen and why", 4},
	{"fault", OPT_FAULT, "CALL:ERROR:WHEN", 0,
	 "Have the host's Nth call (N), all from there (N+) or a share of them (P%) fail, or be late: delay=TIME for ERROR. seed=N: which share; boot: from the start. See the manual",
	 4},
	{"debug", OPT_DEBUG, "WHAT", 0,
	 "migrate: move a task to another CPU whenever it is scheduled; poll: wait for host processes as on older hosts",
	 4},
	{0},
};

void usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("heddle: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	/*
	 * Nothing is left to be flushed, and exit() would have sanitizers make calls that the
	 * kernel may not make any more.
	 */
	host_exit(2);
}

static long number(const char *s, long low, long high, const char *what)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (end == s || *end || n < low || n > high)
		usage_error("%s: not a %s from %ld to %ld", s, what, low, high);
	return n;
}

static u64 size(const char *s)
{
	static const char units[] = "KMGT";
	char *end, *u;
	u64 n = strtoull(s, &end, 10);

	if (end == s || *s == '-' || !n)
		usage_error("%s: not a size; use bytes, or a number with K, M, G or T", s);
	u = *end ? strchr(units, *end & ~0x20) : NULL;
	if (u) {
		for (int i = 0; i <= u - units; i++)
			n <<= 10;
		end++;
		if ((*end == 'i' || *end == 'I') && (end[1] & ~0x20) == 'B')
			end += 2;
		else if ((*end & ~0x20) == 'B')
			end++;
	}
	if (*end || n < 16UL << 20)
		usage_error("%s: not a size of at least 16M", s);
	return n;
}

static char *copy_of(const char *arg)
{
	char *copy = kstrdup(arg);

	if (!copy)
		usage_error("out of memory");
	return copy;
}

/* One of a hostfs's options, "cache=strict"; false if it is none. */
static bool hostfs_option(struct hostfs_options *o, const char *arg)
{
	if (!strcmp(arg, "cache=strict") || !strcmp(arg, "cache=exclusive")) {
		o->exclusive = !strcmp(arg, "cache=exclusive");
	} else if (!strncmp(arg, "uid=", 4)) {
		o->map_uid = true;
		o->uid = number(arg + 4, 0, UINT32_MAX - 1, "user number");
	} else if (!strncmp(arg, "gid=", 4)) {
		o->map_gid = true;
		o->gid = number(arg + 4, 0, UINT32_MAX - 1, "group number");
	} else {
		return false;
	}
	return true;
}

static void set_root_options(struct options *o, char *arg)
{
	char *one, *rest = arg;

	while ((one = strsep(&rest, ",")))
		if (!hostfs_option(&o->root_options, one))
			usage_error("--root-options: %s: use cache=strict|exclusive, uid=N, gid=N",
				    one);
}

/* TYPE:SOURCE:TARGET[:OPTION,...] */
static void add_mount(struct options *o, char *arg)
{
	struct mount_option *m = &o->mounts[o->nmounts];
	char *whole = copy_of(arg), *rest = arg, *one;

	if (o->nmounts == MAX_MOUNTS)
		usage_error("too many --mount options");
	m->type = strsep(&rest, ":");
	m->source = strsep(&rest, ":");
	m->target = strsep(&rest, ":");
	if (!m->target || !*m->source || m->target[0] != '/')
		usage_error("--mount %s: use TYPE:SOURCE:TARGET[:OPTIONS] with an absolute TARGET",
			    whole);
	if (strcmp(m->type, "hostfs") && strcmp(m->type, "humfs") && strcmp(m->type, "tmpfs"))
		usage_error("--mount %s: the type must be hostfs, humfs or tmpfs", whole);
	while ((one = strsep(&rest, ",:"))) {
		if (!strcmp(one, "ro") || !strcmp(one, "rw"))
			m->read_only = !strcmp(one, "ro");
		else if (strcmp(m->type, "hostfs") || !hostfs_option(&m->hostfs, one))
			usage_error("--mount %s: %s is no option of %s", whole, one, m->type);
	}
	kfree(whole);
	o->nmounts++;
}

/* [humfs:]DIR */
static void set_root(struct options *o, const char *arg)
{
	o->root_humfs = !strncmp(arg, "humfs:", 6);
	o->root = o->root_humfs ? arg + 6 : arg;
	if (!*o->root)
		usage_error("--root %s: no directory", arg);
}

static void set_user(struct options *o, const char *arg)
{
	char *copy = copy_of(arg), *colon = strchr(copy, ':');

	if (colon)
		*colon = 0;
	o->uid = number(copy, 0, UINT32_MAX - 1, "user number");
	o->gid = colon ? number(colon + 1, 0, UINT32_MAX - 1, "group number") : o->uid;
	o->user_given = true;
	kfree(copy);
}

static void add_env(struct options *o, const char *arg)
{
	if (!strchr(arg, '=') || arg[0] == '=')
		usage_error("--env %s: use KEY=VALUE", arg);
	o->env = krealloc(o->env, (o->nenv + 2) * sizeof(*o->env));
	if (!o->env)
		usage_error("out of memory");
	o->env[o->nenv++] = arg;
	o->env[o->nenv] = NULL;
}

static bool on_off(const char *arg, const char *option)
{
	if (strcmp(arg, "on") && strcmp(arg, "off"))
		usage_error("--%s %s: use on or off", option, arg);
	return !strcmp(arg, "on");
}

static u32 spin(const char *arg)
{
	if (!strcmp(arg, "auto"))
		return SPIN_AUTO;
	return strcmp(arg, "off") ? number(arg, 0, 10000, "number of microseconds") : 0;
}

static void fault(const char *spec)
{
	const char *why = fault_add(spec);

	if (why)
		usage_error("--fault %s: %s", spec, why);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->cpus = number(arg, 1, MAX_CPUS, "number of CPUs");
		break;
	case 'm':
		o->memory = size(arg);
		break;
	case 'e':
		o->engine = arg;
		break;
	case 'r':
		set_root(o, arg);
		break;
	case 'v':
		add_mount(o, arg);
		break;
	case 'w':
		o->workdir = arg;
		break;
	case 'u':
		set_user(o, arg);
		break;
	case 'E':
		add_env(o, arg);
		break;
	case OPT_HOSTNAME:
		o->hostname = arg;
		break;
	case OPT_PATCH:
		o->no_patch = !on_off(arg, "patch");
		break;
	case OPT_SPIN:
		o->spin = spin(arg);
		break;
	case OPT_ROOT_OPTIONS:
		set_root_options(o, arg);
		break;
	case OPT_OVERLAY:
		o->overlay = arg;
		break;
	case OPT_RW:
		o->rw = true;
		break;
	case OPT_CLEAN_ENV:
		o->clean_env = true;
		break;
	case OPT_STRACE:
		o->strace = true;
		o->strace_file = arg;
		break;
	case OPT_STATS:
		o->stats = true;
		break;
	case OPT_VERBOSE:
		o->verbose = true;
		break;
	case OPT_NO_SANDBOX:
		o->no_sandbox = true;
		break;
	case OPT_FAULT:
		fault(arg);
		break;
	case OPT_DEBUG:
		if (!strcmp(arg, "migrate"))
			o->debug_migrate = true;
		else if (!strcmp(arg, "poll"))
			seccomp_polls = true;
		else
			usage_error("--debug %s: use migrate or poll", arg);
		break;
	case ARGP_KEY_ARG: /* the program; what follows is its own */
		o->argv = &state->argv[state->next - 1];
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void print_version(FILE *f, struct argp_state *state)
{
	(void)state;
	fprintf(f, "heddle %s\n", HEDDLE_VERSION);
}

void options_parse(struct options *o, int argc, char **argv)
{
	static const struct argp argp = {
		.options = table,
		.parser = parse,
		.args_doc = "[--] [PROGRAM [ARG...]]",
		.doc = "Runs PROGRAM (default: an interactive bash) on Heddle's own kernel.\v"
		       "Exit status: the program's, or 128 + the signal that ended it; 126 if it can't be executed, 127 if it isn't found; 2 for a usage or set-up error; 70 after a kernel panic.\n\n"
		       "Other commands, which have a --help of their own:\n"
		       "  heddle humfs COMMAND DIR   root file systems that keep owners and devices\n"
		       "  heddle diff DIR            what --overlay DIR changes",
	};
	static char name[] = "heddle run";

	argp_program_version_hook = print_version;
	argp_err_exit_status = 2;
	*o = (struct options){
		.engine = "auto", .root = "/", .root_options.exclusive = true, .spin = SPIN_AUTO};
	if (argc < 2)
		usage_error("nothing to do; try 'heddle run -- PROGRAM', or 'heddle --help'");
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		print_version(stdout, NULL);
		exit(0);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "-h")) {
		argp_help(&argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, name);
		exit(0);
	}
	if (!strcmp(argv[1], "humfs") || !strcmp(argv[1], "diff"))
		usage_error("%s: %s", argv[1], strerrordesc_np(-host_exec_tool(argv)));
	if (strcmp(argv[1], "run"))
		usage_error("%s: unknown command; use run, humfs or diff (see 'heddle --help')",
			    argv[1]);
	argv[1] = name;
	argp_parse(&argp, argc - 1, argv + 1, ARGP_IN_ORDER, NULL, o);
	if (o->rw && o->overlay)
		usage_error(
			"--rw writes to the root, --overlay keeps it as it is: use one of them");
}
