/* Registers by the slot: see slotregs.h. */
#include "os/slotregs.h"
#include "os/slotcall.h"
#include "os/tramp.h"
#include "stub/layout.h"
#include <string.h>

#define EFLAGS_TF 0x100

_Static_assert(offsetof(struct pt_regs, rsp) == 19 * sizeof(u64) &&
		       offsetof(struct pt_regs, eflags) == 18 * sizeof(u64) &&
		       offsetof(struct pt_regs, rip) == 16 * sizeof(u64),
	       "NEW() in stub/tramp.S");

void slotregs_read(const struct host_task *ht, struct pt_regs *r)
{
	struct {
		u64 rbx, rbp, r12, r13, r14, r15, rsp, flags, fs_base;
	} s;
	u64 args[6];
	u32 nr_flags;

	_Static_assert(sizeof(s) == SLOT_FSBASE + sizeof(u64) - SLOT_REGS, "SLOT_REGS");
	memcpy(&s, slot_field(ht, SLOT_REGS), sizeof(s));
	memcpy(args, slot_field(ht, SLOT_ARGS), sizeof(args));
	memcpy(&nr_flags, slot_field(ht, SLOT_NR), sizeof(nr_flags));
	*r = (struct pt_regs){
		.rdi = args[0],
		.rsi = args[1],
		.rdx = args[2],
		.r10 = args[3],
		.r8 = args[4],
		.r9 = args[5],
		.rbx = s.rbx,
		.rbp = s.rbp,
		.r12 = s.r12,
		.r13 = s.r13,
		.r14 = s.r14,
		.r15 = s.r15,
		.rsp = s.rsp,
		.eflags = s.flags | EFLAGS_FIXED,
		.fs_base = s.fs_base,
		.cs = USER_CS,
		.ss = USER_DS,
	};
	tramp_set_flags(r, nr_flags);
	r->rip = r->rcx = slotcall_ip(ht);
	r->r11 = r->eflags;
}

bool slotregs_fit(const struct pt_regs *r)
{
	u64 features;

	return !r->gs_base && !(r->eflags & EFLAGS_TF) &&
	       xstate_frame(&features) <= STUB_INITIAL_SIZE;
}

void slotregs_write(const struct host_task *ht, const struct pt_regs *r, uaddr_t save)
{
	u64 features;

	(void)xstate_frame(&features);
	memcpy(slot_field(ht, SLOT_NEW), r, offsetof(struct pt_regs, ss));
	memcpy(slot_field(ht, SLOT_FS), &r->fs_base, sizeof(r->fs_base));
	memcpy(slot_field(ht, SLOT_SAVE_MASK), &features, sizeof(features));
	memcpy(slot_field(ht, SLOT_SAVE_AT), &save, sizeof(save));
	store_release((u32 *)slot_field(ht, SLOT_LOAD), 1);
}

bool slotregs_interrupted(const struct host_task *ht, uaddr_t ip, bool *saved)
{
	u32 *load = slot_field(ht, SLOT_LOAD);
	bool not_begun = load_relaxed(load);

	*saved = !not_begun && ip >= STUB_SAVED;
	if (!not_begun && (ip < STUB_LOAD || ip >= STUB_LOAD_END))
		return false;
	store_relaxed(load, 0);
	return true;
}
