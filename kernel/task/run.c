/*
 * A task's life between system calls: run the guest, see what happened, act, look for signals, run
 * it again.
 */
#include "cpu.h"
#include "cputime.h"
#include "engine.h"
#include "kernel/task/task_priv.h"
#include "log.h"
#include "mm.h"
#include "patch.h"
#include "rseq.h"
#include "strace.h"
#include "uaccess.h"
#include "syscalls.h"
#include "kernel/init/stats.h"
#include "stub/layout.h"
#include <asm/unistd_64.h>

/*
 * Where the first of the call's results goes, most often the only one: a trampoline copies one
 * piece.
 */
static void expect_out(struct task *t, const struct syscall_desc *d)
{
	for (int i = 0; i < d->nargs; i++) {
		const struct syscall_arg *a = &d->args[i];

		if ((a->kind == ARG_OUT || a->kind == ARG_INOUT) && t->sys_args[i]) {
			uaccess_expect_out(t->sys_args[i],
					   a->len_arg >= 0 ? t->sys_args[a->len_arg] : 1);
			return;
		}
	}
}

static long dispatch(struct task *t)
{
	const struct syscall_desc *d;
	long ret;

	if (t->sys_nr >= NR_SYSCALLS || !syscall_table[t->sys_nr].call) {
		stats_unknown_call(t->sys_nr);
		if (strace_enabled && t->sys_nr < NR_SYSCALLS) {
			strace_enter(t->sys_nr, &syscall_table[t->sys_nr], t->sys_args);
			strace_exit(t->sys_nr, &syscall_table[t->sys_nr], t->sys_args, -ENOSYS);
		}
		return -ENOSYS;
	}
	d = &syscall_table[t->sys_nr];
	if (unlikely(strace_enabled))
		strace_enter(t->sys_nr, d, t->sys_args);
	t->copy_out = false;
	if (d->copies & COPY_OUT && !strace_enabled)
		expect_out(t, d);
	ret = d->call(t->sys_args);
	if (unlikely(strace_enabled))
		strace_exit(t->sys_nr, d, t->sys_args, ret);
	return ret;
}

static void handle_syscall(struct task *t)
{
	this_cpu()->stat.syscalls++;
	if (patch_enabled && t->event.sys.nr < NR_SYSCALLS)
		patch_count(t->event.sys.ip, t->event.sys.nr);
	t->sys_nr = t->event.sys.nr;
	for (int i = 0; i < 6; i++)
		t->sys_args[i] = t->event.sys.args[i];
	t->regs_set = false;
	t->in_call = true;
	t->sys_ret = dispatch(t);
	t->in_call = false;
	t->in_syscall = !t->regs_set;
	if (!t->regs_set)
		engine->set_result(t->ctx, t->sys_ret);
}

/*
 * The host process is gone: killed from outside, or it tampered with the stub. The guest sees
 * SIGKILL.
 */
static noreturn_ void handle_died(struct task *t)
{
	log_info("host process of task %d died (status %#x)\n", t->tid,
		 (unsigned)t->event.died_status);
	group_exit(SIGKILL);
}

static void handle_fault(struct task *t, const struct fault *f)
{
	if (f->signo == SIGSEGV && f->code == SEGV_MAPERR && mm_grow_stack(t->mm, f->addr))
		return;
	force_fault(t, f);
}

static void handle_event(struct task *t)
{
	t->in_syscall = false;
	t->rseq.interrupted = t->event.kind != EVENT_SYSCALL;
	switch (t->event.kind) {
	case EVENT_SYSCALL:
		handle_syscall(t);
		break;
	case EVENT_FAULT:
		this_cpu()->stat.faults++;
		handle_fault(t, &t->event.fault);
		break;
	case EVENT_KICK:
		break;
	case EVENT_STEPPED:
		patch_step(t->event.fault.addr);
		break;
	case EVENT_DIED:
		handle_died(t);
	}
}

/* Is there a result that means "restart", and no signal to decide about it? */
static bool wants_restart(const struct task *t)
{
	return t->in_syscall && t->sys_ret <= -ERESTARTSYS && t->sys_ret >= -ERESTART_RESTARTBLOCK;
}

static void prepare_return(struct task *t)
{
	do {
		if (__atomic_load_n(&t->work, __ATOMIC_SEQ_CST))
			signals_deliver();
		if (unlikely(!t->ids_published))
			patch_publish_ids(t);
		if (wants_restart(t))
			signals_no_restart();
		t->in_syscall = false;
		if (unlikely(rseq_is_stale(t)))
			rseq_resume(t);
		sched_return_to_guest();
	} while (__atomic_load_n(&t->work, __ATOMIC_SEQ_CST) || rseq_is_stale(t));
}

void task_main(void *arg)
{
	struct task *t = arg;

	if (t->start)
		t->start(t);
	if (t->set_child_tid)
		(void)!put_user(t->tid, t->set_child_tid); /* as on Linux, a bad address is the
							      guest's own business */
	for (;;) {
		prepare_return(t);
		engine->run(t->ctx, &t->event);
		sched_enter_kernel();
		handle_event(t);
	}
}
