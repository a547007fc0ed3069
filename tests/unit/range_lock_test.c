/*
 * Record locks: random locks and unlocks of several owners, against a model that knows each byte.
 * test: quick=no
 */
#include "kernel/fs/locks.h"
#include "unit.h"
#include <stdlib.h>

#define BYTES 64
#define OWNERS 3

static short model[OWNERS][BYTES]; /* what each owner holds of each byte */
static struct range_list list = {.head = CDS_LIST_HEAD_INIT(list.head)};
static int owners[OWNERS];

static struct file_lock lock_of(int owner, unsigned start, unsigned end, short type)
{
	return (struct file_lock){
		.start = start, .end = end, .type = type, .owner = &owners[owner]};
}

static bool model_conflict(const struct file_lock *w, int owner)
{
	for (int o = 0; o < OWNERS; o++) {
		for (u64 b = w->start; o != owner && b <= w->end; b++) {
			if (model[o][b] != F_UNLCK &&
			    (model[o][b] == F_WRLCK || w->type == F_WRLCK))
				return true;
		}
	}
	return false;
}

/* Every byte as the model has it, ordered by start, and neighbours of one kind and owner merged. */
static void compare(void)
{
	short seen[OWNERS][BYTES];
	struct file_lock *l, *m;
	bool overlaps = false, unmerged = false;
	u64 last = 0;

	for (int o = 0; o < OWNERS; o++) {
		for (int b = 0; b < BYTES; b++)
			seen[o][b] = F_UNLCK;
	}
	cds_list_for_each_entry(l, &list.head, link) {
		int o = (const int *)l->owner - owners;

		ck_assert_uint_ge(l->start, last);
		last = l->start;
		ck_assert_uint_le(l->start, l->end);
		for (u64 b = l->start; b <= l->end; b++) {
			overlaps |= seen[o][b] != F_UNLCK;
			seen[o][b] = l->type;
		}
		cds_list_for_each_entry(m, &list.head, link)
			unmerged |= m != l && m->owner == l->owner && m->type == l->type &&
				    m->start == l->end + 1;
	}
	ck_assert(!overlaps && !unmerged);
	ck_assert_mem_eq(seen, model, sizeof(seen));
}

/* One random request; true if it was granted. */
static bool step(void)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
	unsigned a = rand() % BYTES, b = rand() % BYTES;
	int owner = rand() % OWNERS;
	struct file_lock w = lock_of(owner, a < b ? a : b, a < b ? b : a, types[rand() % 3]);
	struct file_lock *spare[2];
	bool conflict = w.type != F_UNLCK && model_conflict(&w, owner), weaker = false;

	ck_assert_int_eq(conflict, w.type != F_UNLCK && range_conflict(&list, &w) != NULL);
	if (conflict)
		return false;
	for (u64 i = w.start; i <= w.end; i++) {
		if (model[owner][i] != F_UNLCK && model[owner][i] != w.type &&
		    (w.type == F_UNLCK || model[owner][i] == F_WRLCK))
			weaker = true;
		model[owner][i] = w.type;
	}
	spare[0] = kmalloc(sizeof(*spare[0]));
	spare[1] = kmalloc(sizeof(*spare[1]));
	ck_assert_int_eq(range_apply(&list, &w, spare), weaker);
	kfree(spare[0]);
	kfree(spare[1]);
	return true;
}

START_TEST(random_locks_match_the_model)
{
	int granted = 0;

	for (int o = 0; o < OWNERS; o++) {
		for (int b = 0; b < BYTES; b++)
			model[o][b] = F_UNLCK;
	}
	srand(_i);
	for (int i = 0; i < 20000; i++) {
		granted += step();
		compare();
	}
	ck_assert_int_gt(granted, 2000);
	for (int o = 0; o < OWNERS; o++)
		range_release(&list, &owners[o]);
	ck_assert(cds_list_empty(&list.head) && !list.count);
}
END_TEST

START_TEST(lock_to_the_end_of_everything_can_be_cut)
{
	struct file_lock w = lock_of(0, 0, 0, F_WRLCK);
	struct file_lock *spare[2] = {kmalloc(sizeof(w)), kmalloc(sizeof(w))};

	w.end = FILE_POS_MAX;
	ck_assert(!range_apply(&list, &w, spare));
	kfree(spare[0]);
	kfree(spare[1]);
	spare[0] = kmalloc(sizeof(w));
	spare[1] = NULL;
	w.start = w.end = FILE_POS_MAX;
	w.type = F_UNLCK;
	ck_assert(range_apply(&list, &w, spare));
	ck_assert_ptr_nonnull(spare[0]);
	ck_assert_uint_eq(cds_list_first_entry(&list.head, struct file_lock, link)->end,
			  FILE_POS_MAX - 1);
	kfree(spare[0]);
	ck_assert(range_release(&list, &owners[0]));
	ck_assert(!range_release(&list, &owners[0]));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record locks");
	TCase *tc = tcase_create("record locks");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_locks_match_the_model, 0, 5);
	tcase_add_test(tc, lock_to_the_end_of_everything_can_be_cut);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
