/*
 * Trampolines. Each patched site has one, in an area that the guest can execute and not write; all
 *lead to STUB_ENTRY (stub/tramp.S). Two forms, by what could be patched (kernel/patch/ decides):
 *
 *	A	the `mov $nr,%eax` before the call became a jump: the call's instruction is still
 *there B	the call's instruction itself did: the trampoline has one of its own for all but the
 *expected number
 *
 * A task that is stopped in here is to look as if it weren't: tramp_fix().
 */
#include "os/tramp.h"
#include "alloc.h"
#include "cpu.h"
#include "log.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define TRAMP_MAX (TRAMP_AREA_SIZE / TRAMP_SIZE)

/* Constant once its area's count covers it, until exec or the end. */
struct tramp {
	uaddr_t site; /* of the syscall instruction */
	uaddr_t pad;  /* form B: the jump in dead code which the site leads to */
	u32 nr;
	bool b;
};

/* Where form B has its own call, and the code that both forms share. */
#define B_CALL 8
#define B_RETURN 10
#define B_FAST 15

u64 tramp_file_offset(const struct host_mm *hm, int area)
{
	return (u64)hm->id * CTL_STRIDE + CTL_TRAMP + (u64)area * TRAMP_AREA_SIZE;
}

int host_mm_tramp_area(struct host_mm *hm, uaddr_t addr)
{
	struct batch b;
	int err;

	if (hm->nr_areas == TRAMP_AREAS)
		return -ENOSPC;
	if (!hm->tramps[hm->nr_areas])
		hm->tramps[hm->nr_areas] = kcalloc(TRAMP_MAX, sizeof(struct tramp));
	if (!hm->tramps[hm->nr_areas])
		return -ENOMEM;
	batch_init(&b);
	batch_add(&b, SYS_mmap, addr, TRAMP_AREA_SIZE, PROT_READ | PROT_EXEC,
		  MAP_SHARED | MAP_FIXED, KEEPER_FD_CTL, tramp_file_offset(hm, hm->nr_areas));
	batch_add(&b, SYS_madvise, addr, TRAMP_AREA_SIZE, MADV_DONTFORK, 0, 0, 0);
	err = host_mm_run(hm, &b, NULL, NULL);
	if (err) {
		batch_init(&b);
		batch_add(&b, SYS_munmap, addr, TRAMP_AREA_SIZE, 0, 0, 0, 0);
		(void)!host_mm_run(hm, &b, NULL, NULL); /* what stays is mapped over some day */
		return err;
	}
	hm->areas[hm->nr_areas].base = addr;
	hm->areas[hm->nr_areas].n = 0;
	return __atomic_fetch_add(&hm->nr_areas, 1, __ATOMIC_RELEASE);
}

void host_mm_tramp_drop(struct host_mm *hm, int area)
{
	store_release(&hm->areas[area].n, 0);
	store_release(&hm->areas[area].base, 0);
}

/* ---- code ---- */

