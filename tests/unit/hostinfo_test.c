/* What control groups say, from files that look like theirs. */
#include "hostio.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char root[] = "/tmp/cgroups-XXXXXX";

static u64 value(const char *text)
{
	return strtoull(text, NULL, 10);
}

static void put(const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/a.max", root);
	f = fopen(path, "w");
	ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

/* This process is in some group, perhaps far below: of those files only the top's is there. */
START_TEST(the_least_counts_and_nothing_is_no_limit)
{
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_uint_eq(host_cgroup_least(root, "a.max", value), UINT64_MAX);
	put("150 1000\n");
	ck_assert_uint_eq(host_cgroup_least(root, "a.max", value), 150);
	ck_assert_uint_eq(host_cgroup_least(root, "b.max", value), UINT64_MAX);
	ck_assert_uint_eq(host_cgroup_least("/nowhere", "a.max", value), UINT64_MAX);
	snprintf(path, sizeof(path), "%s/a.max", root);
	ck_assert(!unlink(path) && !rmdir(root));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostinfo");
	TCase *tc = tcase_create("hostinfo");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, the_least_counts_and_nothing_is_no_limit);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
