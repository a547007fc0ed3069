/* /proc/PID: its rows, the small files, and the names of processes and threads. */
#include "alloc.h"
#include "cred.h"
#include "cputime.h"
#include "kernel/fs/proc/proc_priv.h"
#include "mm.h"
#include <dirent.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- links ---- */

static int exe_path(const struct proc_ctx *c, struct path *out)
{
	struct mm *mm = proc_mm_lock(c);
	int err = -ENOENT;

	if (!mm)
		return err;
	if (mm->exe_file) {
		*out = mm->exe_file->path;
		path_get(out);
		err = 0;
	}
	proc_mm_unlock(mm);
	return err;
}

static int fs_path(const struct proc_ctx *c, struct path *out, bool root)
{
	struct fs_context *fs = task_fs_get(c->task);

	if (!fs)
		return -ENOENT;
	spin_lock(&fs->lock);
	*out = root ? fs->root : fs->pwd;
	path_get(out);
	spin_unlock(&fs->lock);
	fs_context_put(fs);
	return 0;
}

static int cwd_path(const struct proc_ctx *c, struct path *out)
{
	return fs_path(c, out, false);
}

static int root_path(const struct proc_ctx *c, struct path *out)
{
	return fs_path(c, out, true);
}

/* ---- comm ---- */

static int show_comm(struct seq *s, const struct proc_ctx *c)
{
	char comm[TASK_COMM_LEN];

	task_get_comm(c->task, comm);
	seq_printf(s, "%.*s\n", (int)sizeof(comm), comm);
	return 0;
}

/* A process names its own threads. */
static int store_comm(const struct proc_ctx *c, char *text, size_t n)
{
	char comm[TASK_COMM_LEN] = {0};

	if (c->tg != current->tg)
		return -EINVAL;
	if (n && text[n - 1] == '\n')
		n--;
	memcpy(comm, text, min(n, sizeof(comm) - 1));
	task_set_comm(c->task, comm);
	return 0;
}

/* ---- limits ---- */

