/* From the command line to the first process. */
#ifndef HEDDLE_KERNEL_INIT_BOOT_H
#define HEDDLE_KERNEL_INIT_BOOT_H

#include "kernel/init/options.h"

/*
 * Starts the first task, which mounts the file systems and executes the program, once smp_run() is
 * called. -errno.
 */
must_check int boot_start(const struct options *o);
/*
 * Host calls fail from here on, if they are to (hostfault.h). `boot`: the kernel starts, else the
 * first program.
 */
void boot_faults(bool boot);
/* When the kernel has stopped: the exit status of heddle. */
int boot_result(void);

#endif
