/* Inside kernel/patch. */
#ifndef HEDDLE_KERNEL_PATCH_PRIV_H
#define HEDDLE_KERNEL_PATCH_PRIV_H

#include "mm.h"
#include "patch.h"
#include "stub/layout.h"
#include <elf.h>

#define PAD_SIZE 5U /* a jmp rel32 */
#define PAD_ROOM_MAX (PAD_SIZE - 1 + 15)
#define PAD_WINDOW 255UL /* what a jmp rel8 reaches */

/* Some bytes of text that were changed. */
struct edit {
	uaddr_t at; /* 0: none */
	u8 len;
	u8 old[PAD_ROOM_MAX], now[PAD_ROOM_MAX];
};

/* A site of a mm, patched or refused. Protected by mm->lock. */
struct site {
	uaddr_t addr;	  /* of the syscall instruction */
	struct edit call; /* the jump there, or a bit before; not any more when it was put back */
	struct edit pad;  /* form B: where that jump leads. It is dead code, and stays */
};

struct patches {
	int n, cap;
	int nr_areas;
	uaddr_t area[TRAMP_AREAS]; /* 0: the guest unmapped it, or a part of it */
	struct site *sites;
};

/*
 * A function: [start, end), and where the next one starts (0: unknown). The one before is
 * [prev_start, prev_end) (0: unknown).
 */
struct function {
	uaddr_t start, end, next, prev_start, prev_end;
};
/*
 * The function around addr in an object of which v is the text. mm->lock is held. May sleep. False:
 * none is known.
 */
must_check bool function_find(struct mm *mm, const struct vma *v, uaddr_t addr, struct function *f);

/*
 * Functions are told one by one, in any order; those next to addr are kept. Begins as 0 but for
 * addr.
 */
struct nearby {
	uaddr_t addr;
	struct function f; /* start: the last one at or below addr. May end before addr */
};
/* size 0: unknown. */
void nearby_add(struct nearby *n, uaddr_t start, u64 size);
/* What a program's file says, which was loaded `bias` above the addresses in it. May sleep. */
void sections_near(struct file *file, const Elf64_Ehdr *eh, uaddr_t bias, struct nearby *n);
/* What an .eh_frame says that was loaded at addr, and a symbol table. Any bytes. May sleep. */
void frames_near(const u8 *buf, size_t size, uaddr_t addr, uaddr_t bias, struct nearby *n);
void symbols_near(const u8 *buf, size_t size, uaddr_t bias, struct nearby *n);

/* How a site can be patched: form A if pad is 0. */
struct plan {
	uaddr_t at, pad;
	size_t room; /* whole NOPs at pad, or just what the jump takes */
	u32 nr;
	u8 len;
	u8 old[5];
};
must_check bool code_plan(struct mm *mm, const struct function *f, uaddr_t site, u32 nr,
			  struct plan *p);
/* Is all of it padding as compilers write it: NOPs and int3, whole ones? */
must_check bool code_is_padding(const u8 *code, size_t size);
/* Does a function that consists of these instructions end in one that never goes on behind it? */
must_check bool code_ends(const u8 *code, size_t size);
/*
 * Where in [low, high] of a function, PAD_WINDOW bytes further at most, there are NOPs of at least
 * PAD_SIZE bytes that are never executed: behind an end, and no jump leads there. Their size in
 * *room. -1: nowhere, as far as can be told.
 */
must_check long code_inner_padding(const u8 *code, size_t size, size_t low, size_t high,
				   size_t *room);

/*
 * An instruction of n (at most 8) bytes at addr, where others may run; -EBUSY: they could see half
 * of it, which is so if !text_writable(). After any other error all is as it was, or the host is
 * broken. mm->stub_lock is held, as for the next.
 */
must_check int text_write(struct mm *mm, uaddr_t addr, const u8 *bytes, size_t n);
must_check bool text_writable(uaddr_t addr);
/* A jump and NOPs behind it, where nobody sees half of it: in dead bytes. */
must_check int dead_write(struct mm *mm, uaddr_t addr, const u8 jump[PAD_SIZE], size_t room);

/* Patches the site if it can, and notes what became of it. */
void site_patch(struct mm *mm, uaddr_t addr, u32 nr);

#endif
