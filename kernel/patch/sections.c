/*
 * Functions around an address, from the sections of the program's file: for programs whose
 * .eh_frame_hdr, if they have one, doesn't know it. .eh_frame (see the LSB, and DWARF on call frame
 * information) describes what GCC compiled unless it was told not to; symbol tables know the rest,
 * as long as they aren't stripped. Files are hostile: each length and offset is checked, and no
 * work is done twice.
 */
#include "alloc.h"
#include "fs.h"
#include "kernel/patch/patch_priv.h"
#include "sched.h"
#include <string.h>

#define SECTIONS_MAX 256
#define SECTION_SIZE_MAX (8UL << 20)
#define AUGMENTATION_MAX 16
#define LEB_MAX 10
#define RECORDS_AT_ONCE 4096 /* a hundred microseconds */

void nearby_add(struct nearby *n, uaddr_t start, u64 size)
{
	struct function *f = &n->f;
	uaddr_t end;

	if (start >= TASK_SIZE || !start)
		return;
	end = size < TASK_SIZE - start ? start + size : start;
	if (start > n->addr) {
		f->next = f->next ? min(f->next, start) : start;
	} else if (start > f->start) {
		f->prev_start = f->start;
		f->prev_end = f->end;
		f->start = start;
		f->end = end;
	} else if (start == f->start) {
		f->end = max(f->end, end);
	} else if (start > f->prev_start) {
		f->prev_start = start;
		f->prev_end = end;
	} else if (start == f->prev_start) {
		f->prev_end = max(f->prev_end, end);
	}
}

/* ---- .eh_frame ---- */

/* Bytes that are read one after the other; `bad` once there are too few. */
struct bytes {
	const u8 *p;
	size_t left;
	bool bad;
};

static u64 take(struct bytes *b, size_t n)
{
	u64 v = 0;

	if (n > b->left) {
		b->bad = true;
		return 0;
	}
	memcpy(&v, b->p, n);
	b->p += n;
	b->left -= n;
	return v;
}

static void skip_leb(struct bytes *b)
{
	for (int i = 0; i < LEB_MAX && !b->bad; i++)
		if (!(take(b, 1) & 0x80))
			return;
	b->bad = true;
}

/* Pointer encodings: what is at hand in the low half, what it is relative to above. */
#define ENC_ABSPTR 0x00
#define ENC_UDATA4 0x03
#define ENC_UDATA8 0x04
#define ENC_SDATA4 0x0b
#define ENC_SDATA8 0x0c
#define ENC_FORMAT 0x0f
#define ENC_PCREL 0x10
#define ENC_RELATIVE 0x70
#define ENC_INDIRECT 0x80

static size_t encoded_size(int encoding)
{
	switch (encoding & ENC_FORMAT) {
	case ENC_UDATA4:
	case ENC_SDATA4:
		return 4;
	case ENC_ABSPTR:
	case ENC_UDATA8:
	case ENC_SDATA8:
		return 8;
	default:
		return 0;
	}
}

static u64 take_encoded(struct bytes *b, int encoding)
{
	size_t n = encoded_size(encoding);
	u64 v = take(b, n);

	b->bad |= !n;
	return (encoding & ENC_FORMAT) == ENC_SDATA4 ? (u64)(s64)(s32)v : v;
}

/* How the description at `b`, behind its length, has the addresses of functions; -1: unknown. */
static int cie_encoding(struct bytes b)
{
	char augmentation[AUGMENTATION_MAX] = "";
	size_t n = 0;
	int version, encoding = ENC_ABSPTR;

	if (take(&b, 4) != 0)
		return -1;
	version = take(&b, 1);
	if (version != 1 && version != 3)
		return -1;
	while ((augmentation[n] = take(&b, 1)))
		if (b.bad || ++n == sizeof(augmentation))
			return -1;
	if (!n)
		return b.bad ? -1 : ENC_ABSPTR;
	if (augmentation[0] != 'z')
		return -1;
	skip_leb(&b); /* code alignment, data alignment */
	skip_leb(&b);
	if (version == 1)
		take(&b, 1);
	else
		skip_leb(&b);
	skip_leb(&b); /* size of the augmentation's data */
	for (size_t i = 1; i < n; i++) {
		if (augmentation[i] == 'R')
			encoding = take(&b, 1);
		else if (augmentation[i] == 'L')
			take(&b, 1);
		else if (augmentation[i] == 'P')
			take_encoded(&b, take(&b, 1));
		else if (augmentation[i] != 'S')
			return -1;
	}
	return b.bad ? -1 : encoding;
}

/*
 * The record at `at`, behind its length; *next is where the following one begins. False: there is
 * none.
 */
static bool record(const u8 *buf, size_t size, size_t at, struct bytes *b, size_t *next)
{
	u32 len;

	if (size < sizeof(len) || at > size - sizeof(len))
		return false;
	memcpy(&len, buf + at, sizeof(len));
	at += sizeof(len);
	if (len < sizeof(u32) || len > size - at) /* its end, one of 64 bits, or none */
		return false;
	*b = (struct bytes){buf + at, len, false};
	*next = at + len;
	return true;
}

