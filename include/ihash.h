/*
 * Tables of inodes by a pair of numbers, for file systems whose files have an identity apart from
 * their names (hard links share an inode). The table holds no references: an inode that is being
 * evicted is passed over and may be replaced.
 */
#ifndef HEDDLE_IHASH_H
#define HEDDLE_IHASH_H

#include "lock.h"
#include "types.h"

struct inode;

/*
 * Inside the file system's part of an inode. All fields: the shard's lock; a, b and inode are set
 * before ihash_add().
 */
struct ihash_node {
	struct ihash_node *next;
	u64 a, b;
	struct inode *inode;
	bool hashed;
};

#define IHASH_SHARDS 16

struct ihash {
	struct ihash_shard {
		struct spinlock lock;	     /* rank INODE_SPIN */
		struct ihash_node **buckets; /* lock */
		u32 size, count;	     /* lock; size is a power of two */
	} shard[IHASH_SHARDS];
};

must_check int ihash_init(struct ihash *t);		 /* -ENOMEM */
void ihash_destroy(struct ihash *t);			 /* it is empty */
struct inode *ihash_find(struct ihash *t, u64 a, u64 b); /* +1 or NULL */
/*
 * Puts n in and returns NULL; or, if a live inode is there under the same numbers, returns that one
 * (+1).
 */
must_check struct inode *ihash_add(struct ihash *t, struct ihash_node *n);
void ihash_remove(struct ihash *t, struct ihash_node *n); /* no-op if it isn't in */

#endif
