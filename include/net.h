/* Sockets, as the rest of the kernel sees them (kernel/net/). */
#ifndef HEDDLE_NET_H
#define HEDDLE_NET_H

#include "types.h"

struct file;

/* Boot. */
must_check int net_init(void);
bool file_is_socket(const struct file *f);

#endif