static const struct {
	const char *name, *unit;
} limit_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = {"Max cpu time", "seconds"},
	[RLIMIT_FSIZE] = {"Max file size", "bytes"},
	[RLIMIT_DATA] = {"Max data size", "bytes"},
	[RLIMIT_STACK] = {"Max stack size", "bytes"},
	[RLIMIT_CORE] = {"Max core file size", "bytes"},
	[RLIMIT_RSS] = {"Max resident set", "bytes"},
	[RLIMIT_NPROC] = {"Max processes", "processes"},
	[RLIMIT_NOFILE] = {"Max open files", "files"},
	[RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
	[RLIMIT_AS] = {"Max address space", "bytes"},
	[RLIMIT_LOCKS] = {"Max file locks", "locks"},
	[RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
	[RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
	[RLIMIT_NICE] = {"Max nice priority", ""},
	[RLIMIT_RTPRIO] = {"Max realtime priority", ""},
	[RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
};

static void limit_value(struct seq *s, u64 v)
{
	if (v == RLIM64_INFINITY)
		seq_printf(s, "%-20s ", "unlimited");
	else
		seq_printf(s, "%-20llu ", (unsigned long long)v);
}

static int show_limits(struct seq *s, const struct proc_ctx *c)
{
	struct racy_rlimit rlim[RLIM_NLIMITS];

	spin_lock(&c->tg->siglock);
	memcpy(rlim, c->tg->rlim, sizeof(rlim));
	spin_unlock(&c->tg->siglock);
	seq_puts(
		s,
		"Limit                     Soft Limit           Hard Limit           Units     \n");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		seq_printf(s, "%-25s ", limit_names[i].name);
		limit_value(s, rlim[i].rlim_cur);
		limit_value(s, rlim[i].rlim_max);
		if (limit_names[i].unit[0])
			seq_printf(s, "%-10s\n", limit_names[i].unit);
		else
			seq_putc(s, '\n');
	}
	return 0;
}

/* ---- out of memory ---- */

static int show_oom_score(struct seq *s, const struct proc_ctx *c)
{
	int adj = load_relaxed(&c->tg->oom_score_adj);

	/*
	 * Nobody is chosen: the guest has no OOM killer. Linux shows 666 to a process without
	 * memory to speak of.
	 */
	seq_printf(s, "%d\n", adj <= -1000 ? 0 : 666 + adj * 2 / 3);
	return 0;
}

static int show_oom_score_adj(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%d\n", load_relaxed(&c->tg->oom_score_adj));
	return 0;
}

static int store_oom_score_adj(const struct proc_ctx *c, char *text, size_t n)
{
	bool may_lower = capable(CAP_SYS_RESOURCE);
	long v;
	int err = proc_parse_long(text, -1000, 1000, &v);

	if (err)
		return err;
	if (v < load_relaxed(&c->tg->oom_score_adj_min) && !may_lower)
		return -EACCES;
	store_relaxed(&c->tg->oom_score_adj, (int)v);
	if (may_lower)
		store_relaxed(&c->tg->oom_score_adj_min, (int)v);
	return 0;
}

/* ---- the rest ---- */

static int show_wchan(struct seq *s, const struct proc_ctx *c)
{
	seq_putc(s, '0');
	return 0;
}

/* Storage is the host's business: who made it read or write isn't known. */
static int show_io(struct seq *s, const struct proc_ctx *c)
{
	struct io_count io = {0};

	if (c->thread)
		io_count_add(&io, &c->task->io);
	else
		io_count_group(c->tg, &io);
	seq_printf(s, "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\n",
		   (unsigned long long)io.rchar, (unsigned long long)io.wchar,
		   (unsigned long long)io.syscr, (unsigned long long)io.syscw);
	seq_puts(s, "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
	return 0;
}

static int show_cgroup(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "0::/\n");
	return 0;
}

static int show_personality(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%08x\n", load_relaxed(&c->task->personality));
	return 0;
}

static int show_coredump_filter(struct seq *s, const struct proc_ctx *c)
{
	struct mm *mm = task_mm_get(c->task);

	if (!mm)
		return 0;
	seq_printf(s, "%08x\n", load_relaxed(&mm->core_filter));
	mm_put(mm);
	return 0;
}

static int store_coredump_filter(const struct proc_ctx *c, char *text, size_t n)
{
	char *end;
	unsigned long v = strtoul(text, &end, 0);
	struct mm *mm;

	if (*text < '0' || *text > '9' || (*end && strcmp(end, "\n") != 0))
		return -EINVAL;
	if (v > UINT32_MAX)
		return -ERANGE;
	mm = task_mm_get(c->task);
	if (!mm)
		return -ESRCH;
	store_relaxed(&mm->core_filter, (u32)v & CORE_FILTER_BITS);
	mm_put(mm);
	return 0;
}

static int show_id_map(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%10u %10u %10u\n", 0, 0, UINT32_MAX);
	return 0;
}

static int show_setgroups(struct seq *s, const struct proc_ctx *c)
{
	seq_puts(s, "allow\n");
	return 0;
}

struct call_seen {
	struct task *t;
	bool in_call;
	unsigned long long nr;
	u64 args[6], sp, ip;
};

static void see_call(void *arg)
{
	struct call_seen *x = arg;
	const struct task *t = x->t;

	x->in_call = t->in_call;
	x->nr = t->sys_nr;
	memcpy(x->args, t->sys_args, sizeof(x->args));
	x->sp = t->event.sys.sp;
	x->ip = t->event.sys.ip;
}

/* The call that a sleeping task is in; who runs has none that could be told. */
static int show_syscall(struct seq *s, const struct proc_ctx *c)
{
	struct call_seen x = {.t = c->task};

	if (!kthread_while_asleep(&c->task->kt, see_call, &x) || !x.in_call) {
		seq_puts(s, "running\n");
		return 0;
	}
	if (!x.sp)
		x.sp = host_process_sp(load_relaxed(&c->task->host_pid), x.args);
	seq_printf(s, "%llu", x.nr);
	for (int i = 0; i < 6; i++)
		seq_printf(s, " 0x%llx", (unsigned long long)x.args[i]);
	seq_printf(s, " 0x%llx 0x%llx\n", (unsigned long long)x.sp, (unsigned long long)x.ip);
	return 0;
}

static int show_timerslack(struct seq *s, const struct proc_ctx *c)
{
	seq_printf(s, "%llu\n", (unsigned long long)load_relaxed(&c->task->timer_slack_ns));
	return 0;
}

/* ---- rows ---- */

#define COMMON_ROWS                                                                                \
	PROC_DIR("fd", 0500, NULL, .names = &proc_fd_names),                                       \
		PROC_DIR("fdinfo", 0555, NULL, .names = &proc_fdinfo_names),                       \
		PROC_DIR("ns", 0511, proc_ns_table),                                               \
		PROC_FILE("environ", 0400, proc_show_environ, .flags = PROC_PRIVATE),              \
		PROC_FILE("auxv", 0400, proc_show_auxv, .flags = PROC_PRIVATE),                    \
		PROC_FILE("status", 0444, proc_show_pid_status),                                   \
		PROC_FILE("personality", 0400, show_personality, .flags = PROC_PRIVATE),           \
		PROC_FILE("limits", 0444, show_limits),                                            \
		PROC_FILE("comm", 0644, show_comm, .store = store_comm),                           \
		PROC_FILE("syscall", 0400, show_syscall, .flags = PROC_PRIVATE),                   \
		PROC_FILE("cmdline", 0444, proc_show_cmdline),                                     \
		PROC_FILE("stat", 0444, proc_show_pid_stat),                                       \
		PROC_FILE("statm", 0444, proc_show_pid_statm),                                     \
		PROC_FILE("maps", 0444, proc_show_maps, .flags = PROC_PRIVATE),                    \
		PROC_FOPS("mem", 0600, &proc_mem_fops), PROC_MAGIC("cwd", cwd_path),               \
		PROC_MAGIC("root", root_path), PROC_MAGIC("exe", exe_path),                        \
		PROC_FILE("mounts", 0444, proc_show_mounts),                                       \
		PROC_FILE("mountinfo", 0444, proc_show_mountinfo),                                 \
		PROC_FILE("smaps", 0444, proc_show_smaps, .flags = PROC_PRIVATE),                  \
		PROC_FILE("smaps_rollup", 0444, proc_show_smaps_rollup, .flags = PROC_PRIVATE),    \
		PROC_FILE("wchan", 0444, show_wchan),                                              \
		PROC_FILE("schedstat", 0444, proc_show_pid_schedstat),                             \
		PROC_FILE("cgroup", 0444, show_cgroup),                                            \
		PROC_FILE("oom_score", 0444, show_oom_score),                                      \
		PROC_FILE("oom_score_adj", 0644, show_oom_score_adj,                               \
			  .store = store_oom_score_adj),                                           \
		PROC_FILE("io", 0400, show_io, .flags = PROC_PRIVATE),                             \
		PROC_FILE("uid_map", 0444, show_id_map), PROC_FILE("gid_map", 0444, show_id_map),  \
		PROC_FILE("setgroups", 0444, show_setgroups)

const struct proc_entry proc_thread_table[] = {COMMON_ROWS, {0}};

const struct proc_entry proc_pid_table[] = {
	COMMON_ROWS,
	PROC_DIR("task", 0555, NULL, .names = &proc_thread_names),
	PROC_FILE("mountstats", 0400, proc_show_mountstats),
	PROC_FILE("coredump_filter", 0644, show_coredump_filter, .store = store_coredump_filter),
	PROC_FILE("timerslack_ns", 0444, show_timerslack),
	{0},
};

const struct proc_entry proc_pid_dir = PROC_DIR("", 0555, proc_pid_table);
const struct proc_entry proc_thread_dir = PROC_DIR("", 0555, proc_thread_table);

/* ---- the names of processes ---- */

static struct inode *pid_lookup(struct inode *dir, const char *name, size_t len)
{
	int nr = proc_parse_number(name, len);
	struct inode *inode = ERR_PTR(-ENOENT);
	struct pid *pid = find_pid(nr);
	struct task *t = pid ? pid_task(pid) : NULL;

	if (t)
		inode = proc_new_inode(dir->sb, &proc_pid_dir, pid, false, 0);
	if (!IS_ERR(inode)) {
		inode->nlink = 9;
		proc_inode_owner(t, inode->mode, &inode->uid, &inode->gid);
	}
	if (t)
		task_put(t);
	if (pid)
		pid_put(pid);
	return inode;
}

static void pid_iterate(struct inode *dir, struct dir_context *dc)
{
	pid_t from = dc->pos - PROC_NAMES_POS;
	struct thread_group *tg;
	bool more = true;

	while (more && (tg = next_process(from))) {
		pid_t nr = tg_nr(tg);
		char name[16];
		int n = snprintf(name, sizeof(name), "%d", nr);

		tg_put(tg);
		from = nr + 1;
		more = dc->emit(dc, name, n, proc_ino(nr, false, &proc_pid_dir, 0), DT_DIR,
				PROC_NAMES_POS + from);
	}
}

const struct proc_names proc_pid_names = {pid_lookup, pid_iterate};

/* ---- the names of threads ---- */

static struct inode *thread_lookup(struct inode *dir, const char *name, size_t len)
{
	int nr = proc_parse_number(name, len);
	struct inode *inode = ERR_PTR(-ENOENT);
	struct proc_ctx c;
	struct pid *pid;
	struct task *t;

	if (nr <= 0 || proc_ctx_get(&c, proc_i(dir)))
		return inode;
	pid = find_pid(nr);
	t = pid ? pid_task(pid) : NULL;
	if (t && t->tg == c.tg)
		inode = proc_new_inode(dir->sb, &proc_thread_dir, pid, true, 0);
	if (!IS_ERR(inode)) {
		inode->nlink = 7;
		proc_inode_owner(t, inode->mode, &inode->uid, &inode->gid);
	}
	if (t)
		task_put(t);
	if (pid)
		pid_put(pid);
	proc_ctx_put(&c);
	return inode;
}

/* The lowest thread id from `from` on; 0: none. */
static pid_t next_thread(struct thread_group *tg, pid_t from)
{
	pid_t best = 0;
	struct task *t;

	spin_lock(&tg->siglock);
	cds_list_for_each_entry(t, &tg->threads, group_link)
		if (t->tid >= from && (!best || t->tid < best))
			best = t->tid;
	spin_unlock(&tg->siglock);
	return best;
}

static void thread_iterate(struct inode *dir, struct dir_context *dc)
{
	pid_t tid = dc->pos - PROC_NAMES_POS;
	struct proc_ctx c;
	bool more = true;

	if (proc_ctx_get(&c, proc_i(dir)))
		return;
	while (more && (tid = next_thread(c.tg, tid))) {
		char name[16];
		int n = snprintf(name, sizeof(name), "%d", tid);

		more = dc->emit(dc, name, n, proc_ino(tid, true, &proc_thread_dir, 0), DT_DIR,
				PROC_NAMES_POS + tid + 1);
		tid++;
	}
	proc_ctx_put(&c);
}

const struct proc_names proc_thread_names = {thread_lookup, thread_iterate};

struct pid *proc_dir_pid(const struct file *f)
{
	const struct proc_inode *pi;

	if (f->ops != &proc_dir_fops)
		return NULL;
	pi = proc_i(f->inode);
	return pi->entry == &proc_pid_dir ? pid_get(pi->pid) : NULL;
}
