/*
 * Files in memory: contents against a plain buffer, limits, holes; names and their cookies against
 * a plain list.
 */
#include "fh.h"
#include "kernel/fs/tmpfs/memdata.h"
#include "kernel/fs/tmpfs/memdir.h"
#include "kernel/fs/tmpfs/memlimit.h"
#include "fs.h"
#include "unit.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODEL_SIZE (3u << 20)

static struct memdata data;
static struct mem_limit limit;
static u64 size;
static u8 *model, *buf;
static unsigned seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void start(u64 max_bytes)
{
	ck_assert_int_eq(fh_init(), 0);
	memset(&data, 0, sizeof(data));
	limit = (struct mem_limit){.max_bytes = max_bytes};
	size = 0;
	free(model);
	free(buf);
	model = calloc(1, MODEL_SIZE);
	buf = calloc(1, MODEL_SIZE);
}

static void finish(void)
{
	memdata_free(&data, &limit);
	ck_assert_uint_eq(limit.bytes, 0);
}

static ssize_t write_at(u64 off, const void *from, size_t n)
{
	struct iov_iter it;
	ssize_t ret;

	iov_iter_kernel(&it, (void *)from, n);
	ret = memdata_write(&data, &limit, size, &it, off);
	if (ret > 0) {
		memcpy(model + off, from, ret);
		size = max(size, off + ret);
	}
	return ret;
}

static void check_read(u64 off, size_t n)
{
	struct iov_iter it;
	ssize_t want = off < size ? (ssize_t)min((u64)n, size - off) : 0;

	memset(buf, 0xee, n);
	iov_iter_kernel(&it, buf, n);
	ck_assert_int_eq(memdata_read(&data, size, &it, off), want);
	ck_assert(!memcmp(buf, model + off, want));
}

static void resize(u64 to)
{
	ck_assert_int_eq(memdata_resize(&data, &limit, size, to), 0);
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void punch(u64 off, u64 len)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	ck_assert_int_eq(memdata_fallocate(&data, &limit, mode, off, len, &size), 0);
	memset(model + off, 0, len);
}

/* Random writes, reads, sizes and holes within `span` bytes. */
static void exercise(u32 span, int steps)
{
	static u8 junk[70000];

	for (int i = 0; i < steps; i++) {
		u64 off = rnd(span), n = 1 + rnd(i % 7 ? 5000 : sizeof(junk));

		if (off + n > span)
			n = span - off;
		switch (rnd(8)) {
		case 0:
			resize(off);
			break;
		case 1:
			punch(off, n);
			break;
		case 2:
			ck_assert_int_eq(memdata_fallocate(&data, &limit, FALLOC_FL_ZERO_RANGE, off,
							   n, &size),
					 0);
			memset(model + off, 0, n);
			break;
		case 3:
		case 4:
			check_read(off, n);
			break;
		default:
			memset(junk, i, n);
			ck_assert_int_eq(write_at(off, junk, n), n);
		}
	}
	check_read(0, span);
}

START_TEST(contents_match_a_plain_buffer)
{
	seed = _i;
	start(0);
	exercise(20000, 500);
	ck_assert(!data.memfd);
	exercise(900000, 300);
	exercise(MODEL_SIZE, 300);
	finish();
}
END_TEST

START_TEST(mapping_makes_a_memfd_with_the_same_contents)
{
	struct mmap_target t;
	u64 blocks;

	seed = 99;
	start(0);
	exercise(100000, 200);
	blocks = memdata_blocks(&data);
	ck_assert_int_eq(memdata_mmap(&data, &limit, size, 4096, &t), 0);
	ck_assert(data.memfd);
	ck_assert_int_ge(t.hostfd, 0);
	ck_assert_uint_eq(t.offset, 4096);
	ck_assert_uint_le(memdata_blocks(&data), blocks); /* holes stay holes */
	check_read(0, size);
	/* What is written by one way is read by the other. */
	ck_assert_int_eq(pwrite(t.hostfd, "by map", 6, 8192), 6);
	memcpy(model + 8192, "by map", 6);
	size = max(size, (u64)8192 + 6);
	check_read(0, size);
	exercise(100000, 100);
	t.done(&t);
	finish();
}
END_TEST

