/*
 * The seccomp engine: no tracer anywhere. Each host process has a filter of its own, which notifies
 * the kernel of the guest's system calls (SECCOMP_RET_USER_NOTIF): the process sleeps in its call,
 * the CPU's thread gets number and arguments from the listener, and answers with the result. Waking
 * and sleeping are the host's synchronous wake-ups, so both ends stay on one core.
 *
 * A notification has no registers. Where they are needed the process *stops*: a signal (SIGSYS for
 * a call that the filter traps, a fault, or a kick) brings it into the stub's handler, with a frame
 * in its slot; the handler makes a call of its own, which is notified like any other, and is
 * answered with the address of the frame to go on with. So the kernel waits in one place for
 * everything, and a process whose answer is due does nothing, whatever its memory says:
 * notifications come from the host, not from the guest.
 *
 * From a call (ht->stopped is false) to a stop leads stop_in_call(): a kick first, then the call's
 * answer. Where a trampoline brought the call, registers are known without one, and changed by the
 * answer (os/slotregs.c).
 *
 * A third way is for tasks whose CPU has a host core to spare: the CPU spins (os/spin.c), and the
 * task's trampoline (stub/tramp.S) puts the call into its slot and looks there for the answer,
 * without the host (ht->spun). Only memory says so, which other threads of the guest can write:
 * what they can make up that way is a call of their sibling's, in whose memory they can write
 * anything else as well.
 *
 * What a guest can do is to block the kick (by a forged frame that it returns from). So who doesn't
 * answer one is killed, see listener.c.
 */
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/atonce.h"
#include "os/context.h"
#include "os/listener.h"
#include "os/newer.h"
#include "os/slotcall.h"
#include "os/slotregs.h"
#include "os/stopframe.h"
#include "os/tramp.h"
#include "sched.h"
#include "stub/layout.h"
#include <asm/hwcap2.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define FILTER_FLAGS (SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

static const struct stub_setup seccomp_setup = {
	.filter_flags = FILTER_FLAGS,
	.filter = STUB_NOTIFY_FILTER,
	.start = STUB_NOTIFY_START,
	.sigaction = STUB_STOP_SIGACTION,
	.takes_kicks = true,
};

#define SYSCALL_SIZE 2 /* of the instruction */

/* The next notification. -ESRCH: the process died. */
static int receive(struct context *c, struct seccomp_notif *n, bool kicked)
{
	return listener_receive(c->ht, n, kicked);
}

/* Answers the call in which the process sleeps: it finds `val` in rax. */
static void answer(struct context *c, u64 val)
{
	if (listener_answer(c->ht, val))
		context_died(c);
}

static bool trampolines; /* constant after boot */

/* ---- stops ---- */

struct stop {
	int sig;
	siginfo_t si;
	enum tramp_where where;
};

/* It did what no guest does, an attack on its own memory; or the kernel has none for its state. */
static void kill_process(struct context *c)
{
	kill(c->ht->pid, SIGKILL);
	context_died(c);
}

/*
 * The state that the frame has goes where the task was to save it, and is the initial one then;
 * `saved`: the task has done that.
 */
static void save_xstate(struct context *c, bool saved)
{
	if (!saved)
		stopframe_save_xstate(c->ht, c->ht->save);
	c->ht->save = 0;
	if (!c->xstate && context_reset_xstate(c))
		kill_process(c);
}

/* It has done something: whatever it was answered is over. */
static void heard_of(struct host_task *ht)
{
	if (ht->loading)
		ht->save = 0;
	ht->loading = ht->spun = ht->asked = false;
}

/*
 * Takes the registers of a stop from its frame. False: there is no such frame in its slot.
 * `behind`: it stopped directly behind a call that returned there, 0: it didn't. Hosts before July
 * 2025 may have it make that call again: the answer came while it was on its way to the handler.
 */
