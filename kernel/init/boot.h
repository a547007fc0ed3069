/* From the command line to the first process. */
#ifndef HEDDLE_KERNEL_INIT_BOOT_H
#define HEDDLE_KERNEL_INIT_BOOT_H

#include "kernel/init/options.h"

/* Starts the first task, which mounts the file systems and executes the program, once smp_run() is called. -errno. */
must_check int boot_start(const struct options *o);
/* When the kernel has stopped: the exit status of heddle. */
int boot_result(void);

#endif
