/*
 * The quota: `used` counts the sizes of regular files, those without a name too until their last
 * user is gone; holes count as if they were written. Room is reserved before a file grows, and what
 * was not needed given back.
 *
 * The superblock says what was used when it was last written: at sync, and when the kernel ends.
 * Until then the journal tells that it isn't to be relied on.
 */
#include "kernel/fs/humfs/humfs.h"

#define SUPERBLOCK_NEW HUMFS_SUPERBLOCK ".new"

u64 humfs_reserve(struct super_block *sb, u64 n)
{
	struct humfs_sb *hs = humfs_sb(sb);
	u64 used = load_relaxed(&hs->used), room;

	do
		room = used < hs->total ? min(n, hs->total - used) : 0;
	while (!__atomic_compare_exchange_n(&hs->used, &used, used + room, true, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED));
	return room;
}

/* What old tools wrote may be too little: never below nothing. */
void humfs_unreserve(struct super_block *sb, u64 n)
{
	struct humfs_sb *hs = humfs_sb(sb);
	u64 used = load_relaxed(&hs->used);

	while (!__atomic_compare_exchange_n(&hs->used, &used, used > n ? used - n : 0, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

int humfs_super_read(struct humfs_sb *hs)
{
	char text[HUMFS_SUPER_MAX + 1];
	struct humfs_super s;
	struct fh *h = fh_open_at(hs->base, HUMFS_SUPERBLOCK, O_RDONLY, 0);
	ssize_t n;
	int err;

	if (IS_ERR(h))
		return PTR_ERR(h);
	n = fh_pread(h, text, sizeof(text), 0);
	fh_put(h);
	if (n < 0)
		return n;
	err = humfs_super_parse(text, n, &s);
	if (err)
		return err;
	hs->used = hs->used_written = s.used;
	hs->total = s.total;
	return 0;
}

int humfs_super_write(struct humfs_sb *hs)
{
	struct humfs_super s = {load_relaxed(&hs->used), hs->total};
	char text[HUMFS_SUPER_MAX];
	size_t n = humfs_super_format(&s, text);
	struct fh *h;
	ssize_t done;
	int err;

	if (!hs->journal || s.used == hs->used_written)
		return 0;
	h = fh_open_at(hs->base, SUPERBLOCK_NEW, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (IS_ERR(h))
		return PTR_ERR(h);
	done = fh_pwrite(h, text, n, 0);
	err = done < 0 ? (int)done : (size_t)done == n ? fh_fsync(h, false) : -EIO;
	fh_put(h);
	if (!err)
		err = fh_rename_at(hs->base, SUPERBLOCK_NEW, hs->base, HUMFS_SUPERBLOCK, 0, NULL);
	if (!err)
		hs->used_written = s.used;
	return err;
}
