/*
 * Changing user and group ids, and supplementary groups. Each call makes a copy of the credentials, changes it by the rules
 * of credentials(7), and commits it.
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

/* Commits changed user ids, or returns an error with the copy gone. */
static long commit_uids(struct cred *c)
{
	struct cred *old = current->cred;
	struct user *u;

	if (c->uid != old->uid) {
		u = user_find(c->uid);
		if (!u) {
			cred_put(c);
			return -EAGAIN;
		}
		user_put(c->user);
		c->user = u;
	}
	c->fsuid = c->euid;
	fix_caps(c, old);
	cred_commit(c);
	return 0;
}

/* Is id one of the three? */
static bool one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == a || id == b || id == c;
}

long sys_setuid(unsigned int uid)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (uid == NO_ID)
		return -EINVAL;
	if (!capable(CAP_SETUID) && uid != old->uid && uid != old->suid)
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (capable(CAP_SETUID))
		c->uid = c->suid = uid;
	c->euid = uid;
	return commit_uids(c);
}

long sys_setreuid(unsigned int ruid, unsigned int euid)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (!capable(CAP_SETUID)) {
		if (ruid != NO_ID && ruid != old->uid && ruid != old->euid)
			return -EPERM;
		if (euid != NO_ID && !one_of(euid, old->uid, old->euid, old->suid))
			return -EPERM;
	}
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (ruid != NO_ID)
		c->uid = ruid;
	if (euid != NO_ID)
		c->euid = euid;
	if (ruid != NO_ID || (euid != NO_ID && euid != old->uid))
		c->suid = c->euid;
	return commit_uids(c);
}

long sys_setresuid(unsigned int ruid, unsigned int euid, unsigned int suid)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (!capable(CAP_SETUID) &&
	    ((ruid != NO_ID && !one_of(ruid, old->uid, old->euid, old->suid)) ||
	     (euid != NO_ID && !one_of(euid, old->uid, old->euid, old->suid)) ||
	     (suid != NO_ID && !one_of(suid, old->uid, old->euid, old->suid))))
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (ruid != NO_ID)
		c->uid = ruid;
	if (euid != NO_ID)
		c->euid = euid;
	if (suid != NO_ID)
		c->suid = suid;
	return commit_uids(c);
}

/* Returns the old id, whatever happens: that is its interface. */
long sys_setfsuid(unsigned int uid)
{
	const struct cred *old = current->cred;
	u32 was = old->fsuid;
	struct cred *c;

	if (uid == NO_ID || uid == was)
		return was;
	if (!capable(CAP_SETUID) && uid != old->fsuid &&
	    !one_of(uid, old->uid, old->euid, old->suid))
		return was;
	c = cred_dup(old);
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

static long commit_gids(struct cred *c)
{
	c->fsgid = c->egid;
	cred_commit(c);
	return 0;
}

long sys_setgid(unsigned int gid)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (gid == NO_ID)
		return -EINVAL;
	if (!capable(CAP_SETGID) && gid != old->gid && gid != old->sgid)
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (capable(CAP_SETGID))
		c->gid = c->sgid = gid;
	c->egid = gid;
	return commit_gids(c);
}

long sys_setregid(unsigned int rgid, unsigned int egid)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (!capable(CAP_SETGID)) {
		if (rgid != NO_ID && rgid != old->gid && rgid != old->egid)
			return -EPERM;
		if (egid != NO_ID && !one_of(egid, old->gid, old->egid, old->sgid))
			return -EPERM;
	}
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (rgid != NO_ID)
		c->gid = rgid;
	if (egid != NO_ID)
		c->egid = egid;
	if (rgid != NO_ID || (egid != NO_ID && egid != old->gid))
		c->sgid = c->egid;
	return commit_gids(c);
}

long sys_setresgid(unsigned int rgid, unsigned int egid, unsigned int sgid)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (!capable(CAP_SETGID) &&
	    ((rgid != NO_ID && !one_of(rgid, old->gid, old->egid, old->sgid)) ||
	     (egid != NO_ID && !one_of(egid, old->gid, old->egid, old->sgid)) ||
	     (sgid != NO_ID && !one_of(sgid, old->gid, old->egid, old->sgid))))
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (rgid != NO_ID)
		c->gid = rgid;
	if (egid != NO_ID)
		c->egid = egid;
	if (sgid != NO_ID)
		c->sgid = sgid;
	return commit_gids(c);
}

long sys_setfsgid(unsigned int gid)
{
	const struct cred *old = current->cred;
	u32 was = old->fsgid;
	struct cred *c;

	if (gid == NO_ID || gid == was)
		return was;
	if (!capable(CAP_SETGID) && !one_of(gid, old->gid, old->egid, old->sgid))
		return was;
	c = cred_dup(old);
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
