/*
 * On whose behalf the VFS works: the current task's root, working directory, umask and credentials;
 * during boot, before there are tasks, those of the kernel itself.
 */
#include "vfs.h"

static const struct kthread_ops
	*task_ops; /* atomic; set once there is a task: how to tell tasks from kthreads */
static struct cred *boot_cred; /* constant after vfs_init() */

struct task *vfs_task(void)
{
	const struct kthread_ops *ops = load_relaxed(&task_ops);
	struct kthread *kt = current_kthread();

	if (unlikely(!ops)) {
		struct task *init = load_acquire(&init_task);

		if (!init || !init->kt.ops)
			return NULL;
		ops = init->kt.ops;
		store_relaxed(&task_ops, ops);
	}
	return kt && kt->ops == ops ? (struct task *)kt : NULL;
}

const struct cred *vfs_cred(void)
{
	struct task *t = vfs_task();

	return t && t->cred ? t->cred : boot_cred;
}

int vfs_init(void)
{
	int err;

	boot_cred = cred_new(0, 0);
	if (!boot_cred)
		return -ENOMEM;
	err = dcache_init();
	if (!err)
		err = mount_init();
	if (!err)
		err = super_init();
	return err;
}

void vfs_get_stats(struct vfs_stats *st)
{
	st->unused = dcache_unused();
	st->inodes = inode_count();
	st->files = file_count();
}

/* ---- cwd, root, umask ---- */

struct fs_context *fs_context_new(const struct fs_context *from)
{
	struct fs_context *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	fs->refs = fs->users = 1;
	spin_init(&fs->lock, "fs_context", RANK_FS);
	if (from) {
		struct fs_context *src = (struct fs_context *)from;

		spin_lock(&src->lock);
		fs->root = src->root;
		fs->pwd = src->pwd;
		fs->umask = load_relaxed(&src->umask);
		path_get(&fs->root);
		path_get(&fs->pwd);
		spin_unlock(&src->lock);
	} else {
		fs->root = (struct path){root_mount, root_mount->root};
		fs->pwd = fs->root;
		fs->umask = 022;
		path_get(&fs->root);
		path_get(&fs->pwd);
	}
	return fs;
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
	__atomic_fetch_add(&fs->refs, 1, __ATOMIC_RELAXED);
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (!fs || __atomic_sub_fetch(&fs->refs, 1, __ATOMIC_ACQ_REL))
		return;
	path_put(&fs->root);
	path_put(&fs->pwd);
	kfree(fs);
}

struct fs_context *fs_context_share(struct fs_context *fs)
{
	__atomic_fetch_add(&fs->users, 1, __ATOMIC_RELAXED);
	return fs_context_get(fs);
}

void fs_context_leave(struct fs_context *fs)
{
	__atomic_sub_fetch(&fs->users, 1, __ATOMIC_RELEASE);
	fs_context_put(fs);
}

static void get_path(struct path *out, size_t offset)
{
	struct task *t = vfs_task();
	struct fs_context *fs = t ? t->fs : NULL;

	if (!fs) {
		*out = (struct path){root_mount, root_mount->root};
		path_get(out);
		return;
	}
	spin_lock(&fs->lock);
	*out = *(struct path *)((char *)fs + offset);
	path_get(out);
	spin_unlock(&fs->lock);
}

void fs_get_root(struct path *out)
{
	get_path(out, offsetof(struct fs_context, root));
}

void fs_get_pwd(struct path *out)
{
	get_path(out, offsetof(struct fs_context, pwd));
}

u32 fs_umask(void)
{
	struct task *t = vfs_task();

	return t && t->fs ? load_relaxed(&t->fs->umask) : 022;
}