static u8 *put32(u8 *p, u32 v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static u8 *put(u8 *p, const char *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* jmp to `target` from p, which lies at `at` in the guest. */
static u8 *put_jump(u8 *p, uaddr_t at, uaddr_t target)
{
	*p++ = 0xe9;
	return put32(p, target - (at + 5));
}

/* To the common code, from p at `at`; `ret` goes along. */
static void put_fast(u8 *p, uaddr_t at, u32 nr, uaddr_t ret)
{
	u64 entry = STUB_ENTRY;
	u8 *start = p;

	*p++ = 0xb8; /* mov $nr << 16, %eax */
	p = put32(p, nr << 16);
	p = put(p, "\x9f\x0f\x90\xc0\x48\x8d\x0d", 7); /* lahf; seto %al; lea ret(%rip), %rcx */
	p = put32(p, ret - (at + (p - start) + 4));
	p = put(p, "\xff\x25", 2); /* jmp *entry(%rip), which follows */
	p = put32(p, 0);
	memcpy(p, &entry, sizeof(entry));
}

static void put_b(u8 *p, uaddr_t at, const struct tramp *t)
{
	u8 *start = p;

	p = put(p, "\x8d\x88", 2); /* lea -nr(%rax), %ecx */
	p = put32(p, -t->nr);
	p = put(p, "\xe3\x07\x0f\x05", 4); /* jrcxz to B_FAST; syscall */
	p = put_jump(p, at + B_RETURN, t->site + 2);
	ASSERT(p == start + B_FAST);
	put_fast(p, at + B_FAST, t->nr, at + B_RETURN);
}

long host_mm_tramp_add(struct host_mm *hm, int area, const struct tramp_site *s)
{
	struct tramp_area *a = &hm->areas[area];
	uaddr_t at = a->base + (u64)a->n * TRAMP_SIZE;
	struct tramp *t = (struct tramp *)hm->tramps[area] + a->n;
	u8 *code = hm->ctl->tramp[area] + (size_t)a->n * TRAMP_SIZE;

	if (a->n == TRAMP_MAX)
		return -ENOSPC;
	*t = (struct tramp){.site = s->site, .pad = s->pad, .nr = s->nr, .b = s->pad != 0};
	if (t->b)
		put_b(code, at, t);
	else
		put_fast(code, at, t->nr, t->site + 2);
	store_release(&a->n, a->n + 1);
	return at;
}

/* ---- where a task is: others may be adding trampolines ---- */

static int areas_of(const struct host_mm *hm)
{
	return load_acquire(&hm->nr_areas);
}

static const struct tramp *tramp_at(const struct host_mm *hm, uaddr_t ip, u32 *off)
{
	for (int i = 0; i < areas_of(hm); i++) {
		const struct tramp_area *a = &hm->areas[i];
		u64 d = ip - load_acquire(&a->base);

		if (d < (u64)load_acquire(&a->n) * TRAMP_SIZE) {
			*off = d % TRAMP_SIZE;
			return (const struct tramp *)hm->tramps[i] + d / TRAMP_SIZE;
		}
	}
	return NULL;
}

/*
 * Is the jump to the trampoline at `to` still at `at`? The guest may have mapped something else
 * there.
 */
static bool is_jump(struct host_mm *hm, uaddr_t at, uaddr_t to)
{
	u8 want[5], now[5];

	put_jump(want, at, to);
	return host_mm_read(hm, now, at, sizeof(now)) == sizeof(now) &&
	       !memcmp(want, now, sizeof(now));
}

/* The jumps of form B in dead code: few, and looked for only where a task is stopped. */
static const struct tramp *tramp_by_pad(struct host_mm *hm, uaddr_t ip)
{
	for (int i = 0; i < areas_of(hm); i++) {
		const struct tramp *t = hm->tramps[i];
		u32 n = load_acquire(&hm->areas[i].n);

		for (u32 k = 0; t && k < n; k++)
			if (t[k].b && t[k].pad == ip &&
			    is_jump(hm, ip, hm->areas[i].base + (u64)k * TRAMP_SIZE))
				return &t[k];
	}
	return NULL;
}

uaddr_t tramp_call_ip(const struct host_mm *hm, uaddr_t ip)
{
	u32 off;
	const struct tramp *t = areas_of(hm) ? tramp_at(hm, ip, &off) : NULL;

	return t && t->b && off == B_RETURN ? t->site + 2 : ip;
}

/* Out of the trampoline itself. */
static enum tramp_where fix_site(struct host_mm *hm, struct pt_regs *r, enum tramp_where where)
{
	u32 off;
	const struct tramp *t = tramp_at(hm, r->rip, &off);

	if (!t) {
		t = tramp_by_pad(hm, r->rip);
		if (!t)
			return where;
		r->rip = t->site;
		return TRAMP_AGAIN;
	}
	if (t->b && off == B_RETURN) {
		r->rip = t->site + 2;
		return where == TRAMP_NONE ? TRAMP_DONE : where;
	}
	r->rip = t->site;
	if (!t->b || off >= B_FAST)
		r->rax = t->nr;
	return t->b ? TRAMP_AGAIN : TRAMP_BEFORE;
}

#define OF 0x800
#define ZF 0x40
#define RF 0x10000	/* as faults leave it */
#define LAHF_FLAGS 0xd5 /* SF ZF AF PF CF */

void tramp_set_flags(struct pt_regs *r, u32 ax)
{
	r->eflags = (r->eflags & ~(u64)(OF | LAHF_FLAGS)) | (ax >> 8 & LAHF_FLAGS) |
		    (ax & 1 ? OF : 0);
}

static enum tramp_where fix_before(struct pt_regs *r, uaddr_t ret, u32 nr_flags)
{
	tramp_set_flags(r, nr_flags);
	r->rip = ret - 2;
	r->rax = nr_flags >> 16;
	return TRAMP_BEFORE;
}

/* From before the call's instruction, perhaps the trampoline's own, to behind it. */
static enum tramp_where fix_call(const struct host_mm *hm, struct pt_regs *r)
{
	r->rip = r->rcx = tramp_call_ip(hm, r->rip + 2);
	r->eflags &= ~(u64)RF;
	r->r11 = r->eflags;
	return TRAMP_CALL;
}

/* In the last instructions: where it goes, with which rax, is settled. */
static enum tramp_where fix_tail(struct pt_regs *r)
{
	if (r->rip == STUB_TAIL)
		tramp_set_flags(r, r->rax);
	else if (r->rip == STUB_TAIL_ADDED)
		tramp_set_flags(r, (r->rax & ~1UL) | (r->eflags & OF ? 1 : 0));
	r->rip = r->rcx;
	r->rax = r->r11;
	return TRAMP_DONE;
}

/*
 * What was to be copied out behind the call, and perhaps is in part. False: the guest's memory
 * can't be written there.
 */
static bool copy_out(const struct host_task *ht)
{
	u8 *slot = slot_alias(ht->global_slot);
	u32 len;
	uaddr_t to;

	memcpy(&len, slot + SLOT_OUT_LEN, sizeof(len));
	memcpy(&to, slot + SLOT_OUT_ADDR, sizeof(to));
	memset(slot + SLOT_OUT_LEN, 0, sizeof(len));
	if (!len)
		return true;
	return len <= SLOT_COPY_MAX && to <= TASK_SIZE - len &&
	       host_mm_write(ht->hm, to, slot + SLOT_OUT, len) == len;
}

void tramp_answer(const struct host_task *ht, struct pt_regs *r)
{
	memcpy(&r->rax, (u8 *)slot_alias(ht->global_slot) + SLOT_RESULT, sizeof(r->rax));
	if (!copy_out(ht))
		r->rax = -EFAULT;
}

/* Made: where it is answered, what is left is done here. */
static enum tramp_where fix_made(const struct host_task *ht, struct pt_regs *r, u64 ret,
				 u32 nr_flags)
{
	const u8 *slot = slot_alias(ht->global_slot);
	u32 state = load_acquire((const u32 *)(slot + SLOT_STATE));
	u64 ip = r->rip;

	tramp_set_flags(r, nr_flags);
	r->rip = r->rcx = ret;
	if (ip < STUB_WAIT_IP && (state == CALL_MADE || state == CALL_SLEEP))
		return TRAMP_WAITING;
	if (ip >= STUB_FINISH)
		r->rax = r->r11;
	else if (ip < STUB_WAIT_IP || ip >= STUB_ANSWERED)
		tramp_answer(ht, r);
	else if (!copy_out(ht))
		r->rax = -EFAULT;
	return TRAMP_DONE;
}

static enum tramp_where fix_common(const struct host_task *ht, struct pt_regs *r)
{
	const u8 *slot = slot_alias(ht->global_slot);
	u64 ret, ip = r->rip;
	u32 nr_flags;

	memcpy(&ret, slot + SLOT_RETURN, sizeof(ret));
	memcpy(&nr_flags, slot + SLOT_NR, sizeof(nr_flags));
	if (ip > STUB_FLAGS && ip < STUB_FLAGS_END)
		memcpy(&r->rsp, slot + SLOT_RSP, sizeof(r->rsp));
	if (ip >= STUB_TAIL)
		return fix_tail(r);
	if (ip < STUB_ENTRY_SAVED || ip >= STUB_LEAVE)
		return fix_before(r, r->rcx, r->rax);
	if (ip < STUB_COMMIT_IP || (ip == STUB_COMMIT_IP && !(r->eflags & ZF)) ||
	    (ip >= STUB_ASK && ip < STUB_ASK_IP))
		return fix_before(r, ret, nr_flags);
	return fix_made(ht, r, ret, nr_flags);
}

enum tramp_where tramp_fix(const struct host_task *ht, struct pt_regs *r, bool fault)
{
	struct host_mm *hm = ht->hm;
	enum tramp_where where = TRAMP_NONE;

	if (!areas_of(hm))
		return TRAMP_NONE;
	if (r->rip >= STUB_ENTRY && r->rip < STUB_ENTRY_END)
		where = fix_common(ht, r);
	return fault && where == TRAMP_BEFORE ? fix_call(hm, r) : fix_site(hm, r, where);
}

/* ---- fork and exec ---- */

int tramps_copy(struct host_mm *to, const struct host_mm *from)
{
	for (int i = 0; i < from->nr_areas; i++) {
		u32 n = from->areas[i].n;

		to->tramps[i] = kcalloc(TRAMP_MAX, sizeof(struct tramp));
		if (!to->tramps[i])
			return -ENOMEM;
		memcpy(to->tramps[i], from->tramps[i], n * sizeof(struct tramp));
		memcpy(to->ctl->tramp[i], from->ctl->tramp[i], (size_t)n * TRAMP_SIZE);
		to->areas[i] = from->areas[i];
	}
	to->nr_areas = from->nr_areas;
	return 0;
}

void host_mm_tramps_forget(struct host_mm *hm)
{
	hm->nr_areas = 0;
	for (int i = 0; i < TRAMP_AREAS; i++) {
		const struct tramp *t = hm->tramps[i];
		u32 n = t ? TRAMP_MAX : 0;

		/* Those that there ever were: the other pages need not be there. */
		while (n && !t[n - 1].site)
			n--;
		if (n)
			memset(hm->ctl->tramp[i], 0, n * TRAMP_SIZE);
		kfree(hm->tramps[i]);
		hm->tramps[i] = NULL;
	}
}
