/*
 * Signal frames on the guest's stack, in the layout of Linux on x86-64:
 *
 *	interrupted sp - 128 (red zone), or the top of the alternate stack
 *	    XSAVE area, 64-byte aligned, FP_XSTATE_MAGIC2 behind it
 *	    siginfo, ucontext
 *	new sp: return address (sa_restorer), 16-byte aligned + 8 as at a function's entry
 *
 * Everything that sigreturn reads back was in the guest's hands: only flags that user code may
 *change are taken from it, selectors must be the user's, and the engine's host kernel checks the
 *floating-point state.
 */
#include "signal_priv.h"

#include "alloc.h"
#include "sigframe.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <string.h>

#define RED_ZONE 128

#define EFLAGS_USER 0x50dd5ul /* CF PF AF ZF SF TF DF OF RF AC */
#define EFLAGS_DF 0x400ul
#define EFLAGS_TF 0x100ul
#define EFLAGS_RF 0x10000ul

static void fill_context(struct task *t, struct sigcontext_64 *sc, const struct pt_regs *r,
			 ksigset_t oldmask, uaddr_t fpstate)
{
	*sc = (struct sigcontext_64){
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.eflags = r->eflags,
		.cs = (u16)r->cs,
		.ss = (u16)r->ss,
		.err = t->last_fault.error_code,
		.trapno = t->last_fault.trapno,
		.oldmask = oldmask,
		.cr2 = t->last_fault.cr2,
		.fpstate = fpstate,
	};
}

/*
 * Where the frame goes: its address and that of the XSAVE area above it. -EFAULT if it doesn't fit
 * the alternate stack.
 */
static int place_frame(const struct task *t, const struct ksigaction *sa, uaddr_t sp,
		       uaddr_t *frame, uaddr_t *fp)
{
	bool alt = on_altstack(t, sp);
	uaddr_t p = sp - RED_ZONE;

	if ((sa->flags & KSA_ONSTACK) && altstack_flags(t, p) == 0) {
		p = t->altstack.sp + t->altstack.size;
		alt = true;
	}
	*fp = (p - xframe_size()) & ~63ul;
	*frame = *fp - SIGFRAME_FP;
	if (alt && !(*frame > t->altstack.sp && *frame - t->altstack.sp <= t->altstack.size))
		return -EFAULT;
	return access_ok(*frame, p - *frame) ? 0 : -EFAULT;
}

/* All of it, in one piece; the handler's vector state is the initial one. */
static int write_frame(struct task *t, uaddr_t frame, const struct rt_sigframe *f)
{
	size_t size = SIGFRAME_FP + xframe_size();
	u8 *buf = kzalloc(size);
	int saved, err;

	if (!buf)
		return -ENOMEM;
	memcpy(buf, f, sizeof(*f));
	saved = xframe_save(t, buf + SIGFRAME_FP, frame + SIGFRAME_FP);
	err = saved < 0 ? saved : copy_to_user(frame, buf, size);
	if (!err && !saved)
		err = context_reset_xstate(t->ctx);
	if (err && saved > 0)
		(void)!engine->save_xstate(t->ctx, 0); /* it doesn't, after all */
	kfree(buf);
	return err;
}

int sigframe_setup(struct task *t, int sig, const siginfo_t *si, const struct ksigaction *sa,
		   ksigset_t oldmask)
{
	struct pt_regs *r = engine->regs(t->ctx);
	struct rt_sigframe f;
	uaddr_t frame, fp;

	if (!(sa->flags & KSA_RESTORER) || place_frame(t, sa, r->rsp, &frame, &fp))
		return -EFAULT;
	memset(&f, 0, sizeof(f));
	f.pretcode = sa->restorer;
	f.uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	altstack_get(t, &f.uc.stack, r->rsp);
	fill_context(t, &f.uc.mcontext, r, oldmask, fp);
	f.uc.sigmask = oldmask;
	f.info = *si;
	if (write_frame(t, frame, &f))
		return -EFAULT;
	if (t->altstack.flags & SS_AUTODISARM_)
		t->altstack = (struct sigaltstack_state){.flags = SS_DISABLE};

	r->rdi = sig;
	r->rsi = frame + offsetof(struct rt_sigframe, info);
	r->rdx = frame + offsetof(struct rt_sigframe, uc);
	r->rax = 0;
	r->rsp = frame;
	r->rip = sa->handler;
	r->eflags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->orig_rax = ~0ul;
	return 0;
}

static int restore_context(struct pt_regs *r, const struct sigcontext_64 *sc, u64 uc_flags)
{
	u16 ss = sc->ss;

	/* Frames of old programs hold no valid ss. */
	if (!(uc_flags & UC_STRICT_RESTORE_SS))
		ss = USER_DS;
	if ((sc->cs | 3) != USER_CS || (ss | 3) != USER_DS)
		return -EFAULT;
	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->rdi = sc->rdi;
	r->rsi = sc->rsi;
	r->rbp = sc->rbp;
	r->rbx = sc->rbx;
	r->rdx = sc->rdx;
	r->rax = sc->rax;
	r->rcx = sc->rcx;
	r->rsp = sc->rsp;
	r->rip = sc->rip;
	r->eflags = (r->eflags & ~EFLAGS_USER) | (sc->eflags & EFLAGS_USER);
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->orig_rax = ~0ul;
	return 0;
}

/*
 * SIGSEGV for a frame that is not one; the registers stay as they are, so rax is what the call
 * returns.
 */
static long bad_frame(struct task *t)
{
	force_sigsegv(t);
	return 0;
}

/* What can be read of a frame and its area, where our frames have it. */
struct read_frame {
	size_t n;
	struct rt_sigframe f;
	u8 between[SIGFRAME_FP - sizeof(struct rt_sigframe)];
	u8 area[];
};

static struct read_frame *read_frame(uaddr_t frame)
{
	struct read_frame *rf = kmalloc(sizeof(*rf) + xframe_size());

	if (rf)
		rf->n = copy_from_user_partial(&rf->f, frame, SIGFRAME_FP + xframe_size());
	return rf;
}

/* The area is most often where our frames have it. */
static int restore_area(struct task *t, uaddr_t frame, struct read_frame *rf)
{
	uaddr_t fp = rf->f.uc.mcontext.fpstate;
	size_t n = rf->n > SIGFRAME_FP ? rf->n - SIGFRAME_FP : 0;

	if (fp != frame + SIGFRAME_FP)
		n = copy_from_user_partial(rf->area, fp, xframe_size());
	return xframe_restore(t, fp, rf->area, n);
}

static int restore_frame(struct task *t, struct pt_regs *r)
{
	uaddr_t frame = r->rsp - sizeof(u64);
	struct read_frame *rf = read_frame(frame);
	int err = -EFAULT;

	/* The siginfo isn't looked at. */
	if (!rf || rf->n < offsetof(struct rt_sigframe, info))
		goto out;
	set_current_blocked(rf->f.uc.sigmask);
	err = restore_context(r, &rf->f.uc.mcontext, rf->f.uc.flags);
	if (err)
		goto out;
	t->restart.fn = NULL;
	t->regs_set = true;
	engine->regs_changed(t->ctx);
	err = restore_area(t, frame, rf);
	if (err)
		goto out;
	/* A stack that is in use, or nonsense, stays what it is. */
	(void)altstack_set(t, &rf->f.uc.stack, r->rsp);
out:
	kfree(rf);
	return err;
}

long sys_rt_sigreturn(void)
{
	struct task *t = current;
	struct pt_regs *r = engine->regs(t->ctx);

	return restore_frame(t, r) ? bad_frame(t) : (long)r->rax;
}