static bool read_stop(struct context *c, const struct seccomp_notif *n, struct stop *s,
		      uaddr_t behind)
{
	const __u64 *a = n->data.args; /* signal, siginfo, ucontext, fs and gs base */
	struct host_task *ht = c->ht;
	struct pt_regs loading = c->regs;
	bool saved;

	s->sig = a[0];
	if (!slot_read(ht, &s->si, a[1], sizeof(s->si)) || !stopframe_read(ht, a[2], &c->regs))
		return false;
	c->regs.fs_base = a[3];
	c->regs.gs_base = trampolines && a[4] == slot_addr(ht->slot) ? 0 : a[4];
	c->regs_valid = true;
	if (behind && c->regs.rip == behind - SYSCALL_SIZE) {
		c->regs.rip = behind;
		c->regs_dirty = true;
	}
	if (ht->loading && slotregs_interrupted(ht, c->regs.rip, &saved)) {
		c->regs = loading;
		s->where = TRAMP_LOADING;
		if (ht->save)
			save_xstate(c, saved);
	} else {
		/* Wherever it was in a trampoline, it leaves that. */
		s->where = tramp_fix(ht, &c->regs, s->sig == SIGSEGV || s->sig == SIGBUS);
	}
	if (s->where != TRAMP_NONE)
		c->regs_dirty = true;
	heard_of(ht);
	slotcall_set_state(ht, CALL_OFF);
	return true;
}

static bool is_stop(const struct seccomp_notif *n)
{
	return n->data.instruction_pointer == STUB_STOP_IP;
}

/*
 * From the call in which it sleeps to a stop behind it. What rax shall be stays in c->regs: the
 * host isn't told, since it would take our -ERESTARTSYS for its own.
 */
static int stop_in_call(struct context *c)
{
	u64 rax = c->result_dirty ? c->regs.rax : (u64)-ENOSYS, nr = c->regs.orig_rax;
	bool spun = c->ht->spun;
	uaddr_t behind = spun ? 0 : c->ht->call_ip;
	struct seccomp_notif n;
	struct stop s;

	if (c->dead)
		return -ESRCH;
	if (!context_copy_flush(c))
		rax = -EFAULT;
	c->ht->copies = false;
	kill(c->ht->pid, SIG_KICK);
	if (!spun)
		answer(c, -ENOSYS);
	if (c->dead || receive(c, &n, true)) {
		context_died(c);
		return -ESRCH;
	}
	/*
	 * Who waits for an answer to a call by the slot may have gone to sleep before the kick
	 * came. Once: a guest could do so for ever.
	 */
	if (spun && n.data.instruction_pointer == STUB_WAIT_IP) {
		behind = STUB_WAIT_IP;
		answer(c, -ENOSYS);
		if (c->dead || receive(c, &n, true)) {
			context_died(c);
			return -ESRCH;
		}
	}
	if (!is_stop(&n) || !read_stop(c, &n, &s, behind)) {
		kill_process(c);
		return -ESRCH;
	}
	c->regs.rax = rax;
	c->regs.orig_rax = nr;
	return 0;
}

/* Does it wait in a trampoline, with its registers in the slot? */
static bool in_trampoline(const struct host_task *ht)
{
	return !ht->stopped && (ht->asked || ht->spun);
}

static void read_slot(struct context *c)
{
	u64 rax = c->result_dirty ? c->regs.rax : (u64)-ENOSYS, nr = c->regs.orig_rax;

	/* Once registers are known they may be changed, and then the trampoline copies nothing. */
	if (!context_copy_flush(c))
		rax = -EFAULT;
	c->ht->copies = false;
	slotregs_read(c->ht, &c->regs);
	c->regs.rax = rax;
	c->regs.orig_rax = nr;
	c->regs_valid = true;
}

/* All registers. After a failure they are zero, and the context is dead. */
static int load_regs(struct context *c)
{
	if (c->regs_valid)
		return 0;
	if (in_trampoline(c->ht) && !c->dead) {
		read_slot(c);
		return 0;
	}
	if (stop_in_call(c) == 0)
		return 0;
	memset(&c->regs, 0, sizeof(c->regs));
	return -ESRCH;
}

/* A stop, with the registers that are known already. */
static int need_frame(struct context *c)
{
	struct pt_regs r = c->regs;
	bool valid = c->regs_valid, dirty = c->regs_dirty;

	if (c->ht->stopped)
		return 0;
	if (stop_in_call(c))
		return -ESRCH;
	if (valid)
		c->regs = r;
	c->regs_dirty |= dirty;
	if (c->ht->save)
		save_xstate(c, false);
	return 0;
}