void frames_near(const u8 *buf, size_t size, uaddr_t addr, uaddr_t bias, struct nearby *n)
{
	size_t known = size; /* of which description the encoding is known */
	int encoding = -1, records = 0;
	struct bytes b, c;

	for (size_t at = 0, next, ignored; record(buf, size, at, &b, &next); at = next) {
		size_t field = at + 4, cie;
		u32 back = take(&b, 4);
		u64 start, range;

		if (++records % RECORDS_AT_ONCE == 0)
			cond_resched();
		if (!back || back > field) /* itself a CIE, or no record at all */
			continue;
		cie = field - back;
		if (cie != known) {
			known = cie;
			encoding = record(buf, size, cie, &c, &ignored) ? cie_encoding(c) : -1;
		}
		if (encoding < 0 || encoding & ENC_INDIRECT)
			continue;
		start = take_encoded(&b, encoding);
		if ((encoding & ENC_RELATIVE) == ENC_PCREL)
			start += addr + field + 4;
		else if (encoding & ENC_RELATIVE)
			continue;
		else
			start += bias;
		range = take_encoded(&b, encoding & ENC_FORMAT);
		if (!b.bad)
			nearby_add(n, start, range);
	}
}

/* ---- symbols ---- */

void symbols_near(const u8 *buf, size_t size, uaddr_t bias, struct nearby *n)
{
	Elf64_Sym s;

	for (size_t at = 0; size - at >= sizeof(s); at += sizeof(s)) {
		memcpy(&s, buf + at, sizeof(s));
		if ((ELF64_ST_TYPE(s.st_info) == STT_FUNC ||
		     ELF64_ST_TYPE(s.st_info) == STT_GNU_IFUNC) &&
		    s.st_shndx != SHN_UNDEF && s.st_shndx != SHN_ABS)
			nearby_add(n, bias + s.st_value, s.st_size);
		if (at / sizeof(s) % RECORDS_AT_ONCE == RECORDS_AT_ONCE - 1)
			cond_resched();
	}
}

/* ---- the file ---- */

/* NULL: too large, not in the file, or no memory. */
static u8 *section_read(struct file *file, const Elf64_Shdr *sh)
{
	u8 *buf;

	if (!sh->sh_size || sh->sh_size > SECTION_SIZE_MAX)
		return NULL;
	buf = kmalloc(sh->sh_size);
	if (buf && kernel_read(file, buf, sh->sh_size, sh->sh_offset) != (ssize_t)sh->sh_size) {
		kfree(buf);
		return NULL;
	}
	cond_resched();
	return buf;
}

static bool is_named(const Elf64_Shdr *sh, const u8 *names, size_t size, const char *name)
{
	size_t n = strlen(name) + 1;

	return size >= n && sh->sh_name <= size - n && !memcmp(names + sh->sh_name, name, n);
}

static void section_near(struct file *file, const Elf64_Shdr *sh, bool frames, uaddr_t bias,
			 struct nearby *n)
{
	u8 *buf = section_read(file, sh);

	if (buf && frames)
		frames_near(buf, sh->sh_size, bias + sh->sh_addr, bias, n);
	else if (buf)
		symbols_near(buf, sh->sh_size, bias, n);
	kfree(buf);
}

static bool is_frames(const Elf64_Shdr *sh, const u8 *names, size_t size)
{
	return sh->sh_flags & SHF_ALLOC && sh->sh_type != SHT_NOBITS &&
	       is_named(sh, names, size, ".eh_frame");
}

void sections_near(struct file *file, const Elf64_Ehdr *eh, uaddr_t bias, struct nearby *n)
{
	const Elf64_Shdr *frames = NULL, *symbols = NULL, *names_sh;
	u64 size = (u64)eh->e_shnum * sizeof(Elf64_Shdr);
	Elf64_Shdr *sh;
	u8 *names = NULL;

	if (eh->e_shentsize != sizeof(*sh) || eh->e_shnum > SECTIONS_MAX ||
	    eh->e_shstrndx >= eh->e_shnum)
		return;
	sh = kmalloc(size);
	if (!sh || kernel_read(file, sh, size, eh->e_shoff) != (ssize_t)size)
		goto out;
	names_sh = &sh[eh->e_shstrndx];
	names = section_read(file, names_sh);
	if (!names)
		goto out;
	for (const Elf64_Shdr *s = sh; s < sh + eh->e_shnum; s++) {
		if (is_frames(s, names, names_sh->sh_size))
			frames = s;
		else if (s->sh_type == SHT_SYMTAB || (s->sh_type == SHT_DYNSYM && !symbols))
			symbols = s; /* .symtab has all that is in .dynsym */
	}
	if (frames)
		section_near(file, frames, true, bias, n);
	if (symbols)
		section_near(file, symbols, false, bias, n);
out:
	kfree(names);
	kfree(sh);
}
