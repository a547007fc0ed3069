/*
 * What of a program's code may become a jump: boundaries, padding, and bytes that only look like
 * it.
 * objects: kernel/patch/code.o
 */
#include "kernel/patch/patch_priv.h"
#include "unit.h"
#include <string.h>
#include <time.h>

#define BASE 0x400000UL

void *kmalloc(size_t size)
{
	return malloc(size);
}

void kfree(void *p)
{
	free(p);
}

/* The guest's memory: bytes at BASE. */
static u8 text[1 << 18];
static size_t text_size;

size_t host_mm_read(struct host_mm *hm, void *to, uaddr_t from, size_t n)
{
	(void)hm;
	if (from < BASE || from - BASE > text_size || n > text_size - (from - BASE))
		return 0;
	memcpy(to, text + (from - BASE), n);
	return n;
}

static void put(const char *bytes, size_t n)
{
	memcpy(text + text_size, bytes, n);
	text_size += n;
}

#define PUT(bytes) put(bytes, sizeof(bytes) - 1)

static void pad(size_t n)
{
	memset(text + text_size, 0x90, n);
	text_size += n;
}

static struct patches none;
static struct mm mm = {.patches = &none};

/* Plans the site at offset `site` of the function [start, end), with the next at `next`. */
static bool plan(size_t start, size_t end, size_t next, size_t site, u32 nr, struct plan *p)
{
	struct function f = {
		.start = BASE + start, .end = BASE + end, .next = next ? BASE + next : 0};

	return code_plan(&mm, &f, BASE + site, nr, p);
}

START_TEST(number_before_the_call_is_form_a)
{
	struct plan p;

	text_size = 0;
	PUT("\xb8\x27\0\0\0\x0f\x05\xc3"); /* mov $39, %eax; syscall; ret */
	ck_assert(plan(0, 8, 0, 5, 39, &p));
	ck_assert_uint_eq(p.pad, 0);
	ck_assert_uint_eq(p.at, BASE);
	ck_assert_uint_eq(p.len, 5);
	ck_assert(!memcmp(p.old, text, 5));
	/*
	 * Called with another number: by a jump to the call itself. There is no padding for form B.
	 */
	ck_assert(!plan(0, 8, 0, 5, 40, &p));
	/* No call there. */
	ck_assert(!plan(0, 8, 0, 4, 39, &p));
	ck_assert(!plan(0, 8, 0, 6, 39, &p));
	/* Beyond the function. */
	ck_assert(!plan(0, 6, 0, 5, 39, &p));
}
END_TEST

START_TEST(bytes_that_look_like_the_number_are_none)
{
	static const struct {
		const char *code;
		size_t size, site;
	} c[] = {
		{"\xc7\x44\x24\xb8\x10\0\0\0\x0f\x05\xc3", 11, 8},    /* movl $16, -72(%rsp) */
		{"\x41\xb8\x10\0\0\0\x0f\x05\xc3", 9, 6},	      /* mov $16, %r8d */
		{"\x49\xb8\0\0\0\0\xb8\x10\0\0\x0f\x05\xc3", 13, 10}, /* movabs */
		{"\x66\xb8\x10\0\x0f\x05\xc3", 7, 4},		      /* mov $16, %ax */
		{"\xb9\x10\0\0\0\x0f\x05\xc3", 8, 5},		      /* mov $16, %ecx */
		{"\x48\x8d\x05\xb8\x10\0\0\x0f\x05\xc3", 10, 7},      /* lea 4280(%rip), %rax */
	};
	struct plan p;

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		text_size = 0;
		put(c[i].code, c[i].size);
		ck_assert_msg(!plan(0, c[i].size, 0, c[i].site, 16, &p), "code %zu", i);
		pad(16);
		ck_assert_msg(plan(0, c[i].size, c[i].size + 16, c[i].site, 16, &p) &&
				      p.pad == BASE + c[i].size && p.at == BASE + c[i].site &&
				      p.len == 2,
			      "code %zu with padding", i);
	}
}
END_TEST

START_TEST(call_inside_another_instruction_is_none)
{
	struct plan p;

	text_size = 0;
	PUT("\xb8\x0f\x05\0\0\xc3"); /* mov $0x50f, %eax; ret */
	pad(16);
	ck_assert(!plan(0, 6, 22, 1, 39, &p));
	text_size = 0;
	PUT("\xb8\x27\0\0\0\xe9\x0f\x05\0\0"); /* mov $39, %eax; jmp */
	pad(16);
	ck_assert(!plan(0, 10, 26, 6, 39, &p));
	/* What can't be decoded ends it: 06 is no instruction of this mode. */
	text_size = 0;
	PUT("\x06\xb8\x27\0\0\0\x0f\x05\xc3");
	ck_assert(!plan(0, 9, 0, 6, 39, &p));
}
END_TEST

