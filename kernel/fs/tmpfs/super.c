/* tmpfs super blocks: mount options, limits, and the end of the tree. */
#include "tmpfs.h"

#include "alloc.h"
#include "commit.h"
#include "fh.h"
#include "kernel/fs/tmpfs/tmpfs_priv.h"
#include "sched.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tmpfs_options {
	struct mem_limit limit;
	u32 mode, uid, gid;
	bool uid_set, gid_set;
};

/* A number with k, m, g, t or % (of the guest's memory) behind it. */
static int parse_size(const char *s, u64 *out)
{
	static const char units[] = "kmgt";
	char *end;
	const char *u;
	u64 n;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	n = strtoull(s, &end, 0);
	if (*end == '%') {
		if (n > 1000)
			return -EINVAL;
		n = memory_size() / 100 * n;
		end++;
	} else if (*end) {
		u = strchr(units, *end | 0x20);
		if (!u)
			return -EINVAL;
		if (__builtin_mul_overflow(n, 1ULL << (10 * (u - units + 1)), &n))
			return -EINVAL;
		end++;
	}
	if (*end || n > INT64_MAX)
		return -EINVAL;
	*out = n;
	return 0;
}

static int parse_id(const char *s, int base, u32 max_id, u32 *out)
{
	char *end;
	unsigned long n;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	n = strtoul(s, &end, base);
	if (*end || n > max_id)
		return -EINVAL;
	*out = n;
	return 0;
}

static int parse_option(struct tmpfs_options *o, const char *key, const char *value)
{
	u64 n;
	int err;

	if (!strcmp(key, "size"))
		return parse_size(value, &o->limit.max_bytes);
	if (!strcmp(key, "nr_inodes"))
		return parse_size(value, &o->limit.max_inodes);
	if (!strcmp(key, "nr_blocks")) {
		err = parse_size(value, &n);
		if (!err && __builtin_mul_overflow(n, PAGE_SIZE, &o->limit.max_bytes))
			err = -EINVAL;
		return err;
	}
	if (!strcmp(key, "mode"))
		return parse_id(value, 8, 07777, &o->mode);
	if (!strcmp(key, "uid")) {
		o->uid_set = true;
		return parse_id(value, 10, UINT32_MAX - 1, &o->uid);
	}
	if (!strcmp(key, "gid")) {
		o->gid_set = true;
		return parse_id(value, 10, UINT32_MAX - 1, &o->gid);
	}
	/* They say how pages are chosen, which is the host's business. */
	if (!strcmp(key, "huge") || !strcmp(key, "mpol"))
		return 0;
	return -EINVAL;
}

static int parse_options(struct tmpfs_options *o, const char *options)
{
	char *copy, *save, *word, *value;
	int err = 0;

	if (!options)
		return 0;
	copy = kstrdup(options);
	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, ",", &save); word && !err; word = strtok_r(NULL, ",", &save)) {
		value = strchr(word, '=');
		if (value) {
			*value++ = '\0';
			err = parse_option(o, word, value);
		} else if (strcmp(word, "inode64") && strcmp(word, "inode32") &&
			   strcmp(word, "noswap")) {
			err = -EINVAL;
		}
	}
	kfree(copy);
	return err;
}

static int tmpfs_statfs(struct super_block *sb, struct kstatfs *st)
{
	const struct mem_limit *l = &tmpfs_sb(sb)->limit;
	u64 used = load_relaxed(&l->bytes);
	u64 inodes = load_relaxed(&l->inodes);

	*st = (struct kstatfs){
		.type = TMPFS_MAGIC,
		.bsize = PAGE_SIZE,
		.frsize = PAGE_SIZE,
		.namelen = 255,
	};
	if (l->max_bytes) {
		st->blocks = l->max_bytes / PAGE_SIZE;
		st->bfree = st->bavail = used < l->max_bytes ? (l->max_bytes - used) / PAGE_SIZE
							     : 0;
	}
	if (l->max_inodes) {
		st->files = l->max_inodes;
		st->ffree = inodes < l->max_inodes ? l->max_inodes - inodes : 0;
	}
	return 0;
}

