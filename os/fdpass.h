/*
 * How descriptors come to host processes and from them: by pidfd_getfd(2). Where that is refused
 * (container runtimes allow it only with CAP_SYS_PTRACE) they are passed through sockets, of which
 * each CPU has one for the keeper that works for it, and all tasks one for their listeners.
 */
#ifndef HEDDLE_OS_FDPASS_H
#define HEDDLE_OS_FDPASS_H

#include "ktime.h"
#include "types.h"
#include <sys/types.h>

struct host_mm;
struct zygote_fds;

/* At boot: makes sockets in z, if they are needed. -errno. */
must_check int fdpass_init(struct zygote_fds *z);
/* Are they? Constant after boot. */
bool fdpass_by_socket(void);

/*
 * Adds to hm's control page what gives its keeper those n descriptors, 1 or 2, as its first free
 * ones, in this order. -errno.
 */
must_check int fdpass_to_keeper(struct host_mm *hm, const int *fds, int n);
/* That batch failed: what the keeper may not have taken is thrown away. */
void fdpass_failed(void);

/* What tasks have in their control page, and need to send their listener. */
void fdpass_prepare(struct host_mm *hm);
/* The listener of a task. -ENOENT: it hasn't sent it; -EMFILE and the like: it is still there. */
must_check int fdpass_listener(pid_t pid);
/* Until another one comes; for some ns, since another CPU may take it from the socket. */
void fdpass_wait(ktime_t ns);
/* That process was waited for, and its listener may not have been fetched. */
void fdpass_forget(pid_t pid);

#endif
