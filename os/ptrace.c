/*
 * The ptrace engine: SEIZE, SYSEMU, wait. ptrace requests are bound to the thread that attached, so
 * a context is bound to the CPU that ran it last; release() parks it in the stub and detaches, and
 * the next CPU seizes it.
 *
 * A fault's error code, trap number and CR2 are only in the signal frame: the signal is delivered
 * to the stub's handler, whose frame on the task's slot is read.
 */
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/atonce.h"
#include "os/context.h"
#include "os/fault.h"
#include "os/newer.h"
#include "sched.h"
#include "stub/layout.h"
#include <elf.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

_Static_assert(sizeof(struct pt_regs) == sizeof(struct user_regs_struct), "pt_regs");
_Static_assert(offsetof(struct pt_regs, rip) == offsetof(struct user_regs_struct, rip), "pt_regs");
_Static_assert(offsetof(struct pt_regs, gs) == offsetof(struct user_regs_struct, gs), "pt_regs");

#define STOP_SYSCALL (SIGTRAP | 0x80)

static const struct stub_setup ptrace_setup = {
	.filter = STUB_FILTER,
	.start = STUB_FILTERED,
	.sigaction = STUB_SIGACTION,
};

static long pt(int request, pid_t pid, u64 addr, u64 data)
{
	long r = fault_inject(FAULT_ptrace);

	if (r < 0) { /* as a process is that somebody has killed */
		kill(pid, SIGKILL);
		return r;
	}
	r = syscall(SYS_ptrace, request, (long)pid, addr, data);
	return r < 0 ? -errno : r;
}

/* Waits for the next stop or the end. The wait status. */
static int wait_stop(struct context *c)
{
	int status = 0;
	pid_t r;

	do
		r = waitpid(c->ht->pid, &status, __WALL | __WNOTHREAD);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		status = SIGKILL; /* somebody else reaped it: as good as killed */
	if (!WIFSTOPPED(status)) {
		c->dead = c->ht->reaped = true;
		c->died_status = status;
	}
	return status;
}

static bool is_stop(int status, int sig)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == sig;
}

/* Fetches the registers; a result that was set and not yet written stays. */
static int load_regs(struct context *c)
{
	u64 rax = c->regs.rax;

	if (!c->regs_valid) {
		if (c->dead || pt(PTRACE_GETREGS, c->ht->pid, 0, (u64)&c->regs) < 0) {
			context_died(c);
			memset(&c->regs, 0, sizeof(c->regs));
			return -ESRCH;
		}
		c->regs_valid = true;
		if (c->result_dirty)
			c->regs.rax = rax;
	}
	return 0;
}

/* ---- attaching ---- */

static void attach(struct context *c, struct cpu *cpu)
{
	pid_t pid = c->ht->pid;
	struct pt_regs r;
	int status;

	host_task_pin(pid, &c->ht->core, cpu->host_core);
	if (c->ht->fresh && !wait_ready(c->ht)) {
		context_died(c);
		return;
	}
	context_bind(c, cpu);
	if (pt(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) < 0 ||
	    pt(PTRACE_INTERRUPT, pid, 0, 0) < 0) {
		context_died(c);
		return;
	}
	do { /* a kick that was on its way when it was detached may come first */
		status = wait_stop(c);
		if (c->dead)
			return;
		if (status >> 16 == PTRACE_EVENT_STOP)
			break;
	} while (pt(PTRACE_CONT, pid, 0, 0) >= 0);
	if (pt(PTRACE_GETREGS, pid, 0, (u64)&r) < 0 ||
	    ((r.rip < STUB_FILTERED || r.rip > STUB_PARK_IP) && !filter_installed(c->ht))) {
		/* Not where it has to be: its slot was tampered with before it was ready. */
		kill(pid, SIGKILL);
		context_died(c);
	}
}

/*
 * It may have left its last CPU in the meantime: what needs the host process needs it traced by
 * this CPU.
 */
static void ensure_attached(struct context *c)
{
	if (c->bound == this_cpu() || c->dead)
		return;
	ASSERT(!c->bound);
	attach(c, this_cpu());
}

/*
 * All registers. Selectors and bases are refused that a program may load, but no tracer (of other
 * privilege levels than 3, addresses of the upper half): it has loaded them itself, so they stay.
 */
static long set_regs(pid_t pid, const struct pt_regs *r)
{
	long err = pt(PTRACE_SETREGS, pid, 0, (u64)r);

	if (err != -EIO)
		return err;
	for (size_t at = 0; at < sizeof(*r); at += sizeof(u64)) {
		err = pt(PTRACE_POKEUSER, pid, at, *(const u64 *)((const u8 *)r + at));
		if (err < 0 && (err != -EIO || at < offsetof(struct pt_regs, fs_base)))
			return err;
	}
	return 0;
}

