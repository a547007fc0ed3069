/* Calls by the slot: see slotcall.h. */
#include "os/slotcall.h"
#include "cpu.h"
#include "host.h"
#include "os/spin.h"
#include "os/tramp.h"
#include "stub/layout.h"
#include <string.h>
#include <x86intrin.h>

static u32 *state_word(const struct host_task *ht)
{
	return slot_field(ht, SLOT_STATE);
}

void slotcall_set_state(const struct host_task *ht, u32 state)
{
	store_release(state_word(ht), state);
}

bool slotcall_change_state(const struct host_task *ht, u32 from, u32 to)
{
	return __atomic_compare_exchange_n(state_word(ht), &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

enum slotcall slotcall_look(struct host_task *ht, struct cpu *cpu)
{
	const u32 *state = state_word(ht);
	u64 end = __rdtsc() + spin_cycles(&ht->spin);
	bool kicked;

	do {
		for (int i = 0; i < 32; i++) {
			if (load_acquire(state) == CALL_MADE)
				return SLOTCALL_MADE;
			cpu_relax();
		}
		kicked = load_relaxed(&cpu->kick_pending);
	} while (__rdtsc() < end && !kicked);
	if (!slotcall_change_state(ht, CALL_READY, CALL_OFF))
		return SLOTCALL_MADE;
	return kicked ? SLOTCALL_KICKED : SLOTCALL_NONE;
}

uaddr_t slotcall_ip(const struct host_task *ht)
{
	uaddr_t ret;

	memcpy(&ret, slot_field(ht, SLOT_RETURN), sizeof(ret));
	return tramp_call_ip(ht->hm, ret);
}

void slotcall_event(struct host_task *ht, struct event *ev)
{
	u32 nr;

	memcpy(&nr, slot_field(ht, SLOT_NR), sizeof(nr));
	memcpy(ev->sys.args, slot_field(ht, SLOT_ARGS), sizeof(ev->sys.args));
	ev->kind = EVENT_SYSCALL;
	ev->sys.nr = nr >> 16;
	ev->sys.ip = slotcall_ip(ht);
	ev->sys.sp = 0;
}

void slotcall_copies_begin(struct host_task *ht)
{
	memcpy(&ht->in_addr, slot_field(ht, SLOT_IN_ADDR), sizeof(ht->in_addr));
	memcpy(&ht->in_len, slot_field(ht, SLOT_IN_LEN), sizeof(ht->in_len));
	ht->in_len = min(ht->in_len, (u32)SLOT_COPY_MAX);
	ht->copies = true;
}

void slotcall_copies_end(struct host_task *ht)
{
	memcpy(slot_field(ht, SLOT_OUT_ADDR), &ht->out_addr, sizeof(ht->out_addr));
	memcpy(slot_field(ht, SLOT_OUT_LEN), &ht->out_len, sizeof(ht->out_len));
	ht->copies = false;
	ht->out_len = 0;
}