/* syscall; `end`, then a gap of n bytes; was there padding in it? */
static bool gap_used(const char *end, size_t end_size, const char *gap, size_t n)
{
	struct plan p;
	size_t size;

	text_size = 0;
	PUT("\x0f\x05");
	put(end, end_size);
	size = text_size;
	put(gap, n);
	if (!plan(0, size, size + n, 0, 39, &p))
		return false;
	ck_assert_uint_eq(p.pad, BASE + size);
	return true;
}

#define RET "\xc3"
#define NOP5 "\x0f\x1f\x44\0\0"
#define GAP_USED(end, gap) gap_used(end, sizeof(end) - 1, gap, sizeof(gap) - 1)

START_TEST(padding_between_functions_is_dead_or_refused)
{
	ck_assert(GAP_USED(RET, NOP5));
	ck_assert(GAP_USED(RET, "\x90\x90\x90\x90\x90"));
	ck_assert(GAP_USED(RET, "\xcc\xcc\xcc\xcc\xcc\xcc"));
	ck_assert(GAP_USED(RET, "\x66\x2e\x0f\x1f\x84\0\0\0\0\0"));
	ck_assert(GAP_USED("\xeb\xfc", NOP5));	       /* jmp */
	ck_assert(GAP_USED("\xff\xe0", NOP5));	       /* jmp *%rax */
	ck_assert(GAP_USED("\x0f\x0b", NOP5));	       /* ud2 */
	ck_assert(!GAP_USED(RET, "\x90\x90\x90\x90")); /* too short */
	ck_assert(!GAP_USED(RET, NOP5 "\xc3"));	       /* code that nothing describes */
	ck_assert(!GAP_USED(RET, "\xb8\1\0\0\0" NOP5 "\xc3"));
	ck_assert(!GAP_USED(RET, "\0\0\0\0\0\0"));
	ck_assert(!GAP_USED(RET, NOP5 "\x0f"));		    /* half an instruction */
	ck_assert(!GAP_USED("\x90", NOP5));		    /* falls through */
	ck_assert(!GAP_USED("\x74\xfc", NOP5));		    /* je */
	ck_assert(!GAP_USED("\xe8\0\0\0\0", NOP5));	    /* call, which may return */
	ck_assert(!GAP_USED("\xb8\xc3\xc3\xc3\xc3", NOP5)); /* looks like an end */
}
END_TEST

START_TEST(padding_has_to_be_near)
{
	struct plan p;

	for (size_t far = 100; far < 140; far++) {
		text_size = 0;
		PUT("\x0f\x05");
		pad(far - 2);
		PUT(RET);
		pad(5);
		/* A jump reaches 127 bytes from behind itself. */
		ck_assert_msg(plan(0, far + 1, far + 6, 0, 39, &p) == (far + 1 <= 129), "at %zu",
			      far);
	}
	/* Padding of which only the middle is in reach. */
	text_size = 0;
	PUT(RET);
	pad(200);
	PUT("\x0f\x05\xc3");
	{
		struct function f = {.start = BASE + 201,
				     .end = BASE + 204,
				     .prev_start = BASE,
				     .prev_end = BASE + 1};

		ck_assert(code_plan(&mm, &f, BASE + 201, 39, &p));
		ck_assert_uint_eq(p.pad, BASE + 201 + 2 - 128);
	}
}
END_TEST

START_TEST(sites_share_padding_in_order)
{
	struct site s[2] = {{0}};
	struct patches used = {.n = 2, .sites = s};
	struct plan p;

	text_size = 0;
	PUT("\x0f\x05\x0f\x05\xc3");
	pad(12);
	mm.patches = &used;
	s[0].call.at = BASE + 3;
	s[0].pad.at = BASE + 5;
	memset(text + 5, 0xe9, 5); /* as it looks then */
	ck_assert(plan(0, 5, 17, 2, 39, &p));
	ck_assert_uint_eq(p.pad, BASE + 10);
	s[1].call.at = BASE + 3;
	s[1].pad.at = BASE + 10;
	ck_assert(!plan(0, 5, 17, 2, 39, &p));
	mm.patches = &none;
}
END_TEST

/* Where in the code there is padding to use; -1. */
static long inner(const char *code, size_t size, size_t *room)
{
	return code_inner_padding((const u8 *)code, size, 0, size, room);
}

#define INNER(code, room) inner(code, sizeof(code) - 1, room)

