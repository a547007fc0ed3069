/*
 * Sessions and their controlling terminals, job control, hang-up.
 *
 * A session's terminal is tty->session and each member's tg->tty; both change under tasklist_lock,
 * the first under tty->lock too, the second under the member's siglock too. Order: tasklist_lock,
 * siglock, tty->lock.
 */
#include "alloc.h"
#include "cred.h"
#include "log.h"
#include "signals.h"
#include "syscall_protos.h"
#include "task.h"
#include "tty_priv.h"
#include <asm/ioctls.h>
#include <linux/capability.h>

/* ---- who may use the terminal ---- */

/* The current group's id, +1; with whether it is orphaned. */
static struct pid *current_pgrp(bool *orphaned)
{
	struct pid *pgrp;

	spin_lock(&tasklist_lock);
	pgrp = pid_get(current->tg->pgrp);
	*orphaned = pgrp_orphaned_locked(pgrp, NULL);
	spin_unlock(&tasklist_lock);
	return pgrp;
}

static bool signal_is_ignored(int sig)
{
	/* Our own mask: only we change it. */
	return (current->blocked & sig_bit(sig)) ||
	       sighand_action(current->tg, sig).handler == SIG_HANDLER_IGN;
}

static bool in_background(struct tty *t)
{
	struct thread_group *tg = current->tg;
	bool r;

	if (load_relaxed(&tg->tty) != t)
		return false;
	spin_lock(&t->lock);
	r = t->pgrp && t->pgrp != load_relaxed(&tg->pgrp);
	spin_unlock(&t->lock);
	return r;
}

int tty_check_foreground(struct tty *t, int sig)
{
	struct pid *pgrp;
	bool orphaned;
	int err = -EIO;

	if (!in_background(t))
		return 0;
	if (signal_is_ignored(sig))
		return sig == SIGTTIN ? -EIO : 0;
	pgrp = current_pgrp(&orphaned);
	if (!orphaned) {
		kill_pgrp(pgrp, sig, true);
		err = -ERESTARTSYS;
	}
	pid_put(pgrp);
	return err;
}

/* ---- the terminal of a process ---- */

struct tty *tty_of(struct thread_group *tg)
{
	struct tty *t;

	spin_lock(&tg->siglock);
	t = tg->tty ? tty_get(tg->tty) : NULL;
	spin_unlock(&tg->siglock);
	return t;
}

void tty_inherit(struct thread_group *child, struct thread_group *parent)
{
	child->tty = tty_of(parent);
}

void tty_detach(struct thread_group *tg)
{
	struct tty *t;

	spin_lock(&tg->siglock);
	t = tg->tty;
	store_relaxed(&tg->tty, NULL);
	spin_unlock(&tg->siglock);
	if (t)
		tty_put(t);
}

pid_t tty_foreground_nr(struct tty *t)
{
	pid_t nr;

	spin_lock(&t->lock);
	nr = t->pgrp ? t->pgrp->nr : -1;
	spin_unlock(&t->lock);
	return nr;
}

static bool leads_session(const struct thread_group *tg)
{
	return tg->session && tg->session->nr == tg_nr(tg);
}

/*
 * Gives t a session and foreground group (NULL: none); takes over the references, and drops the old
 * ones.
 */
static void tty_set_owner(struct tty *t, struct pid *session, struct pid *pgrp)
{
	struct pid *old[2];

	spin_lock(&t->lock);
	old[0] = t->session;
	old[1] = t->pgrp;
	t->session = session;
	t->pgrp = pgrp;
	spin_unlock(&t->lock);
	for (int i = 0; i < 2; i++)
		if (old[i])
			pid_put(old[i]);
}

/*
 * Every member of the session loses t as its terminal. Under tasklist_lock; the caller holds a
 * reference on t.
 */
static void session_clear_tty(struct pid *session, struct tty *t)
{
	struct thread_group *tg;

	cds_list_for_each_entry(tg, &session->tasks[PIDTYPE_SID], session_link) {
		bool had;

		spin_lock(&tg->siglock);
		had = tg->tty == t;
		if (had)
			store_relaxed(&tg->tty, NULL);
		spin_unlock(&tg->siglock);
		if (had)
			tty_put(t);
	}
}

static void signal_kernel(struct thread_group *tg, int sig)
{
	siginfo_t si = {.si_signo = sig, .si_code = SI_KERNEL};

	send_signal_group(tg, &si);
}

/*
 * The session's leader hears of the hang-up, and remembers the foreground for its own end. Under
 * tasklist_lock.
 */
