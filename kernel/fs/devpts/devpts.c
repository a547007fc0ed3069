/*
 * devpts: /dev/pts, with a node for each pty whose master is open, and ptmx. There is one instance,
 * whatever is mounted where.
 */
#include "alloc.h"
#include "dev.h"
#include "fs.h"
#include "kernel/fs/pseudo.h"
#include "proc.h"
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PTS_MAX 4096
#define PTS_GID 5 /* group tty */
#define PTS_MODE 0620u
#define PTMX_COOKIE 2 /* of readdir; pts/N has N + 3 */

/* Inode numbers: as on Linux, a pty's is its index and 3. */
#define PTMX_INO 2

static struct super_block *instance; /* pseudo_mount() */
static struct spinlock table_lock = SPINLOCK_INIT("devpts", RANK_MISC);
static struct inode *table[PTS_MAX]; /* table_lock; +1 */
static struct inode *ptmx_inode;     /* constant once there is an instance; +1 */

/* ---- names ---- */

/* N of "N", without sign, zeros in front, or anything else; -1. */
static int parse_index(const char *name, size_t len)
{
	int n = 0;

	if (!len || len > 4 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + name[i] - '0';
	}
	return n < PTS_MAX ? n : -1;
}

static struct inode *find_inode(const char *name, size_t len)
{
	struct inode *inode = NULL;
	int index;

	if (len == 4 && !memcmp(name, "ptmx", 4))
		return inode_get(ptmx_inode);
	index = parse_index(name, len);
	if (index < 0)
		return NULL;
	spin_lock(&table_lock);
	if (table[index])
		inode = inode_get(table[index]);
	spin_unlock(&table_lock);
	return inode;
}

static int devpts_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *inode = find_inode(d->name, d->name_len);

	if (inode)
		d_instantiate(d, inode);
	return 0;
}

/* A name may have come or gone, or stand for another pty now. */
static bool devpts_revalidate(struct dentry *d)
{
	struct inode *inode = find_inode(d->name, d->name_len);
	bool same = inode == d_inode(d);

	inode_put(inode);
	return same;
}

static int devpts_iterate(struct file *f, struct dir_context *dc)
{
	bool more = pseudo_dots(f, dc);

	if (more && dc->pos == PTMX_COOKIE) {
		more = dc->emit(dc, "ptmx", 4, PTMX_INO, DT_CHR, PTMX_COOKIE + 1);
		dc->pos++;
	}
	for (u64 i = dc->pos - PTMX_COOKIE - 1; more && i < PTS_MAX; i++) {
		char name[8];
		int len;
		bool there;

		spin_lock(&table_lock);
		there = table[i];
		spin_unlock(&table_lock);
		if (!there)
			continue;
		len = snprintf(name, sizeof(name), "%d", (int)i);
		more = dc->emit(dc, name, len, i + 3, DT_CHR, i + PTMX_COOKIE + 2);
	}
	return 0;
}

static const struct inode_operations dir_ops = {
	.lookup = devpts_lookup,
	.revalidate = devpts_revalidate,
};

static const struct inode_operations node_ops = {
	.revalidate = devpts_revalidate,
};

static const struct file_operations dir_fops = {.iterate = devpts_iterate};

/* ---- the instance ---- */

static struct inode *new_node(struct super_block *sb, u64 ino, u32 mode, dev_t dev)
{
	struct inode *inode = inode_alloc(sb, ino, S_IFCHR | mode);

	if (!inode)
		return NULL;
	inode->uid = inode->gid = 0;
	inode->rdev = dev;
	inode->ops = &node_ops;
	return inode;
}

static int devpts_statfs(struct super_block *sb, struct kstatfs *st)
{
	*st = (struct kstatfs){.type = DEVPTS_SUPER_MAGIC,
			       .bsize = PAGE_SIZE,
			       .frsize = PAGE_SIZE,
			       .namelen = 255};
	return 0;
}

static void devpts_show_options(struct super_block *sb, char *buf, size_t size)
{
	snprintf(buf, size, ",gid=%d,mode=%o,ptmxmode=666", PTS_GID, PTS_MODE);
}

static const struct super_ops super_ops = {
	.statfs = devpts_statfs,
	.show_options = devpts_show_options,
};

static struct super_block *make_instance(const struct fs_type *type, const char *source)
{
	struct super_block *sb = pseudo_sb(type, &super_ops, source, 0755, &dir_ops, &dir_fops);
	struct inode *node;

	if (IS_ERR(sb))
		return sb;
	node = new_node(sb, PTMX_INO, 0666, DEV_PTMX);
	if (!node) {
		sb_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	if (__sync_bool_compare_and_swap(&ptmx_inode, NULL, node))
		return sb;
	/* Another mount was faster; its instance will be used. */
	inode_put(node);
	return sb;
}

static struct super_block *devpts_mount(const struct fs_type *type, const char *source,
					const char *options, u64 flags)
{
	return pseudo_mount(&instance, type, source, make_instance);
}

const struct fs_type devpts_fs_type = {
	.name = "devpts",
	.mount = devpts_mount,
	.nodev = true,
	.user_mountable = true,
};

/* ---- ptys come and go ---- */

int devpts_add(int index, dev_t dev, u32 uid, u32 gid)
{
	struct super_block *sb = devpts_mount(&devpts_fs_type, "devpts", NULL, 0);
	struct inode *inode;

	if (IS_ERR(sb))
		return PTR_ERR(sb);
	inode = new_node(sb, index + 3, PTS_MODE, dev);
	sb_put(sb); /* the instance's own reference keeps it */
	if (!inode)
		return -ENOMEM;
	inode->uid = uid;
	inode->gid = PTS_GID;
	spin_lock(&table_lock);
	table[index] = inode;
	spin_unlock(&table_lock);
	return 0;
}

void devpts_remove(int index)
{
	struct inode *inode;

	spin_lock(&table_lock);
	inode = table[index];
	table[index] = NULL;
	spin_unlock(&table_lock);
	if (inode)
		inode_set_nlink(inode, 0);
	inode_put(inode);
}
