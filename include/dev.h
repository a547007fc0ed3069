/* Character devices: their numbers. Operations are found by chrdev_ops() of fs.h. */
#ifndef HEDDLE_DEV_H
#define HEDDLE_DEV_H

#include "types.h"
#include <sys/sysmacros.h>

struct file_operations;

#define DEV_NULL makedev(1, 3)
#define DEV_ZERO makedev(1, 5)
#define DEV_FULL makedev(1, 7)
#define DEV_RANDOM makedev(1, 8)
#define DEV_URANDOM makedev(1, 9)
#define DEV_TTY makedev(5, 0)
#define DEV_CONSOLE makedev(5, 1)
#define DEV_PTMX makedev(5, 2)
#define PTS_MAJOR 136

extern const struct file_operations null_fops, zero_fops, full_fops, random_fops;
extern const struct file_operations dev_tty_fops, console_fops, ptmx_fops, pts_fops; /* kernel/tty/ */


/* Slaves of ptys appear in devpts and go again (kernel/fs/devpts/). In a task, without locks. */
must_check int devpts_add(int index, dev_t dev, u32 uid, u32 gid); /* -ENOMEM */
void devpts_remove(int index);

#endif
