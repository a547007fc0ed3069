/* Extended attributes in memory: a list, as files have few. */
#include "kernel/fs/tmpfs/memxattr.h"

#include "alloc.h"
#include "kernel/fs/tmpfs/memlimit.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

struct memxattr {
	struct memxattr *next;
	u32 name_size; /* with the NUL */
	u32 size;
	char name[]; /* then the value */
};

static const char *value_of(const struct memxattr *x)
{
	return x->name + x->name_size;
}

static u64 bytes_of(const struct memxattr *x)
{
	return sizeof(*x) + x->name_size + x->size;
}

ssize_t memxattr_get(const struct memxattr *list, const char *name, void *value, size_t size)
{
	for (const struct memxattr *x = list; x; x = x->next) {
		if (strcmp(x->name, name))
			continue;
		if (size && size < x->size)
			return -ERANGE;
		if (size)
			memcpy(value, value_of(x), x->size);
		return x->size;
	}
	return -ENODATA;
}

ssize_t memxattr_list(const struct memxattr *list, char *names, size_t size)
{
	size_t n = 0;

	for (const struct memxattr *x = list; x; x = x->next) {
		if (size && n + x->name_size > size)
			return -ERANGE;
		if (size)
			memcpy(names + n, x->name, x->name_size);
		n += x->name_size;
	}
	return n;
}

static struct memxattr *memxattr_new(struct mem_limit *lim, const char *name, const void *value,
				     size_t size)
{
	u32 name_size = strlen(name) + 1;
	struct memxattr *x = kmalloc(sizeof(*x) + name_size + size);

	if (!x)
		return ERR_PTR(-ENOMEM);
	*x = (struct memxattr){.name_size = name_size, .size = size};
	memcpy(x->name, name, name_size);
	memcpy(x->name + name_size, value, size);
	if (!limit_take(&lim->bytes, lim->max_bytes, bytes_of(x))) {
		kfree(x);
		return ERR_PTR(-ENOSPC);
	}
	return x;
}

static void drop(struct memxattr **at, struct mem_limit *lim)
{
	struct memxattr *x = *at;

	*at = x->next;
	limit_give(&lim->bytes, bytes_of(x));
	kfree(x);
}

int memxattr_set(struct memxattr **list, struct mem_limit *lim, const char *name, const void *value,
		 size_t size, int flags)
{
	struct memxattr **at = list, *x;

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	if (*at && flags & XATTR_CREATE)
		return -EEXIST;
	if (!*at && (flags & XATTR_REPLACE || !value))
		return -ENODATA;
	if (value) {
		x = memxattr_new(lim, name, value, size);
		if (IS_ERR(x))
			return PTR_ERR(x);
		x->next = *at;
		*at = x;
		at = &x->next;
	}
	if (*at && !strcmp((*at)->name, name))
		drop(at, lim);
	return 0;
}

void memxattr_free(struct memxattr **list, struct mem_limit *lim)
{
	while (*list)
		drop(list, lim);
}
