/* Lists of directory entries: two arrays that grow. */
#include "kernel/fs/dirlist.h"

#include "alloc.h"
#include <errno.h>
#include <string.h>

void dir_list_free(struct dir_list *l)
{
	kfree(l->entries);
	kfree(l->names);
	*l = (struct dir_list){};
}

static int reserve(struct dir_list *l, size_t len)
{
	void *more;

	if (l->nr == l->cap) {
		more = krealloc(l->entries, (l->cap * 2 + 32) * sizeof(*l->entries));
		if (!more)
			return -ENOMEM;
		l->entries = more;
		l->cap = l->cap * 2 + 32;
	}
	if (!l->names || l->names_len + len > l->names_cap) {
		more = krealloc(l->names, l->names_cap * 2 + 1024 + len);
		if (!more)
			return -ENOMEM;
		l->names = more;
		l->names_cap = l->names_cap * 2 + 1024 + len;
	}
	return 0;
}

int dir_list_add(struct dir_list *l, const char *name, size_t len, u64 ino, unsigned type)
{
	int err = reserve(l, len + 1);

	if (err)
		return err;
	l->entries[l->nr++] = (struct dir_list_entry){ino, l->names_len, len, type};
	memcpy(l->names + l->names_len, name, len);
	l->names[l->names_len + len] = '\0';
	l->names_len += len + 1;
	return 0;
}
