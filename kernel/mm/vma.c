/* The vma table. */
#include "kernel/mm/vma.h"
#include "alloc.h"
#include "fs.h"
#include "log.h"
#include <string.h>

int vma_index(const struct mm *mm, uaddr_t addr)
{
	int lo = 0, hi = mm->nr_vmas;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (mm->vmas[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct vma *vma_find(struct mm *mm, uaddr_t addr)
{
	int i = vma_index(mm, addr);

	return i < mm->nr_vmas ? &mm->vmas[i] : NULL;
}

/* Room for n more in the array. */
static int make_room(struct mm *mm, int n)
{
	int want = mm->nr_vmas + n, cap = mm->cap_vmas ? mm->cap_vmas : 32;
	struct vma *v;

	if (want <= mm->cap_vmas)
		return 0;
	while (cap < want)
		cap *= 2;
	v = krealloc(mm->vmas, cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	mm->vmas = v;
	mm->cap_vmas = cap;
	return 0;
}

int vma_reserve(struct mm *mm, int n)
{
	return mm->nr_vmas + n > MAX_MAP_COUNT ? -ENOMEM : make_room(mm, n);
}

int vma_reserve_cut(struct mm *mm, uaddr_t start, uaddr_t end)
{
	int i = vma_index(mm, start);
	bool hole = i < mm->nr_vmas && mm->vmas[i].start < start && mm->vmas[i].end > end;

	/*
	 * While it is cut there are two more for a moment, but only a hole leaves more than there
	 * were.
	 */
	return hole && mm->nr_vmas >= MAX_MAP_COUNT ? -ENOMEM : make_room(mm, 2);
}

static void account(struct mm *mm, const struct vma *v, int sign)
{
	s64 pages = (s64)((v->end - v->start) >> PAGE_SHIFT) * sign;

	mm->total_pages += pages;
	mm->peak_pages = max(mm->peak_pages, mm->total_pages);
	if (v->flags & VM_ACCOUNT)
		mm->commit_pages += pages;
	if (v->flags & VM_LOCKED)
		mm->locked_pages += pages;
	if (v->flags & VM_STACK)
		mm->stack_pages += pages;
	else if ((v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		mm->data_pages += pages;
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->flags == b->flags && a->file == b->file &&
	       (!a->file || a->pgoff + (a->end - a->start) == b->pgoff);
}

/* What was learnt of the table holds no longer. */
static void changed(struct mm *mm)
{
	store_release(&mm->map_seq, mm->map_seq + 1);
}

static void remove_at(struct mm *mm, int i, int n)
{
	memmove(&mm->vmas[i], &mm->vmas[i + n], (mm->nr_vmas - i - n) * sizeof(*mm->vmas));
	mm->nr_vmas -= n;
}

static void insert_at(struct mm *mm, int i, const struct vma *v)
{
	ASSERT(mm->nr_vmas < mm->cap_vmas);
	memmove(&mm->vmas[i + 1], &mm->vmas[i], (mm->nr_vmas - i) * sizeof(*mm->vmas));
	mm->vmas[i] = *v;
	mm->nr_vmas++;
}

/* Merges vma i with the one behind it, if they fit. */
static bool merge_next(struct mm *mm, int i)
{
	struct vma *a = &mm->vmas[i], *b = a + 1;

	if (i < 0 || i + 1 >= mm->nr_vmas || !mergeable(a, b))
		return false;
	a->end = b->end;
	if (b->file)
		file_put(b->file);
	remove_at(mm, i + 1, 1);
	return true;
}

void vma_insert(struct mm *mm, const struct vma *v)
{
	int i = vma_index(mm, v->start);

	ASSERT(i == mm->nr_vmas || mm->vmas[i].start >= v->end);
	insert_at(mm, i, v);
	if (vma_accountable(v->flags))
		mm->vmas[i].flags |= VM_ACCOUNT;
	account(mm, &mm->vmas[i], 1);
	merge_next(mm, i);
	merge_next(mm, i - 1);
}

/* Makes addr a boundary. */
static void split(struct mm *mm, uaddr_t addr)
{
	int i = vma_index(mm, addr);
	struct vma right;

	if (i == mm->nr_vmas || mm->vmas[i].start >= addr)
		return;
	right = mm->vmas[i];
	if (right.file) {
		file_get(right.file);
		right.pgoff += addr - right.start;
	}
	right.start = addr;
	mm->vmas[i].end = addr;
	insert_at(mm, i + 1, &right);
}

void vma_cut(struct mm *mm, uaddr_t start, uaddr_t end)
{
	int i, n = 0;

	changed(mm);
	split(mm, start);
	split(mm, end);
	i = vma_index(mm, start);
	while (i + n < mm->nr_vmas && mm->vmas[i + n].start < end) {
		account(mm, &mm->vmas[i + n], -1);
		if (mm->vmas[i + n].file)
			file_put(mm->vmas[i + n].file);
		n++;
	}
	remove_at(mm, i, n);
}

void vma_change(struct mm *mm, uaddr_t start, uaddr_t end, u32 set, u32 clear)
{
	int first, i;

	changed(mm);
	split(mm, start);
	split(mm, end);
	first = vma_index(mm, start);
	for (i = first; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		account(mm, &mm->vmas[i], -1);
		mm->vmas[i].flags = (mm->vmas[i].flags & ~clear) | set;
		if (vma_accountable(mm->vmas[i].flags))
			mm->vmas[i].flags |= VM_ACCOUNT;
		account(mm, &mm->vmas[i], 1);
	}
	for (; i >= first; i--)
		merge_next(mm, i - 1);
}

/* Pages in [start, end) with these flags, all of `mask` looked at. */
static u64 count(const struct mm *mm, uaddr_t start, uaddr_t end, u32 mask, u32 flags)
{
	u64 bytes = 0;

	for (int i = vma_index(mm, start); i < mm->nr_vmas && mm->vmas[i].start < end; i++)
		if ((mm->vmas[i].flags & mask) == flags)
			bytes += min(end, mm->vmas[i].end) - max(start, mm->vmas[i].start);
	return bytes >> PAGE_SHIFT;
}

u64 vma_accounted(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	return count(mm, start, end, VM_ACCOUNT, VM_ACCOUNT);
}

u64 vma_unaccounted(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	return count(mm, start, end, VM_ACCOUNT | VM_SHARED | VM_NORESERVE, 0);
}

u64 vma_not_data(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	return count(mm, start, end, VM_WRITE | VM_SHARED | VM_STACK, 0);
}

u64 vma_pages(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	return count(mm, start, end, 0, 0);
}

u64 vma_locked(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	return count(mm, start, end, VM_LOCKED, VM_LOCKED);
}

uaddr_t vma_gap_down(const struct mm *mm, size_t len, uaddr_t bottom, uaddr_t top)
{
	int i = vma_index(mm, top);
	uaddr_t end = top;

	if (i < mm->nr_vmas && mm->vmas[i].start < end)
		end = mm->vmas[i].start;
	for (;;) {
		uaddr_t low = i > 0 ? mm->vmas[i - 1].end : 0;

		low = max(low, bottom);
		if (end >= low && end - low >= len)
			return end - len;
		if (i == 0 || mm->vmas[i - 1].start <= bottom)
			return 0;
		end = mm->vmas[--i].start;
	}
}

bool vma_range_free(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	int i = vma_index(mm, start);

	return i == mm->nr_vmas || mm->vmas[i].start >= end;
}

uaddr_t vma_mapped_until(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	for (int i = vma_index(mm, start);
	     i < mm->nr_vmas && mm->vmas[i].start <= start && start < end; i++)
		start = mm->vmas[i].end;
	return min(start, end);
}

int vma_copy_all(struct mm *to, const struct mm *from)
{
	int err = vma_reserve(to, from->nr_vmas + 8);

	if (err)
		return err;
	for (int i = 0; i < from->nr_vmas; i++) {
		const struct vma *v = &from->vmas[i];

		if (v->flags & VM_DONTFORK)
			continue;
		if (v->file)
			file_get(v->file);
		to->vmas[to->nr_vmas] = *v;
		to->vmas[to->nr_vmas].flags &= ~VM_LOCKED;
		account(to, &to->vmas[to->nr_vmas++], 1);
	}
	return 0;
}

void vma_clear_all(struct mm *mm)
{
	for (int i = 0; i < mm->nr_vmas; i++)
		if (mm->vmas[i].file)
			file_put(mm->vmas[i].file);
	mm->nr_vmas = 0;
	mm->total_pages = mm->locked_pages = mm->data_pages = mm->stack_pages = 0;
	mm->commit_pages = 0;
}
