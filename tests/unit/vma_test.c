/*
 * The vma table: splits, merges, gaps, against a model with one entry a page.
 * objects: kernel/mm/vma.o
 */
#include "kernel/mm/vma.h"
#include "alloc.h"
#include "fs.h"
#include "log.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#define BASE 0x100000UL
#define PAGES 64
#define P(n) (BASE + (n)*PAGE_SIZE)

static struct mm mm;

/* Files are only counted here. */
struct file *file_get(struct file *f)
{
	return f;
}

void file_put(struct file *f)
{
}

void *krealloc(void *p, size_t size)
{
	return realloc(p, size);
}

void panic(const char *fmt, ...)
{
	abort();
}

static void fresh(void)
{
	vma_clear_all(&mm);
}

static void map(int from, int to, u32 flags)
{
	struct vma v = {.start = P(from), .end = P(to), .flags = flags};

	ck_assert_int_eq(vma_reserve(&mm, 3), 0);
	vma_cut(&mm, v.start, v.end);
	vma_insert(&mm, &v);
}

static void unmap(int from, int to)
{
	ck_assert_int_eq(vma_reserve(&mm, 2), 0);
	vma_cut(&mm, P(from), P(to));
}

START_TEST(neighbours_with_the_same_flags_merge)
{
	fresh();
	map(0, 2, VM_READ);
	map(4, 6, VM_READ);
	map(2, 4, VM_READ);
	ck_assert_int_eq(mm.nr_vmas, 1);
	map(6, 7, VM_WRITE);
	ck_assert_int_eq(mm.nr_vmas, 2);
	ck_assert_uint_eq(mm.total_pages, 7);
	ck_assert_uint_eq(mm.data_pages, 1);
}
END_TEST

START_TEST(a_hole_splits_and_offsets_follow_in_files_only)
{
	struct vma v = {.start = P(40), .end = P(48), .flags = VM_READ, .file = (struct file *)&mm};

	fresh();
	map(0, 8, VM_READ);
	unmap(3, 5);
	ck_assert_int_eq(mm.nr_vmas, 2);
	ck_assert_uint_eq(mm.vmas[0].end, P(3));
	ck_assert_uint_eq(mm.vmas[1].start, P(5));
	ck_assert_uint_eq(mm.vmas[1].pgoff, 0);
	vma_insert(&mm, &v);
	unmap(43, 45);
	ck_assert_int_eq(mm.nr_vmas, 4);
	ck_assert_uint_eq(mm.vmas[3].pgoff, 5 * PAGE_SIZE);
}
END_TEST

START_TEST(gaps_are_found_from_the_top_down)
{
	fresh();
	map(10, 12, VM_READ);
	map(20, 30, VM_READ);
	ck_assert_uint_eq(vma_gap_down(&mm, 2 * PAGE_SIZE, P(0), P(40)), P(38));
	ck_assert_uint_eq(vma_gap_down(&mm, 12 * PAGE_SIZE, P(0), P(40)), 0);
	ck_assert_uint_eq(vma_gap_down(&mm, 10 * PAGE_SIZE, P(0), P(40)), P(30));
	ck_assert_uint_eq(vma_gap_down(&mm, 8 * PAGE_SIZE, P(0), P(30)), P(12));
	ck_assert_uint_eq(vma_gap_down(&mm, 10 * PAGE_SIZE, P(0), P(30)), P(0));
	ck_assert_uint_eq(vma_gap_down(&mm, 10 * PAGE_SIZE, P(1), P(30)), 0);
	ck_assert_uint_eq(vma_gap_down(&mm, PAGE_SIZE, P(0), P(25)), P(19));
}
END_TEST

START_TEST(mapped_stretches_end_at_the_first_hole)
{
	fresh();
	map(1, 3, VM_READ);
	map(3, 5, VM_WRITE);
	map(6, 7, VM_READ);
	ck_assert_uint_eq(vma_mapped_until(&mm, P(1), P(9)), P(5));
	ck_assert_uint_eq(vma_mapped_until(&mm, P(2), P(4)), P(4));
	ck_assert_uint_eq(vma_mapped_until(&mm, P(0), P(4)), P(0));
	ck_assert(vma_range_free(&mm, P(5), P(6)));
	ck_assert(!vma_range_free(&mm, P(5), P(7)));
}
END_TEST

/* Private memory that was ever writable counts as promised. */
static u32 with_account(u32 old, u32 flags)
{
	return flags | (old & VM_ACCOUNT) | (flags & VM_WRITE ? VM_ACCOUNT : 0);
}

/*
 * What the table says of each page must be what the model says, and no two neighbours may be
 * mergeable.
 */
static void compare(const u32 *model)
{
	u64 pages = 0, promised = 0;

	for (int i = 0; i < PAGES; i++) {
		struct vma *v = vma_find(&mm, P(i));
		u32 flags = v && v->start <= P(i) ? v->flags : 0;

		ck_assert_uint_eq(flags, model[i]);
		if (flags)
			ck_assert_uint_eq(v->pgoff, 0);
		pages += model[i] != 0;
		promised += (model[i] & VM_ACCOUNT) != 0;
	}
	for (int i = 0; i + 1 < mm.nr_vmas; i++) {
		ck_assert(mm.vmas[i].end <= mm.vmas[i + 1].start);
		ck_assert(mm.vmas[i].end < mm.vmas[i + 1].start ||
			  mm.vmas[i].flags != mm.vmas[i + 1].flags);
	}
	ck_assert_uint_eq(mm.total_pages, pages);
	ck_assert_uint_eq(mm.commit_pages, promised);
	ck_assert_uint_eq(vma_accounted(&mm, P(0), P(PAGES)), promised);
	ck_assert_uint_eq(vma_unaccounted(&mm, P(0), P(PAGES)), pages - promised);
}

START_TEST(random_operations_match_a_page_model)
{
	u32 model[PAGES] = {0};

	fresh();
	srand(1);
	for (int round = 0; round < 20000; round++) {
		int a = rand() % PAGES, b = a + 1 + rand() % (PAGES - a);
		u32 flags = 1u << rand() % 3;

		switch (rand() % 3) {
		case 0:
			map(a, b, flags);
			for (int i = a; i < b; i++)
				model[i] = with_account(0, flags);
			break;
		case 1:
			unmap(a, b);
			memset(model + a, 0, (b - a) * sizeof(*model));
			break;
		default:
			b = a + (vma_mapped_until(&mm, P(a), P(b)) - P(a)) / PAGE_SIZE;
			ck_assert_int_eq(vma_reserve(&mm, 2), 0);
			if (b > a)
				vma_change(&mm, P(a), P(b), flags, 7);
			for (int i = a; i < b; i++)
				model[i] = with_account(model[i], flags);
		}
		compare(model);
	}
}
END_TEST

UNIT_MAIN("vma table", neighbours_with_the_same_flags_merge,
	  a_hole_splits_and_offsets_follow_in_files_only, gaps_are_found_from_the_top_down,
	  mapped_stretches_end_at_the_first_hole, random_operations_match_a_page_model)
