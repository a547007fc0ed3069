/* /proc/PID/mounts, mountinfo, mountstats: the mounts that the process's root reaches. */
#include "kernel/fs/proc/proc_priv.h"
#include <string.h>
#include <sys/sysmacros.h>

#define SPECIAL " \t\n\\#"

static int mounts_line(const struct mount_info *mi, void *arg)
{
	struct seq *s = arg;

	seq_escape(s, mi->source, SPECIAL);
	seq_putc(s, ' ');
	seq_escape(s, mi->point, SPECIAL);
	/* The super block's options begin with rw or ro too; the mount's say it. */
	seq_printf(s, " %s %s%s 0 0\n", mi->type, mi->mnt_options,
		   mi->sb_options + strcspn(mi->sb_options, ","));
	return 0;
}

static int mountinfo_line(const struct mount_info *mi, void *arg)
{
	struct seq *s = arg;

	seq_printf(s, "%d %d %u:%u ", mi->id, mi->parent_id, major(mi->dev), minor(mi->dev));
	seq_escape(s, mi->root, SPECIAL);
	seq_putc(s, ' ');
	seq_escape(s, mi->point, SPECIAL);
	seq_printf(s, " %s - %s ", mi->mnt_options, mi->type);
	seq_escape(s, mi->source, SPECIAL);
	seq_printf(s, " %s\n", mi->sb_options);
	return 0;
}

static int mountstats_line(const struct mount_info *mi, void *arg)
{
	struct seq *s = arg;

	seq_puts(s, "device ");
	seq_escape(s, mi->source, SPECIAL);
	seq_puts(s, " mounted on ");
	seq_escape(s, mi->point, SPECIAL);
	seq_printf(s, " with fstype %s\n", mi->type);
	return 0;
}

static int show(struct seq *s, const struct proc_ctx *c,
		int (*line)(const struct mount_info *mi, void *arg))
{
	struct fs_context *fs = task_fs_get(c->task);
	struct path root;
	int err;

	if (!fs)
		return -EINVAL;
	spin_lock(&fs->lock);
	root = fs->root;
	path_get(&root);
	spin_unlock(&fs->lock);
	fs_context_put(fs);
	err = mounts_for_each(&root, line, s);
	path_put(&root);
	return err;
}

int proc_show_mounts(struct seq *s, const struct proc_ctx *c)
{
	return show(s, c, mounts_line);
}

int proc_show_mountinfo(struct seq *s, const struct proc_ctx *c)
{
	return show(s, c, mountinfo_line);
}

int proc_show_mountstats(struct seq *s, const struct proc_ctx *c)
{
	return show(s, c, mountstats_line);
}