START_TEST(holes_are_found)
{
	start(0);
	resize(100000);
	write_at(8192, "x", 1);
	write_at(40960, "y", 1);
	for (int memfd = 0; memfd < 2; memfd++) {
		ck_assert_int_eq(memdata_seek(&data, size, 0, SEEK_DATA), 8192);
		ck_assert_int_eq(memdata_seek(&data, size, 8200, SEEK_DATA), 8200);
		ck_assert_int_eq(memdata_seek(&data, size, 8200, SEEK_HOLE), 12288);
		ck_assert_int_eq(memdata_seek(&data, size, 12288, SEEK_DATA), 40960);
		ck_assert_int_eq(memdata_seek(&data, size, 0, SEEK_HOLE), 0);
		ck_assert_int_eq(memdata_seek(&data, size, 45056, SEEK_DATA), -ENXIO);
		ck_assert_int_eq(memdata_seek(&data, size, 100000, SEEK_HOLE), -ENXIO);
		ck_assert_int_eq(memdata_make_memfd(&data, &limit, size), 0);
	}
	finish();
}
END_TEST

START_TEST(limit_cuts_writes_short)
{
	static u8 junk[3 * 4096];

	start(10 * 4096);
	ck_assert_int_eq(write_at(0, junk, sizeof(junk)), sizeof(junk));
	ck_assert_int_eq(write_at(100 * 4096, junk, sizeof(junk)), sizeof(junk));
	ck_assert_int_eq(write_at(5 * 4096 + 10, junk, sizeof(junk)), sizeof(junk)); /* 4 pages */
	ck_assert_int_eq(write_at(20 * 4096, junk, 4096), -ENOSPC);
	ck_assert_int_eq(write_at(8 * 4096 + 10, junk, 8192),
			 4086); /* to the end of its last page */
	punch(0, 2 * 4096);
	ck_assert_int_eq(write_at(20 * 4096, junk, 3 * 4096), 2 * 4096);
	ck_assert_uint_eq(limit.bytes, 10 * 4096);
	resize(0);
	ck_assert_uint_eq(limit.bytes, 0);
	finish();
}
END_TEST