/* The frame gets what the kernel changed. */
static void write_stop(struct context *c)
{
	u64 *bases = slot_field(c->ht, SLOT_FS);

	if (c->xstate)
		stopframe_set_xstate(c->ht, c->xstate);
	kfree(c->xstate);
	c->xstate = NULL;
	if (c->regs_dirty || c->result_dirty)
		stopframe_write_regs(c->ht, &c->regs);
	bases[0] = c->regs.fs_base;
	/* By an own base the trampolines find the slot: a guest that uses none gets that. */
	bases[1] = trampolines && !c->regs.gs_base ? slot_addr(c->ht->slot) : c->regs.gs_base;
}

/* ---- a new process ---- */

static int seccomp_adopt(struct host_task *ht)
{
	struct cpu *cpu = this_cpu();
	struct context c = {.ht = ht};
	struct seccomp_notif n;
	int err;

	if (cpu)
		host_task_pin(ht->pid, &ht->core, cpu->host_core);
	err = wait_ready(ht) ? listener_fetch(ht) : -ESRCH;
	if (!err)
		err = receive(&c, &n, true);
	if (!err && n.data.instruction_pointer != STUB_START_IP)
		err = -ESRCH;
	if (!err)
		stopframe_first(ht);
	return err;
}

/*
 * A guest can jump to the call by which the stub's handler stops, with kicks open and a signal
 * stack of its choice, which would be in force until it has loaded its next frame. From one of
 * ours, which leads nowhere, it comes to a stop for which the host has entered the handler.
 */
static int stop_anew(struct context *c)
{
	struct seccomp_notif n;
	struct stop s;

	stopframe_first(c->ht);
	answer(c, c->ht->uc);
	if (c->dead || receive(c, &n, true)) {
		context_died(c);
		return -ESRCH;
	}
	if (!is_stop(&n) || !read_stop(c, &n, &s, 0)) {
		kill_process(c);
		return -ESRCH;
	}
	return 0;
}

/*
 * From a stop, since only so a frame can be loaded: kicks and a signal stack that the guest forged
 * end with that. Its memory is unmapped already. So who made his call there enters the handler,
 * whatever he blocks. In the stub and the vDSO he goes on, perhaps to what only looks like a stop.
 */
static int seccomp_renew(struct context *c)
{
	const struct host_task *ht = c->ht;
	bool goes_on = ht->stopped || ht->spun || ht->call_ip >= STUB_VDSO_AREA;

	c->ht->save = 0;
	if (need_frame(c) || (goes_on && stop_anew(c)))
		return -ESRCH;
	host_mm_renew(c->hm, c->ht);
	stopframe_first(c->ht);
	return 0;
}

/*
 * Its memory is still the old program's. An execve that was trapped is a stop already; one by the
 * slot is not, so whoever forged it may compute. Words in the slot that the trampolines go by, such
 * as SLOT_LOAD, and masks in the frame are not to be those of the old program: the frame is ours.
 */
static int seccomp_exec(struct context *c)
{
	c->ht->save = 0;
	if (need_frame(c))
		return -ESRCH;
	host_task_wipe(c->ht);
	stopframe_first(c->ht);
	return 0;
}

/* ---- running ---- */

/* It was made from the trampolines' code: the original's address is in the slot. */
static void ask_event(struct context *c, struct event *ev)
{
	ev->sys.ip = slotcall_ip(c->ht);
	slotcall_copies_begin(c->ht);
	c->ht->asked = true;
}

static void call_event(struct context *c, struct event *ev, const struct seccomp_notif *n)
{
	ev->kind = EVENT_SYSCALL;
	ev->sys.nr = (u32)n->data.nr;
	memcpy(ev->sys.args, n->data.args, sizeof(ev->sys.args));
	ev->sys.ip = tramp_call_ip(c->hm, n->data.instruction_pointer);
	ev->sys.sp = 0;
	c->regs.orig_rax = ev->sys.nr;
	heard_of(c->ht);
	c->ht->stopped = false;
	c->ht->call_ip = n->data.instruction_pointer;
	if (n->data.instruction_pointer == STUB_ASK_IP)
		ask_event(c, ev);
}

