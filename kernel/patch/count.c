/* Which call sites are hot. Each CPU has a table of its own; a site that loses its place starts anew, which costs nothing but time. */
#include "cpu.h"
#include "kernel/patch/patch_priv.h"
#include "task.h"

#define HOT 64 /* calls before a site is looked at */
#define SLOTS 256

struct hot {
	uaddr_t ip;
	const struct mm *mm; /* for comparison only */
	u32 calls;
};

/* By CPU: written by itself only. */
static struct {
	struct hot slot[SLOTS];
} __attribute__((aligned(64))) tables[MAX_CPUS];

/* Processes that run the same program in turns have places of their own. */
static struct hot *place(uaddr_t ip, const struct mm *mm)
{
	return &tables[this_cpu()->id].slot[(ip ^ ip >> 8 ^ (uintptr_t)mm / sizeof(*mm)) % SLOTS];
}

void patch_count(uaddr_t ip, u64 nr)
{
	struct hot *h = place(ip, current->mm);

	if (h->ip != ip || h->mm != current->mm) {
		if (h->calls) { /* it wears out the one that is there */
			h->calls--;
			return;
		}
		*h = (struct hot){ip, current->mm, 0};
	}
	if (h->calls > HOT)
		return;
	if (++h->calls == HOT)
		site_patch(current->mm, ip - 2, nr);
}
