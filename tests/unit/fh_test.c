/*
 * Host file handles: pinning, reclaim under a tiny budget, reopening, and files that are not the
 * same any more.
 */
#include "fh.h"
#include "fh/handle.h"
#include "fs.h"
#include "hostfault.h"
#include "smp_util.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILES 40

static char dir_path[64];
static struct fh *root, *file[FILES];

static const char *in_dir(const char *name)
{
	static __thread char buf[4][160];
	static __thread int turn;
	char *b = buf[turn++ % 4];

	snprintf(b, sizeof(buf[0]), "%s/%s", dir_path, name);
	return b;
}

static void write_host(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	must(fd >= 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void start(u64 budget)
{
	strcpy(dir_path, "/tmp/fh-test-XXXXXX");
	must(mkdtemp(dir_path));
	must(!fh_init());
	fh_set_budget(budget);
	root = fh_open_root(dir_path);
	must(!IS_ERR(root));
}

static void finish(void)
{
	char cmd[128];
	struct fh_stats s;

	fh_put(root);
	fh_get_stats(&s);
	must_eq(s.handles, 0);
	must_eq(s.open, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir_path);
	must(!system(cmd));
}

static u64 reclaimed(void)
{
	struct fh_stats s;

	fh_get_stats(&s);
	return s.reclaimed;
}

/* Opens other files until h has lost its descriptor. */
static void push_out(struct fh *h)
{
	struct fh *other[4];
	u64 before = reclaimed();

	write_host("pusher", "x");
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
		other[i] = fh_open_at(root, "pusher", O_RDONLY, 0);
		must(!IS_ERR(other[i]));
	}
	must(reclaimed() > before);
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++)
		fh_put(other[i]);
}

static bool reads(struct fh *h, const char *text)
{
	char buf[32] = "";
	ssize_t n = fh_pread(h, buf, sizeof(buf) - 1, 0);

	return n == (ssize_t)strlen(text) && !strcmp(buf, text);
}

START_TEST(reclaimed_handles_reopen)
{
	struct fh *h[10];
	char name[16];
	struct fh_stats s;

	start(5);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		write_host(name, name);
		h[i] = fh_open_at(root, name, O_RDONLY, 0);
		ck_assert(!IS_ERR(h[i]));
	}
	fh_get_stats(&s);
	ck_assert_uint_le(s.open, 5);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert(reads(h[i], name));
	}
	fh_get_stats(&s);
	ck_assert_uint_le(s.open, 5);
	ck_assert_uint_ge(s.reopened, 5);
	for (int i = 0; i < 10; i++)
		fh_put(h[i]);
	finish();
}
END_TEST

START_TEST(pinned_handles_are_not_closed)
{
	struct fh *h;
	int fd;
	char c;

	start(2);
	write_host("pinned", "p");
	h = fh_open_at(root, "pinned", O_RDONLY, 0);
	fd = get_fh(h);
	ck_assert_int_ge(fd, 0);
	push_out(h);
	ck_assert_int_eq(pread(fd, &c, 1, 0), 1);
	ck_assert_int_eq(c, 'p');
	put_fh(h);
	fh_put(h);
	finish();
}
END_TEST

/* More than are counted at a time. */
START_TEST(pins_are_counted)
{
	struct fh *h[300];
	struct fh_stats s;

	start(500);
	write_host("f", "x");
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++) {
		h[i] = fh_open_at(root, "f", O_RDONLY, 0);
		ck_assert(!IS_ERR(h[i]));
		if (i % 3 == 0)
			ck_assert_int_ge(get_fh(h[i]), 0);
	}
	for (int round = 0; round < 3; round++) {
		fh_get_stats(&s);
		ck_assert_uint_eq(s.pinned, 100);
		ck_assert_uint_eq(clock_reclaim(10), 10);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(h); i++) {
		if (i % 3 == 0)
			put_fh(h[i]);
		fh_put(h[i]);
	}
	fh_get_stats(&s);
	ck_assert_uint_eq(s.pinned, 0);
	finish();
}
END_TEST

START_TEST(replaced_file_is_stale)
{
	struct fh *h;

	start(2);
	write_host("a", "old");
	h = fh_open_at(root, "a", O_RDONLY, 0);
	ck_assert(reads(h, "old"));
	push_out(h);
	write_host("b", "new");
	ck_assert_int_eq(rename(in_dir("b"), in_dir("a")), 0);
	ck_assert_int_eq(get_fh(h), -ESTALE);
	ck_assert_int_eq(unlink(in_dir("a")), 0);
	ck_assert_int_eq(get_fh(h), -ESTALE);
	ck_assert_int_eq(symlink("pusher", in_dir("a")), 0);
	ck_assert_int_eq(get_fh(h), -ESTALE);
	fh_put(h);
	finish();
}
END_TEST