/*
 * A call that is known by its registers: the filter trapped it, or a trampoline couldn't copy. One
 * through the vsyscall page has already returned.
 */
static void regs_event(struct context *c, struct event *ev, u64 nr)
{
	syscall_from_regs(ev, &c->regs, nr);
	c->regs.orig_rax = nr;
}

static void fault_event(struct context *c, struct event *ev, const struct stop *s)
{
	ev->kind = EVENT_FAULT;
	ev->fault = (struct fault){
		.signo = s->sig,
		.code = s->si.si_code,
		.addr = (uaddr_t)s->si.si_addr,
	};
	stopframe_fault(c->ht, &ev->fault);
}

static void stop_event(struct context *c, struct event *ev, const struct seccomp_notif *n)
{
	struct stop s;

	if (!read_stop(c, n, &s, 0)) {
		kill_process(c);
		return;
	}
	/* It was stopped on its way to sleep over a call that has been answered meanwhile. */
	if (s.where == TRAMP_WAITING)
		tramp_answer(c->ht, &c->regs);
	ev->kind = EVENT_KICK; /* also what somebody on the host sent */
	if (s.where == TRAMP_CALL) {
		regs_event(c, ev, c->regs.rax);
	} else if (s.sig == SIGSYS && s.si.si_code == SYS_SECCOMP) {
		regs_event(c, ev, s.si.si_arch == AUDIT_ARCH_X86_64 ? (u32)s.si.si_syscall : ~0ULL);
	} else if (s.sig == SIGTRAP && s.where == TRAMP_AGAIN) {
		ev->kind = EVENT_STEPPED;
		ev->fault.addr = c->regs.rip;
	} else if (is_fault_signal(s.sig) && s.si.si_code > 0 &&
		   (s.where == TRAMP_NONE || s.where == TRAMP_LOADING || s.sig == SIGTRAP)) {
		fault_event(c, ev, &s);
	}
}

/* The task's own CPU number, in what it may know of itself. */
static void show_cpu(const struct host_task *ht, const struct cpu *cpu)
{
	struct stub_info *info = ht->hm->ctl->info + ht->slot;

	if (trampolines && ht->slot < INFO_MAX && info->cpu != (u32)cpu->id)
		store_relaxed(&info->cpu, cpu->id);
}

/*
 * Gives the task what it waits for: the frame to go on with, or the result of its call. `spin`:
 * this CPU will look for the next call. False: it had gone to sleep over a call by the slot, and
 * tells so first.
 */
static bool reply(struct context *c, bool spin)
{
	struct host_task *ht = c->ht;
	u32 state = spin ? CALL_READY : CALL_OFF;

	if (ht->copies)
		slotcall_copies_end(ht);
	if (ht->spun) {
		memcpy(slot_field(ht, SLOT_RESULT), &c->regs.rax, sizeof(c->regs.rax));
		ht->spun = false;
		return slotcall_change_state(ht, CALL_MADE, state);
	}
	if (trampolines)
		slotcall_set_state(ht, state);
	answer(c, ht->stopped ? ht->uc : c->regs.rax);
	return true;
}

/* It made a call by the slot. */
static void slot_event(struct context *c, struct cpu *cpu, struct event *ev)
{
	struct host_task *ht = c->ht;

	slotcall_event(ht, ev);
	slotcall_copies_begin(ht);
	c->regs.orig_rax = ev->sys.nr;
	heard_of(ht);
	ht->stopped = false;
	ht->spun = true;
	ht->spin.served++;
	cpu->stat.spun++;
}

/* Spins for its next call. False: none came that way. */
static bool found_call(struct context *c, struct cpu *cpu, struct event *ev)
{
	struct host_task *ht = c->ht;
	enum slotcall look = slotcall_look(ht, cpu);

	if (look == SLOTCALL_MADE) {
		slot_event(c, cpu, ev);
		return true;
	}
	/* Who was kicked says nothing about whether it pays. */
	if (look == SLOTCALL_NONE) {
		cpu->stat.slept++;
		spin_end(&ht->spin, cpu);
	}
	return false;
}

