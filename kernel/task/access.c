/* Who may look into other tasks: /proc, pidfd_getfd. As ptrace_may_access() of ptrace(2). */
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
