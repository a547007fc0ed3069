/*
 * Contents of a regular file in memory.
 *
 * A small file that nobody maps is one kernel buffer: each byte moves once between it and the
 * guest. The buffer may be shorter than the file: what lies behind it is zero. When the file is
 * mapped, or written beyond MEMDATA_BUFFER_MAX, it turns into a memfd for good, which the guest
 * maps from the host; reads and writes then go to the memfd, so that they and mappings always
 * agree.
 *
 * All calls: the inode's lock held, for writing where contents or size change. Sizes are kept by
 * the caller in inode->size.
 */
#ifndef HEDDLE_MEMDATA_H
#define HEDDLE_MEMDATA_H

#include "types.h"
#include "uaccess.h"

struct fh;
struct mem_limit;
struct mmap_target;

#define MEMDATA_BUFFER_MAX (1UL << 20)
#define MEMDATA_PAGES (MEMDATA_BUFFER_MAX / PAGE_SIZE)

struct memdata {
	struct fh *memfd; /* NULL: buf is the file. Set once; atomic for those who map */
	u8 *buf;	  /* of cap bytes; zero where nothing was written */
	u32 cap;
	u64 written[MEMDATA_PAGES / 64]; /* of buf: pages that are data, not holes */
	u64 charged;			 /* bytes taken from the limit */
	u64 committed;			 /* pages that count as promised memory (commit.h) */
	u64 reserved;  /* of them, however few are used yet: constant after creation */
	u64 uncounted; /* of the memfd: bytes written since its blocks were counted */
	bool mapped;   /* it was mapped, where promises are kept: all its pages count */
};

/* Bytes read; 0 at the end of the file; -EFAULT. */
ssize_t memdata_read(struct memdata *d, u64 size, struct iov_iter *to, u64 off);
/*
 * Bytes written (fewer when space or the guest's memory ends); -EFAULT, -ENOSPC, -ENOMEM, -EPERM
 * (sealed).
 */
ssize_t memdata_write(struct memdata *d, struct mem_limit *lim, u64 size, struct iov_iter *from,
		      u64 off);
must_check int memdata_resize(struct memdata *d, struct mem_limit *lim, u64 old, u64 size);
/* FALLOC_FL_*. *size may grow. */
must_check int memdata_fallocate(struct memdata *d, struct mem_limit *lim, int mode, u64 off,
				 u64 len, u64 *size);
/* SEEK_DATA, SEEK_HOLE: the offset or -ENXIO. */
s64 memdata_seek(struct memdata *d, u64 size, u64 off, int whence);
must_check int memdata_make_memfd(struct memdata *d, struct mem_limit *lim, u64 size);
/*
 * For file_operations->mmap; lock held for writing. With --memory the whole file is promised from
 * then on: -ENOMEM.
 */
must_check int memdata_mmap(struct memdata *d, struct mem_limit *lim, u64 size, u64 off,
			    struct mmap_target *t);
/* Bytes that all files hold, and how much of it in memfds. */
void memdata_usage(u64 *all, u64 *memfds);
/* A file that was just made: promises its memory up front. -ENOMEM. */
must_check int memdata_reserve(struct memdata *d, u64 size);
u64 memdata_blocks(struct memdata *d); /* of 512 bytes */
void memdata_free(struct memdata *d, struct mem_limit *lim);

#endif
