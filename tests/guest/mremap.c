/* mremap: shrinking, growing in place, moving, to a fixed place. */
#include "t.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static bool mapped(const volatile void *p)
{
	unsigned char vec;

	return mincore((void *)p, PAGE, &vec) == 0;
}

/* n pages, each with its number in it, and nothing behind them. */
static char *numbered(size_t n)
{
	char *p = MUST(mmap(NULL, (n + 8) * PAGE, RW, ANON, -1, 0));

	MUST(munmap(p + n * PAGE, 8 * PAGE));
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = (char)(i + 1);
	return p;
}

static void check_numbers(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE], (char)(i + 1));
}

TEST(shrinking_keeps_the_start)
{
	char *p = numbered(5);

	CHECK(mremap(p, 5 * PAGE, 2 * PAGE, 0) == p);
	check_numbers(p, 2);
	CHECK(!mapped(p + 2 * PAGE));
}

/* Not one mapping any more: protections differ, and there is a hole. */
static char *pieces(void)
{
	char *p = numbered(8);

	MUST(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
	MUST(munmap(p + 6 * PAGE, PAGE));
	return p;
}

TEST(shrinking_takes_whatever_the_tail_consists_of)
{
	char *p = pieces();

	CHECK(mremap(p, 8 * PAGE, 8 * PAGE, 0) == p);
	CHECK(mremap(p, 8 * PAGE, 3 * PAGE, 0) == p);
	check_numbers(p, 3);
	CHECK(!mapped(p + 3 * PAGE) && !mapped(p + 4 * PAGE) && !mapped(p + 7 * PAGE));
}

TEST(what_moves_and_shrinks_may_have_such_a_tail_too)
{
	char *p = pieces(), *q = numbered(8);

	CHECK_ERR(mremap(p, 8 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q), EFAULT);
	CHECK(mremap(p, 8 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	check_numbers(q, 8);
	CHECK(!mapped(p) && !mapped(p + 4 * PAGE) && !mapped(p + 7 * PAGE));
}

TEST(growing_in_place_gives_zeroes)
{
	char *p = numbered(2);

	CHECK(mremap(p, 2 * PAGE, 4 * PAGE, 0) == p);
	check_numbers(p, 2);
	CHECK_EQ(p[3 * PAGE], 0);
	p[3 * PAGE] = 1;
}

TEST(growing_without_room_needs_maymove)
{
	char *p = numbered(3);
	char *q;

	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ)); /* a neighbour */
	CHECK_ERR(mremap(p, 2 * PAGE, 4 * PAGE, 0), ENOMEM);
	q = MUST(mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
	CHECK(q != p);
	check_numbers(q, 2);
	CHECK_EQ(q[3 * PAGE], 0);
	CHECK(!mapped(p) && mapped(p + 2 * PAGE));
}

TEST(moving_to_a_fixed_place_replaces_what_is_there)
{
	char *p = numbered(3), *q = numbered(5);

	CHECK(mremap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE) == q + PAGE);
	CHECK_EQ(q[0], 1);
	check_numbers(q + PAGE, 3);
	CHECK_EQ(q[4 * PAGE], 5);
	CHECK(!mapped(p));
}

TEST(middle_of_a_mapping_can_be_moved)
{
	char *p = numbered(5), *q = numbered(1);

	CHECK(mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK_EQ(q[0], 3);
	CHECK(mapped(p + PAGE) && !mapped(p + 2 * PAGE) && mapped(p + 3 * PAGE));
}

TEST(moved_file_mapping_stays_a_file_mapping)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));
	char *p, *q, c;

	MUST(ftruncate(fd, 4 * PAGE));
	p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, PAGE));
	p[0] = 'x';
	q = MUST(mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE));
	CHECK_EQ(q[0], 'x');
	q[2 * PAGE] = 'y';
	CHECK_EQ(pread(fd, &c, 1, 3 * PAGE), 1);
	CHECK_EQ(c, 'y');
}

TEST(old_size_zero_duplicates_a_shared_mapping)
{
	char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	char *q = MUST(mremap(p, 0, PAGE, MREMAP_MAYMOVE));

	CHECK(p != q);
	q[0] = 'd';
	CHECK_EQ(p[0], 'd');
	p = numbered(1);
	CHECK_ERR(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
}

TEST(dontunmap_leaves_an_empty_mapping_behind)
{
	char *p = numbered(2);
	char *q = MUST(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));

	CHECK(q != p);
	check_numbers(q, 2);
	CHECK(mapped(p));
	CHECK_EQ(p[0], 0);
	CHECK_ERR(mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
}

TEST(same_size_changes_nothing)
{
	char *p = numbered(2);

	CHECK(mremap(p, 2 * PAGE, 2 * PAGE, 0) == p);
	CHECK(mremap(p, 2 * PAGE - 5, PAGE + 1, 0) == p); /* rounded up */
	check_numbers(p, 2);
}

TEST(growing_beyond_the_mapping_is_efault)
{
	char *p = numbered(2);

	CHECK_ERR(mremap(p, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

TEST(moved_memory_keeps_its_protection)
{
	char *p = numbered(1), *q;

	MUST(mprotect(p, PAGE, PROT_READ));
	q = MUST(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	CHECK_EQ(q[0], 1);
	CHECK_KILLED(IN_CHILD(q[PAGE] = 1), SIGSEGV);
}

TEST(growing_respects_the_address_space_limit)
{
	CHECK_EXITED(IN_CHILD({
			     struct rlimit lim = {512 << 20, 512 << 20};
			     char *p = numbered(1);
			     MUST(setrlimit(RLIMIT_AS, &lim));
			     CHECK_ERR(mremap(p, PAGE, 600ul << 20, MREMAP_MAYMOVE), ENOMEM);
			     p = MUST(mremap(p, PAGE, 100ul << 20, MREMAP_MAYMOVE));
			     CHECK_EQ(p[0], 1);
		     }),
		     0);
}

TEST(growing_respects_the_data_limit)
{
	char *rw = numbered(1), *ro = numbered(1);

	MUST(mprotect(ro, PAGE, PROT_READ));
	MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){64 << 20, 64 << 20}));
	CHECK_ERR(mremap(rw, PAGE, 100 << 20, MREMAP_MAYMOVE), ENOMEM);
	MUST(mremap(ro, PAGE, 100 << 20, MREMAP_MAYMOVE));
}

TEST(growing_respects_the_limit_of_locked_memory)
{
	char *p = numbered(1), *q = numbered(1);

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){65536, 65536}));
	MUST(mlock(p, PAGE));
	CHECK_ERR(mremap(p, PAGE, 1 << 20, MREMAP_MAYMOVE), EAGAIN);
	MUST(mremap(q, PAGE, 1 << 20, MREMAP_MAYMOVE));
}

TEST(doubling_a_buffer_as_realloc_does)
{
	size_t size = PAGE;
	unsigned char *p = (unsigned char *)numbered(1);

	for (int i = 0; i < 10; i++) {
		p = MUST(mremap(p, size, 2 * size, MREMAP_MAYMOVE));
		for (size_t k = size; k < 2 * size; k += PAGE)
			p[k] = (unsigned char)(k / PAGE + 1);
		size *= 2;
	}
	for (size_t k = 0; k < size; k += PAGE)
		CHECK_EQ(p[k], (unsigned char)(k / PAGE + 1));
}
