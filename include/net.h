/* Sockets, as the rest of the kernel sees them (kernel/net/). */
#ifndef HEDDLE_NET_H
#define HEDDLE_NET_H

#include "types.h"

struct file;

/* Boot. */
must_check int net_init(void);
bool file_is_socket(const struct file *f);
bool file_is_stream_socket(const struct file *f);
struct iov_iter;
/* Reads a socket's file; without waiting if so asked, whatever the file's flags are. */
must_check ssize_t socket_read(struct file *f, struct iov_iter *to, bool nonblock);

#endif
