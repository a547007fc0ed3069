/*
 * Functions of a program, from its .eh_frame_hdr: a table of (start, description) sorted by start.
 * All of it is guest memory: read once, then checked; who lies there spoils his own code only. What
 * isn't there may be in the file (sections.c).
 */
#include "fs.h"
#include "kernel/patch/patch_priv.h"
#include <elf.h>
#include <string.h>

#define PHDRS_MAX 64
/* Encodings that linkers write: see the LSB on .eh_frame_hdr. */
#define ENC_UDATA4 0x03
#define ENC_DATAREL_SDATA4 0x3b
#define HDR_SIZE 12

static bool get(struct mm *mm, void *to, uaddr_t from, size_t n)
{
	return from <= TASK_SIZE - n && host_mm_read(mm->host, to, from, n) == n;
}

/* Where the first page of the file which v maps lies, below v; 0: nowhere. */
static uaddr_t image_start(struct mm *mm, const struct vma *v)
{
	for (const struct vma *p = v; p >= mm->vmas && p->file && p->file->inode == v->file->inode;
	     p--)
		if (p->pgoff == 0)
			return p->start;
	return 0;
}

struct image {
	Elf64_Ehdr eh;
	uaddr_t bias; /* how much higher it lies than its headers say */
	uaddr_t hdr;  /* its .eh_frame_hdr; 0: there is none */
};

static bool image_read(struct mm *mm, uaddr_t start, struct image *im)
{
	Elf64_Phdr ph[PHDRS_MAX];
	Elf64_Ehdr *eh = &im->eh;
	bool based = false;

	im->hdr = 0;
	if (!get(mm, eh, start, sizeof(*eh)) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_phentsize != sizeof(*ph) || eh->e_phnum > PHDRS_MAX || eh->e_phoff > PAGE_SIZE ||
	    !get(mm, ph, start + eh->e_phoff, eh->e_phnum * sizeof(*ph)))
		return false;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0 && !based) {
			im->bias = start - ph[i].p_vaddr;
			based = true;
		} else if (ph[i].p_type == PT_GNU_EH_FRAME) {
			im->hdr = ph[i].p_vaddr;
		}
	}
	if (based && im->hdr)
		im->hdr += im->bias;
	return based;
}

struct entry {
	s32 start, description; /* relative to the header */
};

/* The length of the function which the description is for; 0: it isn't right. */
static u32 described(struct mm *mm, uaddr_t description, uaddr_t start)
{
	struct {
		u32 length, cie;
		s32 start; /* relative to itself */
		u32 range;
	} d;

	if (!get(mm, &d, description, sizeof(d)) || d.length == ~0U || d.length < 12 || !d.cie ||
	    description + 8 + d.start != start)
		return 0;
	return d.range;
}

static bool in_header(struct mm *mm, uaddr_t hdr, uaddr_t addr, struct function *f)
{
	struct {
		u8 version, ptr, count, table;
		s32 frames;
		u32 n;
	} h;
	struct entry e, next, prev;
	u32 lo = 0, hi, range;

	if (!get(mm, &h, hdr, HDR_SIZE) || h.version != 1 || h.count != ENC_UDATA4 ||
	    h.table != ENC_DATAREL_SDATA4 || !h.n || h.n > 1U << 24)
		return false;
	for (hi = h.n; hi - lo > 1;) {
		u32 mid = lo + (hi - lo) / 2;

		if (!get(mm, &e, hdr + HDR_SIZE + 8UL * mid, sizeof(e)))
			return false;
		if (hdr + e.start <= addr)
			lo = mid;
		else
			hi = mid;
	}
	if (!get(mm, &e, hdr + HDR_SIZE + 8UL * lo, sizeof(e)))
		return false;
	f->start = hdr + e.start;
	range = described(mm, hdr + e.description, f->start);
	f->end = f->start + range;
	if (addr < f->start || addr >= f->end)
		return false;
	f->next = lo + 1 < h.n && get(mm, &next, hdr + HDR_SIZE + 8UL * (lo + 1), sizeof(next))
			  ? hdr + next.start
			  : 0;
	f->prev_start = f->prev_end = 0;
	if (lo && get(mm, &prev, hdr + HDR_SIZE + 8UL * (lo - 1), sizeof(prev))) {
		range = described(mm, hdr + prev.description, hdr + prev.start);
		if (range) {
			f->prev_start = hdr + prev.start;
			f->prev_end = f->prev_start + range;
		}
	}
	return true;
}

bool function_find(struct mm *mm, const struct vma *v, uaddr_t addr, struct function *f)
{
	uaddr_t start = image_start(mm, v);
	struct nearby n = {.addr = addr};
	struct image im;

	if (!start || !image_read(mm, start, &im))
		return false;
	if (im.hdr && in_header(mm, im.hdr, addr, f))
		return true;
	sections_near(v->file, &im.eh, im.bias, &n);
	*f = n.f;
	return addr >= f->start && addr < f->end;
}
