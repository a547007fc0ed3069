/*
 * Inodes of /proc, and its directories: rows of tables, then names that come and go.
 *
 * An inode of a process holds its struct pid, so the number can't come to stand for another
 * process. Whether the process still exists is looked up at each use; names are never cached
 * without being checked (revalidate).
 */
#include "alloc.h"
#include "cred.h"
#include "kernel/fs/proc/proc_priv.h"
#include "kernel/fs/pseudo.h"
#include <dirent.h>
#include <linux/magic.h>
#include <string.h>

static const struct inode_operations fixed_ops, task_ops, magic_ops, fd_dir_ops;
static struct super_block *instance; /* pseudo_mount() */

/* ---- contexts ---- */

int proc_ctx_get(struct proc_ctx *c, const struct proc_inode *pi)
{
	*c = (struct proc_ctx){.thread = pi->thread, .fd = pi->fd};
	if (!pi->pid)
		return 0;
	c->task = find_task(pi->pid->nr);
	if (!c->task)
		return -ENOENT;
	c->tg = c->task->tg;
	return 0;
}

void proc_ctx_put(struct proc_ctx *c)
{
	if (c->task)
		task_put(c->task);
}

/* ---- inodes ---- */

/* A name's number: its row's address tells rows apart. Only what readdir and stat show. */
u64 proc_ino(pid_t pid, bool thread, const struct proc_entry *e, int fd)
{
	u64 row = (uintptr_t)e / sizeof(*e) & 0xfffff;

	if (e == &proc_root)
		return 1;
	return (u64)pid << 40 | (u64)thread << 39 | ((u64)fd & 0x7ffff) << 20 | row;
}

static const struct inode_operations *choose_ops(const struct proc_entry *e, struct pid *pid)
{
	if (e->names == &proc_fd_names || e->names == &proc_fdinfo_names)
		return &fd_dir_ops;
	if (e->path)
		return &magic_ops;
	return pid ? &task_ops : &fixed_ops;
}

struct inode *proc_new_inode(struct super_block *sb, const struct proc_entry *e, struct pid *pid,
			     bool thread, int fd)
{
	struct proc_inode *pi = kzalloc(sizeof(*pi));
	struct inode *inode;

	if (!pi)
		return ERR_PTR(-ENOMEM);
	*pi = (struct proc_inode){.entry = e, .pid = pid, .thread = thread, .fd = fd};
	inode = inode_alloc(sb, proc_ino(pid ? pid->nr : 0, thread, e, fd), e->mode);
	if (!inode) {
		kfree(pi);
		return ERR_PTR(-ENOMEM);
	}
	if (pid)
		pid_get(pid);
	inode->uid = inode->gid = 0;
	inode->priv = pi;
	inode->ops = choose_ops(e, pid);
	inode->fops = S_ISDIR(e->mode) ? &proc_dir_fops : e->fops ? e->fops : &proc_file_fops;
	return inode;
}

void proc_evict(struct inode *inode)
{
	struct proc_inode *pi = proc_i(inode);

	if (pi && pi->pid)
		pid_put(pi->pid);
	kfree(pi);
}

static void set_owner(struct inode *inode, struct task *t)
{
	u32 uid, gid;

	proc_inode_owner(t, inode->mode, &uid, &gid);
	store_relaxed(&inode->uid, uid);
	store_relaxed(&inode->gid, gid);
}

/* ---- lookup ---- */

static const struct proc_entry *find_row(const struct proc_entry *e, const char *name, size_t len)
{
	for (; e && e->name; e++)
		if (strlen(e->name) == len && !memcmp(e->name, name, len))
			return e;
	return NULL;
}

static int proc_lookup(struct inode *dir, struct dentry *d)
{
	struct proc_inode *pi = proc_i(dir);
	const struct proc_entry *e = find_row(pi->entry->children, d->name, d->name_len);
	struct inode *inode = NULL;
	struct proc_ctx c;
	int err = proc_ctx_get(&c, pi);

	if (err)
		return err;
	if (e)
		inode = proc_new_inode(dir->sb, e, pi->pid, pi->thread, pi->fd);
	else if (pi->entry->names)
		inode = pi->entry->names->lookup(dir, d->name, d->name_len);
	if (inode && !IS_ERR(inode)) {
		if (c.task && proc_i(inode)->pid == pi->pid)
			set_owner(inode, c.task);
		d_instantiate(d, inode);
	} else if (inode) {
		err = PTR_ERR(inode);
	}
	proc_ctx_put(&c);
	return err == -ENOENT ? 0 : err;
}

