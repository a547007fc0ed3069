/* Who may look into a task: what ptrace(2) calls a read access check with file system credentials. */
#include "cred.h"
#include "kernel/fs/proc/proc_priv.h"
#include "mm.h"
#include <linux/capability.h>

static bool same_user(const struct cred *me, const struct cred *it)
{
	return me->fsuid == it->uid && me->fsuid == it->euid && me->fsuid == it->suid &&
	       me->fsgid == it->gid && me->fsgid == it->egid && me->fsgid == it->sgid;
}

static bool dumpable(struct task *t)
{
	struct mm *mm = task_mm_get(t);
	bool r = true;

	if (mm) {
		r = mm->dumpable == 1;
		mm_put(mm);
	}
	return r;
}

int proc_may_trace(struct task *t)
{
	const struct cred *me = current->cred;
	struct cred *it;
	bool ok;

	if (t->tg == current->tg || cred_capable(me, CAP_SYS_PTRACE))
		return 0;
	it = task_cred_get(t);
	/* Who has more capabilities than we can't be looked into. */
	ok = same_user(me, it) && !(it->cap_permitted & ~me->cap_permitted) && dumpable(t);
	cred_put(it);
	return ok ? 0 : -EACCES;
}

/* Files belong to the task's effective user; to root if it must not be looked into. */
int proc_inode_owner(struct task *t, u32 mode, u32 *uid, u32 *gid)
{
	struct cred *c = task_cred_get(t);

	*uid = c->euid;
	*gid = c->egid;
	cred_put(c);
	/* The directories that everybody may list show who it is anyway. */
	if (mode != (S_IFDIR | 0555) && !dumpable(t))
		*uid = *gid = 0;
	return 0;
}
