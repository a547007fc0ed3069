/*
 * test: quick=no
 * Jumps to every byte of the stub's text, with odd registers. Two processes at a time, for they
 * fault or are killed after a moment.
 */
#include "attack.h"

#define TEXT_SIZE (STUB_LOAD_END + 0x40 - STUB_TEXT)
#define AT_ONCE 2
#define HEAT 3000 /* calls after which their site is patched, in children as well */
#define CALLS 100 /* by then a CPU that spins looks for one here */

/* The slot as trampolines have it, with odd words, from which an answer takes all registers. */
static void be_in_trampoline(uint64_t seed)
{
	volatile uint32_t *state = (uint32_t *)(slot(1) + SLOT_STATE);

	set_gs(slot(1));
	for (int i = 0; i < CALLS && *state != CALL_READY; i++)
		getppid();
	for (uint64_t at = SLOT_NR; at < SLOT_SIGSTACK; at += 4)
		if (hostile_random(&seed) % 2)
			*(volatile uint32_t *)(slot(1) + at) = odd_value(&seed);
	for (int i = 0; i < 20; i++)
		*(volatile uint64_t *)(slot(1) + SLOT_NEW + 8 * i) = odd_value(&seed);
	*(volatile uint32_t *)(slot(1) + SLOT_LOAD) = 1;
}

static void jump_to_each(unsigned int of, uint64_t seed)
{
	for (int i = 0; i < HEAT; i++)
		getppid();
	for (uint64_t at = of; at < TEXT_SIZE; at += AT_ONCE) {
		bool in_trampoline = false;
		struct jump_regs r;

		odd_regs(&r, &seed);
		switch (hostile_random(&seed) % 5) {
		case 0: /* as the keeper has them */
			r.rbp = STUB_CTL;
			r.rbx = STUB_CTL + CTL_OPS;
			r.r14 = 0;
			break;
		case 1: /* as a new task has them */
			r.r9 = r.r13 = slot(1);
			break;
		case 2: /* as the end of the handler has them */
			r.rax = r.rsp = slot(1) + SLOT_FRAME;
			break;
		case 3:
			in_trampoline = true;
			break;
		}
		DARE(3, {
			if (in_trampoline)
				be_in_trampoline(seed);
			jump_with(&r, STUB_TEXT + at);
		});
	}
}

TEST(every_byte_of_the_text)
{
	pid_t pid[AT_ONCE];

	for (unsigned int i = 0; i < AT_ONCE; i++)
		pid[i] = SPAWN(jump_to_each(i, hostile_seed() + i));
	for (unsigned int i = 0; i < AT_ONCE; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
}
