/* Decodes a function from its start, since only so instruction boundaries are known, and decides how a call site in it can be patched. */
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
 * Is there a boundary at `site`, and what instruction before it? The offset of that, `site` if it is the first; -1: no boundary, or not the
 * call.
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

int code_padding(const u8 *code, size_t size, size_t n)
{
	const ZydisDecoder *d = decoder();
	ZydisDecodedInstruction i;
	size_t run = 0; /* where the padding that ends at `at` begins */

	for (size_t at = 0; at < size; at += i.length) {
		if (!decode(d, code + at, size - at, &i))
			return -1;
		if (i.mnemonic != ZYDIS_MNEMONIC_NOP && i.mnemonic != ZYDIS_MNEMONIC_INT3)
			run = at + i.length;
		else if (at + i.length - run >= n)
			return run;
	}
	return -1;
}

/* Dead bytes in [from, to) that a jump of 8 bits at site reaches; 0: none. */
static uaddr_t find_pad(struct mm *mm, uaddr_t from, uaddr_t to, uaddr_t site)
{
	uaddr_t low = site + 2 - 128, high = site + 2 + 127;
	u8 gap[GAP_MAX];
	int at;

	if (!from || to <= from || to - from > GAP_MAX ||
	    host_mm_read(mm->host, gap, from, to - from) != to - from)
		return 0;
	at = code_padding(gap, to - from, 5);
	return at >= 0 && from + at >= low && from + at <= high ? from + at : 0;
}

static bool plan_a(const u8 *code, size_t off, long prev, u32 nr, struct plan *p)
{
	u32 imm;

	if (prev != (long)off - 5 || code[prev] != 0xb8)
		return false;
	memcpy(&imm, code + prev + 1, sizeof(imm));
	if (imm != nr)
		return false;
	p->len = 5;
	memcpy(p->old, code + prev, 5);
	return true;
}

bool code_plan(struct mm *mm, const struct function *f, uaddr_t site, u32 nr, struct plan *p)
{
	size_t off = site - f->start;
	u8 *code;
	long prev;
	bool ok = false;

	if (off + 2 > FUNCTION_MAX)
		return false;
	code = kmalloc(off + 2);
	if (!code)
		return false;
	*p = (struct plan){.nr = nr};
	if (host_mm_read(mm->host, code, f->start, off + 2) == off + 2) {
		prev = before_site(code, off);
		if (prev >= 0 && plan_a(code, off, prev, nr, p)) {
			p->at = site - 5;
			ok = true;
		} else if (prev >= 0) {
			p->at = site;
			p->len = 2;
			memcpy(p->old, code + off, 2);
			p->pad = find_pad(mm, f->end, f->next, site);
			if (!p->pad)
				p->pad = find_pad(mm, f->prev_end, f->start, site);
			ok = p->pad;
		}
	}
	kfree(code);
	return ok;
}
