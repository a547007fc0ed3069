/*
 * Super blocks, the table of file system types, and the internal super blocks of files without a
 * name.
 */
#include "kernel/fs/mount.h"
#include "kernel/fs/notify/notify.h"
#include "layerfs.h"
#include "proc.h"
#include "tmpfs.h"
#include "vfs.h"
#include <linux/magic.h>

const struct fs_type *const fs_types[] = {
	&hostfs_fs_type,   &humfs_fs_type,  &overlay_fs_type, &tmpfs_fs_type, &proc_fs_type,
	&devtmpfs_fs_type, &devpts_fs_type, &sysfs_fs_type,   NULL,
};

static struct spinlock supers_lock = SPINLOCK_INIT("supers", RANK_MISC);
static CDS_LIST_HEAD(supers); /* supers_lock */
static u32 last_dev;	      /* atomic: st_dev of super blocks, 0:1 and up */

struct super_block *anon_sb, *nsfs_sb; /* constant after boot */

const struct fs_type *fs_type_find(const char *name)
{
	for (int i = 0; fs_types[i]; i++) {
		if (!strcmp(fs_types[i]->name, name))
			return fs_types[i];
	}
	return NULL;
}

struct super_block *sb_alloc(const struct fs_type *type, const struct super_ops *ops,
			     const char *source)
{
	struct super_block *sb = kzalloc(sizeof(*sb));

	if (!sb)
		return NULL;
	sb->source = kstrdup(source ? source : "none");
	if (!sb->source) {
		kfree(sb);
		return NULL;
	}
	sb->refs = 1;
	sb->type = type;
	sb->ops = ops;
	/*
	 * 20 bits of minor number: a billionth mount of a long-lived guest may meet a number again.
	 */
	sb->dev = makedev(0, __atomic_add_fetch(&last_dev, 1, __ATOMIC_RELAXED) & 0xfffff);
	sb->next_ino = 1;
	sb->max_links = UINT32_MAX;
	CDS_INIT_LIST_HEAD(&sb->watches);
	mutex_init(&sb->rename_mutex, "rename", RANK_RENAME);
	spin_lock(&supers_lock);
	cds_list_add_tail(&sb->link, &supers);
	spin_unlock(&supers_lock);
	return sb;
}

void sb_make_layer(struct super_block *sb)
{
	sb->layer = true;
	sb->root->inode->lock.rank = RANK_INODE_LOWER; /* nobody uses it yet */
}

void sb_get(struct super_block *sb)
{
	__atomic_fetch_add(&sb->refs, 1, __ATOMIC_RELAXED);
}

void sb_put(struct super_block *sb)
{
	struct dentry *root;

	if (!sb || __atomic_sub_fetch(&sb->refs, 1, __ATOMIC_ACQ_REL))
		return;
	spin_lock(&supers_lock);
	cds_list_del(&sb->link);
	spin_unlock(&supers_lock);
	notify_unmount(sb);
	dcache_forget_super(sb);
	root = sb->root;
	sb->root = NULL;
	if (root)
		d_put(root);
	if (sb->ops && sb->ops->put_super)
		sb->ops->put_super(sb);
	if (load_acquire(&sb->dentries))
		log_warn("%s: %u dentries outlive their super block", sb->source, sb->dentries);
	kfree(sb->source);
	kfree_rcu(sb);
}

u64 sb_next_ino(struct super_block *sb)
{
	return __atomic_fetch_add(&sb->next_ino, 1, __ATOMIC_RELAXED);
}

static bool sb_tryget(struct super_block *sb)
{
	u32 refs = load_relaxed(&sb->refs);

	do {
		if (!refs)
			return false;
	} while (!__atomic_compare_exchange_n(&sb->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

void supers_sync(void)
{
	struct super_block *sb, *prev = NULL;

	spin_lock(&supers_lock);
	cds_list_for_each_entry(sb, &supers, link) {
		if (!sb->ops || !sb->ops->sync || !sb_tryget(sb))
			continue;
		/* Our reference keeps sb on the list while the lock is free. */
		spin_unlock(&supers_lock);
		sb_put(prev);
		prev = sb;
		(void)sb->ops->sync(sb);
		spin_lock(&supers_lock);
	}
	spin_unlock(&supers_lock);
	sb_put(prev);
}

void vfs_stop(void)
{
	struct super_block *sb;

	/* Nobody else runs: the list stands still. */
	cds_list_for_each_entry(sb, &supers, link)
		if (sb->ops && sb->ops->stop)
			sb->ops->stop(sb);
}

u32 vfs_take_down(void)
{
	struct super_block *sb, *next;
	u32 held = 0;

	mount_remove_all();
	cds_list_for_each_entry_safe(sb, next, &supers, link) {
		if (sb == anon_sb || sb == nsfs_sb)
			continue;
		if (sb->kept && load_acquire(&sb->refs) == 1)
			sb_put(sb);
		else
			held++;
	}
	return held;
}

/* ---- pipes, sockets, anonymous inodes, namespaces ---- */

static int anon_statfs(struct super_block *sb, struct kstatfs *st)
{
	*st = (struct kstatfs){.type = sb == nsfs_sb ? NSFS_MAGIC : ANON_INODE_FS_MAGIC,
			       .bsize = PAGE_SIZE,
			       .frsize = PAGE_SIZE,
			       .namelen = NAME_MAX};
	return 0;
}

static const struct super_ops anon_super_ops = {.statfs = anon_statfs};
static const struct fs_type anon_fs_type = {.name = "anon_inodefs", .nodev = true},
			    nsfs_fs_type = {.name = "nsfs", .nodev = true};

int super_init(void)
{
	notify_init();
	anon_sb = sb_alloc(&anon_fs_type, &anon_super_ops, "none");
	nsfs_sb = sb_alloc(&nsfs_fs_type, &anon_super_ops, "nsfs");
	return anon_sb && nsfs_sb ? file_cache_init() : -ENOMEM;
}
