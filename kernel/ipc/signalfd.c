/*
 * Signal descriptors. A signalfd holds a mask only: a read takes signals of the reader (its own,
 * then its group's), whoever made the descriptor. Sending a signal wakes tg->signalfd_wait.
 */
#include "alloc.h"
#include "fs.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

struct sigfd {
	ksigset_t mask; /* atomic: signalfd4() changes it */
};

static ksigset_t mask_of(const struct sigfd *s)
{
	return load_relaxed(&s->mask);
}

static void fill_poll(struct signalfd_siginfo *ss, const siginfo_t *si)
{
	ss->ssi_band = (u32)si->si_band;
	ss->ssi_fd = si->si_fd;
}

/* The classes of siginfo by code and number, as the kernel fills them. */
static void fill_kernel(struct signalfd_siginfo *ss, const siginfo_t *si)
{
	switch (si->si_signo) {
	case SIGCHLD:
		ss->ssi_pid = (u32)si->si_pid;
		ss->ssi_uid = si->si_uid;
		ss->ssi_status = si->si_status;
		ss->ssi_utime = (u64)si->si_utime;
		ss->ssi_stime = (u64)si->si_stime;
		break;
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGTRAP:
		ss->ssi_addr = (u64)si->si_addr;
		break;
	case SIGBUS:
		ss->ssi_addr = (u64)si->si_addr;
		ss->ssi_addr_lsb = (u16)si->si_addr_lsb;
		break;
	default: /* F_SETSIG may name any signal, which then says what SIGPOLL does */
		if (si->si_code <= POLL_HUP) {
			fill_poll(ss, si);
		} else {
			ss->ssi_pid = (u32)si->si_pid;
			ss->ssi_uid = si->si_uid;
		}
		break;
	}
}

static void fill(struct signalfd_siginfo *ss, const siginfo_t *si)
{
	memset(ss, 0, sizeof(*ss));
	ss->ssi_signo = (u32)si->si_signo;
	ss->ssi_errno = si->si_errno;
	ss->ssi_code = si->si_code;
	if (si->si_code == SI_TIMER) {
		ss->ssi_tid = (u32)si->si_timerid;
		ss->ssi_overrun = (u32)si->si_overrun;
	} else if (si->si_code == SI_SIGIO) {
		fill_poll(ss, si);
		return;
	} else if (si->si_code < 0 && si->si_code != SI_TKILL) {
		ss->ssi_pid = (u32)si->si_pid;
		ss->ssi_uid = si->si_uid;
	} else if (si->si_code == SI_USER || si->si_code == SI_TKILL || si->si_code == SI_KERNEL) {
		ss->ssi_pid = (u32)si->si_pid;
		ss->ssi_uid = si->si_uid;
		return;
	} else {
		fill_kernel(ss, si);
		return;
	}
	ss->ssi_ptr = (u64)si->si_value.sival_ptr;
	ss->ssi_int = si->si_value.sival_int;
}

/* The next signal of the mask; its number, or why there is none. */
static int sigfd_take(struct file *f, siginfo_t *si, bool wait)
{
	struct sigfd *s = f->priv;
	int sig, err;

	sig = dequeue_signal(current, mask_of(s), si);
	if (sig)
		return sig;
	if (!wait || file_nonblock(f))
		return -EAGAIN;
	err = wait_event_expr(&current->tg->signalfd_wait,
			      (sig = dequeue_signal(current, mask_of(s), si)) != 0, NULL);
	return err ? err : sig;
}

static ssize_t sigfd_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct signalfd_siginfo ss;
	ssize_t done = 0;
	siginfo_t si;
	int sig;

	if (iov_iter_count(to) < sizeof(ss))
		return -EINVAL;
	while (iov_iter_count(to) >= sizeof(ss)) {
		sig = sigfd_take(f, &si, !done);
		if (sig < 0)
			return done ? done : sig;
		fill(&ss, &si);
		if (copy_to_iter(&ss, sizeof(ss), to) != sizeof(ss))
			return done ? done : -EFAULT;
		done += (ssize_t)sizeof(ss);
	}
	return done;
}

static void put_group(void *tg)
{
	tg_put(tg);
}

/* A poller waits on its own group's queue, which may go before the file does. */
static u32 sigfd_poll(struct file *f, struct poll_table *pt)
{
	struct sigfd *s = f->priv;

	if (pt && pt->queue)
		poll_wait_owned(pt, &current->tg->signalfd_wait, tg_get(current->tg), put_group);
	return signals_pending_set(current) & mask_of(s) ? POLLIN : 0;
}

static void sigfd_release(struct file *f)
{
	kfree(f->priv);
}

static void sigfd_fdinfo(struct file *f, char *buf, size_t size)
{
	snprintf(buf, size, "sigmask:\t%016llx\n", (unsigned long long)mask_of(f->priv));
}

static const struct file_operations sigfd_ops = {
	.read = sigfd_read,
	.llseek = noop_llseek,
	.poll = sigfd_poll,
	.release = sigfd_release,
	.show_fdinfo = sigfd_fdinfo,
};

static long sigfd_change(int fd, ksigset_t mask)
{
	struct file *f = fd_get(fd);
	struct sigfd *s;

	if (!f)
		return -EBADF;
	if (f->ops != &sigfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	s = f->priv;
	store_relaxed(&s->mask, mask);
	wake_up_poll(&current->tg->signalfd_wait, POLLIN); /* sleeping readers look again */
	file_put(f);
	return fd;
}

long sys_signalfd4(int fd, uaddr_t set, size_t setsize, int flags)
{
	struct sigfd *s;
	ksigset_t mask;
	struct file *f;

	if (setsize != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, set))
		return -EFAULT;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	mask &= ~SIG_UNBLOCKABLE;
	if (fd != -1)
		return sigfd_change(fd, mask);
	s = kzalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->mask = mask;
	f = file_open_anon("anon_inode:[signalfd]", &sigfd_ops, s, O_RDWR | (flags & SFD_NONBLOCK));
	if (IS_ERR(f))
		kfree(s);
	return fd_add(f, flags & SFD_CLOEXEC);
}

long sys_signalfd(int fd, uaddr_t set, size_t setsize)
{
	return sys_signalfd4(fd, set, setsize, 0);
}
