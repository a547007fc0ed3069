/*
 * Signal frames: what a handler finds, where it lies, and what sigreturn takes back from a hostile
 * guest.
 * objects: kernel/signal/frame.o kernel/signal/xframe.o kernel/signal/action.o kernel/signal/sigqueue.o kernel/signal/sighand.o kernel/signal/send.o kernel/signal/stop.o kernel/task/cred.o smp/[a-z]*.o os/alloc.o os/fault.o os/clock.o os/log.o os/panic.o os/slice.o os/stack.o os/symbols.o os/thread.o
 */
#include "kernel/signal/sigframe.h"
#include "cputime.h"
#include "kernel/signal/signal_priv.h"
#include "posix_timer.h"
#include "syscall_protos.h"
#include "task_util.h"
#include "unit.h"
#include <ucontext.h>

#undef current /* the name of a field of struct cpu here */

/* ---- what isn't linked ---- */

void posix_timer_taken_locked(struct ktimer *kt, siginfo_t *si)
{
}
void posix_timer_dropped_locked(struct ktimer *kt)
{
}
void itimer_real_taken_locked(struct thread_group *tg)
{
}
void group_cputime(struct thread_group *tg, u64 *ut, u64 *st)
{
}

size_t copy_from_user_partial(void *to, uaddr_t from, size_t n)
{
	return copy_from_user(to, from, n) ? 0 : n;
}

/* ---- an engine with registers and a state of 4096 bytes ---- */

#define XSIZE 16384
static struct pt_regs regs;
static u8 xstate[XSIZE];
static bool xstate_is_fresh;
static int changes;

static struct pt_regs *get_regs(struct context *c)
{
	return &regs;
}
static void regs_changed(struct context *c)
{
	changes++;
}
static int get_xstate(struct context *c, void *buf, size_t size)
{
	memcpy(buf, xstate, size);
	return 0;
}
static int set_xstate(struct context *c, const void *buf, size_t size)
{
	memcpy(xstate, buf, size);
	xstate_is_fresh = false;
	return 0;
}
static bool saves_itself;
static uaddr_t saves_at;
static bool save_xstate(struct context *c, uaddr_t at)
{
	saves_at = at;
	return saves_itself && at;
}
int context_reset_xstate(struct context *c)
{
	xstate_is_fresh = true;
	return 0;
}
size_t xstate_size(void)
{
	return XSIZE;
}
/* A machine with AVX-512. */
size_t xstate_frame(u64 *features)
{
	*features = 0xe7;
	return 2696;
}
static const struct engine_ops fake_engine = {.regs = get_regs,
					      .regs_changed = regs_changed,
					      .get_xstate = get_xstate,
					      .set_xstate = set_xstate,
					      .save_xstate = save_xstate};
const struct engine_ops *engine = &fake_engine;

/* sys_rt_sigreturn() and force_signal() act for the current task: a CPU that is this thread. */
static struct cpu fake_cpu;
static struct thread_group *tg;
static struct task *t;
static u8 stack[65536] __attribute__((aligned(64)));
static u8 alt[65536] __attribute__((aligned(64)));

static void setup(void)
{
	tg = make_group();
	t = make_task(tg);
	fake_cpu.current = &t->kt;
	this_cpu_ptr = &fake_cpu;
	memset(&regs, 0, sizeof(regs));
	memset(xstate, 0, sizeof(xstate));
	memset(xstate, 0x5a, 160);
	*(u32 *)(xstate + 24) = 0x1f80;
	xstate[512] = 3;
	regs.rsp = (u64)stack + sizeof(stack) - 4096 + 3;
	regs.rip = 0x401000;
	regs.rax = 11;
	regs.rbx = 12;
	regs.r15 = 13;
	regs.cs = 0x33;
	regs.ss = 0x2b;
	regs.eflags = 0x10202 | 0x400 | 0x100; /* RF, DF, TF */
	changes = 0;
}

static void teardown(void)
{
	this_cpu_ptr = NULL;
	free_group(tg);
}

static struct ksigaction action(u64 flags)
{
	return (struct ksigaction){
		.handler = 0x402000, .flags = flags | KSA_RESTORER, .restorer = 0x403000};
}

static siginfo_t info(int sig)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = sig;
	si.si_value.sival_int = 77;
	return si;
}

static struct rt_sigframe *deliver(u64 flags, ksigset_t oldmask)
{
	struct ksigaction sa = action(flags);
	siginfo_t si = info(SIGUSR1);

	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &si, &sa, oldmask), 0);
	return (struct rt_sigframe *)regs.rsp;
}

