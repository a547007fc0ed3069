/*
 * execve. Up to the point of no return nothing of the old image is touched and errors are returned;
 * behind it, an error kills the process. An mm with no other user keeps its host address space,
 * emptied, if nobody can be computing there and the new program has no other rights; else the task
 * gets a new one.
 */
#include "alloc.h"
#include "cputime.h"
#include "cred.h"
#include "engine.h"
#include "fs.h"
#include "kernel/fs/notify/notify.h"
#include "kernel/task/exec.h"
#include "kernel/task/task_priv.h"
#include "log.h"
#include "mm.h"
#include "rseq.h"
#include "syscalls.h"
#include "uaccess.h"
#include <fcntl.h>
#include <linux/personality.h>
#include <linux/sched.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>

/* ---- opening ---- */

static int deny_write(struct file *f)
{
	/*
	 * A file open for writing can't be executed, and one that is executed not opened for
	 * writing.
	 */
	__atomic_add_fetch(&f->inode->exec_denied, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&f->inode->writers, __ATOMIC_SEQ_CST) != 0) {
		__atomic_sub_fetch(&f->inode->exec_denied, 1, __ATOMIC_SEQ_CST);
		return -ETXTBSY;
	}
	return 0;
}

static struct file *open_exec_path(const struct path *p)
{
	struct inode *inode = p->dentry->inode;
	struct file *f;
	int err;

	if (!S_ISREG(inode->mode) || (p->mnt && p->mnt->flags & MS_NOEXEC))
		return ERR_PTR(-EACCES);
	err = inode_permission(inode, MAY_EXEC);
	if (err)
		return ERR_PTR(err);
	f = file_open_path(p, O_RDONLY);
	if (IS_ERR(f))
		return f;
	notify_file(f, IN_OPEN);
	err = deny_write(f);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

static struct file *open_exec_once(int dfd, const char *name, int flags)
{
	unsigned lookup = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
			  (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct path p;
	struct file *f;
	int err = path_lookup(dfd, name, lookup, &p);

	if (err)
		return ERR_PTR(err);
	if (S_ISLNK(p.dentry->inode->mode))
		f = ERR_PTR(-ELOOP);
	else
		f = open_exec_path(&p);
	path_put(&p);
	return f;
}

/* ESTALE: see open_how(). */
struct file *exec_open(int dfd, const char *name, int flags)
{
	struct file *f = open_exec_once(dfd, name, flags);