/* Writes back what the kernel changed. */
static void flush(struct context *c)
{
	pid_t pid = c->ht->pid;

	if (c->xstate) {
		struct iovec iov = {c->xstate, xstate_size()};

		if (pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (u64)&iov) < 0)
			trace("xstate of host process %d refused", pid, 0);
		kfree(c->xstate);
		c->xstate = NULL;
	}
	if (c->regs_dirty) {
		c->result_dirty = false;
		c->regs.orig_rax = ~0UL; /* the host must not restart anything */
		if (set_regs(pid, &c->regs) < 0)
			context_died(c);
	} else if (c->result_dirty) {
		if (c->in_signal_stop)
			pt(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), ~0UL);
		if (pt(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), c->regs.rax) <
		    0)
			context_died(c);
		c->result_dirty = false;
	}
	c->regs_dirty = c->regs_valid = false;
}

static void ptrace_release(struct context *c)
{
	struct pt_regs park;

	if (!c->bound)
		return;
	ASSERT(c->bound == this_cpu());
	if (!c->dead && load_regs(c) == 0) {
		c->regs_dirty = true;
		c->result_dirty = false;
		park = c->regs;
		park.rip = STUB_PARK;
		park.orig_rax = ~0UL;
		park.cs = USER_CS;
		park.ss = USER_DS;
		park.eflags = EFLAGS_FIXED;
		if (set_regs(c->ht->pid, &park) < 0 || pt(PTRACE_DETACH, c->ht->pid, 0, 0) < 0)
			context_died(c);
	}
	context_bind(c, NULL);
}

/* ---- running ---- */