static void leader_hangup(struct pid *session, struct pid *pgrp)
{
	struct thread_group *tg;
	struct pid *old = NULL;

	cds_list_for_each_entry(tg, &session->tasks[PIDTYPE_SID], session_link) {
		if (!leads_session(tg))
			continue;
		signal_kernel(tg, SIGHUP);
		signal_kernel(tg, SIGCONT);
		spin_lock(&tg->siglock);
		old = tg->tty_old_pgrp;
		tg->tty_old_pgrp = pgrp ? pid_get(pgrp) : NULL;
		spin_unlock(&tg->siglock);
		break;
	}
	if (old)
		pid_put(old);
}

/* The new generation's modes and queues are fresh. */
static void hangup_files(struct tty *t, struct tty_fx *fx)
{
	spin_lock(&t->lock);
	store_release(&t->generation, t->generation + 1);
	t->opens = 0;
	t->exclusive = t->stopped = t->stopped_by_ioctl = false;
	ldisc_flush_input(t, fx);
	if (!t->driver->device_opost)
		t->termios = tty_default_termios;
	spin_unlock(&t->lock);
	fx->packet = 0;
	fx->readers = fx->writers = fx->output = true;
}

void tty_hangup(struct tty *t, bool leader_exits)
{
	struct pid *session, *pgrp;
	struct tty_fx fx = {0};

	spin_lock(&tasklist_lock);
	spin_lock(&t->lock);
	session = t->session ? pid_get(t->session) : NULL;
	pgrp = t->pgrp ? pid_get(t->pgrp) : NULL;
	spin_unlock(&t->lock);
	if (session) {
		session_clear_tty(session, t);
		leader_hangup(session, pgrp);
	}
	tty_set_owner(t, NULL, NULL);
	spin_unlock(&tasklist_lock);
	if (pgrp && leader_exits)
		kill_pgrp(pgrp, SIGHUP, true);
	if (pgrp)
		pid_put(pgrp);
	if (session)
		pid_put(session);
	/*
	 * Behind the signals: who is about to read must not take the end of file for somebody's ^D.
	 */
	hangup_files(t, &fx);
	fasync_drop_all(&t->async);
	tty_fx_run(t, &fx);
}

/* A leader gives its terminal up for the whole session, without a hang-up: files stay usable. */
static void session_release_tty(struct tty *t, struct thread_group *leader, bool exits)
{
	struct pid *pgrp;

	spin_lock(&t->lock);
	pgrp = t->session == leader->session && t->pgrp ? pid_get(t->pgrp) : NULL;
	spin_unlock(&t->lock);
	if (pgrp) {
		kill_pgrp(pgrp, SIGHUP, true);
		if (!exits)
			kill_pgrp(pgrp, SIGCONT, true);
		pid_put(pgrp);
	}
	spin_lock(&tasklist_lock);
	if (t->session == leader->session) { /* another leader may have stolen it meanwhile */
		session_clear_tty(leader->session, t);
		tty_set_owner(t, NULL, NULL);
	}
	spin_unlock(&tasklist_lock);
}

/*
 * The group which was in the foreground when tg's terminal was hung up; the reference is the
 * caller's.
 */
static struct pid *take_old_foreground(struct thread_group *tg)
{
	struct pid *old;

	spin_lock(&tg->siglock);
	old = tg->tty_old_pgrp;
	tg->tty_old_pgrp = NULL;
	spin_unlock(&tg->siglock);
	return old;
}

/*
 * The end of a session's leader hangs a real terminal up. A pty's files live on, since its master
 * decides when it is over. A hang-up that came earlier told only the leader: its end is what the
 * foreground hears of.
 */
static void leader_exit(struct thread_group *tg, struct tty *t)
{
	struct pid *old;

	if (t && t->driver->device_opost)
		tty_hangup(t, true);
	else if (t)
		session_release_tty(t, tg, true);
	old = take_old_foreground(tg);
	if (old && !t) {
		kill_pgrp(old, SIGHUP, true);
		kill_pgrp(old, SIGCONT, true);
	}
	if (old)
		pid_put(old);
}

void tty_exit(struct thread_group *tg)
{
	struct tty *t = tty_of(tg);

	if (leads_session(tg))
		leader_exit(tg, t);
	tty_detach(tg);
	if (t)
		tty_put(t);
}

/* ---- becoming and leaving ---- */

/* t becomes the terminal of the leader's session. Under tasklist_lock. */
static void set_controlling(struct tty *t, struct thread_group *leader)
{
	struct pid *old = take_old_foreground(leader);

	tty_set_owner(t, pid_get(leader->session), pid_get(leader->pgrp));
	spin_lock(&leader->siglock);
	store_relaxed(&leader->tty, tty_get(t));
	spin_unlock(&leader->siglock);
	if (old)
		pid_put(old);
}

