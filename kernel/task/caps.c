/* capget and capset; the rules are in capabilities(7). */
#include "cred.h"
#include "syscall_protos.h"
#include "task.h"
#include "uaccess.h"
#include <linux/capability.h>

/*
 * Words of 32 bits in each set; 0 for a version that doesn't exist, and then the caller is told of
 * one that does.
 */
static int read_header(uaddr_t header, struct __user_cap_header_struct *h)
{
	if (copy_from_user(h, header, sizeof(*h)))
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return _LINUX_CAPABILITY_U32S_3;
	}
	h->version = _LINUX_CAPABILITY_VERSION_3;
	return copy_to_user(header, h, sizeof(h->version)) ? -EFAULT : 0;
}

static u32 word(kcap_t set, int i)
{
	return (u32)(set >> (32 * i));
}

long sys_capget(uaddr_t header, uaddr_t data)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	int words = read_header(header, &h), i;
	struct cred *c;
	struct task *t;

	if (words < 0)
		return words;
	if (!words)
		return data ? -EINVAL : 0;
	if (h.pid < 0)
		return -EINVAL;
	if (!data)
		return 0;
	t = h.pid ? find_task(h.pid) : task_get(current);
	if (!t)
		return -ESRCH;
	c = task_cred_get(t);
	task_put(t);
	for (i = 0; i < words; i++) {
		d[i].effective = word(c->cap_effective, i);
		d[i].permitted = word(c->cap_permitted, i);
		d[i].inheritable = word(c->cap_inheritable, i);
	}
	cred_put(c);
	return copy_to_user(data, d, sizeof(d[0]) * (size_t)words);
}

static long apply(kcap_t effective, kcap_t permitted, kcap_t inheritable)
{
	const struct cred *old = current->cred;
	struct cred *c;

	if (!capable(CAP_SETPCAP) && (inheritable & ~(old->cap_inheritable | old->cap_permitted)))
		return -EPERM;
	if (inheritable & ~(old->cap_inheritable | old->cap_bounding))
		return -EPERM;
	if ((permitted & ~old->cap_permitted) || (effective & ~permitted))
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	c->cap_effective = effective;
	c->cap_permitted = permitted;
	c->cap_inheritable = inheritable;
	c->cap_ambient &= permitted & inheritable;
	cred_commit(c);
	return 0;
}

long sys_capset(uaddr_t header, uaddr_t data)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2] = {0};
	int words = read_header(header, &h);

	if (words < 0)
		return words;
	if (!words)
		return -EINVAL;
	if (h.pid && h.pid != current->tid)
		return -EPERM;
	if (copy_from_user(d, data, sizeof(d[0]) * (size_t)words))
		return -EFAULT;
	return apply((d[0].effective | (kcap_t)d[1].effective << 32) & CAP_FULL,
		     (d[0].permitted | (kcap_t)d[1].permitted << 32) & CAP_FULL,
		     (d[0].inheritable | (kcap_t)d[1].inheritable << 32) & CAP_FULL);
}
