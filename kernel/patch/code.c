/*
 * Decodes a function from its start, since only so instruction boundaries are known, and decides
 * how a call site in it can be patched.
 */
#include "alloc.h"
#include "kernel/patch/patch_priv.h"
#include <Zydis/Zydis.h>
#include <string.h>

#define FUNCTION_MAX 65536
#define GAP_MAX 256

static ZydisDecoder *decoder(void)
{
	static ZydisDecoder d; /* the same whoever initialises it */

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return &d;
}

static bool decode(const ZydisDecoder *d, const u8 *code, size_t n, ZydisDecodedInstruction *i)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(d, NULL, code, n, i));
}

/*
 * Is there a boundary at `site`, and what instruction before it? The offset of that, `site` if it
 * is the first; -1: no boundary, or not the call.
 */
static long before_site(const u8 *code, size_t site)
{
	const ZydisDecoder *d = decoder();
	ZydisDecodedInstruction i;
	size_t at = 0, prev = site;

	while (at < site) {
		if (!decode(d, code + at, site + 2 - at, &i))
			return -1;
		prev = at;
		at += i.length;
	}
	return at == site && code[at] == 0x0f && code[at + 1] == 0x05 ? (long)prev : -1;
}

static bool is_nop(const ZydisDecodedInstruction *i)
{
	return i->mnemonic == ZYDIS_MNEMONIC_NOP || i->mnemonic == ZYDIS_MNEMONIC_INT3;
}

/* Does execution never go on behind it? (Behind a call it may, for all that is known.) */
static bool is_end(const ZydisDecodedInstruction *i)
{
	return i->mnemonic == ZYDIS_MNEMONIC_RET || i->mnemonic == ZYDIS_MNEMONIC_JMP ||
	       i->mnemonic == ZYDIS_MNEMONIC_UD2 || i->mnemonic == ZYDIS_MNEMONIC_HLT;
}

bool code_is_padding(const u8 *code, size_t size)
{
	const ZydisDecoder *d = decoder();
	ZydisDecodedInstruction i;

	for (size_t at = 0; at < size; at += i.length)
		if (!decode(d, code + at, size - at, &i) || !is_nop(&i))
			return false;
	return true;
}

bool code_ends(const u8 *code, size_t size)
{
	const ZydisDecoder *d = decoder();
	ZydisDecodedInstruction i = {.mnemonic = ZYDIS_MNEMONIC_INVALID};

	for (size_t at = 0; at < size; at += i.length)
		if (!decode(d, code + at, size - at, &i))
			return false;
	return is_end(&i);
}

/*
 * Marks the targets of jumps in this function that lie in the n bytes from low. False: it can't be
 * told where all of them lead.
 */
static bool mark_targets(const u8 *code, size_t size, size_t low, bool *target, size_t n)
{
	const ZydisDecoder *d = decoder();
	ZydisDecodedInstruction i;

	for (size_t at = 0; at < size; at += i.length) {
		size_t to;

		if (!decode(d, code + at, size - at, &i) ||
		    (i.mnemonic == ZYDIS_MNEMONIC_JMP && !i.raw.imm[0].is_relative))
			return false;
		to = at + i.length + i.raw.imm[0].value.s - low;
		if (i.raw.imm[0].is_relative && to < n)
			target[to] = true;
	}
	return true;
}

long code_inner_padding(const u8 *code, size_t size, size_t low, size_t high, size_t *room)
{
	bool target[PAD_WINDOW + PAD_ROOM_MAX] = {};
	const ZydisDecoder *d = decoder();
	ZydisDecodedInstruction i;
	size_t run = 0, n; /* where NOPs behind an end begin; 0: nowhere */

	if (high - low > PAD_WINDOW || !mark_targets(code, size, low, target, sizeof(target)))
		return -1;
	for (size_t at = 0; at < min(size, high + PAD_SIZE); at += i.length) {
		if (!decode(d, code + at, size - at, &i))
			return -1;
		n = at + i.length - run;
		if (is_end(&i)) {
			run = at + i.length;
		} else if (!is_nop(&i)) {
			run = 0;
		} else if (run >= max(low, 1UL) && run <= high && n >= PAD_SIZE) {
			if (!memchr(target + (run - low), true, n)) {
				*room = n;
				return run;
			}
			run = 0;
		}
	}
	return -1;
}

