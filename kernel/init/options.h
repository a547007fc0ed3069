/* The command line of `heddle run`. */
#ifndef HEDDLE_KERNEL_INIT_OPTIONS_H
#define HEDDLE_KERNEL_INIT_OPTIONS_H

#include "layerfs.h"
#include "types.h"

#define MAX_MOUNTS 64

struct mount_option {
	const char *type, *source, *target;
	bool read_only;
	struct hostfs_options hostfs; /* of a hostfs, but for rw */
};

struct options {
	int cpus; /* 0: as many as the host has */
	const char *engine, *root, *workdir, *hostname;
	const char *host_workdir; /* the current directory; NULL: it can't be told */
	bool root_humfs;	  /* root is the directory of a humfs */
	const char *overlay;	  /* where changes of the root are kept; NULL: in memory */
	bool overlay_humfs;	  /* in the form of a humfs */
	struct hostfs_options root_options; /* of a hostfs, but for rw */
	bool rw, clean_env, strace, stats, verbose, debug_migrate, no_sandbox;
	const char *strace_file; /* NULL: stderr */
	struct mount_option mounts[MAX_MOUNTS];
	int nmounts;
	bool user_given;
	u32 uid, gid;
	const char **env; /* KEY=VALUE, ends with NULL */
	int nenv;
	bool no_patch;
	u32 spin;    /* us; SPIN_AUTO */
	u64 memory;  /* bytes; 0: the host's */
	char **argv; /* the program and its arguments; NULL: an interactive shell */
};

/*
 * Parses; ends the process with status 2 and one line on stderr if something is wrong (0 for --help
 * and --version).
 */
void options_parse(struct options *o, int argc, char **argv);
/* One line "heddle: ..." on stderr, and exit status 2. */
noreturn_ void usage_error(const char *fmt, ...) printf_like(1, 2);

#endif
