/*
 * Process descriptors. A pidfd holds a struct pid, so its number can't come to mean another
 * process. The descriptor is readable when the process has ended, and hung up when it was reaped.
 * Exit wakes pid->exit_wait.
 */
#include "pidfd.h"
#include "cred.h"
#include "fs.h"
#include "proc.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"
#include <linux/capability.h>
#include <stdio.h>

/* pidfd_send_signal's flags, as <linux/pidfd.h> has them. */
#define SIGNAL_THREAD 1u
#define SIGNAL_THREAD_GROUP 2u
#define SIGNAL_PROCESS_GROUP 4u

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct pid *pid = f->priv;
	bool thread = f->flags & PIDFD_THREAD;
	struct task *t;
	u32 events = 0;

	poll_wait(pt, &pid->exit_wait);
	rcu_read_lock();
	t = rcu_dereference(pid->task);
	if (!t)
		events = POLLIN | POLLRDNORM | POLLHUP;
	else if (load_acquire(&t->tg->zombie) || (thread && load_acquire(&t->exiting)))
		events = POLLIN | POLLRDNORM;
	rcu_read_unlock();
	return events;
}

static void pidfd_release(struct file *f)
{
	pid_put(f->priv);
}

static void pidfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct pid *pid = f->priv;
	int nr = load_relaxed(&pid->task) ? pid->nr : -1;

	snprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", nr, nr);
}

static const struct file_operations pidfd_ops = {
	.llseek = no_llseek,
	.poll = pidfd_poll,
	.release = pidfd_release,
	.show_fdinfo = pidfd_fdinfo,
};

struct file *pidfd_create(struct pid *pid, int flags)
{
	struct file *f;

	f = file_open_anon("anon_inode:[pidfd]", &pidfd_ops, pid_get(pid),
			   O_RDWR | (flags & PIDFD_NONBLOCK));
	if (IS_ERR(f))
		pid_put(pid);
	else if (flags & PIDFD_THREAD)
		f->flags |= PIDFD_THREAD;
	return f;
}

/* proc_too: the directory of a process in /proc will do. */
static struct pid *pid_of_fd(int fd, int *flags, bool proc_too)
{
	struct file *f = fd_get(fd);
	struct pid *pid = NULL;

	if (!f)
		return ERR_PTR(-EBADF);
	*flags = 0;
	if (f->ops == &pidfd_ops) {
		*flags = (int)(file_flags(f) & (PIDFD_NONBLOCK | PIDFD_THREAD));
		pid = pid_get(f->priv);
	} else if (proc_too) {
		pid = proc_dir_pid(f);
	}
	file_put(f);
	return pid ? pid : ERR_PTR(-EBADF);
}

struct pid *pidfd_to_pid(int fd, int *flags)
{
	int ignored;

	return pid_of_fd(fd, flags ? flags : &ignored, false);
}

/*
 * Is the task with this pid the leader of its group (dead or alive)? -ESRCH, or -ENOENT for another
 * thread.
 */
static int check_leader(struct pid *pid)
{
	struct task *t;
	int err = -ESRCH;

	rcu_read_lock();
	t = rcu_dereference(pid->task);
	if (t)
		err = t->tg->leader == t ? 0 : -ENOENT;
	rcu_read_unlock();
	return err;
}

long sys_pidfd_open(int nr, unsigned int flags)
{
	struct pid *pid;
	struct file *f;
	int err;

	if (flags & ~(unsigned)(PIDFD_NONBLOCK | PIDFD_THREAD))
		return -EINVAL;
	if (nr <= 0)
		return -EINVAL;
	pid = find_pid(nr);
	if (!pid)
		return -ESRCH;
	err = check_leader(pid);
	if (err && (err == -ESRCH || !(flags & PIDFD_THREAD)))
		f = ERR_PTR(err);
	else
		f = pidfd_create(pid, (int)flags);
	pid_put(pid);
	return fd_add(f, true);
}

