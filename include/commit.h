/*
 * The guest's memory as a whole, and how much of it is promised: private writable mappings, and
 * files in memory. Without --memory it is the host's, and only a request that could never be met is
 * refused (as with Linux's vm.overcommit_memory = 0). With --memory promises are kept within it
 * (vm.overcommit_memory = 2, overcommit_ratio = 100). Atomic: no locks.
 */
#ifndef HEDDLE_COMMIT_H
#define HEDDLE_COMMIT_H

#include "types.h"

struct mm;

void commit_init(u64 limit); /* boot: bytes; 0: none */
u64 memory_size(void);	     /* bytes: the limit, or what the host has */
bool commit_strict(void);    /* was there a limit given? */
u64 commit_limit(void);	     /* bytes: CommitLimit of /proc/meminfo */
u64 commit_pages(void);	     /* promised */

/* Promises pages, or false. */
must_check bool commit_take(u64 pages);
/* Would commit_take() succeed? */
must_check bool commit_fits(u64 pages);
void commit_give(u64 pages);
/* What is used already, whether promised or not. */
void commit_force(u64 pages);

/*
 * A change of mm's mappings that may need `pages` more: before it mm_charge(), after it in any case
 * mm_settle(), which gives back what the vma table doesn't need. Both with mm->lock held for
 * writing. -ENOMEM.
 */
must_check int mm_charge(struct mm *mm, u64 pages);
void mm_settle(struct mm *mm);

#endif
