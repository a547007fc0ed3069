/* Kernel memory: what the functions promise, and that the count returns to where it was. */
#include "smp_util.h"
#include "host.h"
#include <stdint.h>
#include <string.h>

START_TEST(bytes_are_counted_and_given_back)
{
	size_t before = kmalloc_bytes();
	char *p = kmalloc(1000), *q = kzalloc(500), *r = kcalloc(10, 30), *s;
	int i;

	ck_assert(p && q && r);
	for (i = 0; i < 500; i++)
		ck_assert_int_eq(q[i], 0);
	ck_assert_uint_ge(kmalloc_bytes(), before + 1800);
	p = krealloc(p, 5000);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_ge(kmalloc_bytes(), before + 5800);
	s = kasprintf("%d-%s", 42, "x");
	ck_assert_str_eq(s, "42-x");
	kfree(s);
	s = kstrndup("abcdef", 3);
	ck_assert_str_eq(s, "abc");
	kfree(s);
	s = kstrndup("ab", SIZE_MAX);
	ck_assert_str_eq(s, "ab");
	kfree(s);
	s = kstrdup("hello");
	ck_assert_str_eq(s, "hello");
	kfree(s);
	kfree(p);
	kfree(q);
	kfree(r);
	kfree(NULL);
	ck_assert_uint_eq(kmalloc_bytes(), before);
}
END_TEST

START_TEST(absurd_sizes_fail)
{
	volatile size_t huge = SIZE_MAX / 2;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* theirs end the program */
	ck_assert_ptr_null(kmalloc(huge));
#endif
	ck_assert_ptr_null(kcalloc(huge, 4));
	ck_assert_ptr_null(pages_alloc(huge));
	ck_assert_ptr_null(pages_alloc(0));
}
END_TEST

START_TEST(pages_are_zero_and_aligned)
{
	char *p = pages_alloc(3);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % PAGE_SIZE, 0);
	ck_assert_int_eq(p[3 * PAGE_SIZE - 1], 0);
	pages_free(p, 3);
}
END_TEST

static struct spinlock box_lock = SPINLOCK_INIT("box", RANK_MISC);
static void *box[64]; /* box_lock */

/* What one CPU allocates another frees. */
static void exchange(long seed)
{
	u32 x = seed + 1;
	int n;

	for (n = 0; n < 5000; n++) {
		void *p, *old;
		size_t size;

		x = x * 1664525 + 1013904223;
		size = (x >> 8) % 3000;
		p = kmalloc(size);
		must(p);
		memset(p, 0xa5, size);
		spin_lock(&box_lock);
		old = box[x % 64];
		box[x % 64] = p;
		spin_unlock(&box_lock);
		kfree(old);
		if (n % 100 == 0)
			sched_yield_cpu();
	}
}

static void exchangers(void)
{
	long i;

	for (i = 0; i < 8; i++)
		spawn(exchange, i);
}

START_TEST(memory_may_be_freed_on_another_cpu)
{
	size_t before;
	int i;

	/* CPUs' own state and caches are there from the first time on. */
	with_cpus(cpu_counts[_i], exchangers);
	for (i = 0; i < 64; i++) {
		kfree(box[i]);
		box[i] = NULL;
	}
	before = kmalloc_bytes();
	with_cpus(cpu_counts[_i], exchangers);
	for (i = 0; i < 64; i++) {
		kfree(box[i]);
		box[i] = NULL;
	}
	ck_assert_uint_eq(kmalloc_bytes(), before);
}
END_TEST

START_TEST(stacks_are_usable_to_the_last_byte)
{
	enum { SIZE = 32768 };
	char *s[100];
	int i;

	for (i = 0; i < 100; i++) {
		s[i] = host_stack_alloc(SIZE);
		ck_assert_ptr_nonnull(s[i]);
		ck_assert_uint_eq((uintptr_t)s[i] % PAGE_SIZE, 0);
		memset(s[i], i, SIZE);
	}
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(s[i][0], i);
		ck_assert_int_eq(s[i][SIZE - 1], i);
		host_stack_free(s[i], SIZE);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("alloc");

	tcase_add_test(tc, bytes_are_counted_and_given_back);
	tcase_add_test(tc, absurd_sizes_fail);
	tcase_add_test(tc, pages_are_zero_and_aligned);
	tcase_add_loop_test(tc, memory_may_be_freed_on_another_cpu, 0, 3);
	tcase_add_test(tc, stacks_are_usable_to_the_last_byte);
	return run_suite(tc, "alloc");
}