/* Still there? The owner may have changed. */
static bool task_revalidate(struct dentry *d)
{
	struct inode *inode = d_inode(d);
	struct proc_inode *pi;
	struct proc_ctx c;
	bool valid = true;

	if (!inode)
		return false;
	pi = proc_i(inode);
	if (proc_ctx_get(&c, pi))
		return false;
	if (proc_is_fd(pi->entry))
		valid = proc_fd_valid(&c, inode->mode);
	if (valid)
		set_owner(inode, c.task);
	proc_ctx_put(&c);
	return valid;
}

/* ---- reading directories ---- */

static int proc_iterate(struct file *f, struct dir_context *dc)
{
	struct proc_inode *pi = proc_i(f->inode);
	const struct proc_entry *e = pi->entry->children;
	pid_t pid = pi->pid ? pi->pid->nr : 0;
	struct proc_ctx c;
	u64 n = 0;

	if (proc_ctx_get(&c, pi))
		return -ENOENT;
	proc_ctx_put(&c);
	if (!pseudo_dots(f, dc))
		return 0;
	for (; e && e->name; e++, n++) {
		if (dc->pos > n + 2)
			continue;
		if (!dc->emit(dc, e->name, strlen(e->name), proc_ino(pid, pi->thread, e, pi->fd),
			      IFTODT(e->mode), n + 3))
			return 0;
		dc->pos = n + 3;
	}
	if (!pi->entry->names)
		return 0;
	if (dc->pos < PROC_NAMES_POS)
		dc->pos = PROC_NAMES_POS;
	pi->entry->names->iterate(f->inode, dc);
	return 0;
}

const struct file_operations proc_dir_fops = {.iterate = proc_iterate};

/* ---- permission ---- */

/* A process may always look at its own descriptors, whoever owns the directory by now. */
static int fd_dir_permission(struct inode *inode, int mask, const struct cred *cred)
{
	int err = generic_permission(inode, mask, cred);
	struct proc_ctx c;

	if (!err || proc_ctx_get(&c, proc_i(inode)))
		return err;
	if (c.tg == current->tg)
		err = 0;
	proc_ctx_put(&c);
	return err;
}

static const struct inode_operations fixed_ops = {
	.lookup = proc_lookup,
	.setattr = pseudo_setattr,
	.readlink = proc_readlink,
};

/* The directory of threads has a link from each: programs count themselves by that. */
static int task_getattr(struct inode *inode, struct kstat *st)
{
	struct proc_ctx c;

	generic_getattr(inode, st);
	if (proc_i(inode)->entry->names != &proc_thread_names || proc_ctx_get(&c, proc_i(inode)))
		return 0;
	if (c.tg)
		st->nlink = 2 + (u32)load_relaxed(&c.tg->nr_threads);
	proc_ctx_put(&c);
	return 0;
}

static const struct inode_operations task_ops = {
	.lookup = proc_lookup,
	.getattr = task_getattr,
	.setattr = pseudo_setattr,
	.readlink = proc_readlink,
	.revalidate = task_revalidate,
};

static const struct inode_operations magic_ops = {
	.setattr = pseudo_setattr,
	.readlink = proc_readlink,
	.follow = proc_follow,
	.revalidate = task_revalidate,
};

static const struct inode_operations fd_dir_ops = {
	.lookup = proc_lookup,
	.setattr = pseudo_setattr,
	.permission = fd_dir_permission,
	.revalidate = task_revalidate,
};

/* ---- the instance ---- */

static int proc_statfs(struct super_block *sb, struct kstatfs *st)
{
	*st = (struct kstatfs){
		.type = PROC_SUPER_MAGIC, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = 255};
	return 0;
}

static const struct super_ops super_ops = {
	.statfs = proc_statfs,
	.evict_inode = proc_evict,
};

struct super_block *proc_make_super(const struct fs_type *type, const char *source,
				    const struct super_ops *ops, const struct proc_entry *root)
{
	struct super_block *sb = pseudo_sb(type, ops, source, 0555, &fixed_ops, &proc_dir_fops);
	struct proc_inode *pi;

	if (IS_ERR(sb))
		return sb;
	pi = kzalloc(sizeof(*pi));
	if (!pi) {
		sb_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	pi->entry = root;
	sb->root->inode->priv = pi;
	sb->no_dcache = true;
	return sb;
}

static struct super_block *make_instance(const struct fs_type *type, const char *source)
{
	return proc_make_super(type, source, &super_ops, &proc_root);
}

static struct super_block *proc_mount(const struct fs_type *type, const char *source,
				      const char *options, u64 flags)
{
	return pseudo_mount(&instance, type, source, make_instance);
}

const struct fs_type proc_fs_type = {
	.name = "proc",
	.mount = proc_mount,
	.nodev = true,
	.user_mountable = true,
};
