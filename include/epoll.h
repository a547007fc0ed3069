/* epoll, as the rest of the kernel sees it (kernel/ipc/epoll.c). */
#ifndef HEDDLE_EPOLL_H
#define HEDDLE_EPOLL_H

#include "types.h"

struct file;

/*
 * Ends all watches on f. Called by file_put() when the last reference is gone, before ops->release.
 * May sleep. Cheap when f was never watched.
 */
void epoll_file_released(struct file *f);

#endif
