/*
 * What the registers of a task say that was stopped in a trampoline.
 * objects: os/tramp.o
 */
#include "alloc.h"
#include "os/tramp.h"
#include "unit.h"
#include <string.h>

#define AREA 0x10000000UL
#define SITE_A 0x10100105UL
#define SITE_B 0x10100202UL
#define PAD 0x10100210UL
#define OUT_TO 0x20000000UL

static struct stub_ctl ctl;
static struct host_mm hm;
static struct host_task ht = {.hm = &hm};
static u64 slot[SLOT_SIZE / 8];
static u8 pad_bytes[5], out[64];
static long tramp_a, tramp_b;

void *kcalloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void kfree(void *p)
{
	free(p);
}

void *slot_alias(u32 global_slot)
{
	(void)global_slot;
	return slot;
}

void batch_add(struct batch *b, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	(void)b, (void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
}

int host_mm_run(struct host_mm *m, const struct batch *b, int *done, u64 *last)
{
	(void)m, (void)b, (void)done, (void)last;
	return 0;
}

size_t host_mm_read(struct host_mm *m, void *to, uaddr_t from, size_t n)
{
	(void)m;
	if (from != PAD || n > sizeof(pad_bytes))
		return 0;
	memcpy(to, pad_bytes, n);
	return n;
}

size_t host_mm_write(struct host_mm *m, uaddr_t to, const void *from, size_t n)
{
	(void)m;
	if (to != OUT_TO || n > sizeof(out))
		return 0;
	memcpy(out, from, n);
	return n;
}

static void set32(int offset, u32 v)
{
	memcpy((u8 *)slot + offset, &v, sizeof(v));
}

static void set64(int offset, u64 v)
{
	memcpy((u8 *)slot + offset, &v, sizeof(v));
}

/* One site of each form. */
static void setup(void)
{
	s32 d;

	host_mm_tramps_forget(&hm);
	memset(&ctl, 0, sizeof(ctl));
	memset(slot, 0, sizeof(slot));
	memset(out, 0, sizeof(out));
	hm.ctl = &ctl;
	ck_assert_int_eq(host_mm_tramp_area(&hm, AREA), 0);
	tramp_a = host_mm_tramp_add(&hm, 0, &(struct tramp_site){.site = SITE_A, .nr = 39});
	tramp_b = host_mm_tramp_add(&hm, 0, &(struct tramp_site){.site = SITE_B, .pad = PAD});
	ck_assert_int_eq(tramp_a, AREA);
	ck_assert_int_eq(tramp_b, AREA + TRAMP_SIZE);
	d = tramp_b - (PAD + 5);
	pad_bytes[0] = 0xe9;
	memcpy(pad_bytes + 1, &d, sizeof(d));
}

/* A task at ip; what it is taken for, and its registers then. */
static enum tramp_where fix(struct pt_regs *r, uaddr_t ip)
{
	r->rip = ip;
	return tramp_fix(&ht, r, false);
}

START_TEST(trampolines_are_before_the_call)
{
	struct pt_regs r;

	setup();
	for (int off = 0; off < TRAMP_SIZE; off++) {
		r = (struct pt_regs){.rax = 0x12345678, .eflags = 0x202};
		ck_assert_int_eq(fix(&r, tramp_a + off), TRAMP_BEFORE);
		ck_assert_uint_eq(r.rip, SITE_A);
		ck_assert_uint_eq(r.rax, 39);
		ck_assert_uint_eq(r.eflags, 0x202);
	}
	r = (struct pt_regs){.rax = 77};
	ck_assert_int_eq(fix(&r, tramp_b), TRAMP_AGAIN);
	ck_assert_uint_eq(r.rip, SITE_B);
	ck_assert_uint_eq(r.rax, 77); /* perhaps another number than the expected one */
	r = (struct pt_regs){.rax = 77};
	ck_assert_int_eq(fix(&r, tramp_b + 10), TRAMP_DONE); /* behind its own call */
	ck_assert_uint_eq(r.rip, SITE_B + 2);
	ck_assert_uint_eq(r.rax, 77);
	ck_assert_uint_eq(tramp_call_ip(&hm, tramp_b + 10), SITE_B + 2);
	ck_assert_uint_eq(tramp_call_ip(&hm, tramp_a + 10), tramp_a + 10);
	/* Behind the last one, and elsewhere, nobody is in a trampoline. */
	r = (struct pt_regs){0};
	ck_assert_int_eq(fix(&r, AREA + 2 * TRAMP_SIZE), TRAMP_NONE);
	ck_assert_int_eq(fix(&r, AREA - 1), TRAMP_NONE);
	ck_assert_int_eq(fix(&r, SITE_A), TRAMP_NONE);
	ck_assert_uint_eq(r.rip, SITE_A);
}
END_TEST

START_TEST(padding_counts_while_the_jump_is_there)
{
	struct pt_regs r = {.rax = 5};

	setup();
	ck_assert_int_eq(fix(&r, PAD), TRAMP_AGAIN);
	ck_assert_uint_eq(r.rip, SITE_B);
	ck_assert_uint_eq(r.rax, 5);
	ck_assert_int_eq(fix(&r, PAD + 1), TRAMP_NONE);
	pad_bytes[1] ^= 1; /* something else was mapped there */
	ck_assert_int_eq(fix(&r, PAD), TRAMP_NONE);
	ck_assert_uint_eq(r.rip, PAD);
	setup();
	host_mm_tramp_drop(&hm, 0);
	ck_assert_int_eq(fix(&r, PAD), TRAMP_NONE);
	ck_assert_int_eq(fix(&r, tramp_a), TRAMP_NONE);
	ck_assert_int_eq(fix(&r, 0), TRAMP_NONE);
}
END_TEST

START_TEST(call_on_its_way_is_before_the_call_with_its_flags)
{
	struct pt_regs r;

	setup();
	for (int f = 0; f < 64; f++) {
		u64 ah = (f & 1) | (f & 2) << 1 | (f & 4) << 2 | (f & 8) << 3 | (f & 16) << 3;
		u64 of = f >> 5, nr_flags = 39UL << 16 | ah << 8 | of;
		u64 want = 0x202 | ah | of << 11;

		/* In rax and rcx at first, then in the slot. */
		r = (struct pt_regs){.rax = nr_flags, .rcx = SITE_A + 2, .eflags = 0xad7};
		ck_assert_int_eq(fix(&r, STUB_ENTRY), TRAMP_BEFORE);
		ck_assert_uint_eq(r.rip, SITE_A);
		ck_assert_uint_eq(r.rax, 39);
		ck_assert_uint_eq(r.eflags, want);
		set32(SLOT_NR, nr_flags);
		set64(SLOT_RETURN, SITE_A + 2);
		r = (struct pt_regs){.rax = 1, .rcx = 2, .eflags = 0xad7};
		ck_assert_int_eq(fix(&r, STUB_ENTRY_SAVED), TRAMP_BEFORE);
		ck_assert_uint_eq(r.rip, SITE_A);
		ck_assert_uint_eq(r.rax, 39);
		ck_assert_uint_eq(r.eflags, want);
		/* With rsp in the slot for a moment. */
		set64(SLOT_RSP, 0x7000);
		r = (struct pt_regs){.rsp = 0x7000};
		ck_assert_int_eq(fix(&r, STUB_FLAGS), TRAMP_BEFORE);
		ck_assert_uint_eq(r.rsp, 0x7000);
		r = (struct pt_regs){.rsp = 5};
		ck_assert_int_eq(fix(&r, STUB_FLAGS + 5), TRAMP_BEFORE);
		ck_assert_uint_eq(r.rsp, 0x7000);
		ck_assert_uint_eq(r.eflags & ~0x202UL, want & ~0x202UL);
		/* The exchange failed: ZF is clear. */
		r = (struct pt_regs){.eflags = 0x202};
		ck_assert_int_eq(fix(&r, STUB_COMMIT_IP), TRAMP_BEFORE);
		ck_assert_uint_eq(r.rip, SITE_A);
		ck_assert_uint_eq(r.eflags, want);
		/* Leaving, at each step of the last ones. */
		r = (struct pt_regs){.rax = nr_flags, .rcx = SITE_A + 2, .eflags = 0xad7};
		ck_assert_int_eq(fix(&r, STUB_LEAVE), TRAMP_BEFORE);
		ck_assert_uint_eq(r.eflags, want);
		r = (struct pt_regs){.rax = nr_flags, .rcx = SITE_A, .r11 = 39, .eflags = 0xad7};
		(void)fix(&r, STUB_TAIL);
		ck_assert_uint_eq(r.rip, SITE_A);
		ck_assert_uint_eq(r.rax, 39);
		ck_assert_uint_eq(r.eflags, want);
	}
}
END_TEST

START_TEST(copy_that_faults_makes_the_call)
{
	static const struct {
		uaddr_t ret, behind;
	} c[] = {{SITE_A + 2, SITE_A + 2}, {AREA + TRAMP_SIZE + 10, SITE_B + 2}};
	struct pt_regs r;

	setup();
	for (size_t i = 0; i < 2; i++) {
		set32(SLOT_NR, 4 << 16 | 0x4100); /* carry and zero */
		set64(SLOT_RETURN, c[i].ret);
		r = (struct pt_regs){.rip = STUB_ENTRY_SAVED + 0x60, .rdi = 16, .eflags = 0x10a02};
		ck_assert_int_eq(tramp_fix(&ht, &r, true), TRAMP_CALL);
		ck_assert_uint_eq(r.rip, c[i].behind);
		ck_assert_uint_eq(r.rcx, c[i].behind);
		ck_assert_uint_eq(r.rax, 4);
		ck_assert_uint_eq(r.rdi, 16);
		ck_assert_uint_eq(r.eflags, 0x243);
		ck_assert_uint_eq(r.r11, 0x243);
	}
	/* A fault behind the call is its result's, one elsewhere the guest's. */
	r = (struct pt_regs){.rip = STUB_ANSWERED};
	ck_assert_int_eq(tramp_fix(&ht, &r, true), TRAMP_DONE);
	r = (struct pt_regs){.rip = SITE_A};
	ck_assert_int_eq(tramp_fix(&ht, &r, true), TRAMP_NONE);
}
END_TEST

START_TEST(call_made_waits_or_has_its_result)
{
	static const u32 waiting[] = {CALL_MADE, CALL_SLEEP}, answered[] = {CALL_READY, CALL_OFF};
	struct pt_regs r;

	setup();
	set32(SLOT_NR, 39 << 16);
	set64(SLOT_RETURN, SITE_A + 2);
	set64(SLOT_RESULT, 1234);
	for (int i = 0; i < 2; i++) {
		set32(SLOT_STATE, waiting[i]);
		r = (struct pt_regs){.eflags = 0x242};
		ck_assert_int_eq(fix(&r, STUB_COMMIT_IP), TRAMP_WAITING);
		ck_assert_uint_eq(r.rip, SITE_A + 2);
		set32(SLOT_OUT_LEN, 8);
		set64(SLOT_OUT_ADDR, OUT_TO);
		memcpy((u8 *)slot + SLOT_OUT, "contents", 8);
		memset(out, 0, sizeof(out));
		tramp_answer(&ht, &r);
		ck_assert_uint_eq(r.rax, 1234);
		ck_assert(!memcmp(out, "contents", 8));
		/* Once only. */
		memset(out, 0, sizeof(out));
		set32(SLOT_STATE, answered[i]);
		r = (struct pt_regs){.eflags = 0x242};
		ck_assert_int_eq(fix(&r, STUB_COMMIT_IP), TRAMP_DONE);
		ck_assert_uint_eq(r.rip, SITE_A + 2);
		ck_assert_uint_eq(r.rax, 1234);
		ck_assert_int_eq(out[0], 0);
	}
	/* Behind the call that waited, rax has it; where it's settled, r11. */
	r = (struct pt_regs){.rax = 55};
	ck_assert_int_eq(fix(&r, STUB_WAIT_IP), TRAMP_DONE);
	ck_assert_uint_eq(r.rax, 55);
	r = (struct pt_regs){.rax = 1, .r11 = 66};
	ck_assert_int_eq(fix(&r, STUB_FINISH), TRAMP_DONE);
	ck_assert_uint_eq(r.rax, 66);
	ck_assert_uint_eq(r.rip, SITE_A + 2);
	/* Nowhere to copy it to. */
	set32(SLOT_OUT_LEN, 8);
	set64(SLOT_OUT_ADDR, OUT_TO + 1);
	r = (struct pt_regs){.r11 = 8};
	ck_assert_int_eq(fix(&r, STUB_ANSWERED), TRAMP_DONE);
	ck_assert_int_eq((s64)r.rax, -14);
}
END_TEST

START_TEST(form_b_returns_to_the_site)
{
	struct pt_regs r = {.eflags = 0x242};

	setup();
	set64(SLOT_RETURN, tramp_b + 10);
	set64(SLOT_RESULT, 9);
	ck_assert_int_eq(fix(&r, STUB_ANSWERED), TRAMP_DONE);
	ck_assert_uint_eq(r.rip, SITE_B + 2);
	ck_assert_uint_eq(r.rax, 9);
	r = (struct pt_regs){.eflags = 0x202};
	ck_assert_int_eq(fix(&r, STUB_ENTRY_SAVED), TRAMP_AGAIN);
	ck_assert_uint_eq(r.rip, SITE_B);
}
END_TEST

/* Slot and registers may say anything. */
START_TEST(hostile_registers_are_survived)
{
	u64 seed = 88172645463325252ULL;
	struct pt_regs r;

	setup();
	for (int round = 0; round < 200000; round++) {
		for (size_t i = 0; i < sizeof(r) / 8; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			((u64 *)&r)[i] = seed;
		}
		for (int i = 0; i < 32; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			slot[i] = seed >> seed % 60;
		}
		set32(SLOT_STATE, seed % 6);
		(void)fix(&r, round % 2 ? STUB_ENTRY + seed % (STUB_ENTRY_END - STUB_ENTRY)
					: AREA + seed % (3 * TRAMP_SIZE));
		tramp_answer(&ht, &r);
	}
}
END_TEST

UNIT_MAIN("trampolines", trampolines_are_before_the_call, padding_counts_while_the_jump_is_there,
	  call_on_its_way_is_before_the_call_with_its_flags, copy_that_faults_makes_the_call,
	  call_made_waits_or_has_its_result, form_b_returns_to_the_site,
	  hostile_registers_are_survived)
