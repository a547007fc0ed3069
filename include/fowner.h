/* Owners of open files: who gets their signals. */
#ifndef HEDDLE_FOWNER_H
#define HEDDLE_FOWNER_H

#include "fs.h"

/*
 * fcntl(2) F_SETOWN and the socket's ioctls: a process, or a group if negative. 0, -EINVAL, -ESRCH.
 * file_getown() the same way round; 0: nobody, or no more.
 */
must_check long file_setown(struct file *f, int who);
long file_getown(struct file *f);
long file_setown_ex(struct file *f, uaddr_t arg);
long file_getown_ex(struct file *f, uaddr_t arg);
long file_setsig(struct file *f, int sig);
long file_getsig(struct file *f);
/* Unless it has one: pid with the current task's ids. F_OWNER_*; takes its own reference. */
void file_own_default(struct file *f, struct pid *pid, int type);

/* A copy with a reference on its pid; false: nobody. Under locks that come before MISC. */
must_check bool file_owner_get(struct file *f, struct file_owner *copy);
/*
 * The signal that f sends for this reason (POLL_IN ...); fd is for siginfo. Takes tasklist_lock and
 * siglock, never sleeps.
 */
void send_sigio(const struct file_owner *o, int fd, int code);

#endif
