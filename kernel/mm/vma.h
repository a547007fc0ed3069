/*
 * The vma table: a sorted array. Private to kernel/mm; all under mm->lock held for writing unless
 * said otherwise.
 */
#ifndef HEDDLE_KERNEL_MM_VMA_H
#define HEDDLE_KERNEL_MM_VMA_H

#include "mm.h"
#include "stub/layout.h"

#define MAX_MAP_COUNT 65530
#define MMAP_MIN_ADDR 0x10000UL
/* Mappings lie below; the vDSO above is not the guest's to change. */
#define GUEST_TOP STUB_VDSO_AREA

/*
 * Private memory that can be written is promised, unless the guest asked that it isn't. It stays so
 * when it is made read-only, since it may have been written. Inserts and changes set VM_ACCOUNT by
 * this; the caller has charged for it.
 */
static inline bool vma_accountable(u32 flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_NORESERVE)) == VM_WRITE;
}
/*
 * Pages in [start, end) that are accounted, and that would be accounted if they became writable.
 * Reading suffices.
 */
u64 vma_accounted(const struct mm *mm, uaddr_t start, uaddr_t end);
u64 vma_unaccounted(const struct mm *mm, uaddr_t start, uaddr_t end);
/*
 * Pages in [start, end) that would count as data (RLIMIT_DATA) if they became writable. Reading
 * suffices.
 */
u64 vma_not_data(const struct mm *mm, uaddr_t start, uaddr_t end);
/* Pages in [start, end) that are mapped, and locked. Reading suffices. */
u64 vma_pages(const struct mm *mm, uaddr_t start, uaddr_t end);
u64 vma_locked(const struct mm *mm, uaddr_t start, uaddr_t end);
/* Index of the first vma that ends behind addr; nr_vmas if none. Reading suffices. */
int vma_index(const struct mm *mm, uaddr_t addr);
/*
 * Makes sure that n more vmas can be inserted without failing. -ENOMEM: memory, or MAX_MAP_COUNT.
 */
must_check int vma_reserve(struct mm *mm, int n);
/* The same for vma_cut(start, end). */
must_check int vma_reserve_cut(struct mm *mm, uaddr_t start, uaddr_t end);
/*
 * Inserts (space was reserved, memory charged; the range is free), merging with neighbours. Takes
 * v->file's reference.
 */
void vma_insert(struct mm *mm, const struct vma *v);
/*
 * Removes [start, end), splitting at its ends: vma_reserve_cut(), or two more than what is inserted
 * afterwards.
 */
void vma_cut(struct mm *mm, uaddr_t start, uaddr_t end);
/*
 * Splits so that start and end are boundaries (reserve 2), then sets and clears flags in between,
 * and merges.
 */
void vma_change(struct mm *mm, uaddr_t start, uaddr_t end, u32 set, u32 clear);
/*
 * First address of a free gap of len below `top`, from the top down, or above `bottom` from there
 * up; 0 if none.
 */
uaddr_t vma_gap_down(const struct mm *mm, size_t len, uaddr_t bottom, uaddr_t top);
/* Is [start, end) free? / all mapped? Reading suffices. */
bool vma_range_free(const struct mm *mm, uaddr_t start, uaddr_t end);
/* End of the mapped stretch that begins at start (start itself if it is not mapped). */
uaddr_t vma_mapped_until(const struct mm *mm, uaddr_t start, uaddr_t end);
must_check int vma_copy_all(struct mm *to, const struct mm *from); /* skips VM_DONTFORK */
void vma_clear_all(struct mm *mm);

#endif
