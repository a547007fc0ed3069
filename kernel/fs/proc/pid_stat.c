/* /proc/PID/stat, statm, status, schedstat: the formats of proc(5). */
#include "cputime.h"
#include "cred.h"
#include "kernel/fs/proc/proc_priv.h"
#include "kernel/task/usage.h"
#include "mm.h"
#include "tty.h"
#include <sched.h>
#include <string.h>
#include <sys/sysmacros.h>

#define PF_FORKNOEXEC 0x40u
#define PF_RANDOMIZE 0x400000u
#define PF_EXITING 0x4u

typedef unsigned long long ull;

static char state_char(struct task *t)
{
	/*
	 * Who sees a Z may wait for the process, poll its pidfd ...: the last thread isn't one
	 * before its parent is told.
	 */
	if (load_relaxed(&t->exiting) &&
	    (load_acquire(&t->tg->zombie) || load_relaxed(&t->tg->nr_threads) > 1))
		return 'Z';
	switch (load_relaxed(&t->kt.state)) {
	case KT_RUNNING:
		return 'R';
	case KT_INTERRUPTIBLE:
		return 'S';
	case KT_STOPPED:
		return 'T';
	case KT_DEAD:
		return 'Z';
	default:
		return 'D';
	}
}

static const char *state_name(char c)
{
	switch (c) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'T':
		return "T (stopped)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "D (disk sleep)";
	}
}

/* ---- what several files need ---- */

struct mm *proc_mm_lock(const struct proc_ctx *c)
{
	struct mm *mm = task_mm_get(c->task);

	if (mm)
		down_read(&mm->lock);
	return mm;
}

void proc_mm_unlock(struct mm *mm)
{
	up_read(&mm->lock);
	mm_put(mm);
}

/* Sizes in pages, as statm has them. */
struct mem_sizes {
	u64 size, resident, shared, text, data;
	u64 locked, stack, exe;
	u64 peak_kb;
};

/* mm->lock held for reading. */
static void mem_sizes_get(struct mem_sizes *m, struct mm *mm)
{
	u64 pages[7] = {0};

	*m = (struct mem_sizes){0};
	if (!mm->host || host_mm_statm(mm->host, pages))
		return;
	m->size = mm->total_pages;
	m->resident = min(pages[1], m->size);
	m->shared = min(pages[2], m->resident);
	m->text = (PAGE_ALIGN(mm->code_end) - (mm->code_start & PAGE_MASK)) >> PAGE_SHIFT;
	m->data = mm->data_pages;
	m->stack = mm->stack_pages;
	m->locked = mm->locked_pages;
	m->peak_kb = mm_note_rss(mm, m->resident * (PAGE_SIZE / 1024));
}

/* Signal sets of a task, taken together. */
struct signal_sets {
	ksigset_t pending, shared, blocked, ignored, caught;
	int queued, limit, nr_threads;
};

static void signal_sets_get(struct signal_sets *x, const struct proc_ctx *c)
{
	struct thread_group *tg = c->tg;

	*x = (struct signal_sets){0};
	spin_lock(&tg->siglock);
	x->pending = c->task->pending.set;
	x->shared = tg->shared_pending.set;
	x->blocked = c->task->blocked;
	x->nr_threads = tg->nr_threads;
	x->limit = (int)min(tg->rlim[RLIMIT_SIGPENDING].rlim_cur, (u64)INT32_MAX);
	for (int sig = 1; sig <= NSIG; sig++) {
		u64 handler = sighand_action_locked(tg, sig).handler;

		if (handler == SIG_HANDLER_IGN)
			x->ignored |= sig_bit(sig);
		else if (handler)
			x->caught |= sig_bit(sig);
	}
	spin_unlock(&tg->siglock);
}

/* Relations, taken together. */
struct relations {
	pid_t ppid, pgrp, session;
	int exit_signal, exit_code;
};

