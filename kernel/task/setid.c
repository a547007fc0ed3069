/*
 * Changing user and group ids, and supplementary groups. Each call makes a copy of the credentials,
 * changes it by the rules of credentials(7), and commits it.
 */
#include "alloc.h"
#include "cred.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>

#define NO_ID ((u32)-1)
/* What setfsuid drops and gives: the capabilities over files. */
#define CAPS_FS                                                                                    \
	(1ull << CAP_CHOWN | 1ull << CAP_MKNOD | 1ull << CAP_DAC_OVERRIDE |                        \
	 1ull << CAP_DAC_READ_SEARCH | 1ull << CAP_FOWNER | 1ull << CAP_FSETID |                   \
	 1ull << CAP_LINUX_IMMUTABLE | 1ull << CAP_MAC_OVERRIDE)

long sys_getuid(void)
{
	return current->cred->uid;
}

long sys_geteuid(void)
{
	return current->cred->euid;
}

long sys_getgid(void)
{
	return current->cred->gid;
}

long sys_getegid(void)
{
	return current->cred->egid;
}

static long put_ids(u32 a, u32 b, u32 c, uaddr_t pa, uaddr_t pb, uaddr_t pc)
{
	return put_user(a, pa) || put_user(b, pb) || put_user(c, pc) ? -EFAULT : 0;
}

long sys_getresuid(uaddr_t ruid, uaddr_t euid, uaddr_t suid)
{
	const struct cred *c = current->cred;

	return put_ids(c->uid, c->euid, c->suid, ruid, euid, suid);
}

long sys_getresgid(uaddr_t rgid, uaddr_t egid, uaddr_t sgid)
{
	const struct cred *c = current->cred;

	return put_ids(c->gid, c->egid, c->sgid, rgid, egid, sgid);
}

/* capabilities(7), "Effect of user ID changes on capabilities". */
static void fix_caps(struct cred *c, const struct cred *old)
{
	bool was_root = !old->uid || !old->euid || !old->suid;
	bool is_root = !c->uid || !c->euid || !c->suid;

	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (was_root && !is_root) {
		if (!(c->securebits & SECBIT_KEEP_CAPS))
			c->cap_permitted = c->cap_effective = 0;
		c->cap_ambient = 0;
	}
	if (!old->euid && c->euid)
		c->cap_effective = 0;
	if (old->euid && !c->euid)
		c->cap_effective = c->cap_permitted;
}

/* ---- the rules, the same for users and groups ---- */

struct ids {
	u32 real, effective, saved;
};

static bool one_of(u32 id, const struct ids *ids)
{
	return id == ids->real || id == ids->effective || id == ids->saved;
}

/*
 * These three change ids, or return an error. privileged: any id will do. NO_ID: leave it, but for
 * the first.
 */
static int set_id(struct ids *ids, u32 id, bool privileged)
{
	if (id == NO_ID)
		return -EINVAL;
	if (!privileged && id != ids->real && id != ids->saved)
		return -EPERM;
	if (privileged)
		ids->real = ids->saved = id;
	ids->effective = id;
	return 0;
}

static int set_re_ids(struct ids *ids, u32 real, u32 effective, bool privileged)
{
	const struct ids old = *ids;

	if (!privileged && real != NO_ID && real != old.real && real != old.effective)
		return -EPERM;
	if (!privileged && effective != NO_ID && !one_of(effective, &old))
		return -EPERM;
	if (real != NO_ID)
		ids->real = real;
	if (effective != NO_ID)
		ids->effective = effective;
	if (real != NO_ID || (effective != NO_ID && effective != old.real))
		ids->saved = ids->effective;
	return 0;
}

static int set_res_ids(struct ids *ids, const struct ids *to, bool privileged)
{
	if (!privileged && ((to->real != NO_ID && !one_of(to->real, ids)) ||
			    (to->effective != NO_ID && !one_of(to->effective, ids)) ||
			    (to->saved != NO_ID && !one_of(to->saved, ids))))
		return -EPERM;
	if (to->real != NO_ID)
		ids->real = to->real;
	if (to->effective != NO_ID)
		ids->effective = to->effective;
	if (to->saved != NO_ID)
		ids->saved = to->saved;
	return 0;
}

/* ---- users ---- */

static struct ids user_ids(void)
{
	const struct cred *c = current->cred;

	return (struct ids){c->uid, c->euid, c->suid};
}

/*
 * A new real user may have too many processes with this one. Few expect setuid() to fail, so it is
 * execve() that does: see execve(2), EAGAIN.
 */
static void note_nproc(const struct cred *c)
{
	struct task *t = current;

	if (c->user != t->cred->user)
		t->nproc_exceeded = c->uid && load_relaxed(&c->user->processes) >
						      t->tg->rlim[RLIMIT_NPROC].rlim_cur;
}

