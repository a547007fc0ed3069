/* select and pselect6. */
#include "alloc.h"
#include "fs.h"
#include "poll_set.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"
#include <string.h>
#include <sys/time.h>

#define SET_IN (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL)
#define SET_OUT (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL)
#define SET_EX (POLLPRI | POLLNVAL)
#define NR_SETS 3
#define WORDS_INLINE 16u /* of each set: FD_SETSIZE */

static const u32 set_events[NR_SETS] = {SET_IN, SET_OUT, SET_EX};

/* The three sets, each of `words` words: what is asked for, and what is ready. */
struct fd_sets {
	int n; /* descriptors below this */
	unsigned words;
	u64 *asked[NR_SETS], *ready[NR_SETS];
};

/*
 * What lies beyond the table of descriptors isn't looked at, nor even read. We have no such table;
 * Linux's is a power of two that is greater than all descriptors.
 */
static int clip(int n)
{
	int high = 256, fd;

	if (n <= high)
		return n;
	for (fd = files_next(current->files, high); fd >= 0 && fd < n;
	     fd = files_next(current->files, fd + 1))
		while (high < INT32_MAX / 2 && high <= fd)
			high *= 2;
	return min(n, high);
}

static u64 word_of(const struct fd_sets *s, unsigned i)
{
	return s->asked[0][i] | s->asked[1][i] | s->asked[2][i];
}

/*
 * One descriptor: its bits in `ready`. How many of them; -EBADF if it isn't open at all in the
 * first round. Later another thread may have closed it: that is an event.
 */
static int select_fd(struct poll_set *ps, struct fd_sets *s, int fd, bool first)
{
	u64 bit = 1ULL << (fd % 64);
	u32 want = 0, ready = POLLNVAL;
	struct file *f = fd_get(fd);
	int count = 0;

	for (int k = 0; k < NR_SETS; k++)
		if (s->asked[k][fd / 64] & bit)
			want |= set_events[k];
	if (f) {
		ready = poll_set_ask(ps, f, want);
		file_put(f);
	} else if (first) {
		f = fd_get_raw(fd);
		if (!f)
			return -EBADF;
		file_put(f);
	}
	for (int k = 0; k < NR_SETS; k++)
		if ((s->asked[k][fd / 64] & bit) && (ready & set_events[k])) {
			s->ready[k][fd / 64] |= bit;
			count++;
		}
	return count;
}

static int select_round(struct poll_set *ps, struct fd_sets *s, bool first)
{
	int count = 0;

	for (unsigned i = 0; i < s->words; i++) {
		for (u64 left = word_of(s, i); left; left &= left - 1) {
			int fd = (int)(i * 64) + __builtin_ctzll(left);
			int r;

			if (fd >= s->n)
				break;
			r = select_fd(ps, s, fd, first);
			if (r < 0)
				return r;
			count += r;
			if (r)
				ps->pt.queue = NULL;
		}
		if ((i + 1) * 64 % POLL_BATCH == 0)
			cond_resched();
	}
	return count;
}

static long select_loop(struct poll_set *ps, struct fd_sets *s, ktime_t deadline)
{
	bool over = !deadline;

	for (bool first = true;; first = false) {
		int count = select_round(ps, s, first);

		ps->pt.queue = NULL;
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

static int sets_read(struct fd_sets *s, const uaddr_t usets[NR_SETS])
{
	for (int k = 0; k < NR_SETS; k++) {
		size_t bytes = s->words * sizeof(u64);

		memset(s->ready[k], 0, bytes);
		if (!usets[k])
			memset(s->asked[k], 0, bytes);
		else if (copy_from_user(s->asked[k], usets[k], bytes))
			return -EFAULT;
	}
	return 0;
}

static int sets_write(const struct fd_sets *s, const uaddr_t usets[NR_SETS])
{
	for (int k = 0; k < NR_SETS; k++)
		if (usets[k] && copy_to_user(usets[k], s->ready[k], s->words * sizeof(u64)))
			return -EFAULT;
	return 0;
}

static long do_select(int n, const uaddr_t usets[NR_SETS], ktime_t deadline)
{
	u64 small[2 * NR_SETS * WORDS_INLINE], *mem = small;
	struct poll_set ps;
	struct fd_sets s;
	long count;

	if (n < 0)
		return -EINVAL;
	s.n = clip(n);
	s.words = ((unsigned)s.n + 63) / 64;
	if (s.words > WORDS_INLINE) {
		mem = kcalloc(2 * NR_SETS * s.words, sizeof(*mem));
		if (!mem)
			return -ENOMEM;
	}
	for (int k = 0; k < NR_SETS; k++) {
		s.asked[k] = mem + (size_t)(2 * k) * s.words;
		s.ready[k] = mem + (size_t)(2 * k + 1) * s.words;
	}
	count = sets_read(&s, usets);
	if (!count) {
		poll_set_init(&ps, deadline != 0);
		count = select_loop(&ps, &s, deadline);
		poll_set_done(&ps);
	}
	if (count >= 0 && sets_write(&s, usets))
		count = -EFAULT;
	if (mem != small)
		kfree(mem);
	return count;
}

long sys_select(int n, uaddr_t rd, uaddr_t wr, uaddr_t ex, uaddr_t timeout)
{
	const uaddr_t usets[NR_SETS] = {rd, wr, ex};
	ktime_t deadline = KTIME_MAX, left;
	struct timeval tv;
	struct timespec ts;
	long count;
	int err;

	if (timeout) {
		if (get_user(tv, timeout))
			return -EFAULT;
		if (tv.tv_sec < 0 || tv.tv_usec < 0) /* microseconds may exceed a second */
			return -EINVAL;
		if (__builtin_add_overflow(tv.tv_sec, tv.tv_usec / 1000000, &ts.tv_sec))
			return -EINVAL;
		ts.tv_nsec = tv.tv_usec % 1000000 * 1000;
		err = poll_deadline_in(&ts, &deadline);
		if (err)
			return err;
	}
	count = do_select(n, usets, deadline);
	if (timeout && deadline) {
		left = poll_time_left(deadline);
		tv = (struct timeval){
			.tv_sec = (time_t)(left / NSEC_PER_SEC),
			.tv_usec = (suseconds_t)(left % NSEC_PER_SEC / NSEC_PER_USEC)};
		if (put_user(tv, timeout) && count == -ERESTARTNOHAND)
			count = -EINTR;
	}
	return count;
}

/* What the last argument of pselect6 points to. */
struct sigset_arg {
	uaddr_t set;
	size_t size;
};

long sys_pselect6(int n, uaddr_t rd, uaddr_t wr, uaddr_t ex, uaddr_t timeout, uaddr_t sig)
{
	const uaddr_t usets[NR_SETS] = {rd, wr, ex};
	struct sigset_arg mask = {0, 0};
	ktime_t deadline = KTIME_MAX;
	struct timespec left;
	long count;
	int err = 0;

	if (sig && get_user(mask, sig))
		return -EFAULT;
	if (timeout)
		err = poll_deadline(timeout, &deadline);
	if (!err && mask.set)
		err = sigmask_install(mask.set, mask.size);
	if (err)
		return err;
	count = do_select(n, usets, deadline);
	if (mask.set)
		sigmask_restore(count == -ERESTARTNOHAND);
	if (timeout && deadline) {
		left = ns_to_timespec(poll_time_left(deadline));
		if (put_user(left, timeout) && count == -ERESTARTNOHAND)
			count = -EINTR;
	}
	return count;
}