	return f == ERR_PTR(-ESTALE) ? open_exec_once(dfd, name, flags) : f;
}

static int load_headers(struct exec *x)
{
	struct elf_head head;
	int err = elf_read(x->im.file, &x->head, x->elf);

	x->im.unreadable = inode_permission(x->im.file->inode, MAY_READ) != 0;
	if (err || !x->elf->interp[0])
		return err;
	x->im.interp = exec_open(AT_FDCWD, x->elf->interp, 0);
	if (IS_ERR(x->im.interp)) {
		err = PTR_ERR(x->im.interp);
		x->im.interp = NULL;
		return err;
	}
	x->im.unreadable |= inode_permission(x->im.interp->inode, MAY_READ) != 0;
	err = elf_read_head(x->im.interp, &head);
	notify_file(x->im.interp, IN_ACCESS);
	if (!err)
		err = elf_read(x->im.interp, &head, x->interp_elf);
	return err == -ENOEXEC ? -ELIBBAD : err;
}

/* ---- credentials ---- */

/*
 * When the other threads are gone: who shares its fs context then is another process, which could
 * lead a set-id program astray.
 */
static int prepare_creds(struct exec *x)
{
	bool shared = load_acquire(&current->fs->users) > 1;
	struct kstat st;
	u32 mode;

	ASSERT(x->im.file);
	x->im.cred = cred_dup(current->cred);
	if (!x->im.cred)
		return -ENOMEM;
	/*
	 * Mode and owner of the same moment: a set-id file may be given to another user meanwhile,
	 * without these bits.
	 */
	generic_getattr(x->im.file->inode, &st);
	mode = st.mode;
	if ((x->im.file->path.mnt && x->im.file->path.mnt->flags & MS_NOSUID) ||
	    current->cred->no_new_privs)
		mode &= ~(S_ISUID | S_ISGID);
	x->im.secure = cred_exec(x->im.cred, mode, st.uid, st.gid, shared) ||
		       x->im.cred->euid != current->cred->uid ||
		       x->im.cred->egid != current->cred->gid;
	return 0;
}

/* ---- the other threads ---- */

static bool others_are_gone(void *arg)
{
	struct task *t = arg;

	return load_acquire(&t->tg->nr_threads) <= 1 || fatal_signal_pending(t);
}

/* The leader has exited and is a shell: t takes its place and its id. */
static void become_leader(struct task *t)
{
	struct thread_group *tg = t->tg, *child;
	struct task *old = tg->leader;
	struct pid *own = t->pid, *pid = old->pid;

	spin_lock(&tasklist_lock);
	spin_lock(&tg->siglock);
	cds_list_del_init(&old->group_link);
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED); /* the group's on its leader */
	tg->leader = t;
	spin_unlock(&tg->siglock);
	cds_list_for_each_entry(child, &tg->children, child_link)
		child->parent_tid = pid->nr;
	rcu_assign_pointer(own->task, NULL);
	pid_attach(pid, t);
	spin_unlock(&tasklist_lock);
	wake_up_nr(&own->exit_wait, INT32_MAX, POLLIN | POLLHUP);
	pid_put(own);
	task_put_memory(old); /* the group's */
	task_put(old);	      /* the tree's */
}

/*
 * Ends all other threads of the current group; t becomes the leader. -EAGAIN: somebody else exits
 * or execs.
 */
static int kill_others(struct task *t)
{
	struct thread_group *tg = t->tg;
	struct task *other;

	spin_lock(&tg->siglock);
	if (tg->group_exit || tg->exec_task) {
		spin_unlock(&tg->siglock);
		return -EAGAIN;
	}
	tg->exec_task = t;
	cds_list_for_each_entry(other, &tg->threads, group_link)
		if (other != t && !other->exiting)
			signals_kill_thread_locked(other);
	spin_unlock(&tg->siglock);
	(void)!wait_event(&tg->exec_wait, others_are_gone, t,
			  &(struct wait_opts){.state = KT_UNINTERRUPTIBLE});
	spin_lock(&tg->siglock);
	tg->exec_task = NULL;
	spin_unlock(&tg->siglock);
	if (fatal_signal_pending(t) || tg->nr_threads > 1)
		return -EAGAIN;
	if (tg->leader != t)
		become_leader(t);
	return 0;
}

/* ---- the switch ---- */

/* Is the new program allowed nothing that the old one wasn't? */
static bool has_same_rights(const struct task *t, const struct exec_image *im)
{
	return !im->secure && !im->unreadable &&
	       !(im->cred->cap_permitted & ~t->cred->cap_permitted);
}

/*
 * The new mm, empty; the task runs in it from now on. In a new host process, too, unless the old
 * program might as well do itself what it could have the new one do: it may have a signal stack
 * there that makes the host's next frame a part of the new program's first one.
 */
static struct mm *new_mm(struct task *t, bool same_rights, struct context **ctx)
{
	struct mm *mm = ERR_PTR(-EINVAL);

