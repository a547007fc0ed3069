/* poll and ppoll. */
#include "alloc.h"
#include "fs.h"
#include "poll_set.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"

#define FDS_INLINE 32u

static u32 ask_fd(struct poll_set *ps, const struct pollfd *p)
{
	struct file *f;
	u32 ready;

	if (p->fd < 0)
		return 0;
	f = fd_get(p->fd);
	if (!f)
		return POLLNVAL;
	ready = poll_set_ask(ps, f, (u16)p->events);
	file_put(f);
	return ready;
}

/* How many are ready in the end; -ERESTARTNOHAND, -ENOMEM. deadline 0: don't wait. */
static long poll_loop(struct poll_set *ps, struct pollfd *fds, unsigned n, ktime_t deadline)
{
	bool over = !deadline;
	long count = 0;

	for (;;) {
		for (unsigned i = 0; i < n; i++) {
			u32 ready = ask_fd(ps, &fds[i]);

			fds[i].revents = (short)ready;
			if (ready) {
				count++;
				ps->pt.queue = NULL;
			}
			if ((i + 1) % POLL_BATCH == 0)
				cond_resched();
		}
		ps->pt.queue = NULL; /* it stands in all queues */
		if (count)
			return count;
		if (ps->err)
			return ps->err;
		if (signal_pending(current))
			return -ERESTARTNOHAND;
		if (over)
			return 0;
		over = !poll_set_sleep(ps, deadline);
	}
}

/*
 * Results go back with the whole array in one piece: fd and events are the same as they were when
 * it was read.
 */
static long do_poll(uaddr_t ufds, unsigned n, ktime_t deadline)
{
	struct pollfd small[FDS_INLINE], *fds = small;
	struct poll_set ps;
	long count;

	if (n > load_relaxed(&current->tg->rlim[RLIMIT_NOFILE].rlim_cur))
		return -EINVAL;
	if (n > FDS_INLINE) {
		fds = kcalloc(n, sizeof(*fds));
		if (!fds)
			return -ENOMEM;
	}
	count = copy_from_user(fds, ufds, n * sizeof(*fds));
	if (count)
		goto out;
	poll_set_init(&ps, deadline != 0);
	count = poll_loop(&ps, fds, n, deadline);
	poll_set_done(&ps);
	if (n && (count >= 0 || count == -ERESTARTNOHAND) &&
	    copy_to_user(ufds, fds, n * sizeof(*fds)))
		count = -EFAULT;
out:
	if (fds != small)
		kfree(fds);
	return count;
}

/* poll once more after a signal, until the deadline that it had. */
static long poll_restart(struct task *t);

static long poll_or_restart(uaddr_t ufds, unsigned n, ktime_t deadline)
{
	long count = do_poll(ufds, n, deadline);

	if (count != -ERESTARTNOHAND)
		return count;
	current->restart.fn = poll_restart;
	current->restart.arg[0] = ufds;
	current->restart.arg[1] = n;
	current->restart.arg[2] = deadline;
	return -ERESTART_RESTARTBLOCK;
}

static long poll_restart(struct task *t)
{
	return poll_or_restart(t->restart.arg[0], (unsigned)t->restart.arg[1], t->restart.arg[2]);
}

long sys_poll(uaddr_t fds, unsigned int nfds, int timeout)
{
	ktime_t deadline = KTIME_MAX;

	if (timeout >= 0)
		deadline = timeout ? ktime_mono() + (ktime_t)timeout * NSEC_PER_MSEC : 0;
	return poll_or_restart(fds, nfds, deadline);
}

long sys_ppoll(uaddr_t fds, unsigned int nfds, uaddr_t timeout, uaddr_t set, size_t setsize)
{
	ktime_t deadline = KTIME_MAX;
	struct timespec left;
	long count;
	int err = 0;

	if (timeout)
		err = poll_deadline(timeout, &deadline);
	if (!err && set)
		err = sigmask_install(set, setsize);
	if (err)
		return err;
	count = do_poll(fds, nfds, deadline);
	if (set)
		sigmask_restore(count == -ERESTARTNOHAND);
	if (timeout && deadline) {
		left = ns_to_timespec(poll_time_left(deadline));
		/* Without the time that is left it can't be restarted. */
		if (put_user(left, timeout) && count == -ERESTARTNOHAND)
			count = -EINTR;
	}
	return count;
}
