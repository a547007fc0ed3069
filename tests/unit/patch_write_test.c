/*
 * Writing instructions under threads that run there, on a host that fails at any time: nobody ever
 * sees half an instruction.
 * objects: kernel/patch/text.o
 */
#include "kernel/patch/patch_priv.h"
#include "log.h"
#include "unit.h"
#include <string.h>

#define BASE 0x400000UL
#define SIZE 64

static u8 text[SIZE], before[SIZE];
static int writes, fails_from, fails_until; /* by number: those in [from, until) fail */
static bool fails_late;			    /* when the word is written */
static uaddr_t fails_at;		    /* as do all to this word */

/* What is being written, for watching. */
static uaddr_t at;
static const u8 *wanted;
static size_t wanted_size;
static bool watched, spun;

size_t host_mm_read(struct host_mm *hm, void *to, uaddr_t from, size_t n)
{
	(void)hm;
	if (from < BASE || from - BASE > SIZE || n > SIZE - (from - BASE))
		return 0;
	memcpy(to, text + (from - BASE), n);
	return n;
}

/* A thread that comes to the instruction finds the old one, the new one, or a jump to itself. */
static void watch(void)
{
	const u8 *now = text + (at - BASE), *old = before + (at - BASE);

	if (now[0] == 0xeb && now[1] == 0xfe)
		spun = true;
	else
		ck_assert(!memcmp(now, old, wanted_size) || !memcmp(now, wanted, wanted_size));
}

int host_mm_text_write(struct host_mm *hm, uaddr_t addr, u64 old, u64 val)
{
	int n = writes++;

	(void)hm;
	ck_assert_uint_eq(addr % 8, 0);
	ck_assert_uint_ge(addr, BASE);
	ck_assert_uint_le(addr - BASE, SIZE - 8);
	if (addr == fails_at || (n >= fails_from && n < fails_until && !fails_late))
		return -ENOMEM;
	if (memcmp(text + (addr - BASE), &old, 8))
		return -EAGAIN;
	memcpy(text + (addr - BASE), &val, 8);
	if (watched)
		watch();
	return n >= fails_from && n < fails_until ? -ENOMEM : 0;
}

void panic(const char *fmt, ...)
{
	ck_abort_msg("%s", fmt);
	abort();
}

void log_warn(const char *fmt, ...)
{
	(void)fmt;
}

static struct mm mm;

static void setup(void)
{
	for (int i = 0; i < SIZE; i++)
		text[i] = before[i] = 0x40 + i;
	writes = fails_from = fails_until = 0;
	fails_at = 0;
	watched = spun = fails_late = false;
}

static int write_watched(size_t offset, const u8 *bytes, size_t n)
{
	int err;

	at = BASE + offset;
	wanted = bytes;
	wanted_size = n;
	watched = true;
	err = text_write(&mm, at, bytes, n);
	watched = false;
	return err;
}

static const u8 jump[5] = {0xe9, 1, 2, 3, 4};

START_TEST(instructions_are_written_whole)
{
	for (size_t offset = 8; offset < 16; offset++)
		for (size_t n = 2; n <= 5; n += 3) {
			bool two = offset % 8 + n > 8;
			int err;

			setup();
			err = write_watched(offset, jump, n);
			ck_assert_int_eq(err, two && offset % 8 == 7 ? -EBUSY : 0);
			ck_assert(text_writable(BASE + offset) == (offset % 8 != 7));
			ck_assert(spun == (two && !err));
			if (!err)
				memcpy(before + offset, jump, n);
			ck_assert(!memcmp(text, before, SIZE));
		}
}
END_TEST

/* Each write fails in turn, and the next ones don't. */
static void fail_each(size_t offset, bool late)
{
	for (int from = 0;; from++) {
		int err;

		setup();
		fails_late = late;
		fails_from = from;
		fails_until = from + 1;
		err = write_watched(offset, jump, 5);
		if (!err) { /* it was never made */
			ck_assert_int_le(writes, from);
			return;
		}
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_msg(!memcmp(text, before, SIZE), "offset %zu, write %d", offset, from);
	}
}

START_TEST(instructions_are_left_as_they_were_after_any_failure)
{
	for (size_t offset = 8; offset < 15; offset++) {
		fail_each(offset, false);
		fail_each(offset, true);
	}
}
END_TEST

START_TEST(word_that_can_never_be_written_is_known_before)
{
	for (int word = 8; word <= 16; word += 8) {
		setup();
		fails_at = BASE + word;
		ck_assert_int_eq(write_watched(12, jump, 5), -ENOMEM);
		ck_assert(!spun);
		ck_assert(!memcmp(text, before, SIZE));
	}
	/* Nor read. */
	setup();
	ck_assert_int_eq(write_watched(SIZE - 3, jump, 5), -EFAULT);
	ck_assert(!spun && !memcmp(text, before, SIZE));
}
END_TEST

START_TEST(dead_bytes_are_filled)
{
	for (size_t offset = 8; offset < 16; offset++)
		for (size_t room = PAD_SIZE; room <= PAD_ROOM_MAX; room++) {
			setup();
			ck_assert_int_eq(dead_write(&mm, BASE + offset, jump, room), 0);
			memset(before + offset, 0x90, room);
			memcpy(before + offset, jump, 5);
			ck_assert(!memcmp(text, before, SIZE));
		}
	setup();
	fails_from = 1;
	fails_until = 2;
	ck_assert_int_eq(dead_write(&mm, BASE + 12, jump, PAD_SIZE), -ENOMEM);
}
END_TEST

UNIT_MAIN("writing call sites", instructions_are_written_whole,
	  instructions_are_left_as_they_were_after_any_failure,
	  word_that_can_never_be_written_is_known_before, dead_bytes_are_filled)
