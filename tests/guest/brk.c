/* brk: the heap end. */
#include "t.h"

#define PAGE 4096ul

static unsigned long do_brk(unsigned long to)
{
	return (unsigned long)syscall(SYS_brk, to);
}

TEST(brk_grows_and_shrinks)
{
	unsigned long start = do_brk(0);
	volatile char *p = (volatile char *)start;

	CHECK_EQ(do_brk(start + 10 * PAGE), start + 10 * PAGE);
	p[0] = p[10 * PAGE - 1] = 1;
	CHECK_EQ(do_brk(0), start + 10 * PAGE);
	CHECK_EQ(do_brk(start), start);
}

TEST(new_heap_memory_is_zero_also_after_shrinking)
{
	unsigned long start = (do_brk(0) + PAGE - 1) & ~(PAGE - 1);
	volatile char *p = (volatile char *)start;

	for (int i = 0; i < 5; i++) {
		CHECK_EQ(do_brk(start + 4 * PAGE), start + 4 * PAGE);
		for (size_t k = 0; k < 4 * PAGE; k++)
			CHECK_EQ(p[k], 0);
		memset((void *)p, 7, 4 * PAGE);
		CHECK_EQ(do_brk(start), start);
	}
}

TEST(memory_beyond_the_break_is_gone)
{
	unsigned long start = (do_brk(0) + PAGE - 1) & ~(PAGE - 1);

	CHECK_EQ(do_brk(start + 4 * PAGE), start + 4 * PAGE);
	CHECK_EQ(do_brk(start + PAGE), start + PAGE);
	CHECK_KILLED(IN_CHILD(*(volatile char *)(start + PAGE) = 1), SIGSEGV);
	*(volatile char *)(start + PAGE - 1) = 1;
}

TEST(break_need_not_be_page_aligned)
{
	unsigned long start = do_brk(0);

	CHECK_EQ(do_brk(start + 123), start + 123);
	CHECK_EQ(do_brk(start + 124), start + 124);
	CHECK_EQ(do_brk(0), start + 124);
	*(volatile char *)(start + 123) = 1;
}

TEST(break_below_its_start_is_refused)
{
	unsigned long now = do_brk(0);

	CHECK_EQ(do_brk(4096), now);
	CHECK_EQ(do_brk(0), now);
}

TEST(break_does_not_run_into_a_mapping)
{
	unsigned long start = (do_brk(0) + PAGE - 1) & ~(PAGE - 1);

	MUST(mmap((void *)(start + 8 * PAGE), PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHECK(do_brk(start + 16 * PAGE) != start + 16 * PAGE);
	CHECK_EQ(do_brk(start + PAGE), start + PAGE);
}

TEST(data_limit_is_enforced)
{
	CHECK_EXITED(IN_CHILD({
			     struct rlimit lim = {64 << 20, 64 << 20};
			     unsigned long start = do_brk(0);
			     MUST(setrlimit(RLIMIT_DATA, &lim));
			     CHECK_EQ(do_brk(start + (100ul << 20)), start);
			     CHECK_EQ(do_brk(start + (1ul << 20)), start + (1ul << 20));
		     }),
		     0);
}

TEST(break_is_copied_by_fork)
{
	unsigned long start = do_brk(0);

	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(do_brk(0), start);
			     CHECK_EQ(do_brk(start + PAGE), start + PAGE);
		     }),
		     0);
	CHECK_EQ(do_brk(0), start);
}

TEST(heap_grows_to_a_hundred_megabytes)
{
	unsigned long start = do_brk(0);

	for (unsigned long at = 0; at <= 100ul << 20; at += 1 << 20)
		CHECK_EQ(do_brk(start + at), start + at);
	*(volatile char *)(start + (100ul << 20) - 1) = 1;
	CHECK_EQ(do_brk(start), start);
}