void tty_adopt(struct tty *t, struct thread_group *leader)
{
	spin_lock(&tasklist_lock);
	set_controlling(t, leader);
	spin_unlock(&tasklist_lock);
}

void tty_open_adopt(struct tty *t, struct file *f)
{
	struct thread_group *tg = current->tg;

	if ((f->flags & O_NOCTTY) || !(f->mode & FMODE_READ))
		return;
	spin_lock(&tasklist_lock);
	if (leads_session(tg) && !tg->tty && !t->session)
		set_controlling(t, tg);
	spin_unlock(&tasklist_lock);
}

static long make_controlling(struct tty *t, struct file *f, u64 steal)
{
	struct thread_group *tg = current->tg;
	bool admin = capable(CAP_SYS_ADMIN);
	long err = 0;

	spin_lock(&tasklist_lock);
	if (leads_session(tg) && t->session == tg->session)
		goto out;
	err = -EPERM;
	if (!leads_session(tg) || tg->tty)
		goto out;
	if (t->session && (steal != 1 || !admin))
		goto out;
	if (!(f->mode & FMODE_READ) && !admin)
		goto out;
	if (t->session)
		session_clear_tty(t->session, t);
	set_controlling(t, tg);
	err = 0;
out:
	spin_unlock(&tasklist_lock);
	return err;
}

static bool is_mine(struct tty *t)
{
	return load_relaxed(&current->tg->tty) == t;
}

static long give_up(struct tty *t)
{
	struct thread_group *tg = current->tg;

	if (!is_mine(t))
		return -ENOTTY;
	if (leads_session(tg))
		session_release_tty(t, tg, false);
	tty_detach(tg);
	return 0;
}

/* ---- foreground group ---- */

static long get_foreground(struct tty *t, u64 arg, bool master)
{
	pid_t nr = 0;

	if (!master && !is_mine(t))
		return -ENOTTY;
	spin_lock(&t->lock);
	if (t->pgrp)
		nr = t->pgrp->nr;
	spin_unlock(&t->lock);
	return put_user(nr, arg);
}

/*
 * The session of a group, or of the process with that id if there is no such group (as on Linux).
 * NULL: neither. Under tasklist_lock.
 */
static struct pid *session_of_pgrp(struct pid *pgrp)
{
	struct cds_list_head *members = &pgrp->tasks[PIDTYPE_PGID];
	struct thread_group *tg = pgrp->tg;

	if (!cds_list_empty(members))
		tg = cds_list_first_entry(members, struct thread_group, pgrp_link);
	return tg ? tg->session : NULL;
}

static long set_foreground(struct tty *t, u64 arg)
{
	struct pid *pgrp, *old = NULL;
	pid_t nr;
	long err;

	/*
	 * Who may not change the terminal is stopped, but a terminal that isn't its own is another
	 * error.
	 */
	err = tty_check_foreground(t, SIGTTOU);
	if (err)
		return err == -EIO ? -ENOTTY : err;
	if (get_user(nr, arg))
		return -EFAULT;
	if (nr < 0)
		return -EINVAL;
	if (!is_mine(t) || load_relaxed(&t->session) != current->tg->session)
		return -ENOTTY;
	pgrp = find_pid(nr);
	if (!pgrp)
		return -ESRCH;
	spin_lock(&tasklist_lock);
	err = session_of_pgrp(pgrp) == current->tg->session ? 0 : -EPERM;
	if (!err) {
		spin_lock(&t->lock);
		old = t->pgrp;
		t->pgrp = pid_get(pgrp);
		spin_unlock(&t->lock);
	}
	spin_unlock(&tasklist_lock);
	if (old)
		pid_put(old);
	pid_put(pgrp);
	return err;
}

static long get_session(struct tty *t, u64 arg, bool master)
{
	pid_t nr = 0;

	if (!master && !is_mine(t))
		return -ENOTTY;
	spin_lock(&t->lock);
	if (t->session)
		nr = t->session->nr;
	spin_unlock(&t->lock);
	return nr ? put_user(nr, arg) : -ENOTTY;
}

long jobctl_ioctl(struct file *f, struct tty *t, unsigned cmd, u64 arg, bool master)
{
	switch (cmd) {
	case TIOCGPGRP:
		return get_foreground(t, arg, master);
	case TIOCSPGRP:
		return set_foreground(t, arg);
	case TIOCGSID:
		return get_session(t, arg, master);
	case TIOCNOTTY:
		return master ? -ENOTTY : give_up(t);
	case TIOCSCTTY:
		return make_controlling(t, f, arg);
	}
	return -ENOIOCTLCMD;
}

long sys_vhangup(void)
{
	struct tty *t;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	t = tty_of(current->tg);
	if (t) {
		tty_hangup(t, false);
		tty_put(t);
	}
	return 0;
}