	*ctx = NULL;
	if (same_rights && load_acquire(&t->mm->refs) == 1 && context_exec(t->ctx))
		mm = mm_take_over(t->mm);
	return IS_ERR(mm) ? mm_create(ctx) : mm;
}

/* Before others see the mm, they find in it what it is: for a while it has the old credentials. */
static int switch_mm(struct task *t, const struct exec_image *im)
{
	bool same_rights = has_same_rights(t, im);
	struct context *ctx;
	struct mm *old = t->mm, *mm = new_mm(t, same_rights, &ctx);

	if (IS_ERR(mm))
		return PTR_ERR(mm);
	mm->core_filter = load_relaxed(&old->core_filter);
	mm->dumpable = same_rights;
	mm->exe_file = exe_file_get(im->file);
	spin_lock(&t->lock);
	t->mm = mm;
	spin_unlock(&t->lock);
	t->writable_start = t->writable_end = 0; /* was the old one's */
	if (ctx) {
		context_destroy(t->ctx);
		task_set_context(t, ctx);
	}
	mm_put(old);
	return ctx ? 0 : context_reset_xstate(t->ctx);
}

static void set_names(struct task *t, struct exec *x)
{
	const char *base = strrchr(x->filename, '/');

	base = base ? base + 1 : x->filename;
	task_set_comm(t, base);
	task_get_comm(t, t->kt.name);
}

static void set_registers(struct task *t, const struct exec_image *im)
{
	struct pt_regs *r = engine->regs(t->ctx);

	*r = (struct pt_regs){
		.rip = im->entry,
		.rsp = im->sp,
		.cs = USER_CS,
		.ss = USER_DS,
		.eflags = EFLAGS_FIXED,
		.orig_rax = ~0UL,
	};
	engine->regs_changed(t->ctx);
	t->regs_set = true;
	t->in_syscall = false;
}

/* Behind the point of no return. */
static int install(struct exec *x)
{
	struct task *t = current;
	int err = 0;

	mm_release(t);
	rseq_exec(t);
	t->set_child_tid = 0;
	err = switch_mm(t, &x->im);
	if (err)
		return err;
	spin_lock(&tasklist_lock);
	t->tg->did_exec = true;
	t->tg->exit_signal = t->tg->parent ? SIGCHLD : t->tg->exit_signal;
	spin_unlock(&tasklist_lock);
	vfork_release(t); /* from here on, and by what closes, others learn of it */
	if (x->im.secure)
		__atomic_and_fetch(&t->personality, ~PER_CLEAR_ON_SETID, __ATOMIC_RELAXED);
	err = exec_map(t->mm, &x->im);
	if (err)
		return err;
	posix_timers_exit(t->tg);
	sighand_flush_exec(t);
	files_close_on_exec(t->files);
	set_names(t, x);
	cred_commit(x->im.cred);
	x->im.cred = NULL;
	t->pdeath_signal = x->im.secure ? 0 : t->pdeath_signal;
	set_registers(t, &x->im);
	return 0;
}

static void exec_free(struct exec *x)
{
	if (x->im.file)
		exe_file_put(x->im.file);
	if (x->im.interp)
		exe_file_put(x->im.interp);
	if (x->im.cred)
		cred_put(x->im.cred);
	kfree(x->strings.buf);
	kfree(x->env.buf);
	kfree(x->elf);
	kfree(x->interp_elf);
	kfree(x->path);
	kfree(x->filename);
	kfree(x->script);
	kfree(x);
}

/*
 * A private fd table and disposition table: exec ends the sharing with other processes. Only when
 * the other threads are gone, since a table that isn't shared stays: it owns record locks.
 */
static int unshare_for_exec(struct task *t)
{
	struct files *f, *old = t->files;
	int err = sighand_unshare(t);

	if (err || !files_shared(old))
		return err;
	f = files_dup(old);
	if (IS_ERR(f))
		return PTR_ERR(f);
	spin_lock(&t->lock);
	t->files = f;
	spin_unlock(&t->lock);
	files_put(old);
	return 0;
}

static char *exec_filename(int dfd, const char *path)
{
	if (path[0] == '/' || dfd == AT_FDCWD)
		return kstrdup(path);
	if (!path[0])
		return kasprintf("/dev/fd/%d", dfd);
	return kasprintf("/dev/fd/%d/%s", dfd, path);
}

/* Everything that can fail with an error to the caller. x->strings and x->env are filled. */
static int prepare(struct exec *x)
{
	int err;

	x->elf = kzalloc(sizeof(*x->elf));
	x->interp_elf = kzalloc(sizeof(*x->interp_elf));
	x->filename = exec_filename(x->dfd, x->path);
	if (!x->elf || !x->interp_elf || !x->filename)
		return -ENOMEM;
	x->im.file = exec_open(x->dfd, x->path, x->flags);
	if (IS_ERR(x->im.file)) {
		err = PTR_ERR(x->im.file);
		x->im.file = NULL;
		return err;
	}
	if (!x->strings.argc) { /* Linux gives such a program one empty argument */
		err = exec_strings_add(&x->strings, "");
		if (err)
			return err;
		x->strings.argc = 1;
	}
	err = exec_scripts(x);
	if (!err)
		err = load_headers(x);
	if (err)
		return err;
	if (x->env.len) { /* strings end up in one buffer */
		char *buf = krealloc(x->strings.buf, x->strings.len + x->env.len);

		if (!buf)
			return -ENOMEM;
		memcpy(buf + x->strings.len, x->env.buf, x->env.len);
		x->strings.buf = buf;
		x->strings.len += x->env.len;
	}
	x->strings.envc = x->env.envc;
	x->im.elf = x->elf;
	x->im.interp_elf = x->interp_elf;
	x->im.filename = x->filename;
	x->im.strings = &x->strings;
	return 0;
}

/* Has setuid() made too many processes of its user, and are they still? */
static int check_nproc(struct task *t)
{
	if (t->nproc_exceeded &&
	    load_relaxed(&t->cred->user->processes) > t->tg->rlim[RLIMIT_NPROC].rlim_cur)
		return -EAGAIN;
	t->nproc_exceeded = false;
	return 0;
}

static int exec_run(struct exec *x)
{
	int err = check_nproc(current);

	if (!err)
		err = prepare(x);
	if (!err)
		err = kill_others(current);
	if (err)
		return err;
	err = unshare_for_exec(current);
	if (!err)
		err = prepare_creds(x);
	if (!err)
		err = install(x);
	if (err) {
		exec_free(x);
		group_exit(err == -ENOMEM || err == -EAGAIN ? SIGKILL : SIGSEGV);
	}
	return 0;
}

/* A quarter of the stack limit, at least 128 KiB and at most 6 MiB, for strings and pointers. */
static size_t strings_limit(void)
{
	return max(min(current->tg->rlim[RLIMIT_STACK].rlim_cur / 4, 6UL << 20), 128UL << 10);
}

/* Takes over path, which may be NULL, even if there is no memory: then NULL. */
static struct exec *exec_new(int dfd, char *path, int flags)
{
	struct exec *x = path ? kzalloc(sizeof(*x)) : NULL;