static void relations_get(struct relations *r, const struct proc_ctx *c)
{
	struct thread_group *tg = c->tg;

	*r = (struct relations){.exit_code = load_relaxed(&c->task->exit_code)};
	spin_lock(&tasklist_lock);
	r->ppid = tg->parent ? tg_nr(tg->parent) : 0;
	r->pgrp = tg->pgrp ? tg->pgrp->nr : 0;
	r->session = tg->session ? tg->session->nr : 0;
	r->exit_signal = tg->exit_signal;
	if (tg->zombie && !c->thread)
		r->exit_code = tg->exit_status;
	spin_unlock(&tasklist_lock);
}

static void put_comm(struct seq *s, struct task *t)
{
	char comm[TASK_COMM_LEN + 1] = {0};

	task_get_comm(t, comm);
	seq_escape(s, comm, "\n\\");
}

/* ---- stat ---- */

struct times {
	u64 utime, stime, cutime, cstime; /* ns */
	u64 minflt, majflt, cminflt, cmajflt;
	ktime_t start;
};

/* Page faults of other tasks are those that were known when they asked last. */
static void times_get(struct times *x, const struct proc_ctx *c)
{
	struct thread_group *tg = c->tg;
	struct usage_sums self, children;
	struct task *t;

	*x = (struct times){.minflt = load_relaxed(&c->task->minflt),
			    .majflt = load_relaxed(&c->task->majflt)};
	x->start = c->thread ? c->task->start_time : tg->start_time;
	if (c->thread) {
		task_cputime(c->task, &x->utime, &x->stime);
		return;
	}
	usage_read(tg->usage, &self, &children);
	spin_lock(&tg->siglock);
	group_cputime_locked(tg, &x->utime, &x->stime);
	x->cutime = tg->cutime_ns;
	x->cstime = tg->cstime_ns;
	x->minflt = self.minflt;
	x->majflt = self.majflt;
	cds_list_for_each_entry(t, &tg->threads, group_link) {
		x->minflt += load_relaxed(&t->minflt);
		x->majflt += load_relaxed(&t->majflt);
	}
	x->cminflt = children.minflt;
	x->cmajflt = children.majflt;
	spin_unlock(&tg->siglock);
}

/* The kernel's 32-bit form of a device number. */
static u32 encode_dev(dev_t dev)
{
	return (minor(dev) & 0xff) | major(dev) << 8 | (minor(dev) & ~0xffu) << 12;
}

static void stat_terminal(struct seq *s, struct thread_group *tg)
{
	struct tty *tty = tty_of(tg);

	seq_printf(s, " %d %d", tty ? (int)encode_dev(tty_device(tty)) : 0,
		   tty ? tty_foreground_nr(tty) : -1);
	if (tty)
		tty_put(tty);
}

static int stat_priority(const struct kthread *kt)
{
	if (load_relaxed(&kt->policy) == SCHED_FIFO || load_relaxed(&kt->policy) == SCHED_RR)
		return -1 - load_relaxed(&kt->rt_priority);
	return 20 + load_relaxed(&kt->nice);
}

static u64 boot_ticks(ktime_t start)
{
	return start > ktime_boot_mono ? ns_to_clock_ticks(start - ktime_boot_mono) : 0;
}

/* Addresses are for those who may trace it. */
struct layout {
	u64 code_start, code_end, stack, data_start, data_end, brk, arg_start, arg_end, env_start,
		env_end;
};

static void stat_memory(const struct proc_ctx *c, struct mem_sizes *m, struct layout *l)
{
	struct mm *mm = proc_mm_lock(c);

	*m = (struct mem_sizes){0};
	*l = (struct layout){0};
	if (!mm)
		return;
	mem_sizes_get(m, mm);
	if (!proc_may_trace(c->task))
		*l = (struct layout){mm->code_start, mm->code_end,  mm->stack_top, mm->data_start,
				     mm->data_end,   mm->brk_start, mm->arg_start, mm->arg_end,
				     mm->env_start,  mm->env_end};
	else
		l->code_start = l->code_end = 1;
	proc_mm_unlock(mm);
}

