/*
 * Which call sites are hot. Each CPU has a table of its own; a site that loses its place starts
 * anew, which costs nothing but time.
 */
#include "cpu.h"
#include "kernel/patch/patch_priv.h"
#include "task.h"

#define HOT 64 /* calls before a site is looked at */
#define SETS 64
#define WAYS 4

struct hot {
	uaddr_t ip;
	const struct mm *mm; /* for comparison only */
	u32 calls;
};

/* By CPU: written by itself only. */
static struct {
	struct hot way[SETS][WAYS];
	u32 turn;
} __attribute__((aligned(64))) tables[MAX_CPUS];

/* Processes that run the same program in turns have places of their own. */
static struct hot *set_of(uaddr_t ip, const struct mm *mm)
{
	u64 key = (ip ^ (uintptr_t)mm << 16) * 0x9e3779b97f4a7c15UL;

	return tables[this_cpu()->id].way[key >> 32 & (SETS - 1)];
}

/* The site's place. NULL: all are taken, and one of them, in turn, is worn out a bit. */
static struct hot *place(uaddr_t ip, const struct mm *mm)
{
	struct hot *set = set_of(ip, mm), *h;

	for (h = set; h < set + WAYS; h++)
		if (h->ip == ip && h->mm == mm)
			return h;
	h = set + tables[this_cpu()->id].turn++ % WAYS;
	if (h->calls) {
		h->calls--;
		return NULL;
	}
	*h = (struct hot){ip, mm, 0};
	return h;
}

void patch_count(uaddr_t ip, u64 nr)
{
	struct hot *h = place(ip, current->mm);

	if (!h || h->calls > HOT)
		return;
	if (++h->calls == HOT)
		site_patch(current->mm, ip - 2, nr);
}
