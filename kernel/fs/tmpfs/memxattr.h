/*
 * Extended attributes in memory. What they take counts as bytes of the file system.
 *
 * All calls: the inode's lock held, for writing where attributes change.
 */
#ifndef HEDDLE_MEMXATTR_H
#define HEDDLE_MEMXATTR_H

#include "types.h"

struct mem_limit;
struct memxattr;

/* The value's length; it is copied if size is not 0. -ENODATA, -ERANGE. */
ssize_t memxattr_get(const struct memxattr *list, const char *name, void *value, size_t size);
/* All names, each with its NUL: their length; copied if size is not 0. -ERANGE. */
ssize_t memxattr_list(const struct memxattr *list, char *names, size_t size);
/*
 * value NULL: removes it. flags: XATTR_CREATE, XATTR_REPLACE. -EEXIST, -ENODATA, -ENOSPC, -ENOMEM.
 */
must_check int memxattr_set(struct memxattr **list, struct mem_limit *lim, const char *name,
			    const void *value, size_t size, int flags);
void memxattr_free(struct memxattr **list, struct mem_limit *lim);

#endif