/*
 * Is what lies in [end, next), behind a function, never executed? Nobody falls into it, and there
 * is no code that nothing describes.
 */
static bool is_dead(struct mm *mm, uaddr_t start, uaddr_t end, uaddr_t next)
{
	size_t size = next - start;
	u8 *code;
	bool dead;

	if (size > FUNCTION_MAX)
		return false;
	code = kmalloc(size);
	if (!code)
		return false;
	dead = host_mm_read(mm->host, code, start, size) == size && code_ends(code, end - start) &&
	       code_is_padding(code + (end - start), next - end);
	kfree(code);
	return dead;
}

/*
 * Five dead bytes between a function [start, end) and the next, which a jump of 8 bits at site
 * reaches; 0: none. Sites that have some there already took them in order, once it was known that
 * all of it is dead.
 */
static uaddr_t find_pad(struct mm *mm, uaddr_t start, uaddr_t end, uaddr_t next, uaddr_t site)
{
	const struct patches *o = mm->patches;
	uaddr_t at = max(end, site + 2 - 128), last = site + 2 + 127;
	bool dead = false;

	if (!end || next <= end || next - end > GAP_MAX)
		return 0;
	for (int i = 0; o && i < o->n; i++)
		if (o->sites[i].call.at && o->sites[i].pad.at >= end && o->sites[i].pad.at < next) {
			dead = true;
			at = max(at, o->sites[i].pad.at + PAD_SIZE);
		}
	if (at > last || at + PAD_SIZE > next || (!dead && !is_dead(mm, start, end, next)))
		return 0;
	return at;
}

static bool plan_a(const u8 *code, size_t off, long prev, u32 nr, struct plan *p)
{
	u32 imm;

	if (prev != (long)off - 5 || code[prev] != 0xb8)
		return false;
	memcpy(&imm, code + prev + 1, sizeof(imm));
	if (imm != nr)
		return false;
	p->at -= 5;
	p->len = 5;
	memcpy(p->old, code + prev, 5);
	return true;
}

/* code: the function's, or the size bytes of it up to the call, if it is too long. */
static bool plan_b(struct mm *mm, const struct function *f, const u8 *code, size_t size, size_t off,
		   struct plan *p)
{
	uaddr_t site = f->start + off;
	long inner;

	p->len = 2;
	memcpy(p->old, code + off, 2);
	p->room = PAD_SIZE;
	p->pad = find_pad(mm, f->start, f->end, f->next, site);
	if (!p->pad)
		p->pad = find_pad(mm, f->prev_start, f->prev_end, f->start, site);
	if (!p->pad && size == f->end - f->start) {
		inner = code_inner_padding(code, size, off > 126 ? off - 126 : 0, off + 129,
					   &p->room);
		p->pad = inner > 0 ? f->start + inner : 0;
	}
	return p->pad;
}

bool code_plan(struct mm *mm, const struct function *f, uaddr_t site, u32 nr, struct plan *p)
{
	size_t off = site - f->start, size = f->end - f->start;
	u8 *code;
	long prev;
	bool ok = false;

	if (size > FUNCTION_MAX)
		size = off + 2;
	if (size > FUNCTION_MAX || off + 2 > size)
		return false;
	code = kmalloc(size);
	if (!code)
		return false;
	*p = (struct plan){.nr = nr, .at = site};
	if (host_mm_read(mm->host, code, f->start, size) == size) {
		prev = before_site(code, off);
		ok = prev >= 0 &&
		     (plan_a(code, off, prev, nr, p) || plan_b(mm, f, code, size, off, p));
	}
	kfree(code);
	return ok;
}
