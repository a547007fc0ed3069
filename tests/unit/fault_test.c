/*
 * Faults of the host: what may be said, and which calls are hit.
 * objects: os/fault.o
 */
#include "hostfault.h"
#include "os/fault.h"
#include "stub/layout.h"
#include "unit.h"
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

/* Faults stay: each test takes a call of its own. */
static void add(const char *spec)
{
	u64 seed;

	ck_assert_ptr_null(fault_add(spec));
	(void)fault_start(false, &seed);
}

static int hits_of(enum fault_call call, int n)
{
	int hits = 0;

	for (int i = 0; i < n; i++)
		hits += fault_inject(call) != 0;
	return hits;
}

START_TEST(nothing_fails_before_it_is_asked_for)
{
	u64 seed;

	ck_assert(!fault_start(false, &seed));
	ck_assert_uint_eq(fault_mask, 0);
	ck_assert_int_eq(hits_of(FAULT_open, 100), 0);
}
END_TEST

START_TEST(bad_specs_are_refused)
{
	static const char *const bad[] = {
		"",
		":",
		"::",
		"open",
		"open:EIO",
		"open:EIO:",
		"open::1",
		":EIO:1",
		"opens:EIO:1",
		"ope:EIO:1",
		"OPEN:EIO:1",
		" open:EIO:1",
		"open:EIOO:1",
		"open:EI:1",
		"open:eio:1",
		"open:5:1",
		"open:E:1",
		"open:EIO:0",
		"open:EIO:-1",
		"open:EIO:+",
		"open:EIO:1++",
		"open:EIO:1 ",
		"open:EIO:1:2",
		"open:EIO:x",
		"open:EIO:0x10",
		"open:EIO:99999999999999999999",
		"open:EIO:%",
		"open:EIO:0%",
		"open:EIO:0.0%",
		"open:EIO:.5%",
		"open:EIO:101%",
		"open:EIO:100.1%",
		"open:EIO:1%%",
		"open:EIO:1%1",
		"open:EIO:1.00001%",
		"open:EIO:-1%",
		"open:EIO:99999999999999999999%",
		"open:delay=:1",
		"open:delay=5:1",
		"open:delay=ms:1",
		"open:delay=0ms:1",
		"open:delay=11s:1",
		"open:delay=5m:1",
		"open:delay=5mss:1",
		"open:delay=-5ms:1",
		"open:delay=99999999999999999999us:1",
		"open:delay=4294967297s:1",
		"open:Delay=5ms:1",
		"kmalloc:EIO:1",
		"futex:ETIMEDOUT:1",
		"batch.:EIO:1",
		"seed=",
		"seed=x",
		"seed=-1",
		"seed=1 ",
		"seed=99999999999999999999",
	};
	const char *spec;
	u64 calls, hits;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(fault_add(bad[i]) != NULL, "taken: %s", bad[i]);
	ck_assert(!fault_stats(0, &spec, &calls, &hits));
}
END_TEST

START_TEST(the_nth_call_fails)
{
	add("open:ENFILE:3");
	ck_assert_int_eq(fault_inject(FAULT_open), 0);
	ck_assert_int_eq(fault_inject(FAULT_open), 0);
	ck_assert_int_eq(fault_inject(FAULT_close), 0);
	ck_assert_int_eq(fault_inject(FAULT_open), -ENFILE);
	ck_assert_int_eq(hits_of(FAULT_open, 1000), 0);
}
END_TEST

START_TEST(all_fail_from_the_nth_on)
{
	const char *spec;
	u64 calls, hits;

	add("pwrite:ENOSPC:3+");
	ck_assert_int_eq(hits_of(FAULT_pwrite, 2), 0);
	ck_assert_int_eq(fault_inject(FAULT_pwrite), -ENOSPC);
	ck_assert_int_eq(hits_of(FAULT_pwrite, 100), 100);
	ck_assert(fault_stats(1, &spec, &calls, &hits));
	ck_assert_str_eq(spec, "pwrite:ENOSPC:3+");
	ck_assert_uint_eq(calls, 103);
	ck_assert_uint_eq(hits, 101);
}
END_TEST