START_TEST(padding_inside_a_function_is_behind_an_end_and_no_target)
{
	size_t room = 0;

	ck_assert_int_eq(INNER("\x0f\x05\xc3" NOP5 "\xc3", &room), 3);
	ck_assert_uint_eq(room, 5);
	ck_assert_int_eq(INNER("\x0f\x05\xc3\x90\x90\x66\x0f\x1f\x44\0\0\xc3", &room), 3);
	ck_assert_uint_eq(room, 8);
	/* Executed. */
	ck_assert_int_eq(INNER("\x0f\x05" NOP5 "\xc3", &room), -1);
	ck_assert_int_eq(INNER("\xe8\0\0\0\0" NOP5 "\xc3", &room), -1);
	/* A jump leads there: to its start, or into it. */
	ck_assert_int_eq(INNER("\x74\x01\xc3" NOP5 "\xc3", &room), -1);
	ck_assert_int_eq(INNER("\xc3\x90\x90\x90\x90\x90\x90\xeb\xfb", &room), -1);
	/* Behind it: harmless. */
	ck_assert_int_eq(INNER("\x74\x06\xc3" NOP5 "\xc3", &room), 3);
	/* By a table, who knows where to. */
	ck_assert_int_eq(INNER("\xff\xe0" NOP5 "\xc3", &room), -1);
	/* What can't be decoded. */
	ck_assert_int_eq(INNER("\xc3" NOP5 "\x06", &room), -1);
	ck_assert_int_eq(inner("", 0, &room), -1);
}
END_TEST

static u64 cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As long as functions may be; each NOP could be padding, but for a jump at the very end. */
START_TEST(function_of_nops_is_decoded_a_few_times)
{
	const s32 size = 65536;
	struct plan p;

	for (s32 target = 3; target <= 3 + (s32)PAD_SIZE; target++) {
		s32 d = target - size;
		u64 start;

		text_size = 0;
		PUT("\x0f\x05\xc3");
		pad(size - 3 - 5);
		PUT("\xe9");
		put((const char *)&d, sizeof(d));
		start = cpu_ms();
		/* To the first one behind the padding is harmless. */
		ck_assert(plan(0, size, 0, 0, 39, &p) == (target == 3 + PAD_SIZE));
		ck_assert_uint_lt(cpu_ms() - start, 100);
	}
	ck_assert_uint_eq(p.pad, BASE + 3);
}
END_TEST

/* Any bytes: nothing is read beyond them, and what is found is in them. */
START_TEST(hostile_bytes_are_survived)
{
	u32 seed = 12345;
	struct plan p;

	for (int round = 0; round < 20000; round++) {
		size_t size = 2 + round % 90, site, room;
		long at;

		for (size_t i = 0; i < size + 20; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = round % 3 ? seed >> 16 : (seed >> 16) % 5 ? 0x90 : 0xc3;
		}
		text_size = size + 20;
		site = (seed >> 8) % size;
		text[site] = 0x0f;
		text[site + 1] = 0x05;
		if (plan(0, size, size + 20, site, seed % 400, &p)) {
			ck_assert_uint_ge(p.at + 5, BASE + site);
			ck_assert_uint_le(p.at, BASE + site);
			if (p.pad) {
				ck_assert_uint_ge(p.pad, BASE);
				ck_assert_uint_le(p.pad + p.room, BASE + size + 20);
				ck_assert_uint_le(p.room, PAD_ROOM_MAX);
			}
		}
		at = code_inner_padding(text, size, 0, size, &room);
		ck_assert(at < 0 || (room >= PAD_SIZE && at + room <= size));
		if (code_is_padding(text, size))
			ck_assert(!code_ends(text, size));
	}
}
END_TEST

START_TEST(functions_of_any_size_are_survived)
{
	static const size_t sizes[] = {65535, 65536, 65537, 200000};
	struct plan p;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		text_size = 0;
		pad(sizes[i] - 8);
		PUT("\xb8\x27\0\0\0\x0f\x05\xc3");
		ck_assert(plan(0, sizes[i], 0, sizes[i] - 3, 39, &p) == (sizes[i] - 1 <= 65536));
		/* A call near the start of one that is too long to be read in all. */
		memcpy(text + 64, "\xb8\x27\0\0\0\x0f\x05", 7);
		ck_assert(plan(0, sizes[i], 0, 64 + 5, 39, &p));
	}
	/* Longer than the memory that there is. */
	ck_assert(!plan(0, text_size + 1, 0, 64 + 5, 39, &p) || p.pad == 0);
	ck_assert(!plan(0, 1UL << 40, 0, text_size + 100, 39, &p));
}
END_TEST

UNIT_MAIN("code of call sites", number_before_the_call_is_form_a,
	  bytes_that_look_like_the_number_are_none, call_inside_another_instruction_is_none,
	  padding_between_functions_is_dead_or_refused, padding_has_to_be_near,
	  sites_share_padding_in_order, padding_inside_a_function_is_behind_an_end_and_no_target,
	  function_of_nops_is_decoded_a_few_times, hostile_bytes_are_survived,
	  functions_of_any_size_are_survived)
