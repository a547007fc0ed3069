/*
 * Who may look into a task: what ptrace(2) calls a read access check with file system credentials.
 */
#include "cred.h"
#include "kernel/fs/proc/proc_priv.h"
#include "mm.h"
#include <linux/capability.h>

int proc_may_trace(struct task *t)
{
	return task_may_trace(t, TRACE_FSIDS) ? 0 : -EACCES;
}

int proc_may_read(const struct file *f, struct task *t)
{
	if (f->cred == current->cred)
		return proc_may_trace(t);
	return cred_may_trace(f->cred, t, TRACE_FSIDS) ? 0 : -EACCES;
}

static bool may_be_looked_into(struct task *t)
{
	bool may;

	spin_lock(&t->lock);
	may = t->mm && mm_dumpable(t->mm);
	spin_unlock(&t->lock);
	return may;
}

/*
 * Files belong to the task's effective user; to root if it must not be looked into, or has ended.
 */
int proc_inode_owner(struct task *t, u32 mode, racy_u32 *uid, racy_u32 *gid)
{
	struct cred *c = task_cred_get(t);

	*uid = c->euid;
	*gid = c->egid;
	cred_put(c);
	/* The directories that everybody may list show who it is anyway. */
	if (mode != (S_IFDIR | 0555) && !may_be_looked_into(t))
		*uid = *gid = 0;
	return 0;
}