START_TEST(reopening_does_not_truncate_or_create)
{
	struct fh *h;

	start(2);
	h = fh_open_at(root, "t", O_RDWR | O_CREAT | O_TRUNC | O_EXCL, 0600);
	ck_assert(!IS_ERR(h));
	ck_assert_int_eq(fh_pwrite(h, "data", 4, 0), 4);
	push_out(h);
	ck_assert(reads(h, "data"));
	push_out(h);
	unlink(in_dir("t"));
	ck_assert_int_eq(get_fh(h), -ESTALE);
	ck_assert_int_eq(access(in_dir("t"), F_OK), -1);
	fh_put(h);
	finish();
}
END_TEST

START_TEST(unlinked_handle_keeps_its_descriptor)
{
	struct fh *h, *late;

	start(2);
	write_host("u", "still");
	write_host("v", "here");
	h = fh_open_at(root, "u", O_RDONLY, 0);
	late = fh_open_at(root, "v", O_RDONLY, 0);
	ck_assert_int_eq(fh_unlinked(h), 0);
	push_out(late);
	ck_assert_int_eq(fh_unlinked(late),
			 0); /* closed by then: gets its descriptor back while there is a name */
	unlink(in_dir("u"));
	unlink(in_dir("v"));
	push_out(NULL);
	ck_assert(reads(h, "still"));
	ck_assert(reads(late, "here"));
	fh_put(h);
	fh_put(late);
	finish();
}
END_TEST

START_TEST(moved_handle_reopens_at_its_new_place)
{
	struct fh *h, *sub;
	struct fh_move move;
	struct fh_place *to;

	start(2);
	write_host("m", "moved");
	h = fh_open_at(root, "m", O_RDONLY, 0);
	ck_assert_int_eq(fh_mkdir_at(root, "sub", 0755), 0);
	sub = fh_open_at(root, "sub", O_PATH | O_DIRECTORY, 0);
	ck_assert_int_eq(fh_rename_at(root, "m", sub, "n", 0, &move), 0);
	to = fh_place_new(sub, "n");
	fh_moved(h, to);
	fh_place_put(to);
	fh_move_end(&move);
	push_out(h);
	ck_assert(reads(h, "moved"));
	fh_put(h);
	fh_put(sub);
	finish();
}
END_TEST

START_TEST(deep_paths_reopen_from_the_nearest_open_directory)
{
	struct fh *d[60], *h;

	start(3);
	d[0] = root;
	for (int i = 1; i < 60; i++) {
		ck_assert_int_eq(fh_mkdir_at(d[i - 1], "d", 0755), 0);
		d[i] = fh_open_at(d[i - 1], "d", O_PATH | O_DIRECTORY, 0);
		ck_assert(!IS_ERR(d[i]));
	}
	h = fh_open_at(d[59], "leaf", O_RDWR | O_CREAT, 0644);
	ck_assert(!IS_ERR(h));
	ck_assert_int_eq(fh_pwrite(h, "deep", 4, 0), 4);
	for (int i = 1; i < 60; i++)
		fh_put(d[i]); /* the chain is kept by h */
	push_out(h);
	push_out(h);
	ck_assert(reads(h, "deep"));
	/* An ancestor is another directory now: everything below is gone. */
	push_out(h);
	push_out(h);
	ck_assert_int_eq(rename(in_dir("d"), in_dir("gone")), 0);
	ck_assert_int_eq(mkdir(in_dir("d"), 0755), 0);
	fh_put(h);
	finish();
}
END_TEST

#define DEEP 4000

/*
 * Else each directory that is opened on the way would cost as much as there are closed ones below
 * it.
 */
START_TEST(a_long_way_is_not_gone_at_each_step)
{
	struct fh *dir, *sub, *h;
	struct fh_stats before, s;

	start(3);
	dir = fh_get(root);
	for (int i = 0; i < DEEP; i++) {
		ck_assert_int_eq(fh_mkdir_at(dir, "d", 0755), 0);
		sub = fh_open_at(dir, "d", O_PATH | O_DIRECTORY, 0);
		ck_assert(!IS_ERR(sub));
		fh_put(dir);
		dir = sub;
	}
	h = fh_open_at(dir, "leaf", O_RDWR | O_CREAT, 0644);
	ck_assert(!IS_ERR(h));
	ck_assert_int_eq(fh_pwrite(h, "deep", 4, 0), 4);
	fh_put(dir);
	push_out(h);
	push_out(h);
	fh_get_stats(&before);
	ck_assert(reads(h, "deep"));
	fh_get_stats(&s);
	ck_assert_uint_gt(s.reopened - before.reopened, DEEP);
	ck_assert_uint_lt(s.passed - before.passed, 100 * DEEP);
	fh_put(h);
	finish();
}
END_TEST

