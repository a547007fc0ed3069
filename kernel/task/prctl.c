/*
 * prctl and arch_prctl. What they name and this kernel lacks is EINVAL, as on a kernel configured
 * without it.
 */
#include "cred.h"
#include "engine.h"
#include "mm.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>

#define GET_AUXV 0x41555856

/* A private copy of the credentials to change, for calls that return its result. */
#define with_cred_copy(c, statement)                                                               \
	({                                                                                         \
		struct cred *c = cred_dup(current->cred);                                          \
		if (c) {                                                                           \
			statement;                                                                 \
			cred_commit(c);                                                            \
		}                                                                                  \
		c ? 0 : -ENOMEM;                                                                   \
	})

static long set_name(uaddr_t name)
{
	char buf[TASK_COMM_LEN] = "";
	ssize_t n = strncpy_from_user(buf, name, sizeof(buf));

	if (n == -EFAULT)
		return -EFAULT;
	if (n == -ENAMETOOLONG && copy_from_user(buf, name, sizeof(buf) - 1))
		return -EFAULT;
	buf[sizeof(buf) - 1] = '\0';
	task_set_comm(current, buf);
	return 0;
}

static long get_name(uaddr_t name)
{
	char buf[TASK_COMM_LEN];

	task_get_comm(current, buf);
	return copy_to_user(name, buf, sizeof(buf));
}

static long set_dumpable(unsigned long v)
{
	if (v > 1)
		return -EINVAL;
	store_relaxed(&current->mm->dumpable, (int)v);
	return 0;
}

static long set_keepcaps(unsigned long v)
{
	if (v > 1)
		return -EINVAL;
	if (current->cred->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	return with_cred_copy(c, c->securebits = (c->securebits & ~(u32)SECBIT_KEEP_CAPS) |
						 (v ? SECBIT_KEEP_CAPS : 0));
}

static long bounding_set(bool drop, unsigned long cap)
{
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	if (!drop)
		return !!(current->cred->cap_bounding & 1ull << cap);
	if (!capable(CAP_SETPCAP))
		return -EPERM;
	return with_cred_copy(c, c->cap_bounding &= ~(1ull << cap));
}

static long set_securebits(unsigned long bits)
{
	u32 old = current->cred->securebits;

	/* A locked bit stays what it is, and its lock stays. */
	if ((bits & ~(unsigned long)(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) ||
	    (((old & SECURE_ALL_LOCKS) >> 1) & (old ^ bits)) || (old & SECURE_ALL_LOCKS & ~bits) ||
	    !capable(CAP_SETPCAP))
		return -EPERM;
	return with_cred_copy(c, c->securebits = (u32)bits);
}

static long ambient(unsigned long op, unsigned long cap)
{
	const struct cred *old = current->cred;
	kcap_t bit;

	if (op == PR_CAP_AMBIENT_CLEAR_ALL)
		return cap ? -EINVAL : with_cred_copy(c, c->cap_ambient = 0);
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	bit = 1ull << cap;
	switch (op) {
	case PR_CAP_AMBIENT_IS_SET:
		return !!(old->cap_ambient & bit);
	case PR_CAP_AMBIENT_RAISE:
		if (!(old->cap_permitted & old->cap_inheritable & bit) ||
		    (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
		return with_cred_copy(c, c->cap_ambient |= bit);
	case PR_CAP_AMBIENT_LOWER:
		return with_cred_copy(c, c->cap_ambient &= ~bit);
	}
	return -EINVAL;
}

static long set_subreaper(unsigned long v)
{
	spin_lock(&tasklist_lock);
	current->tg->is_subreaper = v;
	spin_unlock(&tasklist_lock);
	return 0;
}

static long set_pdeathsig(unsigned long sig)
{
	if (sig > NSIG)
		return -EINVAL;
	current->pdeath_signal = (int)sig;
	return 0;
}

static long get_auxv(uaddr_t to, size_t size, unsigned long arg4, unsigned long arg5)
{
	struct mm *mm = current->mm;
	size_t len = (size_t)mm->auxv_len;

	if (arg4 || arg5)
		return -EINVAL;
	return copy_to_user(to, mm->auxv, min(size, len)) ? -EFAULT : (long)len;
}

/* Options that take or return an int or a bit. */
static long prctl_simple(int option, unsigned long arg, bool rest_zero)
{
	struct task *t = current;

	switch (option) {
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(arg);
	case PR_GET_PDEATHSIG: {
		int sig = t->pdeath_signal;

		return put_user(sig, arg);
	}
	case PR_GET_DUMPABLE:
		return load_relaxed(&t->mm->dumpable);
	case PR_SET_DUMPABLE:
		return set_dumpable(arg);
	case PR_GET_KEEPCAPS:
		return !!(t->cred->securebits & SECBIT_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return set_keepcaps(arg);
	case PR_GET_SECUREBITS:
		return t->cred->securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(arg);
	case PR_SET_NAME:
		return set_name(arg);
	case PR_GET_NAME:
		return get_name(arg);
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return arg == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack_ns;
	case PR_SET_TIMERSLACK:
		t->timer_slack_ns = arg ? arg : TIMER_SLACK_DEFAULT;
		return 0;
	case PR_GET_TSC: {
		int mode = PR_TSC_ENABLE;

		return put_user(mode, arg);
	}
	case PR_SET_TSC:
		return arg == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_SET_CHILD_SUBREAPER:
		return set_subreaper(arg);
	case PR_GET_CHILD_SUBREAPER: {
		int is = t->tg->is_subreaper;

		return put_user(is, arg);
	}
	case PR_GET_TID_ADDRESS:
		return put_user(t->clear_child_tid, arg);
	case PR_SET_NO_NEW_PRIVS:
		if (arg != 1 || !rest_zero)
			return -EINVAL;
		return with_cred_copy(c, c->no_new_privs = true);
	case PR_GET_NO_NEW_PRIVS:
		return arg || !rest_zero ? -EINVAL : t->cred->no_new_privs;
	case PR_GET_THP_DISABLE:
		return arg || !rest_zero ? -EINVAL : 0;
	}
	return -EINVAL;
}

long sys_prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
	       unsigned long arg5)
{
	switch (option) {
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
		return bounding_set(option == PR_CAPBSET_DROP, arg2);
	case PR_CAP_AMBIENT:
		return arg4 || arg5 ? -EINVAL : ambient(arg2, arg3);
	case GET_AUXV:
		return get_auxv(arg2, arg3, arg4, arg5);
	default:
		return prctl_simple(option, arg2, !arg3 && !arg4 && !arg5);
	}
}

/* The rest (CPUID faulting, AMX permission, shadow stacks) isn't offered to guests. */
long sys_arch_prctl(int code, unsigned long addr)
{
	struct task *t = current;
	struct pt_regs *r;

	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= TASK_SIZE)
			return -EPERM;
		r = engine->regs(t->ctx);
		*(code == ARCH_SET_FS ? &r->fs_base : &r->gs_base) = addr;
		engine->regs_changed(t->ctx);
		return 0;
	case ARCH_GET_FS:
		return put_user(engine->regs(t->ctx)->fs_base, (uaddr_t)addr);
	case ARCH_GET_GS:
		return put_user(engine->regs(t->ctx)->gs_base, (uaddr_t)addr);
	}
	return -EINVAL;
}