static void syscall_event(struct context *c, struct event *ev)
{
	struct __ptrace_syscall_info info;

	if (pt(PTRACE_GET_SYSCALL_INFO, c->ht->pid, sizeof(info), (u64)&info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY) {
		context_died(c);
		ev->kind = EVENT_DIED;
		return;
	}
	ev->kind = EVENT_SYSCALL;
	ev->sys.nr = info.arch == AUDIT_ARCH_X86_64 ? info.entry.nr : ~0ULL;
	memcpy(ev->sys.args, info.entry.args, sizeof(ev->sys.args));
	ev->sys.ip = info.instruction_pointer;
	ev->sys.sp = info.stack_pointer;
}

/*
 * A call through the vsyscall page: the filter trapped it, and the host has already returned from
 * it.
 */
static void vsyscall_event(struct context *c, struct event *ev, const siginfo_t *si)
{
	load_regs(c);
	syscall_from_regs(ev, &c->regs,
			  si->si_arch == AUDIT_ARCH_X86_64 ? (u64)si->si_syscall : ~0ULL);
}

/*
 * Lets the host deliver sig to the stub's handler, up to its trap; the frame into mc. False: it
 * died.
 */
static bool deliver_to_stub(struct context *c, int sig, mcontext_t *mc, struct pt_regs *r)
{
	pid_t pid = c->ht->pid;

	for (int i = 0; i < 8; i++) { /* kicks may come in between */
		int status;

		if (pt(PTRACE_SYSEMU, pid, 0, sig) < 0)
			break;
		sig = 0;
		status = wait_stop(c);
		if (c->dead)
			return false;
		/*
		 * Another fault: the host had no room for the frame, and would go on in the guest.
		 */
		if (!(status >> 16) && is_fault_signal(WSTOPSIG(status)))
			break;
		if (!is_stop(status, STOP_SYSCALL))
			continue;
		if (pt(PTRACE_GETREGS, pid, 0, (u64)r) < 0 || r->rip != STUB_FAULT_IP)
			break;
		return slot_read(c->ht, mc, r->rdx + offsetof(ucontext_t, uc_mcontext),
				 sizeof(*mc));
	}
	return false;
}

static void fault_event(struct context *c, struct event *ev, int sig, const siginfo_t *si)
{
	size_t size = xstate_size();
	void *xs = kmalloc(size);
	struct pt_regs r;
	mcontext_t mc;

	/* No memory: it runs on into the same fault. Not from a trap, behind which it stands. */
	if (!xs && sig != SIGTRAP)
		return;
	/* The host gives its handler fresh FP state, so the guest's is saved here and put back. */
	if (!xs || engine->get_xstate(c, xs, size) || !deliver_to_stub(c, sig, &mc, &r)) {
		kfree(xs);
		kill(c->ht->pid, SIGKILL);
		context_died(c);
		ev->kind = EVENT_DIED;
		return;
	}
	kfree(c->xstate);
	c->xstate = xs;
	regs_from_frame(&r, mc.gregs);
	c->regs = r;
	c->regs_valid = c->regs_dirty = true;
	ev->kind = EVENT_FAULT;
	ev->fault = (struct fault){
		.signo = sig,
		.code = si->si_code,
		.addr = (uaddr_t)si->si_addr,
		.trapno = mc.gregs[REG_TRAPNO],
		.error_code = mc.gregs[REG_ERR],
		.cr2 = mc.gregs[REG_CR2],
	};
}

static void signal_event(struct context *c, struct event *ev, int status)
{
	int sig = WSTOPSIG(status);
	siginfo_t si;

	ev->kind = EVENT_KICK;
	if (status >> 16 || sig == SIG_KICK)
		return;
	if (pt(PTRACE_GETSIGINFO, c->ht->pid, 0, (u64)&si) < 0)
		return;
	if (sig == SIGSYS && si.si_code == SYS_SECCOMP)
		vsyscall_event(c, ev, &si);
	else if (is_fault_signal(sig) && si.si_code > 0)
		fault_event(c, ev, sig, &si);
	/* Anything else was sent by somebody on the host; guests' signals are never the host's. */
}

static void run(struct context *c, struct cpu *cpu, struct event *ev)
{
	int status;

	userspace_pid[cpu->id] = c->ht->pid;
	if (!cpu_enter_guest(cpu)) {
		ev->kind = EVENT_KICK;
		return;
	}
	if (pt(PTRACE_SYSEMU, c->ht->pid, 0, 0) < 0) {
		cpu_leave_guest(cpu);
		context_died(c);
		return;
	}
	host_task_count_turn(c->ht, cpu);
	status = wait_stop(c);
	cpu_leave_guest(cpu);
	if (c->dead)
		return;
	c->in_signal_stop = !is_stop(status, STOP_SYSCALL);
	if (c->in_signal_stop)
		signal_event(c, ev, status);
	else
		syscall_event(c, ev);
}

static void ptrace_run(struct context *c, struct event *ev)
{
	struct cpu *cpu = this_cpu();

	ensure_attached(c);
	if (!c->dead && (c->regs_dirty | c->result_dirty || c->xstate))
		flush(c);
	else
		c->regs_valid = false;
	if (!c->dead)
		run(c, cpu, ev);
	if (c->dead) {
		ev->kind = EVENT_DIED;
		ev->died_status = c->died_status;
	}
}

static void ptrace_set_result(struct context *c, u64 rax)
{
	c->regs.rax = rax;
	c->result_dirty = true;
}

static struct pt_regs *ptrace_regs(struct context *c)
{
	load_regs(c);
	return &c->regs;
}

static void ptrace_regs_changed(struct context *c)
{
	c->regs_dirty = true;
}

static int ptrace_get_xstate(struct context *c, void *buf, size_t size)
{
	struct iovec iov = {buf, size};
	long err;

	if (c->xstate) {
		memcpy(buf, c->xstate, min(size, xstate_size()));
		return 0;
	}
	ensure_attached(c);
	if (c->dead)
		return -ESRCH;
	err = pt(PTRACE_GETREGSET, c->ht->pid, NT_X86_XSTATE, (u64)&iov);
	return err < 0 ? err : 0;
}

static int ptrace_set_xstate(struct context *c, const void *buf, size_t size)
{
	struct iovec iov = {(void *)buf, size};
	long err;

	ensure_attached(c);
	if (c->dead)
		return -ESRCH;
	kfree(c->xstate);
	c->xstate = NULL;
	err = pt(PTRACE_SETREGSET, c->ht->pid, NT_X86_XSTATE, (u64)&iov);
	return err < 0 ? err : 0;
}

static int ptrace_adopt(struct host_task *ht)
{
	(void)ht; /* whoever runs it attaches */
	return 0;
}

/* It is stopped, or waits at STUB_PARK. In the slot of a new one is what it starts with. */
static int ptrace_exec(struct context *c)
{
	if (!c->ht->fresh)
		host_task_wipe(c->ht);
	return 0;
}

AT_ONCE static void ptrace_kick_self(struct cpu *cpu)
{
	pid_t pid = userspace_pid[cpu->id];

	if (pid)
		at_once_kill(pid, SIG_KICK);
}

const struct engine_ops ptrace_engine = {
	.name = "ptrace",
	.setup = &ptrace_setup,
	.probe = context_probe,
	.adopt = ptrace_adopt,
	.exec = ptrace_exec,
	.run = ptrace_run,
	.set_result = ptrace_set_result,
	.regs = ptrace_regs,
	.regs_changed = ptrace_regs_changed,
	.release = ptrace_release,
	.get_xstate = ptrace_get_xstate,
	.set_xstate = ptrace_set_xstate,
	.kick_self = ptrace_kick_self,
};
