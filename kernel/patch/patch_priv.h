/* Inside kernel/patch. */
#ifndef HEDDLE_KERNEL_PATCH_PRIV_H
#define HEDDLE_KERNEL_PATCH_PRIV_H

#include "mm.h"
#include "patch.h"
#include "stub/layout.h"

/* A site of a mm, patched or refused. Protected by mm->lock. */
struct site {
	uaddr_t addr; /* of the syscall instruction */
	uaddr_t at;   /* where it was patched; 0: it isn't */
	uaddr_t pad;  /* form B */
	u8 len;	      /* bytes patched there: 5 or 2 */
	u8 old[5];
};

struct patches {
	int n, cap;
	int nr_areas;
	uaddr_t area[TRAMP_AREAS]; /* 0: the guest unmapped it */
	struct site *sites;
};

/* A function: [start, end), and where the next one starts (0: unknown). The one before ends at prev_end (0: unknown). */
struct function {
	uaddr_t start, end, next, prev_end;
};
/* The function around addr in an object of which v is the text. mm->lock is held. False: none is known. */
must_check bool function_find(struct mm *mm, const struct vma *v, uaddr_t addr, struct function *f);

/* How a site can be patched: form A if pad is 0. */
struct plan {
	uaddr_t at, pad;
	u32 nr;
	u8 len;
	u8 old[5];
};
must_check bool code_plan(struct mm *mm, const struct function *f, uaddr_t site, u32 nr,
			  struct plan *p);
/* The start of n bytes of padding in code[0, size), wanted nearest to `near` within reach bytes; -1: none. */
int code_padding(const u8 *code, size_t size, size_t n);

/* Patches the site if it can, and notes what became of it. */
void site_patch(struct mm *mm, uaddr_t addr, u32 nr);

#endif