/* Waits for what the task does next. False: the process died. */
static bool next_event(struct context *c, struct cpu *cpu, struct event *ev, bool spin,
		       bool replied)
{
	struct host_task *ht = c->ht;
	struct seccomp_notif n;

	if (spin && replied && found_call(c, cpu, ev))
		return true;
	host_task_count_turn(ht, cpu);
	while (!c->dead && !receive(c, &n, false)) {
		if (n.data.instruction_pointer == STUB_WAIT_IP && !replied) {
			replied = true;
			if (!spin)
				host_task_pin(ht->pid, &ht->core, cpu->host_core);
			slotcall_set_state(ht, spin ? CALL_READY : CALL_OFF);
			answer(c, c->regs.rax);
			if (spin && found_call(c, cpu, ev))
				return true;
			continue;
		}
		/*
		 * It sleeps: a kick would only interrupt its call, which some hosts begin anew when
		 * the answer comes at that moment.
		 */
		store_release(&cpu->in_guest, 0);
		if (is_stop(&n))
			stop_event(c, ev, &n);
		else
			call_event(c, ev, &n);
		return true;
	}
	return false;
}

static void run(struct context *c, struct cpu *cpu, struct event *ev)
{
	struct host_task *ht = c->ht;
	bool spin, replied, load = c->regs_dirty && !ht->stopped;
	u64 start;
	u32 tries;

	if (spin_on(&ht->spin, cpu) && ht->spin.served % 64 == 63 && spin_crowded(cpu))
		spin_end(&ht->spin, cpu);
	spin = spin_on(&ht->spin, cpu);
	userspace_pid[cpu->id] = ht->pid;
	if (!cpu_enter_guest(cpu)) {
		ev->kind = EVENT_KICK;
		return;
	}
	c->regs_dirty = c->result_dirty = c->regs_valid = false;
	show_cpu(ht, cpu);
	if (load)
		slotregs_write(ht, &c->regs, ht->save);
	ht->loading = load;
	start = __rdtsc();
	replied = reply(c, spin);
	if (!next_event(c, cpu, ev, spin, replied))
		context_died(c);
	cpu_leave_guest(cpu);
	if (trampolines && !spin) {
		tries = *(volatile u32 *)slot_field(ht, SLOT_TRIES);
		spin_learn(&ht->spin, __rdtsc() - start, tries != ht->tries);
		ht->tries = tries;
	}
}

/* Guest and CPU on one core; or the guest on another, if the CPU is to spin for its next call. */
static void place(struct host_task *ht, struct cpu *cpu)
{
	int core = cpu->host_core;

	if (spin_on(&ht->spin, cpu))
		return;
	spin_none(cpu);
	if (ht->spun) {
		if (spin_resume(&ht->spin, cpu, ht->core))
			core = ht->core;
	} else {
		int other = spin_begin(&ht->spin, cpu);

		if (other >= 0)
			core = other;
	}
	host_task_pin(ht->pid, &ht->core, core);
}

/* Can it load what the kernel changed without a frame? */
static bool loads_from_slot(const struct context *c)
{
	return in_trampoline(c->ht) && c->regs_valid && !c->xstate && slotregs_fit(&c->regs);
}

static void seccomp_run(struct context *c, struct event *ev)
{
	struct cpu *cpu = this_cpu();

	place(c->ht, cpu);
	if ((c->regs_dirty || c->xstate || c->ht->save) && !loads_from_slot(c))
		(void)!need_frame(c); /* dead then */
	if (c->ht->stopped && !c->dead)
		write_stop(c);
	if (!c->dead)
		run(c, cpu, ev);
	if (c->dead) {
		ev->kind = EVENT_DIED;
		ev->died_status = c->died_status;
	}
}

static void seccomp_set_result(struct context *c, u64 rax)
{
	c->regs.rax = rax;
	c->result_dirty = true;
}

static struct pt_regs *seccomp_regs(struct context *c)
{
	load_regs(c);
	return &c->regs;
}

static void seccomp_regs_changed(struct context *c)
{
	c->regs_dirty = true;
}

static void seccomp_release(struct context *c)
{
	(void)c; /* any thread may answer */
}