START_TEST(limit_holds_for_memfds)
{
	start(4 << 20);
	ck_assert_int_eq(memdata_make_memfd(&data, &limit, 0), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(write_at(0, model, 1 << 20), 1 << 20); /* the same pages */
	ck_assert_int_eq(write_at(1 << 20, model, 1 << 20), 1 << 20);
	ck_assert_int_eq(write_at(2 << 20, model, 1 << 20), 1 << 20);
	ck_assert_uint_le(limit.bytes, 4 << 20);
	size = 8 << 20;
	ck_assert_int_eq(memdata_fallocate(&data, &limit, 0, 0, 8 << 20, &size), -ENOSPC);
	finish();
}
END_TEST

START_TEST(preallocation_and_bad_modes)
{
	start(0);
	ck_assert_int_eq(memdata_fallocate(&data, &limit, FALLOC_FL_KEEP_SIZE, 0, 8192, &size), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_uint_eq(memdata_blocks(&data), 16);
	ck_assert_int_eq(memdata_fallocate(&data, &limit, 0, 0, 5000, &size), 0);
	ck_assert_uint_eq(size, 5000);
	ck_assert_int_eq(memdata_fallocate(&data, &limit, FALLOC_FL_PUNCH_HOLE, 0, 1, &size),
			 -EOPNOTSUPP);
	ck_assert_int_eq(memdata_fallocate(&data, &limit, FALLOC_FL_COLLAPSE_RANGE, 0, 1, &size),
			 -EOPNOTSUPP);
	ck_assert_int_eq(memdata_fallocate(&data, &limit, 0, 0, 4 << 20, &size), 0);
	ck_assert(data.memfd);
	ck_assert_uint_eq(size, 4 << 20);
	finish();
}
END_TEST

/* ---- names ---- */

#define NAMES 600
static struct inode fake[NAMES]; /* never looked into */

static struct memdirent *find(struct memdir *d, int i)
{
	char name[16];

	return memdir_find(d, name, snprintf(name, sizeof(name), "n%d", i));
}

static void add(struct memdir *d, int i)
{
	char name[16];
	int len = snprintf(name, sizeof(name), "n%d", i);

	ck_assert_ptr_nonnull(memdir_add(d, name, len, &fake[i]));
}

START_TEST(names_match_a_plain_list)
{
	struct memdir d = {};
	bool there[NAMES] = {};
	u32 n = 0;

	seed = _i;
	for (int step = 0; step < 20000; step++) {
		int i = rnd(step < 10000 ? NAMES : 20);
		struct memdirent *e = find(&d, i);

		ck_assert_int_eq(e != NULL, there[i]);
		if (e) {
			ck_assert_ptr_eq(e->inode, &fake[i]);
			memdir_remove(&d, e);
			n--;
		} else {
			add(&d, i);
			n++;
		}
		there[i] = !there[i];
		ck_assert_uint_eq(d.live, n);
	}
	for (int i = 0; i < NAMES; i++)
		if (there[i])
			memdir_remove(&d, find(&d, i));
	memdir_free(&d);
}
END_TEST

/*
 * A reader sees each entry that was there all the time exactly once, whatever happens between its
 * steps.
 */
START_TEST(cookies_survive_changes)
{
	struct memdir d = {};
	int seen[NAMES] = {};
	struct memdirent *e;
	u64 pos = 0, last = 0;

	seed = _i;
	for (int i = 0; i < NAMES; i++)
		add(&d, i);
	while ((e = memdir_next(&d, pos))) {
		int i = e->inode - fake, other = rnd(NAMES / 2) * 2 + 1; /* odd ones come and go */

		ck_assert_uint_gt(e->cookie, last);
		last = e->cookie;
		pos = last + 1;
		seen[i]++;
		e = find(&d, other);
		if (e)
			memdir_remove(&d, e);
		else if (seen[other] < 3)
			add(&d, other);
	}
	for (int i = 0; i < NAMES; i += 2)
		ck_assert_int_eq(seen[i], 1);
	for (last = UINT64_MAX; (e = memdir_last(&d)); memdir_remove(&d, e)) {
		ck_assert_uint_lt(e->cookie, last);
		last = e->cookie;
		ck_assert_ptr_null(memdir_next(&d, last + 1));
	}
	memdir_free(&d);
}
END_TEST

START_TEST(whiteouts_are_counted_apart)
{
	struct memdir d = {};
	struct memdirent *e;

	add(&d, 1);
	ck_assert_ptr_nonnull(memdir_add(&d, "gone", 4, NULL));
	ck_assert_uint_eq(d.live, 1);
	ck_assert_uint_eq(d.whiteouts, 1);
	e = memdir_find(&d, "gone", 4);
	ck_assert_ptr_null(memdir_replace(&d, e, &fake[2]));
	ck_assert_uint_eq(d.live, 2);
	ck_assert_ptr_eq(memdir_replace(&d, e, NULL), &fake[2]);
	ck_assert_uint_eq(d.whiteouts, 1);
	memdir_remove(&d, e);
	memdir_remove(&d, find(&d, 1));
	memdir_free(&d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tmpfs");
	TCase *tc = tcase_create("tmpfs");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, contents_match_a_plain_buffer, 0, 6);
	tcase_add_test(tc, mapping_makes_a_memfd_with_the_same_contents);
	tcase_add_test(tc, holes_are_found);
	tcase_add_test(tc, limit_cuts_writes_short);
	tcase_add_test(tc, limit_holds_for_memfds);
	tcase_add_test(tc, preallocation_and_bad_modes);
	tcase_add_loop_test(tc, names_match_a_plain_list, 0, 4);
	tcase_add_loop_test(tc, cookies_survive_changes, 0, 4);
	tcase_add_test(tc, whiteouts_are_counted_apart);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
