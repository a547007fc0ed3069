/* test: quick=no
 * Jumps to every byte of the stub's text, with odd registers. Two processes at a time, for they fault or are killed after a moment.
 */
#include "attack.h"

#define TEXT_SIZE 0x1400
#define AT_ONCE 2

static void jump_to_each(unsigned int of, uint64_t seed)
{
	for (uint64_t at = of; at < TEXT_SIZE; at += AT_ONCE) {
		struct jump_regs r;

		odd_regs(&r, &seed);
		switch (hostile_random(&seed) % 4) {
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
		}
		DARE(3, jump_with(&r, STUB_TEXT + at));
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
