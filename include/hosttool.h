/*
 * The program beside heddle that works on the host's files without a kernel (tools/), and what boot
 * asks of it. All of this is only for main(), before there are threads and before the kernel
 * confines itself.
 */
#ifndef HEDDLE_HOSTTOOL_H
#define HEDDLE_HOSTTOOL_H

#include "types.h"

/* Becomes the program. Returns only if that fails: -errno. */
int host_exec_tool(char **argv);
/* Runs it: its exit status, 127 if there is none, 128 + signal; -errno. */
must_check int host_run_tool(char **argv);
bool host_file_exists(const char *path);
bool host_is_root(void);
/*
 * The current directory, by the name that $PWD has for it if that is right; NULL if it can't be
 * told. It stays until the end.
 */
const char *host_workdir(void);
must_check int host_make_dir(const char *path); /* 0 too if it is there */

#endif