int proc_show_pid_stat(struct seq *s, const struct proc_ctx *c)
{
	const struct kthread *kt = &c->task->kt;
	struct signal_sets sig;
	struct relations rel;
	struct mem_sizes m;
	struct layout l;
	struct times x;
	u32 flags = PF_RANDOMIZE;

	signal_sets_get(&sig, c);
	relations_get(&rel, c);
	times_get(&x, c);
	stat_memory(c, &m, &l);
	if (!load_relaxed(&c->tg->did_exec))
		flags |= PF_FORKNOEXEC;
	if (load_relaxed(&c->task->exiting))
		flags |= PF_EXITING;
	seq_printf(s, "%d (", c->task->tid);
	put_comm(s, c->task);
	seq_printf(s, ") %c %d %d %d", state_char(c->task), rel.ppid, rel.pgrp, rel.session);
	stat_terminal(s, c->tg);
	seq_printf(s, " %u %llu %llu %llu %llu", flags, (ull)x.minflt, (ull)x.cminflt,
		   (ull)x.majflt, (ull)x.cmajflt);
	seq_printf(s, " %llu %llu %llu %llu", (ull)ns_to_clock_ticks(x.utime),
		   (ull)ns_to_clock_ticks(x.stime), (ull)ns_to_clock_ticks(x.cutime),
		   (ull)ns_to_clock_ticks(x.cstime));
	seq_printf(s, " %d %d %d 0 %llu", stat_priority(kt), load_relaxed(&kt->nice),
		   sig.nr_threads, (ull)boot_ticks(x.start));
	seq_printf(s, " %llu %llu %llu", (ull)m.size << PAGE_SHIFT, (ull)m.resident,
		   (ull)load_relaxed(&c->tg->rlim[RLIMIT_RSS].rlim_cur));
	seq_printf(s, " %llu %llu %llu 0 0", (ull)l.code_start, (ull)l.code_end, (ull)l.stack);
	seq_printf(s, " %llu %llu %llu %llu", (ull)(sig.pending & 0x7fffffff),
		   (ull)(sig.blocked & 0x7fffffff), (ull)(sig.ignored & 0x7fffffff),
		   (ull)(sig.caught & 0x7fffffff));
	seq_printf(s, " 0 0 0 %d %d %u %u 0 0 0", rel.exit_signal, load_relaxed(&kt->cpu),
		   load_relaxed(&kt->rt_priority), load_relaxed(&kt->policy));
	seq_printf(s, " %llu %llu %llu %llu %llu %llu %llu", (ull)l.data_start, (ull)l.data_end,
		   (ull)l.brk, (ull)l.arg_start, (ull)l.arg_end, (ull)l.env_start, (ull)l.env_end);
	seq_printf(s, " %d\n", proc_may_trace(c->task) ? 0 : rel.exit_code);
	return 0;
}

int proc_show_pid_statm(struct seq *s, const struct proc_ctx *c)
{
	struct mem_sizes m = {0};
	struct mm *mm = proc_mm_lock(c);

	if (mm) {
		mem_sizes_get(&m, mm);
		proc_mm_unlock(mm);
	}
	seq_printf(s, "%llu %llu %llu %llu 0 %llu 0\n", (ull)m.size, (ull)m.resident, (ull)m.shared,
		   (ull)m.text, (ull)m.data);
	return 0;
}

int proc_show_pid_schedstat(struct seq *s, const struct proc_ctx *c)
{
	const struct kthread *kt = &c->task->kt;
	u64 switches = load_relaxed(&kt->nvcsw) + load_relaxed(&kt->nivcsw);

	seq_printf(s, "%llu 0 %llu\n", (ull)load_relaxed(&kt->runtime_ns), (ull)switches);
	return 0;
}

/* ---- status ---- */

static void status_ids(struct seq *s, const struct proc_ctx *c)
{
	struct cred *cred = task_cred_get(c->task);

	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\n", cred->uid, cred->euid, cred->suid, cred->fsuid);
	seq_printf(s, "Gid:\t%u\t%u\t%u\t%u\n", cred->gid, cred->egid, cred->sgid, cred->fsgid);
	cred_put(cred);
}

static void status_groups(struct seq *s, const struct proc_ctx *c)
{
	struct cred *cred = task_cred_get(c->task);

	seq_puts(s, "Groups:\t");
	for (int i = 0; i < cred->ngroups; i++)
		seq_printf(s, "%u ", cred->groups[i]);
	cred_put(cred);
	seq_putc(s, '\n');
}

