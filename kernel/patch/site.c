/* Patching a site, putting it back, and the record of both. */
#include "alloc.h"
#include "kernel/mm/vma.h"
#include "kernel/patch/patch_priv.h"
#include "log.h"
#include "stub/layout.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <string.h>

#define SITES_MAX 1024 /* a mm */
#define REACH 0x7fff0000L

static struct patch_stats stats; /* atomic, each */
#define COUNT(what) __atomic_add_fetch(&stats.what, 1, __ATOMIC_RELAXED)

const char *const patch_refusal_names[PATCH_REFUSALS] = {
	[PATCH_CALL] = "call needs registers", [PATCH_MEMORY] = "not private file text",
	[PATCH_FUNCTION] = "unknown function", [PATCH_CODE] = "no form fits",
	[PATCH_REACH] = "out of reach",	       [PATCH_STRADDLE] = "threads could see half of it",
	[PATCH_HOST] = "host refused",
};

void patch_get_stats(struct patch_stats *s)
{
	const u64 *from = (const u64 *)&stats;

	for (size_t i = 0; i < sizeof(*s) / sizeof(u64); i++)
		((u64 *)s)[i] = load_relaxed(from + i);
}

/* ---- the record ---- */

static struct site *site_find(const struct patches *p, uaddr_t addr)
{
	for (int i = 0; p && i < p->n; i++)
		if (p->sites[i].addr == addr)
			return &p->sites[i];
	return NULL;
}

static struct site *site_new(struct mm *mm, uaddr_t addr)
{
	struct patches *p = mm->patches;

	if (!p)
		p = mm->patches = kzalloc(sizeof(*p));
	if (!p || p->n == SITES_MAX)
		return NULL;
	if (p->n == p->cap) {
		int cap = max(2 * p->cap, 16);
		struct site *s = krealloc(p->sites, cap * sizeof(*s));

		if (!s)
			return NULL;
		p->sites = s;
		p->cap = cap;
	}
	p->sites[p->n] = (struct site){.addr = addr};
	return &p->sites[p->n++];
}

static void area_insert(struct mm *mm, uaddr_t addr)
{
	struct vma v = {.start = addr,
			.end = addr + TRAMP_AREA_SIZE,
			.flags = VM_READ | VM_EXEC | VM_TRAMP | VM_DONTFORK};

	vma_insert(mm, &v);
}

int patch_fork(struct mm *to, const struct mm *from)
{
	const struct patches *p = from->patches;

	if (!p)
		return 0;
	if (vma_reserve(to, p->nr_areas))
		return -ENOMEM;
	for (int i = 0; i < p->nr_areas; i++)
		if (p->area[i])
			area_insert(to, p->area[i]);
	to->patches = kmemdup(p, sizeof(*p));
	if (!to->patches)
		return -ENOMEM;
	to->patches->sites = kmemdup(p->sites, p->cap * sizeof(*p->sites));
	return to->patches->sites || !p->cap ? 0 : -ENOMEM;
}

void patch_free(struct mm *mm)
{
	if (mm->patches)
		kfree(mm->patches->sites);
	kfree(mm->patches);
	mm->patches = NULL;
}

/* ---- patching ---- */

static bool needs_registers(u32 nr)
{
	switch (nr) {
	case __NR_rt_sigreturn:
	case __NR_clone:
	case __NR_fork:
	case __NR_vfork:
	case __NR_clone3:
	case __NR_execve:
	case __NR_execveat:
	case __NR_exit:
	case __NR_exit_group:
	case __NR_sigaltstack:
	case __NR_arch_prctl:
		return true;
	default:
		return false;
	}
}

/*
 * Text that is nobody else's, and never was writable (what was, is accounted); a child gets all of
 * it or none.
 */
static bool patchable(const struct vma *v)
{
	return v->file && (v->flags & (VM_READ | VM_EXEC)) == (VM_READ | VM_EXEC) &&
	       !(v->flags &
		 (VM_SHARED | VM_WRITE | VM_ACCOUNT | VM_NORESERVE | VM_TRAMP | VM_DONTFORK));
}