START_TEST(a_handler_finds_its_arguments_and_the_context)
{
	u64 sp, fp;
	struct rt_sigframe *f;
	const ucontext_t *uc;

	setup();
	sp = regs.rsp;
	t->last_fault.trapno = 14;
	t->last_fault.error_code = 6;
	t->last_fault.cr2 = 0xdead;
	f = deliver(0, 0x1234);
	ck_assert_uint_eq(regs.rip, 0x402000);
	ck_assert_uint_eq(regs.rdi, SIGUSR1);
	ck_assert_uint_eq(regs.rax, 0);
	ck_assert_uint_eq(regs.eflags & 0x10500, 0);
	/* As at the entry of a function: the return address lies at 16n + 8. */
	ck_assert_uint_eq(regs.rsp % 16, 8);
	ck_assert_uint_eq(f->pretcode, 0x403000);
	ck_assert_uint_eq(regs.rsi, (u64)&f->info);
	ck_assert_int_eq(f->info.si_value.sival_int, 77);
	uc = (const ucontext_t *)regs.rdx; /* libc's idea of it */
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_RIP], 0x401000);
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_RSP], sp);
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_RBX], 12);
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_R15], 13);
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_TRAPNO], 14);
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_ERR], 6);
	ck_assert_uint_eq(uc->uc_mcontext.gregs[REG_CR2], 0xdead);
	ck_assert_uint_eq(*(const u64 *)&uc->uc_sigmask, 0x1234);
	ck_assert_int_eq(uc->uc_stack.ss_flags, SS_DISABLE);
	/* The state lies above, aligned, below the red zone, and says its size. */
	fp = (u64)uc->uc_mcontext.fpregs;
	ck_assert_uint_eq(fp % 64, 0);
	ck_assert_uint_ge(fp, (u64)(f + 1));
	ck_assert_uint_le(fp + xframe_size(), sp - 128);
	ck_assert_int_eq(memcmp((void *)fp, xstate, 160), 0);
	ck_assert_uint_eq(*(u32 *)(fp + 464), 0x46505853);
	ck_assert_uint_eq(*(u32 *)(fp + 468), xframe_size());
	ck_assert_uint_eq(*(u32 *)(fp + xframe_size() - 4), 0x46505845);
	ck_assert(xstate_is_fresh);
	teardown();
}
END_TEST

START_TEST(state_that_the_task_saves_itself_has_room_and_a_description)
{
	static const u8 zeros[512];
	struct rt_sigframe *f;
	u64 fp;

	setup();
	saves_itself = true;
	xstate_is_fresh = false;
	f = deliver(0, 0);
	fp = f->uc.mcontext.fpstate;
	ck_assert_uint_eq(saves_at, fp);
	ck_assert(!xstate_is_fresh);
	ck_assert_int_eq(memcmp((void *)fp, zeros, 464), 0);
	ck_assert_uint_eq(*(u32 *)(fp + 468), xframe_size());
	ck_assert_int_eq(memcmp((void *)(fp + 512), zeros, 64), 0);
	ck_assert_uint_eq(*(u32 *)(fp + xframe_size() - 4), 0x46505845);
	/* A frame that can't be written isn't saved to. */
	regs.rsp = PAGE_SIZE + PAGE_SIZE / 2;
	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &(siginfo_t){},
					&(struct ksigaction){.flags = KSA_RESTORER}, 0),
			 -EFAULT);
	ck_assert_uint_eq(saves_at, 0);
	saves_itself = false;
	teardown();
}
END_TEST

START_TEST(sigreturn_restores_everything_and_no_more)
{
	struct pt_regs before;
	struct rt_sigframe *f;
	u8 x[160];

	setup();
	before = regs;
	memcpy(x, xstate, sizeof(x));
	f = deliver(0, sig_bit(SIGHUP) | SIG_UNBLOCKABLE);
	memset(xstate, 0, 512);
	t->blocked = ~0ul;
	/* The handler returns: its return address is popped. */
	regs.rsp += 8;
	regs.rbx = 99;
	regs.eflags = 0x202;
	f->uc.mcontext.eflags |= 0x3000 | 0x20000; /* IOPL, VM */
	ck_assert_int_eq(sys_rt_sigreturn(), 11);
	ck_assert(t->regs_set);
	ck_assert_uint_eq(t->blocked, sig_bit(SIGHUP));
	ck_assert_uint_eq(regs.rip, before.rip);
	ck_assert_uint_eq(regs.rsp, before.rsp);
	ck_assert_uint_eq(regs.rbx, 12);
	ck_assert_uint_eq(regs.eflags & 0x33000, 0x10000 & before.eflags);
	ck_assert_int_eq(memcmp(x, xstate, sizeof(x)), 0);
	ck_assert_int_ge(changes, 1);
	ck_assert(!signal_pending(t));
	teardown();
}
END_TEST

static bool sigreturn_fails(void)
{
	siginfo_t si;

	regs.rsp += 8;
	tg->sighand->action[SIGSEGV - 1].handler = 0x1000;
	sys_rt_sigreturn();
	return dequeue_signal(t, ~0ul, &si) == SIGSEGV;
}