START_TEST(the_first_of_several_errors_counts)
{
	add("mkdir:EDQUOT:2");
	add("mkdir:EIO:1+");
	ck_assert_int_eq(fault_inject(FAULT_mkdir), -EIO);
	ck_assert_int_eq(fault_inject(FAULT_mkdir), -EDQUOT);
	ck_assert_int_eq(fault_inject(FAULT_mkdir), -EIO);
}
END_TEST

START_TEST(a_share_is_as_large_as_it_says)
{
	u64 seed;

	ck_assert_ptr_null(fault_add("seed=7"));
	ck_assert_ptr_null(fault_add("pread:EIO:10%"));
	ck_assert_ptr_null(fault_add("stat:EIO:0.05%"));
	ck_assert_ptr_null(fault_add("link:EIO:100%"));
	ck_assert(fault_start(false, &seed));
	ck_assert_uint_eq(seed, 7);
	ck_assert_int_ge(hits_of(FAULT_pread, 100000), 9700);
	ck_assert_int_le(hits_of(FAULT_pread, 100000), 10300);
	ck_assert_int_ge(hits_of(FAULT_stat, 1000000), 430);
	ck_assert_int_le(hits_of(FAULT_stat, 1000000), 570);
	ck_assert_int_eq(hits_of(FAULT_link, 1000), 1000);
}
END_TEST

START_TEST(late_calls_succeed_late)
{
	struct timespec a, b;

	add("fsync:delay=30ms:2");
	ck_assert_int_eq(fault_inject(FAULT_fsync), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(fault_inject(FAULT_fsync), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec, 30000000);
}
END_TEST

/* mmap, a cmpxchg, mprotect, and a close_range that may fail. */
static void order(struct stub_ctl *ctl)
{
	ctl->nops = 4;
	ctl->ops[0] = (struct stub_op){.nr = SYS_mmap};
	ctl->ops[1] = (struct stub_op){.flags = OPF_CMPXCHG};
	ctl->ops[2] = (struct stub_op){.nr = SYS_mprotect};
	ctl->ops[3] = (struct stub_op){.nr = SYS_close_range, .flags = OPF_IGNORE};
}

START_TEST(a_batch_ends_at_the_order_that_fails)
{
	static struct stub_ctl ctl;
	struct fault_batch f;
	u32 last;

	add("batch.mprotect:ENOMEM:2");
	order(&ctl);
	f = fault_batch_cut(&ctl);
	ck_assert_uint_eq(ctl.nops, 4);
	last = 17;
	fault_batch_result(&ctl, f, 4, &last);
	ck_assert_uint_eq(last, 17);

	order(&ctl);
	f = fault_batch_cut(&ctl);
	ck_assert_uint_eq(ctl.nops, 2);
	fault_batch_result(&ctl, f, 2, &last);
	ck_assert_int_eq((int)last, -ENOMEM);
	ck_assert_uint_eq(ctl.nops, 4);
}
END_TEST

START_TEST(an_error_of_the_host_in_the_batch_comes_first)
{
	static struct stub_ctl ctl;
	struct fault_batch f;
	u32 last = -EINVAL;

	add("batch:ENOMEM:2");
	order(&ctl);
	f = fault_batch_cut(&ctl);
	ck_assert_uint_eq(ctl.nops, 2);
	fault_batch_result(&ctl, f, 0, &last); /* the mmap failed */
	ck_assert_int_eq((int)last, -EINVAL);
}
END_TEST

START_TEST(there_is_a_limit)
{
	const char *why = NULL;

	for (int i = 0; i < 1000 && !why; i++)
		why = fault_add("xattr:EIO:1");
	ck_assert_str_eq(why, "too many faults");
}
END_TEST

UNIT_MAIN("fault", nothing_fails_before_it_is_asked_for, bad_specs_are_refused, the_nth_call_fails,
	  all_fail_from_the_nth_on, the_first_of_several_errors_counts,
	  a_share_is_as_large_as_it_says, late_calls_succeed_late,
	  a_batch_ends_at_the_order_that_fails, an_error_of_the_host_in_the_batch_comes_first,
	  there_is_a_limit)