static bool reaches(uaddr_t area, uaddr_t at)
{
	long d = (long)(area - at);

	return d > -REACH && d + TRAMP_AREA_SIZE < REACH;
}

/* The number of an area of trampolines near enough; -ENOSPC. */
static int area_near(struct mm *mm, uaddr_t at)
{
	struct patches *p = mm->patches;
	uaddr_t low = at > REACH ? at - REACH : MMAP_MIN_ADDR, addr;
	int n;

	for (int i = 0; i < p->nr_areas; i++)
		if (p->area[i] && reaches(p->area[i], at))
			return i;
	addr = vma_gap_down(mm, TRAMP_AREA_SIZE, max(low, MMAP_MIN_ADDR), at);
	if (!addr || !reaches(addr, at) || vma_reserve(mm, 1))
		return -ENOSPC;
	n = host_mm_tramp_area(mm->host, addr);
	if (n < 0)
		return n;
	p->area[n] = addr;
	p->nr_areas = n + 1;
	area_insert(mm, addr);
	return n;
}

static void jump32(u8 code[5], uaddr_t at, uaddr_t to)
{
	s32 d = to - (at + 5);

	code[0] = 0xe9;
	memcpy(code + 1, &d, sizeof(d));
}

/* The jump to the trampoline, where nobody goes before it is there. */
static int pad_write(struct mm *mm, struct site *s, const struct plan *p, const u8 code[PAD_SIZE])
{
	struct edit pad = {.at = p->pad, .len = p->room};
	int err;

	if (host_mm_read(mm->host, pad.old, pad.at, pad.len) != pad.len)
		return -EFAULT;
	patch_conceal(mm, pad.old, pad.at, pad.len); /* it may have been another site's */
	err = dead_write(mm, pad.at, code, pad.len);
	if (!err && host_mm_read(mm->host, pad.now, pad.at, pad.len) != pad.len)
		err = -EFAULT;
	if (!err)
		s->pad = pad;
	return err;
}

/* 0, or the reason why not, negative. */
static int apply(struct mm *mm, struct site *s, const struct plan *p)
{
	int area = area_near(mm, p->at), err;
	uaddr_t jump = p->pad ? p->pad : p->at;
	u8 code[PAD_SIZE], short_jump[2] = {0xeb, p->pad - (p->at + 2)};
	const u8 *now = p->pad ? short_jump : code;
	long tramp;

	if (area < 0)
		return area == -ENOSPC ? -PATCH_REACH : -PATCH_HOST;
	if (!text_writable(p->at))
		return -PATCH_STRADDLE;
	tramp = host_mm_tramp_add(
		mm->host, area, &(struct tramp_site){.site = s->addr, .pad = p->pad, .nr = p->nr});
	if (tramp < 0)
		return -PATCH_REACH;
	jump32(code, jump, tramp);
	err = p->pad ? pad_write(mm, s, p, code) : 0;
	if (!err)
		err = text_write(mm, p->at, now, p->len);
	if (err)
		return -PATCH_HOST;
	s->call = (struct edit){.at = p->at, .len = p->len};
	memcpy(s->call.old, p->old, p->len);
	memcpy(s->call.now, now, p->len);
	if (p->pad)
		COUNT(form_b);
	else
		COUNT(form_a);
	return 0;
}

/* Is the pad, if there is one, text as the site is? */
static bool contains(const struct vma *v, uaddr_t pad)
{
	return !pad || (pad >= v->start && pad + PAD_ROOM_MAX <= v->end);
}

/* mm->lock is held for writing. */
static int patch_locked(struct mm *mm, struct site *s, u32 nr)
{
	struct vma *v = vma_find(mm, s->addr - 5);
	struct function f;
	struct plan p;
	int err;

	if (needs_registers(nr))
		return -PATCH_CALL;
	if (!v || v->start > s->addr - 5 || v->end < s->addr + 2 || !patchable(v))
		return -PATCH_MEMORY;
	if (!function_find(mm, v, s->addr, &f))
		return -PATCH_FUNCTION;
	mutex_lock(&mm->stub_lock);
	if (!mm->host)
		err = -PATCH_HOST;
	else if (!code_plan(mm, &f, s->addr, nr, &p) || !contains(v, p.pad))
		err = -PATCH_CODE;
	else
		err = apply(mm, s, &p);
	mutex_unlock(&mm->stub_lock);
	return err;
}

