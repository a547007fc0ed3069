/*
 * The text of /proc: growing, escaping, sets of CPUs, numbers, paddings.
 * objects: kernel/fs/proc/seq.o
 */
#include "alloc.h"
#include "fs.h"
#include "kernel/fs/proc/seq.h"
#include "unit.h"
#include <string.h>

static size_t memory_left = SIZE_MAX;

void *krealloc(void *p, size_t size)
{
	return size > memory_left ? NULL : realloc(p, size);
}
void *kmalloc(size_t size)
{
	return malloc(size);
}
void kfree(void *p)
{
	free(p);
}
char *path_name(const struct path *p, char *buf, size_t size)
{
	return strcpy(buf, "/a b\n");
}

static struct seq s;

static const char *text(void)
{
	seq_putc(&s, '\0');
	s.len--;
	return s.buf;
}

START_TEST(printf_grows_as_it_needs)
{
	char line[3000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	seq_init(&s);
	for (int i = 0; i < 100; i++)
		seq_printf(&s, "%d %s\n", i, line);
	ck_assert_uint_eq(s.len, 10 * (3000 + 2) + 90 * (3000 + 3));
	ck_assert(!s.failed);
	ck_assert_mem_eq(s.buf, "0 xxx", 5);
	seq_destroy(&s);
}
END_TEST

START_TEST(without_memory_it_says_so_and_stays_usable)
{
	seq_init(&s);
	memory_left = 4096;
	for (int i = 0; i < 1000; i++)
		seq_puts(&s, "0123456789");
	ck_assert(s.failed);
	ck_assert_uint_le(s.len, 4096);
	memory_left = SIZE_MAX;
	seq_destroy(&s);
}
END_TEST

static bool fill(struct seq *of, size_t n)
{
	char *p;

	seq_init(of);
	p = seq_reserve(of, n);
	ck_assert(of->failed == !p);
	return p;
}

START_TEST(all_texts_together_have_a_limit)
{
	struct seq many[9], small;

	seq_limit(64 << 10);
	for (int i = 0; i < 8; i++)
		ck_assert(fill(&many[i], 5000)); /* takes 8 KiB */
	ck_assert(!fill(&many[8], 5000));
	seq_fit(&many[0]); /* nothing was put there */
	ck_assert(fill(&many[8], 5000));
	seq_destroy(&many[8]);
	ck_assert(seq_reserve(&many[0], 5000));
	ck_assert(!fill(&many[8], 5000));
	ck_assert(fill(&small, 1000)); /* isn't counted */
	seq_destroy(&small);
	seq_destroy(&many[8]);
	seq_destroy(&many[0]);
	ck_assert(fill(&many[0], 5000));
	for (int i = 0; i < 8; i++)
		seq_destroy(&many[i]);
	ck_assert(fill(&s, 64 << 10));
	ck_assert(!seq_reserve(&s, (64 << 10) + 1));
	seq_destroy(&s);
	seq_limit(256 << 20);
}
END_TEST

START_TEST(special_characters_are_octal)
{
	seq_init(&s);
	seq_escape(&s, "a b\tc\\d\n#", " \t\n\\#");
	ck_assert_str_eq(text(), "a\\040b\\011c\\134d\\012\\043");
	seq_destroy(&s);
	seq_path(&s, NULL, "\n");
	ck_assert_str_eq(text(), "/a b\\012");
	seq_destroy(&s);
}
END_TEST

START_TEST(bit_lists_are_ranges)
{
	static const struct {
		u64 bits;
		int n;
		const char *list, *mask;
	} cases[] = {
		{1, 1, "0", "1"},
		{0xf, 4, "0-3", "f"},
		{0x2d, 6, "0,2-3,5", "2d"},
		{0, 8, "", "00"},
		{~0ULL, 64, "0-63", "ffffffff,ffffffff"},
		{1ULL << 40 | 3, 48, "0-1,40", "0100,00000003"},
		{0xffff, 16, "0-15", "ffff"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		seq_init(&s);
		seq_bit_list(&s, cases[i].bits, cases[i].n);
		ck_assert_str_eq(text(), cases[i].list);
		seq_destroy(&s);
		seq_bit_mask(&s, cases[i].bits, cases[i].n);
		ck_assert_str_eq(text(), cases[i].mask);
		seq_destroy(&s);
	}
}
END_TEST

START_TEST(padding_counts_from_where_it_is_told)
{
	seq_init(&s);
	seq_puts(&s, "before ");
	seq_puts(&s, "Rss:");
	seq_pad(&s, 7, 16);
	seq_putc(&s, '|');
	ck_assert_str_eq(text(), "before Rss:            |");
	seq_pad(&s, 0, 3);
	ck_assert_str_eq(text(), "before Rss:            |");
	seq_destroy(&s);
}
END_TEST

UNIT_MAIN("text of /proc", printf_grows_as_it_needs, without_memory_it_says_so_and_stays_usable,
	  all_texts_together_have_a_limit, special_characters_are_octal, bit_lists_are_ranges,
	  padding_counts_from_where_it_is_told)
