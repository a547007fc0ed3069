/*
 * Names of a directory in memory: a hash by name, and an array in the order of cookies for reading.
 * A cookie belongs to an entry for its life and is never used again in this directory, so a reader
 * goes on where it was whatever was created or removed meanwhile.
 *
 * All calls: the directory inode's lock held, for writing where entries change.
 */
#ifndef HEDDLE_MEMDIR_H
#define HEDDLE_MEMDIR_H

#include "types.h"

struct inode;

struct memdirent {
	struct memdirent *next; /* in its bucket */
	struct inode *inode;	/* +1; NULL: a whiteout (overlay) */
	u64 cookie;
	u32 hash;
	u16 len;
	bool covers; /* overlay: the layer below has the name too */
	char name[];
};

struct memdir {
	struct memdir_slot {
		u64 cookie;
		struct memdirent *e; /* NULL: removed */
	} * slots;		     /* ascending cookies */
	u32 nr_slots, cap_slots;
	u32 live; /* entries that are no whiteouts */
	u32 whiteouts;
	u64 next_cookie;	    /* 0: none given yet */
	struct memdirent **buckets; /* NULL while there are few */
	u32 nr_buckets;
};

/* Entries, after which who empties a directory lets the CPU do something else. */
#define MEMDIR_BATCH 256

/* Cookies 0 and 1 are left for "." and "..". */
#define MEMDIR_FIRST_COOKIE 2

struct memdirent *memdir_find(const struct memdir *d, const char *name, size_t len);
/*
 * Adds a name that is not there. Takes the reference on inode (NULL: a whiteout), not on failure.
 * NULL: no memory.
 */
must_check struct memdirent *memdir_add(struct memdir *d, const char *name, size_t len,
					struct inode *inode);
/* Takes the entry out and frees it; returns its inode, whose reference is the caller's now. */
struct inode *memdir_remove(struct memdir *d, struct memdirent *e);
/* Puts another inode (or a whiteout) under the name: takes its reference, returns the old one's. */
struct inode *memdir_replace(struct memdir *d, struct memdirent *e, struct inode *inode);
/* The first entry with a cookie >= from; NULL. */
struct memdirent *memdir_next(const struct memdir *d, u64 from);
/*
 * The last entry; NULL. Who empties a directory takes this: from the front each search would go
 * through the slots of all that were removed before.
 */
struct memdirent *memdir_last(const struct memdir *d);
void memdir_free(struct memdir *d); /* empty */

#endif