void site_patch(struct mm *mm, uaddr_t addr, u32 nr)
{
	struct site *s;
	int err;

	if (addr < MMAP_MIN_ADDR || addr >= GUEST_TOP)
		return;
	down_write(&mm->lock);
	if (!site_find(mm->patches, addr)) {
		s = site_new(mm, addr);
		if (s) {
			COUNT(seen);
			err = patch_locked(mm, s, nr);
			if (err)
				COUNT(refused[-err]);
		}
	}
	up_write(&mm->lock);
}

/* ---- putting back ---- */

static bool overlaps(const struct edit *e, uaddr_t start, uaddr_t end)
{
	return e->at && e->at < end && e->at + e->len > start;
}

static bool area_overlaps(uaddr_t area, uaddr_t start, uaddr_t end)
{
	return area && area < end && area + TRAMP_AREA_SIZE > start;
}

/*
 * What isn't as it was patched any more was dropped by other means, such as a file that became
 * shorter.
 */
static bool is_there(const struct mm *mm, const struct edit *e)
{
	u8 now[sizeof(e->now)];

	return e->at && host_mm_read(mm->host, now, e->at, e->len) == e->len &&
	       !memcmp(now, e->now, e->len);
}

static int site_restore(struct mm *mm, struct site *s)
{
	int err = 0;

	/*
	 * A thread that is in the middle of it finds its trampoline as long as the mm lives, and
	 * the jump in dead code stays.
	 */
	if (is_there(mm, &s->call)) {
		err = text_write(mm, s->call.at, s->call.old, s->call.len);
		if (!err)
			COUNT(restored);
	}
	if (!err)
		s->call.at = 0;
	return err;
}

static bool affected(const struct site *s, uaddr_t start, uaddr_t end)
{
	return s->call.at && (overlaps(&s->call, start, end) || overlaps(&s->pad, start, end));
}

int patch_restore(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct patches *p = mm->patches;
	bool all = false;
	int err = 0;

	if (!p)
		return 0;
	mutex_lock(&mm->stub_lock);
	for (int i = 0; i < p->nr_areas; i++)
		all |= area_overlaps(p->area[i], start, end);
	for (int i = 0; p->sites && i < p->n && mm->host && !err; i++)
		if (p->sites[i].call.at && (all || affected(&p->sites[i], start, end)))
			err = site_restore(mm, &p->sites[i]);
	for (int i = 0; i < p->nr_areas && mm->host && !err; i++)
		if (area_overlaps(p->area[i], start, end)) {
			p->area[i] = 0;
			host_mm_tramp_drop(mm->host, i);
		}
	mutex_unlock(&mm->stub_lock);
	return err ? -ENOMEM : 0;
}

bool patch_touches(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	const struct patches *p = mm->patches;

	for (int i = 0; p && i < p->n; i++)
		if (affected(&p->sites[i], start, end))
			return true;
	return false;
}

/* Of what was read at addr, n bytes, those that an edit changed. */
static void conceal(const struct mm *mm, const struct edit *e, u8 *buf, uaddr_t addr, size_t n)
{
	uaddr_t from = max(addr, e->at), to = min(addr + n, e->at + e->len);

	if (overlaps(e, addr, addr + n) && is_there(mm, e))
		memcpy(buf + (from - addr), e->old + (from - e->at), to - from);
}

void patch_conceal(const struct mm *mm, void *buf, uaddr_t addr, size_t n)
{
	const struct patches *p = mm->patches;

	for (int i = 0; p && i < p->n && mm->host; i++) {
		conceal(mm, &p->sites[i].call, buf, addr, n);
		conceal(mm, &p->sites[i].pad, buf, addr, n);
	}
}

void patch_step(uaddr_t site)
{
	struct mm *mm = current->mm;

	down_write(&mm->lock);
	(void)!patch_restore(mm, site, site + 2); /* then it steps there again */
	up_write(&mm->lock);
}