static void tmpfs_show_options(struct super_block *sb, char *buf, size_t size)
{
	const struct mem_limit *l = &tmpfs_sb(sb)->limit;
	int n = 0;

	*buf = '\0';
	if (l->max_bytes)
		n = snprintf(buf, size, ",size=%lluk", (unsigned long long)l->max_bytes / 1024);
	if (l->max_inodes && (size_t)n < size)
		snprintf(buf + n, size - n, ",nr_inodes=%llu", (unsigned long long)l->max_inodes);
}

/* Empties the directory: subdirectories go on the list with the reference that the entry had. */
static void drop_entries(struct inode *dir, struct inode **list)
{
	struct memdir *d = &tmpfs_i(dir)->dir;
	struct memdirent *e;
	struct inode *child;

	while ((e = memdir_last(d))) {
		child = memdir_remove(d, e);
		if (S_ISDIR(child->mode)) {
			tmpfs_i(child)->next_dying = *list;
			*list = child;
		} else {
			inode_put(child);
		}
		if (d->live % MEMDIR_BATCH == 0)
			cond_resched();
	}
}

/* Takes the tree down without recursion: guests choose its depth. Nobody uses it any more. */
static void tmpfs_put_super(struct super_block *sb)
{
	struct tmpfs_sb *ts = tmpfs_sb(sb);
	struct inode *list = ts->root, *dir;

	while ((dir = list)) {
		list = tmpfs_i(dir)->next_dying;
		drop_entries(dir, &list);
		inode_put(dir);
		cond_resched();
	}
	kfree(ts);
}

static void tmpfs_evict(struct inode *inode)
{
	struct tmpfs_inode *ti = tmpfs_i(inode);

	if (!ti)
		return;
	if (S_ISREG(inode->mode))
		memdata_free(&ti->data, tmpfs_limit(inode));
	else if (S_ISDIR(inode->mode))
		memdir_free(&ti->dir);
	else if (S_ISLNK(inode->mode))
		kfree(ti->target);
	memxattr_free(&ti->xattrs, tmpfs_limit(inode));
	kfree(ti);
	limit_give(&tmpfs_limit(inode)->inodes, 1);
}

static const struct super_ops tmpfs_super_ops = {
	.statfs = tmpfs_statfs,
	.put_super = tmpfs_put_super,
	.evict_inode = tmpfs_evict,
	.show_options = tmpfs_show_options,
};

struct super_block *tmpfs_new_sb(const char *source, const struct mem_limit *limit)
{
	struct tmpfs_sb *ts = kzalloc(sizeof(*ts));
	struct super_block *sb;

	if (!ts)
		return ERR_PTR(-ENOMEM);
	sb = sb_alloc(&tmpfs_fs_type, &tmpfs_super_ops, source ? source : "tmpfs");
	if (!sb) {
		kfree(ts);
		return ERR_PTR(-ENOMEM);
	}
	ts->limit = *limit;
	sb->priv = ts;
	return sb;
}

static struct super_block *tmpfs_mount(const struct fs_type *type, const char *source,
				       const char *options, u64 flags)
{
	u64 ram = memory_size();
	struct tmpfs_options o = {
		.limit = {.max_bytes = ram / 2, .max_inodes = ram / 2 / PAGE_SIZE},
		.mode = 01777,
	};
	struct super_block *sb;
	struct inode *root;
	int err = parse_options(&o, options);

	if (err)
		return ERR_PTR(err);
	sb = tmpfs_new_sb(source, &o.limit);
	if (IS_ERR(sb))
		return sb;
	root = tmpfs_new_inode(sb, NULL, S_IFDIR | o.mode, 0);
	if (IS_ERR(root)) {
		sb_put(sb);
		return ERR_PTR(PTR_ERR(root));
	}
	if (o.uid_set)
		root->uid = o.uid;
	if (o.gid_set)
		root->gid = o.gid;
	tmpfs_sb(sb)->root = inode_get(root);
	sb->root = d_alloc_root(sb, root);
	if (!sb->root) {
		sb_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}

const struct fs_type tmpfs_fs_type = {
	.name = "tmpfs",
	.mount = tmpfs_mount,
	.nodev = true,
	.user_mountable = true,
};
