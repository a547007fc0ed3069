/*
 * test:
 * Jumps to every place of the stub that has a name, with registers as they are there, and with odd
 * ones.
 */
#include "tests/attack/attack.h"

static const struct {
	const char *name;
	uint64_t at;
} places[] = {
	{"text", STUB_TEXT},
	{"filtered", STUB_FILTERED},
	{"wake", STUB_FILTERED + 0x30},
	{"park", STUB_PARK},
	{"park's call", STUB_PARK_IP - 2},
	{"behind park's call", STUB_PARK_IP},
	{"fault", STUB_FAULT},
	{"fault's call", STUB_FAULT_IP - 2},
	{"behind fault's call", STUB_FAULT_IP},
	{"sigaction", STUB_SIGACTION},
	{"filter", STUB_FILTER},
	{"start", STUB_NOTIFY_START},
	{"ready's call", STUB_READY_IP - 2},
	{"behind ready's call", STUB_READY_IP},
	{"start's call", STUB_START_IP - 2},
	{"behind start's call", STUB_START_IP},
	{"close's call", STUB_CLOSE_IP - 2},
	{"behind close's call", STUB_CLOSE_IP},
	{"stop", STUB_STOP},
	{"stop's call", STUB_STOP_IP - 2},
	{"behind stop's call", STUB_STOP_IP},
	{"sigreturn", STUB_SIGRETURN_IP - 7},
	{"sigreturn's call", STUB_SIGRETURN_IP - 2},
	{"behind sigreturn's call", STUB_SIGRETURN_IP},
	{"stop's sigaction", STUB_STOP_SIGACTION},
	{"notify filter", STUB_NOTIFY_FILTER},
	{"entry", STUB_ENTRY},
	{"entry, saved", STUB_ENTRY_SAVED},
	{"flags", STUB_FLAGS},
	{"behind flags", STUB_FLAGS_END},
	{"commit", STUB_COMMIT_IP - 10},
	{"behind commit", STUB_COMMIT_IP},
	{"wait's call", STUB_WAIT_IP - 2},
	{"behind wait's call", STUB_WAIT_IP},
	{"ask", STUB_ASK},
	{"ask's call", STUB_ASK_IP - 2},
	{"behind ask's call", STUB_ASK_IP},
	{"answered", STUB_ANSWERED},
	{"finish", STUB_FINISH},
	{"leave", STUB_LEAVE},
	{"tail", STUB_TAIL},
	{"tail, added", STUB_TAIL_ADDED},
	{"tail, flags", STUB_TAIL_FLAGS},
	{"load", STUB_LOAD},
	{"save", STUB_SAVE},
	{"saved", STUB_SAVED},
	{"behind load", STUB_LOAD_END},
	{"control page", STUB_CTL},
	{"operations", STUB_CTL + CTL_OPS},
	{"keeper's slot", STUB_SLOTS},
	{"own slot", STUB_SLOTS + SLOT_SIZE},
	{"frame", STUB_SLOTS + SLOT_SIZE + SLOT_FRAME},
	{"end", STUB_END},
	{"vDSO area", STUB_VDSO_AREA},
};

/* A call, as trampolines have it. */
__asm__("	.text\n"
	"	syscall\n"
	"behind_call: ud2\n");
extern const char behind_call[];

#define VARIANTS 5
#define IN_TRAMPOLINE 4

/* What the code at these places finds in its registers otherwise. */
static void likely_regs(struct jump_regs *r, unsigned int variant)
{
	static char stack[1 << 14];
	static struct stub_op op[4] = {{.nr = SYS_getpid},
				       {.nr = SYS_write, .args = {1, 0, 0}},
				       {.nr = SYS_clone, .args = {CLONE_VM}, .flags = OPF_TASK},
				       {.nr = SYS_exit_group, .args = {3}}};

	*r = (struct jump_regs){.rsp = (uint64_t)stack + sizeof(stack) / 2, .rbp = STUB_CTL};
	switch (variant) {
	case 0: /* a keeper with our operations */
		r->rbx = (uint64_t)op;
		break;
	case 1: /* a new task */
		r->r9 = r->r13 = STUB_SLOTS + SLOT_SIZE;
		break;
	case 2: /* in the handler, with somebody else's frame */
		r->rdi = SIGSEGV;
		r->rsi = r->rdx = r->rax = STUB_SLOTS + SLOT_FRAME;
		break;
	case 3: /* in the handler, with its own frame, as it was at the start */
		r->rdi = SIGSYS;
		r->rsi = STUB_SLOTS + SLOT_SIZE + SLOT_XSTATE;
		r->rdx = r->rax = r->rsp = STUB_SLOTS + SLOT_SIZE + SLOT_FRAME;
		r->rbp = 0;
		break;
	case IN_TRAMPOLINE:
		r->rax = SYS_getpid << 16;
		r->rcx = (uint64_t)behind_call;
		r->r11 = STUB_SLOTS + SLOT_SIZE + SLOT_IN;
		break;
	}
}

TEST(named_places_with_likely_registers)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (unsigned int v = 0; v < VARIANTS; v++) {
			struct jump_regs r;

			t_context = places[i].name;
			likely_regs(&r, v);
			DARE(10, {
				if (v == IN_TRAMPOLINE)
					set_gs(STUB_SLOTS + SLOT_SIZE);
				jump_with(&r, places[i].at);
			});
		}
}

TEST(named_places_with_odd_registers)
{
	uint64_t seed = hostile_seed();

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (int n = 0; n < 4; n++) {
			struct jump_regs r;

			t_context = places[i].name;
			odd_regs(&r, &seed);
			DARE(10, jump_with(&r, places[i].at));
		}
}

/*
 * The keeper's code, run by a guest thread, makes the calls as the guest: nothing that it couldn't
 * do itself.
 */
TEST(keepers_code_acts_as_the_guest)
{
	static struct stub_op op[2] = {{.nr = SYS_exit_group, .args = {77}}};
	static struct stub_ctl ctl = {.nops = 2};
	struct jump_regs r = {.rbp = (uint64_t)&ctl, .rbx = (uint64_t)op};
	uint64_t at = 0;
	const unsigned char *text = (const unsigned char *)STUB_TEXT;

	/* cmp CTL_NOPS(%rbp), %r14d: the head of its loop over operations. */
	for (uint64_t i = 0; i < 0x3c0 - 4 && !at; i++)
		if (!memcmp(text + i, "\x44\x3b\x75\x04", 4))
			at = STUB_TEXT + i;
	CHECK(at);
	CHECK_EXITED(IN_CHILD(jump_with(&r, at)), 77);
}
