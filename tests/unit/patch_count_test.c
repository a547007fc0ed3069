/*
 * Which call sites become hot: each that is called often, once.
 * objects: kernel/patch/count.o
 */
#include "cpu.h"
#include "kernel/patch/patch_priv.h"
#include "task.h"
#include "unit.h"

#define HOT 64 /* as in count.c */
#define SITES 400

static struct task the_task;

#undef current /* a field's name, too */
static struct cpu the_cpu = {.current = &the_task.kt};
__thread struct cpu *this_cpu_ptr = &the_cpu;
static struct mm mms[2];

/* By mm, and by the site's number: how often it was to be patched. */
static int patched[ARRAY_SIZE(mms)][SITES];

#define BASE 0x7f0000001000UL
#define DISTANCE 48 /* bytes between two sites */

void site_patch(struct mm *mm, uaddr_t addr, u32 nr)
{
	ck_assert_uint_eq(nr, 39);
	ck_assert_uint_eq((addr - BASE) % DISTANCE, 0);
	patched[mm - mms][(addr - BASE) / DISTANCE]++;
}

static void call(int mm, int site)
{
	the_task.mm = &mms[mm];
	patch_count(BASE + site * DISTANCE + 2, 39);
}

START_TEST(a_hot_site_is_patched_once)
{
	for (int i = 0; i < HOT - 1; i++)
		call(0, 0);
	ck_assert_int_eq(patched[0][0], 0);
	for (int i = 0; i < 1000; i++)
		call(0, 0);
	ck_assert_int_eq(patched[0][0], 1);
}
END_TEST

/*
 * What a server and its clients do: a few sites in turns, in two processes that run the same
 * program.
 */
START_TEST(sites_in_turns_are_patched_all)
{
	for (int i = 0; i < 8 * HOT; i++)
		for (int site = 1; site < 100; site++) {
			call(0, site);
			call(1, site);
		}
	for (int site = 1; site < 100; site++)
		ck_assert_int_eq(patched[0][site] + patched[1][site], 2);
}
END_TEST

START_TEST(cold_sites_make_way)
{
	for (int site = 100; site < SITES; site++)
		for (int i = 0; i < HOT / 2; i++)
			call(0, site);
	for (int i = 0; i < 8 * HOT; i++)
		call(1, 100);
	ck_assert_int_eq(patched[1][100], 1);
	for (int site = 100; site < SITES; site++)
		ck_assert_int_eq(patched[0][site], 0);
}
END_TEST

UNIT_MAIN("patch count", a_hot_site_is_patched_once, sites_in_turns_are_patched_all,
	  cold_sites_make_way)