static int seccomp_get_xstate(struct context *c, void *buf, size_t size)
{
	if (!c->xstate && need_frame(c))
		return -ESRCH;
	if (c->xstate) {
		memcpy(buf, c->xstate, min(size, xstate_size()));
		return 0;
	}
	if (!stopframe_get_xstate(c->ht, buf, size))
		xstate_initial(buf, size);
	return 0;
}

/* Which bits of MXCSR this CPU has: the others fault when they are loaded. */
static u32 mxcsr_mask(void)
{
	struct {
		u8 before[28];
		u32 mask;
		u8 after[480];
	} __attribute__((aligned(16))) fx = {};

	__asm__ volatile("fxsave64 %0" : "=m"(fx));
	return fx.mask ? fx.mask : 0xffbf;
}

static int seccomp_set_xstate(struct context *c, const void *buf, size_t size)
{
	u32 mxcsr;

	memcpy(&mxcsr, (const u8 *)buf + 24, sizeof(mxcsr));
	if (mxcsr & ~mxcsr_mask())
		return -EINVAL;
	if (context_reset_xstate(c))
		return -ENOMEM;
	memcpy(c->xstate, buf, min(size, xstate_size()));
	return 0;
}

static bool seccomp_save_xstate(struct context *c, uaddr_t at)
{
	struct host_task *ht = c->ht;

	if (!at)
		ht->save = 0;
	if (!at || c->dead || c->xstate || ht->save || !in_trampoline(ht))
		return false;
	ht->save = at;
	return true;
}

static bool seccomp_use_trampolines(u32 spin)
{
	trampolines = getauxval(AT_MINSIGSTKSZ) <= SLOT_SIZE - SLOT_FRAMES;
	if (trampolines)
		spin_setup(spin);
	return trampolines;
}

AT_ONCE static void seccomp_kick_self(struct cpu *cpu)
{
	pid_t pid = userspace_pid[cpu->id];

	if (!pid)
		return;
	at_once_kill(pid, SIG_KICK);
	/*
	 * If this came between the answer and the wait, nothing was interrupted: come again, in
	 * case that the guest blocks kicks.
	 */
	host_cpu_timer(cpu, at_once_clock() + KICK_CHECK);
}

/* The errno with which a listener is refused, 0 if it isn't. In a child, since a filter remains. */
static int try_listener(void)
{
	struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
	struct sock_fprog program = {1, &allow};
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
				      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS,
					      &program) < 0
			      ? errno
			      : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static int seccomp_probe(char *why, size_t size)
{
	u32 action = SECCOMP_RET_USER_NOTIF;
	int err;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
		snprintf(why, size,
			 "the host doesn't let programs set their segment bases (FSGSBASE)");
		return -ENOSYS;
	}
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action)) {
		snprintf(why, size, "the host has no seccomp user notification: %s",
			 strerrordesc_np(errno));
		return -ENOSYS;
	}
	/* With known flags it is the missing program that is wrong. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS, NULL) == 0 ||
	    errno != EFAULT) {
		snprintf(why, size, "Linux 5.19 or later is needed (WAIT_KILLABLE_RECV)");
		return -ENOSYS;
	}
	err = try_listener();
	if (err) {
		snprintf(why, size, "no listener can be had: %s",
			 err == EBUSY ? "this program runs under another one's already"
				      : strerrordesc_np(err));
		return -ENOSYS;
	}
	if (context_probe(why, size))
		return -ENOSYS;
	listener_probe();
	return 0;
}

const struct engine_ops seccomp_engine = {
	.name = "seccomp",
	.setup = &seccomp_setup,
	.probe = seccomp_probe,
	.adopt = seccomp_adopt,
	.adopts_anywhere = true,
	.renew = seccomp_renew,
	.exec = seccomp_exec,
	.run = seccomp_run,
	.set_result = seccomp_set_result,
	.regs = seccomp_regs,
	.regs_changed = seccomp_regs_changed,
	.release = seccomp_release,
	.get_xstate = seccomp_get_xstate,
	.set_xstate = seccomp_set_xstate,
	.save_xstate = seccomp_save_xstate,
	.use_trampolines = seccomp_use_trampolines,
	.kick_self = seccomp_kick_self,
};
