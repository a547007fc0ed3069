/*
 * Who may look into other tasks: /proc, pidfd_getfd, process_vm_readv. As ptrace_may_access() of
 * ptrace(2).
 */
#include "cred.h"
#include "mm.h"
#include "task.h"
#include <linux/capability.h>

/*
 * May it be looked into by others of its user? See PR_SET_DUMPABLE. One that has ended is as it
 * was.
 */
static bool task_dumpable(struct task *t)
{
	bool r;

	spin_lock(&t->lock);
	r = t->mm ? mm_dumpable(t->mm) : !t->undumpable;
	spin_unlock(&t->lock);
	return r;
}

bool cred_may_trace(const struct cred *me, struct task *t, enum trace_ids ids)
{
	u32 uid = ids == TRACE_FSIDS ? me->fsuid : me->uid,
	    gid = ids == TRACE_FSIDS ? me->fsgid : me->gid;
	kcap_t caps = ids == TRACE_FSIDS ? me->cap_effective : me->cap_permitted;
	struct cred *it;
	bool ok;

	if (cred_capable(me, CAP_SYS_PTRACE))
		return true;
	it = task_cred_get(t);
	ok = uid == it->uid && uid == it->euid && uid == it->suid && gid == it->gid &&
	     gid == it->egid && gid == it->sgid && !(it->cap_permitted & ~caps);
	cred_put(it);
	return ok && task_dumpable(t);
}

bool task_may_trace(struct task *t, enum trace_ids ids)
{
	return t->tg == current->tg || cred_may_trace(current->cred, t, ids);
}

bool task_has_mm(struct task *t, const struct mm *mm)
{
	bool has;

	spin_lock(&t->lock);
	has = t->mm == mm;
	spin_unlock(&t->lock);
	return has;
}

/*
 * What is asked about t must be about t with this mm. If it still has that afterwards, so it had
 * meanwhile: an exec between mm and credentials doesn't matter, as a mm that needs more than the
 * old ones isn't dumpable.
 */
struct mm *task_mm_access(struct task *t, enum trace_ids ids)
{
	struct mm *mm;
	bool may, same;

	while ((mm = task_mm_get(t))) {
		may = mm == current->mm || task_may_trace(t, ids);
		same = task_has_mm(t, mm);
		if (same && may)
			return mm;
		mm_put(mm);
		if (same)
			return ERR_PTR(-EACCES);
	}
	return ERR_PTR(-ESRCH);
}
