/* Restartable sequences: see rseq.h. */
#include "rseq.h"
#include "mm.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <linux/rseq.h>
#include <string.h>

/* What stands in the area. 0, -EFAULT. */
static int put_cpu(const struct task *t, u32 start, u32 cpu)
{
	const struct {
		u32 start, cpu;
	} ids = {start, cpu};

	return copy_to_user(t->rseq.area + offsetof(struct rseq, cpu_id_start), &ids, sizeof(ids));
}

/* Is it one that Linux takes? */
static bool section_valid(const struct task *t, const struct rseq_cs *cs)
{
	u64 end = cs->start_ip + cs->post_commit_offset;
	u32 sig;

	if (cs->version || cs->start_ip >= TASK_SIZE || end >= TASK_SIZE || end < cs->start_ip ||
	    cs->abort_ip >= TASK_SIZE || cs->abort_ip - cs->start_ip < cs->post_commit_offset)
		return false;
	return !get_user(sig, cs->abort_ip - sizeof(sig)) && sig == t->rseq.sig;
}

int rseq_restart(struct task *t, struct pt_regs *regs)
{
	uaddr_t where = t->rseq.area + offsetof(struct rseq, rseq_cs);
	struct rseq_cs cs;
	const u64 none = 0;
	u32 flags;
	u64 at;

	if (!t->rseq.area || !t->rseq.interrupted)
		return 0;
	t->rseq.interrupted = false;
	if (get_user(at, where))
		return -EFAULT;
	if (!at)
		return 0;
	if (copy_from_user(&cs, at, sizeof(cs)) || !section_valid(t, &cs))
		return -EINVAL;
	if (regs->rip - cs.start_ip >= cs.post_commit_offset)
		return put_user(none, where);
	if (get_user(flags, t->rseq.area + offsetof(struct rseq, flags)))
		return -EFAULT;
	if (flags || cs.flags)
		return -EINVAL;
	regs->rip = cs.abort_ip;
	engine->regs_changed(t->ctx);
	return put_user(none, where);
}

void rseq_resume(struct task *t)
{
	int cpu, err = 0;

	if (t->rseq.interrupted)
		err = rseq_restart(t, engine->regs(t->ctx));
	cpu = this_cpu()->id; /* if it moves on from here, this was not the last time */
	if (!err)
		err = put_cpu(t, (u32)cpu, (u32)cpu);
	t->rseq.cpu = cpu;
	if (err)
		force_sigsegv(t);
}

void rseq_fork(struct task *t, const struct task *from)
{
	t->rseq = from->rseq;
	t->rseq.cpu = RSEQ_CPU_ID_UNINITIALIZED;
}

void rseq_exec(struct task *t)
{
	memset(&t->rseq, 0, sizeof(t->rseq));
}

static long unregister(struct task *t, uaddr_t area, unsigned int len, unsigned int sig)
{
	if (!t->rseq.area || area != t->rseq.area || len != sizeof(struct rseq))
		return -EINVAL;
	if (sig != t->rseq.sig)
		return -EPERM;
	if (put_cpu(t, 0, (u32)RSEQ_CPU_ID_UNINITIALIZED))
		return -EFAULT;
	rseq_exec(t);
	return 0;
}

long sys_rseq(uaddr_t area, unsigned int len, int flags, unsigned int sig)
{
	struct task *t = current;

	if (flags == RSEQ_FLAG_UNREGISTER)
		return unregister(t, area, len, sig);
	if (flags)
		return -EINVAL;
	if (t->rseq.area) {
		if (area != t->rseq.area || len != sizeof(struct rseq))
			return -EINVAL;
		return sig == t->rseq.sig ? -EBUSY : -EPERM;
	}
	if (area % __alignof__(struct rseq) || len != sizeof(struct rseq))
		return -EINVAL;
	if (area >= TASK_SIZE)
		return -EFAULT;
	t->rseq.area = area;
	t->rseq.sig = sig;
	t->rseq.cpu = RSEQ_CPU_ID_UNINITIALIZED;
	return 0;
}
