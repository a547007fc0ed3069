/* Character devices: their numbers. Operations are found by chrdev_ops() of fs.h. */
#ifndef HEDDLE_DEV_H
#define HEDDLE_DEV_H

#include "types.h"
#include <sys/sysmacros.h> /* makedev, major, minor */

struct file_operations;

/* makedev() as a constant, for minor numbers below 256. */
#define DEV_NUMBER(maj, min) ((dev_t)((maj) << 8 | (min)))

#define DEV_NULL DEV_NUMBER(1, 3)
#define DEV_ZERO DEV_NUMBER(1, 5)
#define DEV_FULL DEV_NUMBER(1, 7)
#define DEV_RANDOM DEV_NUMBER(1, 8)
#define DEV_URANDOM DEV_NUMBER(1, 9)
#define DEV_TTY DEV_NUMBER(5, 0)
#define DEV_CONSOLE DEV_NUMBER(5, 1)
#define DEV_PTMX DEV_NUMBER(5, 2)
#define PTS_MAJOR 136

/*
 * Random bytes, as getrandom(2) and the devices give them: how many, fewer if a signal came (after
 * the first 256) or behind a bad address; -EFAULT, -ENOMEM. May sleep.
 */
struct iov_iter;
must_check ssize_t random_to_iter(struct iov_iter *to);

extern const struct file_operations null_fops, zero_fops, full_fops, random_fops, urandom_fops;
extern const struct file_operations dev_tty_fops, console_fops, ptmx_fops,
	pts_fops; /* kernel/tty/ */

/* Slaves of ptys appear in devpts and go again (kernel/fs/devpts/). In a task, without locks. */
must_check int devpts_add(int index, dev_t dev, u32 uid, u32 gid); /* -ENOMEM */
void devpts_remove(int index);

#endif
