/* Process descriptors (kernel/ipc/pidfd.c). */
#ifndef HEDDLE_PIDFD_H
#define HEDDLE_PIDFD_H

#include "types.h"
#include <fcntl.h>

struct file;
struct pid;

#define PIDFD_NONBLOCK O_NONBLOCK
#define PIDFD_THREAD O_EXCL

/*
 * A pidfd's file: takes its own reference on pid. flags: PIDFD_*. ERR_PTR. For clone: install it
 * with fd_install(), close-on-exec.
 */
must_check struct file *pidfd_create(struct pid *pid, int flags);
/*
 * The pid behind a descriptor of the current task, +1; *flags (may be NULL) gets PIDFD_*.
 * ERR_PTR(-EBADF). For waitid(P_PIDFD).
 */
must_check struct pid *pidfd_to_pid(int fd, int *flags);

/*
 * Pollers sit on pid->exit_wait: exit wakes it with POLLIN when a process's last thread is gone
 * (pid of the leader), when a thread is gone (its pid), and with POLLIN | POLLHUP when it is
 * reaped.
 */

#endif
