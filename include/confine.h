/*
 * The kernel process confines itself (os/confine.c), so that whoever takes it over from inside a
 * guest has little of the host in reach. In two steps, around the start of the guests' first
 * process and before there are other threads: that process and all after it inherit the first step
 * and not the second, which would make each of their calls slower.
 */
#ifndef HEDDLE_CONFINE_H
#define HEDDLE_CONFINE_H

#include "types.h"

/* A directory of the host that guests may see. */
struct confine_dir {
	const char *path;
	bool write;
};

/*
 * No new privileges; and where the host has Landlock: no file but those below dirs and the few that
 * os/ needs, no program to execute, no TCP, no signal to other processes. A directory that can't be
 * opened is left out: who mounts it will say so. Without Landlock it says so with --verbose. -errno
 * if the host refuses what it has.
 */
must_check int confine_files(const struct confine_dir *dirs, int n);

/*
 * No host calls but those of os/hostcalls.def; `tracing`: ptrace too. Any other ends in a panic
 * that names it. -errno.
 */
must_check int confine_calls(bool tracing);

/* Closes what this process inherited besides its standard files. Before anything else is opened. */
void confine_descriptors(void);

#endif
