/*
 * Looking for calls by the slot: what came of it, and what the slot says then.
 * objects: os/slotcall.o
 */
#include "cpu.h"
#include "os/slotcall.h"
#include "os/tramp.h"
#include "stub/layout.h"
#include "unit.h"
#include <string.h>

static u64 slot[SLOT_SIZE / 8];
static struct host_task ht;
static struct cpu cpu;
static u64 cycles;

void *slot_alias(u32 global_slot)
{
	(void)global_slot;
	return slot;
}

u64 spin_cycles(const struct spin *s)
{
	(void)s;
	return cycles;
}

uaddr_t tramp_call_ip(const struct host_mm *hm, uaddr_t ip)
{
	(void)hm;
	return ip + 0x1000;
}

static void put(int offset, const void *p, size_t n)
{
	memcpy((u8 *)slot + offset, p, n);
}

static u32 state(void)
{
	u32 v;

	memcpy(&v, (u8 *)slot + SLOT_STATE, sizeof(v));
	return v;
}

static enum slotcall look(u32 from, u64 time, bool kicked)
{
	slotcall_set_state(&ht, from);
	cycles = time;
	cpu.kick_pending = kicked;
	return slotcall_look(&ht, &cpu);
}

START_TEST(kick_is_told_from_a_call_that_does_not_come)
{
	ck_assert_int_eq(look(CALL_READY, 1000, false), SLOTCALL_NONE);
	ck_assert_uint_eq(state(), CALL_OFF);
	/* However much time there is. */
	ck_assert_int_eq(look(CALL_READY, 1UL << 60, true), SLOTCALL_KICKED);
	ck_assert_uint_eq(state(), CALL_OFF);
	ck_assert_int_eq(look(CALL_READY, 0, true), SLOTCALL_KICKED);
}
END_TEST

START_TEST(call_comes_before_a_kick)
{
	for (int kicked = 0; kicked < 2; kicked++) {
		ck_assert_int_eq(look(CALL_MADE, 1000, kicked), SLOTCALL_MADE);
		ck_assert_uint_eq(state(), CALL_MADE);
	}
	/* The guest wrote what it shouldn't: taken for a call of its own. */
	ck_assert_int_eq(look(CALL_SLEEP, 1000, true), SLOTCALL_MADE);
	ck_assert_int_eq(look(1234, 1000, false), SLOTCALL_MADE);
}
END_TEST

START_TEST(call_is_read_once_and_bounded)
{
	u32 nr = 39 << 16 | 0x4601, len = 1U << 31, out_len;
	u64 ret = 0x401002, args[6] = {1, 2, 3, 4, 5, 6}, in = 0x1234, out_addr;
	struct event ev;

	put(SLOT_NR, &nr, sizeof(nr));
	put(SLOT_RETURN, &ret, sizeof(ret));
	put(SLOT_ARGS, args, sizeof(args));
	put(SLOT_IN_ADDR, &in, sizeof(in));
	put(SLOT_IN_LEN, &len, sizeof(len));
	slotcall_event(&ht, &ev);
	ck_assert_int_eq(ev.kind, EVENT_SYSCALL);
	ck_assert_uint_eq(ev.sys.nr, 39);
	ck_assert_uint_eq(ev.sys.ip, ret + 0x1000);
	ck_assert(!memcmp(ev.sys.args, args, sizeof(args)));
	slotcall_copies_begin(&ht);
	ck_assert(ht.copies);
	ck_assert_uint_eq(ht.in_addr, in);
	ck_assert_uint_eq(ht.in_len, SLOT_COPY_MAX);
	ht.out_addr = 0x5678;
	ht.out_len = 99;
	slotcall_copies_end(&ht);
	memcpy(&out_addr, (u8 *)slot + SLOT_OUT_ADDR, sizeof(out_addr));
	memcpy(&out_len, (u8 *)slot + SLOT_OUT_LEN, sizeof(out_len));
	ck_assert_uint_eq(out_addr, 0x5678);
	ck_assert_uint_eq(out_len, 99);
	ck_assert(!ht.copies && !ht.out_len);
}
END_TEST

UNIT_MAIN("calls by the slot", kick_is_told_from_a_call_that_does_not_come,
	  call_comes_before_a_kick, call_is_read_once_and_bounded)
