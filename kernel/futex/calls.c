/* futex(2). */
#include "kernel/futex/futex_priv.h"

#include "syscall_protos.h"
#include "timeout.h"
#include "uaccess.h"
#include <linux/futex.h>

static bool takes_timeout(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI ||
	       cmd == FUTEX_LOCK_PI2;
}

/* FUTEX_WAIT's timeout is relative, the others' absolute. */
static int get_deadline(int cmd, bool realtime, uaddr_t timeout, ktime_t *deadline)
{
	struct timespec ts;
	ktime_t ns;

	*deadline = KTIME_MAX;
	if (!timeout || !takes_timeout(cmd))
		return 0;
	if (copy_from_user(&ts, timeout, sizeof(ts)))
		return -EFAULT;
	if (timespec_to_ns(&ts, &ns))
		return -EINVAL;
	if (cmd == FUTEX_WAIT) {
		*deadline = deadline_in(ns);
		return 0;
	}
	return deadline_at(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns, deadline);
}

long sys_futex(uaddr_t uaddr, int op, unsigned int val, uaddr_t timeout, uaddr_t uaddr2,
	       unsigned int val3)
{
	int cmd = op & FUTEX_CMD_MASK;
	bool shared = !(op & FUTEX_PRIVATE_FLAG), realtime = op & FUTEX_CLOCK_REALTIME;
	struct futex_pair pair = {uaddr, uaddr2, shared, (int)val, (int)timeout};
	ktime_t deadline;
	int err;

	if (realtime && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	err = get_deadline(cmd, realtime || cmd == FUTEX_LOCK_PI, timeout, &deadline);
	if (err)
		return err;
	switch (cmd) {
	case FUTEX_WAIT:
		return futex_wait(uaddr, shared, val, deadline, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return val3 ? futex_wait(uaddr, shared, val, deadline, val3) : -EINVAL;
	case FUTEX_WAKE:
		return futex_wake(current->mm, uaddr, shared, (int)val, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return val3 ? futex_wake(current->mm, uaddr, shared, (int)val, val3) : -EINVAL;
	case FUTEX_REQUEUE:
		return futex_requeue(&pair, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(&pair, &val3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(&pair, val3);
	default:
		return -ENOSYS;
	}
}
