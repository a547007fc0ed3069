/*
 * Robust lists: a thread that ends marks the locks which it holds, and wakes a waiter of each.
 *
 * The list is in the guest's memory and may be anything: a loop, another thread's, a hole. So it is
 * followed for a bounded number of steps, and only words that hold this thread's id are touched.
 */
#include "kernel/futex/futex_priv.h"

#include "cred.h"
#include "mm.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <linux/futex.h>

#define ROBUST_LIMIT 2048

struct robust_head {
	u64 next;
	s64 futex_offset;
	u64 pending;
};

/* One lock. -EFAULT ends the walk. */
static int lock_died(struct task *t, uaddr_t uaddr, bool pi, bool pending)
{
	u32 val, found;

	if (uaddr % sizeof(u32) || get_user(val, uaddr))
		return -EFAULT;
	for (;;) {
		/*
		 * It died between giving the lock up and waking who waits. A bit may be there
		 * already: the next one's FUTEX_WAITERS.
		 */
		if (pending && !pi && !(val & FUTEX_TID_MASK)) {
			(void)futex_wake(t->mm, uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
			return 0;
		}
		if ((val & FUTEX_TID_MASK) != (u32)t->tid)
			return 0;
		if (mm_cmpxchg32(t->mm, uaddr, val, (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED,
				 &found))
			return -EFAULT;
		if (found == val)
			break;
		val = found;
	}
	if (!pi && (val & FUTEX_WAITERS))
		(void)futex_wake(t->mm, uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
	return 0;
}

/* Has nobody else any of its memory? Then no lock there can outlive it. */
static bool is_alone(struct mm *mm)
{
	bool shared = false;

	if (load_acquire(&mm->refs) > 1)
		return false;
	down_read(&mm->lock);
	for (int i = 0; i < mm->nr_vmas && !shared; i++)
		shared = mm->vmas[i].flags & VM_SHARED;
	up_read(&mm->lock);
	return !shared;
}

void futex_exit_robust(struct task *t)
{
	uaddr_t list = t->robust_list;
	struct robust_head h;
	u64 entry, next;
	int left = ROBUST_LIMIT;

	t->robust_list = 0;
	if (!list || is_alone(t->mm) || copy_from_user(&h, list, sizeof(h)))
		return;
	/* Bit 0 of a link says that the lock is a PI one. */
	for (entry = h.next; (entry & ~1ul) != list && left; entry = next, left--) {
		bool last = get_user(next, entry & ~1ul);

		if (entry != h.pending &&
		    lock_died(t, (entry & ~1ul) + h.futex_offset, entry & 1, false))
			break;
		if (last)
			break;
	}
	if (h.pending & ~1ul)
		(void)lock_died(t, (h.pending & ~1ul) + h.futex_offset, h.pending & 1, true);
}

long sys_set_robust_list(uaddr_t head, size_t len)
{
	if (len != sizeof(struct robust_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

/* As ptrace(2) has it: one's own, or all of the target's ids are one's own. */
static bool may_look_at(struct task *target)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	if (target->tg == current->tg)
		return true;
	rcu_read_lock();
	c = rcu_dereference(target->cred);
	ok = me->uid == c->euid && me->uid == c->suid && me->uid == c->uid && me->gid == c->egid &&
	     me->gid == c->sgid && me->gid == c->gid && !(c->cap_permitted & ~me->cap_permitted);
	rcu_read_unlock();
	return ok || capable(CAP_SYS_PTRACE);
}

long sys_get_robust_list(int pid, uaddr_t head, uaddr_t len)
{
	struct task *t = pid ? find_task(pid) : task_get(current);
	u64 list = 0, size = sizeof(struct robust_head);
	long err = 0;

	if (!t)
		return -ESRCH;
	if (may_look_at(t))
		list = t->robust_list;
	else
		err = -EPERM;
	task_put(t);
	if (err)
		return err;
	return put_user(size, len) || put_user(list, head) ? -EFAULT : 0;
}
