/*
 * /proc/PID/ns, and setns(2). There is one namespace of each kind, in which everybody is: the links
 * tell just that. Their numbers are those of Linux's first ones (mnt and net: since 6.18).
 */
#include "kernel/fs/proc/proc_priv.h"
#include "kernel/fs/vfs.h"
#include <linux/nsfs.h>
#include <sched.h>

struct ns_kind {
	const char *name;
	u32 ino;
	int type; /* CLONE_NEW* */
};

static const struct ns_kind cgroup_ns = {"cgroup", 0xeffffffb, CLONE_NEWCGROUP},
			    ipc_ns = {"ipc", 0xefffffff, CLONE_NEWIPC},
			    mnt_ns = {"mnt", 0xeffffff8, CLONE_NEWNS},
			    net_ns = {"net", 0xeffffff9, CLONE_NEWNET},
			    pid_ns = {"pid", 0xeffffffc, CLONE_NEWPID},
			    time_ns = {"time", 0xeffffffa, CLONE_NEWTIME},
			    user_ns = {"user", 0xeffffffd, CLONE_NEWUSER},
			    uts_ns = {"uts", 0xeffffffe, CLONE_NEWUTS};

/* ---- what the links lead to ---- */

static int ns_permission(struct inode *inode, int mask, const struct cred *cred)
{
	return mask & MAY_WRITE ? -EPERM : generic_permission(inode, mask, cred);
}

static int ns_setattr(struct inode *inode, struct iattr *a)
{
	return -EPERM;
}

static const struct inode_operations ns_iops = {
	.permission = ns_permission,
	.setattr = ns_setattr,
};

static long ns_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	const struct ns_kind *kind = f->inode->priv;

	return cmd == NS_GET_NSTYPE ? kind->type : -ENOTTY;
}

/* An open one can only be told from others: by stat(), its kind, and setns(). */
static const struct file_operations ns_fops = {.llseek = no_llseek, .ioctl = ns_ioctl};

/* Each look makes an inode, all of them with the same number. */
static int ns_path(const struct ns_kind *kind, struct path *out)
{
	struct inode *inode = inode_alloc(nsfs_sb, kind->ino, S_IFREG | 0444);
	char name[32];

	if (!inode)
		return -ENOMEM;
	inode->uid = inode->gid = 0;
	inode->ops = &ns_iops;
	inode->fops = &ns_fops;
	inode->priv = (void *)kind;
	snprintf(name, sizeof(name), "%s:[%u]", kind->name, kind->ino);
	*out = (struct path){.dentry = d_alloc_anon(nsfs_sb, inode, name)};
	return out->dentry ? 0 : -ENOMEM;
}

/* ---- the links ---- */

#define NS(kind)                                                                                   \
	static int kind##_path(const struct proc_ctx *c, struct path *out)                         \
	{                                                                                          \
		return ns_path(&kind, out);                                                        \
	}
NS(cgroup_ns)
NS(ipc_ns)
NS(mnt_ns)
NS(net_ns)
NS(pid_ns)
NS(time_ns)
NS(user_ns)
NS(uts_ns)

const struct proc_entry proc_ns_table[] = {
	PROC_MAGIC("cgroup", cgroup_ns_path),
	PROC_MAGIC("ipc", ipc_ns_path),
	PROC_MAGIC("mnt", mnt_ns_path),
	PROC_MAGIC("net", net_ns_path),
	PROC_MAGIC("pid", pid_ns_path),
	PROC_MAGIC("pid_for_children", pid_ns_path),
	PROC_MAGIC("time", time_ns_path),
	PROC_MAGIC("time_for_children", time_ns_path),
	PROC_MAGIC("user", user_ns_path),
	PROC_MAGIC("uts", uts_ns_path),
	{0},
};

/* ---- setns ---- */

/*
 * The caller is in it: that it may enter it is all that there is to say. As Linux says it, but for
 * mnt, which would move root and cwd.
 */
static int enter(const struct ns_kind *kind)
{
	if (kind == &user_ns)
		return -EINVAL; /* one's own can't be entered again */
	if (kind == &time_ns && load_relaxed(&current->tg->nr_threads) > 1)
		return -EUSERS;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return kind == &mnt_ns ? -EINVAL : 0;
}

long sys_setns(int fd, int type)
{
	struct file *f = fd_get(fd);
	const struct ns_kind *kind;
	int err = -EINVAL;

	if (!f)
		return -EBADF;
	if (f->ops == &ns_fops) {
		kind = f->inode->priv;
		if (!type || type == kind->type)
			err = enter(kind);
	}
	file_put(f);
	return err;
}