/*
 * Fills si from the caller's siginfo, which may claim to come from elsewhere only if it is sent to
 * oneself.
 */
static int get_siginfo(siginfo_t *si, uaddr_t info, int sig, bool self)
{
	if (!info) {
		siginfo_user(si, sig, SI_USER);
		return 0;
	}
	if (get_user(*si, info))
		return -EFAULT;
	if (si->si_signo != sig)
		return -EINVAL;
	if (!self && (si->si_code >= 0 || si->si_code == SI_TKILL))
		return -EPERM;
	return 0;
}

static long send_to_pid(struct pid *pid, int sig, uaddr_t info, unsigned flags)
{
	struct task *t;
	siginfo_t si;
	long err;

	err = get_siginfo(&si, info, sig, current->pid == pid && !(flags & SIGNAL_PROCESS_GROUP));
	if (err)
		return err;
	if (flags & SIGNAL_PROCESS_GROUP)
		return sig < 0 || sig > NSIG ? -EINVAL : kill_pgrp(pid, sig, false);
	t = find_task(pid->nr); /* pid keeps the number from being used again */
	if (!t)
		return -ESRCH;
	if (sig < 0 || sig > NSIG)
		err = -EINVAL;
	else if (!may_signal(t, sig))
		err = -EPERM;
	else if (!sig)
		err = 0;
	else if (flags & SIGNAL_THREAD)
		err = send_signal_task(t, &si);
	else
		err = send_signal_group(t->tg, &si);
	task_put(t);
	return err;
}

long sys_pidfd_send_signal(int pidfd, int sig, uaddr_t info, unsigned int flags)
{
	struct pid *pid;
	int pidfd_fl;
	long err;

	if (flags & ~(SIGNAL_THREAD | SIGNAL_THREAD_GROUP | SIGNAL_PROCESS_GROUP) ||
	    (flags & (flags - 1)))
		return -EINVAL;
	pid = pid_of_fd(pidfd, &pidfd_fl, true);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	if (!flags)
		flags = pidfd_fl & PIDFD_THREAD ? SIGNAL_THREAD : SIGNAL_THREAD_GROUP;
	err = send_to_pid(pid, sig, info, flags);
	pid_put(pid);
	return err;
}

static struct file *look_up_file(struct task *t, int fd)
{
	struct files *files = task_files_get(t);
	struct file *f;

	if (!files)
		return ERR_PTR(-ESRCH);
	f = files_lookup(files, fd);
	files_put(files);
	return f ? f : ERR_PTR(-EBADF);
}

/*
 * It is a file of the program that we may look into: an exec meanwhile, whose files may be others'
 * secrets, makes us ask again.
 */
static struct file *take_file(struct task *t, int fd)
{
	struct file *f;
	struct mm *mm;
	bool same;

	for (;;) {
		mm = task_mm_access(t, TRACE_REALIDS);
		/* Who has its memory needn't be somebody who may. */
		if (!task_may_trace(t, TRACE_REALIDS) || PTR_ERR(mm) == -EACCES) {
			if (!IS_ERR(mm))
				mm_put(mm);
			return ERR_PTR(-EPERM);
		}
		if (IS_ERR(mm))
			return ERR_PTR(-ESRCH);
		f = look_up_file(t, fd);
		same = task_has_mm(t, mm);
		mm_put(mm);
		if (same)
			return f;
		if (!IS_ERR(f))
			file_put(f);
	}
}

long sys_pidfd_getfd(int pidfd, int fd, unsigned int flags)
{
	struct pid *pid;
	struct task *t;
	struct file *f;

	if (flags)
		return -EINVAL;
	pid = pidfd_to_pid(pidfd, NULL);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	t = find_task(pid->nr);
	f = ERR_PTR(-ESRCH);
	if (t) {
		f = take_file(t, fd);
		task_put(t);
	}
	pid_put(pid);
	return fd_add(f, true);
}
