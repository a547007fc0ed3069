/* How much memory is promised. See commit.h. */
#include "commit.h"
#include "fh.h"
#include "log.h"
#include "mm.h"

static u64 limit;     /* constant after boot: bytes; 0: none */
static u64 host_size; /* atomic: bytes; found when it is first asked for */
static u64 committed; /* atomic: pages */

void commit_init(u64 bytes)
{
	limit = bytes;
}

bool commit_strict(void)
{
	return limit != 0;
}

u64 memory_size(void)
{
	u64 size = limit ? limit : load_relaxed(&host_size);

	if (!size) {
		size = fh_ram_bytes();
		store_relaxed(&host_size, size);
	}
	return size;
}

u64 commit_limit(void)
{
	return limit ? limit : memory_size() / 2;
}

u64 commit_pages(void)
{
	return load_relaxed(&committed);
}

bool commit_fits(u64 pages)
{
	u64 all = memory_size() >> PAGE_SHIFT;

	return pages <= all && (!limit || commit_pages() + pages <= all);
}

bool commit_take(u64 pages)
{
	u64 all = memory_size() >> PAGE_SHIFT, now;

	if (pages > all)
		return false;
	now = __atomic_add_fetch(&committed, pages, __ATOMIC_RELAXED);
	if (!limit || now <= all)
		return true;
	commit_give(pages);
	return false;
}

void commit_give(u64 pages)
{
	__atomic_sub_fetch(&committed, pages, __ATOMIC_RELAXED);
}

void commit_force(u64 pages)
{
	__atomic_add_fetch(&committed, pages, __ATOMIC_RELAXED);
}

int mm_charge(struct mm *mm, u64 pages)
{
	if (pages && !commit_take(pages))
		return -ENOMEM;
	mm->charged += pages;
	return 0;
}

void mm_settle(struct mm *mm)
{
	ASSERT(mm->charged >= mm->commit_pages);
	commit_give(mm->charged - mm->commit_pages);
	mm->charged = mm->commit_pages;
}