	if (!x) {
		kfree(path);
		return NULL;
	}
	x->dfd = dfd;
	x->path = path;
	x->flags = flags;
	x->strings.limit = strings_limit();
	return x;
}

int do_execve(int dfd, const char *path, char **argv, char **envp, int flags)
{
	struct exec *x = exec_new(dfd, kstrdup(path), flags);
	int err = 0;

	if (!x)
		return -ENOMEM;
	x->env.limit = x->strings.limit;
	for (; !err && *argv; argv++, x->strings.argc++)
		err = exec_strings_add(&x->strings, *argv);
	for (; !err && *envp; envp++, x->env.envc++)
		err = exec_strings_add(&x->env, *envp);
	if (!err)
		err = exec_run(x);
	exec_free(x);
	return err;
}

long sys_execveat(int dfd, uaddr_t upath, uaddr_t argv, uaddr_t envp, int flags)
{
	char *path = path_from_user(upath);
	struct exec *x;
	long err;

	if (IS_ERR(path))
		return PTR_ERR(path);
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) {
		kfree(path);
		return -EINVAL;
	}
	x = exec_new(dfd, path, flags);
	if (!x)
		return -ENOMEM;
	err = exec_strings_user(&x->strings, argv, &x->env, envp);
	if (!err)
		err = exec_run(x);
	exec_free(x);
	return err;
}

long sys_execve(uaddr_t path, uaddr_t argv, uaddr_t envp)
{
	return sys_execveat(AT_FDCWD, path, argv, envp, 0);
}
