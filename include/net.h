/* Sockets, as the rest of the kernel sees them (kernel/net/). */
#ifndef HEDDLE_NET_H
#define HEDDLE_NET_H

#include "types.h"

struct file;

/* Boot. */
must_check int net_init(void);
bool file_is_socket(const struct file *f);

/* One line of /proc/net/unix for each socket: emit(arg, line) until it returns false. */
void unix_show_all(bool (*emit)(void *arg, const char *line), void *arg);

#endif