static u64 reopened(void)
{
	struct fh_stats s;

	fh_get_stats(&s);
	return s.reopened;
}

START_TEST(a_handle_that_could_not_be_closed_is_closed_later)
{
	struct fh *h;
	u64 seed, before = reopened();

	start(2);
	write_host("a", "text");
	h = fh_open_at(root, "a", O_RDONLY, 0);
	ck_assert(!IS_ERR(h));
	ck_assert_ptr_null(fault_add("stat:EIO:1"));
	fault_start(false, &seed);
	ck_assert_uint_eq(clock_reclaim(1), 0);
	ck_assert(reads(h, "text"));
	ck_assert_uint_eq(reopened(), before);
	ck_assert_uint_eq(clock_reclaim(1), 1);
	ck_assert(reads(h, "text"));
	ck_assert_uint_eq(reopened(), before + 1);
	fh_put(h);
	finish();
}
END_TEST

START_TEST(bad_names_are_refused)
{
	char longest[300];

	start(8);
	memset(longest, 'x', sizeof(longest));
	longest[299] = '\0';
	ck_assert_int_eq(PTR_ERR(fh_open_at(root, "..", O_PATH, 0)), -EINVAL);
	ck_assert_int_eq(PTR_ERR(fh_open_at(root, "a/b", O_PATH, 0)), -EINVAL);
	ck_assert_int_eq(PTR_ERR(fh_open_at(root, "", O_PATH, 0)), -EINVAL);
	ck_assert_int_eq(PTR_ERR(fh_open_at(root, longest, O_PATH, 0)), -ENAMETOOLONG);
	ck_assert_int_eq(PTR_ERR(fh_open_at(root, "none", O_RDONLY, 0)), -ENOENT);
	ck_assert_int_eq(symlink("/etc/passwd", in_dir("link")), 0);
	ck_assert_int_eq(PTR_ERR(fh_open_at(root, "link", O_RDONLY, 0)), -ELOOP);
	finish();
}
END_TEST

static void reader(long seed)
{
	unsigned r = seed * 7919 + 1;
	char buf[8];
	u32 v;

	for (int n = 0; n < 4000; n++) {
		r = r * 1103515245 + 12345;
		unsigned i = (r >> 16) % FILES;

		if (n % 16 == 5) { /* several at once, across a sleep */
			int fd = get_fh(file[i]);

			must(fd >= 0);
			sched_yield_cpu();
			must(pread(fd, &v, sizeof(v), 0) == sizeof(v));
			put_fh(file[i]);
		} else {
			must(fh_pread(file[i], buf, sizeof(v), 0) == sizeof(v));
			memcpy(&v, buf, sizeof(v));
		}
		must_eq(v, i);
	}
}

static void crowd(void)
{
	for (long i = 0; i < 8; i++)
		spawn(reader, i);
	join_all();
}

/* Many tasks, few descriptors: each always reads its own file. */
START_TEST(tasks_share_a_tiny_budget)
{
	struct fh_stats before, s;
	char name[16];

	start(6);
	fh_get_stats(&before);
	for (u32 i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		file[i] = fh_open_at(root, name, O_RDWR | O_CREAT, 0644);
		ck_assert(!IS_ERR(file[i]));
		ck_assert_int_eq(fh_pwrite(file[i], &i, sizeof(i), 0), sizeof(i));
	}
	with_cpus(cpu_counts[_i], crowd);
	fh_get_stats(&s);
	ck_assert_uint_gt(s.reopened, before.reopened + 1000);
	ck_assert_uint_eq(s.stale, before.stale);
	ck_assert_uint_eq(s.pinned, 0);
	for (u32 i = 0; i < FILES; i++)
		fh_put(file[i]);
	finish();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fh");

	tcase_add_test(tc, reclaimed_handles_reopen);
	tcase_add_test(tc, pinned_handles_are_not_closed);
	tcase_add_test(tc, pins_are_counted);
	tcase_add_test(tc, replaced_file_is_stale);
	tcase_add_test(tc, reopening_does_not_truncate_or_create);
	tcase_add_test(tc, unlinked_handle_keeps_its_descriptor);
	tcase_add_test(tc, moved_handle_reopens_at_its_new_place);
	tcase_add_test(tc, deep_paths_reopen_from_the_nearest_open_directory);
	tcase_add_test(tc, a_long_way_is_not_gone_at_each_step);
	tcase_add_test(tc, a_handle_that_could_not_be_closed_is_closed_later);
	tcase_add_test(tc, bad_names_are_refused);
	tcase_add_loop_test(tc, tasks_share_a_tiny_budget, 0, 3);
	return run_suite(tc, "fh");
}
