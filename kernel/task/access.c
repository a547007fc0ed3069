/* Who may look into other tasks: /proc, pidfd_getfd, process_vm_readv. As ptrace_may_access() of ptrace(2). */
#include "cred.h"
#include "mm.h"
#include "task.h"
#include <linux/capability.h>

bool task_dumpable(struct task *t)
{
	struct mm *mm = task_mm_get(t);
	bool r = true;

	if (mm) {
		r = __atomic_load_n(&mm->dumpable, __ATOMIC_RELAXED) == 1;
		mm_put(mm);
	}
	return r;
}

bool cred_may_trace(const struct cred *me, struct task *t, enum trace_ids ids)
{
	u32 uid = ids == TRACE_FSIDS ? me->fsuid : me->uid,
	    gid = ids == TRACE_FSIDS ? me->fsgid : me->gid;
	struct cred *it;
	bool ok;

	if (cred_capable(me, CAP_SYS_PTRACE))
		return true;
	it = task_cred_get(t);
	ok = uid == it->uid && uid == it->euid && uid == it->suid && gid == it->gid &&
	     gid == it->egid && gid == it->sgid && !(it->cap_permitted & ~me->cap_permitted);
	cred_put(it);
	return ok && task_dumpable(t);
}

bool task_may_trace(struct task *t, enum trace_ids ids)
{
	return t->tg == current->tg || cred_may_trace(current->cred, t, ids);
}

static bool has_mm(struct task *t, const struct mm *mm)
{
	bool has;

	spin_lock(&t->lock);
	has = t->mm == mm;
	spin_unlock(&t->lock);
	return has;
}

/*
 * What is asked about t must be about t with this mm. If it still has that afterwards, so it had meanwhile: an exec between mm and credentials doesn't
 * matter, as a mm that needs more than the old ones isn't dumpable.
 */
struct mm *task_mm_access(struct task *t, enum trace_ids ids)
{
	struct mm *mm;
	bool may, same;

	while ((mm = task_mm_get(t))) {
		may = mm == current->mm || task_may_trace(t, ids);
		same = has_mm(t, mm);
		if (same && may)
			return mm;
		mm_put(mm);
		if (same)
			return ERR_PTR(-EACCES);
	}
	return ERR_PTR(-ESRCH);
}
