/*
 * The entries of a directory, gathered to be merged with another layer's or emptied. Protected by
 * whoever has the list.
 */
#ifndef HEDDLE_FS_DIRLIST_H
#define HEDDLE_FS_DIRLIST_H

#include "log.h"
#include "types.h"

struct dir_list {
	struct dir_list_entry {
		u64 ino;
		u32 name; /* offset in names */
		u8 len, type;
	} * entries;
	u32 nr, cap;
	char *names; /* each ends in a zero byte */
	u32 names_len, names_cap;
};

/* len: bytes of the name; type: DT_*. -ENOMEM. */
must_check int dir_list_add(struct dir_list *l, const char *name, size_t len, u64 ino,
			    unsigned type);
/* Leaves an empty list. */
void dir_list_free(struct dir_list *l);

static inline const char *dir_list_name(const struct dir_list *l, u32 i)
{
	ASSERT(i < l->nr && l->entries);
	return l->names + l->entries[i].name;
}

/* "." and "..", which belong to no layer. */
static inline bool is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

#endif