static long commit_user_ids(const struct ids *ids)
{
	const struct cred *old = current->cred;
	struct cred *c = cred_dup(old);
	struct user *u;

	if (!c)
		return -ENOMEM;
	if (ids->real != old->uid) {
		u = user_find(ids->real);
		if (!u) {
			cred_put(c);
			return -EAGAIN;
		}
		user_put(c->user);
		c->user = u;
	}
	c->uid = ids->real;
	c->euid = c->fsuid = ids->effective;
	c->suid = ids->saved;
	fix_caps(c, old);
	note_nproc(c);
	cred_commit(c);
	return 0;
}

long sys_setuid(unsigned int uid)
{
	struct ids ids = user_ids();
	int err = set_id(&ids, uid, capable(CAP_SETUID));

	return err ? err : commit_user_ids(&ids);
}

long sys_setreuid(unsigned int ruid, unsigned int euid)
{
	struct ids ids = user_ids();
	int err = set_re_ids(&ids, ruid, euid, capable(CAP_SETUID));

	return err ? err : commit_user_ids(&ids);
}

long sys_setresuid(unsigned int ruid, unsigned int euid, unsigned int suid)
{
	struct ids ids = user_ids(), to = {ruid, euid, suid};
	int err = set_res_ids(&ids, &to, capable(CAP_SETUID));

	return err ? err : commit_user_ids(&ids);
}

/* Returns the old id, whatever happens: that is its interface. */
long sys_setfsuid(unsigned int uid)
{
	const struct ids ids = user_ids();
	u32 was = current->cred->fsuid;
	struct cred *c;

	if (uid == NO_ID || uid == was)
		return was;
	if (!capable(CAP_SETUID) && !one_of(uid, &ids))
		return was;
	c = cred_dup(current->cred);
	if (!c)
		return was;
	c->fsuid = uid;
	if (!(c->securebits & SECBIT_NO_SETUID_FIXUP)) {
		if (!was)
			c->cap_effective &= ~CAPS_FS;
		else if (!uid)
			c->cap_effective |= c->cap_permitted & CAPS_FS;
	}
	cred_commit(c);
	return was;
}

/* ---- groups ---- */

static struct ids group_ids(void)
{
	const struct cred *c = current->cred;

	return (struct ids){c->gid, c->egid, c->sgid};
}

static long commit_group_ids(const struct ids *ids)
{
	struct cred *c = cred_dup(current->cred);

	if (!c)
		return -ENOMEM;
	c->gid = ids->real;
	c->egid = c->fsgid = ids->effective;
	c->sgid = ids->saved;
	cred_commit(c);
	return 0;
}

long sys_setgid(unsigned int gid)
{
	struct ids ids = group_ids();
	int err = set_id(&ids, gid, capable(CAP_SETGID));

	return err ? err : commit_group_ids(&ids);
}

long sys_setregid(unsigned int rgid, unsigned int egid)
{
	struct ids ids = group_ids();
	int err = set_re_ids(&ids, rgid, egid, capable(CAP_SETGID));

	return err ? err : commit_group_ids(&ids);
}

long sys_setresgid(unsigned int rgid, unsigned int egid, unsigned int sgid)
{
	struct ids ids = group_ids(), to = {rgid, egid, sgid};
	int err = set_res_ids(&ids, &to, capable(CAP_SETGID));

	return err ? err : commit_group_ids(&ids);
}

long sys_setfsgid(unsigned int gid)
{
	const struct ids ids = group_ids();
	u32 was = current->cred->fsgid;
	struct cred *c;

	if (gid == NO_ID || gid == was)
		return was;
	if (!capable(CAP_SETGID) && !one_of(gid, &ids))
		return was;
	c = cred_dup(current->cred);
	if (!c)
		return was;
	c->fsgid = gid;
	cred_commit(c);
	return was;
}

long sys_getgroups(int n, uaddr_t list)
{
	const struct cred *c = current->cred;

	if (n < 0)
		return -EINVAL;
	if (n && n < c->ngroups)
		return -EINVAL;
	if (n && copy_to_user(list, c->groups, (size_t)c->ngroups * sizeof(u32)))
		return -EFAULT;
	return c->ngroups;
}

static int compare_gids(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

long sys_setgroups(int n, uaddr_t list)
{
	u32 *groups = NULL;
	struct cred *c;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (n < 0 || n > NGROUPS_MAX_)
		return -EINVAL;
	if (n) {
		groups = kcalloc((size_t)n, sizeof(u32));
		if (!groups)
			return -ENOMEM;
		if (copy_from_user(groups, list, (size_t)n * sizeof(u32))) {
			kfree(groups);
			return -EFAULT;
		}
		qsort(groups, (size_t)n, sizeof(u32), compare_gids);
	}
	c = cred_dup(current->cred);
	if (!c) {
		kfree(groups);
		return -ENOMEM;
	}
	kfree(c->groups);
	c->groups = groups;
	c->ngroups = n;
	cred_commit(c);
	return 0;
}