static void status_memory(struct seq *s, const struct proc_ctx *c)
{
	struct mm *mm = proc_mm_lock(c);
	struct mem_sizes m;
	u64 lib = 0;

	if (!mm)
		return;
	mem_sizes_get(&m, mm);
	proc_mm_unlock(mm);
	if (m.size > m.data + m.stack + m.text)
		lib = m.size - m.data - m.stack - m.text;
	seq_printf(s, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\nVmPin:\t%8d kB\n",
		   (ull)m.size * 4, (ull)m.size * 4, (ull)m.locked * 4, 0);
	seq_printf(
		s,
		"VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\nRssShmem:\t%8d kB\n",
		(ull)m.peak_kb, (ull)m.resident * 4, (ull)(m.resident - m.shared) * 4,
		(ull)m.shared * 4, 0);
	seq_printf(s, "VmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\nVmLib:\t%8llu kB\n",
		   (ull)m.data * 4, (ull)m.stack * 4, (ull)m.text * 4, (ull)lib * 4);
	/* Page tables and swap are the host's. */
	seq_printf(
		s,
		"VmPTE:\t%8d kB\nVmSwap:\t%8d kB\nHugetlbPages:\t%8d kB\nCoreDumping:\t0\nTHP_enabled:\t1\n",
		0, 0, 0);
}

static void status_signals(struct seq *s, const struct proc_ctx *c)
{
	struct cred *cred = task_cred_get(c->task);
	struct signal_sets x;

	signal_sets_get(&x, c);
	seq_printf(s, "Threads:\t%d\nSigQ:\t%u/%d\n", x.nr_threads,
		   load_relaxed(&cred->user->sigpending), x.limit);
	seq_printf(
		s,
		"SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		(ull)x.pending, (ull)x.shared, (ull)x.blocked, (ull)x.ignored, (ull)x.caught);
	seq_printf(
		s,
		"CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n",
		(ull)cred->cap_inheritable, (ull)cred->cap_permitted, (ull)cred->cap_effective,
		(ull)cred->cap_bounding, (ull)cred->cap_ambient);
	seq_printf(s, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", cred->no_new_privs);
	cred_put(cred);
	seq_puts(s, "Speculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunknown\n");
}

static void status_cpus(struct seq *s, const struct kthread *kt)
{
	u64 allowed = load_relaxed(&kt->allowed);

	seq_puts(s, "Cpus_allowed:\t");
	seq_bit_mask(s, allowed, nr_cpus);
	seq_puts(s, "\nCpus_allowed_list:\t");
	seq_bit_list(s, allowed, nr_cpus);
	seq_puts(s, "\nMems_allowed:\t00000001\nMems_allowed_list:\t0\n");
	seq_printf(s, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		   (ull)load_relaxed(&kt->nvcsw), (ull)load_relaxed(&kt->nivcsw));
}

static unsigned fd_table_size(struct task *t)
{
	struct files *files = task_files_get(t);
	unsigned n = 64;
	int fd = -1;

	if (!files)
		return 0;
	while ((fd = files_next(files, fd + 1)) >= 0)
		while (n <= (unsigned)fd)
			n *= 2;
	files_put(files);
	return n;
}

int proc_show_pid_status(struct seq *s, const struct proc_ctx *c)
{
	struct fs_context *fs = task_fs_get(c->task);
	struct relations rel;

	relations_get(&rel, c);
	seq_puts(s, "Name:\t");
	put_comm(s, c->task);
	if (fs) {
		seq_printf(s, "\nUmask:\t%04o", load_relaxed(&fs->umask));
		fs_context_put(fs);
	}
	seq_printf(s, "\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
		   state_name(state_char(c->task)), tg_nr(c->tg), c->task->tid, rel.ppid);
	status_ids(s, c);
	seq_printf(s, "FDSize:\t%u\n", fd_table_size(c->task));
	status_groups(s, c);
	seq_printf(s, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", tg_nr(c->tg),
		   c->task->tid, rel.pgrp, rel.session);
	status_memory(s, c);
	status_signals(s, c);
	status_cpus(s, &c->task->kt);
	return 0;
}
