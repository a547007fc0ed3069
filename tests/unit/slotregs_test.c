/*
 * Registers by the slot: what is read there, what is left there, and where a task was when it was
 * stopped on its way.
 * objects: os/slotregs.o os/slotcall.o
 */
#include "cpu.h"
#include "os/slotregs.h"
#include "os/tramp.h"
#include "stub/layout.h"
#include "unit.h"
#include <string.h>

static u64 slot[SLOT_SIZE / 8];
static struct host_task ht;

void *slot_alias(u32 global_slot)
{
	(void)global_slot;
	return slot;
}

u64 spin_cycles(const struct spin *s)
{
	(void)s;
	return 0;
}

uaddr_t tramp_call_ip(const struct host_mm *hm, uaddr_t ip)
{
	(void)hm;
	return ip + 0x1000;
}

void tramp_set_flags(struct pt_regs *r, u32 ax)
{
	r->eflags |= ax & 1;
}

size_t xstate_frame(u64 *features)
{
	*features = 0x207;
	return 1024;
}

START_TEST(registers_are_those_behind_the_call)
{
	struct pt_regs r;

	for (size_t i = 0; i < ARRAY_SIZE(slot); i++)
		slot[i] = i;
	slot[SLOT_RFLAGS / 8] = 0x400;
	((u32 *)slot)[SLOT_NR / 4] = 234 << 16 | 1;
	slotregs_read(&ht, &r);
	ck_assert_uint_eq(r.rdi, SLOT_ARGS / 8);
	ck_assert_uint_eq(r.r10, SLOT_ARGS / 8 + 3);
	ck_assert_uint_eq(r.r9, SLOT_ARGS / 8 + 5);
	ck_assert_uint_eq(r.rbx, SLOT_RBX / 8);
	ck_assert_uint_eq(r.r15, SLOT_R15 / 8);
	ck_assert_uint_eq(r.rsp, SLOT_RSP / 8);
	ck_assert_uint_eq(r.fs_base, SLOT_FSBASE / 8);
	ck_assert_uint_eq(r.gs_base, 0);
	ck_assert_uint_eq(r.eflags, 0x603);
	ck_assert_uint_eq(r.rip, SLOT_RETURN / 8 + 0x1000);
	ck_assert_uint_eq(r.rcx, r.rip);
	ck_assert_uint_eq(r.r11, r.eflags);
	ck_assert_uint_eq(r.cs, 0x33);
}
END_TEST

START_TEST(only_registers_that_a_trampoline_can_load_fit)
{
	ck_assert(slotregs_fit(&(struct pt_regs){.eflags = 0x202, .fs_base = 5}));
	ck_assert(!slotregs_fit(&(struct pt_regs){.eflags = 0x302}));
	ck_assert(!slotregs_fit(&(struct pt_regs){.gs_base = 8}));
}
END_TEST

START_TEST(task_has_its_new_registers_from_the_answer_on)
{
	struct pt_regs r = {.r15 = 15, .rip = 0x401000, .rsp = 0x7000, .fs_base = 4};
	static const struct {
		bool begun;
		uaddr_t ip;
		bool on_the_way, saved;
	} stops[] = {
		{false, STUB_ASK_IP, true, false},  {false, STUB_ANSWERED, true, false},
		{true, STUB_LOAD + 9, true, false}, {true, STUB_SAVE, true, false},
		{true, STUB_SAVED, true, true},	    {true, STUB_LOAD_END - 1, true, true},
		{true, STUB_LOAD_END, false, true}, {true, 0x401000, false, false},
		{true, STUB_ENTRY, false, false},
	};
	bool saved;

	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		slotregs_write(&ht, &r, 0x12340);
		ck_assert_uint_eq(slot[SLOT_NEW / 8], 15);
		ck_assert_uint_eq(slot[SLOT_NEW / 8 + 16], 0x401000);
		ck_assert_uint_eq(slot[SLOT_NEW / 8 + 19], 0x7000);
		ck_assert_uint_eq(slot[SLOT_FS / 8], 4);
		ck_assert_uint_eq(slot[SLOT_SAVE_MASK / 8], 0x207);
		ck_assert_uint_eq(slot[SLOT_SAVE_AT / 8], 0x12340);
		if (stops[i].begun)
			*(u32 *)((u8 *)slot + SLOT_LOAD) = 0;
		ck_assert(slotregs_interrupted(&ht, stops[i].ip, &saved) == stops[i].on_the_way);
		if (stops[i].on_the_way)
			ck_assert(saved == stops[i].saved);
		ck_assert_uint_eq(*(u32 *)((u8 *)slot + SLOT_LOAD), 0);
	}
}
END_TEST

UNIT_MAIN("registers by the slot", registers_are_those_behind_the_call,
	  only_registers_that_a_trampoline_can_load_fit,
	  task_has_its_new_registers_from_the_answer_on)