START_TEST(a_forged_frame_is_a_fault)
{
	struct rt_sigframe *f;

	setup();
	f = deliver(0, 0);
	f->uc.mcontext.cs = 0x10; /* the kernel's */
	ck_assert(sigreturn_fails());
	teardown();
	setup();
	f = deliver(0, 0);
	f->uc.mcontext.ss = 0x18;
	ck_assert(sigreturn_fails());
	teardown();
	setup();
	f = deliver(0, 0);
	f->uc.mcontext.fpstate = 64;
	ck_assert(sigreturn_fails());
	teardown();
	setup();
	f = deliver(0, 0);
	*(u64 *)(f->uc.mcontext.fpstate + 520) = 1ull << 63; /* compacted */
	ck_assert(sigreturn_fails());
	teardown();
	setup();
	f = deliver(0, 0);
	*(u64 *)(f->uc.mcontext.fpstate + 512) = 1ull << 40; /* an unknown feature */
	ck_assert(sigreturn_fails());
	teardown();
	setup();
	regs.rsp = 24;
	ck_assert(sigreturn_fails());
	teardown();
}
END_TEST

START_TEST(a_frame_of_the_old_kind_restores_the_legacy_state_only)
{
	struct rt_sigframe *f;

	setup();
	f = deliver(0, 0);
	*(u32 *)(f->uc.mcontext.fpstate + 464) = 0;
	ck_assert(!sigreturn_fails());
	ck_assert_uint_eq(*(u64 *)(xstate + 512), 3);
	teardown();
	setup();
	f = deliver(0, 0);
	f->uc.mcontext.fpstate = 0;
	ck_assert(!sigreturn_fails());
	ck_assert(xstate_is_fresh);
	teardown();
	setup();
	f = deliver(0, 0);
	f->uc.flags &= ~UC_STRICT_RESTORE_SS;
	f->uc.mcontext.ss = 0;
	ck_assert(!sigreturn_fails());
	ck_assert_uint_eq(regs.ss, 0x2b);
	teardown();
}
END_TEST

START_TEST(the_alternate_stack_is_used_nested_on_and_never_overflown)
{
	struct ksigaction sa = action(KSA_ONSTACK);
	siginfo_t si = info(SIGUSR1);
	u64 lo = (u64)alt, hi = lo + sizeof(alt);
	struct rt_sigframe *f;
	u64 first;

	setup();
	t->altstack = (struct sigaltstack_state){.sp = lo, .size = sizeof(alt)};
	f = deliver(KSA_ONSTACK, 0);
	first = regs.rsp;
	ck_assert(first > lo && first < hi);
	ck_assert_uint_eq((u64)f->uc.stack.ss_sp, lo);
	ck_assert_int_eq(f->uc.stack.ss_flags, 0);
	/* A second one goes below the first, and no third fits. */
	f = deliver(KSA_ONSTACK, 0);
	ck_assert(regs.rsp < first && regs.rsp > lo);
	ck_assert_int_eq(f->uc.stack.ss_flags, SS_ONSTACK);
	regs.rsp = lo + 512;
	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &si, &sa, 0), -EFAULT);
	/* Too small from the start. */
	regs.rsp = (u64)stack + sizeof(stack) - 4096;
	t->altstack.size = 2048;
	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &si, &sa, 0), -EFAULT);
	teardown();
}
END_TEST

START_TEST(autodisarm_takes_the_stack_away_until_sigreturn)
{
	setup();
	t->altstack = (struct sigaltstack_state){
		.sp = (u64)alt, .size = sizeof(alt), .flags = SS_AUTODISARM_};
	deliver(KSA_ONSTACK, 0);
	ck_assert(regs.rsp > (u64)alt && regs.rsp < (u64)alt + sizeof(alt));
	ck_assert_uint_eq(t->altstack.size, 0);
	regs.rsp += 8;
	sys_rt_sigreturn();
	ck_assert_uint_eq(t->altstack.size, sizeof(alt));
	ck_assert_uint_eq(t->altstack.flags, SS_AUTODISARM_);
	teardown();
}
END_TEST

START_TEST(bad_stacks_and_missing_restorers_are_faults)
{
	struct ksigaction sa = action(0);
	siginfo_t si = info(SIGUSR1);

	setup();
	regs.rsp = 100;
	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &si, &sa, 0), -EFAULT);
	regs.rsp = 1ul << 63;
	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &si, &sa, 0), -EFAULT);
	regs.rsp = (u64)stack + sizeof(stack) - 4096;
	sa.flags = 0;
	ck_assert_int_eq(sigframe_setup(t, SIGUSR1, &si, &sa, 0), -EFAULT);
	teardown();
}
END_TEST

UNIT_MAIN("signal frames", a_handler_finds_its_arguments_and_the_context,
	  state_that_the_task_saves_itself_has_room_and_a_description,
	  sigreturn_restores_everything_and_no_more, a_forged_frame_is_a_fault,
	  a_frame_of_the_old_kind_restores_the_legacy_state_only,
	  the_alternate_stack_is_used_nested_on_and_never_overflown,
	  autodisarm_takes_the_stack_away_until_sigreturn,
	  bad_stacks_and_missing_restorers_are_faults)
